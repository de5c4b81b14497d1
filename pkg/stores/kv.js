// The store on Cloudflare KV. Values are the records as they are; their version and exact expiry are
// kept in KV's metadata, beside them.

/** Seconds: the freshest that a location reads. A condition is checked against nothing older. */
const FRESHEST = 30;
/** Seconds: KV accepts no shorter life. */
const SHORTEST_LIFE = 60;

/**
 * @typedef {{ version: string, expiresAt?: number }} Metadata
 * @param {import("./kv.d.ts").KvNamespace} namespace
 * @param {import("./kv.d.ts").KvStoreOptions} [options]
 * @returns {import("../index.d.ts").Store}
 */
export function kvStore(namespace, { cacheTtl = FRESHEST } = {}) {
  const key = (/** @type {string} */ partition, /** @type {string} */ name) => `${partition}:${name}`;
  const isLive = (/** @type {Metadata | null | undefined} */ metadata) =>
    metadata?.expiresAt === undefined || Date.now() / 1000 < metadata.expiresAt;

  /** @param {string} partition @param {string} name @param {number} cacheTtl */
  async function read(partition, name, cacheTtl) {
    const found = await namespace.getWithMetadata(key(partition, name), { type: "text", cacheTtl });
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
      // KV's own expiry clears the value away, a minute or more later than it ends for us.
      const soonest = Math.ceil(Date.now() / 1000) + SHORTEST_LIFE;
      const life = expiresAt === null ? {} : { expiration: Math.max(expiresAt, soonest) };
      const metadata = expiresAt === null ? { version } : { version, expiresAt };
      await namespace.put(key(partition, name), value, { metadata, ...life });
      return version;
    },

    async delete(partition, name, expected) {
      const stored = await read(partition, name, FRESHEST);
      if ((stored?.version ?? null) !== expected) return null;
      if (stored !== null) await namespace.delete(key(partition, name));
      return stored?.version ?? "";
    },

    async list(partition, prefix, cursor) {
      const start = key(partition, "");
      const options = { prefix: key(partition, prefix), ...(cursor === null ? {} : { cursor }) };
      const page = await namespace.list(options);
      const live = page.keys.filter(({ metadata }) => isLive(/** @type {Metadata} */ (metadata)));
      const names = live.map((listed) => listed.name.slice(start.length));
      return page.list_complete ? { names } : { names, cursor: page.cursor };
    },
  };
}
