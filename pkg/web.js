// Entry for browsers and other runtimes that fetch: the token service's wasm is compiled while this module
// loads, the other modules on their first use.

import { createIssuerFrom } from "./issuer.js";

export { EdgemintError } from "./errors.js";

/** @param {URL} url */
async function compile(url) {
  const response = await fetch(url);
  return WebAssembly.compile(await response.arrayBuffer());
}

// Each address is written out: bundlers find a file by it.
const module = await compile(new URL("./wasm/edgemint_bg.wasm", import.meta.url));

const PARTS = {
  administration: () => ({
    glue: import("./administration.js"),
    address: new URL("./wasm/administration_bg.wasm", import.meta.url),
  }),
  dialects: () => ({
    glue: import("./dialects.js"),
    address: new URL("./wasm/dialects_bg.wasm", import.meta.url),
  }),
};

/** @type {import("./issuer.js").Load} */
async function load(name) {
  const { glue, address } = PARTS[name]();
  const [{ wasm }, module] = await Promise.all([glue, compile(address)]);
  return { wasm, module };
}

/** @type {typeof import("./index.d.ts").createIssuer} */
export const createIssuer = (options) => createIssuerFrom(module, options, load);
