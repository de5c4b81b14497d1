// Entry for Cloudflare Workers: the wasm is modules that the platform has compiled. Only that of the token
// service is instantiated before it is used.

import { wasm as administration } from "./administration.js";
import { wasm as dialects } from "./dialects.js";
import { createIssuerFrom } from "./issuer.js";
import administrationModule from "./wasm/administration_bg.wasm";
import dialectsModule from "./wasm/dialects_bg.wasm";
import tokens from "./wasm/edgemint_bg.wasm";

export { EdgemintError } from "./errors.js";

const PARTS = {
  administration: { wasm: administration, module: administrationModule },
  dialects: { wasm: dialects, module: dialectsModule },
};

/** @type {import("./issuer.js").Load} */
const load = async (name) => PARTS[name];

/** @type {typeof import("./index.d.ts").createIssuer} */
export const createIssuer = (options) => createIssuerFrom(tokens, options, load);
