// The administration over HTTP, on the worker: who edits at the same time, what a change comes to and when,
// who may not, what is left after a SIGKILL, and what the cron trigger does.

import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, describe, test } from "node:test";
import { pathOf } from "../../pkg/cli/client.js";
import { API, BOOTSTRAP_SECRET, administrator, caller, firstAdministrator } from "./administrator.js";
import { startKillable } from "./killable.js";
import { random, sleep } from "../random.js";
import { until } from "../until.js";
import { credentials, json, post, startWorker } from "./world.js";

/** Writers at the same time. */
const CROWD = 16;
const crowd = Array.from({ length: CROWD }, (_, number) => number);
/** Seconds of the worker's cache. */
const CACHE_TTL = 2;
const DAY = 86_400;

/** @typedef {import("./administrator.js").Answer} Answer */
/** @typedef {ReturnType<typeof administrator>} Administrator */

/** How often there was each status. @param {Answer[]} answers */
const statuses = (answers) =>
  Object.fromEntries(
    [...Map.groupBy(answers, ({ status }) => status)].map(([status, { length }]) => [status, length]),
  );

/** The status of a token request. @param {URL} url @param {import("./administrator.js").Application} application */
async function tokenStatus(url, application, api = API, tenant = "demo") {
  const parameters = { grant_type: "client_credentials", scope: `${api}/.default` };
  const asked = post(url, "token", { ...parameters, ...credentials(application) }, { tenant });
  const response = await asked;
  await response.body?.cancel();
  return response.status;
}

describe("over HTTP, on the worker", () => {
  /** @type {Awaited<ReturnType<typeof startWorker>>} */
  let worker;
  /** @type {URL} */
  let url;
  /** @type {Administrator} */
  let admin;
  before(async () => {
    worker = await startWorker({ bindings: { CACHE_TTL: `${CACHE_TTL}`, BOOTSTRAP_SECRET } });
    ({ url } = worker);
  });
  after(() => worker.stop());

  test("of sixteen who use the bootstrap secret at once, one becomes the administrator", async () => {
    const answers = await Promise.all(
      crowd.map(() => caller(url, "demo", BOOTSTRAP_SECRET)("POST", "/bootstrap", { body: {} })),
    );
    assert.deepEqual(statuses(answers), { 201: 1, 401: CROWD - 1 });
    const { body } = /** @type {Answer} */ (answers.find(({ status }) => status === 201));
    admin = administrator(url, body);
    const applications = await admin.applications();
    assert.deepEqual(applications.map(({ clientId }) => clientId), [body.clientId]);
    // Nor in a tenant that there is not yet.
    const elsewhere = await caller(url, "other", BOOTSTRAP_SECRET)("POST", "/bootstrap");
    assert.equal(elsewhere.status, 401);
    await admin.prepare();
  });

  test("a new application works at once", async () => {
    for (let number = 0; number < 10; ) {
      const begun = Date.now();
      const status = await tokenStatus(url, await admin.addApplication());
      // Its copy is made after two seconds. A machine that needs as long for its parts shows nothing.
      if (status !== 200 && Date.now() - begun >= 2000) continue;
      assert.equal(status, 200, `application ${number}`);
      number += 1;
    }
  });

  /**
   * Asks for tokens until they are refused, which must not be later than the cache allows once KV has it.
   * @param {import("./administrator.js").Application} application @param {() => Promise<unknown>} change
   */
  async function stops(application, change) {
    await worker.copied();
    await sleep(CACHE_TTL * 1000);
    assert.equal(await tokenStatus(url, application), 200);
    await change();
    await worker.copied();
    const changed = Date.now();
    for (;;) {
      const asked = Date.now();
      const status = await tokenStatus(url, application);
      // Times are whole seconds: one may be nearly over when it is read.
      if (asked - changed > (CACHE_TTL + 1) * 1000) assert.equal(status, 401, `${asked - changed} ms later`);
      if (status === 401) break;
      assert.equal(status, 200);
      await sleep(50);
    }
    // After ten failures it would be 429: requirement 18.
    for (let number = 0; number < 8; number += 1) {
      await sleep(CACHE_TTL * 200);
      assert.equal(await tokenStatus(url, application), 401, "and never again");
    }
  }

  test("a disabled application gets no more tokens once the cache has run out", async () => {
    const application = await admin.addApplication();
    const path = pathOf("applications", application.clientId);
    await stops(application, () => admin.ask("PATCH", path, { disabled: true }));
  });

  test("a removed secret is dead once the cache has run out, and another one is not", async () => {
    const application = await admin.addApplication();
    const path = pathOf("applications", application.clientId);
    const [{ keyId }] = (await admin.ask("GET", path)).secrets;
    const secret = await admin.addSecret(application.clientId);
    await stops(application, () => admin.ask("DELETE", `${path}/secrets/${keyId}`));
    assert.equal(await tokenStatus(url, { ...application, secret }), 200);
  });

  test("of sixteen who edit one version at once, one does and nothing is lost", async () => {
    const { clientId } = await admin.ask("POST", "/applications", {});
    const path = pathOf("applications", clientId);
    const call = await admin.call();
    let waiting = crowd.map((number) => `https://app.example.com/${number}`);
    while (waiting.length > 0) {
      const { body, etag } = await call("GET", path);
      const answers = await Promise.all(
        waiting.map((redirectUri) =>
          call("PATCH", path, {
            headers: { "if-match": etag },
            body: { redirectUris: [...body.redirectUris, redirectUri] },
          }),
        ),
      );
      const others = waiting.length - 1;
      assert.deepEqual(statuses(answers), others === 0 ? { 200: 1 } : { 200: 1, 412: others });
      const done = answers.findIndex(({ status }) => status === 200);
      const after = await call("GET", path);
      assert.equal(after.etag, answers[done].etag);
      assert.deepEqual(after.body.redirectUris, [...body.redirectUris, waiting[done]]);
      waiting = waiting.filter((_, at) => at !== done);
    }
    const { body } = await call("GET", path);
    assert.equal(new Set(body.redirectUris).size, CROWD);
  });

  test("of sixteen who create one API at once, one does", async () => {
    const call = await admin.call();
    const answers = await Promise.all(
      crowd.map((number) =>
        call("POST", "/apis", { body: { identifier: "api://one", displayName: `${number}` } }),
      ),
    );
    assert.deepEqual(statuses(answers), { 201: 1, 409: CROWD - 1 });
    const { body } = /** @type {Answer} */ (answers.find(({ status }) => status === 201));
    const stored = await admin.ask("GET", pathOf("apis", "api://one"));
    assert.equal(stored.displayName, body.displayName);
  });

  test("sixteen repetitions of one creation create one application", async () => {
    const call = await admin.call();
    const repetition = { headers: { "idempotency-key": "one" }, body: { displayName: "Once" } };
    const answers = await Promise.all(crowd.map(() => call("POST", "/applications", repetition)));
    assert.deepEqual(statuses(answers), { 201: CROWD });
    assert.equal(new Set(answers.map(({ body }) => JSON.stringify(body))).size, 1);
    const once = (await admin.applications()).filter(({ displayName }) => displayName === "Once");
    assert.deepEqual(once.map(({ clientId }) => clientId), [answers[0].body.clientId]);
  });

  test("an administrator of one tenant is nobody in another, on every route", async () => {
    const made = await admin.ask("POST", "/tenants", { tenant: "other", administrator: {} });
    const theirs = administrator(url, made.administrator, "other");
    await theirs.prepare();
    const application = await theirs.addApplication();
    const [{ keyId }] = (await theirs.ask("GET", pathOf("applications", application.clientId))).secrets;
    const { kid } = (await theirs.ask("GET", "/keys")).items[0];
    /** @type {Record<string, string>} */
    const parameters = { clientId: application.clientId, keyId, kid, api: API };
    Object.assign(parameters, { identifier: API, subject: "user", id: "session" });
    const { paths } = json("pkg/openapi.json");
    const routes = Object.entries(paths).flatMap(([path, item]) =>
      Object.keys(item)
        .filter((method) => ["get", "post", "put", "patch", "delete"].includes(method))
        .map((method) => ({ method: method.toUpperCase(), path: `${path}` })),
    );
    assert.ok(routes.length >= 30, `${routes.length} routes`);
    const all = async () => [
      (await theirs.ask("GET", "/tenant")).version,
      (await theirs.applications()).map(({ clientId, version }) => [clientId, version]),
      await theirs.ask("GET", "/apis"),
      await theirs.ask("GET", "/keys"),
      await theirs.ask("GET", "/events"),
    ];
    const before = await all();
    const call = await admin.call();
    const intrude = caller(url, "other", await admin.token());
    for (const { method, path } of routes) {
      const filled = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(parameters[name]));
      const { status, body } = await intrude(method, filled, method === "GET" ? {} : { body: {} });
      assert.equal(status, 401, `${method} ${filled}: ${JSON.stringify(body)}`);
    }
    assert.equal((await call("GET", "/tenant")).status, 200, "the token itself is good");
    assert.deepEqual(await all(), before, "nothing has changed");
  });
});

/** @param {(state: string) => Promise<void>} act gets a folder that is there as long as it runs */
async function withState(act) {
  const state = await mkdtemp(join(tmpdir(), "edgemint-administration-"));
  try {
    await act(state);
  } finally {
    await rm(state, { recursive: true, force: true });
  }
}

/** A tenant on that state, and its administrator's credentials. @param {string} state */
async function prepared(state) {
  const worker = await startWorker({ state, bindings: { BOOTSTRAP_SECRET } });
  try {
    const admin = await firstAdministrator(worker.url);
    await admin.prepare();
    return admin.credentials;
  } finally {
    await worker.stop();
  }
}

test("r49 a bulk import that is killed has whole batches, all that were acknowledged, in KV too", (t) =>
  withState(async (state) => {
    const [ROUNDS, IMPORTERS, BATCH] = [3, 4, 50];
    const dice = random(49);
    const operator = await prepared(state);
    /** The client ids of each batch that was sent, and whether it was acknowledged. @type {{ ids: string[], done: boolean }[]} */
    const batches = [];
    const present = async (/** @type {Administrator} */ admin) =>
      new Set((await admin.applications()).map(({ clientId }) => clientId));
    let broken = 0;
    const secret = "i".repeat(43);
    // Until one was killed in the middle of it.
    for (let round = 0; round < ROUNDS || (broken === 0 && round < 10 * ROUNDS); round += 1) {
      const runtime = await startKillable(state);
      let killed = false;
      let acknowledged = 0;
      const call = await administrator(runtime.url, operator).call();
      const importer = async () => {
        while (!killed) {
          const ids = Array.from({ length: BATCH }, () => crypto.randomUUID());
          const assignments = [{ api: API, roles: ["Orders.Read.All"] }];
          const applications = ids.map((clientId) => ({ clientId, secrets: [{ secret }], assignments }));
          const batch = { ids, done: false };
          batches.push(batch);
          try {
            const answer = await call("POST", "/applications/import", { body: { applications } });
            assert.equal(answer.status, 201, JSON.stringify(answer.body));
            batch.done = true;
            acknowledged += 1;
          } catch (error) {
            if (!killed) throw error;
            broken += 1;
          }
        }
      };
      const storm = Promise.all(Array.from({ length: IMPORTERS }, importer));
      const enough = async () => {
        while (acknowledged < 2 && !killed) await sleep(10);
        await sleep(dice.below(300));
      };
      await Promise.race([storm, enough()]).finally(() => (killed = true));
      await runtime.kill();
      await storm;
    }
    assert.ok(broken > 0, "it was killed in the middle of it");
    const worker = await startWorker({ state });
    try {
      const admin = administrator(worker.url, operator);
      const found = await present(admin);
      const made = batches.filter(({ ids, done }) => {
        const there = ids.filter((id) => found.has(id)).length;
        assert.ok(there === BATCH || (there === 0 && !done), `${there} of ${BATCH}, acknowledged: ${done}`);
        return there === BATCH;
      });
      assert.ok(batches.filter(({ done }) => done).length >= 2 * ROUNDS, "it was an import");
      const ids = made.flatMap((batch) => batch.ids);
      t.diagnostic(`${batches.length} batches, ${broken} cut off, ${made.length} there`);
      let missing = ids;
      await until("a copy in KV of each", async () => {
        const copies = await Promise.all(
          missing.map((id) => worker.namespace.get(`directory/demo:application/${id}`)),
        );
        missing = missing.filter((_, at) => copies[at] === null);
        return missing.length === 0;
      });
      for (const { ids } of made) {
        const clientId = dice.pick(ids);
        assert.equal(await tokenStatus(worker.url, { clientId, secret }), 200);
      }
    } finally {
      await worker.stop();
    }
  }));

test("the cron trigger announces the keys that are due, in the tenant's hour, and changes nothing else", () =>
  withState(async (state) => {
    const operator = await prepared(state);
    const day = Math.floor(Date.now() / 1000 / DAY) * DAY;
    /** What there is, after the trigger of each of these hours. @param {number[]} hours */
    const afterHours = async (hours) => {
      const worker = await startWorker({ state });
      try {
        const service = /** @type {any} */ (await worker.miniflare.getWorker());
        for (const hour of hours) {
          const scheduledTime = new Date((day + hour * 3600 + 17 * 60) * 1000);
          const { outcome } = await service.scheduled({ scheduledTime, cron: "17 * * * *" });
          assert.equal(outcome, "ok");
        }
        assert.deepEqual(worker.log.filter((line) => line.includes('"failed"')), []);
        const admin = administrator(worker.url, operator);
        const call = await admin.call();
        const keys = await call("GET", "/keys");
        const events = (await call("GET", "/events")).body.items;
        let copied = 0;
        // A new record's copy, and one after a conflict with KV, takes some seconds.
        for (let tries = 0; copied !== keys.body.items.length && tries < 1200; tries++) {
          if (tries > 0) await sleep(100);
          const copy = await worker.namespace.get("directory/demo:keys", "text");
          copied = JSON.parse(copy ?? '{"keys":[]}').keys.length;
        }
        return { keys: keys.body.items, etag: keys.etag, events, copied };
      } finally {
        await worker.stop();
      }
    };
    const hours = Array.from({ length: 24 }, (_, hour) => hour);
    const before = await afterHours([]);
    assert.equal(before.keys.length, 1);
    assert.deepEqual(await afterHours(hours), before, "nothing is due");

    await age(state, 77 * DAY);
    const old = await afterHours([]);
    // FNV-1a of `demo`, modulo 24.
    const own = 6;
    const others = hours.filter((hour) => hour !== own);
    assert.deepEqual(await afterHours(others), old, "in the hours of others");
    const begun = Date.now() / 1000;
    const { keys, events, copied } = await afterHours([own]);
    const [, { kid, starts, ...announced }] = keys;
    assert.equal(keys.length, 2);
    assert.equal(announced.state, "announced");
    assert.ok(starts > begun + 14 * DAY - 60 && starts < Date.now() / 1000 + 14 * DAY + 60);
    assert.equal(copied, 2, "in KV too");
    assert.equal(events.length, old.events.length + 1);
    assert.deepEqual([events[0].reason, events[0].detail], ["key_added", kid]);
    assert.equal((await afterHours(hours)).keys.length, 2, "once");
  }));

/** Makes the signing keys older: what the clock does in production. @param {string} state @param {number} seconds */
async function age(state, seconds) {
  let aged = 0;
  for (const file of await readdir(join(state, "objects"), { recursive: true })) {
    if (!file.endsWith(".sqlite") || file.includes("metadata")) continue;
    const database = new DatabaseSync(join(state, "objects", file));
    const table = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'records'").get();
    const row = table && database.prepare("SELECT value FROM records WHERE name = 'keys'").get();
    if (row !== undefined) {
      const ring = JSON.parse(String(row.value));
      for (const key of ring.keys) key.starts -= seconds;
      const update = database.prepare("UPDATE records SET value = ? WHERE name = 'keys'");
      aged += Number(update.run(JSON.stringify(ring)).changes);
    }
    database.close();
  }
  assert.equal(aged, 1, "the ring of the one tenant");
}
