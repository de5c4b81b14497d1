// A record as it lies in Cloudflare KV: `kvStore` reads and writes it so, and the outbox of a directory writes
// its copies so.

/** Seconds: KV accepts no shorter life. */
const SHORTEST_LIFE = 60;

/** @typedef {{ version: string, expiresAt?: number }} Metadata */

/** @param {string} partition @param {string} name */
export const kvKey = (partition, name) => `${partition}:${name}`;

/** @param {Metadata | null | undefined} metadata */
export const isLive = (metadata) =>
  metadata?.expiresAt === undefined || Date.now() / 1000 < metadata.expiresAt;

/**
 * @param {Pick<import("./kv.d.ts").KvNamespace, "put">} namespace
 * @param {string} key @param {string} value @param {string} version
 * @param {number | null} expiresAt seconds since 1970
 */
export async function writeRecord(namespace, key, value, version, expiresAt) {
  // KV's own expiry clears the value away, a minute or more later than it ends for us.
  const soonest = Math.ceil(Date.now() / 1000) + SHORTEST_LIFE;
  const life = expiresAt === null ? {} : { expiration: Math.max(expiresAt, soonest) };
  const metadata = expiresAt === null ? { version } : { version, expiresAt };
  await namespace.put(key, value, { metadata, ...life });
}

/**
 * Whether a record is read on the way of a token, and so has a copy in KV. The rest of a directory (its
 * events, what makes requests idempotent) is the object's alone.
 * @param {string} partition @param {string} name
 */
export const isReplicated = (partition, name) =>
  partition.startsWith("directory/") && /^(?:tenant$|keys$|alias$|application\/|api\/|appid\/)/.test(name);
