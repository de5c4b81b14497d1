// The store in this process's memory: exact, atomic, gone with it.

const PAGE = 1000;

/**
 * @param {import("./memory.d.ts").MemoryStoreOptions} [options]
 * @returns {import("./memory.d.ts").MemoryStore}
 */
export function memoryStore({ entries = [] } = {}) {
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

  return {
    guarantees: { atomic: true, readYourWrites: true },

    entries: () => [...stored.keys()].filter(live).map((key) => [key, live(key)?.value ?? ""]),

    async get(partition, name) {
      const entry = live(`${partition}:${name}`);
      return entry && { value: entry.value, version: entry.version };
    },

    async put(partition, name, value, expected, expiresAt) {
      const key = `${partition}:${name}`;
      if ((live(key)?.version ?? null) !== expected) return null;
      const version = `${++writes}`;
      stored.set(key, { value, version, expiresAt });
      return version;
    },

    async delete(partition, name, expected) {
      const key = `${partition}:${name}`;
      const entry = live(key);
      if ((entry?.version ?? null) !== expected) return null;
      stored.delete(key);
      return entry?.version ?? "";
    },

    async list(partition, prefix, cursor) {
      const start = `${partition}:`;
      const names = [...stored.keys()]
        .filter((key) => key.startsWith(start + prefix) && live(key) !== null)
        .map((key) => key.slice(start.length))
        .filter((name) => cursor === null || compare(name, cursor) > 0)
        .sort(compare);
      const page = names.slice(0, PAGE);
      return names.length > PAGE ? { names: page, cursor: page[PAGE - 1] } : { names: page };
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
