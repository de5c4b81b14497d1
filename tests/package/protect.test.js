// `edgemint/protect` against a real issuer, in each framework that it has an entry for.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, describe, mock, test } from "node:test";
import { inspect, promisify } from "node:util";
import { protect } from "edgemint/protect";
import { protect as expressGuard } from "edgemint/protect/express";
import { protect as fastifyGuard } from "edgemint/protect/fastify";
import { protect as honoGuard } from "edgemint/protect/hono";
import express from "express";
import Fastify from "fastify";
import { Hono } from "hono";
import { SignJWT, exportJWK, generateKeyPair } from "jose";
import { registerClient, registerLogin, startLogin } from "../sign-in.js";
import { raw, serve, startIssuer } from "./served.js";

const run = promisify(execFile);

/** @type {Awaited<ReturnType<typeof startIssuer>>} */
let world;
/** @type {string} */
let token;
const audience = "api://orders";

before(async () => {
  world = await startIssuer();
  token = await world.token();
});
after(() => world?.stop());

/** @param {string} text */
const part = (text) => Buffer.from(text).toString("base64url");

/** A request of an API. @param {string} [authorization] */
const incoming = (authorization) =>
  new Request("https://orders.example.com/orders", {
    headers: authorization === undefined ? {} : { authorization },
  });

/** The refusal of a token, or its claims. @param {(request: Request) => Promise<any>} guard @param {string} [text] */
const outcome = (guard, text) =>
  guard(incoming(text === undefined ? undefined : `Bearer ${text}`)).catch((error) => error);

/** Makes time pass, for the issuer and the guard alike. @param {() => Promise<void>} act */
async function withClock(act) {
  mock.timers.enable({ apis: ["Date"], now: Date.now() });
  try {
    await act();
  } finally {
    mock.timers.reset();
  }
}

/** @typedef {(path: string, headers?: [string, string][], more?: { method?: string, body?: string }) => ReturnType<typeof raw>} Call */

/** The same API in each framework: GET asks for one role, POST for another; `/hello` for none. */
const FRAMEWORKS = {
  /** @returns {Promise<{ call: Call, stop(): unknown }>} */
  async "a fetch handler"() {
    const guard = protect({ issuer: world.issuer, audience });
    const hello = guard.handler((_, token) => Response.json({ hello: token.client_id }));
    const read = guard.with({ roles: "Orders.Read.All" }).handler(() => Response.json("read"));
    const write = guard.with({ roles: "Orders.Write.All" }).handler(() => Response.json("written"));
    const served = await serve((request) => {
      if (new URL(request.url).pathname === "/hello") return hello(request);
      return request.method === "POST" ? write(request) : read(request);
    });
    // Node shows a handler the first of several headers only: this one is called with all of them.
    const call = /** @type {Call} */ (async (path, headers = [], { method, body } = {}) => {
      const all = new Headers();
      for (const [name, value] of headers) all.append(name, value);
      const request = new Request(new URL(path, served.url), { method, headers: all, body });
      const { pathname } = new URL(request.url);
      const chosen = pathname === "/hello" ? hello : method === "POST" ? write : read;
      const response = await chosen(request);
      return {
        status: response.status,
        headers: Object.fromEntries(response.headers),
        text: await response.text(),
      };
    });
    return { call, stop: () => served.stop() };
  },
  async Hono() {
    const guard = honoGuard({ issuer: world.issuer, audience });
    const app = new Hono()
      .get("/hello", guard, (c) => c.json({ hello: c.get("token").client_id }))
      .get("/orders", guard.with({ roles: "Orders.Read.All" }), (c) => c.json("read"))
      .post("/orders", guard.with({ roles: "Orders.Write.All" }), (c) => c.json("written"));
    const call = /** @type {Call} */ (async (path, headers = [], more) => {
      const all = new Headers();
      for (const [name, value] of headers) all.append(name, value);
      const response = await app.request(path, { headers: all, ...more });
      return {
        status: response.status,
        headers: Object.fromEntries(response.headers),
        text: await response.text(),
      };
    });
    return { call, stop() {} };
  },
  async Express() {
    const guard = expressGuard({ issuer: world.issuer, audience });
    const app = express();
    app.get("/hello", guard, (request, response) => {
      response.json({ hello: guard.token(request).client_id });
    });
    app.get("/orders", guard.with({ roles: "Orders.Read.All" }), (_, response) => {
      response.json("read");
    });
    app.post("/orders", guard.with({ roles: "Orders.Write.All" }), (_, response) => {
      response.json("written");
    });
    const server = createServer(app).listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
    const call = /** @type {Call} */ ((path, headers, more) =>
      raw(`http://127.0.0.1:${port}${path}`, headers, more));
    return { call, stop: () => server.close() };
  },
  async Fastify() {
    const guard = fastifyGuard({ issuer: world.issuer, audience });
    const app = Fastify();
    app.get("/hello", { onRequest: guard }, async (request) => ({
      hello: guard.token(request).client_id,
    }));
    app.get("/orders", { onRequest: guard.with({ roles: "Orders.Read.All" }) }, async () => '"read"');
    app.post("/orders", { onRequest: guard.with({ roles: "Orders.Write.All" }) }, async () => '"written"');
    app.addContentTypeParser("*", (_, payload, done) => void payload.resume().on("end", () => done(null)));
    const url = await app.listen({ port: 0, host: "127.0.0.1" });
    const call = /** @type {Call} */ ((path, headers, more) => raw(`${url}${path}`, headers, more));
    return { call, stop: () => app.close() };
  },
};

for (const [name, start] of Object.entries(FRAMEWORKS)) {
  describe(name, () => {
    /** @type {{ call: Call, stop(): unknown }} */
    let api;
    before(async () => {
      api = await start();
    });
    after(() => api?.stop());

    /** @param {string} text @returns {[string, string]} */
    const authorization = (text) => ["authorization", text];

    test("r46_without_credentials: 401 with a bare challenge and nothing said of an error", async () => {
      for (const headers of [[], [authorization("Basic YTpi")], [authorization("DPoP x")]]) {
        const { status, headers: answered, text } = await api.call("/orders", headers);
        assert.deepEqual([status, answered["www-authenticate"], text], [401, "Bearer", "{}"]);
        assert.equal(answered["cache-control"], "no-store");
      }
    });

    test("r46_bad_token: 401 invalid_token", async () => {
      const [header, claims, signature] = token.split(".");
      const none = `${part('{"alg":"none","typ":"at+jwt"}')}.${claims}.`;
      for (const bad of ["x", "a.b.c", `${header}.${claims}.AAAA${signature.slice(4)}`, none]) {
        const { status, headers, text } = await api.call("/orders", [authorization(`Bearer ${bad}`)]);
        assert.deepEqual([status, headers["www-authenticate"]], [401, 'Bearer error="invalid_token"']);
        assert.deepEqual(JSON.parse(text), { error: "invalid_token" });
      }
    });

    test("r46_missing_role: 403 insufficient_scope that names the role", async () => {
      const given = [authorization(`Bearer ${token}`)];
      const { status, headers } = await api.call("/orders", given, { method: "POST" });
      const challenge = 'Bearer error="insufficient_scope", scope="api://orders/Orders.Write.All"';
      assert.deepEqual([status, headers["www-authenticate"]], [403, challenge]);
    });

    test("r46_the_role_is_there: the request is let through, however the scheme is written", async () => {
      for (const scheme of ["Bearer", "bearer", "BEARER"]) {
        const { status, text } = await api.call("/orders", [authorization(`${scheme} ${token}`)]);
        assert.deepEqual([status, text], [200, '"read"']);
      }
      const { text } = await api.call("/hello", [authorization(`Bearer  ${token} `)]);
      assert.deepEqual(JSON.parse(text), { hello: world.clientId });
    });

    test("r46_two_headers: 400 invalid_request, whichever comes first", async () => {
      const good = authorization(`Bearer ${token}`);
      for (const other of [good, authorization("Bearer x"), ["Authorization", "Bearer y"]]) {
        for (const headers of [[good, other], [other, good]]) {
          const twice = /** @type {[string, string][]} */ (headers);
          const { status, headers: answered } = await api.call("/orders", twice);
          assert.deepEqual([status, answered["www-authenticate"]], [400, 'Bearer error="invalid_request"']);
        }
      }
      const empty = await api.call("/orders", [authorization("Bearer")]);
      assert.deepEqual([empty.status, empty.headers["www-authenticate"]], [400, 'Bearer error="invalid_request"']);
      const { status } = await api.call("/orders", [authorization(`Bearer ${token} ${token}`)]);
      assert.equal(status, 400);
    });

    test("a token in the URL or in the body is never read", async () => {
      const form = ["content-type", "application/x-www-form-urlencoded"];
      const asked = await api.call(`/orders?access_token=${token}`);
      assert.deepEqual([asked.status, asked.headers["www-authenticate"]], [401, "Bearer"]);
      const posted = await api.call("/orders", [/** @type {[string, string]} */ (form)], {
        method: "POST",
        body: `access_token=${token}`,
      });
      assert.deepEqual([posted.status, posted.headers["www-authenticate"]], [401, "Bearer"]);
    });

    test("keys that cannot be had: 503 with Retry-After, not 401", async () => {
      world.served.instead = () => "hang up";
      const fresh = await start();
      try {
        const { status, headers, text } = await fresh.call("/orders", [authorization(`Bearer ${token}`)]);
        assert.deepEqual([status, headers["retry-after"], headers["www-authenticate"]], [503, "5", undefined]);
        assert.deepEqual(JSON.parse(text), { error: "temporarily_unavailable" });
      } finally {
        world.served.instead = undefined;
        await fresh.stop();
      }
    });
  });
}

describe("a token of the issuer", () => {
  test("is told as claims, with the client and the roles", async () => {
    const claims = await outcome(protect({ issuer: world.issuer, audience }), token);
    const { iss, aud, sub, client_id, roles, scopes, tid, exp, iat } = claims;
    assert.deepEqual({ iss, aud, sub }, { iss: world.issuer, aud: audience, sub: world.clientId });
    assert.deepEqual({ client_id, roles, scopes }, { client_id: sub, roles: ["Orders.Read.All"], scopes: [] });
    assert.match(tid, /^[0-9a-f-]{36}$/);
    assert.equal(exp - iat, 3600);
  });

  test("of another tenant, or for another API, is refused", async () => {
    await world.admin.createTenant({ tenant: "other" });
    await world.admin.createApi({ tenant: "other", identifier: audience });
    const { clientId } = await world.admin.createApplication({ tenant: "other" });
    const { secret = "" } = await world.admin.addSecret({ tenant: "other", clientId });
    const theirs = await world.token({ client_id: clientId, client_secret: secret }, "/other/oauth2/token");
    const guard = protect({ issuer: world.issuer, audience });
    assert.equal((await outcome(guard, theirs)).code, "invalid_token");
    // With its keys at hand, too: the issuer counts.
    const jwksUri = `${world.served.url}/other/.well-known/jwks.json`;
    assert.match(
      (await outcome(protect({ issuer: world.issuer, jwksUri, audience }), theirs)).message,
      /iss/,
    );
    const elsewhere = protect({ issuer: world.issuer, audience: "api://bills" });
    assert.match((await outcome(elsewhere, token)).message, /aud/);
    const several = protect({ issuer: world.issuer, audience: ["api://bills", audience] });
    assert.equal((await outcome(several, token)).sub, world.clientId);
  });

  test("is refused when it has expired and before it begins, but for the tolerance", () =>
    withClock(async () => {
      const guard = protect({ issuer: world.issuer, audience });
      const exact = protect({ issuer: world.issuer, audience, clockTolerance: 0 });
      await world.admin.updateApi({ tenant: "demo", identifier: audience, accessTokenLifetime: 60 });
      const short = await world.token();
      await world.admin.updateApi({ tenant: "demo", identifier: audience, accessTokenLifetime: null });
      mock.timers.tick(62_000);
      assert.equal((await outcome(guard, short)).sub, world.clientId);
      assert.match((await outcome(exact, short)).message, /exp/);
      mock.timers.tick(5_000);
      assert.equal((await outcome(guard, short)).code, "invalid_token");
      mock.timers.tick(60_000);
      const early = await world.token();
      mock.timers.setTime(Date.now() - 30_000);
      assert.match((await outcome(guard, early)).message, /nbf/);
    }));

  test("has every algorithm that edgemint signs with, and no other that the API has not asked for", async () => {
    for (const algorithm of /** @type {const} */ (["EdDSA", "RS256"])) {
      const tenant = algorithm.toLowerCase();
      await world.admin.createTenant({ tenant, algorithm });
      await world.admin.createApi({ tenant, identifier: audience });
      const { clientId } = await world.admin.createApplication({ tenant });
      const { secret = "" } = await world.admin.addSecret({ tenant, clientId });
      const path = `/${tenant}/oauth2/token`;
      const signed = await world.token({ client_id: clientId, client_secret: secret }, path);
      const options = { issuer: `${world.served.url}/${tenant}`, audience };
      assert.equal((await outcome(protect(options), signed)).client_id, clientId, algorithm);
      const narrow = protect({ ...options, algorithms: ["ES256"] });
      assert.equal((await outcome(narrow, signed)).code, "invalid_token", algorithm);
    }
  });

  test("of Entra's dialect is for a guard of that dialect only", async () => {
    const tenant = "entra";
    const { id } = await world.admin.createTenant({ tenant, entra: true });
    const appId = "11111111-2222-4333-8444-555555555555";
    const roles = [{ value: "Orders.Read.All" }];
    await world.admin.createApi({ tenant, identifier: audience, roles, appId });
    const { clientId } = await world.admin.createApplication({ tenant });
    const { secret = "" } = await world.admin.addSecret({ tenant, clientId });
    await world.admin.assignRoles({ tenant, clientId, api: audience, roles: ["Orders.Read.All"] });
    const path = `/${tenant}/oauth2/v2.0/token`;
    const signed = await world.token({ client_id: clientId, client_secret: secret }, path);
    const options = { issuer: `${world.served.url}/${id}/v2.0`, audience: [audience, appId] };
    const guard = protect({ ...options, dialect: "entra", roles: "Orders.Read.All" });
    const { client_id, roles: held } = await outcome(guard, signed);
    assert.deepEqual([client_id, held], [clientId, ["Orders.Read.All"]]);
    assert.match((await outcome(protect(options), signed)).message, /typ/);
    const refused = await outcome(guard.with({ roles: "Orders.Write.All" }), signed);
    assert.match(refused.headers["www-authenticate"], /scope="api:\/\/orders\/Orders\.Write\.All"/);
  });
});

describe("what a route asks for", () => {
  /** @param {import("edgemint/protect").Requirement} requirement */
  const asked = async (requirement) =>
    (await outcome(protect({ issuer: world.issuer, audience, ...requirement }), token)).code ?? "let through";

  test("is every role of a list, or any", async () => {
    const [read, write] = ["Orders.Read.All", "Orders.Write.All"];
    assert.equal(await asked({ roles: [read] }), "let through");
    assert.equal(await asked({ roles: [read, write] }), "insufficient_scope");
    assert.equal(await asked({ roles: { all: [read, write] } }), "insufficient_scope");
    assert.equal(await asked({ roles: { any: [read, write] } }), "let through");
    assert.equal(await asked({ roles: `${audience}/${read}` }), "let through");
    assert.equal(await asked({ roles: "Orders.Read" }), "insufficient_scope");
  });

  test("is what the guard asks for and what `with` adds", async () => {
    const guard = protect({ issuer: world.issuer, audience, roles: "Orders.Write.All" });
    const refused = await outcome(guard.with({ roles: "Orders.Read.All" }), token);
    assert.match(refused.headers["www-authenticate"], /Orders\.Write\.All/);
  });

  test("is no user's consent if an application's token happens to name it", async () => {
    assert.equal(await asked({ scopes: "Orders.Read.All" }), "insufficient_scope");
    assert.equal(await asked({ roles: "Orders.Read.All", scopes: "Orders.Read.All" }), "let through");
  });
});

describe("a token of a user's session", () => {
  /** @type {import("../sign-in.js").Client} */
  let login;
  /** @type {import("../sign-in.js").Client} */
  let client;
  /** @type {string} */
  let issued;
  /** @type {string} */
  let issuer;
  const tenant = "users";
  before(async () => {
    login = await registerLogin(world.admin, tenant);
    client = await registerClient(world.admin, {}, "confidential", tenant);
    issuer = `${world.served.url}/${tenant}`;
    const users = await startLogin(new URL(world.served.url), login, tenant);
    issued = (await users.signIn(client, "ada")).access_token;
  });

  test("has scopes and no roles", async () => {
    const guard = protect({ issuer, audience });
    const { sub, client_id, roles, scopes, sid } = await outcome(guard, issued);
    assert.deepEqual([sub, client_id], ["ada", client.clientId]);
    assert.deepEqual([roles, scopes], [[], ["Orders.Read", "Orders.Write"]]);
    assert.equal(typeof sid, "string");
    assert.equal((await outcome(guard.with({ scopes: "Orders.Read" }), issued)).sub, "ada");
    assert.equal((await outcome(guard.with({ roles: "Orders.Read" }), issued)).code, "insufficient_scope");
    const either = guard.with({ roles: "Orders.Read.All", scopes: "Orders.Delete" });
    const refused = await outcome(either, issued);
    assert.match(refused.headers["www-authenticate"], /scope="api:\/\/orders\/Orders\.Delete"$/);
  });

  test("is refused once it is revoked, where the API introspects", () => withClock(async () => {
    const { clientId } = await world.admin.createApplication({ tenant, introspects: [audience] });
    const { secret = "" } = await world.admin.addSecret({ tenant, clientId });
    const introspection = { clientId, clientSecret: async () => secret, cacheTtl: 0 };
    const guard = protect({ issuer, audience, introspection });
    const remembering = protect({ issuer, audience, introspection: { ...introspection, cacheTtl: 5 } });
    const plain = protect({ issuer, audience });
    for (const each of [guard, remembering, plain]) assert.equal((await outcome(each, issued)).sub, "ada");

    world.served.heard.length = 0;
    await Promise.all(Array.from({ length: 20 }, () => outcome(remembering, issued)));
    assert.deepEqual(world.served.heard, []);
    await world.sessions.endUser({ tenant, subject: "ada" });
    const ended = await outcome(guard, issued);
    assert.equal(ended.code, "invalid_token");
    const reason = `the token is not active: it is revoked or has ended, or ${clientId} may not introspect this API`;
    assert.equal(ended.message, reason);
    assert.equal((await outcome(plain, issued)).sub, "ada");
    assert.equal((await outcome(remembering, issued)).sub, "ada");
    mock.timers.tick(5_001);
    assert.equal((await outcome(remembering, issued)).code, "invalid_token");
  }));

  test("is 503 if introspection has no answer, or refuses the API, and nothing of that is remembered", async () => {
    const { clientId } = await world.admin.createApplication({ tenant, introspects: [audience] });
    const { secret = "" } = await world.admin.addSecret({ tenant, clientId });
    const users = await startLogin(new URL(world.served.url), login, tenant);
    const { access_token } = await users.signIn(client, "bob");
    const wrong = protect({ issuer, audience, introspection: { clientId, clientSecret: "wrong" } });
    const unknown = await outcome(wrong, access_token);
    assert.equal(unknown.code, "unavailable");
    assert.match(unknown.message, /invalid_client.*introspection\.clientSecret/);
    assert.ok(!inspect(unknown, { depth: 9 }).includes(access_token));
    const guard = protect({ issuer, audience, introspection: { clientId, clientSecret: secret } });
    world.served.instead = ({ url }) => (url.endsWith("introspect") ? "hang up" : undefined);
    try {
      const error = await outcome(guard, access_token);
      assert.equal(error.code, "unavailable");
      assert.ok(!inspect(error, { depth: 9 }).includes(secret));
    } finally {
      world.served.instead = undefined;
    }
    assert.equal((await outcome(guard, access_token)).sub, "bob");
  });
});

describe("an attacker who knows the public key, and an issuer that signs anything", () => {
  /** @type {Awaited<ReturnType<typeof serve>>} */
  let issuer;
  /** @type {CryptoKey} */
  let privateKey;
  /** @type {import("jose").JWK} */
  let jwk;
  /** @type {(request: Request) => Promise<any>} */
  let guard;
  /** Whether the metadata tells the truth. */
  let metadata = {};
  before(async () => {
    const pair = await generateKeyPair("ES256", { extractable: true });
    privateKey = pair.privateKey;
    jwk = { ...(await exportJWK(pair.publicKey)), kid: "one", alg: "ES256", use: "sig" };
    issuer = await serve(({ url }) =>
      url.endsWith("/keys")
        ? Response.json({ keys: [jwk] })
        : Response.json({ issuer: issuer.url, jwks_uri: `${issuer.url}/keys`, ...metadata }),
    );
    guard = protect({ issuer: issuer.url, audience });
  });
  after(() => issuer?.stop());

  /** @param {object} [header] @param {object} [claims] @param {CryptoKey | Uint8Array} [key] */
  function sign(header, claims, key = privateKey) {
    const now = Math.floor(Date.now() / 1000);
    const { url: iss } = issuer;
    const all = { iss, aud: audience, sub: "a", client_id: "a", jti: "1", iat: now, exp: now + 60, ...claims };
    return new SignJWT(all)
      .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid: "one", ...header })
      .sign(key);
  }

  test("signs what is let through, so that what is refused below is for its own reason", async () => {
    assert.equal((await outcome(guard, await sign())).sub, "a");
    assert.equal((await outcome(guard, await sign({ typ: "application/at+jwt" }))).sub, "a");
    assert.equal((await outcome(guard, await sign({}, { aud: ["x", audience] }))).sub, "a");
  });

  test("gets nothing by the header", async () => {
    const [, claims, signature] = (await sign()).split(".");
    const pair = await generateKeyPair("ES256", { extractable: true });
    const other = pair.privateKey;
    const rsa = (await generateKeyPair("RS256")).privateKey;
    const header = (/** @type {object} */ more) =>
      part(JSON.stringify({ typ: "at+jwt", kid: "one", alg: "ES256", ...more }));
    /** The public key as the secret of a HMAC. @param {string} key */
    const hmac = (key) => {
      const input = `${header({ alg: "HS256" })}.${claims}`;
      return `${input}.${createHmac("sha256", key).update(input).digest("base64url")}`;
    };
    const attacks = {
      "no algorithm": `${header({ alg: "none" })}.${claims}.`,
      "no algorithm, in other letters": `${header({ alg: "nOnE" })}.${claims}.`,
      "no signature": `${header({})}.${claims}.`,
      "HS256 with the public key": hmac(JSON.stringify(jwk)),
      "HS256 with its x": hmac(`${jwk.x}`),
      "an empty HS256 secret": hmac(""),
      "another key": await sign({}, {}, other),
      "another key in the header": await sign({ jwk: await exportJWK(pair.publicKey) }, {}, pair.privateKey),
      "keys elsewhere": await sign({ jku: "https://attacker.example/keys" }, {}, other),
      "another algorithm": await sign({ alg: "RS256" }, {}, rsa),
      "the signature of another token": `${header({})}.${part("{}")}.${signature}`,
      "a zero signature": `${header({})}.${claims}.${part("\0".repeat(64))}`,
      "an extension that is not known": `${header({ crit: ["x"], x: 1 })}.${claims}.${signature}`,
      "no type": await sign({ typ: undefined }),
      "an ID token's type": await sign({ typ: "JWT" }),
      "a kid of a prototype": await sign({ kid: "__proto__" }, {}, other),
    };
    for (const [name, attack] of Object.entries(attacks)) {
      assert.equal((await outcome(guard, attack)).code, "invalid_token", name);
    }
  });

  test("gets nothing by the claims", () => withClock(async () => {
    // The clock stands: a second that passed would bring `nbf` within the tolerance of five.
    const now = Math.floor(Date.now() / 1000);
    for (const claims of [
      { exp: undefined },
      { exp: "9999999999" },
      { exp: now - 6 },
      { nbf: now + 6 },
      { iss: `${issuer.url}/` },
      { iss: undefined },
      { aud: undefined },
      { aud: `${audience}/` },
      { aud: [] },
      { sub: undefined },
      { jti: undefined },
      { client_id: undefined },
      { client_id: 1 },
    ]) {
      assert.equal((await outcome(guard, await sign({}, claims))).code, "invalid_token", JSON.stringify(claims));
    }
    const odd = await sign({}, { roles: "Orders.Read.All", scope: ["Orders.Read"] });
    const { roles, scopes } = await outcome(guard, odd);
    assert.deepEqual([roles, scopes], [[], []]);
  }));

  test("gets nothing by a token that is bound to a key, as if it were a bearer token", async () => {
    for (const cnf of [{ "x5t#S256": "abc" }, { jkt: "abc" }, {}, null]) {
      const refused = await outcome(guard, await sign({}, { cnf }));
      assert.equal(refused.code, "invalid_token");
      assert.match(refused.message, /cnf/);
    }
  });

  test("gets nothing by a role or scope of one API in a token for another", async () => {
    const audiences = ["api://a", "api://b", "api://a/eu"];
    /** @param {import("edgemint/protect").Requirement} requirement @param {object} claims */
    const asked = async (requirement, claims) => {
      const several = protect({ issuer: issuer.url, audience: audiences, ...requirement });
      return (await outcome(several, await sign({}, claims))).code ?? "let through";
    };
    const roles = ["Write"];
    for (const [aud, full, answer] of [
      ["api://a", "api://a/Write", "let through"],
      ["api://b", "api://a/Write", "insufficient_scope"],
      ["api://a", "api://a/eu/Write", "insufficient_scope"],
      ["api://a/eu", "api://a/Write", "insufficient_scope"],
      ["api://a/eu", "api://a/eu/Write", "let through"],
      ["api://b", "Write", "let through"],
    ]) {
      assert.equal(await asked({ roles: full }, { aud, roles }), answer, `${full} of ${aud}`);
      assert.equal(await asked({ roles: { any: [full, "No"] } }, { aud, roles }), answer);
      assert.equal(await asked({ scopes: full }, { aud, scope: "Write" }), answer);
      assert.equal(await asked({ scopes: full }, { aud, scope: `${aud}/Write` }), answer);
    }
    const both = { aud: ["api://a", "api://b"], scope: "api://a/read api://b/write" };
    assert.equal(await asked({ scopes: "api://a/read" }, both), "let through");
    assert.equal(await asked({ scopes: "api://b/read" }, both), "insufficient_scope");
    assert.equal(await asked({ scopes: ["read", "write"] }, both), "let through");
    assert.equal(await asked({ scopes: "read" }, { aud: "api://b", scope: "api://a/read" }), "insufficient_scope");
    const strict = protect({ issuer: issuer.url, audience: audiences, roles: "api://b/Write" });
    const refused = await outcome(strict, await sign({}, { aud: "api://a", roles }));
    assert.match(refused.headers["www-authenticate"], /scope="api:\/\/b\/Write"/);
  });

  test("gets 401 for whatever text it sends, and never 503", async () => {
    await outcome(guard, await sign());
    const good = await sign();
    for (let round = 0; round < 300; round += 1) {
      const at = Math.floor(Math.random() * good.length);
      const one = "AZaz09-_.~+/="[Math.floor(Math.random() * 13)];
      const junk = round % 3 === 0 ? good.slice(0, at) : good.slice(0, at) + one + good.slice(at + 1);
      if (junk === good || junk === "") continue;
      const result = await outcome(guard, junk);
      // The last character of a signature has bits that do not count.
      if (result.code === undefined) assert.ok(at >= good.length - 1, junk);
      else assert.ok(["invalid_token", "invalid_request"].includes(result.code), `${junk} ${result.code}`);
    }
  });

  test("gets a header of 20 kB refused before anything is read of it", async () => {
    assert.match((await outcome(guard, "a".repeat(20_000))).message, /too long/);
  });

  test("cannot make the API ask for keys in a storm of made-up key ids", () => withClock(async () => {
    const fresh = protect({ issuer: issuer.url, audience });
    await outcome(fresh, await sign());
    issuer.heard.length = 0;
    for (let round = 0; round < 5; round += 1) {
      const storm = Array.from({ length: 40 }, async (_, index) =>
        outcome(fresh, await sign({ kid: `made-up-${round}-${index}` })),
      );
      for (const { code } of await Promise.all(storm)) assert.equal(code, "invalid_token");
    }
    assert.deepEqual(issuer.heard, []);
    mock.timers.tick(10_001);
    const storm = Array.from({ length: 40 }, async (_, index) =>
      outcome(fresh, await sign({ kid: `new-${index}` })),
    );
    await Promise.all(storm);
    assert.deepEqual(issuer.heard, ["/keys"]);
  }));

  test("cannot speak for another issuer, nor send the API elsewhere for keys, by its metadata", async () => {
    const lies = [{ issuer: "https://other.example" }, { jwks_uri: "http://keys.example/" }, { jwks_uri: 1 }];
    for (const lie of lies) {
      metadata = lie;
      const fresh = protect({ issuer: issuer.url, audience });
      const error = await outcome(fresh, await sign());
      assert.equal(error.code, "unavailable", JSON.stringify(lie));
      assert.match(error.message, /says that it is of https:\/\/other|has no usable jwks_uri/);
    }
    metadata = {};
  });
});

describe("the issuer's keys", () => {
  test("are read once, whoever comes at the same time, and by the issuer's metadata", async () => {
    world.served.heard.length = 0;
    const guard = protect({ issuer: world.issuer, audience });
    const strict = guard.with({ roles: "Orders.Read.All" });
    await Promise.all(Array.from({ length: 50 }, () => outcome(strict, token)));
    await outcome(guard, token);
    const expected = ["/.well-known/oauth-authorization-server/demo", "/demo/.well-known/jwks.json"];
    assert.deepEqual(world.served.heard, expected);
  });

  test("that are new are found while the API serves, and one that was removed is gone in five minutes", () =>
    withClock(async () => {
      const world = await startIssuer();
      const guard = protect({ issuer: world.issuer, audience });
      const old = await world.token();
      assert.equal((await outcome(guard, old)).sub, world.clientId);
      mock.timers.tick(11_000);
      await world.admin.rotateKey({ tenant: "demo", starts: 0 });
      const rotated = await world.token();
      const { items } = await world.admin.listKeys({ tenant: "demo" });
      const first = items.find(({ state }) => state === "retired") ?? assert.fail("no key is retired");
      assert.equal((await outcome(guard, rotated)).sub, world.clientId);
      assert.equal((await outcome(guard, old)).sub, world.clientId);
      await world.admin.removeKey({ tenant: "demo", kid: first.kid });
      mock.timers.tick(300_001);
      assert.equal((await outcome(guard, old)).code, "invalid_token");
      assert.equal((await outcome(guard, rotated)).sub, world.clientId);
      await world.stop();
    }));

  test("serve for an hour while the issuer is down, and an issuer that is down is left alone for a while", () =>
    withClock(async () => {
      const world = await startIssuer();
      const token = await world.token();
      const guard = protect({ issuer: world.issuer, audience, clockTolerance: 300 });
      await outcome(guard, token);
      world.served.instead = () => new Response("down", { status: 500 });
      try {
        world.served.heard.length = 0;
        mock.timers.tick(301_000);
        for (let call = 0; call < 20; call += 1) {
          assert.equal((await outcome(guard, token)).sub, world.clientId);
        }
        assert.equal(world.served.heard.length, 1);
        mock.timers.tick(3_000_000);
        assert.equal((await outcome(guard, token)).sub, world.clientId);
        mock.timers.tick(299_001);
        world.served.heard.length = 0;
        for (let call = 0; call < 20; call += 1) {
          assert.equal((await outcome(guard, token)).code, "unavailable");
        }
        assert.equal(world.served.heard.length, 1);
        world.served.instead = undefined;
        mock.timers.tick(5_000);
        assert.equal((await outcome(guard, token)).sub, world.clientId);
      } finally {
        await world.stop();
      }
    }));

  test("may be where the API says, or come from the issuer in the same process", async () => {
    const jwksUri = `${world.issuer}/.well-known/jwks.json`;
    world.served.heard.length = 0;
    const given = protect({ issuer: world.issuer, audience, jwksUri });
    assert.equal((await outcome(given, token)).sub, world.clientId);
    assert.deepEqual(world.served.heard, ["/demo/.well-known/jwks.json"]);
    /** @type {string[]} */
    const asked = [];
    const own = protect({
      issuer: world.issuer,
      audience,
      fetch: (url, init) => (asked.push(url), fetch(url, init)),
    });
    assert.equal((await outcome(own, token)).sub, world.clientId);
    assert.equal(asked.length, 2);
  });
});

test("an issuer that is one but for a slash, or cannot be reached, is told as the reason", async () => {
  const { code, message } = await outcome(protect({ issuer: `${world.issuer}/`, audience }), token);
  assert.equal(code, "unavailable");
  const [expected, got] = [`${world.issuer}/`, world.issuer];
  assert.ok(message.endsWith(`the metadata of ${expected} says that it is of ${got}: give \`issuer\` without the / at the end`), message);
  const cause = Object.assign(new Error("self-signed certificate"), { code: "DEPTH_ZERO_SELF_SIGNED_CERT" });
  const failing = async () => Promise.reject(new TypeError("fetch failed", { cause }));
  const refused = await outcome(protect({ issuer: world.issuer, audience, fetch: failing }), token);
  assert.match(refused.message, /fetch failed \(DEPTH_ZERO_SELF_SIGNED_CERT\)$/);
});

test("the operator hears why a request was refused, and the caller does not", async () => {
  /** @type {[string, string, string][]} */
  const heard = [];
  const guard = protect({
    issuer: world.issuer,
    audience: "api://bills",
    onRefusal: ({ code, message }, { url }) => heard.push([code, message, url]),
  });
  const response = await guard.handler(() => new Response())(incoming(`Bearer ${token}`));
  assert.deepEqual(await response.json(), { error: "invalid_token" });
  assert.equal(heard.length, 1);
  assert.match(heard[0].join(" "), /^invalid_token .*aud.* https:\/\/orders\.example\.com\/orders$/);
  const error = await outcome(guard, token);
  assert.ok(!inspect(error, { depth: 9 }).includes(token));
});

test("a handler gets what the platform passes, and its own errors are its own", async () => {
  const guard = protect({ issuer: world.issuer, audience });
  const handler = guard.handler((request, token, env, context) =>
    Response.json([request.url, token.sub, env, context]),
  );
  const response = await /** @type {any} */ (handler)(incoming(`Bearer ${token}`), "env", "context");
  assert.deepEqual(await response.json(), ["https://orders.example.com/orders", world.clientId, "env", "context"]);
  const failing = guard.handler(() => {
    throw new TypeError("mine");
  });
  await assert.rejects(failing(incoming(`Bearer ${token}`)), /mine/);
  assert.equal((await guard.verify(token)).sub, world.clientId);
  await assert.rejects(guard.verify("x"), { name: "ProtectError", code: "invalid_token", status: 401 });
});

test("a route that was left open does not work", () => {
  assert.throws(() => expressGuard({ issuer: world.issuer, audience }).token({}), /no guard/);
});

test("a guard tells what it has let through, and not what others have set on the request", async () => {
  const auth = /** @type {any} */ ({ sub: "basic", roles: ["Admin"] });
  const given = { headers: { authorization: `Bearer ${token}` } };
  for (const make of [expressGuard, fastifyGuard]) {
    /** @type {any} */
    const guard = make({ issuer: world.issuer, audience });
    const [read, other] = [guard.with({ roles: "Orders.Read.All" }), guard.with({ roles: "Orders.Read.All" })];
    assert.throws(() => guard.token({ auth }), /no guard/);
    /** @type {any} */
    const request = { ...given, rawHeaders: [], raw: given };
    await read(request, {}, () => {});
    request.auth = auth;
    assert.equal(guard.token(request).sub, world.clientId);
    assert.equal(read.token(request).sub, world.clientId);
    for (const stranger of [other, make({ issuer: world.issuer, audience })]) {
      assert.throws(() => stranger.token(request), /no guard/);
    }
  }
});

test("options that would protect nothing are refused at once", () => {
  const good = { issuer: world.issuer, audience };
  for (const options of [
    undefined,
    {},
    { ...good, issuer: "auth.example.com" },
    { ...good, issuer: "http://auth.example.com/contoso" },
    { ...good, jwksUri: "http://auth.example.com/keys" },
    { ...good, audience: "" },
    { ...good, audience: [] },
    { ...good, audience: undefined },
    { ...good, roles: [] },
    { ...good, roles: "" },
    { ...good, roles: null },
    { ...good, roles: { any: [] } },
    { ...good, roles: { some: ["a"] } },
    { ...good, roles: ["a b"] },
    { ...good, roles: 'a"' },
    { ...good, scopes: [] },
    { ...good, algorithms: [] },
    { ...good, algorithms: ["HS256"] },
    { ...good, algorithms: ["none"] },
    { ...good, dialect: "toString" },
    { ...good, clockTolerance: -1 },
    { ...good, clockTolerance: Number.NaN },
    { ...good, introspection: {} },
    { ...good, introspection: { clientId: "a", clientSecret: "b", cacheTtl: -1 } },
  ]) {
    const expected = { name: "EdgemintError", code: "invalid_options" };
    assert.throws(() => protect(/** @type {any} */ (options)), expected, JSON.stringify(options));
  }
  assert.throws(() => protect(good).with({ roles: [] }), { code: "invalid_options" });
});

test("a misspelled option lets nobody through, whatever the framework", () => {
  const good = { issuer: world.issuer, audience };
  const introspection = { clientId: "a", clientSecret: "b" };
  for (const make of /** @type {any[]} */ ([protect, honoGuard, expressGuard, fastifyGuard])) {
    const guard = make(good);
    for (const [options, message] of /** @type {[object, RegExp][]} */ ([
      [{ role: "A" }, /^unknown option `role`; did you mean `roles`\?$/],
      [{ scope: "A" }, /did you mean `scopes`/],
      [{ introspetion: introspection }, /did you mean `introspection`/],
      [{ clockTollerance: 1 }, /did you mean `clockTolerance`/],
      [{ JWKSURI: "https://a.example" }, /did you mean `jwksUri`/],
      [{ zzz: undefined }, /^unknown option `zzz`; known are issuer, audience, /],
      [{ introspection: { ...introspection, cacheTTL: 1 } }, /`introspection.cacheTTL`; did you mean `introspection.cacheTtl`/],
      [{ introspection: "a" }, /introspection is not an object/],
      [{ roles: { any: ["A"], al: ["B"] } }, /`roles.al`; did you mean `roles.all`/],
      [{ onRefusal: {} }, /onRefusal is a function/],
      [{ fetch: "https://a.example" }, /fetch is a function/],
    ])) {
      const expected = { name: "EdgemintError", code: "invalid_options", message };
      assert.throws(() => make({ ...good, ...options }), expected, JSON.stringify(options));
    }
    for (const [requirement, message] of /** @type {[unknown, RegExp][]} */ ([
      [{ role: "A" }, /^unknown option `role`; did you mean `roles`\?$/],
      [{ roles: "A", scope: "B" }, /did you mean `scopes`/],
      ["A", /^with needs roles or scopes/],
      [["A"], /^with needs roles or scopes/],
      [undefined, /^with needs roles or scopes/],
      [null, /^with needs roles or scopes/],
      [{}, /^with needs roles or scopes/],
      [{ roles: undefined }, /^with needs roles or scopes/],
    ])) {
      const expected = { name: "EdgemintError", code: "invalid_options", message };
      assert.throws(() => guard.with(requirement), expected, JSON.stringify(requirement));
    }
  }
});

test("an entry loads what it is on top of, and neither the wasm nor the command line", async () => {
  const expected = {
    protect: ["jose"],
    "protect/hono": ["jose"],
    "protect/express": ["jose"],
    "protect/fastify": ["jose"],
    client: ["oauth4webapi"],
  };
  for (const [entry, packages] of Object.entries(expected)) {
    const code = `
      import { registerHooks } from "node:module";
      const urls = [];
      registerHooks({ load: (url, context, next) => (urls.push(url), next(url, context)) });
      await import("edgemint/${entry}");
      console.log(JSON.stringify(urls));`;
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", code]);
    const urls = /** @type {string[]} */ (JSON.parse(stdout));
    const names = urls.map((url) => /\/node_modules\/([^/]+)\//.exec(url)?.[1] ?? "edgemint");
    assert.deepEqual([...new Set(names)].sort(), ["edgemint", ...packages], entry);
    const own = urls.filter((_, index) => names[index] === "edgemint").map((url) => url.split("/pkg/")[1]);
    const allowed = /^(?:protect\/\w+|client|errors|options|single-flight|urls)\.js$/;
    assert.deepEqual(own.filter((path) => !allowed.test(path)), [], entry);
  }
});
