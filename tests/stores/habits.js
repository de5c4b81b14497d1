// What stores are held to beside the contract suite, in Node and in Deno: names that a database may
// trip over, a long listing while others write, expiry to the second.

import assert from "node:assert/strict";

/** @typedef {import("../../pkg/index.d.ts").Store} Store */

/** In the order of their UTF-8 bytes; UTF-16 has the last two the other way round. */
const NAMES = [
  "\x01",
  "\x01\x01a",
  " ",
  '"quoted"',
  "%00",
  "*?[a-z]",
  "123",
  "a",
  "a\x01b",
  "a\nb\r\n",
  "a{b}c",
  "null",
  '{"json":1}',
  "{}",
  "{}{",
  "}",
  "\u00e9",
  "\uffff",
  "\u{1f511}",
];
const PARTITIONS = ["plain", "}", "{}", "{}{a}", "a}b", "a:b%3A", "a b\n", "\u{1f511}", "*"];
/** As long as names get, of four bytes each. */
const LONG = "\u{1f511}".repeat(128);

/** @param {Store} store */
export async function keepsJunkNames(store) {
  const run = crypto.randomUUID();
  for (const partition of PARTITIONS.map((name) => `${name}${run}`)) {
    const written = new Map();
    for (const name of [...NAMES, LONG]) {
      const value = JSON.stringify({ partition, name });
      const version = await store.put(partition, name, value, null, null);
      assert.ok(version, name);
      written.set(name, { value, version });
    }
    for (const [name, found] of written) assert.deepEqual(await store.get(partition, name), found, name);
    const names = [...NAMES, LONG];
    assert.deepEqual(await pages(store, partition, "", 3), names);
    assert.deepEqual(await pages(store, partition, "a", 1), ["a", "a\x01b", "a\nb\r\n", "a{b}c"]);
    assert.deepEqual(await pages(store, partition, "\u{1f511}", 1), ["\u{1f511}", LONG]);
    assert.deepEqual(await pages(store, partition, "{}", 2), ["{}", "{}{"]);
    for (const [prefix, cursor] of [["b", "a"], ["a", "a\x01b"], ["a", "b"], ["a", "\u{1f511}"], ["\uffff", "\u{1f511}"]]) {
      const page = await store.list(partition, prefix, cursor, 1000);
      const after = names.slice(names.indexOf(cursor) + 1).filter((name) => name.startsWith(prefix));
      assert.deepEqual(page.names, cursor === "b" ? [] : after, `${prefix} after ${cursor}`);
    }
    const removed = await store.commit?.(
      partition,
      names.map((name) => ({ name, value: null, expected: written.get(name).version, expiresAt: null })),
    );
    assert.equal(removed?.versions?.length, names.length);
    assert.deepEqual(await pages(store, partition, "", 1000), []);
  }
}

/** @param {Store} store */
export async function keepsValues(store) {
  const partition = crypto.randomUUID();
  const values = ["", "1", "null", '"text"', '{"a":1}', "[1,2]", "OK", "=", "1e400", "12345678901234567890"];
  values.push("\ufeff{}", "\0", "\u{1f511}".repeat(20_000), "\u00e9".repeat(70_000), "x".repeat(400_000));
  let version = null;
  for (const value of values) {
    version = await store.put(partition, "name", value, version, null);
    const found = await store.get(partition, "name");
    assert.ok(found?.value === value, `${value.slice(0, 30)} is not ${found?.value.slice(0, 30)}`);
    assert.equal(found.version, version);
  }
  assert.equal(await store.put(partition, "name", "1", "", null), null);
  assert.equal(await store.delete(partition, "name", ""), null);
  assert.equal(await store.delete(partition, "name", version), version);
  assert.equal(await store.delete(partition, "name", null), "");
}

/** 3,000 names, listed while others come and go. @param {Store} store */
export async function listsUnderWrites(store) {
  const partition = crypto.randomUUID();
  const old = Array.from({ length: 3000 }, (_, n) => `name/${String(n).padStart(4, "0")}`);
  for (let at = 0; at < old.length; at += 50) {
    const writes = old.slice(at, at + 50).map((name) => ({ name, value: "1", expected: null, expiresAt: null }));
    assert.ok((await store.commit?.(partition, writes))?.versions);
  }
  let listing = true;
  const disturb = async (/** @type {number} */ writer) => {
    for (let n = 0; listing; n += 1) {
      const name = `name/${String((n * 7 + writer) % 3000).padStart(4, "0")}+${writer}`;
      const version = await store.put(partition, name, "1", null, null);
      const found = await store.get(partition, old[n % 3000]);
      await store.put(partition, old[n % 3000], "2", found?.version ?? "", null);
      await store.delete(partition, name, version);
    }
  };
  const writers = [1, 2, 3].map(disturb);
  const names = await pages(store, partition, "name/", 70);
  listing = false;
  await Promise.all(writers);
  assert.deepEqual(names.filter((name) => !name.includes("+")), old);
  assert.deepEqual(names, [...names].sort());
  assert.deepEqual(await pages(store, partition, "", 1000), old);
}

/** @param {Store} store */
export async function expiresOnTheSecond(store) {
  let partition = "";
  let end = 0;
  /** @type {string | null} */
  let version = null;
  /** @type {string[]} */
  let listed = [];
  // On a machine for which two seconds are too short they live longer.
  for (let life = 2; life < 100 && Date.now() >= end * 1000; life *= 2) {
    partition = crypto.randomUUID();
    end = Math.ceil(Date.now() / 1000) + life;
    version = await store.put(partition, "short", "1", null, end);
    const kept = await store.put(partition, "prolonged", "1", null, end);
    await store.put(partition, "prolonged", "2", kept, end + 3600);
    const freed = await store.put(partition, "freed", "1", null, end);
    await store.put(partition, "freed", "2", freed, null);
    await store.put(partition, "large", "x".repeat(200_000), null, end);
    listed = await pages(store, partition, "", 2);
  }
  assert.deepEqual(listed, ["freed", "large", "prolonged", "short"]);
  const sleep = (/** @type {number} */ until) =>
    new Promise((resolve) => setTimeout(resolve, until - Date.now()));
  await sleep(end * 1000 - 150);
  const before = await store.get(partition, "short");
  if (Date.now() < end * 1000) assert.equal(before?.version, version);
  await sleep(end * 1000 + 5);
  assert.equal(await store.get(partition, "short"), null);
  assert.equal(await store.get(partition, "large"), null);
  assert.deepEqual(await pages(store, partition, "", 1), ["freed", "prolonged"]);
  assert.equal(await store.put(partition, "short", "2", version, null), null);
  assert.equal(await store.delete(partition, "short", version), null);
  assert.equal(await store.delete(partition, "short", null), "");
  const again = await store.put(partition, "short", "3", null, end + 3600);
  assert.notEqual(again, version);
  assert.equal((await store.get(partition, "short"))?.value, "3");
  assert.equal((await store.get(partition, "freed"))?.value, "2");
}

/** @param {Store} store @param {string} partition @param {string} prefix @param {number} limit */
export async function pages(store, partition, prefix, limit) {
  const names = [];
  let cursor = null;
  do {
    const page = /** @type {{ names: string[], cursor?: string }} */ (
      await store.list(partition, prefix, cursor, limit)
    );
    assert.ok(page.names.length <= limit);
    assert.notEqual(page.cursor, cursor ?? "", "the listing stands still");
    names.push(...page.names);
    cursor = page.cursor ?? null;
  } while (cursor !== null);
  return names;
}
