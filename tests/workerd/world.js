// The worker in workerd, as a test sees it: miniflare with the bindings of wrangler.toml.

import { readFileSync } from "node:fs";
import { createIssuer } from "../../pkg/node.js";
import { isReplicated, kvKey } from "../../pkg/stores/kv-record.js";
import { kvStore } from "../../pkg/stores/kv.js";
import { localWorker } from "../../worker/local.js";
import { until } from "../until.js";

export { freePort } from "../ports.js";
export * from "../sign-in.js";

export const root = new URL("../../", import.meta.url);
export const MASTER_KEY = Buffer.alloc(32, 7).toString("base64url");

/** @param {string} path from the project's root */
export const json = (path) => JSON.parse(readFileSync(new URL(path, root), "utf8"));

/**
 * Starts tests/workerd/objects.js: the store on Durable Objects, and a look behind it.
 * @param {string} [state] a folder that keeps what is stored
 */
export async function startObjects(state) {
  const miniflare = localWorker({
    entry: "target/contract/tests/workerd/objects.js",
    bindings: {},
    state,
    onLine: (line) => console.error(line),
  });
  const url = await miniflare.ready;
  return {
    /** What an act there came to. @param {string} act @param {unknown[]} parameters @returns {Promise<any>} */
    async act(act, ...parameters) {
      const response = await fetch(url, {
        method: "POST",
        body: JSON.stringify({ act, parameters }),
      });
      const { result, error } = /** @type {any} */ (await response.json());
      if (error !== undefined) throw new Error(error);
      return result;
    },
    /** Takes the object out of memory. @param {string} name */
    evict: (name) => miniflare.unsafeEvictDurableObject("", "GrantObject", { name }),
    stop: () => miniflare.dispose(),
  };
}

export const DIRECTORIES = "target/contract/tests/workerd/directories.js";

/** An act of tests/workerd/directories.js. @param {URL} url where it listens */
export const directoriesAt =
  (url) =>
  /** @param {string} on a store of it, or nothing @param {string} act @param {unknown[]} parameters @returns {Promise<any>} */
  async (on, act, ...parameters) => {
    const response = await fetch(url, {
      method: "POST",
      body: JSON.stringify({ on, act, parameters }),
    });
    const { result, error } = /** @type {any} */ (await response.json());
    if (error !== undefined) throw new Error(error);
    return result;
  };

/** Starts tests/workerd/directories.js. @param {(line: string) => void} [onLine] takes what it prints */
export async function startDirectories(onLine = (line) => console.error(line)) {
  const miniflare = localWorker({
    entry: DIRECTORIES,
    bindings: { BASE_URL: "https://auth.example.com", MASTER_KEY },
    onLine,
  });
  const url = await miniflare.ready;
  return {
    url,
    act: directoriesAt(url),
    /** Takes the object out of memory. @param {string} name */
    evict: (name) => miniflare.unsafeEvictDurableObject("", "DirectoryObject", { name }),
    stop: () => miniflare.dispose(),
  };
}

/**
 * Starts a worker on 127.0.0.1.
 * @param {{ bindings?: Record<string, string | undefined>, entry?: string, port?: number, state?: string,
 *   ratelimits?: import("../../worker/local.js").LocalOptions["ratelimits"] }} [options]
 */
export async function startWorker({ bindings = {}, entry, port, state, ratelimits } = {}) {
  /** @type {string[]} */
  const log = [];
  const miniflare = localWorker({
    port,
    entry,
    state,
    ratelimits,
    bindings: { BASE_URL: "https://auth.example.com", MASTER_KEY, ...bindings },
    onLine: (line) => log.push(line),
  });
  const url = await miniflare.ready;
  const namespace = await miniflare.getKVNamespace("DIRECTORY");
  const { admin, sessions } = createIssuer({
    baseUrl: "https://auth.example.com",
    masterKey: MASTER_KEY,
    store: kvStore(/** @type {any} */ (namespace)),
    // They are in the worker's Durable Objects, and reached over HTTP.
    grants: false,
    // What the tests set up is nobody's news, and standard output may be another program's input.
    onEvent: () => {},
  });
  return {
    miniflare,
    /** Where it listens. */
    url,
    namespace,
    /** What it has printed. */
    log,
    /** The request, sent to where the worker really listens. @param {Request} request */
    async fetch(request) {
      const { pathname, search } = new URL(request.url);
      const body = request.body === null ? undefined : await request.arrayBuffer();
      return fetch(new Request(new URL(pathname + search, url), {
        method: request.method,
        headers: request.headers,
        body,
        redirect: request.redirect,
      }));
    },
    /** Waits until KV has copies of a tenant's records as they are: what was changed is on its way before. */
    async copied(tenant = "demo") {
      const objects = await miniflare.getDurableObjectNamespace("TENANTS");
      const partition = `directory/${tenant}`;
      const object = /** @type {any} */ (objects.get(objects.idFromName(partition)));
      await until(`the copies of ${partition}`, async () => {
        const { names } = await object.page("", null, 1000);
        for (const name of names.filter((/** @type {string} */ one) => isReplicated(partition, one))) {
          const [record, copy] = await Promise.all([
            object.read(name),
            namespace.getWithMetadata(kvKey(partition, name)),
          ]);
          if (record?.version !== /** @type {any} */ (copy.metadata)?.version) return false;
        }
        return true;
      });
    },
    /** The directory's administration, from Node, over the worker's own store. */
    admin,
    /** Of it, what ends sessions by the directory alone. */
    sessions,
    stop: () => miniflare.dispose(),
  };
}

/** A client credentials request. @param {Record<string, string>} parameters */
export function tokenRequest(parameters, target = "/demo/oauth2/token") {
  return new Request(new URL(target, "https://auth.example.com"), {
    method: "POST",
    body: new URLSearchParams({ grant_type: "client_credentials", ...parameters }),
  });
}

/** A tenant with an API and an application that has a role on it. @param {import("../../pkg/index.d.ts").Administration} admin @param {Partial<{ tenant: string, algorithm: import("../../pkg/index.d.ts").Algorithm }>} [options] */
export async function register(admin, { tenant = "demo", algorithm = "ES256" } = {}) {
  await admin.createTenant({ tenant, algorithm });
  const roles = [{ value: "Orders.Read.All" }, { value: "Orders.Write.All" }];
  await admin.createApi({ tenant, identifier: "api://orders", roles });
  const { clientId } = await admin.createApplication({ tenant });
  const { secret = "", keyId } = await admin.addSecret({ tenant, clientId });
  await admin.assignRoles({ tenant, clientId, api: "api://orders", roles: ["Orders.Read.All"] });
  return { clientId, secret, keyId, scope: "api://orders/.default" };
}
