// `createIssuer` in process: what a request costs, errors, administration, caches.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EdgemintError, createIssuer } from "edgemint";
import { d1Store } from "edgemint/stores/d1";
import { denoKvStore } from "edgemint/stores/deno-kv";
import { directoryStore } from "edgemint/stores/directory";
import { kvStore } from "edgemint/stores/kv";
import { memoryStore } from "edgemint/stores/memory";
import { postgresStore } from "edgemint/stores/postgres";
import { redisStore } from "edgemint/stores/redis";
import { upstashStore } from "edgemint/stores/upstash";
import { RequestCall } from "../../pkg/issuer.js";
import { Engine } from "../../pkg/wasm/edgemint.js";
import { MASTER_KEY, register, tokenRequest } from "../workerd/world.js";

const baseUrl = "https://auth.example.com";

/** A memory store that counts its reads. */
function countingStore() {
  const store = memoryStore();
  const counting = { ...store, reads: 0 };
  counting.get = (partition, name) => {
    counting.reads += 1;
    return store.get(partition, name);
  };
  return counting;
}

/** @param {Partial<import("edgemint").IssuerOptions>} [options] */
const issuerWith = (options) =>
  createIssuer({ baseUrl, masterKey: MASTER_KEY, store: memoryStore(), onEvent() {}, ...options });

/** @param {Awaited<ReturnType<typeof register>>} application */
const ask = ({ clientId, secret, scope }) =>
  tokenRequest({ client_id: clientId, client_secret: secret, scope });

test("a cached request costs two calls into wasm, one signature and no read", async () => {
  const store = countingStore();
  const issuer = issuerWith({ store });
  const application = await register(issuer.admin);
  assert.equal((await issuer.fetch(ask(application))).status, 200);

  /** @type {string[]} */
  const calls = [];
  const methods = Object.getOwnPropertyNames(Engine.prototype);
  /** @type {Record<string, any>} */
  const prototype = Engine.prototype;
  const { sign } = crypto.subtle;
  const originals = methods.map((name) => /** @type {const} */ ([name, prototype[name]]));
  for (const [name, method] of originals) {
    if (name === "constructor" || name.startsWith("__") || name === "free") continue;
    prototype[name] = function (/** @type {unknown[]} */ ...parameters) {
      calls.push(name);
      return method.apply(this, parameters);
    };
  }
  crypto.subtle.sign = (...parameters) => {
    calls.push("sign");
    return sign.apply(crypto.subtle, /** @type {any} */ (parameters));
  };
  const reads = store.reads;
  try {
    assert.equal((await issuer.fetch(ask(application))).status, 200);
  } finally {
    for (const [name, method] of originals) prototype[name] = method;
    crypto.subtle.sign = sign;
  }
  assert.deepEqual(calls, ["start", "sign", "resumeBytes"]);
  assert.equal(store.reads, reads);
});

test("what the administration has written is in force at once, whatever is cached", async () => {
  const issuer = issuerWith({ cacheTtl: 3600 });
  const application = await register(issuer.admin);
  assert.equal((await issuer.fetch(ask(application))).status, 200);
  const { clientId } = application;
  await issuer.admin.updateApplication({ tenant: "demo", clientId, disabled: true });
  assert.equal((await issuer.fetch(ask(application))).status, 401);
  await issuer.admin.updateApplication({ tenant: "demo", clientId, disabled: false });
  assert.equal((await issuer.fetch(ask(application))).status, 200);
});

describe("the administration over HTTP", () => {
  /** @param {string} rest @param {RequestInit} [more] */
  const path = (rest, more) =>
    new Request(`${baseUrl}${rest}`, { headers: { authorization: "Bearer t" }, ...more });

  /** A problem, as docs/administration.md describes it. @param {Response} response @param {number} status */
  async function problem(response, status) {
    assert.equal(response.status, status);
    assert.equal(response.headers.get("content-type"), "application/problem+json");
    assert.equal(response.headers.get("cache-control"), "no-store");
    const body = /** @type {any} */ (await response.json());
    assert.deepEqual(Object.keys(body).toSorted(), ["code", "detail", "status", "title", "type"]);
    assert.equal(body.status, status);
    return body.code;
  }

  test("answers with a problem if the wasm is lost, and so do a login page's endpoints, but no others", async () => {
    /** @param {string} target @param {boolean} trapped @returns {Promise<Response>} */
    const lose = (target, trapped) =>
      new Promise((resolve) => {
        const request = path(target, { method: "POST" });
        new RequestCall(resolve, /** @type {any} */ (undefined), request, undefined).lost(trapped);
      });
    for (const target of ["/demo/admin/v1/tenant", "/demo/admin/v1/authorizations/deny"]) {
      assert.equal(await problem(await lose(target, true), 500), "server_error");
      assert.equal(await problem(await lose(target, false), 503), "temporarily_unavailable");
    }
    const other = await lose("/demo/oauth2/token?/admin/v1/", false);
    assert.equal(other.headers.get("content-type"), "application/json");
    assert.equal(/** @type {any} */ (await other.json()).error, "temporarily_unavailable");
  });

  test("asks nobody else what to answer to a request without a token, and reads no body of it", async () => {
    /** @type {string[]} */
    const heard = [];
    /** @type {import("edgemint").IssuerEvent[]} */
    const events = [];
    const onEvent = (/** @type {import("edgemint").IssuerEvent} */ event) => void events.push(event);
    const theirs = async (/** @type {Request} */ { url }) => {
      heard.push(url);
      return new Response("theirs");
    };
    const store = countingStore();
    const issuer = issuerWith({ store, administration: theirs, onEvent });
    const inProcess = issuerWith();
    for (const [method, target, headers] of /** @type {[string, string, Record<string, string>][]} */ ([
      ["GET", "/demo/admin/v1/tenant", {}],
      ["HEAD", "/demo/admin/v1/tenant", {}],
      ["POST", "/demo/admin/v1/bootstrap", {}],
      ["PATCH", "/demo/admin/v1/tenant", { authorization: "Basic eDp5" }],
      ["GET", "/demo/admin/v1/tenant", { authorization: "Bearer" }],
      ["OPTIONS", "/demo/admin/v1/applications", {}],
      ["GET", "/demo/admin/v1/nothing", {}],
    ])) {
      const answers = [issuer, inProcess].map(async (each) => {
        const { status, headers: told, ...rest } = await each.fetch(path(target, { method, headers }));
        return { ...rest, status, headers: [...told] };
      });
      const [answer, expected] = await Promise.all(answers);
      assert.deepEqual(answer, expected, `${method} ${target}`);
    }
    const pulled = { count: 0 };
    const body = new ReadableStream({ pull: () => void (pulled.count += 1) }, { highWaterMark: 0 });
    const large = { method: "POST", body, headers: {}, duplex: "half" };
    const refused = await issuer.fetch(path("/demo/admin/v1/applications", large));
    assert.equal(refused.headers.get("www-authenticate"), "Bearer");
    assert.equal(await problem(refused, 401), "invalid_token");
    assert.deepEqual([heard, pulled.count, store.reads], [[], 0, 0]);
    assert.equal(events[0].reason, "no_token");
  });

  test("is not kept busy by tokens that it refuses, whatever tenant they are for", async (context) => {
    // The clock stands: every 20 ms, one would be let through again.
    context.mock.timers.enable({ apis: ["Date"], now: Date.now() });
    let asked = 0;
    /** @type {import("edgemint").IssuerEvent[]} */
    const events = [];
    const issuer = issuerWith({
      onEvent: (event) => void events.push(event),
      clientAddress: (request) => request.headers.get("x-client"),
      administration: async ({ headers }) => {
        asked += 1;
        if (headers.get("authorization") === "Bearer gone") throw new Error("gone");
        return new Response(null, { status: headers.get("authorization") === "Bearer good" ? 200 : 401 });
      },
    });
    const ask = (/** @type {string} */ token, /** @type {string} */ client, tenant = "demo") =>
      issuer.fetch(
        path(`/${tenant}/admin/v1/tenant`, {
          headers: { authorization: `Bearer ${token}`, "x-client": client },
        }),
      );
    const statuses = [];
    for (let number = 0; number < 1000; number += 1) {
      statuses.push((await ask("bad", `2001:db8::${number}`, `t${number}`)).status);
    }
    assert.ok(asked >= 100 && asked <= 101, `${asked} of 1,000 were handed on`);
    const late = await ask("bad", "2001:db8:0:0:1::1");
    assert.equal(late.headers.get("retry-after"), "1");
    assert.equal(await problem(late, 429), "temporarily_unavailable");
    const { kind, reason, tenant } = events[events.length - 1];
    assert.deepEqual([kind, reason, tenant], ["refused", "too_many_failures", "demo"]);
    for (const elsewhere of ["2001:db8:0:1::", "192.0.2.1", ""]) {
      for (let number = 0; number < 300; number += 1) {
        assert.equal((await ask("good", elsewhere)).status, 200, "what is honoured does not count");
      }
    }
    for (let number = 0; number < 150; number += 1) {
      assert.equal((await ask("gone", "192.0.2.2")).status, 503, "nor does a failure");
    }
  });

  test("is handed to whom the option says, with the tenant, and nothing else is", async () => {
    /** @type {string[]} */
    const heard = [];
    const issuer = issuerWith({
      administration: async (request, tenant) => {
        assert.equal(request.headers.get("authorization"), "Bearer t");
        heard.push(`${tenant} ${new URL(request.url).pathname}`);
        return new Response("theirs");
      },
    });
    assert.equal(await (await issuer.fetch(path("/demo/admin/v1/tenant?x"))).text(), "theirs");
    assert.deepEqual(heard, ["demo /demo/admin/v1/tenant"]);
    for (const other of [
      "/demo/admin/v1/authorizations/inspect",
      "/Demo/admin/v1/tenant",
      "/a/b/admin/v1/tenant",
      "/demo%2Fx/admin/v1/tenant",
      "/demo/oauth2/token?/admin/v1/tenant",
      "/healthz?/demo/admin/v1/tenant",
    ]) {
      assert.notEqual(await (await issuer.fetch(path(other))).text(), "theirs", other);
    }
    assert.equal(heard.length, 1);
  });

  test("is not there if it is turned off, and an act in process still is", async () => {
    const issuer = issuerWith({ administration: false });
    assert.equal((await issuer.fetch(path("/demo/admin/v1/tenant"))).status, 404);
    await issuer.admin.createTenant({ tenant: "demo" });
    assert.equal((await issuer.fetch(path("/demo/.well-known/jwks.json"))).status, 200);
  });

  test("lists all tenants without being told one", async () => {
    const issuer = issuerWith();
    for (const tenant of ["a", "b"]) await issuer.admin.createTenant({ tenant });
    assert.deepEqual(await issuer.admin.listTenants(), { items: ["a", "b"] });
    const { items, next } = await issuer.admin.listTenants({ limit: 1 });
    assert.deepEqual([items, typeof next], [["a"], "string"]);
  });

  test("is 503, with an event, if whoever it was handed to fails", async () => {
    /** @type {import("edgemint").IssuerEvent[]} */
    const events = [];
    const issuer = issuerWith({
      onEvent: (event) => void events.push(event),
      administration: () => Promise.reject(new Error("the object is gone")),
    });
    const response = await issuer.fetch(path("/demo/admin/v1/tenant"));
    assert.equal(await problem(response, 503), "temporarily_unavailable");
    assert.equal(response.headers.get("retry-after"), "1");
    const [{ kind, reason, detail, tenant }] = events;
    assert.deepEqual({ kind, reason, tenant }, { kind: "failed", reason: "administration", tenant: "demo" });
    assert.match(detail ?? "", /the object is gone/);
  });
});

test("a cold request reads what it needs side by side", async () => {
  const store = countingStore();
  const application = await register(issuerWith({ store }).admin);
  let waiting = 0;
  let most = 0;
  let rounds = 0;
  const slow = {
    ...store,
    /** @param {string} partition @param {string} name */
    async get(partition, name) {
      waiting += 1;
      most = Math.max(most, waiting);
      if (waiting === 1) rounds += 1;
      await new Promise((resolve) => setTimeout(resolve, 5));
      waiting -= 1;
      return store.get(partition, name);
    },
  };
  assert.equal((await issuerWith({ store: slow }).fetch(ask(application))).status, 200);
  assert.ok(most >= 2, "tenant and application are read at once");
  assert.ok(rounds <= 2, `${rounds} rounds of reads`);
});

describe("createIssuer refuses", () => {
  for (const [name, options, code] of /** @type {const} */ ([
    ["no master key", { masterKey: "" }, "missing_master_key"],
    ["a master key that is too short", { masterKey: "short" }, "invalid_master_key"],
    ["a base URL with a path", { baseUrl: "https://a.example/x" }, "invalid_base_url"],
    ["plain http", { baseUrl: "http://a.example" }, "invalid_base_url"],
    ["no base URL", { baseUrl: "" }, "invalid_base_url"],
    ["a time to live that is none", { cacheTtl: -1 }, "invalid_options"],
    ["a bootstrap secret that is too short", { bootstrapSecret: "short" }, "invalid_bootstrap_secret"],
    ["one with a space in it", { bootstrapSecret: `${"s".repeat(32)} s` }, "invalid_bootstrap_secret"],
    ["one that is too long", { bootstrapSecret: "s".repeat(1025) }, "invalid_bootstrap_secret"],
    ["no store", { store: /** @type {any} */ (undefined) }, "invalid_options"],
    ["the address of a store", { store: /** @type {any} */ ("sqlite:x") }, "invalid_options"],
    ["what makes a store", { store: /** @type {any} */ (memoryStore) }, "invalid_options"],
    ["an object that is no store", { store: /** @type {any} */ ({ guarantees: {} }) }, "invalid_options"],
    ["grants that are no store", { grants: /** @type {any} */ (true) }, "invalid_options"],
    ["grants that are not there", { grants: /** @type {any} */ (null) }, "invalid_options"],
    ["a sink that is no function", { onEvent: /** @type {any} */ ({}) }, "invalid_options"],
    ["claims that are no function", { claims: /** @type {any} */ (5) }, "invalid_options"],
    ["an address that is no function", { clientAddress: /** @type {any} */ ("") }, "invalid_options"],
    ["a limiter that is no function", { rateLimit: /** @type {any} */ ({}) }, "invalid_options"],
    ["an administration that is none", { administration: /** @type {any} */ (true) }, "invalid_options"],
  ])) {
    test(name, () => {
      assert.throws(
        () => issuerWith(options),
        (error) => error instanceof EdgemintError && error.code === code && error.message.length > 10,
      );
    });
  }
});

test("createIssuer names the option that was meant, before it looks at the others", () => {
  for (const [given, meant] of [
    ["cacheTTL", "cacheTtl"],
    ["claim", "claims"],
    ["bootstrapSecert", "bootstrapSecret"],
    ["clientAdress", "clientAddress"],
    ["masterkey", "masterKey"],
    ["baseURL", "baseUrl"],
  ]) {
    const message = `unknown option \`${given}\`; did you mean \`${meant}\`?`;
    const make = () => createIssuer(/** @type {any} */ ({ [given]: undefined }));
    assert.throws(make, { name: "EdgemintError", code: "invalid_options", message });
  }
  const none = /** @type {any} */ (undefined);
  assert.throws(() => createIssuer(none), { code: "invalid_options", message: "options are missing" });
  assert.throws(() => issuerWith({ store: none }), { message: /memoryStore\(\)/ });
});

test("stores refuse at once what they cannot work with, and say what they take", () => {
  for (const [make, expected] of /** @type {[() => unknown, RegExp][]} */ ([
    [() => redisStore(/** @type {any} */ ("redis://x")), /a client of the package `redis`/],
    [() => upstashStore(/** @type {any} */ ("url")), /a client of the package `@upstash\/redis`/],
    [() => postgresStore(/** @type {any} */ ({ connectionString: "x" })), /a pool of the package `pg`/],
    [() => d1Store(/** @type {any} */ ({})), /a D1 binding/],
    [() => d1Store(/** @type {any} */ (undefined)), /a D1 binding/],
    [() => denoKvStore(/** @type {any} */ ("x")), /Deno\.openKv/],
    [() => kvStore(/** @type {any} */ (undefined)), /a KV namespace binding/],
    [() => directoryStore(/** @type {any} */ ({ kv: undefined })), /a KV namespace binding/],
    [() => directoryStore(/** @type {any} */ (undefined)), /options are missing/],
    [() => memoryStore(/** @type {any} */ ({ entires: [] })), /did you mean `entries`/],
    [() => kvStore(/** @type {any} */ ({ getWithMetadata() {} }), /** @type {any} */ ({ cacheTTL: 60 })), /did you mean `cacheTtl`/],
    [() => postgresStore(/** @type {any} */ ({ query() {}, connect() {} }), /** @type {any} */ ({ tabel: "x" })), /did you mean `table`/],
    [() => redisStore(/** @type {any} */ ({ eval() {}, evalSha() {} }), /** @type {any} */ ({ timeOut: 1 })), /did you mean `timeout`/],
  ])) {
    assert.throws(make, (error) => error instanceof TypeError && expected.test(error.message), `${expected}`);
  }
});

test("a bootstrap secret may end with a line break, or be absent", () => {
  for (const bootstrapSecret of [`${"s".repeat(32)}\n`, "s".repeat(1024), "", undefined]) {
    issuerWith({ bootstrapSecret });
  }
});

describe("administration refuses with a code", () => {
  for (const [name, code, act] of /** @type {[string, string, (issuer: import("edgemint").Issuer) => Promise<unknown>][]} */ ([
    ["a tenant that exists", "exists", ({ admin }) => admin.createTenant({ tenant: "demo" })],
    ["a tenant name that is none", "invalid", ({ admin }) => admin.createTenant({ tenant: "De mo" })],
    ["a member that nobody knows", "invalid", ({ admin }) => admin.createTenant(/** @type {any} */ ({ tenant: "x", color: 1 }))],
    ["an application in no tenant", "not_found", ({ admin }) => admin.createApplication({ tenant: "none" })],
    ["an imported secret that is short", "invalid", ({ admin }) => admin.addSecret({ tenant: "demo", clientId: "a", secret: "short" })],
    ["a role that no API declares", "not_found", ({ admin }) => admin.assignRoles({ tenant: "demo", clientId: "a", api: "api://orders", roles: ["Nothing"] })],
  ])) {
    test(name, async () => {
      const issuer = issuerWith();
      await register(issuer.admin);
      await assert.rejects(act(issuer), (error) => error instanceof EdgemintError && error.code === code);
    });
  }
});

test("a removed secret stops working within the time to live, elsewhere too", async () => {
  const store = memoryStore();
  const here = issuerWith({ store });
  const elsewhere = issuerWith({ store, cacheTtl: 2 });
  const application = await register(here.admin);
  const { clientId, keyId } = application;
  assert.equal((await elsewhere.fetch(ask(application))).status, 200);
  await here.admin.removeSecret({ tenant: "demo", clientId, keyId });
  assert.equal((await here.fetch(ask(application))).status, 401, "at once where it was removed");
  await new Promise((resolve) => setTimeout(resolve, 2_100));
  assert.equal((await elsewhere.fetch(ask(application))).status, 401);
});

test("a stale record is read again after the answer, in waitUntil", async (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: Date.now() });
  const store = countingStore();
  let gate = Promise.resolve();
  const gated = {
    ...store,
    /** @param {string} partition @param {string} name */
    async get(partition, name) {
      await gate;
      return store.get(partition, name);
    },
  };
  const issuer = issuerWith({ store: gated, cacheTtl: 4 });
  const application = await register(issuer.admin);
  await issuer.fetch(ask(application));
  t.mock.timers.tick(2_100);
  const before = store.reads;
  const { promise, resolve: open } = Promise.withResolvers();
  gate = promise;
  /** @type {Promise<unknown>[]} */
  const after = [];
  const context = { waitUntil: (/** @type {Promise<unknown>} */ promise) => after.push(promise) };
  // No read can be answered now, and the request is all the same.
  assert.equal((await issuer.fetch(ask(application), context)).status, 200);
  assert.equal(store.reads, before);
  open(undefined);
  await Promise.all(after);
  assert.equal(store.reads, before + 4, "tenant, ring, application and API");
});

test("a body that breaks off is refused, one without a length is read, and none is held beyond 16 KiB", async () => {
  const issuer = issuerWith();
  const application = await register(issuer.admin);
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const url = `${baseUrl}/demo/oauth2/token`;
  /** @param {(controller: ReadableStreamDefaultController) => void} pull */
  const send = (pull) => {
    const init = { method: "POST", headers, body: new ReadableStream({ pull }), duplex: "half" };
    return issuer.fetch(new Request(url, /** @type {RequestInit} */ (init)));
  };
  const broken = await send((controller) => controller.error(new Error("reset")));
  assert.equal(broken.status, 400);
  const text = new TextEncoder().encode(await ask(application).text());
  const whole = await send((controller) => {
    controller.enqueue(text.slice(0, 10));
    controller.enqueue(text.slice(10));
    controller.close();
  });
  assert.equal(whole.status, 200);
  let sent = 0;
  const endless = await send((controller) => {
    sent += 4096;
    controller.enqueue(new Uint8Array(4096).fill(120));
  });
  assert.equal(endless.status, 413);
  assert.ok(sent < 100_000, `${sent} bytes were read`);
});

test("an onEvent that throws does not disturb the request", async () => {
  const error = console.error;
  console.error = () => {};
  try {
    const issuer = issuerWith({
      onEvent() {
        throw new Error("the sink is full");
      },
    });
    assert.equal((await issuer.fetch(tokenRequest({}, "/none/oauth2/token"))).status, 401);
  } finally {
    console.error = error;
  }
});

test("an onEvent that is async and fails does not end the process", async () => {
  const { error } = console;
  const reported = new Promise((resolve) => {
    console.error = resolve;
  });
  try {
    const issuer = issuerWith({ onEvent: /** @type {any} */ (async () => Promise.reject("down")) });
    assert.equal((await issuer.fetch(tokenRequest({}, "/none/oauth2/token"))).status, 401);
    assert.match(String(await reported), /onEvent failed/);
  } finally {
    console.error = error;
  }
});

test("r28 a request that the wasm has given up is answered 503 when its store answers at last", async () => {
  const store = memoryStore();
  const application = await register(issuerWith({ store }).admin);
  const { promise: gate, resolve: open } = Promise.withResolvers();
  let held = true;
  const { promise: asked, resolve: isAsked } = Promise.withResolvers();
  const slow = {
    ...store,
    /** @param {string} partition @param {string} name */
    async get(partition, name) {
      isAsked(undefined);
      if (held) await gate;
      return store.get(partition, name);
    },
  };
  const issuer = issuerWith({ store: slow });
  const waiting = issuer.fetch(ask(application));
  await asked;
  // What is read beside it is asked for, too.
  await new Promise((resolve) => setImmediate(resolve));
  held = false;
  const now = Date.now;
  Date.now = () => now() + 200_000;
  try {
    assert.equal((await issuer.fetch(ask(application))).status, 200);
  } finally {
    Date.now = now;
  }
  open(undefined);
  assert.equal((await waiting).status, 503);
});

test("a wasm that cannot even be instantiated again costs 500s, and recovers when it can", async () => {
  /** @type {WebAssembly.Instance[]} */
  const instances = [];
  const { Instance } = WebAssembly;
  let broken = false;
  /** @type {any} */ (WebAssembly).Instance = function (/** @type {any[]} */ ...parameters) {
    if (broken) throw new RangeError("out of memory");
    const instance = new Instance(parameters[0], parameters[1]);
    instances.push(instance);
    return instance;
  };
  const ruin = () => {
    const { memory } = /** @type {any} */ (instances.at(-1)?.exports);
    new Uint8Array(memory.buffer).fill(0xff);
  };
  try {
    const issuer = issuerWith();
    const application = await register(issuer.admin);
    if (instances.length === 0) {
      // This process instantiated before: a first trap makes an instance that can be ruined here.
      const { start } = Engine.prototype;
      Engine.prototype.start = () => {
        throw new WebAssembly.RuntimeError("unreachable");
      };
      assert.equal((await issuer.fetch(ask(application))).status, 500);
      Engine.prototype.start = start;
      assert.equal((await issuer.fetch(ask(application))).status, 200);
    }
    ruin();
    broken = true;
    assert.equal((await issuer.fetch(ask(application))).status, 500);
    assert.equal((await issuer.fetch(ask(application))).status, 500);
    broken = false;
    assert.equal((await issuer.fetch(ask(application))).status, 200);
  } finally {
    /** @type {any} */ (WebAssembly).Instance = Instance;
  }
});
