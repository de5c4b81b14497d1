// Measures what a token costs: CPU time per request of our worker against the sign floor, on raw
// workerd, in alternation in one run. Fails if the budget is exceeded.
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
import { client, runLoad } from "./load.js";
import { ROOT, WORKERD, compatibilityDate, freePort, modulesFrom, startServer } from "./servers.js";

/**
 * @typedef {object} Contestant
 * @property {string} name
 * @property {import("./servers.js").Server} server
 * @property {string} url where tokens are asked for
 * @property {string} body with which
 * @property {(answer: string) => Promise<void>} verify throws unless it is what it should be
 *
 * @typedef {import("./load.js").Outcome & { cpu: number }} Run with CPU microseconds per request
 */

const BUDGET = 1.25;
const AIM = 1.05;
/** V8 optimises a wasm function after some ten thousand calls: a warm worker has had them. */
const WARM_UP_SECONDS = 12;
const API = "api://orders";

const options = readOptions();
const folder = mkdtempSync(join(tmpdir(), "edgemint-bench-"));
process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
  process.once(signal, () => process.exit(1));
}

const contestants = [await startFloor(), await startOurs()];
describe();
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
const within = ratio <= AIM ? "the aim is met" : "within the budget";
const verdict = ratio <= BUDGET ? within : "TOO MUCH";
console.log(`\nours/floor ${ratio.toFixed(3)}: ${verdict} (budget ${BUDGET}, aim ${AIM})`);
if (options.json) {
  const named = (/** @type {Run[]} */ [floor, ours]) => ({ floor, ours });
  console.log(JSON.stringify({ ratio, budget: BUDGET, aim: AIM, rounds: rounds.map(named) }));
}
process.exit(ratio <= BUDGET ? 0 : 1);

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
  const port = await freePort();
  const baseUrl = `http://127.0.0.1:${port}`;
  const masterKey = randomBytes(32).toString("base64url");
  const { entries, clientId, secret } = await directory(baseUrl, masterKey);
  const seed = join(folder, "entries.json");
  writeFileSync(seed, JSON.stringify(entries));
  const server = await startServer(join(folder, "ours"), port, {
    modules: modulesFrom("worker/index.js"),
    bindings: { BASE_URL: baseUrl, MASTER_KEY: masterKey },
    namespaces: {
      DIRECTORY: {
        modules: { "bench/kv-stub.js": join(ROOT, "bench/kv-stub.js"), "bench/entries.json": seed },
      },
    },
    objects: { GRANTS: "GrantObject" },
  });
  const issuer = `${baseUrl}/demo`;
  const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
  return {
    name: "ours",
    server,
    url: `${issuer}/oauth2/token`,
    body: form(clientId, secret),
    verify: async (answer) => {
      const token = JSON.parse(answer).access_token;
      await jwtVerify(token, keys, { issuer, audience: API, subject: clientId, typ: "at+jwt" });
    },
  };
}

/**
 * The directory that tokens are issued from: what the store holds.
 * @param {string} baseUrl
 * @param {string} masterKey
 */
async function directory(baseUrl, masterKey) {
  const store = memoryStore();
  const { admin } = createIssuer({ baseUrl, masterKey, store });
  const tenant = "demo";
  const roles = ["Orders.Read.All", "Orders.Write.All"];
  await admin.createTenant({ tenant });
  await admin.createApi({ tenant, identifier: API, roles: roles.map((value) => ({ value })) });
  const { clientId } = await admin.createApplication({ tenant });
  const { secret } = await admin.addSecret({ tenant, clientId });
  await admin.assignRoles({ tenant, clientId, api: API, roles });
  return { entries: store.entries(), clientId, secret: /** @type {string} */ (secret) };
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

/** One token, as any client asks for it. @param {Contestant} contestant */
async function check({ name, url, body, verify }) {
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const response = await fetch(url, { method: "POST", headers, body });
  const answer = await response.text();
  if (response.status !== 200) throw new Error(`${name} answers ${response.status}: ${answer}`);
  await verify(answer);
}

/** @param {Contestant} contestant @param {number} seconds @returns {Promise<Run>} */
async function load({ name, server, url, body }, seconds) {
  const before = server.cpu();
  const outcome = await runLoad({ url, body, seconds, connections: options.connections });
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
