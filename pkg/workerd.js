// Entry for Cloudflare Workers: the wasm is a module that the platform has compiled.

import module from "./wasm/edgemint_bg.wasm";
import { createIssuerFrom } from "./issuer.js";

export { EdgemintError } from "./errors.js";

/** @type {typeof import("./index.d.ts").createIssuer} */
export const createIssuer = (options) => createIssuerFrom(module, options);
