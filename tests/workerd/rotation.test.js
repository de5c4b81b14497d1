// Requirement 47 over the worker, in real time: everything that is replaced in tests/package/rotation.test.js
// is replaced here over HTTP, while requests go on. Times are shorter in proportion: the worker's cache
// lasts a second, `jose` keeps the JWKS for five, and a key is announced seven ahead.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createRemoteJWKSet, customFetch, decodeProtectedHeader, jwtVerify } from "jose";
import { pathOf } from "../../pkg/cli/client.js";
import { API, BOOTSTRAP_SECRET, administrator, firstAdministrator } from "./administrator.js";
import { sleep } from "../random.js";
import { until } from "../until.js";
import { credentials, post, refresh, startLogin, startWorker } from "./world.js";

const ISSUER = "https://auth.example.com/demo";
const [OLD_MASTER, NEW_MASTER] = [1, 2].map((byte) => Buffer.alloc(32, byte).toString("base64url"));
/** Milliseconds: between two requests; and how long the JWKS is kept. */
const [INTERVAL, JWKS_AGE, JWKS_COOLDOWN] = [50, 5000, 500];
/** Seconds that a change takes to be in force, for sure: `CACHE_TTL` is one, and times are whole seconds. */
const IN_FORCE = 2.5;
/** Seconds that a key is announced: the JWKS' age and `IN_FORCE`. */
const ANNOUNCEMENT = 8;

/** An API that verifies as `jose` does. @param {() => URL} url where the worker listens */
const verifier = (url) =>
  createRemoteJWKSet(new URL(`${ISSUER}/.well-known/jwks.json`), {
    cacheMaxAge: JWKS_AGE,
    cooldownDuration: JWKS_COOLDOWN,
    timeoutDuration: 120_000,
    [customFetch]: (/** @type {string} */ asked) => fetch(new URL(new URL(asked).pathname, url())),
  });

/** @typedef {ReturnType<typeof verifier>} Keys */

/** @param {string} token @param {Keys} keys */
const verify = (token, keys) => jwtVerify(token, keys, { issuer: ISSUER, audience: API, typ: "at+jwt" });

/** @param {import("./administrator.js").Application} application */
const request = (application) => ({
  grant_type: "client_credentials",
  scope: `${API}/.default`,
  ...credentials(application),
});

/**
 * A steady load: twenty requests a second, each verified by two APIs, and a session that is refreshed
 * each second.
 * @param {URL} url
 * @param {import("./administrator.js").Application[]} instances of the client: which secret each has
 * @param {() => Promise<void>} refreshOnce
 */
function startLoad(url, instances, refreshOnce) {
  const apis = [verifier(() => url), verifier(() => url)];
  const counts = { requests: 0, verifications: 0, refreshes: 0 };
  /** @type {string[]} */
  const failures = [];
  /** The keys that tokens were signed with, and their algorithms. */
  const [kids, algorithms] = [new Set(), new Set()];
  /** @type {Set<Promise<void>>} */
  const under = new Set();
  /** @param {string} what @param {() => Promise<void>} act */
  const run = (what, act) => {
    const done = act()
      .catch((error) => void failures.push(`${new Date().toISOString()} ${what}: ${error}`))
      .finally(() => under.delete(done));
    under.add(done);
  };
  async function ask() {
    const application = instances[counts.requests % instances.length];
    counts.requests += 1;
    const response = await post(url, "token", request(application));
    const answer = /** @type {any} */ (await response.json());
    assert.equal(response.status, 200, JSON.stringify(answer));
    const { kid, alg } = decodeProtectedHeader(answer.access_token);
    kids.add(kid);
    algorithms.add(alg);
    for (const keys of apis) {
      counts.verifications += 1;
      await verify(answer.access_token, keys);
    }
  }
  async function session() {
    while (!ended) {
      counts.refreshes += 1;
      await refreshOnce();
      await sleep(1000);
    }
  }
  let ended = false;
  run("the session", session);
  // Fewer on a machine that is not up to them.
  const timer = setInterval(() => under.size < 40 && run("a request", ask), INTERVAL);
  return {
    counts,
    failures,
    kids,
    algorithms,
    /** Until what was begun before is over. */
    async settled() {
      const before = counts.requests;
      const begun = [...under];
      begun.splice(0, 1);
      await Promise.all(begun);
      await until("another request", () => counts.requests > before);
    },
    async stop() {
      ended = true;
      clearInterval(timer);
      await Promise.all(under);
    },
  };
}

/** A session that is refreshed. @param {Awaited<ReturnType<typeof startWorker>>} worker @param {Awaited<ReturnType<ReturnType<typeof administrator>["prepare"]>>} clients */
async function startSession(worker, { login, web }) {
  const { url } = worker;
  await worker.copied();
  // A location knows the tenant for a while as it was before it had a login page.
  await sleep(IN_FORCE * 1000);
  const users = await startLogin(url, login);
  let { refresh_token } = await users.signIn(web, "user");
  return {
    /** @param {URL} [at] where the worker listens by now */
    async refresh(at = url) {
      const response = await refresh(at, web, refresh_token);
      const answer = /** @type {any} */ (await response.json());
      assert.equal(response.status, 200, JSON.stringify(answer));
      ({ refresh_token } = answer);
    },
  };
}

test("r47 r38 no request to the worker fails while secret, key and algorithm are replaced", async (t) => {
  const worker = await startWorker({ bindings: { CACHE_TTL: "1", BOOTSTRAP_SECRET } });
  const { url, log, stop } = worker;
  try {
    const admin = await firstAdministrator(url);
    const clients = await admin.prepare();
    const { clientId } = clients.application;
    const instances = [1, 2, 3].map(() => ({ ...clients.application }));
    const { refresh: refreshOnce } = await startSession(worker, clients);
    const load = startLoad(url, instances, () => refreshOnce());
    /** @param {string} what */
    const passed = (what) => {
      t.diagnostic(`${what}: ${JSON.stringify(load.counts)}, ${load.failures.length} failures so far`);
      assert.deepEqual(load.failures.slice(0, 5), [], what);
    };
    const later = (/** @type {number} */ seconds) => Math.floor(Date.now() / 1000) + seconds;
    try {
      await sleep(1500);
      passed("nothing is changed");

      const secret = await admin.addSecret(clientId);
      await worker.copied();
      await sleep(IN_FORCE * 1000);
      for (const instance of instances) {
        instance.secret = secret;
        await sleep(700);
      }
      await load.settled();
      const path = pathOf("applications", clientId);
      const { secrets } = await admin.ask("GET", path);
      await admin.ask("DELETE", `${path}/secrets/${secrets[0].keyId}`);
      await worker.copied();
      await sleep(IN_FORCE * 1000);
      const old = await post(url, "token", request(clients.application));
      assert.equal(old.status, 401, "the old secret is dead");
      passed("a secret is rotated");

      const { kid } = await admin.ask("POST", "/keys", { starts: later(ANNOUNCEMENT) });
      await sleep((ANNOUNCEMENT + IN_FORCE) * 1000);
      await until("the new key signs", () => load.kids.has(kid));
      assert.equal(load.kids.size, 2);
      passed("the signing key is rotated");

      const next = { algorithm: "EdDSA", starts: later(ANNOUNCEMENT) };
      await admin.ask("POST", "/keys", next);
      await admin.ask("PATCH", "/tenant", { algorithm: "EdDSA" });
      await sleep((ANNOUNCEMENT + IN_FORCE) * 1000);
      await until("the new algorithm signs", () => load.algorithms.size > 1);
      assert.deepEqual([...load.algorithms], ["ES256", "EdDSA"]);
      passed("the algorithm is changed");
      await until("a load", () => load.counts.requests > 300 && load.counts.refreshes > 15);
    } finally {
      await load.stop();
    }
    passed("at the end");
    const { requests, refreshes } = load.counts;
    assert.ok(requests > 300 && refreshes > 15, "it was a load");
    assert.deepEqual(log.filter((line) => line.includes('"failed"')), []);
  } finally {
    await stop();
  }
});

test("r47 secrets, sessions and tokens outlive a rotation of the worker's master key", async () => {
  const state = await mkdtemp(join(tmpdir(), "edgemint-rotation-"));
  /** @type {Awaited<ReturnType<typeof startWorker>> | undefined} */
  let worker;
  /** The worker, deployed anew. @param {Record<string, string>} bindings */
  const deploy = async (bindings) => {
    await worker?.stop();
    worker = undefined;
    worker = await startWorker({ state, bindings: { CACHE_TTL: "1", BOOTSTRAP_SECRET, ...bindings } });
    return worker;
  };
  const running = async () => worker ?? assert.fail("no worker");
  try {
    let { url } = await deploy({ MASTER_KEY: OLD_MASTER });
    const first = await firstAdministrator(url);
    const clients = await first.prepare();
    const session = await startSession(await running(), clients);
    const keys = verifier(() => url);
    /** @type {string[]} */
    const tokens = [];
    /** Everybody goes on with what they have. */
    const goOn = async () => {
      for (let number = 0; number < 20; number += 1) {
        const response = await post(url, "token", request(clients.application));
        const answer = /** @type {any} */ (await response.json());
        assert.equal(response.status, 200, JSON.stringify(answer));
        tokens.push(answer.access_token);
      }
      for (let number = 0; number < 5; number += 1) await session.refresh(url);
      // Those that were issued before are as good as those of now.
      for (const token of tokens) await verify(token, keys);
      const admin = administrator(url, first.credentials);
      const { items, master, sealedUnder } = await admin.ask("GET", "/keys");
      assert.equal(items.length, 1, "the signing key is the same");
      return { admin, master, sealedUnder };
    };
    const old = await goOn();
    assert.deepEqual(old.sealedUnder, [old.master]);

    ({ url } = await deploy({ MASTER_KEY: OLD_MASTER, PREVIOUS_MASTER_KEY: NEW_MASTER }));
    await goOn();
    const both = { MASTER_KEY: NEW_MASTER, PREVIOUS_MASTER_KEY: OLD_MASTER };
    ({ url } = await deploy(both));
    const { master, sealedUnder } = await goOn();
    assert.notEqual(master, old.master);
    assert.deepEqual(sealedUnder, [old.master]);

    // Too soon: this is what the old key is kept for.
    ({ url } = await deploy({ MASTER_KEY: NEW_MASTER }));
    assert.equal((await post(url, "token", request(clients.application))).status, 500);

    ({ url } = await deploy(both));
    const { admin } = await goOn();
    assert.deepEqual(await admin.ask("POST", "/keys/reseal"), { resealed: true });
    assert.deepEqual(await admin.ask("POST", "/keys/reseal"), { resealed: false });
    await (await running()).copied();
    assert.deepEqual((await goOn()).sealedUnder, [master]);

    ({ url } = await deploy({ MASTER_KEY: NEW_MASTER }));
    assert.deepEqual((await goOn()).sealedUnder, [master]);
    assert.ok(tokens.length >= 120);
  } finally {
    await worker?.stop();
    await rm(state, { recursive: true, force: true });
  }
});
