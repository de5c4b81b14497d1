// Requirement 47: a client secret, a signing key, the master key and an algorithm are replaced under a
// steady load, and no request fails. Three locations with caches of their own read copies that are up to
// a minute old, as KV's are; APIs keep the JWKS as `jose` does by default. Time is virtual: hours of load
// take seconds. What an operator must not do is here too, so that it is known that failures are seen.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { createIssuer } from "edgemint";
import { memoryStore } from "edgemint/stores/memory";
import { createRemoteJWKSet, customFetch, decodeProtectedHeader, jwtVerify } from "jose";
import { random } from "../random.js";

/** The same ages of copies and the same choices in every run; another seed makes others. */
const SEED = Number(process.env.EDGEMINT_SEED ?? "47");
const BASE_URL = "https://auth.example.com";
const ISSUER = `${BASE_URL}/demo`;
const REDIRECT_URI = "https://app.example.com/callback";
const VERIFIER = "v".repeat(43);
const [OLD_MASTER, NEW_MASTER] = [1, 2].map((byte) => Buffer.alloc(32, byte).toString("base64url"));
const tenant = "demo";
/** The API that follows the tenant, and the one that gets an algorithm of its own. */
const APIS = ["api://orders", "api://reports"];

const [LOCATIONS, MINUTE, HOUR, DAY] = [3, 60, 3600, 86_400];
/** Seconds between two rounds of the load, while something happens and in between; and between refreshes. */
const [STEP, CALM_STEP, REFRESH] = [5, 15, 300];
/** Seconds after which a change is in force everywhere: a copy's age and `CACHE_TTL`. */
const [COPY_AGE, CACHE_TTL] = [60, 30];
const IN_FORCE = COPY_AGE + CACHE_TTL;

/** @typedef {import("edgemint").Store} Store */
/** @typedef {Pick<import("edgemint").IssuerOptions, "masterKey" | "previousMasterKey">} Masters */

/**
 * A store as a location sees it: through copies that are used for up to a minute.
 * @param {Store} store
 * @param {ReturnType<typeof random>} dice
 * @returns {Store}
 */
function copiesOf(store, dice) {
  /** @type {Map<string, { found: { value: string, version: string }, until: number }>} */
  const copies = new Map();
  return {
    ...store,
    guarantees: { atomic: true, readYourWrites: false },
    async get(partition, name) {
      const key = `${partition}:${name}`;
      const copy = copies.get(key);
      if (copy !== undefined && Date.now() < copy.until) return copy.found;
      const found = await store.get(partition, name);
      // On a miss the authority is asked, as `directoryStore` does.
      if (found !== null) copies.set(key, { found, until: Date.now() + dice.below(COPY_AGE * 1000 + 1) });
      return found;
    },
  };
}

/**
 * A service at three locations, with its clients, its APIs and its load.
 * @param {import("node:test").TestContext} t
 * @param {number} seed
 */
async function startService(t, seed) {
  t.mock.timers.reset();
  t.mock.timers.enable({ apis: ["Date"], now: Date.UTC(2026, 0, 1) });
  const dice = random(seed);
  const [store, grants] = [memoryStore(), memoryStore()];
  const options = { baseUrl: BASE_URL, grants, onEvent() {} };
  const issuerOver = (/** @type {Store} */ over, /** @type {Masters} */ masters) =>
    createIssuer({ ...options, ...masters, store: over, cacheTtl: CACHE_TTL });
  const copies = Array.from({ length: LOCATIONS }, (_, at) => copiesOf(store, random(seed + at + 1)));
  const locations = copies.map((copy) => issuerOver(copy, { masterKey: OLD_MASTER }));
  const { admin } = issuerOver(store, { masterKey: OLD_MASTER });

  const counts = { tokens: 0, verifications: 0, refreshes: 0, signIns: 0 };
  /** @type {string[]} */
  const failures = [];
  /** The algorithms and the keys that tokens were signed with, by API. @type {Map<string, Set<string>>} */
  const algorithms = new Map(APIS.map((api) => [api, new Set()]));
  const kids = new Set();

  const seconds = () => Math.floor(Date.now() / 1000);
  const failed = (/** @type {string} */ what, /** @type {unknown} */ why) =>
    void failures.push(`${new Date().toISOString()} ${what}: ${why}`);

  /** An answer of a location, after what it leaves to do. @param {number} at @param {Request} request */
  async function ask(at, request) {
    /** @type {Promise<unknown>[]} */
    const left = [];
    const response = await locations[at].fetch(request, { waitUntil: (promise) => void left.push(promise) });
    await Promise.all(left);
    return response;
  }

  const anywhere = () => dice.below(LOCATIONS);

  /** Null if it was refused. @param {number} at @param {string} what @param {Record<string, string>} parameters @returns {Promise<any>} */
  async function token(at, what, parameters) {
    const body = new URLSearchParams(parameters);
    const response = await ask(at, new Request(`${ISSUER}/oauth2/token`, { method: "POST", body }));
    const answer = await response.json();
    if (response.status === 200) return answer;
    failed(`${what} at location ${at}`, `${response.status} ${JSON.stringify(answer)}`);
    return null;
  }

  await admin.createTenant({ tenant, loginUrl: "https://login.example.com/" });
  for (const identifier of APIS) {
    const [roles, scopes] = [[{ value: "Read.All" }], [{ value: "Read" }]];
    await admin.createApi({ tenant, identifier, roles, scopes });
  }
  const { clientId } = await admin.createApplication({ tenant });
  const first = await admin.addSecret({ tenant, clientId });
  for (const api of APIS) await admin.assignRoles({ tenant, clientId, api, roles: ["Read.All"] });
  const web = await admin.createApplication({
    tenant,
    kind: "public",
    redirectUris: [REDIRECT_URI],
    refresh: { grace: 0, idle: 30 * DAY, absolute: 400 * DAY },
  });
  /** Where the client runs, and with which secret; each speaks with a location near to it. */
  const instances = Array.from({ length: LOCATIONS }, () => ({ secret: String(first.secret) }));

  /** Two instances of each API, each with a JWKS of its own. */
  const verifiers = new Map(
    APIS.map((api) => [
      api,
      [0, 1].map(() =>
        createRemoteJWKSet(new URL(`${ISSUER}/.well-known/jwks.json`), {
          [customFetch]: (url) => ask(anywhere(), new Request(url)),
        }),
      ),
    ]),
  );

  /** @param {string} api @param {string} text */
  async function verify(api, text) {
    for (const keys of verifiers.get(api) ?? []) {
      counts.verifications += 1;
      try {
        await jwtVerify(text, keys, { issuer: ISSUER, audience: api, typ: "at+jwt" });
      } catch (error) {
        failed(`a token for ${api}`, `${error} ${JSON.stringify(decodeProtectedHeader(text))}`);
      }
    }
  }

  /** A user signs in: each step of it at another location. @returns {Promise<any>} */
  async function signIn() {
    counts.signIns += 1;
    const query = new URLSearchParams({
      response_type: "code",
      client_id: web.clientId,
      redirect_uri: REDIRECT_URI,
      scope: `${APIS[0]}/Read`,
      code_challenge: createHash("sha256").update(VERIFIER).digest("base64url"),
      code_challenge_method: "S256",
    });
    const asked = await ask(anywhere(), new Request(`${ISSUER}/oauth2/authorize?${query}`));
    const handle = new URL(asked.headers.get("location") ?? "none:").searchParams.get("handle");
    if (handle === null) return failed("an authorization request", asked.status);
    try {
      const { authorization } = locations[anywhere()];
      const { redirectTo } = await authorization.complete(handle, { subject: `user ${dice.below(100)}` });
      return await token(anywhere(), "a code", {
        grant_type: "authorization_code",
        code: new URL(redirectTo).searchParams.get("code") ?? "",
        redirect_uri: REDIRECT_URI,
        code_verifier: VERIFIER,
        client_id: web.clientId,
      });
    } catch (error) {
      return failed("a sign-in", error);
    }
  }

  let session = await signIn();
  let refreshed = seconds();
  /** Tokens that are still good. @type {{ api: string, text: string, expires: number }[]} */
  let issued = [];

  /** One round of the load. */
  async function round() {
    for (const [at, { secret }] of instances.entries()) {
      const api = APIS[(Math.floor(seconds() / STEP) + at) % APIS.length];
      counts.tokens += 1;
      const answer = await token(at, "a token request", {
        grant_type: "client_credentials",
        client_id: clientId,
        client_secret: secret,
        scope: `${api}/.default`,
      });
      if (answer === null) continue;
      const text = answer.access_token;
      const { alg, kid } = decodeProtectedHeader(text);
      algorithms.get(api)?.add(String(alg));
      kids.add(kid);
      await verify(api, text);
      issued.push({ api, text, expires: seconds() + answer.expires_in });
    }
    // One from before is presented again: its key may have retired since.
    issued = issued.filter(({ expires }) => seconds() < expires);
    if (issued.length > 0) {
      const { api, text } = dice.pick(issued);
      await verify(api, text);
    }
    if (seconds() - refreshed >= REFRESH) {
      refreshed = seconds();
      counts.refreshes += 1;
      const answer = await token(anywhere(), "a refresh", {
        grant_type: "refresh_token",
        refresh_token: session.refresh_token,
        client_id: web.clientId,
      });
      if (answer !== null) {
        session = answer;
        await verify(APIS[0], session.access_token);
      }
      await signIn();
    }
  }

  return {
    admin,
    clientId,
    /** The first secret's. */
    keyId: first.keyId,
    instances,
    counts,
    failures,
    algorithms,
    kids,
    seconds,
    /** The load goes on for so long. @param {number} duration seconds @param {number} [step] */
    async load(duration, step = STEP) {
      for (const end = seconds() + duration; seconds() < end; ) {
        await round();
        t.mock.timers.tick(step * 1000);
      }
    },
    /** Deploys a location anew: with other master keys, and an empty cache. @param {number} at @param {Masters} masters */
    deploy(at, masters) {
      locations[at] = issuerOver(copies[at], masters);
    },
    /** Somebody who administers with other master keys. @param {Masters} masters */
    administration: (masters) => issuerOver(store, masters).admin,
  };
}

/** @typedef {Awaited<ReturnType<typeof startService>>} Service */

/** Replaces the locations, a minute after one another. @param {Service} service @param {Masters} masters */
async function deployEach(service, masters) {
  for (let at = 0; at < LOCATIONS; at += 1) {
    service.deploy(at, masters);
    await service.load(MINUTE);
  }
}

/**
 * The load while a key that was just announced takes over, in two hours, and until the last token of the
 * one before has expired.
 * @param {Service} service
 */
async function takeOver(service) {
  await service.load(20 * MINUTE);
  await service.load(HOUR + 20 * MINUTE, CALM_STEP);
  await service.load(50 * MINUTE);
  await service.load(HOUR, CALM_STEP);
}

/** The master key is the new one, everywhere, with the old one before it. @param {Service} service */
async function bringNewMaster(service) {
  await deployEach(service, { masterKey: OLD_MASTER, previousMasterKey: NEW_MASTER });
  await deployEach(service, { masterKey: NEW_MASTER, previousMasterKey: OLD_MASTER });
  return service.administration({ masterKey: NEW_MASTER, previousMasterKey: OLD_MASTER });
}

test("r47 r38 no request fails while secret, keys, algorithms and master key are replaced", async (t) => {
  const service = await startService(t, SEED);
  let { admin } = service;
  const { clientId, instances, counts, failures, algorithms, kids } = service;
  let before = { ...counts };
  /** @param {string} what */
  const passed = (what) => {
    const told = Object.entries(counts).map(
      ([name, count]) => `${count - before[/** @type {keyof typeof counts} */ (name)]} ${name}`,
    );
    t.diagnostic(`${what}: ${told.join(", ")}, ${failures.length} failures`);
    assert.deepEqual(failures.slice(0, 5), [], `${failures.length} failures: ${what}`);
    before = { ...counts };
  };
  t.diagnostic(`seed ${SEED}: EDGEMINT_SEED sets another`);
  await service.load(10 * MINUTE);
  passed("nothing is changed");

  const { secret, keyId } = await admin.addSecret({ tenant, clientId });
  await service.load(IN_FORCE);
  for (const instance of instances) {
    instance.secret = String(secret);
    await service.load(MINUTE);
  }
  await admin.removeSecret({ tenant, clientId, keyId: service.keyId });
  await service.load(5 * MINUTE);
  const { secrets } = await admin.getApplication({ tenant, clientId });
  assert.deepEqual(secrets.map((one) => one.keyId), [keyId]);
  passed("a secret is rotated");

  const announced = await admin.rotateKey({ tenant });
  const keys = kids.size;
  await takeOver(service);
  assert.ok(kids.has(announced.kid) && kids.size === keys + 1, "the new key signs");
  passed("the signing key is rotated");

  await admin.updateTenant({ tenant, algorithm: "EdDSA" });
  await service.load(10 * MINUTE);
  await admin.updateApi({ tenant, identifier: APIS[1], algorithm: "RS256" });
  await takeOver(service);
  assert.deepEqual([...(algorithms.get(APIS[0]) ?? [])], ["ES256", "EdDSA"]);
  // Its own was announced before the tenant's started: it signs as before until then.
  assert.deepEqual([...(algorithms.get(APIS[1]) ?? [])], ["ES256", "RS256"]);
  passed("the algorithms of a tenant and of an API are changed");

  admin = await bringNewMaster(service);
  assert.equal((await admin.resealKeys({ tenant })).resealed, true);
  const ring = await admin.listKeys({ tenant });
  assert.deepEqual(ring.sealedUnder, [ring.master]);
  await service.load(IN_FORCE);
  await deployEach(service, { masterKey: NEW_MASTER });
  await service.load(10 * MINUTE);
  admin = service.administration({ masterKey: NEW_MASTER });
  passed("the master key is rotated");

  // Once a day, as the cron trigger does. Close to a new key's start the load is as before.
  const scheduled = new Map();
  for (let day = 0; day < 92; day += 1) {
    const due = await admin.maintain({ tenant });
    const { items } = await admin.listKeys({ tenant });
    for (const { kid, starts } of items) if (due.announced.includes(kid)) scheduled.set(kid, starts);
    if (due.announced.length > 0) {
      assert.equal(day, 76, "14 days before 90 days are over");
      await service.load(15 * MINUTE);
    }
    for (const end = service.seconds() + DAY; service.seconds() < end; ) {
      const starts = [...scheduled.values()].filter((at) => at > service.seconds());
      const left = Math.min(...starts) - service.seconds();
      if (left > 2 * HOUR) {
        await service.load(2 * HOUR, 2 * HOUR);
      } else {
        await service.load(left - 20 * MINUTE, left - 20 * MINUTE);
        await service.load(40 * MINUTE, STEP);
      }
    }
  }
  assert.equal(scheduled.size, 3, "of each algorithm");
  const known = await admin.listKeys({ tenant });
  assert.deepEqual(known.items.map(({ state }) => state), ["active", "active", "active"]);
  const signing = known.items.filter(({ algorithm }) => algorithm !== "ES256");
  assert.ok(signing.every(({ kid }) => kids.has(kid) && scheduled.has(kid)), "the new keys sign");
  passed("the signing keys are rotated by schedule");
});

/** What is done in the wrong order, or too soon. @type {[string, (service: Service) => Promise<unknown>][]} */
const CARELESS = [
  [
    "the old secret is removed while clients still use it",
    async ({ admin, clientId, keyId, instances, load }) => {
      const { secret } = await admin.addSecret({ tenant, clientId });
      await load(IN_FORCE);
      await admin.removeSecret({ tenant, clientId, keyId });
      for (const instance of instances) {
        await load(MINUTE);
        instance.secret = String(secret);
      }
    },
  ],
  [
    "clients use the new secret before it is in force everywhere",
    async ({ admin, clientId, instances }) => {
      const { secret } = await admin.addSecret({ tenant, clientId });
      for (const instance of instances) instance.secret = String(secret);
    },
  ],
  [
    // `jose` reads the JWKS again for a key that it does not know, but not within 30 s of the last time;
    // and a location whose own copy is older than the key answers without it.
    "a new key signs without having been announced",
    ({ admin }) => admin.rotateKey({ tenant, starts: 0 }),
  ],
  [
    "the old master key is dropped before what it sealed is sealed anew",
    async (service) => {
      await bringNewMaster(service);
      await deployEach(service, { masterKey: NEW_MASTER });
    },
  ],
  [
    "the old master key is dropped before the copies of what it sealed are gone",
    async (service) => {
      const admin = await bringNewMaster(service);
      await admin.resealKeys({ tenant });
      for (let at = 0; at < LOCATIONS; at += 1) service.deploy(at, { masterKey: NEW_MASTER });
    },
  ],
  [
    "a location gets the new master key before the others know it",
    async (service) => {
      const masters = { masterKey: NEW_MASTER, previousMasterKey: OLD_MASTER };
      service.deploy(0, masters);
      await service.load(30 * MINUTE);
    },
  ],
];

for (const [what, act] of CARELESS) {
  test(`r47 requests are seen to fail if ${what}`, async (t) => {
    // Some of it takes an unlucky copy: one of ten worlds has it.
    for (let seed = SEED; seed < SEED + 10; seed += 1) {
      const service = await startService(t, seed);
      await service.load(5 * MINUTE);
      assert.deepEqual(service.failures, []);
      await act(service);
      await service.load(5 * MINUTE);
      const { failures, counts } = service;
      t.diagnostic(
        `seed ${seed}: ${failures.length} failures, ${counts.tokens} tokens, ` +
          `${counts.verifications} verifications; ${failures[0]}`,
      );
      if (failures.length > 0) return;
    }
    assert.fail("nothing failed");
  });
}
