// Entry for Deno: the wasm is modules, imported at their source phase. They are part of the program as its
// JavaScript is, so that no permission to read is needed. The token service's is compiled while this module
// loads, the others on their first use.

import { loadingBefore } from "./loader.js";

export { EdgemintError } from "./errors.js";

// Each name is written out: Deno finds a module by it before the program runs. TypeScript does not know the
// syntax yet.
const SOURCES = {
  // @ts-expect-error import.source
  edgemint: () => import.source("./wasm/edgemint_bg.wasm"),
  // @ts-expect-error import.source
  administration: () => import.source("./wasm/administration_bg.wasm"),
  // @ts-expect-error import.source
  dialects: () => import.source("./wasm/dialects_bg.wasm"),
};

export const createIssuer = await loadingBefore((name) => SOURCES[name]());
