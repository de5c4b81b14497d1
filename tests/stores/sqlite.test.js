// The store in an SQLite file: its contract, several processes on one file, a kill, another's lock.

import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { sqliteStore } from "../../pkg/stores/sqlite.js";
import { EVERYTHING, contract } from "./contract.js";
import { keepsNames, refusesWhatIsNoText } from "./names.js";
import { countTogether, createOnce, nothingLost, writeUntilKilled } from "./processes.js";

const folder = mkdtempSync(join(tmpdir(), "edgemint-sqlite-"));
let files = 0;
const newFile = () => join(folder, `${++files}.db`);
const now = () => Math.floor(Date.now() / 1000);

/** @param {string} file */
function rows(file) {
  const database = new DatabaseSync(file);
  const found = database.prepare("SELECT name FROM edgemint_records ORDER BY name").all();
  database.close();
  return found.map(({ name }) => String(name));
}

describe("the store in SQLite", { concurrency: 2 }, () => {
  after(() => rmSync(folder, { recursive: true, force: true }));

  test("keeps everything in a file", async () => {
    const store = sqliteStore(newFile());
    assert.deepEqual(await contract(store), EVERYTHING);
    store.close();
  });

  test("makes a file that only its owner reads, and leaves the mode of one that is there", async () => {
    const mode = (/** @type {string} */ file) => statSync(file).mode & 0o777;
    for (const of of [String, pathToFileURL]) {
      const file = newFile();
      const store = sqliteStore(of(file));
      await store.put("p", "n", "1", null, null);
      for (const name of [file, `${file}-wal`, `${file}-shm`]) assert.equal(mode(name), 0o600, name);
      store.close();
      chmodSync(file, 0o640);
      const again = sqliteStore(of(file));
      assert.equal((await again.get("p", "n"))?.value, "1");
      again.close();
      assert.equal(mode(file), 0o640);
    }
  });

  test("keeps everything in memory", async () => {
    const store = sqliteStore(":memory:");
    assert.deepEqual(await contract(store), EVERYTHING);
    store.close();
  });

  test("keeps names as they are, in the order of their bytes", async () => {
    const store = sqliteStore(newFile());
    await keepsNames(store);
    await refusesWhatIsNoText(store);
    store.close();
  });

  test("works on a connection that it was given, and leaves it open", async () => {
    const connection = new DatabaseSync(newFile());
    const store = sqliteStore(connection);
    const version = await store.put("p", "n", "1", null, null);
    store.close();
    assert.deepEqual(await store.get("p", "n"), { value: "1", version });
    assert.equal(connection.prepare("PRAGMA synchronous").get()?.synchronous, 2);
    assert.equal(connection.prepare("PRAGMA journal_mode").get()?.journal_mode, "wal");
    connection.close();
  });

  test("takes a URL, and rejects what comes after it is closed", async () => {
    const file = newFile();
    const store = sqliteStore(pathToFileURL(file));
    await store.put("p", "n", "1", null, null);
    store.close();
    assert.deepEqual(rows(file), ["n"]);
    await assert.rejects(store.get("p", "n"), /not open|finalized/);
    await assert.rejects(store.put("p", "n", "2", null, null), /not open|finalized/);
  });

  test("does not start over what is no database, or cannot be opened", () => {
    const file = newFile();
    writeFileSync(file, "something else".repeat(1000));
    assert.throws(() => sqliteStore(file), { message: `file is not a database: ${file}` });
    const missing = join(folder, "missing", "file.db");
    assert.throws(() => sqliteStore(missing), {
      message: `unable to open database file: ${missing}`,
      code: "ERR_SQLITE_ERROR",
    });
  });

  test("takes nothing that is no file and no connection", () => {
    for (const wrong of /** @type {any[]} */ ([undefined, "", null, 5, {}, { filename: "a.db" }])) {
      assert.throws(() => sqliteStore(wrong), { name: "TypeError", message: /takes a path/ });
    }
    const options = /** @type {any} */ ({ busyTimout: 1 });
    assert.throws(() => sqliteStore(":memory:", options), { message: /did you mean `busyTimeout`/ });
  });

  test("one of several processes creates a record, all of which make the file at once", async () => {
    await createOnce("sqlite", newFile());
  });

  test("several processes lose no count", async () => {
    const file = newFile();
    await countTogether("sqlite", file, () => sqliteStore(file));
  });

  test("r49_what was acknowledged survives a kill, and no commit by half", async () => {
    const file = newFile();
    const { run, acknowledged } = await writeUntilKilled("sqlite", file, (child) => child.kill("SIGKILL"));
    const store = sqliteStore(file);
    await nothingLost(store, run, acknowledged);
    assert.ok(await store.put(`endless/${run}`, "after", "1", null, null));
    store.close();
  });

  test("reads and other work go on while another process writes; a write waits, and gives up", async () => {
    let stood = Infinity;
    // If it is the machine that stands still, and not the process that waits, it does so for a while only.
    for (let busyTimeout = 1000; stood >= busyTimeout * 0.9 && busyTimeout < 60_000; busyTimeout *= 2) {
      const file = newFile();
      const [store, patient] = [sqliteStore(file, { busyTimeout }), sqliteStore(file, { busyTimeout: 300_000 })];
      const version = await store.put("p", "n", "1", null, null);
      const other = new DatabaseSync(file);
      other.exec("BEGIN IMMEDIATE");
      const refused = assert.rejects(store.put("p", "n", "2", version, null), /database is locked/);
      const waiting = patient.put("p", "n", "3", version, null);
      const started = performance.now();
      assert.deepEqual(await store.get("p", "n"), { value: "1", version });
      await new Promise((resolve) => setTimeout(resolve, 1));
      stood = performance.now() - started;
      await refused;
      other.exec("COMMIT");
      assert.ok(await waiting);
      assert.equal((await store.get("p", "n"))?.value, "3");
      for (const open of [other, store, patient]) open.close();
    }
    assert.ok(stood < 30_000, "the process stood still");
  });

  test("a file that another process is just making is opened when it can be", async () => {
    const file = newFile();
    const other = new DatabaseSync(file);
    other.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; CREATE TABLE other (x)");
    const store = sqliteStore(file, { busyTimeout: 300_000 });
    const written = store.put("p", "n", "1", null, null);
    await new Promise((resolve) => setTimeout(resolve, 100));
    other.exec("COMMIT");
    other.close();
    assert.ok(await written);
    store.close();
  });

  test("a write that fails does not take along those that were made at the same time", async () => {
    const connection = new DatabaseSync(newFile());
    const store = sqliteStore(connection);
    connection.exec(`CREATE TRIGGER fails BEFORE INSERT ON edgemint_records WHEN new.name = 'fails'
      BEGIN SELECT RAISE(ABORT, 'not today'); END`);
    const write = (/** @type {string} */ name) => ({ name, value: "1", expected: null, expiresAt: null });
    const outcomes = await Promise.allSettled([
      store.put("p", "before", "1", null, null),
      store.commit("p", [write("half"), write("fails")]),
      store.put("p", "after", "1", null, null),
      store.put("p", "after", "1", null, null),
    ]);
    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ["fulfilled", "rejected", "fulfilled", "fulfilled"],
    );
    assert.match(String(/** @type {PromiseRejectedResult} */ (outcomes[1]).reason), /not today/);
    assert.equal(/** @type {PromiseFulfilledResult<unknown>} */ (outcomes[3]).value, null);
    assert.deepEqual((await store.list("p", "", null, 10)).names, ["after", "before"]);
    connection.close();
  });

  test("a version is not used again, not even by another process after a deletion", async () => {
    const file = newFile();
    const seen = new Set();
    for (let n = 0; n < 5; n += 1) {
      const store = sqliteStore(file);
      const version = await store.put("p", "n", "1", null, null);
      seen.add(version);
      assert.equal(await store.delete("p", "n", version), version);
      store.close();
    }
    assert.equal(seen.size, 5);
  });

  test("what has expired is deleted by a later write, five minutes after", async () => {
    const file = newFile();
    const first = sqliteStore(file);
    await first.put("p", "old", "1", null, now() - 400);
    await first.put("p", "late", "1", null, now() - 100);
    await first.put("p", "new", "1", null, now() + 100);
    assert.deepEqual((await first.list("p", "", null, 10)).names, ["new"]);
    assert.deepEqual(rows(file), ["late", "new", "old"]);
    first.close();
    const second = sqliteStore(file);
    await second.get("p", "new");
    assert.deepEqual(rows(file), ["late", "new", "old"]);
    await second.put("p", "other", "1", null, null);
    assert.deepEqual(rows(file), ["late", "new", "other"]);
    // Nothing is in the way of what had expired.
    assert.ok(await second.put("p", "late", "2", null, null));
    second.close();
  });

  test("many that have expired are deleted write by write", async () => {
    const file = newFile();
    const first = sqliteStore(file);
    for (let n = 0; n < 3; n += 1) {
      const writes = Array.from({ length: 400 }, (_, at) => ({
        name: `${n}/${at}`,
        value: "1",
        expected: null,
        expiresAt: now() - 400,
      }));
      await first.commit("p", writes);
    }
    first.close();
    const second = sqliteStore(file);
    for (const left of [700, 200, 0]) {
      await second.put("p", `kept/${left}`, "1", null, null);
      assert.equal(rows(file).filter((name) => !name.startsWith("kept/")).length, left);
    }
    second.close();
  });
});
