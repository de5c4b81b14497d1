// The store on Cloudflare KV. Values are the records as they are; their version and exact expiry are
// kept in KV's metadata, beside them (kv-record.js).

import { checkStoreOf } from "../options.js";
import { isLive, kvKey, writeRecord } from "./kv-record.js";
import { check } from "./names.js";

/** Seconds: the freshest that a location reads. A condition is checked against nothing older. */
const FRESHEST = 30;

const EXPECTED =
  "kvStore takes a KV namespace binding, such as `env.DIRECTORY`: see `kv_namespaces` of wrangler";

/**
 * @typedef {import("./kv-record.js").Metadata} Metadata
 * @param {import("./kv.d.ts").KvNamespace} namespace
 * @param {import("./kv.d.ts").KvStoreOptions} [options]
 * @returns {import("../index.d.ts").Store}
 */
export function kvStore(namespace, options = {}) {
  checkStoreOf(namespace, ["getWithMetadata"], EXPECTED, options, ["cacheTtl"]);
  const { cacheTtl = FRESHEST } = options;
  /** @param {string} partition @param {string} name @param {number} cacheTtl */
  async function read(partition, name, cacheTtl) {
    check(partition, name);
    const found = await namespace.getWithMetadata(kvKey(partition, name), { type: "text", cacheTtl });
    const metadata = /** @type {Metadata | null} */ (found.metadata);
    if (found.value === null || !isLive(metadata)) return null;
    return { value: found.value, version: metadata?.version ?? "" };
  }

  return {
    guarantees: { atomic: false, readYourWrites: false },

    get: (partition, name) => read(partition, name, cacheTtl),

    async put(partition, name, value, expected, expiresAt) {
      const stored = await read(partition, name, FRESHEST);
      if ((stored?.version ?? null) !== expected) return null;
      const version = crypto.randomUUID();
      await writeRecord(namespace, kvKey(partition, name), value, version, expiresAt);
      return version;
    },

    async delete(partition, name, expected) {
      const stored = await read(partition, name, FRESHEST);
      if ((stored?.version ?? null) !== expected) return null;
      if (stored !== null) await namespace.delete(kvKey(partition, name));
      return stored?.version ?? "";
    },

    async list(partition, prefix, cursor, limit) {
      check(partition, prefix);
      const start = kvKey(partition, "");
      const from = cursor === null ? {} : { cursor };
      const page = await namespace.list({ prefix: kvKey(partition, prefix), limit, ...from });
      const live = page.keys.filter(({ metadata }) => isLive(/** @type {Metadata} */ (metadata)));
      const names = live.map((listed) => listed.name.slice(start.length));
      return page.list_complete ? { names } : { names, cursor: page.cursor };
    },
  };
}
