// Entry for browsers and other runtimes that fetch: the wasm is compiled while this module loads.

import { createIssuerFrom } from "./issuer.js";

export { EdgemintError } from "./errors.js";

const response = await fetch(new URL("./wasm/edgemint_bg.wasm", import.meta.url));
const module = await WebAssembly.compile(await response.arrayBuffer());

/** @type {typeof import("./index.d.ts").createIssuer} */
export const createIssuer = (options) => createIssuerFrom(module, options);
