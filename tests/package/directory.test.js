// Directories in objects, as far as it can be tried without objects: what the store asks them, whose turn
// of maintenance it is, and what becomes of copies when an instance is lost. The rest is in tests/workerd.

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import { clientAddress } from "edgemint/cloudflare";
import { directoryStore, maintain } from "edgemint/stores/directory";
import { Outbox } from "../../pkg/stores/outbox.js";

/** Objects that count what they are asked. @param {Map<string, string>} records by partition and name */
function world(records) {
  /** @type {string[]} */
  const asked = [];
  const objects = {
    getByName: (/** @type {string} */ partition) => ({
      async read(/** @type {string} */ name) {
        asked.push(partition);
        const value = records.get(`${partition}:${name}`);
        return value === undefined ? null : { value, version: "1" };
      },
    }),
  };
  const kv = { getWithMetadata: async () => ({ value: null, metadata: null }) };
  const store = directoryStore({ kv: /** @type {any} */ (kv), objects: /** @type {any} */ (objects) });
  return { store, asked };
}

describe("the store of directories", () => {
  test("asks no more objects than one bucket allows about tenants that are made up", async () => {
    const { store, asked } = world(new Map());
    const from = Date.now();
    for (let number = 0; number < 3000; number += 1) await store.get(`directory/t${number}`, "tenant");
    const most = 101 + (50 * (Date.now() - from)) / 1000;
    assert.ok(asked.length >= 100 && asked.length <= most, `${asked.length} objects were asked`);
  });

  test("a tenant that there is keeps its bucket, and its new applications work, in a flood of made-up ones", async () => {
    const names = Array.from({ length: 2000 }, (_, n) => `application/${n}`);
    const { store, asked } = world(
      new Map(["tenant", ...names].map((name) => [`directory/demo:${name}`, "{}"])),
    );
    assert.notEqual(await store.get("directory/demo", "tenant"), null);
    const from = Date.now();
    let refilled = 0;
    for (let round = 0; round < 5; round += 1) {
      for (let n = 0; n < 1001; n += 1) await store.get(`directory/made-up${n}`, "tenant");
      for (let n = 0; n < 300; n += 1) await store.get("directory/demo", `application/x${n}`);
      refilled = asked.filter((partition) => partition === "directory/demo").length;
    }
    const most = 102 + (50 * (Date.now() - from)) / 1000;
    assert.ok(refilled <= most, `${refilled} questions to the object of the tenant`);
    // What is there counts against no bucket, however empty those of strangers are.
    await new Promise((resolve) => setTimeout(resolve, 50));
    for (const name of names) assert.notEqual(await store.get("directory/demo", name), null, name);
  });
});

describe("maintenance", () => {
  /** Who has a turn in each hour of the day. @param {string[]} names */
  async function turns(names) {
    /** @type {string[][]} */
    const hours = [];
    for (let hour = 0; hour < 24; hour += 1) {
      /** @type {string[]} */
      const turn = [];
      const objects = {
        getByName: () => ({
          page: async () => ({ names }),
          maintain: async (/** @type {string} */ partition) => void turn.push(partition),
        }),
      };
      await maintain(/** @type {any} */ (objects), (hour * 3600 + 17 * 60) * 1000);
      hours.push(turn);
    }
    return hours;
  }

  test("comes to each tenant in one hour of the day, which is the same whatever tenants are made", async () => {
    const names = Array.from({ length: 480 }, (_, number) => `tenant-${number}`).toSorted();
    const hours = await turns(names);
    assert.deepEqual(hours.flat().toSorted(), names.map((name) => `directory/${name}`));
    for (const [hour, { length }] of hours.entries()) assert.ok(length < 60, `${length} in hour ${hour}`);
    const fewer = names.filter((_, index) => index % 3 !== 0);
    const kept = new Set(fewer.map((name) => `directory/${name}`));
    const expected = hours.map((turn) => turn.filter((partition) => kept.has(partition)));
    assert.deepEqual(await turns(fewer), expected);
  });

  test("of an object that does not answer is an event, and the others have their turn", async () => {
    /** @type {string[]} */
    const served = [];
    /** @type {import("edgemint").IssuerEvent[]} */
    const events = [];
    const objects = {
      getByName: () => ({
        page: async () => ({ names: ["a", "b"] }),
        async maintain(/** @type {string} */ partition) {
          if (partition === "directory/a") throw new Error("overloaded");
          served.push(partition);
        },
      }),
    };
    for (let hour = 0; hour < 24; hour += 1) {
      await maintain(/** @type {any} */ (objects), hour * 3_600_000, (event) => events.push(event));
    }
    assert.deepEqual(served, ["directory/b"]);
    const [{ kind, reason, tenant, detail }, ...others] = events;
    assert.deepEqual([kind, reason, tenant, others.length], ["failed", "maintenance", "a", 0]);
    assert.match(String(detail), /overloaded/);
  });
});

describe("the outbox", () => {
  /** The storage of an object, and the KV that it copies to. */
  function storage() {
    const database = new DatabaseSync(":memory:");
    const sql = {
      exec(/** @type {string} */ query, /** @type {any[]} */ ...values) {
        const statement = database.prepare(query);
        const rows = /^\s*SELECT/.test(query) ? statement.all(...values) : [];
        if (!/^\s*SELECT/.test(query)) statement.run(...values);
        return { toArray: () => rows, one: () => rows[0] };
      },
    };
    const ctx = { storage: { sql, sync: async () => {}, transactionSync: (/** @type {() => void} */ act) => act() } };
    const held = { value: '"enabled"', version: "1", expiresAt: null };
    /** @type {Map<string, string>} */
    const copies = new Map();
    const put = async (/** @type {string} */ key, /** @type {string} */ value) => void copies.set(key, value);
    /** An instance of the object. @param {any} [kv] */
    const instance = (kv = { put, delete: async () => {} }) => {
      const outbox = new Outbox(/** @type {any} */ (ctx), kv, { readWhole: () => held }, () => {});
      outbox.open();
      return outbox;
    };
    return { held, copies, put, instance };
  }

  const change = [{ name: "application/x", value: "", expected: "1", expiresAt: null }];
  const KEY = "directory/t:application/x";

  test("copies once more what a lost instance may have had on its way, when that can arrive no more", async (t) => {
    t.mock.timers.enable({ apis: ["Date"], now: 1_800_000_000_000 });
    const { held, copies, put, instance } = storage();
    const { promise: slow, resolve: arrive } = Promise.withResolvers();
    const late = (/** @type {[string, string]} */ ...copy) => slow.then(() => put(...copy));
    const lost = instance({ put: late, delete: async () => {} });
    lost.add("directory/t", change);
    void lost.flush();
    await new Promise((resolve) => setImmediate(resolve));

    const next = instance();
    held.value = '"disabled"';
    next.add("directory/t", change);
    await next.flush();
    assert.equal(copies.get(KEY), '"disabled"', "at once");
    assert.equal(next.next(), 1_800_000_060_000);
    // A change in between is copied soon, and does not settle it.
    t.mock.timers.tick(5000);
    held.value = '"changed"';
    next.add("directory/t", change);
    t.mock.timers.tick(2000);
    await next.flush();
    assert.equal(copies.get(KEY), '"changed"');
    assert.equal(next.next(), 1_800_000_060_000);
    // The one of before goes on as far as KV: its storage is taken from it.
    copies.set(KEY, '"enabled"');
    t.mock.timers.tick(53_000);
    await next.flush();
    assert.equal(copies.get(KEY), '"changed"', "again");
    assert.equal(next.next(), null, "and that was all");
    arrive(undefined);
  });

  test("copies its own changes once", async () => {
    const { copies, instance } = storage();
    const outbox = instance();
    outbox.add("directory/t", change);
    await outbox.flush();
    assert.equal(copies.size, 1);
    assert.equal(outbox.next(), null);
  });

  test("lets a change of a record whose copy failed wait for two seconds at most", async (t) => {
    t.mock.timers.enable({ apis: ["Date"], now: 1_800_000_000_000 });
    const { instance } = storage();
    const fail = { before: () => {} };
    const outbox = instance({
      async put() {
        fail.before();
        throw new Error("503");
      },
    });
    outbox.add("directory/t", change);
    for (let tries = 0; tries < 8; tries += 1) {
      await outbox.flush();
      t.mock.timers.setTime(Number(outbox.next()));
    }
    await outbox.flush();
    const wait = () => Number(outbox.next()) - Date.now();
    assert.equal(wait(), 64_000);
    outbox.add("directory/t", change);
    assert.equal(wait(), 2000);
    outbox.add("directory/t", change);
    t.mock.timers.tick(2000);
    fail.before = () => outbox.add("directory/t", change);
    await outbox.flush();
    assert.equal(wait(), 2000, "also if it came while that copy failed");
  });
});

test("the address that all Workers of other zones have is nobody's", () => {
  const from = (/** @type {string} */ address) =>
    clientAddress(new Request("https://a.example", { headers: { "cf-connecting-ip": address } }));
  assert.equal(from("2a06:98c0:3600::103"), null);
  assert.equal(from("192.0.2.1"), "192.0.2.1");
  assert.equal(clientAddress(new Request("https://a.example")), null);
});
