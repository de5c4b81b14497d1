// A store by its name, with a client of its own: `sqlite:PATH`, or the URL of a Redis or a PostgreSQL.

export const MASTER_KEY = Buffer.alloc(32, 7).toString("base64url");

/** @typedef {{ store: import("../../pkg/index.d.ts").Store, close(): unknown }} Opened */

/** How each kind is opened. @type {Record<string, (name: string) => Promise<Opened>>} */
const OPEN = {
  async "sqlite:"(name) {
    const { sqliteStore } = await import("../../pkg/stores/sqlite.js");
    const store = sqliteStore(name.slice("sqlite:".length), { busyTimeout: 60_000 });
    return { store, close: () => store.close() };
  },
  async "redis:"(url) {
    const { redisStore } = await import("../../pkg/stores/redis.js");
    const { createClient } = await import("redis");
    // A question that cannot be asked now is not kept for later: the client is told 503.
    const client = createClient({ url, disableOfflineQueue: true, socket: { reconnectStrategy: 50, connectTimeout: 60_000 } });
    client.on("error", () => {});
    await client.connect();
    return { store: redisStore(client, { timeout: 60_000 }), close: () => client.destroy() };
  },
  async "postgres:"(url) {
    const { postgresStore } = await import("../../pkg/stores/postgres.js");
    const { default: pg } = await import("pg");
    const pool = new pg.Pool({ connectionString: url, max: 10 });
    // An idle connection that is lost is replaced.
    pool.on("error", () => {});
    const store = postgresStore(pool);
    await store.prepare();
    return { store, close: () => pool.end() };
  },
};

/** @param {string} name */
export const openStore = (name) => OPEN[new URL(name).protocol](name);
