// Directories in Durable Objects, and their copies in KV: every change arrives there in the end, whatever
// fails or dies in between, and a new application need not wait for it.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, describe, test } from "node:test";
import { createIssuer } from "../../pkg/node.js";
import { startKillable } from "./killable.js";
import { each, sleep } from "../random.js";
import { until } from "../until.js";
import {
  ADMIN_API,
  DIRECTORIES,
  MASTER_KEY,
  credentials,
  directoriesAt,
  post,
  register,
  registerLogin,
  startDirectories,
  tokenRequest,
} from "./world.js";

/** @typedef {ReturnType<typeof directoriesAt>} Act */

/** A name of a directory that nobody used before. */
const fresh = () => `directory/t${crypto.randomUUID().slice(0, 8)}`;

/** @param {string} name @param {string | null} value @param {string | null} [expected] */
const write = (name, value, expected = null) => ({ name, value, expected, expiresAt: null });

/** Waits until it holds. @param {string} what @param {() => Promise<boolean>} holds */
const comes = (what, holds) => until(what, holds, { pause: 50 });

/** The directory's store as somebody in Node sees it. @param {Act} act @returns {import("../../pkg/index.d.ts").Store} */
const remote = (act) => ({
  guarantees: { atomic: true, readYourWrites: true },
  get: (...parameters) => act("objects", "get", ...parameters),
  put: (...parameters) => act("objects", "put", ...parameters),
  delete: (...parameters) => act("objects", "delete", ...parameters),
  list: (...parameters) => act("objects", "list", ...parameters),
  commit: (...parameters) => act("objects", "commit", ...parameters),
});

/** The administration in Node, over the objects. @param {Act} act */
function administration(act) {
  const baseUrl = "https://auth.example.com";
  const options = { baseUrl, masterKey: MASTER_KEY, grants: /** @type {false} */ (false) };
  return createIssuer({ ...options, store: remote(act) }).admin;
}

describe("a directory in an object", () => {
  /** @type {Awaited<ReturnType<typeof startDirectories>>} */
  let directories;
  /** @type {Act} */
  let act;
  /** @type {string[]} */
  const log = [];
  before(async () => {
    directories = await startDirectories((line) => log.push(line));
    act = directories.act;
  });
  beforeEach(() => act("", "faults", { down: false, limited: false, held: false, asleep: "" }));
  after(() => directories.stop());

  /** @param {string} partition @param {string} name */
  const copy = async (partition, name) => (await act("copies", "get", partition, name))?.value ?? null;

  test("is copied to KV, a new record after a moment and a change at once, and read there with its version", async () => {
    let partition = "";
    let version = "";
    /** @type {string | null} */
    let early = null;
    // Of a machine that has taken two seconds for it, nothing is learnt: another one is made.
    for (let begun = -Infinity; Date.now() - begun >= 2000; ) {
      partition = fresh();
      begun = Date.now();
      version = await act("objects", "put", partition, "tenant", '"1"', null, null);
      early = await copy(partition, "tenant");
    }
    assert.equal(early, null, "what belongs to it may follow");
    const settled = async () => (await act("", "look", partition)).outbox.length === 0;
    await comes("the copy", settled);
    assert.deepEqual(await act("copies", "get", partition, "tenant"), { value: '"1"', version });
    // Not by its alarm.
    await act("", "faults", { asleep: partition });
    await act("objects", "put", partition, "tenant", '"2"', version, null);
    await comes("the copy", async () => (await copy(partition, "tenant")) === '"2"');
    await act("", "faults", { asleep: "" });
    for (let [life, seen] = [6, false]; !seen; life *= 2) {
      const ends = Math.floor(Date.now() / 1000) + life;
      const name = `application/${life}`;
      await act("objects", "put", partition, name, "{}", null, ends);
      await comes("the copy, or its end", async () => {
        seen = (await copy(partition, name)) === "{}";
        return seen || Date.now() >= ends * 1000;
      });
      await comes("the end of both", async () => (await copy(partition, name)) === null);
      assert.ok(seen || life < 100, "it was never seen alive");
    }
  });

  test("copies what a token needs, and nothing else", async () => {
    const partition = fresh();
    const names = ["api/api://a", "application/a", "keys", "tenant"];
    const others = ["apis", "event/1", "idempotency/1", "tenants"];
    const writes = [...names, ...others].map((name) => write(name, "{}"));
    await act("objects", "commit", partition, writes);
    await act("objects", "commit", "tenants", [write(partition, "{}")]);
    await comes("the copies", async () => (await act("", "look", partition)).outbox.length === 0);
    assert.deepEqual((await act("copies", "list", partition, "", null, 1000)).names, names);
    assert.deepEqual((await act("copies", "list", "tenants", "", null, 1000)).names, []);
    assert.equal((await act("", "look", "tenants")).outbox, null);
  });

  test("takes away the copy of what is deleted", async () => {
    const partition = fresh();
    const version = await act("objects", "put", partition, "application/a", "{}", null, null);
    await comes("the copy", async () => (await copy(partition, "application/a")) !== null);
    await act("objects", "delete", partition, "application/a", version);
    await comes("the deletion", async () => (await copy(partition, "application/a")) === null);
    assert.equal(await act("directory", "get", partition, "application/a"), null);
  });

  test("lets a new application work at once, although KV had cached that there is none", async () => {
    const tenant = fresh().slice("directory/".length);
    // However long it takes: no copy is made of an application that is only half made.
    await act("", "faults", { down: true });
    const admin = administration(act);
    const token = async (/** @type {any} */ parameters) => {
      const { url, body, headers } = tokenRequest(parameters, `/${tenant}/oauth2/token`);
      const target = new URL(new URL(url).pathname, directories.url);
      const text = await new Response(body).text();
      const response = await fetch(target, { method: "POST", headers, body: text });
      await response.body?.cancel();
      return response.status;
    };
    const early = { client_id: "early", client_secret: "none", scope: "api://orders/.default" };
    assert.notEqual(await token(early), 200, "that there is no such tenant is in the cache now");
    const first = await register(admin, { tenant });
    const one = { client_id: first.clientId, client_secret: first.secret, scope: first.scope };
    assert.equal(await token(one), 200);
    const name = "application/early";
    assert.equal(await act("location", "get", `directory/${tenant}`, name), null);
    await act("objects", "put", `directory/${tenant}`, name, "{}", null, null);
    assert.equal((await act("location", "get", `directory/${tenant}`, name)).value, "{}");
  });

  test("is copied once KV takes writes again, also if the object had gone from memory", async () => {
    const partition = fresh();
    await act("", "faults", { down: true });
    const names = Array.from({ length: 20 }, (_, number) => `application/${number}`);
    await act("objects", "commit", partition, names.map((name) => write(name, "{}")));
    await sleep(300);
    assert.equal((await act("", "look", partition)).outbox.length, 20);
    assert.equal(await copy(partition, "application/0"), null);
    const evicted = Date.now();
    await directories.evict(partition);
    await act("", "faults", { down: false });
    // Nobody calls the object: its alarm does.
    await comes("the copies", async () => {
      return (await act("copies", "list", partition, "", null, 1000)).names.length === 20;
    });
    // What the lost instance may have had on its way to KV is copied once more, a minute later.
    const late = async () => {
      const { outbox, alarm } = await act("", "look", partition);
      return outbox.length === 20 && alarm >= evicted + 60_000 && alarm <= Date.now() + 60_000;
    };
    await comes("the alarm of a minute later", late);
  });

  test("tells the operator of copies that keep failing", async () => {
    const partition = fresh();
    await act("", "faults", { down: true });
    await act("objects", "put", partition, "tenant", "{}", null, null);
    const told = () => log.find((line) => line.includes("replication") && line.includes(partition));
    await comes("the event", async () => told() !== undefined);
    const { edgemint } = JSON.parse(String(told()));
    assert.equal(edgemint.kind, "failed");
    assert.match(edgemint.detail, /:tenant is not copied to KV yet: .*429/);
    assert.equal(`directory/${edgemint.tenant}`, partition);
    const handed = (await act("", "events")).filter(({ detail = "" }) => detail.includes(partition));
    assert.deepEqual(handed[0], edgemint, "a Worker of one's own gets it too");
  });

  test("keeps to KV's one write a second for each key, and ends with the newest", async () => {
    const partition = fresh();
    await act("", "faults", { limited: true });
    const begun = Date.now();
    let version = null;
    for (let number = 0; number <= 50; number += 1) {
      version = await act("objects", "put", partition, "keys", `"${number}"`, version, null);
    }
    await comes("the newest", async () => (await copy(partition, "keys")) === '"50"');
    await comes("an empty outbox", async () => (await act("", "look", partition)).outbox.length === 0);
    const seconds = Math.ceil((Date.now() - begun) / 1000);
    /** @type {{ taken: boolean }[]} */
    const tried = await act("", "journal", partition);
    const copies = tried.filter(({ taken }) => taken).length;
    assert.ok(copies <= Math.max(4, 1 + seconds), `${copies} copies of 51 changes in ${seconds} s`);
    const refused = tried.length - copies;
    assert.ok(refused <= Math.max(8, 2 * copies), `${refused} refused, ${copies} copies`);
  });

  test("takes 5,000 records in commits of 500, and copies them all", async () => {
    const partition = fresh();
    const names = Array.from({ length: 5000 }, (_, n) => `application/${String(n).padStart(5, "0")}`);
    for (let from = 0; from < names.length; from += 500) {
      const writes = names.slice(from, from + 500).map((name) => write(name, JSON.stringify({ name })));
      const { versions } = await act("objects", "commit", partition, writes);
      assert.equal(new Set(versions).size, 500);
    }
    const empty = async () => (await act("", "look", partition)).outbox.length === 0;
    await comes("an empty outbox", empty);
    /** @type {string[]} */
    const copied = [];
    for (let cursor = null; cursor !== undefined; ) {
      const page = await act("copies", "list", partition, "application/", cursor, 1000);
      copied.push(...page.names);
      ({ cursor } = page);
    }
    assert.deepEqual(copied, names);
    assert.equal(await copy(partition, "application/04999"), '{"name":"application/04999"}');
    await comes("no alarm that is of no use", async () => (await act("", "look", partition)).alarm === null);
  });

  test("copies a change before the new records of an import that are still to be copied", async () => {
    const partition = fresh();
    const version = await act("objects", "put", partition, "application/known", '"1"', null, null);
    await comes("the first copy", async () => (await act("", "look", partition)).outbox.length === 0);
    assert.equal(await copy(partition, "application/known"), '"1"');
    // KV takes its time, so that the change comes when the first of the new ones are on their way.
    await act("", "faults", { held: true });
    const names = Array.from({ length: 4000 }, (_, n) => `application/new-${n}`);
    for (let from = 0; from < names.length; from += 500) {
      const writes = names.slice(from, from + 500).map((name) => write(name, '"new"'));
      await act("objects", "commit", partition, writes);
    }
    await comes("the first new ones", async () => (await act("", "counts")).waiting > 0);
    await act("objects", "put", partition, "application/known", '"2"', version, null);
    await act("", "faults", { held: false });
    await comes("the rest", async () => (await act("", "look", partition)).outbox.length === 0);
    assert.equal(await copy(partition, "application/known"), '"2"');
    /** @type {{ key: string }[]} */
    const copied = await act("", "journal", partition);
    const at = copied.findLastIndex(({ key }) => key.endsWith("application/known"));
    assert.ok(at > 0 && at < 500, `it came after ${at} of ${copied.length}: new ones still waited`);
  });

  test("writes nothing of a commit that fails half way, and copies nothing", async () => {
    const partition = fresh();
    await act("objects", "put", partition, "event/1", "1", null, null);
    const { rows } = await act("", "look", partition);
    const large = `"${"x".repeat(3_000_000)}"`;
    const writes = [write("tenant", "{}"), write("keys", large)];
    await assert.rejects(act("objects", "commit", partition, writes), /SQLITE_TOOBIG|too big/);
    const left = await act("", "look", partition);
    assert.deepEqual([left.rows, left.outbox ?? [], left.alarm], [rows, [], null]);
    const { versions } = await act("objects", "commit", partition, [write("tenant", "{}")]);
    assert.equal(versions.length, 1, "and works afterwards");
  });

  test("costs nothing if nothing was ever written", async () => {
    const partition = fresh();
    assert.equal(await act("directory", "get", partition, "tenant"), null);
    assert.deepEqual(await act("directory", "list", partition, "", null, 10), { names: [] });
    assert.equal(await act("directory", "put", partition, "event/1", "{}", "none", null), null);
    const { rows, outbox, alarm } = await act("", "look", partition);
    assert.deepEqual([rows, outbox, alarm], [null, null, null]);
  });

  test("deletes what has expired", async () => {
    const partition = fresh();
    const soon = Math.floor(Date.now() / 1000) + 1;
    await act("objects", "commit", partition, [
      { ...write("event/1", "{}"), expiresAt: soon },
      { ...write("event/2", "{}"), expiresAt: soon + 600 },
      write("tenant", "{}"),
    ]);
    await comes("the deletion", async () => {
      const { rows, alarm } = await act("", "look", partition);
      return rows.join() === "event/2,tenant" && alarm === (soon + 600) * 1000;
    });
  });

  test("refuses to be taken for another one", async () => {
    const [partition, other] = [fresh(), fresh()];
    assert.equal((await act("", "look", partition)).name, partition);
    const misdirected = act("", "commit", partition, [write("tenant", "{}")], other);
    await assert.rejects(misdirected, /this is the object of/);
  });

  test("hands its events to `onEvent`, those of failed maintenance too", async () => {
    const partition = fresh();
    const tenant = partition.slice("directory/".length);
    await act("", "ask", partition, `https://auth.example.com/${tenant}/admin/v1/tenant`, {
      headers: { authorization: "Bearer none" },
    });
    await act("objects", "put", partition, "tenant", "corrupt", null, null);
    await act("", "maintain", partition, partition);
    const handed = (await act("", "events")).filter((/** @type {any} */ event) => event.tenant === tenant);
    const reasons = handed.map((/** @type {any} */ event) => [event.kind, event.reason]);
    assert.deepEqual(reasons[0], ["refused", "invalid_token"]);
    assert.deepEqual(reasons.at(-1), ["failed", "maintenance"]);
  });

  test("answers requests to administration by its own rows", async () => {
    const tenant = fresh().slice("directory/".length);
    const ask = (/** @type {string} */ token) =>
      act(
        "",
        "ask",
        `directory/${tenant}`,
        `https://auth.example.com/${tenant}/admin/v1/authorizations/inspect`,
        {
          method: "POST",
          headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
          body: '{"handle":"none"}',
        },
      );
    const login = await registerLogin(administration(act), tenant);
    const parameters = {
      grant_type: "client_credentials",
      scope: `${ADMIN_API}/.default`,
      ...credentials(login),
    };
    const answer = await post(directories.url, "token", parameters, { tenant });
    const { access_token: token } = /** @type {any} */ (await answer.json());
    assert.equal(await ask(`${token}x`), 401);
    assert.equal(await ask(token), 400, "the caller is known, the handle is not");
  });

  test("is not asked more than 50 times a second about what does not exist", async () => {
    const [partition, other] = [fresh(), fresh()];
    for (const known of [partition, other]) {
      await act("objects", "put", known, "tenant", "{}", null, null);
      assert.notEqual(await act("guarded", "get", known, "tenant"), null);
    }
    const { reads, seconds } = await act("guarded", "flood", partition, 3000);
    assert.ok(reads >= 100, `${reads} questions: a burst is answered`);
    assert.ok(reads <= 101 + 50 * seconds, `${reads} questions in ${seconds} s`);
    // Another tenant's bucket is its own.
    assert.equal((await act("guarded", "flood", other, 10)).reads, 10);
    await sleep(200);
    assert.ok((await act("guarded", "flood", partition, 5)).reads === 5, "it fills again");
  });
});

test("what a directory has acknowledged is copied although the process was killed", async () => {
  const state = await mkdtemp(join(tmpdir(), "edgemint-directory-"));
  const partition = fresh();
  const names = Array.from({ length: 300 }, (_, number) => `application/${number}`);
  let runtime = await startKillable(state, DIRECTORIES);
  let act = directoriesAt(runtime.url);
  try {
    /** @type {Map<string, string>} */
    const versions = new Map();
    for (let round = 0; round < 4; round += 1) {
      // In the first round nothing at all gets out between the transaction and the end.
      await act("", "faults", { down: round === 0 });
      const writes = names.map((name) => write(name, `"${round}"`, versions.get(name) ?? null));
      const committed = await act("objects", "commit", partition, writes);
      for (const [at, name] of names.entries()) versions.set(name, committed.versions[at]);
      await sleep(round * 20);
      await runtime.kill();
      runtime = await startKillable(state, DIRECTORIES);
      act = directoriesAt(runtime.url);
      let missing = names;
      await comes(`the copies of round ${round}`, async () => {
        /** @type {string[]} */
        const still = [];
        await each(missing, 8, async (name) => {
          const found = await act("copies", "get", partition, name);
          if (found?.version !== versions.get(name)) still.push(name);
        });
        missing = still;
        return missing.length === 0;
      });
    }
  } finally {
    await runtime.kill();
    await rm(state, { recursive: true, force: true });
  }
});
