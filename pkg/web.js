// Entry for browsers and other runtimes that fetch: the wasm is compiled while this module loads, that of
// the administration on its first use.

import { createIssuerFrom } from "./issuer.js";

export { EdgemintError } from "./errors.js";

/** @param {URL} url */
async function compile(url) {
  const response = await fetch(url);
  return WebAssembly.compile(await response.arrayBuffer());
}

// Each address is written out: bundlers find a file by it.
const module = await compile(new URL("./wasm/edgemint_bg.wasm", import.meta.url));

async function load() {
  const address = new URL("./wasm/administration_bg.wasm", import.meta.url);
  const [{ administration }, module] = await Promise.all([
    import("./administration.js"),
    compile(address),
  ]);
  return { wasm: administration, module };
}

/** @type {typeof import("./index.d.ts").createIssuer} */
export const createIssuer = (options) => createIssuerFrom(module, options, load);
