// The store contract suite (src/store/contract.rs) against the stores in JavaScript. `cargo xtask`
// builds a copy of the package whose wasm has the suite in it.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { contract } from "../stores/contract.js";
import { root, startDirectories, startObjects, startWorker } from "./world.js";

const copy = new URL("target/contract/pkg/", root);
const { memoryStore } = await import(new URL("stores/memory.js", copy).href);
const { kvStore } = await import(new URL("stores/kv.js", copy).href);

const ALWAYS = [
  "what is written is read back",
  "a version is required to overwrite",
  "deletion asks for the version too",
  "what has expired is gone",
  "partitions and prefixes keep apart",
  "a listing survives writes between pages",
  "a listing keeps to its limit",
  "a commit writes and removes",
  "a commit names its conflict",
];
const TRANSACTIONS = ["a commit in conflict writes nothing", "overlapping commits do not mix"];
const ATOMIC = ["one of many creators wins", "one of many updaters wins"];
const EVERYTHING = [...ALWAYS, ...TRANSACTIONS, ...ATOMIC, "a write is seen at once"];

describe("the store contract", () => {
  /** @type {Awaited<ReturnType<typeof startWorker>>} */
  let worker;
  before(async () => {
    worker = await startWorker();
  });
  after(() => worker.stop());

  test("memory keeps everything", async () => {
    const passed = await contract(memoryStore());
    assert.deepEqual(passed, EVERYTHING);
  });

  test("Cloudflare KV (miniflare's) keeps what it promises", async () => {
    assert.deepEqual(await contract(kvStore(worker.namespace)), ALWAYS);
  });

  test("Durable Objects (miniflare's, SQLite) keep everything they promise", async () => {
    const objects = await startObjects();
    try {
      const passed = await objects.act("contract");
      assert.deepEqual(passed, EVERYTHING);
    } finally {
      await objects.stop();
    }
  });

  test("directories in Durable Objects keep everything, and with copies in KV what they promise", async () => {
    const directories = await startDirectories();
    try {
      assert.deepEqual(await directories.act("objects", "contract"), EVERYTHING);
      const passed = await directories.act("directory", "contract");
      assert.deepEqual(passed, [...ALWAYS, ...TRANSACTIONS, ...ATOMIC]);
    } finally {
      await directories.stop();
    }
  });

  test("a commit over a store without one is made write by write", async () => {
    const { commit, ...single } = memoryStore();
    assert.deepEqual(await contract(single), [...ALWAYS, ...ATOMIC, "a write is seen at once"]);
  });

  test("a store that promises too much is found out", async () => {
    const lost = memoryStore();
    const { put, get } = lost;
    // Get, think, put: what a store without compare-and-set does.
    lost.put = async (
      /** @type {[string, string, string, string | null, number | null]} */ ...[partition, name, value, expected, expires]
    ) => {
      const found = await get(partition, name);
      if ((found?.version ?? null) !== expected) return null;
      await new Promise((resolve) => setTimeout(resolve, 1));
      const now = await get(partition, name);
      return put(partition, name, value, now?.version ?? null, expires);
    };
    await assert.rejects(contract(lost), /one of many creators wins: \d+ of 24 writers succeeded/);
  });
});
