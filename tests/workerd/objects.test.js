// The store on Durable Objects, beyond the contract that every store keeps: what it leaves behind, and
// what it still knows after its object, or the whole process, was gone.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { startObjects } from "./world.js";

const now = () => Math.floor(Date.now() / 1000);
const NOTHING = { rows: null, alarm: null };

describe("an object of grants", () => {
  /** @type {Awaited<ReturnType<typeof startObjects>>} */
  let objects;
  before(async () => {
    objects = await startObjects();
  });
  after(() => objects.stop());
  const randomUUID = () => crypto.randomUUID();

  /** Waits until the object holds what it should. @param {string} partition @param {object} expected */
  async function comesTo(partition, expected) {
    const until = Date.now() + 60_000;
    let seen = await objects.act("look", partition);
    while (JSON.stringify(seen) !== JSON.stringify(expected) && Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      seen = await objects.act("look", partition);
    }
    assert.deepEqual(seen, expected);
  }

  test("costs nothing if nothing was ever written", async () => {
    const partition = randomUUID();
    assert.equal(await objects.act("get", partition, "grant"), null);
    assert.deepEqual(await objects.act("list", partition, "", null), { names: [] });
    assert.equal(await objects.act("delete", partition, "grant", null), "");
    assert.equal(await objects.act("put", partition, "grant", "{}", "no such version", null), null);
    assert.deepEqual(await objects.act("look", partition), NOTHING);
  });

  test("deletes what has expired, waits for the next, and leaves nothing behind", async () => {
    const partition = randomUUID();
    const [first, second, far] = [now() + 2, now() + 4, now() + 100_000];
    const rows = ["first", "second"];
    assert.deepEqual(await objects.act("writeAll", partition, { second, first }), {
      rows,
      alarm: first * 1000,
    });
    await comesTo(partition, NOTHING);
    const other = randomUUID();
    await objects.act("writeAll", other, { second: far, first });
    await comesTo(other, { rows: ["second"], alarm: far * 1000 });
    const version = await objects.act("put", partition, "first", "{}", null, null);
    assert.deepEqual(await objects.act("get", partition, "first"), { value: "{}", version });
  });

  test("keeps what does not expire when the alarm comes", async () => {
    const partition = randomUUID();
    await objects.act("put", partition, "short", "{}", null, now() + 1);
    await objects.act("put", partition, "user", "{}", null, null);
    await comesTo(partition, { rows: ["user"], alarm: null });
  });

  test("sets one alarm, however often an expiry is pushed back", async () => {
    const partition = randomUUID();
    const start = now() + 100;
    const later = [0, 1, 2, 3].map((seconds) => start + seconds);
    assert.equal(await objects.act("countAlarms", partition, later), 1);
    await objects.evict(partition);
    const { version } = await objects.act("get", partition, "grant");
    await objects.act("put", partition, "grant", "{}", version, start + 50);
    const alarm = start * 1000;
    assert.deepEqual(await objects.act("look", partition), { rows: ["grant"], alarm });
    await objects.act("put", partition, "other", "{}", null, start - 50);
    assert.equal((await objects.act("look", partition)).alarm, alarm - 50_000);
  });

  test("never uses a version twice, not even after everything was deleted", async () => {
    const partition = randomUUID();
    const versions = new Set();
    for (let life = 0; life < 20; life += 1) {
      let version = await objects.act("put", partition, "grant", "{}", null, null);
      versions.add(version);
      version = await objects.act("put", partition, "grant", "{}", version, null);
      versions.add(version);
      assert.equal(await objects.act("delete", partition, "grant", version), version);
      assert.deepEqual(await objects.act("look", partition), NOTHING);
      if (life % 5 === 0) await objects.evict(partition);
    }
    assert.equal(versions.size, 40);
  });

  test("keeps what is written right after everything was deleted", async () => {
    const partition = randomUUID();
    const first = await objects.act("put", partition, "grant", "old", null, null);
    const [removed, version] = await objects.act("replace", partition, "grant", first);
    assert.equal(removed, first);
    await objects.evict(partition);
    assert.deepEqual(await objects.act("get", partition, "grant"), { value: "new", version });
  });

  test("lists by prefix whatever characters it has", async () => {
    const partition = randomUUID();
    const last = "\u{10ffff}";
    const ascii = ["%", "_a", "a", "a%b", "a/1"];
    const names = [...ascii, "a\u{7ff}", "a\u{ffff}", `a${last}`, `a${last}b`, "b"];
    for (const name of names.toReversed()) await objects.act("put", partition, name, "1", null, null);
    const list = async (/** @type {string} */ prefix) =>
      (await objects.act("list", partition, prefix, null)).names;
    assert.deepEqual(await list(""), names);
    assert.deepEqual(await list("a"), names.slice(2, 9));
    assert.deepEqual(await list("a%"), ["a%b"]);
    assert.deepEqual(await list("_"), ["_a"]);
    assert.deepEqual(await list(`a${last}`), [`a${last}`, `a${last}b`]);
    assert.deepEqual(await list("c"), []);
  });

  test("writes nothing if the step fails", async () => {
    const partition = randomUUID();
    await assert.rejects(objects.act("step", partition, "grant", "no command"));
    assert.deepEqual(await objects.act("look", partition), NOTHING);
    const version = await objects.act("put", partition, "grant", "{}", null, null);
    await assert.rejects(objects.act("step", partition, "grant", "no command"));
    assert.deepEqual(await objects.act("get", partition, "grant"), { value: "{}", version });
  });
});

test("what an object has acknowledged outlives the object and the process", async () => {
  const state = await mkdtemp(join(tmpdir(), "edgemint-objects-"));
  const partition = "grants/demo/alice";
  let objects = await startObjects(state);
  try {
    const version = await objects.act("put", partition, "grant", '"kept"', null, null);
    await objects.act("put", partition, "short", "{}", null, now() + 10);
    await objects.evict(partition);
    assert.deepEqual(await objects.act("get", partition, "grant"), { value: '"kept"', version });
    await objects.stop();

    objects = await startObjects(state);
    assert.deepEqual(await objects.act("get", partition, "grant"), { value: '"kept"', version });
    assert.equal(await objects.act("put", partition, "grant", "{}", null, null), null);
    const until = Date.now() + 60_000;
    let left = await objects.act("look", partition);
    while (left.alarm !== null && Date.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      left = await objects.act("look", partition);
    }
    assert.deepEqual(left, { rows: ["grant"], alarm: null }, "the alarm was kept, too");
  } finally {
    await objects.stop();
    await rm(state, { recursive: true, force: true });
  }
});
