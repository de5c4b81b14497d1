// Entry for Node: the wasm is a file beside this one, compiled on first use.

import { readFileSync } from "node:fs";
import { createIssuerFrom } from "./issuer.js";

export { EdgemintError } from "./errors.js";

/** @type {WebAssembly.Module | undefined} */
let module;

/** @type {typeof import("./index.d.ts").createIssuer} */
export const createIssuer = (options) => {
  module ??= new WebAssembly.Module(readFileSync(new URL("./wasm/edgemint_bg.wasm", import.meta.url)));
  return createIssuerFrom(module, options);
};
