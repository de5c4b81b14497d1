// Entry for Node: the wasm is files beside this one, each compiled on its first use.

import { readFileSync } from "node:fs";
import { loadingAtOnce } from "./loader.js";

export { EdgemintError } from "./errors.js";

// Each address is written out: what traces a program's files finds a file by it.
const ADDRESSES = {
  edgemint: new URL("./wasm/edgemint_bg.wasm", import.meta.url),
  administration: new URL("./wasm/administration_bg.wasm", import.meta.url),
  dialects: new URL("./wasm/dialects_bg.wasm", import.meta.url),
};

export const createIssuer = loadingAtOnce(
  (name) => new WebAssembly.Module(readFileSync(ADDRESSES[name])),
);
