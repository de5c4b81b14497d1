// Entry for Bun: the wasm is files, each compiled on its first use. They are named so that `bun build` brings
// them along, into a folder or into an executable.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { loadingAtOnce } from "./loader.js";

export { EdgemintError } from "./errors.js";

/** What stands for a file here is its path. @type {Record<import("./loader.js").Name, () => any>} */
const PATHS = {
  edgemint: () => require("./wasm/edgemint_bg.wasm"),
  administration: () => require("./wasm/administration_bg.wasm"),
  dialects: () => require("./wasm/dialects_bg.wasm"),
};

// In a bundle, the path is relative to it.
export const createIssuer = loadingAtOnce(
  (name) => new WebAssembly.Module(readFileSync(resolve(import.meta.dirname, PATHS[name]()))),
);
