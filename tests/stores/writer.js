// A process of its own that writes to a store, together with others: `writer.js KIND WHERE ACT`. It prints
// what was acknowledged, a line each, and nothing else.

import pg from "pg";
import { postgresStore } from "../../pkg/stores/postgres.js";
import { sqliteStore } from "../../pkg/stores/sqlite.js";

const [, , kind, where, act, run] = process.argv;

/** How many records there are to be had. */
const RECORDS = 40;
/** How often each process counts. */
const COUNTS = 25;

const pool = kind === "postgres" ? new pg.Pool({ connectionString: where, max: 2 }) : undefined;
const store = pool === undefined ? sqliteStore(where, { busyTimeout: 60_000 }) : postgresStore(pool);

/** @type {Record<string, () => Promise<void>>} */
const acts = {
  /** Of those who create the same, one does. */
  async create() {
    for (let n = 0; n < RECORDS; n += 1) {
      const version = await store.put(`create/${run}`, `record/${n}`, "1", null, null);
      if (version !== null) console.log(`record/${n}`);
    }
  },

  /** Two counters in one commit, again after each conflict: neither loses a count. */
  async count() {
    const partition = `count/${run}`;
    for (let n = 0; n < COUNTS; ) {
      const writes = [];
      for (const name of n % 2 === 0 ? ["left", "right"] : ["right", "left"]) {
        const found = await store.get(partition, name);
        const value = `${Number(found?.value ?? 0) + 1}`;
        writes.push({ name, value, expected: found?.version ?? null, expiresAt: null });
      }
      const { versions } = await store.commit(partition, writes);
      if (versions === undefined) continue;
      console.log("counted");
      n += 1;
    }
  },

  /** Writes until it is stopped: one record by itself, two together. */
  async endless() {
    for (let n = 0; ; n += 1) {
      await store.put(`endless/${run}`, `single/${n}`, "1", null, null);
      console.log(`single/${n}`);
      const writes = ["a", "b"].map((half) => ({
        name: `double/${n}/${half}`,
        value: "1",
        expected: null,
        expiresAt: null,
      }));
      await store.commit(`endless/${run}`, writes);
      console.log(`double/${n}/a\ndouble/${n}/b`);
    }
  },
};

await acts[act]();
await pool?.end();
