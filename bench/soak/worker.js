// The worker as it is deployed, which also tells how much memory its wasm has.

import { wasmMemory } from "./memory.js";
import worker from "../../worker/index.js";

export { DirectoryObject, GrantObject } from "../../worker/index.js";

export default {
  /**
   * @param {Request} request
   * @param {import("../../worker/index.js").Env} env
   * @param {{ waitUntil(promise: Promise<unknown>): void }} context
   */
  fetch(request, env, context) {
    if (request.url.endsWith("/bench/wasm-memory")) return new Response(`${wasmMemory()}`);
    return worker.fetch(request, env, context);
  },
};
