// The store on PostgreSQL: its contract, several connections and processes at once, a server that is
// killed, connections that break.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import pg from "pg";
import { postgresStore } from "../../pkg/stores/postgres.js";
import { EVERYTHING, contract } from "./contract.js";
import { keepsNames, refusesWhatIsNoText } from "./names.js";
import { countTogether, createOnce, nothingLost, writeUntilKilled } from "./processes.js";
import { startPostgres } from "./servers.js";
import { until } from "../until.js";

/** Who waits for somebody else's transaction; within one, the answer would stay what it was at first. */
const WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
const now = () => Math.floor(Date.now() / 1000);
/** @param {string} name @param {string | null} value @param {string | null} expected */
const write = (name, value, expected) => ({ name, value, expected, expiresAt: null });

describe("the store in PostgreSQL", () => {
  /** @type {import("./servers.js").Server} */
  let server;
  /** @type {pg.Pool} */
  let pool;
  /** @type {ReturnType<typeof postgresStore>} */
  let store;
  /** What idle connections said. @type {Error[]} */
  const broken = [];

  /** @param {pg.PoolConfig} [config] */
  function connect(config) {
    const made = new pg.Pool({ connectionString: server.url, connectionTimeoutMillis: 60_000, idleTimeoutMillis: 0, ...config });
    made.on("error", (error) => broken.push(error));
    return made;
  }

  before(async () => {
    server = await startPostgres();
    pool = connect();
    store = postgresStore(pool);
    // Processes that start together.
    await Promise.all(Array.from({ length: 8 }, () => store.prepare()));
  });
  after(async () => {
    await pool?.end();
    await server?.stop();
  });

  test("keeps everything", async () => {
    assert.deepEqual(await contract(store), EVERYTHING);
  });

  test("keeps everything in a schema of its own, where the order and the isolation are others", async () => {
    await pool.query("CREATE SCHEMA Auth; CREATE SCHEMA \"Auth\"");
    const strict = connect({ options: "-c default_transaction_isolation=serializable" });
    const other = postgresStore(strict, { schema: "Auth", table: "Kept" });
    await other.prepare();
    await other.prepare();
    assert.deepEqual(await contract(other), EVERYTHING);
    const { rows } = await pool.query(`SELECT count(*) > 0 AS used FROM "Auth"."Kept"`);
    assert.deepEqual(rows, [{ used: true }]);
    await strict.end();
  });

  test("keeps names as they are, in the order of their bytes", async () => {
    const { rows } = await pool.query("SELECT 'a' < 'B' AS dictionary");
    assert.deepEqual(rows, [{ dictionary: true }], "the database has the order of a dictionary");
    await keepsNames(store);
    await refusesWhatIsNoText(store);
  });

  test("refuses names of tables that would have to be quoted", () => {
    for (const table of ["", "a b", "a;b", 'a"b', "a.b", "1a", "\u00e4", "a".repeat(49), "a\0"]) {
      assert.throws(() => postgresStore(pool, { table }), TypeError);
      assert.throws(() => postgresStore(pool, { schema: table }), TypeError);
    }
  });

  test("works on the table that the guide creates", async () => {
    const guide = readFileSync(new URL("../../docs/stores.md", import.meta.url), "utf8");
    const section = guide.slice(guide.indexOf("\n## PostgreSQL"));
    const sql = /```sql\n([^]*?)```/.exec(section)?.[1] ?? assert.fail("the guide has no SQL");
    await pool.query("CREATE SCHEMA guide");
    const guided = connect({ options: "-c search_path=guide" });
    await guided.query(sql);
    const columns = async (/** @type {string} */ schema) => {
      const found = await pool.query(
        `SELECT column_name, data_type, collation_name, is_nullable FROM information_schema.columns
          WHERE table_schema = $1 AND table_name = 'edgemint_records' ORDER BY ordinal_position`,
        [schema],
      );
      const indexes = await pool.query(
        "SELECT indexname, replace(indexdef, $1 || '.', '') FROM pg_indexes WHERE schemaname = $1 ORDER BY 1",
        [schema],
      );
      return [found.rows, indexes.rows];
    };
    assert.deepEqual(await columns("guide"), await columns("public"));
    // An account that may not create anything does without.
    const guidedStore = postgresStore(guided);
    assert.ok(await guidedStore.put("p", "n", "1", null, null));
    await guided.end();
  });

  test("one of many creates what had expired", async () => {
    for (let round = 0; round < 10; round += 1) {
      const name = `expired/${round}`;
      await store.put("races", name, "1", null, now() - 10);
      const single = Array.from({ length: 10 }, () => store.put("races", name, "2", null, null));
      const double = Array.from({ length: 10 }, async () => {
        const writes = [write(`${name}/more`, "1", null), write(name, "2", null)];
        const { versions } = await store.commit("races", writes);
        return versions?.[1] ?? null;
      });
      const versions = (await Promise.all([...single, ...double])).filter((version) => version !== null);
      assert.equal(versions.length, 1);
      assert.equal((await store.get("races", name))?.version, versions[0]);
    }
  });

  test("commits in opposite orders do not wait for each other in vain", async () => {
    const started = performance.now();
    // Who waits in vain does so for longer than any machine needs.
    const patient = connect({ options: "-c deadlock_timeout=300s" });
    const ordered = postgresStore(patient);
    const names = Array.from({ length: 20 }, (_, n) => `order/${n}`);
    for (let round = 0; round < 20; round += 1) {
      const expected = new Map();
      for (const name of names) expected.set(name, (await store.get("races", name))?.version ?? null);
      const all = names.map((name) => write(name, `${round}`, expected.get(name)));
      const orders = [all, all.toReversed()];
      const commits = Array.from({ length: 8 }, (_, n) => ordered.commit("races", orders[n % 2]));
      const made = (await Promise.all(commits)).filter(({ versions }) => versions !== undefined);
      assert.equal(made.length, 1);
    }
    const { rows } = await pool.query("SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'");
    assert.equal(Number(rows[0].deadlocks), 0);
    assert.ok(performance.now() - started < 240_000);
    await patient.end();
  });

  test("of two commits that each want the other's record absent, one is made", async () => {
    for (let round = 0; round < 30; round += 1) {
      const [left, right] = [`skew/${round}/left`, `skew/${round}/right`];
      const outcomes = await Promise.all([
        store.commit("races", [write(left, null, null), write(right, "1", null)]),
        store.commit("races", [write(right, null, null), write(left, "1", null)]),
      ]);
      const made = outcomes.filter(({ versions }) => versions !== undefined);
      assert.equal(made.length, 1);
      assert.equal((await store.list("races", `skew/${round}/`, null, 10)).names.length, 1);
    }
  });

  test("a commit that waits for another sees what became of it", async () => {
    const version = await store.put("waits", "n", "1", null, null);
    const other = await pool.connect();
    for (const end of ["COMMIT", "ROLLBACK"]) {
      const name = `new/${end}`;
      await other.query("BEGIN");
      await other.query("INSERT INTO edgemint_records VALUES ('waits', $1, '1', 'theirs')", [name]);
      const commit = store.commit("waits", [write("n", "2", version), write(name, "1", null)]);
      await until("a commit that waits", async () => (await pool.query(WAITING)).rows.length > 0);
      await other.query(end);
      if (end === "COMMIT") assert.deepEqual(await commit, { conflict: 1 });
      else assert.equal((await commit).versions?.length, 2);
    }
    other.release();
  });

  test("one of several processes creates a record", async () => {
    await createOnce("postgres", server.url);
  });

  test("several processes lose no count", async () => {
    await countTogether("postgres", server.url, () => store);
  });

  test("a commit whose connection breaks is rejected, writes nothing, and the next one works", async () => {
    const other = await pool.connect();
    const version = await store.put("breaks", "n", "1", null, null);
    await other.query("BEGIN");
    await other.query("SELECT 1 FROM edgemint_records WHERE name = 'n' AND partition = 'breaks' FOR UPDATE");
    const commit = store.commit("breaks", [write("a", "1", null), write("n", "2", version)]);
    const rejected = assert.rejects(commit, { code: "57P01" });
    const ending = `SELECT pg_terminate_backend(pid) FROM (${WAITING} AND query LIKE '%FOR UPDATE%') AS waiting`;
    await until("a commit that waits", async () => (await pool.query(ending)).rows.length > 0);
    await rejected;
    await other.query("ROLLBACK");
    other.release();
    assert.deepEqual((await store.list("breaks", "", null, 10)).names, ["n"]);
    assert.ok((await store.commit("breaks", [write("a", "1", null), write("n", "2", version)])).versions);
    assert.equal(pool.waitingCount, 0);
  });

  test("without its table, or with a pool that has ended, calls are rejected", async () => {
    const none = postgresStore(pool, { table: "not_there" });
    await assert.rejects(none.get("p", "n"), { code: "42P01" });
    await assert.rejects(none.put("p", "n", "1", null, null), { code: "42P01" });
    await assert.rejects(none.commit("p", [write("n", "1", null)]), { code: "42P01" });
    await assert.rejects(none.list("p", "", null, 10), { code: "42P01" });
    const ended = connect();
    await ended.end();
    await assert.rejects(postgresStore(ended).get("p", "n"));
    // No connection was kept by a call that failed.
    assert.equal(pool.idleCount, pool.totalCount);
  });

  test("what has expired is deleted by a later write, five minutes after", async () => {
    const other = postgresStore(pool, { table: "swept" });
    await other.prepare();
    const rows = async () => {
      const found = await pool.query(`SELECT name FROM swept WHERE name NOT LIKE 'old/%' ORDER BY name`);
      const old = await pool.query(`SELECT count(*)::int AS count FROM swept WHERE name LIKE 'old/%'`);
      return [found.rows.map(({ name }) => name), old.rows[0].count];
    };
    const past = now() - 400;
    const old = Array.from({ length: 1200 }, (_, n) => ({ ...write(`old/${n}`, "1", null), expiresAt: past }));
    await other.commit("p", old);
    await other.put("p", "late", "1", null, now() - 100);
    await other.put("p", "new", "1", null, now() + 100);
    assert.deepEqual(await rows(), [["late", "new"], 1200]);
    assert.deepEqual((await other.list("p", "", null, 10)).names, ["new"]);
    const restarted = postgresStore(pool, { table: "swept" });
    for (const left of [700, 200, 0]) {
      await restarted.put("p", `kept/${left}`, "1", null, null);
      assert.equal((await rows())[1], left);
    }
    assert.deepEqual((await rows())[0], ["kept/0", "kept/200", "kept/700", "late", "new"]);
  });

  test("r49_a server that is killed rejects; once it is back, everything acknowledged is there", async () => {
    const version = await store.put("killed", "n", "1", null, null);
    const { run, acknowledged } = await writeUntilKilled("postgres", server.url, () => server.kill());
    await assert.rejects(store.get("killed", "n"));
    await assert.rejects(store.put("killed", "n", "2", version, null));
    await assert.rejects(store.delete("killed", "n", version));
    await assert.rejects(store.commit("killed", [write("n", "2", version)]));
    await assert.rejects(store.list("killed", "", null, 10));
    await server.restart();
    await nothingLost(store, run, acknowledged);
    assert.deepEqual(await store.get("killed", "n"), { value: "1", version });
    assert.ok(await store.put("killed", "n", "2", version, null));
    await until("the pool tells of idle connections that broke", () => broken.length > 0);
  });

  test("a server that is restarted in an orderly way is waited for by nobody", async () => {
    await store.put("restarted", "n", "1", null, null);
    await server.restart();
    // Connections that the pool still had may be found broken: a call on each.
    await Promise.allSettled(Array.from({ length: 10 }, () => store.get("restarted", "n")));
    assert.equal((await store.get("restarted", "n"))?.value, "1");
  });
});
