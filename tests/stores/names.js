// Names that a database may take for something else, kept by every store exactly as they are.

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";

const NAMES = [
  "'",
  "''; DROP TABLE edgemint_records; --",
  '"',
  "$1",
  "?",
  "\\",
  "\\0",
  "%",
  "_",
  "*",
  "a",
  "A",
  "a ",
  "a/b:c{d}[e]",
  "z",
  "\u00e4",
  "a\u0308",
  "\u00df",
  "ss",
  "\ud7ff",
  "\ue000",
  // In UTF-16 this is the last, in UTF-8 those after it are.
  "\uffff",
  "\u{10000}",
  "\u{1f511}",
  "\u{1f511}\u{1f511}",
  "\u{10ffff}",
  "\u{10ffff}\u{10ffff}",
  "n".repeat(512),
  "\u{1f511}".repeat(128),
  "null",
  "__proto__",
];

/** @param {import("../../pkg/index.d.ts").Store} store */
export async function keepsNames(store) {
  const partition = `names/${crypto.randomUUID()}`;
  const versions = new Map();
  for (const name of NAMES) {
    versions.set(name, await store.put(partition, name, JSON.stringify(name), null, null));
  }
  for (const name of NAMES) {
    const found = await store.get(partition, name);
    assert.deepEqual(found, { value: JSON.stringify(name), version: versions.get(name) });
  }
  const sorted = NAMES.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const prefix of ["", ...NAMES]) {
    const wanted = sorted.filter((name) => name.startsWith(prefix));
    assert.deepEqual((await store.list(partition, prefix, null, 1000)).names, wanted);
    // One by one, each after the other.
    const listed = [];
    let cursor = null;
    do {
      const page = await store.list(partition, prefix, cursor, 1);
      listed.push(...page.names);
      cursor = page.cursor ?? null;
    } while (cursor !== null);
    assert.deepEqual(listed, wanted);
  }
  // And as partitions.
  for (const name of NAMES) await store.put(`${partition}/${name}`, "only", "1", null, null);
  for (const name of NAMES) {
    assert.deepEqual(await store.list(`${partition}/${name}`, "", null, 1000), { names: ["only"] });
  }
  const removals = NAMES.map((name) => ({
    name,
    value: null,
    expected: versions.get(name),
    expiresAt: null,
  }));
  await (store.commit?.(partition, removals) ?? assert.fail("it has no commit"));
  assert.deepEqual((await store.list(partition, "", null, 1000)).names, []);
}

/** @param {import("../../pkg/index.d.ts").Store} store */
export async function refusesWhatIsNoText(store) {
  const write = (/** @type {string} */ name) => ({ name, value: "1", expected: null, expiresAt: null });
  for (const name of ["a\0b", "\0", "\ud800", "a\udc00"]) {
    await assert.rejects(store.put("names", name, "1", null, null), TypeError);
    await assert.rejects(store.put(name, "name", "1", null, null), TypeError);
    await assert.rejects(store.get("names", name), TypeError);
    await assert.rejects(store.delete("names", name, null), TypeError);
    await assert.rejects(store.list("names", name, null, 10), TypeError);
    await assert.rejects(async () => store.commit?.("names", [write("a"), write(name)]), TypeError);
  }
  assert.equal(await store.get("names", "a"), null);
}
