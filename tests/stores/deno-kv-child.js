// What deno-kv.test.js has done inside Deno:
// deno run -A --unstable-kv deno-kv-child.js ACT FILE

import assert from "node:assert/strict";
import process from "node:process";
import { denoKvStore } from "../../pkg/stores/deno-kv.js";
import { contract } from "./contract.js";
import { expiresOnTheSecond, keepsJunkNames, keepsValues, listsUnderWrites, pages } from "./habits.js";
import { refusesWhatIsNoText } from "./names.js";

/** @type {any} */
const { Deno } = globalThis;
const [act, file] = process.argv.slice(2);
const kv = await Deno.openKv(file);
const store = denoKvStore(kv);

/** @param {string} name @param {string} value */
const write = (name, value) => ({ name, value, expected: null, expiresAt: null });

/** @returns {Promise<string[]>} */
async function keys() {
  const found = [];
  for await (const { key } of kv.list({ prefix: [] })) found.push(JSON.stringify(key.slice(1, 4)));
  return found;
}

/** @type {Record<string, () => Promise<unknown>>} */
const acts = {
  contract: () => contract(store),
  async junk() {
    await keepsJunkNames(store);
    await keepsValues(store);
    await refusesWhatIsNoText(store);
  },
  list: () => listsUnderWrites(store),
  expiry: () => expiresOnTheSecond(store),

  async prefix() {
    const other = denoKvStore(kv, { prefix: "other" });
    assert.ok(await store.put("prefixes", "name", "1", null, null));
    assert.equal(await other.get("prefixes", "name"), null);
    assert.deepEqual(await other.list("prefixes", "", null, 10), { names: [] });
  },

  // Large values are overwritten while they are read: what is read is one or the other.
  async torn() {
    const values = ["a", "b", "c"].map((letter) => letter.repeat(300_000));
    let version = await store.put("torn", "name", values[0], null, null);
    let going = true;
    const counts = [0, 0, 0, 0];
    const readers = counts.map(async (_, reader) => {
      while (going) {
        const found = await store.get("torn", "name");
        assert.ok(values.includes(found?.value ?? ""));
        counts[reader] += 1;
      }
    });
    // However they take turns, each has read in between.
    for (let n = 1; n <= 100 || counts.some((count) => count <= 3); n += 1) {
      version = await store.put("torn", "name", values[n % 3], version, null);
      assert.ok(version);
    }
    going = false;
    await Promise.all(readers);
    assert.equal((await keys()).length, 6);
    assert.equal(await store.delete("torn", "name", version), version);
    assert.deepEqual(await keys(), []);
  },

  // A part that is missing is no answer.
  async broken() {
    await store.put("broken", "name", "x".repeat(100_000), null, null);
    for await (const { key } of kv.list({ prefix: ["edgemint", "part"] })) await kv.delete(key);
    await assert.rejects(store.get("broken", "name"), /missing/);
  },

  async limits() {
    const many = (/** @type {number} */ count) =>
      Array.from({ length: count }, (_, n) => write(`name${n}`, "1"));
    assert.equal((await store.commit("many", many(100))).versions?.length, 100);
    await assert.rejects(store.commit("more", many(101)), /Too many checks/);
    assert.deepEqual(await pages(store, "more", "", 1000), []);
    const large = "x".repeat(750_000);
    await store.put("large", "name", large, null, null);
    assert.equal((await store.get("large", "name"))?.value.length, large.length);
    await assert.rejects(store.put("larger", "name", `${large}${large}`, null, null), /Total mutation size/);
    assert.equal(await store.get("larger", "name"), null);
  },

  async removal() {
    const soon = Math.floor(Date.now() / 1000) - 40;
    await store.put("removal", "passing", "x".repeat(100_000), null, soon);
    await store.put("removal", "staying", "1", null, null);
    assert.equal((await keys()).length, 4);
    const end = Date.now() + 300_000;
    while ((await keys()).length > 1) {
      assert.ok(Date.now() < end, "Deno KV does not delete what has expired");
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  },

  async closed() {
    kv.close();
    await assert.rejects(store.get("closed", "name"));
    await assert.rejects(store.put("closed", "name", "1", null, null));
    await assert.rejects(store.list("closed", "", null, 1));
  },

  // Says each name once it is written, until it is killed.
  async write() {
    for (let n = 0; ; n += 1) {
      const name = `${process.pid}/${n}`;
      assert.ok((await store.commit("crash", [write(name, "1"), write(`${name}+`, "x".repeat(100_000))])).versions);
      process.stdout.write(`${JSON.stringify(name)}\n`);
    }
  },

  async read() {
    const names = await pages(store, "crash", "", 1000);
    for (const name of names) assert.ok(await store.get("crash", name));
    return names;
  },
};

process.stdout.write(`${JSON.stringify((await acts[act]()) ?? "done")}\n`);
process.exit();
