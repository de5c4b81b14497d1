// The store on Cloudflare D1, in workerd: its contract, commits, and what a broken database comes to.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Miniflare } from "miniflare";
import { EVERYTHING } from "./contract.js";

const root = fileURLToPath(new URL("../../target/contract/", import.meta.url));
const now = () => Math.floor(Date.now() / 1000);
/** @param {string} name @param {string | null} value @param {string | null} expected */
const write = (name, value, expected) => ({ name, value, expected, expiresAt: null });

describe("the store in D1 (miniflare's)", () => {
  const miniflare = new Miniflare({
    compatibilityDate: "2026-07-01",
    // For the tests' assertions; the store needs nothing of it.
    compatibilityFlags: ["nodejs_compat"],
    modules: true,
    modulesRoot: root,
    scriptPath: `${root}tests/stores/d1-worker.js`,
    modulesRules: [
      { type: "ESModule", include: ["**/*.js"] },
      { type: "CompiledWasm", include: ["**/*.wasm"] },
    ],
    d1Databases: ["DB"],
  });
  /** @type {URL} */
  let url;

  /** What an act there came to. @param {string} act @param {unknown[]} parameters @returns {Promise<any>} */
  async function act(act, ...parameters) {
    const response = await fetch(url, { method: "POST", body: JSON.stringify({ act, parameters }) });
    const { result, error } = /** @type {any} */ (await response.json());
    if (error !== undefined) throw new Error(error);
    return result;
  }

  before(async () => {
    url = await miniflare.ready;
  });
  after(() => miniflare.dispose());

  test("without its table, calls are rejected; with the guide's, they work", async () => {
    const calls = [
      ["get", "p", "n"],
      ["put", "p", "n", "1", null, null],
      ["delete", "p", "n", null],
      ["commit", "p", [write("n", "1", null)]],
      ["list", "p", "", null, 10],
    ];
    for (const [method, ...parameters] of calls) {
      await assert.rejects(act(String(method), ...parameters), /no such table/);
    }
    const guide = readFileSync(new URL("../../docs/stores.md", import.meta.url), "utf8");
    const section = guide.slice(guide.indexOf("\n## Cloudflare D1"));
    const sql = /```sql\n([^]*?)```/.exec(section)?.[1] ?? assert.fail("the guide has no SQL");
    const statements = sql.split(";").map((statement) => statement.trim()).filter(Boolean);
    for (const statement of statements) await act("sql", statement);
    const made = "SELECT name, sql FROM sqlite_master WHERE name LIKE 'edgemint%' ORDER BY name";
    const plain = (/** @type {{ sql: string }[]} */ rows) => rows.map(({ sql }) => sql.replace(/\s+/g, " "));
    const guided = plain(await act("sql", made));
    assert.ok(await act("put", "p", "n", "1", null, null));
    await act("sql", "DROP TABLE edgemint_records");
    await act("prepare");
    await act("prepare");
    assert.deepEqual(plain(await act("sql", made)), guided);
  });

  test("keeps everything", async () => {
    assert.deepEqual(await act("contract"), EVERYTHING);
  });

  test("keeps names as they are, in the order of their bytes", async () => {
    await act("names");
    await act("noText");
  });

  test("keeps values as they are", async () => {
    for (const value of ["5", "1.50", "null", '"\\u0000\\ud800 \u{1f511}"', '{"a":[1e400,"\'"]}']) {
      const name = `value/${value}`;
      const version = await act("put", "p", name, value, null, null);
      assert.deepEqual(await act("get", "p", name), { value, version });
    }
  });

  test("refuses a session, which may read from replicas", async () => {
    await assert.rejects(act("session"), /TypeError: a session of D1/);
  });

  test("one of many creates what had expired", async () => {
    for (let round = 0; round < 5; round += 1) {
      const name = `expired/${round}`;
      await act("put", "races", name, "1", null, now() - 10);
      const calls = Array.from({ length: 20 }, (_, n) =>
        n % 2 === 0
          ? ["put", "races", name, "2", null, null]
          : ["commit", "races", [write(`${name}/more`, null, null), write(name, "2", null)]],
      );
      const outcomes = await act("together", calls);
      const made = outcomes.filter((/** @type {any} */ one) => typeof one === "string" || one?.versions);
      assert.equal(made.length, 1);
    }
  });

  test("of two commits that each want the other's record absent, one is made", async () => {
    const outcomes = await act("together", [
      ["commit", "races", [write("left", null, null), write("right", "1", null)]],
      ["commit", "races", [write("right", null, null), write("left", "1", null)]],
    ]);
    assert.deepEqual(
      outcomes.map((/** @type {any} */ { conflict }) => conflict),
      [undefined, 0],
    );
    assert.equal(await act("get", "races", "left"), null);
  });

  test("a commit in which a statement fails writes nothing", async () => {
    const version = await act("put", "fails", "kept", "1", null, null);
    await act(
      "sql",
      `CREATE TRIGGER fails BEFORE DELETE ON edgemint_records WHEN old.partition = 'fails'
        BEGIN SELECT RAISE(ABORT, 'not today'); END`,
    );
    const writes = [write("new", "1", null), write("kept", null, version)];
    await assert.rejects(act("commit", "fails", writes), /not today/);
    assert.deepEqual((await act("list", "fails", "", null, 10)).names, ["kept"]);
    assert.deepEqual(await act("get", "fails", "kept"), { value: "1", version });
    await act("sql", "DROP TRIGGER fails");
    assert.equal((await act("commit", "fails", writes)).versions.length, 2);
  });

  test("what has expired is deleted by a later write, five minutes after", async () => {
    const rows = async (/** @type {string} */ like) => {
      const text = "SELECT name FROM edgemint_records WHERE name LIKE ? ORDER BY name";
      const found = await act("sql", text, like);
      return found.map((/** @type {{ name: string }} */ { name }) => name);
    };
    const past = now() - 400;
    const old = Array.from({ length: 1200 }, (_, n) => ({ ...write(`old/${n}`, "1", null), expiresAt: past }));
    await act("commit", "sweep", old);
    await act("put", "sweep", "swept/late", "1", null, now() - 100);
    await act("put", "sweep", "swept/new", "1", null, now() + 100);
    assert.deepEqual((await act("list", "sweep", "swept/", null, 10)).names, ["swept/new"]);
    for (const left of [700, 200, 0]) {
      await act("anew", "put", "sweep", `swept/${left}`, "1", null, null);
      assert.equal((await rows("old/%")).length, left);
    }
    assert.deepEqual(await rows("swept/%"), ["swept/0", "swept/200", "swept/700", "swept/late", "swept/new"]);
  });
});
