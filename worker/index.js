// edgemint as a Cloudflare Worker: bindings in, fetch out. There is no logic here.

import { clientAddress, rateLimiter } from "../pkg/cloudflare.js";
import { analyticsEngine, everySink, logSink } from "../pkg/events.js";
import { administer, directoryStore, maintain } from "../pkg/stores/directory.js";
import { durableObjectStore } from "../pkg/stores/durable-object.js";
import { createIssuer } from "../pkg/workerd.js";

export { DirectoryObject } from "../pkg/stores/directory-object.js";
export { GrantObject } from "../pkg/stores/durable-object.js";

/**
 * @typedef {object} Env
 * @property {import("../pkg/stores/kv.d.ts").KvNamespace} DIRECTORY copies of directories, near to every client
 * @property {import("../pkg/stores/directory.d.ts").DirectoryNamespace} TENANTS where directories live
 * @property {import("../pkg/stores/durable-object.d.ts").GrantNamespace} GRANTS where grants live
 * @property {import("../pkg/cloudflare.d.ts").RateLimiter} [FAILURES] counts failed client authentications in a location
 * @property {import("../pkg/events.d.ts").AnalyticsDataset} [EVENTS] takes events, beside the log
 * @property {string} BASE_URL such as https://auth.example.com
 * @property {string} MASTER_KEY a secret
 * @property {string} [PREVIOUS_MASTER_KEY] a secret, while the master key is being rotated
 * @property {string} [BOOTSTRAP_SECRET] a secret that makes the first administrator, once
 * @property {string} [CACHE_TTL] seconds for which records are used from memory
 * @property {string} [CACHE_CAPACITY] records that are kept in memory
 * @property {string} [ISSUANCE_EVENTS] "false": the tokens that are issued are no events
 */

/** One for the life of the isolate, so that its cache is warm. @type {import("../pkg/index.d.ts").Issuer | undefined} */
let issuer;

/** @param {Env} env */
const sink = ({ EVENTS }) => EVENTS && everySink(logSink, analyticsEngine(EVENTS));

export default {
  /**
   * @param {Request} request
   * @param {Env} env
   * @param {{ waitUntil(promise: Promise<unknown>): void }} context
   * @returns {Response | Promise<Response>}
   */
  fetch(request, env, context) {
    try {
      issuer ??= createIssuer({
        baseUrl: env.BASE_URL,
        masterKey: env.MASTER_KEY,
        previousMasterKey: env.PREVIOUS_MASTER_KEY,
        cacheTtl: env.CACHE_TTL ? Number(env.CACHE_TTL) : undefined,
        cacheCapacity: env.CACHE_CAPACITY ? Number(env.CACHE_CAPACITY) : undefined,
        issuanceEvents: env.ISSUANCE_EVENTS !== "false",
        store: directoryStore({ kv: env.DIRECTORY, objects: env.TENANTS }),
        grants: durableObjectStore(env.GRANTS),
        administration: (request, tenant) => administer(env.TENANTS, tenant, request),
        clientAddress,
        rateLimit: rateLimiter(env.FAILURES),
        onEvent: sink(env),
      });
    } catch (error) {
      // The operator reads what is wrong with the set-up; the caller learns nothing of it.
      // A binding that is not there is a store's TypeError.
      const { code = "invalid_options", message } =
        /** @type {import("../pkg/index.d.ts").EdgemintError} */ (error);
      console.error(JSON.stringify({ edgemint: { kind: "failed", reason: code, detail: message } }));
      const body = { error: "server_error", error_description: "the server is not set up" };
      return Response.json(body, { status: 500, headers: { "cache-control": "no-store" } });
    }
    return issuer.fetch(request, context);
  },

  /**
   * Rotates keys that are due: see the cron trigger in wrangler.toml.
   * @param {{ scheduledTime: number }} trigger @param {Env} env
   */
  async scheduled({ scheduledTime }, env) {
    await maintain(env.TENANTS, scheduledTime, sink(env));
  },
};
