// A token service and its login page in one Cloudflare Worker. The page asks the issuer in process: it is
// no application of its own, and there is no secret between the two.

import { createIssuer } from "edgemint";
import { clientAddress, rateLimiter } from "edgemint/cloudflare";
import { administer, directoryStore, maintain } from "edgemint/stores/directory";
import { durableObjectStore } from "edgemint/stores/durable-object";
import { login } from "./login.js";

export { DirectoryObject } from "edgemint/stores/directory-object";
export { GrantObject } from "edgemint/stores/durable-object";

/**
 * @typedef {object} Env as wrangler.toml names it
 * @property {string} BASE_URL
 * @property {string} CACHE_TTL seconds until a change of the directory is in force
 * @property {string} MASTER_KEY a secret
 * @property {string} FORM_KEY a secret: what the forms of the login page are sealed with
 * @property {import("@cloudflare/workers-types").D1Database} USERS
 * @property {import("edgemint/stores/kv").KvNamespace} DIRECTORY
 * @property {import("edgemint/stores/directory").DirectoryNamespace} TENANTS
 * @property {import("edgemint/stores/durable-object").GrantNamespace} GRANTS
 * @property {import("edgemint/cloudflare").RateLimiter} FAILURES
 * @property {import("edgemint/cloudflare").RateLimiter} ATTEMPTS
 */

/** One for the life of the isolate: it remembers what it has read. @type {import("edgemint").Issuer} */
let issuer;

/** @param {Env} env */
function issuerOf(env) {
  issuer ??= createIssuer({
    baseUrl: env.BASE_URL,
    masterKey: env.MASTER_KEY,
    cacheTtl: Number(env.CACHE_TTL),
    store: directoryStore({ kv: env.DIRECTORY, objects: env.TENANTS }),
    grants: durableObjectStore(env.GRANTS),
    administration: (request, tenant) => administer(env.TENANTS, tenant, request),
    clientAddress,
    rateLimit: rateLimiter(env.FAILURES),
  });
  return issuer;
}

export default {
  /**
   * @param {Request} request @param {Env} env
   * @param {{ waitUntil(promise: Promise<unknown>): void }} context
   */
  fetch(request, env, context) {
    const { authorization, fetch } = issuerOf(env);
    // What a tenant's `loginUrl` is; every other path is the token service's.
    if (new URL(request.url).pathname === "/login") return login(request, env, authorization);
    return fetch(request, context);
  },

  /** @param {{ scheduledTime: number }} event @param {Env} env */
  scheduled: ({ scheduledTime }, env) => maintain(env.TENANTS, scheduledTime),
};
