// The worker in workerd, as a test sees it: miniflare with the bindings of wrangler.toml.

import { readFileSync } from "node:fs";
import { Miniflare } from "miniflare";
import { createIssuer } from "../../pkg/node.js";
import { kvStore } from "../../pkg/stores/kv.js";

export const root = new URL("../../", import.meta.url);
export const MASTER_KEY = Buffer.alloc(32, 7).toString("base64url");

/** @param {string} path from the project's root */
export const json = (path) => JSON.parse(readFileSync(new URL(path, root), "utf8"));

/** Every module of the package and the worker, as they are: nothing is bundled. */
export const MODULES = [
  "worker/index.js",
  "pkg/workerd.js",
  "pkg/issuer.js",
  "pkg/driver.js",
  "pkg/errors.js",
  "pkg/subtle.js",
  "pkg/stores/kv.js",
  "pkg/stores/memory.js",
  "pkg/wasm/edgemint.js",
  "pkg/wasm/edgemint_bg.wasm",
];

/** The compatibility date that wrangler.toml deploys with. */
export const compatibilityDate = /compatibility_date = "(.+)"/.exec(
  readFileSync(new URL("wrangler.toml", root), "utf8"),
)?.[1];

/** @param {string[]} paths the entry first */
export function modules(paths) {
  return paths.map((path) => ({
    type: /** @type {const} */ (path.endsWith(".wasm") ? "CompiledWasm" : "ESModule"),
    path: new URL(path, root).pathname,
  }));
}

/**
 * Starts a worker on a free port of 127.0.0.1.
 * @param {{ bindings?: Record<string, string | undefined>, entry?: string[],
 *           port?: number }} [options]
 */
export async function startWorker({ bindings = {}, entry = [], port = 0 } = {}) {
  /** @type {string[]} */
  const log = [];
  const set = { BASE_URL: "https://auth.example.com", MASTER_KEY, ...bindings };
  const miniflare = new Miniflare({
    host: "127.0.0.1",
    port,
    compatibilityDate,
    modulesRoot: root.pathname,
    modules: modules([...entry, ...MODULES]),
    kvNamespaces: ["DIRECTORY"],
    bindings: Object.fromEntries(Object.entries(set).filter(([, value]) => value !== undefined)),
    handleRuntimeStdio(stdout, stderr) {
      for (const stream of [stdout, stderr]) {
        stream.on("data", (chunk) => log.push(...String(chunk).split("\n").filter(Boolean)));
      }
    },
  });
  const url = await miniflare.ready;
  const namespace = await miniflare.getKVNamespace("DIRECTORY");
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
      }));
    },
    /** The directory's administration, from Node, over the worker's own store. */
    admin: createIssuer({
      baseUrl: "https://auth.example.com",
      masterKey: MASTER_KEY,
      store: kvStore(/** @type {any} */ (namespace)),
    }).admin,
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
