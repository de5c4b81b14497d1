// Entry for Cloudflare Workers: the wasm is two modules that the platform has compiled. That of the
// administration is instantiated on its first use.

import { administration } from "./administration.js";
import { createIssuerFrom } from "./issuer.js";
import administered from "./wasm/administration_bg.wasm";
import tokens from "./wasm/edgemint_bg.wasm";

export { EdgemintError } from "./errors.js";

const load = async () => ({ wasm: administration, module: administered });

/** @type {typeof import("./index.d.ts").createIssuer} */
export const createIssuer = (options) => createIssuerFrom(tokens, options, load);
