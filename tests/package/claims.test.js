// The `claims` hook of `createIssuer`: somebody else's code, which may be late, throw, or return anything.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { createIssuer } from "edgemint";
import { memoryStore } from "edgemint/stores/memory";
import { Engine } from "../../pkg/wasm/edgemint.js";
import { MASTER_KEY, REDIRECT_URI, register, tokenRequest } from "../workerd/world.js";

/** @typedef {import("edgemint").IssuerOptions} IssuerOptions */
/** @typedef {import("edgemint").ClaimsContext} ClaimsContext */

const ORIGIN = "https://auth.example.com";
const VERIFIER = "v".repeat(43);
const VALUE = "a value that nobody else may see";

/** @param {string} token @returns {Record<string, any>} */
const payload = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());

/** An issuer with an application, and what it does. @param {Partial<IssuerOptions>} options */
async function start(options) {
  const shared = { baseUrl: ORIGIN, masterKey: MASTER_KEY, store: memoryStore() };
  const quiet = createIssuer({ ...shared, onEvent() {} });
  const { clientId, secret, scope } = await register(quiet.admin);
  await quiet.admin.updateTenant({ tenant: "demo", loginUrl: "https://login.example.com/" });
  const scopes = [{ value: "Orders.Read" }, { value: "Orders.Write" }];
  await quiet.admin.updateApi({ tenant: "demo", identifier: "api://orders", scopes });
  const redirectUris = [REDIRECT_URI];
  const app = await quiet.admin.createApplication({ tenant: "demo", kind: "public", redirectUris });
  /** @type {import("edgemint").IssuerEvent[]} */
  const events = [];
  const issuer = createIssuer({ ...shared, onEvent: (event) => void events.push(event), ...options });
  const send = (/** @type {Record<string, string>} */ form) => issuer.fetch(tokenRequest(form));
  return {
    issuer,
    events,
    clientId,
    app: app.clientId,
    /** The application asks for itself. */
    ask: () => send({ client_id: clientId, client_secret: secret, scope }),
    /** @param {string} refresh_token */
    refresh: (refresh_token) =>
      send({ grant_type: "refresh_token", client_id: app.clientId, refresh_token }),
    /** @param {string} code */
    redeem: (code) =>
      send({
        grant_type: "authorization_code",
        client_id: app.clientId,
        redirect_uri: REDIRECT_URI,
        code_verifier: VERIFIER,
        code,
      }),
    /** The code of a user. @param {Record<string, unknown>} [claims] */
    async code(claims) {
      const digest = await crypto.subtle.digest("SHA-256", Buffer.from(VERIFIER));
      const query = new URLSearchParams({
        response_type: "code",
        client_id: app.clientId,
        redirect_uri: REDIRECT_URI,
        scope: "api://orders/Orders.Read api://orders/Orders.Write",
        code_challenge: Buffer.from(digest).toString("base64url"),
        code_challenge_method: "S256",
      });
      const asked = await issuer.fetch(new Request(`${ORIGIN}/demo/oauth2/authorize?${query}`));
      const handle = new URL(asked.headers.get("location") ?? "").searchParams.get("handle") ?? "";
      const consent = { subject: "ada", ...(claims && { claims }) };
      const { redirectTo } = await issuer.authorization.complete(handle, consent);
      return new URL(redirectTo).searchParams.get("code") ?? "";
    },
  };
}

/** The body of an answer that must be 200. @param {Response} response @returns {Promise<any>} */
async function accepted(response) {
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  return body;
}

/** The claims of the token in an answer. @param {Response} response */
const claimsOf = async (response) => payload((await accepted(response)).access_token);

/**
 * Checks that the hook has failed, for the caller and for the operator.
 * @param {Response} response @param {Awaited<ReturnType<typeof start>>["events"]} events
 * @returns {Promise<string>} what the operator hears
 */
async function failed(response, events) {
  const body = /** @type {any} */ (await response.json());
  assert.equal(response.status, 503, JSON.stringify(body));
  assert.equal(response.headers.get("retry-after"), "1");
  assert.equal(response.headers.get("cache-control"), "no-store");
  assert.equal(body.error, "temporarily_unavailable");
  const told = events.splice(0).filter(({ reason }) => reason === "claims_hook");
  assert.equal(told.length, 1);
  const [{ kind, tenant, clientId, detail = "" }] = told;
  assert.deepEqual([kind, tenant], ["failed", "demo"]);
  assert.ok(clientId);
  assert.ok(!JSON.stringify(body).includes(detail), "for the operator only");
  return detail;
}

test("the hook is told what a token is for, and what it returns is in the token", async () => {
  /** @type {ClaimsContext[]} */
  const asked = [];
  const { ask, code, redeem, refresh, clientId, app } = await start({
    claims(context) {
      asked.push(context);
      return { team: "green", level: 2, nested: { list: [1, "two", null, true], empty: undefined } };
    },
  });
  const expected = { team: "green", nested: { list: [1, "two", null, true] } };
  const own = await claimsOf(await ask());
  const first = await accepted(await redeem(await code({ name: "Ada", level: 1 })));
  const second = await accepted(await refresh(first.refresh_token));
  for (const claims of [own, payload(first.access_token), payload(second.access_token)]) {
    const { team, nested, level } = claims;
    assert.deepEqual({ team, nested }, expected);
    assert.equal(level, 2);
  }
  assert.equal(payload(second.access_token).name, "Ada");
  const shared = { tenant: "demo", api: "api://orders", dialect: "standard" };
  const user = {
    ...shared,
    clientId: app,
    subject: "ada",
    scopes: ["Orders.Read", "Orders.Write"],
    claims: { name: "Ada", level: 1 },
  };
  assert.deepEqual(
    asked.map(({ signal, ...context }) => (assert.ok(signal instanceof AbortSignal), context)),
    [
      { ...shared, clientId, grantType: "client_credentials", roles: ["Orders.Read.All"] },
      { ...user, grantType: "authorization_code" },
      { ...user, grantType: "refresh_token" },
    ],
  );
});

test("an issuer without the hook makes no call for it, and one with it makes one more", async () => {
  const without = await start({});
  const withHook = await start({ claims: () => ({}) });
  for (const [{ ask }, expected] of /** @type {const} */ ([
    [without, ["start", "resumeBytes"]],
    [withHook, ["start", "resumeStepped", "resumeBytes"]],
  ])) {
    await accepted(await ask());
    /** @type {string[]} */
    const calls = [];
    /** @type {Record<string, any>} */
    const prototype = Engine.prototype;
    const names = Object.getOwnPropertyNames(prototype).filter((name) => /^(start|resume|fail)/.test(name));
    const originals = names.map((name) => /** @type {const} */ ([name, prototype[name]]));
    for (const [name, method] of originals) {
      prototype[name] = function (/** @type {unknown[]} */ ...parameters) {
        calls.push(name);
        return method.apply(this, parameters);
      };
    }
    try {
      await accepted(await ask());
    } finally {
      for (const [name, method] of originals) prototype[name] = method;
    }
    assert.deepEqual(calls, expected);
  }
});

describe("a hook that fails", () => {
  const circular = /** @type {Record<string, unknown>} */ ({ secret: VALUE });
  circular.self = circular;
  let deep = /** @type {unknown} */ (VALUE);
  for (let level = 0; level < 100_000; level += 1) deep = [deep];
  /** @type {[string, (context: ClaimsContext) => any, RegExp][]} */
  const cases = [
    ["throws", () => { throw new TypeError("no database"); }, /^TypeError: no database$/],
    ["rejects", async () => { throw new Error("no database"); }, /^Error: no database$/],
    ["throws nothing", () => { throw undefined; }, /^undefined$/],
    ["throws what has no text", () => { throw Object.create(null); }, /no text/],
    ["throws a book", () => { throw new Error("x".repeat(100_000)); }, /^Error: x{190,}$/],
    ["hangs", () => new Promise(() => {}), /longer than 50 ms/],
    ["returns a thenable that hangs", () => ({ then() {} }), /longer than 50 ms/],
    ["returns nothing", () => undefined, /no plain object/],
    ["returns null", () => null, /no plain object/],
    ["returns a text", () => VALUE, /no plain object/],
    ["returns a list", () => [VALUE], /no plain object/],
    ["returns a function", () => () => ({}), /no plain object/],
    ["returns a map", () => new Map([["a", VALUE]]), /no plain object/],
    ["returns an object that is a text in JSON", () => ({ toJSON: () => VALUE }), /no plain object/],
    ["returns an object that is nothing in JSON", () => ({ toJSON() {} }), /no plain object/],
    ["returns a big integer", () => ({ a: 1n, b: VALUE }), /not JSON/],
    ["returns a function within", () => ({ a: [() => VALUE] }), /not JSON/],
    ["returns a symbol within", () => ({ a: Symbol(VALUE) }), /not JSON/],
    ["returns a promise that it has not awaited", () => ({ a: Promise.resolve(VALUE) }), /not JSON/],
    ["returns a set within", () => ({ a: new Set([VALUE]) }), /not JSON/],
    ["returns no number", () => ({ a: NaN }), /not JSON/],
    ["returns infinity", () => ({ a: { b: Infinity } }), /not JSON/],
    ["returns a fraction", () => ({ a: 1.5, b: VALUE }), /whole numbers/],
    ["returns a number beyond 64 bits", () => ({ a: 1e30, b: VALUE }), /whole numbers/],
    ["returns half a character", () => ({ a: `\ud800${VALUE}` }), /unreadable/],
    ["returns a cycle", () => circular, /circular/],
    ["returns what is nested too deep", () => ({ a: deep }), /Maximum call stack|nested|recursion/],
    ["returns 17 levels", () => ({ a: JSON.parse("[".repeat(17) + "]".repeat(17)) }), /16 deep/],
    ["returns too much", () => ({ a: VALUE.repeat(1_000_000) }), /4096 bytes/],
    ["returns too many bytes", () => ({ a: "\u20ac".repeat(2_000) }), /4096 bytes/],
    ["returns a getter that throws", () => ({ get a() { throw new Error("no"); } }), /^Error: no$/],
    ["returns a proxy that throws", () => new Proxy({}, { getPrototypeOf() { throw new Error("no"); } }), /^Error: no$/],
    ["returns another prototype in JSON", () => JSON.parse('{"__proto__":{"admin":true}}'), /`__proto__`/],
    ["returns another prototype within", () => ({ a: JSON.parse('{"__proto__":{"admin":true}}') }), /`__proto__`/],
    ["returns another prototype", () => ({ __proto__: { admin: true } }), /no plain object/],
    ...["iss", "sub", "aud", "exp", "iat", "jti", "client_id", "azp", "roles", "scope", "tid", "sid", "cnf", "act"].map(
      (name) => /** @type {[string, () => any, RegExp]} */ ([
        `returns ${name}`,
        () => ({ fine: true, [name]: VALUE }),
        new RegExp(`^the claim \`${name}\` is edgemint's own$`),
      ]),
    ),
  ];
  for (const [name, hook, why] of cases) {
    test(`and ${name} costs nobody a token`, async () => {
      let works = false;
      const { code, redeem, refresh, ask, events } = await start({
        claims: (context) => (works ? { fine: true } : hook(context)),
        claimsTimeout: 50,
      });
      const pending = await code();
      for (const send of [ask, () => redeem(pending)]) {
        const detail = await failed(await send(), events);
        assert.match(detail, why);
        assert.ok(!detail.includes(VALUE) && detail.length <= 200, detail);
      }
      works = true;
      const first = await accepted(await redeem(pending));
      works = false;
      await failed(await refresh(first.refresh_token), events);
      works = true;
      const { fine, admin } = await claimsOf(await refresh(first.refresh_token));
      assert.deepEqual([fine, admin], [true, undefined]);
    });
  }
});

test("what a hook does after its time is over is nobody's", async () => {
  /** @type {AbortSignal[]} */
  const signals = [];
  /** @type {unknown[]} */
  const unhandled = [];
  const listener = (/** @type {unknown} */ reason) => void unhandled.push(reason);
  process.on("unhandledRejection", listener);
  const { ask, events } = await start({
    async claims({ signal }) {
      signals.push(signal);
      await new Promise((resolve) => setTimeout(resolve, 60));
      if (signals.length > 1) return { late: true };
      throw new Error("too late to matter");
    },
    claimsTimeout: 20,
  });
  assert.match(await failed(await ask(), events), /longer than 20 ms/);
  assert.match(await failed(await ask(), events), /longer than 20 ms/);
  await new Promise((resolve) => setTimeout(resolve, 100));
  process.off("unhandledRejection", listener);
  assert.deepEqual(unhandled, []);
  assert.deepEqual(signals.map(({ aborted }) => aborted), [true, true]);
  assert.deepEqual(events, []);
});

test("a hook that was in time is never aborted, and keeps no process alive", async () => {
  /** @type {AbortSignal[]} */
  const signals = [];
  const { ask } = await start({
    claims: ({ signal }) => (signals.push(signal), {}),
    claimsTimeout: 20,
  });
  await accepted(await ask());
  const timers = process.getActiveResourcesInfo().filter((resource) => resource === "Timeout");
  assert.deepEqual(timers, []);
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(signals.map(({ aborted }) => aborted), [false]);
});

test("an application without a role is told to have none", async () => {
  /** @type {ClaimsContext[]} */
  const asked = [];
  const { issuer, ask, clientId } = await start({ claims: (context) => (asked.push(context), {}) });
  await issuer.admin.removeRoles({ tenant: "demo", clientId, api: "api://orders" });
  await accepted(await ask());
  assert.deepEqual(asked.map(({ roles }) => roles), [[]]);
});

test("what a hook does to its context changes no token", async () => {
  const { ask, clientId } = await start({
    claims(context) {
      Object.assign(context, { clientId: "eve", api: "api://billing" });
      context.roles?.push("Orders.Write.All");
      return { seen: true };
    },
  });
  const { sub, aud, roles, seen } = await claimsOf(await ask());
  assert.deepEqual([sub, aud, roles, seen], [clientId, "api://orders", ["Orders.Read.All"], true]);
});

test("a claim of the login page with a dangerous name reaches the hook as what it is", async () => {
  /** @type {ClaimsContext[]} */
  const asked = [];
  const { code, redeem } = await start({ claims: (context) => (asked.push(context), {}) });
  await accepted(await redeem(await code(JSON.parse('{"__proto__":{"admin":true},"name":"Ada"}'))));
  const claims = asked[0].claims ?? {};
  assert.equal(claims.admin, undefined);
  assert.deepEqual(Object.keys(claims), ["__proto__", "name"]);
});

test("many tokens at once get each the claims that are its own", async () => {
  const { issuer, code, redeem, ask } = await start({
    async claims({ grantType, subject = "none" }) {
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
      return { of: `${grantType} ${subject}` };
    },
  });
  const codes = await Promise.all(Array.from({ length: 50 }, () => code()));
  const answers = await Promise.all(codes.flatMap((one) => [ask(), redeem(one)]));
  const said = await Promise.all(answers.map(claimsOf));
  assert.deepEqual(
    said.map((claims) => claims.of),
    codes.flatMap(() => ["client_credentials none", "authorization_code ada"]),
  );
  assert.ok(issuer);
});

test("refreshes side by side, of which the hook fails some, get one successor", async () => {
  let asked = 0;
  const { code, redeem, refresh, events } = await start({
    async claims({ grantType }) {
      if (grantType !== "refresh_token") return {};
      asked += 1;
      const isBad = asked % 3 === 0;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
      if (isBad) throw new Error("now and then");
      return {};
    },
  });
  let { refresh_token: token } = await accepted(await redeem(await code()));
  for (let round = 0; round < 5; round += 1) {
    const answers = await Promise.all(Array.from({ length: 12 }, () => refresh(token)));
    const good = answers.filter(({ status }) => status === 200);
    assert.equal(good.length, 8);
    assert.ok(answers.every(({ status }) => status === 200 || status === 503));
    const successors = new Set();
    for (const answer of good) successors.add((await accepted(answer)).refresh_token);
    assert.equal(successors.size, 1);
    [token] = successors;
  }
  assert.deepEqual(new Set(events.map(({ reason }) => reason)).has("grant_replayed"), false);
});

test("the dialects' module asks the hook, too", async () => {
  /** @type {ClaimsContext[]} */
  const asked = [];
  const { issuer, clientId, app } = await start({
    claims: (context) => (asked.push(context), { team: "green", ver: "9" }),
  });
  const { id } = await issuer.admin.getTenant({ tenant: "demo" });
  await issuer.admin.updateTenant({ tenant: "demo", entra: true });
  await issuer.admin.rotateKey({ tenant: "demo", algorithm: "RS256", starts: 0 });
  const { secret = "" } = await issuer.admin.addSecret({ tenant: "demo", clientId });
  const form = { client_id: clientId, client_secret: secret, scope: "api://orders/.default" };
  const claims = await claimsOf(await issuer.fetch(tokenRequest(form, `/${id}/oauth2/v2.0/token`)));
  assert.deepEqual([claims.team, claims.ver], ["green", "2.0"]);
  assert.deepEqual(asked.map(({ dialect, api }) => [dialect, api]), [["entra", "api://orders"]]);
  assert.ok(app);
});

test("the code in pkg/README.md adds a claim", async () => {
  const text = readFileSync(new URL("../../pkg/README.md", import.meta.url), "utf8");
  const [, code] = /```js\n(const issuer = createIssuer\(\{\n  \.\.\.options,\n  async claims[^]*?)```/.exec(text) ?? [];
  /** @type {Partial<IssuerOptions>} */
  let given = {};
  const take = (/** @type {Partial<IssuerOptions>} */ options) => void (given = options);
  const departmentOf = async (/** @type {string} */ subject) => `of ${subject}`;
  new Function("createIssuer", "options", "departmentOf", code)(take, {}, departmentOf);
  const { ask, redeem, code: codeOf } = await start(given);
  assert.equal((await claimsOf(await ask())).department, undefined);
  assert.equal((await claimsOf(await redeem(await codeOf()))).department, "of ada");
});

test("options that are none are refused", () => {
  const options = { baseUrl: ORIGIN, masterKey: MASTER_KEY, store: memoryStore() };
  for (const wrong of [
    { claims: {} },
    { claims: null },
    { claimsTimeout: 0 },
    { claimsTimeout: 1.5 },
    { claimsTimeout: 30_001 },
    { claimsTimeout: "2000" },
  ]) {
    const make = () => createIssuer({ ...options, .../** @type {any} */ (wrong) });
    assert.throws(make, { name: "EdgemintError", code: "invalid_options" });
  }
  createIssuer({ ...options, claims: () => ({}), claimsTimeout: 30_000 });
  createIssuer({ ...options, claims: undefined, claimsTimeout: undefined });
});
