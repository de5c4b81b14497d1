// Events as a host of its own hears them: sinks, and the options that have to do with failures.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createIssuer } from "edgemint";
import { analyticsEngine, everySink, logSink } from "edgemint/events";
import { memoryStore } from "edgemint/stores/memory";
import { MASTER_KEY, register, tokenRequest } from "../workerd/world.js";

/** @typedef {import("edgemint").IssuerEvent} IssuerEvent */

/** An issuer with an application. @param {Partial<import("edgemint").IssuerOptions>} options */
async function start(options) {
  const store = memoryStore();
  const shared = { baseUrl: "https://auth.example.com", masterKey: MASTER_KEY, store };
  const { clientId, secret, scope } = await register(createIssuer({ ...shared, onEvent() {} }).admin);
  const issuer = createIssuer({ ...shared, ...options });
  const ask = (client_secret = secret, /** @type {any} */ runtime = undefined) =>
    issuer.fetch(tokenRequest({ client_id: clientId, client_secret, scope }), runtime);
  return { ask, clientId };
}

const WRONG = "not-the-secret-but-as-long-as-one";

test("r48 the log and a callback are told the same", async (context) => {
  /** @type {IssuerEvent[]} */
  const heard = [];
  /** @type {string[]} */
  const lines = [];
  context.mock.method(console, "log", (/** @type {string} */ line) => lines.push(line));
  const byLog = await start({});
  const bySink = await start({ onEvent: everySink(logSink, (event) => void heard.push(event)) });
  for (const { ask } of [byLog, bySink]) {
    await ask();
    await ask(WRONG);
  }
  const logged = lines.map((line) => JSON.parse(line).edgemint);
  const reasons = ["token_issued", "wrong_secret"];
  assert.deepEqual(logged.map(({ reason }) => reason), [...reasons, ...reasons]);
  assert.deepEqual(logged.slice(2), heard);
  assert.deepEqual(Object.keys(logged[0]), Object.keys(heard[0]));
  assert.ok(!("location" in heard[0]), "here is no Cloudflare");
});

test("r48 issuances that come together share a line of the log, in order with every other event", async (context) => {
  /** @type {string[]} */
  const entries = [];
  const told = (/** @type {string} */ entry) => void entries.push(entry);
  context.mock.method(console, "log", told);
  context.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_800_000_000_000 });
  const { ask } = await start({});
  /** @type {Promise<unknown>[]} */
  const waited = [];
  const runtime = { waitUntil: (/** @type {Promise<unknown>} */ work) => void waited.push(work) };
  const reasons = () =>
    entries.map((entry) => [JSON.parse(entry).edgemint].flat().map(({ reason }) => reason));
  const issued = "token_issued";

  for (let token = 0; token < 3; token += 1) await ask(undefined, runtime);
  assert.deepEqual(entries, []);
  assert.equal(waited.length, 1, "the runtime waits once for all of them");
  context.mock.timers.tick(50);
  await waited[0];
  assert.deepEqual(reasons(), [[issued, issued, issued]]);

  // A refusal is told at once, after what came before it.
  await ask(undefined, runtime);
  await ask(WRONG, runtime);
  assert.deepEqual(reasons().slice(1), [[issued], ["wrong_secret"]]);

  // Many do not wait for the time.
  entries.length = 0;
  for (let token = 0; token < 64; token += 1) await ask(undefined, runtime);
  assert.deepEqual(reasons().map(({ length }) => length), [64]);

  // Where nobody waits, each is told before its answer.
  entries.length = 0;
  await ask();
  assert.deepEqual(reasons(), [[issued]]);
});

test("r48 a line of the log holds issuances of any length and letters, and none is missing", async (context) => {
  /** @type {{ jti: string, clientId: string, location: string }[][]} */
  const lines = [];
  context.mock.method(console, "log", (/** @type {string} */ line) => {
    lines.push([JSON.parse(line).edgemint].flat().map(({ detail, ...event }) => ({ ...event, jti: detail.split(" ")[2] })));
  });
  const store = memoryStore();
  const baseUrl = "https://auth.example.com";
  const { admin } = createIssuer({ baseUrl, masterKey: MASTER_KEY, store, onEvent() {} });
  const identifier = `api://${"o".repeat(250)}`;
  await admin.createTenant({ tenant: "demo" });
  await admin.createApi({ tenant: "demo", identifier });
  const clientId = `"${"é".repeat(126)}\\"`;
  await admin.createApplication({ tenant: "demo", clientId });
  const { secret = "" } = await admin.addSecret({ tenant: "demo", clientId });
  const issuer = createIssuer({ baseUrl, masterKey: MASTER_KEY, store });
  /** @type {Promise<unknown>[]} */
  const waited = [];
  const runtime = { waitUntil: (/** @type {Promise<unknown>} */ work) => void waited.push(work) };
  /** @type {string[]} */
  const issued = [];
  for (let token = 0; token < 100; token += 1) {
    const form = { client_id: clientId, client_secret: secret, scope: `${identifier}/.default` };
    const request = tokenRequest(form);
    Object.defineProperty(request, "cf", { value: { colo: "ÄB\"" } });
    const answer = await (await issuer.fetch(request, runtime)).json();
    issued.push(JSON.parse(Buffer.from(answer.access_token.split(".")[1], "base64url").toString()).jti);
  }
  await Promise.all(waited);
  assert.deepEqual(lines.flat().map(({ jti }) => jti), issued);
  assert.ok(lines.every((events) => events.every((event) => event.clientId === clientId && event.location === 'ÄB"')));
  assert.ok(lines.some(({ length }) => length > 1 && length < 64), "there is room for fewer of this length");
});

test("r48 whatever a server hands the handler beside a request, tokens are issued and told", async (context) => {
  /** @type {string[]} */
  const entries = [];
  context.mock.method(console, "log", (/** @type {string} */ entry) => void entries.push(entry));
  const reported = context.mock.method(console, "error", () => {});
  const { ask } = await start({});
  for (const given of [undefined, null, {}, { remoteAddr: {} }, "x", { waitUntil: 1 }]) {
    assert.equal((await ask(undefined, given)).status, 200);
  }
  assert.equal(entries.length, 6);
  assert.equal(reported.mock.callCount(), 0);
  const throwing = { waitUntil: () => assert.fail("no") };
  assert.equal((await ask(undefined, throwing)).status, 200);
  assert.equal(reported.mock.callCount(), 1);
});

test("r48 an entry whose timer was cancelled with its request is told with the next", async (context) => {
  /** @type {string[]} */
  const entries = [];
  context.mock.method(console, "log", (/** @type {string} */ entry) => void entries.push(entry));
  context.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_800_000_000_000 });
  const { ask } = await start({});
  const timer = context.mock.method(globalThis, "setTimeout", () => 0);
  await ask(undefined, { waitUntil() {} });
  timer.mock.restore();
  context.mock.timers.tick(1_000);
  assert.deepEqual(entries, []);
  /** @type {Promise<unknown>[]} */
  const waited = [];
  await ask(undefined, { waitUntil: (/** @type {Promise<unknown>} */ work) => void waited.push(work) });
  context.mock.timers.tick(50);
  await waited[0];
  assert.deepEqual(entries.map((entry) => JSON.parse(entry).edgemint.length), [2]);
});

test("r48 whoever does not want issuances hears of refusals only", async () => {
  /** @type {string[]} */
  const heard = [];
  const { ask } = await start({
    issuanceEvents: false,
    onEvent: ({ reason }) => void heard.push(reason),
  });
  assert.equal((await ask()).status, 200);
  assert.equal((await ask(WRONG)).status, 401);
  assert.deepEqual(heard, ["wrong_secret"]);
});

test("r48 an event is a data point of Analytics Engine", async () => {
  /** @type {object[]} */
  const points = [];
  const dataset = { writeDataPoint: (/** @type {object} */ point) => void points.push(point) };
  const { ask, clientId } = await start({ onEvent: analyticsEngine(dataset) });
  await ask(WRONG);
  const blobs = ["refused", "wrong_secret", clientId, "", ""];
  assert.deepEqual(points, [{ indexes: ["demo"], blobs, doubles: [1] }]);
});

test("r48 a sink that fails keeps an event from no other, and disturbs no request", async (context) => {
  const reported = context.mock.method(console, "error", () => {});
  /** @type {string[]} */
  const heard = [];
  const { ask } = await start({
    onEvent: everySink(
      () => {
        throw new Error("down");
      },
      async () => Promise.reject(new Error("down, too")),
      ({ reason }) => void heard.push(reason),
    ),
  });
  assert.equal((await ask()).status, 200);
  assert.deepEqual(heard, ["token_issued"]);
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.equal(reported.mock.callCount(), 1);
});

test("r18 the address is the host's to tell, and one that cannot be told is none", async () => {
  /** @type {string[]} */
  const heard = [];
  let address = "192.0.2.1";
  const { ask } = await start({
    clientAddress: () => {
      if (address === "") throw new Error("no address");
      return address;
    },
    onEvent: ({ reason }) => void heard.push(reason),
  });
  for (let failure = 0; failure < 10; failure += 1) assert.equal((await ask(WRONG)).status, 401);
  assert.equal((await ask()).status, 429);
  address = "192.0.2.2";
  assert.equal((await ask()).status, 200);
  address = "";
  for (let failure = 0; failure < 12; failure += 1) await ask(WRONG);
  assert.equal((await ask(WRONG)).status, 429);
  assert.equal((await ask()).status, 200, "nobody is locked out where no address is known");
  assert.ok(heard.includes("client_address"));
});

test("r18 the limiter is asked after a failure only, and one that fails is done without", async () => {
  /** @type {string[]} */
  const keys = [];
  /** @type {IssuerEvent[]} */
  const heard = [];
  let down = true;
  const { ask, clientId } = await start({
    clientAddress: () => "192.0.2.1",
    async rateLimit(key) {
      if (down) throw new Error("the limiter is down");
      keys.push(key);
      return keys.length < 2;
    },
    onEvent: (event) => void heard.push(event),
  });
  assert.equal((await ask()).status, 200);
  assert.equal((await ask(WRONG)).status, 401);
  const [failed] = heard.filter(({ reason }) => reason === "rate_limiter");
  assert.equal(failed.kind, "failed");
  assert.match(failed.detail ?? "", /the limiter is down/);
  down = false;
  assert.equal((await ask(WRONG)).status, 401);
  assert.equal((await ask(WRONG)).status, 429);
  assert.equal((await ask()).status, 429);
  assert.equal(keys.length, 2);
  for (const key of keys) assert.ok(!key.includes(clientId) && !key.includes("192.0.2.1"), key);
});
