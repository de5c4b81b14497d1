// The store in this process's memory: exact, atomic, gone with it.

import { checkStoreOptions } from "../options.js";

/** Writes after which what has expired is removed: a process that serves for months has no other end. */
const SWEEP = 1000;

/**
 * @param {import("./memory.d.ts").MemoryStoreOptions} [options]
 * @returns {import("./memory.d.ts").MemoryStore}
 */
export function memoryStore(options = {}) {
  checkStoreOptions(options, ["entries"]);
  const { entries = [] } = options;
  /** @type {Map<string, { value: string, version: string, expiresAt: number | null }>} */
  const stored = new Map();
  let writes = 0;
  for (const [key, value] of entries) stored.set(key, { value, version: `${++writes}`, expiresAt: null });

  /** @param {string} key */
  function live(key) {
    const entry = stored.get(key);
    if (entry === undefined) return null;
    return entry.expiresAt === null || Date.now() / 1000 < entry.expiresAt ? entry : null;
  }

  /** @param {string} key @param {string | null} expected */
  const holds = (key, expected) => (live(key)?.version ?? null) === expected;

  /** @param {string} key @param {string} value @param {number | null} expiresAt */
  function write(key, value, expiresAt) {
    const version = `${++writes}`;
    if (writes % SWEEP === 0) for (const one of stored.keys()) if (live(one) === null) stored.delete(one);
    stored.set(key, { value, version, expiresAt });
    return version;
  }

  /** @param {string} key */
  function remove(key) {
    const version = live(key)?.version ?? "";
    stored.delete(key);
    return version;
  }

  return {
    guarantees: { atomic: true, readYourWrites: true },

    entries: () => [...stored.keys()].filter(live).map((key) => [key, live(key)?.value ?? ""]),

    async get(partition, name) {
      const entry = live(`${partition}:${name}`);
      return entry && { value: entry.value, version: entry.version };
    },

    async put(partition, name, value, expected, expiresAt) {
      const key = `${partition}:${name}`;
      return holds(key, expected) ? write(key, value, expiresAt) : null;
    },

    async delete(partition, name, expected) {
      const key = `${partition}:${name}`;
      return holds(key, expected) ? remove(key) : null;
    },

    async commit(partition, all) {
      const conflict = all.findIndex(({ name, expected }) => !holds(`${partition}:${name}`, expected));
      if (conflict !== -1) return { conflict };
      const versions = all.map(({ name, value, expiresAt }) => {
        const key = `${partition}:${name}`;
        return value === null ? remove(key) : write(key, value, expiresAt);
      });
      return { versions };
    },

    async list(partition, prefix, cursor, limit) {
      const start = `${partition}:`;
      const names = [...stored.keys()]
        .filter((key) => key.startsWith(start + prefix) && live(key) !== null)
        .map((key) => key.slice(start.length))
        .filter((name) => cursor === null || compare(name, cursor) > 0)
        .sort(compare);
      const page = names.slice(0, limit);
      return names.length > limit ? { names: page, cursor: page[limit - 1] } : { names: page };
    },
  };
}

/** By UTF-8 bytes, which is by code points. @param {string} a @param {string} b */
function compare(a, b) {
  const [left, right] = [Array.from(a), Array.from(b)];
  for (let at = 0; at < Math.min(left.length, right.length); at += 1) {
    const difference = Number(left[at].codePointAt(0)) - Number(right[at].codePointAt(0));
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
