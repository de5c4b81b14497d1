// Entry for browsers and other runtimes that fetch: the token service's wasm is compiled while this module
// loads, the other modules on their first use.

import { loadingBefore } from "./loader.js";

export { EdgemintError } from "./errors.js";

// Each address is written out: bundlers find a file by it.
const ADDRESSES = {
  edgemint: new URL("./wasm/edgemint_bg.wasm", import.meta.url),
  administration: new URL("./wasm/administration_bg.wasm", import.meta.url),
  dialects: new URL("./wasm/dialects_bg.wasm", import.meta.url),
};

export const createIssuer = await loadingBefore(async (name) => {
  const response = await fetch(ADDRESSES[name]);
  if (!response.ok) throw new Error(`${response.url} answered ${response.status}`);
  return WebAssembly.compile(await response.arrayBuffer());
});
