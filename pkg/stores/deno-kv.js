// The store on Deno KV. A record's version is its versionstamp, which only ever grows in a
// database. A value of more than 64 KiB does not fit under one key: it lies in parts beside the
// record, written with it.

import { checkStoreOf } from "../options.js";
import { isWithin } from "./cursor.js";
import { check } from "./names.js";
import { byCommit } from "./single.js";

const EXPECTED = "denoKvStore takes an open database: `denoKvStore(await Deno.openKv(path))`";

/** Seconds by which the clocks of the database and of any of its callers may differ. */
const GRACE = 60;
/** UTF-16 units: what is longer lies in parts. A listing reads everything that does not. */
const INLINE = 8_000;
/** Bytes of a part: with what the database adds, less than 64 KiB. */
const PART = 60_000;
/** Keys that one call may read. */
const BATCH = 10;

/** Milliseconds for which a file that other processes write to is tried. */
const PATIENCE = 5_000;

/** As it was last written, wherever it was written. */
const STRONG = /** @type {const} */ ({ consistency: "strong" });

/**
 * @typedef {object} Stored
 * @property {string} [value] unless it is in parts
 * @property {string} [parts] what these are kept under
 * @property {number} [count] how many there are
 * @property {number | null} expiresAt
 */

/** @typedef {{ value: Stored | null, versionstamp: string | null }} Entry */

/** @type {typeof import("./deno-kv.d.ts").denoKvStore} */
export function denoKvStore(kv, options = {}) {
  checkStoreOf(kv, ["get", "getMany", "list", "atomic"], EXPECTED, options, ["prefix"]);
  const { prefix = "edgemint" } = options;
  /** @param {string} partition @param {string} name */
  const recordKey = (partition, name) => [prefix, "record", partition, name];

  /** @param {string} partition @param {string} name @param {Stored | null} stored */
  function partKeys(partition, name, stored) {
    const start = [prefix, "part", partition, name, stored?.parts ?? ""];
    return Array.from({ length: stored?.count ?? 0 }, (_, at) => [...start, at]);
  }

  /** @param {import("./deno-kv.d.ts").DenoKvKey[]} keys */
  async function readAll(keys) {
    const batches = [];
    for (let at = 0; at < keys.length; at += BATCH) {
      batches.push(kv.getMany(keys.slice(at, at + BATCH), STRONG));
    }
    return (await Promise.all(batches)).flat();
  }

  /** @param {string} partition @param {import("../index.d.ts").StoreWrite[]} writes */
  async function commit(partition, writes) {
    check(partition, ...writes.map(({ name }) => name));
    const end = Date.now() + PATIENCE;
    for (;;) {
      const keys = writes.map(({ name }) => recordKey(partition, name));
      const found = /** @type {Entry[]} */ (await readAll(keys));
      const conflict = writes.findIndex(({ expected }, at) => liveVersion(found[at]) !== expected);
      if (conflict !== -1) return { conflict };
      const atomic = kv.atomic();
      for (const [at, { name, value, expiresAt }] of writes.entries()) {
        const { value: stored, versionstamp } = found[at];
        atomic.check({ key: keys[at], versionstamp });
        for (const key of partKeys(partition, name, stored)) atomic.delete(key);
        if (value === null) atomic.delete(keys[at]);
        else set(atomic, partition, name, value, expiresAt);
      }
      const { ok, versionstamp } = await committed(atomic, end);
      if (ok) {
        /** @param {import("../index.d.ts").StoreWrite} write */
        const version = ({ value, expected }) => (value === null ? (expected ?? "") : `${versionstamp}`);
        return { versions: writes.map(version) };
      }
      // Somebody wrote in between, or what had expired was deleted: the next look tells.
    }
  }

  /**
   * @param {import("./deno-kv.d.ts").DenoKvAtomic} atomic @param {string} partition
   * @param {string} name @param {string} value @param {number | null} expiresAt
   */
  function set(atomic, partition, name, value, expiresAt) {
    const left = expiresAt === null ? null : (expiresAt + GRACE) * 1000 - Date.now();
    const options = left === null ? {} : { expireIn: Math.max(1, left) };
    const key = recordKey(partition, name);
    if (value.length <= INLINE) return atomic.set(key, { value, expiresAt }, options);
    const bytes = new TextEncoder().encode(value);
    const stored = { parts: crypto.randomUUID(), count: Math.ceil(bytes.length / PART), expiresAt };
    for (const [at, part] of partKeys(partition, name, stored).entries()) {
      // A copy: of a view, all of what it is a view of would be stored.
      atomic.set(part, bytes.slice(at * PART, (at + 1) * PART), options);
    }
    return atomic.set(key, stored, options);
  }

  return {
    guarantees: { atomic: true, readYourWrites: true },

    async get(partition, name) {
      check(partition, name);
      for (let before = ""; ; ) {
        const found = /** @type {Entry} */ (await kv.get(recordKey(partition, name), STRONG));
        const version = liveVersion(found);
        if (version === null) return null;
        if (found.value?.value !== undefined) return { value: found.value.value, version };
        const parts = await readAll(partKeys(partition, name, found.value));
        const value = joined(parts.map(({ value }) => /** @type {Uint8Array | null} */ (value)));
        if (value !== null) return { value, version };
        // It was overwritten between the two reads. If not, it is broken.
        if (version === before) throw new Error("a part of a record in Deno KV is missing");
        before = version;
      }
    },

    ...byCommit(commit),

    commit,

    async list(partition, start, cursor, limit) {
      check(partition, start);
      const from = cursor !== null && isWithin(cursor, start) ? cursor : start;
      const range = { prefix: [prefix, "record", partition], start: recordKey(partition, from) };
      const batchSize = Math.min(limit + 1, 500);
      /** @type {string[]} */
      const names = [];
      for await (const entry of kv.list(range, { ...STRONG, batchSize })) {
        const name = String(entry.key[3]);
        if (!name.startsWith(start)) break;
        if (name === cursor || liveVersion(/** @type {Entry} */ (entry)) === null) continue;
        if (names.length === limit) return { names, cursor: names[limit - 1] };
        names.push(name);
      }
      return { names };
    },
  };
}

/**
 * Commits, or says that it has to be tried again: SQLite turns a process away while another one
 * writes to the file, and Deno KV does not wait. Nothing was written then.
 * @param {import("./deno-kv.d.ts").DenoKvAtomic} atomic @param {number} end in milliseconds since 1970
 */
async function committed(atomic, end) {
  try {
    return await atomic.commit();
  } catch (error) {
    const locked = error instanceof Error && error.message.includes("database is locked");
    if (!locked || Date.now() > end) throw error;
    await new Promise((resolve) => setTimeout(resolve, 1 + Math.random() * 20));
    return { ok: false };
  }
}

/** Deno KV deletes late: what has expired is absent before that. @param {Entry} entry */
function liveVersion({ value, versionstamp }) {
  const expiresAt = value?.expiresAt ?? null;
  return expiresAt === null || Date.now() / 1000 < expiresAt ? versionstamp : null;
}

/** @param {(Uint8Array | null)[]} parts */
function joined(parts) {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let text = "";
  for (const part of parts) {
    if (part === null) return null;
    text += decoder.decode(part, { stream: true });
  }
  return text + decoder.decode();
}
