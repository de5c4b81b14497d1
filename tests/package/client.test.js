// `edgemint/client` against a real issuer that can be taken away, and a real API behind `edgemint/protect`.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, mock, test } from "node:test";
import { inspect } from "node:util";
import { TokenSourceError, tokenSource } from "edgemint/client";
import { protect } from "edgemint/protect";
import { serve, startIssuer } from "./served.js";
import { until as comes } from "../until.js";

/** @type {Awaited<ReturnType<typeof startIssuer>>} */
let world;
before(async () => {
  world = await startIssuer();
});
after(() => world?.stop());
afterEach(() => {
  world.served.instead = undefined;
  world.served.heard.length = 0;
});

const TOKEN = "/demo/oauth2/token";
/** How often the token endpoint was asked. */
const asked = () => world.served.heard.filter((path) => path === TOKEN).length;

/** A clock that goes when it is told to, and notes how long was slept. */
function handClock() {
  const clock = {
    time: Date.now(),
    /** @type {number[]} */
    slept: [],
    now: () => clock.time,
    /** @param {number} milliseconds */
    async sleep(milliseconds) {
      clock.slept.push(milliseconds);
      clock.time += milliseconds;
    },
    /** @param {number} seconds */
    pass(seconds) {
      clock.time += seconds * 1000;
    },
  };
  return clock;
}

/** @param {Partial<import("edgemint/client").TokenSourceOptions>} [options] */
const sourceWith = (options) =>
  tokenSource({
    issuer: world.issuer,
    clientId: world.clientId,
    clientSecret: world.secret,
    scope: world.scope,
    ...options,
  });

/** Answers the first `count` token requests otherwise. @param {number} count @param {() => Response | "hang up"} answer */
function failing(count, answer) {
  let left = count;
  world.served.instead = ({ url }) =>
    new URL(url).pathname === TOKEN && left > 0 ? ((left -= 1), answer()) : undefined;
}

/** @param {Promise<unknown>} promise @returns {Promise<any>} */
const failure = (promise) =>
  promise.then(
    () => assert.fail("it did not fail"),
    (error) => error,
  );

/** Lets what runs in the background come to its end. @param {() => boolean} condition */
const until = (condition) => comes(`${condition}`, condition, { pause: 5 });

describe("a token", () => {
  test("is asked for once, by the issuer's metadata, however many want it", async () => {
    const source = sourceWith();
    const begun = Math.floor(Date.now() / 1000);
    const tokens = await Promise.all(Array.from({ length: 100 }, () => source.token()));
    assert.equal(new Set(tokens).size, 1);
    assert.equal(await source.token(), tokens[0]);
    assert.deepEqual(world.served.heard, ["/.well-known/oauth-authorization-server/demo", TOKEN]);
    const { token, scope, expiresAt } = await source.get();
    assert.deepEqual([token, scope], [tokens[0], "api://orders/Orders.Read.All"]);
    assert.ok(expiresAt >= begun + 3600 && expiresAt <= Date.now() / 1000 + 3600);
  });

  test("is for a resource and bare names, too, and by whatever way the client proves who it is", async () => {
    for (const options of /** @type {const} */ ([
      { scope: undefined, resource: "api://orders" },
      { scope: ["Orders.Read.All"], resource: "api://orders" },
      { authentication: "client_secret_post" },
      { clientSecret: async () => world.secret },
      { tokenEndpoint: `${world.issuer}/oauth2/token` },
    ])) {
      const { scope } = await sourceWith(options).get();
      assert.equal(scope, "api://orders/Orders.Read.All");
    }
  });

  test("is Entra's, where the issuer has the metadata of OpenID Connect only", async () => {
    const { id } = await world.admin.createTenant({ tenant: "entra", entra: true });
    await world.admin.createApi({ tenant: "entra", identifier: "api://orders" });
    const { clientId } = await world.admin.createApplication({ tenant: "entra" });
    const { secret = "" } = await world.admin.addSecret({ tenant: "entra", clientId });
    const issuer = `${world.served.url}/${id}/v2.0`;
    const token = await sourceWith({ issuer, clientId, clientSecret: secret }).token();
    assert.equal(token.split(".").length, 3);
  });

  test("is replaced before it expires, in the background, once", async () => {
    const clock = handClock();
    const source = sourceWith({ clock });
    const first = await source.token();
    clock.pass(3600 - 121);
    assert.equal(await source.token(), first);
    assert.equal(asked(), 1);
    clock.pass(62);
    const meanwhile = await Promise.all(Array.from({ length: 20 }, () => source.token()));
    assert.deepEqual(new Set(meanwhile), new Set([first]));
    await until(() => asked() === 2);
    /** @type {string} */
    let next = first;
    await comes("the next one", async () => (next = await source.token()) !== first, { pause: 5 });
    assert.equal(asked(), 2);
  });

  test("is not replaced at the same moment everywhere", async () => {
    const clock = handClock();
    const sources = Array.from({ length: 30 }, () => sourceWith({ clock }));
    for (const source of sources) await source.token();
    clock.pass(3600 - 90);
    world.served.heard.length = 0;
    for (const source of sources) await source.token();
    await until(() => asked() > 0);
    await new Promise((resolve) => setTimeout(resolve, 200));
    // Of 30 that toss a coin, all or none is once in 500 million.
    assert.ok(asked() > 0 && asked() < 30, `${asked()}`);
  });

  test("serves until it expires if it cannot be replaced, and then there is none", async () => {
    const clock = handClock();
    const source = sourceWith({ clock, deadline: 5 });
    const first = await source.token();
    world.served.instead = () => new Response("", { status: 503 });
    for (let rest = 59; rest > 9; rest -= 10) {
      clock.time = (await source.get()).expiresAt * 1000 - rest * 1000;
      assert.equal(await source.token(), first);
      const before = asked();
      await until(() => asked() >= before);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    clock.time = (await source.get()).expiresAt * 1000 - 4000;
    const error = await failure(source.token());
    assert.deepEqual([error.code, error.status], ["unavailable", 503]);
    world.served.instead = undefined;
    assert.notEqual(await source.token(), first);
  });

  test("is another one once it is invalidated; by name, only if it is the one", async () => {
    const source = sourceWith();
    const first = await source.token();
    source.invalidate("another");
    assert.equal(await source.token(), first);
    source.invalidate(first);
    const second = await source.token();
    assert.notEqual(second, first);
    source.invalidate();
    assert.notEqual(await source.token(), second);
  });

  test("that an impatient caller no longer waits for comes for the others", async () => {
    const source = sourceWith();
    /** @type {() => void} */
    let go = () => {};
    const gate = new Promise((resolve) => (go = () => resolve(undefined)));
    world.served.instead = async () => void (await gate);
    const controller = new AbortController();
    const impatient = failure(source.token({ signal: controller.signal }));
    const patient = source.token();
    controller.abort(new Error("enough"));
    assert.equal((await impatient).message, "enough");
    go();
    assert.equal(await source.token(), await patient);
    assert.equal(asked(), 1);
    assert.equal((await failure(source.token({ signal: AbortSignal.abort(new Error("late")) }))).message, "late");
  });

  test("that nobody waits for any more fails without a trace", async () => {
    const clock = handClock();
    let answered = false;
    const noting = async (/** @type {Parameters<typeof fetch>} */ ...asked) => {
      const response = await fetch(...asked);
      answered = response.status === 503;
      return response;
    };
    const source = sourceWith({ clock, deadline: 5, fetch: noting });
    failing(1, () => new Response("", { status: 503, headers: { "retry-after": "60" } }));
    const controller = new AbortController();
    const only = failure(source.token({ signal: controller.signal }));
    controller.abort();
    assert.equal((await only).name, "AbortError");
    await until(() => asked() === 1 && answered);
    await new Promise((resolve) => setTimeout(resolve, 50));
    clock.pass(61);
    assert.equal((await source.token()).split(".").length, 3);
  });
});

describe("what can be repeated", () => {
  test("is: 503, 429, 500, a connection that breaks, with pauses that grow and vary", async () => {
    const answers = [
      () => new Response("", { status: 503 }),
      () => new Response("", { status: 429 }),
      () => new Response("", { status: 500 }),
      () => /** @type {const} */ ("hang up"),
    ];
    const clock = handClock();
    failing(4, () => (answers.shift() ?? (() => assert.fail()))());
    await sourceWith({ clock }).token();
    assert.equal(asked(), 5);
    assert.equal(clock.slept.length, 4);
    for (const [index, milliseconds] of clock.slept.entries()) {
      const most = 200 * 2 ** index;
      assert.ok(milliseconds >= most / 2 && milliseconds <= most, `${index}: ${milliseconds}`);
    }
  });

  test("waits for as long as Retry-After says, in seconds or as a date", async () => {
    const clock = handClock();
    const { promise, resolve } = Promise.withResolvers();
    failing(1, () => new Response("", { status: 429, headers: { "retry-after": "7" } }));
    sourceWith({ clock }).token().then(resolve);
    await promise;
    assert.ok(clock.slept[0] >= 7000 && clock.slept[0] <= 9000, `${clock.slept}`);
    const date = new Date(clock.time + 12_000).toUTCString();
    failing(1, () => new Response("", { status: 503, headers: { "retry-after": date } }));
    await sourceWith({ clock }).token();
    assert.ok(clock.slept[1] >= 11_000 && clock.slept[1] <= 15_000, `${clock.slept}`);
  });

  test("ends at the deadline, and at once if Retry-After is beyond it, for all calls until then", async () => {
    const clock = handClock();
    const source = sourceWith({ clock, deadline: 5 });
    const start = clock.time;
    failing(Infinity, () => new Response("", { status: 503 }));
    const error = await failure(source.token());
    assert.deepEqual([error.name, error.code, error.status], ["TokenSourceError", "unavailable", 503]);
    assert.ok(clock.time - start <= 5000 && asked() > 3);
    const slept = clock.slept.length;
    failing(1, () => new Response("", { status: 429, headers: { "retry-after": "60" } }));
    const beyond = await failure(source.token());
    assert.deepEqual([beyond.code, beyond.status, beyond.retryAfter], ["unavailable", 429, 60]);
    assert.equal(clock.slept.length, slept);
    world.served.heard.length = 0;
    source.invalidate();
    clock.pass(59);
    for (let call = 0; call < 20; call += 1) assert.equal(await failure(source.token()), beyond);
    assert.equal(asked(), 0);
    clock.pass(2);
    assert.equal((await source.token()).split(".").length, 3);
  });

  test("is not put off for more than five minutes", async () => {
    const clock = handClock();
    const source = sourceWith({ clock, deadline: 5 });
    failing(1, () => new Response("", { status: 429, headers: { "retry-after": "3600" } }));
    assert.equal((await failure(source.token())).retryAfter, 3600);
    clock.pass(299);
    assert.equal((await failure(source.token())).retryAfter, 3600);
    assert.equal(asked(), 1);
    clock.pass(2);
    assert.equal((await source.token()).split(".").length, 3);
  });

  test("is one request that everybody who waits shares, also when it fails", async () => {
    const clock = handClock();
    const source = sourceWith({ clock, deadline: 5 });
    await source.token();
    source.invalidate();
    world.served.heard.length = 0;
    failing(1, () => new Response("", { status: 503, headers: { "retry-after": "60" } }));
    const errors = await Promise.all(Array.from({ length: 30 }, () => failure(source.token())));
    assert.deepEqual(new Set(errors.map(({ code }) => code)), new Set(["unavailable"]));
    assert.equal(asked(), 1);
  });

  test("includes the issuer's metadata, which is read once", async () => {
    const clock = handClock();
    let failures = 2;
    world.served.instead = () => (failures-- > 0 ? new Response("", { status: 503 }) : undefined);
    const source = sourceWith({ clock });
    await source.token();
    source.invalidate();
    await source.token();
    const metadata = world.served.heard.filter((path) => path.includes(".well-known"));
    assert.equal(metadata.length, 3);
  });
});

describe("what cannot be repeated", () => {
  test("is told with the error of the token endpoint, for ten seconds without asking again", async () => {
    let secret = "wrong";
    const clock = handClock();
    const source = sourceWith({ clock, clientSecret: () => secret });
    const error = await failure(source.token());
    assert.ok(error instanceof TokenSourceError);
    assert.deepEqual([error.code, error.error, error.status], ["refused", "invalid_client", 401]);
    assert.equal(asked(), 1);
    for (let call = 0; call < 20; call += 1) assert.equal(await failure(source.token()), error);
    assert.equal(asked(), 1);
    clock.pass(11);
    assert.equal((await failure(source.token())).error, "invalid_client");
    assert.equal(asked(), 2);
    source.invalidate("another");
    await failure(source.token());
    assert.equal(asked(), 2);
    source.invalidate();
    await failure(source.token());
    assert.equal(asked(), 3);
    // Another secret was not refused.
    secret = world.secret;
    assert.equal((await source.token()).split(".").length, 3);
    const other = await failure(sourceWith({ scope: "api://orders/Orders.Write.All" }).token());
    assert.deepEqual([other.code, other.error, other.status], ["refused", "invalid_scope", 400]);
  });

  test("is an answer that is no token's, or metadata of another issuer", async () => {
    for (const answer of [
      () => new Response("<html>", { headers: { "content-type": "text/html" } }),
      () => Response.json({ access_token: "t0ken" }),
      () => Response.json({ access_token: "t0ken", token_type: "DPoP" }),
      () => Response.json({ access_token: 1, token_type: "Bearer" }),
      () => new Response(null, { status: 302, headers: { location: "https://attacker.example/" } }),
      () => new Response("not here", { status: 404 }),
      () => Response.json({ error: 1 }, { status: 400 }),
    ]) {
      failing(1, answer);
      const error = await failure(sourceWith().token());
      assert.equal(error.code, "invalid_response");
      assert.ok(!inspect(error, { depth: 9 }).includes("t0ken"));
    }
    world.served.instead = () =>
      Response.json({ issuer: "https://other.example", token_endpoint: "https://other.example/token" });
    assert.equal((await failure(sourceWith().token())).code, "invalid_response");
    world.served.instead = () =>
      Response.json({ issuer: world.issuer, token_endpoint: "http://other.example/token" });
    assert.equal((await failure(sourceWith().token())).code, "invalid_response");
  });

  test("is what the options are wrong about", () => {
    for (const options of [
      { issuer: "auth.example.com" },
      { issuer: "http://auth.example.com/contoso" },
      { tokenEndpoint: "http://auth.example.com/token" },
      { clientId: "" },
      { clientSecret: undefined },
      { authentication: "none" },
      { deadline: 0 },
      { refreshBefore: -1 },
      { origins: "https://orders.example.com" },
      { origins: ["orders.example.com"] },
      { origins: ["http://orders.example.com"] },
      { origins: ["https://orders.example.com/orders"] },
      { fetch: {} },
      { scopes: "api://orders/.default" },
    ]) {
      const expected = { name: "EdgemintError", code: "invalid_options" };
      assert.throws(() => sourceWith(/** @type {any} */ (options)), expected, JSON.stringify(options));
    }
  });
});

test("a misspelled option is told with the right one, and a certificate with its code", async () => {
  const misspelled = /** @type {any} */ ({ clientSecert: "x" });
  assert.throws(() => sourceWith(misspelled), { message: "unknown option `clientSecert`; did you mean `clientSecret`?" });
  assert.throws(() => tokenSource(/** @type {any} */ (undefined)), { code: "invalid_options", message: /missing/ });
  const cause = Object.assign(new Error("self-signed"), { code: "DEPTH_ZERO_SELF_SIGNED_CERT" });
  const fetch = async () => Promise.reject(new TypeError("fetch failed", { cause }));
  const { code, message } = await failure(sourceWith({ clock: handClock(), deadline: 1, fetch }).token());
  assert.equal(code, "unavailable");
  assert.match(message, /fetch failed \(DEPTH_ZERO_SELF_SIGNED_CERT\)/);
  const slash = await failure(sourceWith({ issuer: `${world.issuer}/` }).token());
  assert.match(slash.message, /another issuer: .*without the \/ at the end/);
});

test("no secret and no token is in an error, or in what a source shows of itself", async () => {
  const source = sourceWith();
  const token = await source.token();
  failing(Infinity, () => "hang up");
  const unavailable = await failure(sourceWith({ clock: handClock(), deadline: 2 }).token());
  assert.equal(unavailable.code, "unavailable");
  world.served.instead = undefined;
  const shown = [
    source,
    unavailable,
    await failure(sourceWith({ clientId: "nobody" }).token()),
  ].map((each) => inspect(each, { depth: 9, showHidden: true }) + JSON.stringify(each));
  for (const text of shown) {
    assert.ok(!text.includes(world.secret) && !text.includes(token), text);
    assert.ok(!text.includes(encodeURIComponent(world.secret)));
    assert.ok(!text.includes(Buffer.from(`${world.clientId}:${world.secret}`).toString("base64")));
  }
});

describe("fetch", () => {
  /** @type {Awaited<ReturnType<typeof serve>>} */
  let api;
  /** The tokens and bodies that the API has got. @type {string[][]} */
  let got;
  /** Tokens that the API refuses. @type {Set<string>} */
  const refused = new Set();
  before(async () => {
    const guard = protect({ issuer: world.issuer, audience: "api://orders", roles: "Orders.Read.All" });
    const answer = guard.handler((_, token) => Response.json({ hello: token.client_id }));
    api = await serve(async (request) => {
      const token = request.headers.get("authorization")?.slice("Bearer ".length) ?? "";
      got.push([token, await request.clone().text()]);
      return refused.has(token) || refused.has("all") ? new Response("", { status: 401 }) : answer(request);
    });
  });
  after(() => api?.stop());
  afterEach(() => refused.clear());

  test("brings the token, and leaves the rest as it is", async () => {
    got = [];
    const source = sourceWith();
    const response = await source.fetch(`${api.url}/a`, { method: "POST", body: "text", headers: { "x-a": "b" } });
    assert.deepEqual(await response.json(), { hello: world.clientId });
    const request = new Request(`${api.url}/b`, { method: "POST", body: "more" });
    assert.equal((await source.fetch(request)).status, 200);
    const token = await source.token();
    assert.deepEqual(got, [[token, "text"], [token, "more"]]);
    const { fetch } = source;
    assert.equal((await fetch(new URL(api.url))).status, 200);
  });

  test("sends once more with a fresh token what is answered 401, with its body", async () => {
    got = [];
    const source = sourceWith();
    const first = await source.token();
    refused.add(first);
    assert.equal((await source.fetch(api.url, { method: "POST", body: "text" })).status, 200);
    const second = await source.token();
    assert.deepEqual(got, [[first, "text"], [second, "text"]]);
    refused.add(second);
    got = [];
    const request = new Request(api.url, { method: "POST", body: "more" });
    assert.equal((await source.fetch(request)).status, 200);
    assert.deepEqual(got.map(([, body]) => body), ["more", "more"]);
  });

  test("gets one fresh token for many that are refused at a time", async () => {
    got = [];
    const source = sourceWith();
    refused.add(await source.token());
    world.served.heard.length = 0;
    const responses = await Promise.all(Array.from({ length: 20 }, () => source.fetch(api.url)));
    assert.deepEqual(new Set(responses.map(({ status }) => status)), new Set([200]));
    assert.equal(asked(), 1);
  });

  test("does not go on asking for tokens that do not help", async () => {
    got = [];
    const clock = handClock();
    const source = sourceWith({ clock });
    refused.add("all");
    assert.equal((await source.fetch(api.url)).status, 401);
    assert.equal(asked(), 2);
    for (let call = 0; call < 10; call += 1) assert.equal((await source.fetch(api.url)).status, 401);
    assert.ok(asked() <= 2, `${asked()}`);
    clock.pass(11);
    refused.clear();
    refused.add(await source.token());
    assert.equal((await source.fetch(api.url)).status, 200);
  });

  test("sends a stream once", async () => {
    got = [];
    const source = sourceWith();
    refused.add(await source.token());
    const body = new Blob(["text"]).stream();
    const response = await source.fetch(api.url, /** @type {any} */ ({ method: "POST", body, duplex: "half" }));
    assert.equal(response.status, 401);
    assert.equal(got.length, 1);
    assert.equal((await source.fetch(api.url)).status, 200);
  });

  test("sends the token by https only, or to this machine, and to no origin that is not listed", async () => {
    got = [];
    /** @type {string[]} */
    const sent = [];
    /** @param {any} input @param {RequestInit} [init] */
    const noting = (input, init) => {
      const { href, hostname } = new URL(input?.url ?? input);
      if (hostname === "127.0.0.1") return fetch(input, init);
      sent.push(href);
      return Promise.resolve(new Response("there"));
    };
    const source = sourceWith({ fetch: noting });
    for (const to of ["http://orders.example.com/", new URL("http://orders.example.com/"), "ftp://127.0.0.1/", "/a"]) {
      assert.ok((await failure(source.fetch(to))) instanceof TypeError, `${to}`);
    }
    const request = new Request("http://orders.example.com/");
    assert.match((await failure(source.fetch(request))).message, /not for http:\/\/orders\.example\.com/);
    assert.equal(asked(), 0);
    await source.fetch("https://orders.example.com/");
    assert.deepEqual(sent, ["https://orders.example.com/"]);
    const narrow = sourceWith({ fetch: noting, origins: ["https://orders.example.com", `${api.url}/`] });
    await narrow.fetch("https://orders.example.com:443/b");
    assert.equal((await narrow.fetch(api.url)).status, 200);
    for (const to of ["https://example.com/", "https://orders.example.com:8443/", "https://orders.example.com@x.example/"]) {
      assert.ok((await failure(narrow.fetch(to))) instanceof TypeError, to);
    }
    assert.deepEqual(sent.slice(1), ["https://orders.example.com/b"]);
  });

  test("follows a redirect of GET with the token, and without it to another origin and from there on", async () => {
    got = [];
    /** @type {(string | null)[]} */
    const elsewhere = [];
    const other = await serve(({ url, headers }) => {
      elsewhere.push(`${headers.get("authorization")} ${headers.get("x-a")}`);
      const back = new Headers({ location: api.url });
      return url.endsWith("/back") ? new Response(null, { status: 302, headers: back }) : new Response("other");
    });
    const hop = await serve(({ url, method, headers }) => {
      const { pathname } = new URL(url);
      if (pathname === "/end") return new Response(`${method} ${headers.has("authorization")}`);
      const location = { "/same": "/end", "/other": `${other.url}/`, "/back": `${other.url}/back` }[pathname];
      return new Response(null, { status: 307, headers: { location: location ?? pathname } });
    });
    try {
      const source = sourceWith();
      assert.equal(await (await source.fetch(`${hop.url}/same`)).text(), "GET true");
      const request = new Request(`${hop.url}/other`, { headers: { "x-a": "b" } });
      assert.equal(await (await source.fetch(request)).text(), "other");
      assert.equal((await source.fetch(`${hop.url}/back`)).status, 401);
      assert.deepEqual([...new Set(elsewhere)], ["null b", "null null"]);
      assert.ok(got.every(([token]) => token === ""));
      assert.equal((await source.fetch(`${hop.url}/other`, { method: "POST", body: "a" })).status, 307);
      assert.equal((await source.fetch(`${hop.url}/same`, { redirect: "manual" })).status, 307);
      await assert.rejects(source.fetch(`${hop.url}/same`, { redirect: "error" }));
      assert.match((await failure(source.fetch(`${hop.url}/loop`))).message, /too many redirects/);
    } finally {
      await other.stop();
      await hop.stop();
    }
  });

  test("ends with its signal, while it waits for a token, too", async () => {
    const source = sourceWith({ deadline: 60 });
    failing(Infinity, () => new Response("", { status: 503 }));
    const signal = AbortSignal.timeout(30);
    assert.equal((await failure(source.fetch(api.url, { signal }))).name, "TimeoutError");
    const request = new Request(api.url, { signal: AbortSignal.abort() });
    assert.equal((await failure(source.fetch(request))).name, "AbortError");
  });
});

test("a secret is rotated without a failed request", async () => {
  let secret = world.secret;
  const source = sourceWith({ clientSecret: () => secret });
  await source.token();
  const { clientId, keyId } = world;
  const added = await world.admin.addSecret({ tenant: "demo", clientId });
  source.invalidate();
  await source.token();
  secret = added.secret ?? "";
  await world.admin.removeSecret({ tenant: "demo", clientId, keyId });
  source.invalidate();
  assert.equal((await source.token()).split(".").length, 3);
});

test("time is the system's unless a clock is given", async () => {
  mock.timers.enable({ apis: ["Date"], now: Date.now() });
  try {
    const secret = (await world.admin.addSecret({ tenant: "demo", clientId: world.clientId })).secret ?? "";
    const source = sourceWith({ clientSecret: secret });
    const first = await source.token();
    mock.timers.tick(3_600_000);
    assert.notEqual(await source.token(), first);
  } finally {
    mock.timers.reset();
  }
});
