// Where openauth keeps what it issues here: a map in the isolate's memory. Its own MemoryStorage is for
// development: it sorts all keys by their locale, and forgets nothing that nobody asks for again.

const SEPARATOR = "\u001f";

/** @returns {import("@openauthjs/openauth/storage/storage").StorageAdapter} */
export function mapStorage() {
  /**
   * In the order of their expiry, as all that expires is kept for the same time.
   * @type {Map<string, { value: any, expiry: number }>}
   */
  const expiring = new Map();
  /** @type {Map<string, any>} */
  const lasting = new Map();

  return {
    async get(key) {
      const name = key.join(SEPARATOR);
      const entry = expiring.get(name);
      if (entry === undefined) return lasting.get(name);
      return entry.expiry > Date.now() ? entry.value : undefined;
    },

    async set(key, value, expiry) {
      const name = key.join(SEPARATOR);
      if (expiry === undefined) {
        lasting.set(name, value);
        return;
      }
      const now = Date.now();
      for (const [oldest, entry] of expiring) {
        if (entry.expiry > now) break;
        expiring.delete(oldest);
      }
      expiring.set(name, { value, expiry: expiry.getTime() });
    },

    async remove(key) {
      const name = key.join(SEPARATOR);
      expiring.delete(name);
      lasting.delete(name);
    },

    /** Keys are looked for, once: they last. */
    async *scan(prefix) {
      const start = prefix.join(SEPARATOR);
      for (const [name, value] of lasting) {
        if (name.startsWith(start)) yield [name.split(SEPARATOR), value];
      }
    },
  };
}
