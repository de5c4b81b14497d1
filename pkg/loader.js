// What the entries of all runtimes have in common: each module of the wasm is compiled once, however many
// issuers there are. If that fails, whoever needs it next tries again.

import { wasmUnavailable } from "./errors.js";
import { createIssuerFrom } from "./issuer.js";

/** The token service, or a part of it. @typedef {"edgemint" | import("./issuer.js").Part} Name */

const GLUE = {
  administration: () => import("./administration.js"),
  dialects: () => import("./dialects.js"),
};

/** @typedef {typeof import("./index.d.ts").createIssuer} CreateIssuer */

/**
 * `createIssuer` where files are read at once: the token service's wasm is compiled for the first issuer.
 * @param {(name: Name) => WebAssembly.Module} compile
 * @returns {CreateIssuer}
 */
export function loadingAtOnce(compile) {
  /** @type {Partial<Record<Name, WebAssembly.Module>>} */
  const compiled = {};
  const module = (/** @type {Name} */ name) => (compiled[name] ??= compile(name));
  /** @type {import("./issuer.js").Load} */
  const load = async (name) => ({ wasm: (await GLUE[name]()).wasm, module: module(name) });
  return (options) => {
    /** @type {WebAssembly.Module} */
    let tokens;
    try {
      tokens = module("edgemint");
    } catch (error) {
      throw wasmUnavailable("edgemint", error);
    }
    return createIssuerFrom(tokens, options, load);
  };
}

/**
 * `createIssuer` where loading takes a while: that of the token service's wasm is over before this resolves.
 * If it failed, each call says so, and begins another attempt for those after it.
 * @param {(name: Name) => Promise<WebAssembly.Module>} compile
 * @returns {Promise<CreateIssuer>}
 */
export async function loadingBefore(compile) {
  /** @type {Partial<Record<Name, Promise<WebAssembly.Module>>>} */
  const begun = {};
  /** @param {Name} name */
  const module = (name) =>
    (begun[name] ??= compile(name).catch((error) => {
      delete begun[name];
      throw error;
    }));
  /** @type {import("./issuer.js").Load} */
  async function load(name) {
    const [{ wasm }, compiled] = await Promise.all([GLUE[name](), module(name)]);
    return { wasm, module: compiled };
  }

  /** @type {WebAssembly.Module | undefined} */
  let tokens;
  /** @type {unknown} */
  let failure;
  const attempt = () =>
    module("edgemint").then(
      (compiled) => void (tokens = compiled),
      (error) => void (failure = error),
    );
  await attempt();
  return (options) => {
    if (tokens !== undefined) return createIssuerFrom(tokens, options, load);
    attempt();
    throw wasmUnavailable("edgemint", failure);
  };
}
