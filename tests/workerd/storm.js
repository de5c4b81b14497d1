// The service over a grant store that fails as networks and data centres do: a call may be lost before
// it is performed, or its answer after, or be slow on either way. With WAY=loop the store has no `step`,
// so that grants are read, changed and written by compare-and-set.

import { durableObjectStore } from "../../pkg/stores/durable-object.js";
import { kvStore } from "../../pkg/stores/kv.js";
import { createIssuer } from "../../pkg/workerd.js";
import { faults, faulty } from "../storm/faults.js";

export { DirectoryObject } from "../../pkg/stores/directory-object.js";
export { GrantObject } from "../../pkg/stores/durable-object.js";

/** What was read first. @type {Map<string, { value: string, version: string } | null>} */
const stale = new Map();

/**
 * Reads that break their promise: what was read once is read for ever.
 * @param {import("../../pkg/index.d.ts").Store["get"]} get
 * @returns {import("../../pkg/index.d.ts").Store["get"]}
 */
const staling = (get) => async (partition, name) => {
  if (!faults.stale) return get(partition, name);
  const key = `${partition}:${name}`;
  const known = stale.get(key);
  if (known !== undefined) return known;
  const found = await get(partition, name);
  stale.set(key, found);
  return found;
};

/** @param {import("../../pkg/stores/durable-object.d.ts").GrantNamespace} namespace @param {string} way */
function stormy(namespace, way) {
  const { guarantees, get, put, delete: remove, list, step } = durableObjectStore(namespace);
  const store = {
    guarantees,
    get: faulty(staling(get)),
    put: faulty(put),
    delete: faulty(remove),
    list: faulty(list),
  };
  return way === "loop" ? store : { ...store, step: faulty(step) };
}

/** @type {import("../../pkg/index.d.ts").Issuer | undefined} */
let issuer;

export default {
  /** @param {Request} request @param {any} env @param {any} context */
  async fetch(request, env, context) {
    if (new URL(request.url).pathname === "/faults") {
      Object.assign(faults, await request.json());
      return new Response();
    }
    issuer ??= createIssuer({
      baseUrl: env.BASE_URL,
      masterKey: env.MASTER_KEY,
      cacheTtl: Number(env.CACHE_TTL),
      store: kvStore(env.DIRECTORY),
      grants: stormy(env.GRANTS, env.WAY),
      // Thousands of refusals are what a storm is made of; a failure of the service is not.
      onEvent: (event) => {
        if (event.reason !== "storage" && event.kind === "failed") console.error(JSON.stringify(event));
      },
    });
    return issuer.fetch(request, context);
  },
};
