// Entry for Node: the wasm is a file beside this one, each module compiled on first use.

import { readFileSync } from "node:fs";
import { createIssuerFrom } from "./issuer.js";

export { EdgemintError } from "./errors.js";

/** @param {string} name */
const compile = (name) =>
  new WebAssembly.Module(readFileSync(new URL(`./wasm/${name}_bg.wasm`, import.meta.url)));

/** @type {WebAssembly.Module | undefined} */
let tokens;
/** @type {WebAssembly.Module | undefined} */
let administered;

async function load() {
  const { administration } = await import("./administration.js");
  administered ??= compile("administration");
  return { wasm: administration, module: administered };
}

/** @type {typeof import("./index.d.ts").createIssuer} */
export const createIssuer = (options) => {
  tokens ??= compile("edgemint");
  return createIssuerFrom(tokens, options, load);
};
