// Counts what warm requests do in the token service's wasm and at its border, on Node: the same each time.
// The wasm is the copy of target/counts that counts its own instructions (xtask/src/counts.rs). What is
// counted goes to standard output, in JSON. A program of its own, since it replaces what is global.

import { createHook } from "node:async_hooks";
import { readFileSync } from "node:fs";
import { createLocalJWKSet, jwtVerify } from "jose";
import { now, step } from "../pkg/driver.js";
import { loadingAtOnce } from "../pkg/loader.js";
import { memoryStore } from "../pkg/stores/memory.js";
import { random } from "../tests/random.js";
import { credentials, post, registerClient, registerLogin, startLogin } from "../tests/sign-in.js";
import { byCrate } from "./crates.js";

/**
 * @typedef {object} Counted for one request, on average
 * @property {Record<Measure, number>} counts
 * @property {[crate: string, instructions: number][]} crates
 * @property {[name: string, instructions: number, calls: number][]} functions the ones that do most
 *
 * @typedef {"instructions" | "allocations" | "bytes allocated" | "calls into wasm" | "calls out of wasm" |
 *   "bytes copied into wasm" | "bytes of text read from wasm" | "promises"} Measure
 */

const REQUESTS = 1000;
/** For the caches, and whatever is done once. */
const WARM_UP = 50;
const FUNCTIONS = 40;
const NOW = 1_800_000_000;
const BASE_URL = "https://auth.example.com";
const ISSUER = `${BASE_URL}/demo`;
const API = "urn:reports";

const border = { into: 0, out: 0, copied: 0, read: 0, promises: 0 };
/** @type {Record<string, WebAssembly.Global<"i64">>} */
const counters = {};

stopTheClock();
castLoadedDice();
watchTheBorder();
const hook = createHook({
  init: (_id, type) => {
    if (type === "PROMISE") border.promises += 1;
  },
});
// A line for each token: nothing here waits for more of them, as the context of a Worker would.
const { log: print } = console;
console.log = () => {};

const modules = {
  edgemint: "../target/counts/edgemint.wasm",
  administration: "../pkg/wasm/administration_bg.wasm",
  dialects: "../pkg/wasm/dialects_bg.wasm",
};
const createIssuer = loadingAtOnce(
  (name) => new WebAssembly.Module(readFileSync(new URL(modules[name], import.meta.url))),
);
const options = {
  baseUrl: BASE_URL,
  masterKey: Buffer.alloc(32, 7).toString("base64url"),
  store: memoryStore(),
  grants: steppingStore(),
};
// Held on to: an issuer that is collected would call into the wasm once more.
const setUp = createIssuer(options);
const registered = await register(setUp.admin);
// As the service is asked by whoever has never asked it.
let issuer = setUp;
const requests = {
  "first token": async () => void (await granted(await counting(() => clientCredentials(), 1, restart))),
  "client credentials": async () => void (await granted(await counting(() => clientCredentials()))),
  refresh: async () => void (await granted(await counting(await refreshing()))),
  introspection: async () => {
    const { access_token } = await granted(await issuer.fetch(clientCredentials()));
    await introspected(await counting(() => form("introspect", registered.auditor, { token: access_token })));
  },
  "introspection, refresh token": async () => {
    const { refresh_token } = await signIn();
    await introspected(await counting(() => form("introspect", registered.client, { token: refresh_token })));
  },
};
/** @type {Record<string, Counted>} */
const found = {};
let current = "";
for (const [name, count] of Object.entries(requests)) {
  current = name;
  await count();
}
const { "first token": first, ...warm } = found;
print(JSON.stringify({ ...warm, "first token": first }));
if (setUp === issuer) throw new Error("nobody asked the issuer that was counted");

/**
 * Counts what requests come to, one after the other.
 * @param {(last: string) => Request} next the request after an answer, of which the body is given
 * @param {number} [times]
 * @param {() => void} [before] what counts, too
 * @returns {Promise<string>} the last answer
 */
async function counting(next, times = REQUESTS, before) {
  let answer = "";
  const ask = async () => {
    const request = next(answer);
    hook.enable();
    const response = await issuer.fetch(request);
    hook.disable();
    answer = await response.text();
    if (response.status !== 200) throw new Error(`${current}: ${response.status} ${answer}`);
  };
  if (before === undefined) for (let done = 0; done < WARM_UP; done += 1) await ask();
  const begun = { ...border };
  const values = countersNow();
  before?.();
  for (let done = 0; done < times; done += 1) await ask();
  const at = (/** @type {keyof typeof border} */ what) => (border[what] - begun[what]) / times;
  const functions = countersNow().map(([name, value], at) => {
    const [, what, named] = /** @type {RegExpExecArray} */ (/^(\w+) \d+ (.*)$/s.exec(name));
    return { what, name: named, value: Number(value - values[at][1]) / times };
  });
  const of = (/** @type {string} */ asked) => functions.filter(({ what }) => what === asked);
  const instructions = of("instructions");
  const calls = of("calls");
  const sum = (/** @type {{ value: number }[]} */ parts) => parts.reduce((sum, { value }) => sum + value, 0);
  const [allocator] = of("bytes");
  found[current] = {
    counts: {
      instructions: sum(instructions),
      allocations: sum(calls.filter(({ name }) => name === allocator.name)),
      "bytes allocated": allocator.value,
      "calls into wasm": at("into"),
      "calls out of wasm": at("out"),
      "bytes copied into wasm": at("copied"),
      "bytes of text read from wasm": at("read"),
      promises: at("promises"),
    },
    crates: byCrate(instructions.map(({ name, value }) => [name, value])),
    functions: instructions
      .map(({ name, value }, at) => /** @type {[string, number, number]} */ ([name, value, calls[at].value]))
      .filter(([, value]) => value > 0)
      .sort(([, one], [, other]) => other - one)
      .slice(0, FUNCTIONS),
  };
  return answer;
}

function countersNow() {
  return Object.entries(counters).map(([name, { value }]) => /** @type {[string, bigint]} */ ([name, value]));
}

// The requests.

/** A machine with a role, one that may introspect, a login page and an application that signs users in. @param {import("../pkg/index.d.ts").Administration} admin */
async function register(admin) {
  const tenant = "demo";
  const login = await registerLogin(admin);
  const client = await registerClient(admin, {});
  await admin.createApi({ tenant, identifier: API, roles: [{ value: "Reports.Read" }] });
  const application = async (/** @type {{ introspects?: string[] }} */ more) => {
    const { clientId } = await admin.createApplication({ tenant, ...more });
    const { secret } = await admin.addSecret({ tenant, clientId });
    return { clientId, secret };
  };
  const machine = await application({});
  await admin.assignRoles({ tenant, clientId: machine.clientId, api: API, roles: ["Reports.Read"] });
  return { login, client, machine, auditor: await application({ introspects: [API] }) };
}

function restart() {
  issuer = createIssuer(options);
}

/**
 * @param {string} endpoint @param {import("../tests/sign-in.js").Client} client
 * @param {Record<string, string>} parameters
 */
function form(endpoint, client, parameters) {
  const body = new URLSearchParams({ ...parameters, ...credentials(client) }).toString();
  // As a server hands it on: the length is told.
  const headers = {
    "content-type": "application/x-www-form-urlencoded",
    "content-length": `${body.length}`,
  };
  return new Request(`${ISSUER}/oauth2/${endpoint}`, { method: "POST", headers, body });
}

function clientCredentials() {
  return form("token", registered.machine, { grant_type: "client_credentials", scope: `${API}/.default` });
}

/** A session of a user, refreshed with the token of the last answer. */
async function refreshing() {
  const tokens = await signIn();
  return (/** @type {string} */ last) => {
    const { refresh_token } = last === "" ? tokens : JSON.parse(last);
    return form("token", registered.client, { grant_type: "refresh_token", refresh_token });
  };
}

async function signIn() {
  /** @type {typeof globalThis.fetch} */
  const fetch = (input, init) => issuer.fetch(new Request(input, init));
  const users = await startLogin(new URL(BASE_URL), registered.login, "demo", fetch);
  return users.signIn(registered.client, "alice");
}

/** The answer, if its token is one. @param {string | Response} answer @returns {Promise<any>} */
async function granted(answer) {
  const tokens = JSON.parse(typeof answer === "string" ? answer : await answer.text());
  const jwks = await issuer.fetch(new Request(`${ISSUER}/.well-known/jwks.json`));
  const keys = createLocalJWKSet(/** @type {any} */ (await jwks.json()));
  await jwtVerify(tokens.access_token, keys, { issuer: ISSUER, currentDate: new Date(NOW * 1000) });
  return tokens;
}

/** @param {string} answer */
async function introspected(answer) {
  if (JSON.parse(answer).active !== true) throw new Error(`not active: ${answer}`);
}

/** A store of grants that takes steps itself, as Durable Objects do: the object's half is counted, too. */
function steppingStore() {
  const store = memoryStore();
  const module = new WebAssembly.Module(new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]));
  return {
    ...store,
    /** @param {string} partition @param {string} name @param {string} command */
    async step(partition, name, command) {
      const [grant, user] = await Promise.all([store.get(partition, name), store.get(partition, "user")]);
      // The module is instantiated already.
      const stepped = step(module, grant?.value ?? null, user?.value ?? null, command, now());
      const { outcome, value, expiresAt } = stepped;
      if (value !== undefined) {
        await store.put(partition, name, value, grant?.version ?? null, expiresAt ?? null);
      }
      return outcome;
    },
  };
}

// What makes it the same each time.

function stopTheClock() {
  Date.now = () => NOW * 1000;
}

function castLoadedDice() {
  const dice = random(7);
  const getRandomValues = (/** @type {Uint8Array} */ bytes) => {
    for (let at = 0; at < bytes.length; at += 1) bytes[at] = dice.below(256);
    return bytes;
  };
  Object.defineProperty(crypto, "getRandomValues", { value: getRandomValues });
}

/** Counts what goes into and out of the token service's instance, and finds its counters. */
function watchTheBorder() {
  const { Instance } = WebAssembly;
  const { decode } = TextDecoder.prototype;
  TextDecoder.prototype.decode = function (bytes, options) {
    border.read += bytes?.byteLength ?? 0;
    return decode.call(this, bytes, options);
  };
  /** @param {WebAssembly.Module} module @param {WebAssembly.Imports} imports */
  const watched = function (module, imports) {
    const counts = WebAssembly.Module.exports(module).some(({ name }) => name.startsWith("instructions "));
    if (!counts) return new Instance(module, imports);
    const glue = mapped(imports, (_, members) =>
      mapped(/** @type {Record<string, any>} */ (members), (_name, called) => counted("out", called)),
    );
    const { exports } = new Instance(module, glue);
    for (const [name, value] of Object.entries(exports)) {
      // No other export has a space in its name.
      if (name.includes(" ")) counters[name] = /** @type {WebAssembly.Global<"i64">} */ (value);
    }
    return { exports: mapped(exports, watchedExport) };
  };
  WebAssembly.Instance = /** @type {any} */ (watched);
}

/** @param {string} name @param {WebAssembly.ExportValue} value */
function watchedExport(name, value) {
  if (typeof value !== "function") return value;
  const call = counted("into", value);
  if (name !== "__wbindgen_malloc") return call;
  return (/** @type {number} */ size, /** @type {number} */ align) => {
    border.copied += size;
    return call(size, align);
  };
}

/** @param {"into" | "out"} way @param {Function} called */
function counted(way, called) {
  return function (/** @type {unknown[]} */ ...given) {
    border[way] += 1;
    return called.apply(undefined, given);
  };
}

/** @template T, U @param {Record<string, T>} members @param {(name: string, value: T) => U} map */
function mapped(members, map) {
  return Object.fromEntries(Object.entries(members).map(([name, value]) => [name, map(name, value)]));
}
