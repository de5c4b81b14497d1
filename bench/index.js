// Measures what a token costs: CPU time per request of our worker on raw workerd, in alternation with
// the least that a worker can do, in one run. Client credentials are held against the sign floor,
// refreshing with rotation against the object floor. Fails if a budget is exceeded.
//
//   node bench/index.js [--rounds 5] [--seconds 5] [--connections 32] [--json]

import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { compactVerify, createRemoteJWKSet, jwtVerify } from "jose";
import { memoryStore } from "../pkg/stores/memory.js";
import { createIssuer } from "../pkg/node.js";
import { registerClient, registerLogin, startLogin } from "../tests/sign-in.js";
import { client, runLoad } from "./load.js";
import { ROOT, WORKERD, compatibilityDate, freePort, modulesFrom, startServer } from "./servers.js";

/**
 * @typedef {object} Contestant
 * @property {string} name
 * @property {import("./servers.js").Server} server
 * @property {string} url where tokens are asked for
 * @property {string} body with which
 * @property {(count: number) => Promise<string[]>} [tokens] new refresh tokens, to be put behind the body
 * @property {(answer: string) => Promise<void>} verify throws unless it is what it should be
 *
 * @typedef {object} Measure
 * @property {string} name
 * @property {number} budget
 * @property {number} aim
 * @property {() => Promise<Contestant>} floor
 * @property {() => Promise<Contestant>} ours
 *
 * @typedef {import("./load.js").Outcome & { cpu: number }} Run with CPU microseconds per request
 */

/** @type {Measure[]} */
const MEASURES = [
  { name: "client credentials", budget: 1.25, aim: 1.05, floor: startFloor, ours: startOurs },
  { name: "refresh", budget: 1.4, aim: 1.1, floor: startObjectFloor, ours: startOurSessions },
];
/** V8 optimises a wasm function after some ten thousand calls: a warm worker has had them. */
const WARM_UP_SECONDS = 12;
const API = "api://orders";
/** Refresh tokens for each connection: one is under way, and one is there when it comes back. */
const TOKENS_PER_CONNECTION = 2;

const options = readOptions();
const folder = mkdtempSync(join(tmpdir(), "edgemint-bench-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
  process.once(signal, () => process.exit(1));
}

describe();
const results = [];
for (const asked of MEASURES) results.push(await measure(asked));
console.log();
for (const { name, ratio, budget, aim } of results) {
  const within = ratio <= aim ? "the aim is met" : "within the budget";
  const verdict = ratio <= budget ? within : "TOO MUCH";
  const told = `ours/floor ${ratio.toFixed(3)}: ${verdict} (budget ${budget}, aim ${aim})`;
  console.log(`${name}, ${told}`);
}
if (options.json) {
  const [tokens, refresh] = results.map(({ ratio, budget, aim, rounds }) => {
    const named = rounds.map(([floor, ours]) => ({ floor, ours }));
    return { ratio, budget, aim, rounds: named };
  });
  console.log(JSON.stringify({ ...tokens, refresh }));
}
process.exit(results.every(({ ratio, budget }) => ratio <= budget) ? 0 : 1);

/** @param {Measure} measure */
async function measure({ name, budget, aim, floor, ours }) {
  const contestants = [await floor(), await ours()];
  console.log(`\n${name}`);
  for (const contestant of contestants) {
    await check(contestant);
    await load(contestant, WARM_UP_SECONDS);
  }
  /** @type {Run[][]} */
  const rounds = [];
  row("round", "", "us/request", "requests/s", "median us", "ours/floor");
  for (let round = 1; round <= options.rounds; round += 1) {
    const runs = [];
    for (const contestant of contestants) {
      const run = await load(contestant, options.seconds);
      runs.push(run);
      const ratio = runs.length === 2 ? ratioOf(runs).toFixed(3) : "";
      report(`${round}`, contestant.name, run, ratio);
    }
    rounds.push(runs);
  }
  for (const contestant of contestants) {
    await check(contestant);
    await contestant.server.stop();
  }
  const overall = contestants.map((_, at) => medianRun(rounds.map((runs) => runs[at])));
  const ratio = median(rounds.map(ratioOf));
  contestants.forEach(({ name }, at) => {
    report("median", name, overall[at], at === 1 ? ratio.toFixed(3) : "");
  });
  return { name, ratio, budget, aim, rounds };
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "5" },
      seconds: { type: "string", default: "5" },
      connections: { type: "string", default: "32" },
      json: { type: "boolean", default: false },
    },
  });
  const { rounds, seconds, connections } = values;
  const numbers = [rounds, seconds, connections].map(Number);
  if (!numbers.every((number) => Number.isInteger(number) && number > 0)) {
    throw new RangeError("rounds, seconds and connections are whole numbers above zero");
  }
  return { rounds: numbers[0], seconds: numbers[1], connections: numbers[2], json: values.json };
}

/** @returns {Promise<Contestant>} */
async function startFloor() {
  const worker = { modules: modulesFrom("bench/floor.js") };
  const server = await startServer(join(folder, "floor"), await freePort(), worker);
  const keys = createRemoteJWKSet(new URL(server.origin));
  return {
    name: "floor",
    server,
    url: `${server.origin}/demo/oauth2/token`,
    body: form("00000000-0000-4000-8000-000000000000", `ems_${"x".repeat(49)}`),
    verify: async (answer) => {
      await compactVerify(JSON.parse(answer).access_token, keys);
      const { length } = answer;
      if (Math.abs(length - 700) > 50) throw new Error(`${length} bytes, not about 700`);
    },
  };
}

/** @returns {Promise<Contestant>} */
async function startOurs() {
  const { server, issuer, registered, verify } = await startService("ours", directory);
  const { clientId, secret } = registered;
  return {
    name: "ours",
    server,
    url: `${issuer}/oauth2/token`,
    body: form(clientId, secret),
    verify: (answer) => verify(answer, clientId),
  };
}

/**
 * The object floor: its refresh tokens start at version 0 of a new object.
 * @returns {Promise<Contestant>}
 */
async function startObjectFloor() {
  const server = await startServer(join(folder, "object-floor"), await freePort(), {
    modules: modulesFrom("bench/object-floor.js"),
    objects: { ROWS: "RowObject" },
  });
  const keys = createRemoteJWKSet(new URL(server.origin));
  return {
    name: "floor",
    server,
    url: `${server.origin}/demo/oauth2/token`,
    body: refreshForm("00000000-0000-4000-8000-000000000000", `ems_${"x".repeat(49)}`),
    tokens: async (count) =>
      Array.from({ length: count }, () => `~${randomBytes(16).toString("hex")}~0~${"x".repeat(160)}`),
    verify: async (answer) => {
      const { access_token, refresh_token } = JSON.parse(answer);
      await compactVerify(access_token, keys);
      if (!/^~\w+~1~/.test(refresh_token)) throw new Error(`${refresh_token} is not the next one`);
      const { length } = answer;
      if (Math.abs(length - 900) > 50) throw new Error(`${length} bytes, not about 900`);
    },
  };
}

/**
 * Ours, with a session of its own user behind each refresh token.
 * @returns {Promise<Contestant>}
 */
async function startOurSessions() {
  const { server, issuer, registered, verify } = await startService("our-sessions", sessions);
  const { client, login } = registered;
  const url = new URL(server.origin);
  return {
    name: "ours",
    server,
    url: `${issuer}/oauth2/token`,
    body: refreshForm(client.clientId, String(client.secret)),
    async tokens(count) {
      const users = await startLogin(url, login);
      const signIns = Array.from({ length: count }, async () => {
        const subject = randomBytes(16).toString("hex");
        return (await users.signIn(client, subject)).refresh_token;
      });
      return Promise.all(signIns);
    },
    verify: async (answer) => {
      await verify(answer);
      const { refresh_token } = JSON.parse(answer);
      if (!/^emr_/.test(refresh_token)) throw new Error(`${refresh_token} is no refresh token`);
    },
  };
}

/**
 * Our worker, over a directory that `register` makes.
 * @template T
 * @param {string} name
 * @param {(admin: import("../pkg/index.d.ts").Administration) => Promise<T>} register
 */
async function startService(name, register) {
  const port = await freePort();
  const baseUrl = `http://127.0.0.1:${port}`;
  const masterKey = randomBytes(32).toString("base64url");
  const store = memoryStore();
  const registered = await register(createIssuer({ baseUrl, masterKey, store }).admin);
  const seed = join(folder, `${name}.json`);
  writeFileSync(seed, JSON.stringify(store.entries()));
  const server = await startServer(join(folder, name), port, {
    modules: modulesFrom("worker/index.js"),
    bindings: { BASE_URL: baseUrl, MASTER_KEY: masterKey },
    namespaces: {
      DIRECTORY: {
        modules: { "bench/kv-stub.js": join(ROOT, "bench/kv-stub.js"), "bench/entries.json": seed },
      },
    },
    objects: { GRANTS: "GrantObject", TENANTS: "DirectoryObject" },
  });
  const issuer = `${baseUrl}/demo`;
  const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
  /** @param {string} answer @param {string} [subject] */
  const verify = async (answer, subject) => {
    const token = JSON.parse(answer).access_token;
    await jwtVerify(token, keys, { issuer, audience: API, subject, typ: "at+jwt" });
  };
  return { server, issuer, registered, verify };
}

/**
 * The directory that tokens are issued from.
 * @param {import("../pkg/index.d.ts").Administration} admin
 */
async function directory(admin) {
  const tenant = "demo";
  const roles = ["Orders.Read.All", "Orders.Write.All"];
  await admin.createTenant({ tenant });
  await admin.createApi({ tenant, identifier: API, roles: roles.map((value) => ({ value })) });
  const { clientId } = await admin.createApplication({ tenant });
  const { secret } = await admin.addSecret({ tenant, clientId });
  await admin.assignRoles({ tenant, clientId, api: API, roles });
  return { clientId, secret: /** @type {string} */ (secret) };
}

/**
 * One that users can sign in to, and an application with the policy that is the default.
 * @param {import("../pkg/index.d.ts").Administration} admin
 */
async function sessions(admin) {
  const login = await registerLogin(admin);
  return { login, client: await registerClient(admin, {}) };
}

/** @param {string} clientId @param {string} secret */
function form(clientId, secret) {
  return new URLSearchParams({
    grant_type: "client_credentials",
    client_id: clientId,
    client_secret: secret,
    scope: `${API}/.default`,
  }).toString();
}

/**
 * A refresh request, up to the token.
 * @param {string} clientId @param {string} secret
 */
function refreshForm(clientId, secret) {
  const client = new URLSearchParams({ client_id: clientId, client_secret: secret });
  return `grant_type=refresh_token&${client}&refresh_token=`;
}

/** One token, as any client asks for it. @param {Contestant} contestant */
async function check({ name, url, body, tokens, verify }) {
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const token = (await tokens?.(1)) ?? "";
  const response = await fetch(url, { method: "POST", headers, body: `${body}${token}` });
  const answer = await response.text();
  if (response.status !== 200) throw new Error(`${name} answers ${response.status}: ${answer}`);
  await verify(answer);
}

/** @param {Contestant} contestant @param {number} seconds @returns {Promise<Run>} */
async function load({ name, server, url, body, tokens: make }, seconds) {
  const { connections } = options;
  const tokens = await make?.(connections * TOKENS_PER_CONNECTION);
  const before = server.cpu();
  const outcome = await runLoad({ url, body, seconds, connections, tokens });
  const cpu = (server.cpu() - before) / outcome.requests;
  if (outcome.errors > 0 || outcome.requests === 0) {
    throw new Error(`${name}: ${outcome.errors} errors in ${outcome.requests} requests`);
  }
  return { ...outcome, cpu };
}

/** @param {Run[]} runs */
function ratioOf([floor, ours]) {
  return ours.cpu / floor.cpu;
}

/** @param {number[]} values */
function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Each figure's median. @param {Run[]} runs @returns {Run} */
function medianRun(runs) {
  const names = /** @type {(keyof Run)[]} */ (Object.keys(runs[0]));
  const medians = names.map((name) => [name, median(runs.map((run) => run[name]))]);
  return Object.fromEntries(medians);
}

function describe() {
  const [{ model }] = cpus();
  const version = spawnSync(WORKERD, ["--version"], { encoding: "utf8" }).stdout.trim();
  const { rounds, seconds, connections } = options;
  console.log(`${version}, compatibility date ${compatibilityDate}; node ${process.version}`);
  console.log(`${model.trim()}, ${cpus().length} cores`);
  console.log(`${rounds} rounds of ${seconds} s, ${connections} connections, ${client}\n`);
}

/** @param {string} round @param {string} name @param {Run} run @param {string} ratio */
function report(round, name, { cpu, requests, seconds, median }, ratio) {
  row(round, name, cpu.toFixed(1), (requests / seconds).toFixed(0), median.toFixed(0), ratio);
}

/** @param {string} round @param {string} name @param {string[]} figures */
function row(round, name, ...figures) {
  console.log(round.padEnd(8), name.padEnd(6), ...figures.map((figure) => figure.padStart(12)));
}
