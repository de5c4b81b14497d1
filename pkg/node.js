// Entry for Node: the wasm is files beside this one, each module compiled on first use.

import { readFileSync } from "node:fs";
import { createIssuerFrom } from "./issuer.js";

export { EdgemintError } from "./errors.js";

/** @type {Record<string, WebAssembly.Module>} */
const compiled = {};

/** @param {string} name */
const compile = (name) =>
  (compiled[name] ??= new WebAssembly.Module(
    readFileSync(new URL(`./wasm/${name}_bg.wasm`, import.meta.url)),
  ));

/** @type {import("./issuer.js").Load} */
async function load(name) {
  const { wasm } = await import(`./${name}.js`);
  return { wasm, module: compile(name) };
}

/** @type {typeof import("./index.d.ts").createIssuer} */
export const createIssuer = (options) => createIssuerFrom(compile("edgemint"), options, load);
