// The worker in a workerd on this machine: miniflare with the names and date of wrangler.toml. The dev
// command and the tests start it here.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Log, LogLevel, Miniflare } from "miniflare";

const root = fileURLToPath(new URL("../", import.meta.url));
const [, compatibilityDate] =
  /compatibility_date = "(.+)"/.exec(readFileSync(`${root}wrangler.toml`, "utf8")) ?? [];

/**
 * @typedef {object} LocalOptions
 * @property {Record<string, string | undefined>} bindings variables and secrets
 * @property {Record<string, { namespace_id: string, simple: { limit: number, period?: 10 | 60 } }>} [ratelimits]
 * @property {number} [port] on 127.0.0.1; a free one by default
 * @property {{ certificate: string, key: string }} [tls] paths of both; plain HTTP by default
 * @property {string} [state] a folder that keeps what is stored; memory by default
 * @property {string} [entry] another module than the worker itself, from the project's root
 * @property {(line: string, failed: boolean) => void} onLine takes what the worker prints
 */

/** Starts it; `ready` on what is returned tells where it listens. @param {LocalOptions} options */
export function localWorker(options) {
  const { bindings, ratelimits, port = 0, tls, state, entry = "worker/index.js", onLine } = options;
  return new Miniflare({
    host: "127.0.0.1",
    port,
    httpsCertPath: tls?.certificate,
    httpsKeyPath: tls?.key,
    log: new Log(LogLevel.NONE),
    compatibilityDate,
    modules: true,
    modulesRoot: root,
    scriptPath: root + entry,
    modulesRules: [
      { type: "ESModule", include: ["**/*.js"] },
      { type: "CompiledWasm", include: ["**/*.wasm"] },
    ],
    ratelimits,
    kvNamespaces: ["DIRECTORY"],
    kvPersist: state ?? false,
    durableObjects: {
      GRANTS: { className: "GrantObject", useSQLite: true },
      TENANTS: { className: "DirectoryObject", useSQLite: true },
    },
    durableObjectsPersist: state === undefined ? false : join(state, "objects"),
    bindings: Object.fromEntries(
      Object.entries(bindings).filter(
        /** @returns {entry is [string, string]} */ (entry) => entry[1] !== undefined,
      ),
    ),
    /** @param {import("node:stream").Readable} stdout @param {import("node:stream").Readable} stderr */
    handleRuntimeStdio(stdout, stderr) {
      for (const [stream, failed] of /** @type {const} */ ([[stdout, false], [stderr, true]])) {
        let rest = "";
        stream.on("data", (chunk) => {
          const lines = (rest + chunk).split("\n");
          rest = lines.pop() ?? "";
          for (const line of lines) onLine(line, failed);
        });
      }
    },
  });
}
