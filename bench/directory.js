// Measures a tenant with very many applications: how long the command line takes to create them, to list
// and to export them, how soon their copies are in KV, and what a token then costs, against a tenant with
// one application in the same process. Fails if something is missing, or if a token costs more there.
//
//   node bench/directory.js [--applications 100000] [--rounds 5] [--seconds 5] [--folder /dev/shm]
//
// What is stored lies in memory, where this machine has a file system there: a disk's figures are its own.

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import http from "node:http";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { jwtVerify, createRemoteJWKSet } from "jose";
import { Client, bootstrap } from "../pkg/cli/client.js";
import { localWorker } from "../worker/local.js";
import { endWithParent } from "./machine.js";
import { MEMORY, ROOT, cpuTime, freePort, remove, workerds } from "./servers.js";

/** @typedef {{ clientId: string, clientSecret: string }} Credentials */

/** How much more a token may cost in the large tenant, as CPU time of the server. */
const BUDGET = 1.1;
/** Requests at a time. */
const CONNECTIONS = 16;
/** V8 optimises a wasm function after some ten thousand calls: a warm worker has had them. */
const WARM_UP_SECONDS = 8;
/** Applications in a page, and names in a page of KV. */
const PAGE = 1000;
const API = "api://orders";
const LARGE = "large";
const SMALL = "small";
/** What every application of both tenants has: in the environment of the command line. */
const SECRET = randomBytes(32).toString("base64url");

const { applications, rounds, seconds, parent } = readOptions();
const folder = mkdtempSync(join(parent, "edgemint-directory-"));
const state = join(folder, "state");
process.once("exit", () => remove(folder));
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
  process.once(signal, () => process.exit(1));
}
endWithParent();

const port = await freePort();
const url = `http://127.0.0.1:${port}`;
const bindings = {
  BASE_URL: url,
  MASTER_KEY: randomBytes(32).toString("base64url"),
  BOOTSTRAP_SECRET: randomBytes(32).toString("base64url"),
};
/** Zero-padded, so that the order of the names is that of the numbers. @param {number} at */
const idOf = (at) => `app-${`${at}`.padStart(7, "0")}`;

let worker = await start({});
const { large, small } = await administrators();
await create();
const created = performance.now();
await Promise.all([list(), replicated(created)]);
await exportAll();
await again();
const failures = await tokens();
await worker.stop();
process.exit(failures === 0 ? 0 : 1);

function readOptions() {
  const { values } = parseArgs({
    options: {
      applications: { type: "string", default: "100000" },
      rounds: { type: "string", default: "5" },
      seconds: { type: "string", default: "5" },
      folder: { type: "string", default: MEMORY },
    },
  });
  const { folder } = values;
  const numbers = [values.applications, values.rounds, values.seconds].map(Number);
  if (!numbers.every((number) => Number.isInteger(number) && number > 0)) {
    throw new RangeError("applications, rounds and seconds are whole numbers above zero");
  }
  return { applications: numbers[0], rounds: numbers[1], seconds: numbers[2], parent: folder };
}

/** The worker, over what is in `state`. @param {Record<string, string>} more */
async function start(more) {
  const before = new Set(workerds());
  const miniflare = localWorker({
    port,
    state,
    bindings: { ...bindings, ...more },
    onLine: (line, failed) => failed && console.error(line),
  });
  await miniflare.ready;
  const pid = workerds().find((one) => !before.has(one));
  if (pid === undefined) throw new Error("no workerd was started");
  const kill = () => {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  };
  // Before the folder is removed that it writes to.
  process.prependOnceListener("exit", kill);
  const stop = async () => {
    process.removeListener("exit", kill);
    await miniflare.dispose();
  };
  return { miniflare, pid, cpu: () => cpuTime(pid), stop };
}

/** The most memory that the worker has used, and what it uses now, in MB. */
function memory() {
  const status = readFileSync(`/proc/${worker.pid}/status`, "utf8");
  const of = (/** @type {string} */ name) =>
    Math.round(Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024);
  return `${of("VmRSS")} MB (at most ${of("VmHWM")} MB)`;
}

/** @param {string} what @param {string} figures */
function tell(what, figures) {
  console.log(`${what.padEnd(28)}${figures}`);
}

/** @param {number} since */
function elapsed(since) {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}

/** Both tenants, and an application in the small one. */
async function administrators() {
  const { body } = await bootstrap({ url, tenant: LARGE }, bindings.BOOTSTRAP_SECRET, {}, () => {});
  const large = clientOf(LARGE, body);
  const made = await large.request("POST", "/tenants", { creates: true, body: { tenant: SMALL } });
  const small = clientOf(SMALL, made.body.administrator);
  const api = { identifier: API, roles: [{ value: "Orders.Read.All" }] };
  await small.request("POST", "/apis", { creates: true, body: api });
  const application = {
    clientId: idOf(0),
    secrets: [{ secret: SECRET }],
    assignments: [{ api: API, roles: ["Orders.Read.All"] }],
  };
  const imported = { applications: [application] };
  await small.request("POST", "/applications/import", { creates: true, body: imported });
  return { large, small };
}

/** @param {string} tenant @param {{ clientId: string, secret: string }} administrator */
function clientOf(tenant, { clientId, secret }) {
  return new Client({ url, tenant, clientId, clientSecret: secret }, () => {});
}

/**
 * Runs the command line in a terminal of its own, where it shows its progress.
 * @param {string[]} args
 */
async function edgemint(args) {
  const figures = join(folder, "figures.json");
  const watch = `data:text/javascript,import{writeFileSync}from"node:fs";process.on("exit",()=>
    writeFileSync(${JSON.stringify(figures)},JSON.stringify(process.resourceUsage())))`;
  const quoted = [process.execPath, "--import", watch, join(ROOT, "pkg/cli/main.js"), ...args]
    .map((one) => `'${one}'`)
    .join(" ");
  const { tenant, clientId, clientSecret } = large.profile;
  const begun = performance.now();
  const child = spawn("script", ["-qec", `stty cols 100; exec ${quoted}`, "/dev/null"], {
    env: {
      ...process.env,
      EDGEMINT_URL: url,
      EDGEMINT_TENANT: tenant,
      EDGEMINT_CLIENT_ID: clientId,
      EDGEMINT_CLIENT_SECRET: clientSecret,
      EDGEMINT_CONFIG: join(folder, "config.json"),
      BENCH_SECRET: SECRET,
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const kill = () => child.kill("SIGKILL");
  process.prependOnceListener("exit", kill);
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (output += text));
  const code = await new Promise((resolve, reject) => {
    child.once("error", reject).once("close", resolve);
  });
  process.removeListener("exit", kill);
  if (code !== 0) throw new Error(`${args.join(" ")} ends with ${code}:\n${output.slice(-2000)}`);
  const { maxRSS, userCPUTime, systemCPUTime } = JSON.parse(readFileSync(figures, "utf8"));
  const cpu = ((userCPUTime + systemCPUTime) / 1e6).toFixed(1);
  const took = `${elapsed(begun)}, ${cpu} s of CPU and ${Math.round(maxRSS / 1024)} MB in the command`;
  // What is drawn over, as lines: sequences that move the cursor in its line begin the next one.
  const lines = output
    .replace(/\u001b\[0?G|\u001b\[1G|\r/g, "\n")
    .replace(/\u001b(?:\[[\d;?]*[A-Za-z]|[78])/g, "")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  return { lines, took };
}

/** @param {string[]} lines @param {string} text */
function expect(lines, text) {
  if (lines.some((line) => line.includes(text))) return;
  throw new Error(`no line says \`${text}\`:\n${lines.slice(-5).join("\n")}`);
}

async function create() {
  const file = join(folder, "directory.yaml");
  const items = Array.from(
    { length: applications },
    (_, at) =>
      `  - clientId: ${idOf(at)}\n    displayName: Application ${at}\n` +
      `    secretFromEnv: BENCH_SECRET\n    assignments: { "${API}": [Orders.Read.All] }\n`,
  );
  const head = `apis:\n  - identifier: ${API}\n    roles: [Orders.Read.All]\napplications:\n`;
  writeFileSync(file, head + items.join(""));
  tell("file", `${applications} applications, ${(statSync(file).size / 1e6).toFixed(1)} MB`);

  const before = worker.cpu();
  const { lines, took } = await edgemint(["apply", "-f", file, "--yes"]);
  expect(lines, `Done: ${(applications + 1).toLocaleString("en")} added`);
  const cpu = (worker.cpu() - before) / 1e6;
  tell("apply", `${took}; ${cpu.toFixed(1)} s of CPU in the worker, ${memory()}`);
  const bars = lines.filter((line) => /^Applying .*%/.test(line));
  if (bars.length < 2) throw new Error(`${bars.length} frames of the progress bar`);
  const shown = new Set([0, 0.25, 0.5, 0.75, 1].map((part) => Math.floor(part * (bars.length - 1))));
  for (const at of shown) console.log(`  frame ${`${at + 1}`.padStart(3)}: ${bars[at]}`);
}

/** All applications by pages: each one once. */
async function list() {
  const begun = performance.now();
  const seen = new Set();
  let [pages, slowest, items] = [0, 0, 0];
  let asked = performance.now();
  for await (const page of large.pages("/applications")) {
    slowest = Math.max(slowest, performance.now() - asked);
    pages += 1;
    items += page.items.length;
    for (const { clientId } of page.items) seen.add(clientId);
    asked = performance.now();
  }
  for (let at = 0; at < applications; at += 1) {
    if (!seen.has(idOf(at))) throw new Error(`${idOf(at)} is not listed`);
  }
  // The administrator is one of them.
  if (seen.size !== items || items !== applications + 1) throw new Error(`${items} are listed`);
  const told = `${items} in ${pages} pages of at most ${PAGE}, each once`;
  tell("list", `${elapsed(begun)}: ${told}; the slowest page ${slowest.toFixed(0)} ms`);
}

/** Waits until every application's copy is in KV. @param {number} created */
async function replicated(created) {
  const namespace = await worker.miniflare.getKVNamespace("DIRECTORY");
  const prefix = `directory/${LARGE}:application/app-`;
  /** @type {string | undefined} */
  let cursor;
  let done = 0;
  for (const giveUp = performance.now() + 900_000; done < applications; ) {
    const page = await patiently(namespace.list({ prefix, limit: PAGE, cursor }));
    if (page === undefined) continue;
    const complete = page.keys.every(({ name }, at) => name === prefix.slice(0, -4) + idOf(done + at));
    if (complete && page.keys.length === Math.min(PAGE, applications - done)) {
      done += page.keys.length;
      cursor = page.list_complete ? undefined : page.cursor;
      continue;
    }
    if (performance.now() > giveUp) {
      const { length } = page.keys;
      throw new Error(`${done} copies are there, and no more come: ${length} ${page.keys[0]?.name}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  tell("copies in KV", `${done}, the last one ${elapsed(created)} after \`apply\` had ended; ${memory()}`);
}

/**
 * A call from outside of the worker, which miniflare now and then never answers under load: then nothing.
 * @template T @param {Promise<T>} call
 */
function patiently(call) {
  const late = new Promise((resolve) => setTimeout(resolve, 10_000).unref());
  return Promise.race([call, /** @type {Promise<undefined>} */ (late)]);
}

async function exportAll() {
  const file = join(folder, "exported.yaml");
  const { lines, took } = await edgemint(["export", "-f", file]);
  expect(lines, `${(applications + 1).toLocaleString("en")} applications`);
  tell("export", `${took}; ${(statSync(file).size / 1e6).toFixed(1)} MB`);
}

async function again() {
  const { lines, took } = await edgemint(["apply", "-f", join(folder, "directory.yaml"), "--yes"]);
  expect(lines, "Nothing to do");
  tell("apply again", `${took}: nothing to do`);
}

/** What a token costs in the two tenants, in alternation. How many budgets were exceeded. */
async function tokens() {
  let at = 0;
  /** The same application again and again. */
  const same = (/** @type {string} */ tenant) => () => ({ tenant, clientId: idOf(0) });
  /** Another one each time, in an order that no cache of fewer can serve. */
  const turning = () => ({ tenant: LARGE, clientId: idOf((at += 7919) % applications) });
  await verify(SMALL, idOf(0));
  await verify(LARGE, idOf(applications - 1));
  let failed = 0;
  /** @param {string} what @param {(() => { tenant: string, clientId: string })[]} contestants */
  const compare = async (what, contestants) => {
    for (const next of contestants) await load(next, WARM_UP_SECONDS);
    const ratios = [];
    /** @type {Awaited<ReturnType<typeof load>>[][]} */
    const costs = [];
    for (let round = 1; round <= rounds; round += 1) {
      /** @type {typeof costs[number]} */
      const runs = [];
      // In turn the first: whatever else the machine does must not always meet the same one.
      for (const which of round % 2 ? [0, 1] : [1, 0]) {
        runs[which] = await load(contestants[which], seconds);
      }
      costs.push(runs);
      ratios.push(runs[1].cpu / runs[0].cpu);
    }
    const ratio = median(ratios);
    const [one, many] = [0, 1].map((which) => median(costs.map((runs) => runs[which].cpu)));
    const [short, long] = [0, 1].map((which) => median(costs.map((runs) => runs[which].latency)));
    const latencies = `median latency ${short.toFixed(2)} and ${long.toFixed(2)} ms`;
    const verdict = ratio <= BUDGET ? "within the budget" : "TOO MUCH";
    tell(
      `token, ${what}`,
      `${one.toFixed(0)} us of CPU with 1 application, ${many.toFixed(0)} us with ${applications}; ` +
        `ratio ${ratio.toFixed(3)} (${ratios.map((one) => one.toFixed(2)).join(" ")}), ${verdict}; ${latencies}`,
    );
    if (ratio > BUDGET) failed += 1;
  };
  await compare("cached", [same(SMALL), same(LARGE)]);

  // Many more applications than the cache holds: each one is read.
  const run = await load(turning, seconds * rounds);
  const figures = `${run.cpu.toFixed(0)} us of CPU, median latency ${run.latency.toFixed(2)} ms`;
  tell("token, another each time", `${figures}, ${run.requests} requests; ${memory()}`);

  // Without a cache, the small tenant's are read each time, too.
  await worker.stop();
  worker = await start({ CACHE_TTL: "0" });
  await compare("nothing cached", [same(SMALL), turning]);
  return failed;
}

/** @param {string} tenant @param {string} clientId */
async function verify(tenant, clientId) {
  const issuer = `${url}/${tenant}`;
  const body = new URLSearchParams(form(clientId));
  const response = await fetch(`${issuer}/oauth2/token`, { method: "POST", body });
  const { access_token } = /** @type {any} */ (await response.json());
  const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
  await jwtVerify(access_token, keys, { issuer, audience: API, subject: clientId });
}

/** @param {string} clientId */
function form(clientId) {
  return {
    grant_type: "client_credentials",
    client_id: clientId,
    client_secret: SECRET,
    scope: `${API}/.default`,
  };
}

/**
 * Asks for tokens, for as long as it is told.
 * @param {() => { tenant: string, clientId: string }} next @param {number} seconds
 */
async function load(next, seconds) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  /** @type {number[]} */
  const times = [];
  const before = worker.cpu();
  const until = performance.now() + seconds * 1000;
  const connection = async () => {
    while (performance.now() < until) {
      const { tenant, clientId } = next();
      const begun = performance.now();
      await post(agent, `${url}/${tenant}/oauth2/token`, `${new URLSearchParams(form(clientId))}`);
      times.push(performance.now() - begun);
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, connection));
  agent.destroy();
  const cpu = (worker.cpu() - before) / times.length;
  return { cpu, requests: times.length, latency: median(times) };
}

/** @param {http.Agent} agent @param {string} to @param {string} body @returns {Promise<void>} */
function post(agent, to, body) {
  return new Promise((resolve, reject) => {
    const headers = {
      "content-type": "application/x-www-form-urlencoded",
      "content-length": Buffer.byteLength(body),
    };
    const request = http.request(to, { agent, method: "POST", headers }, (response) => {
      response.resume().once("error", reject);
      response.once("end", () => {
        if (response.statusCode === 200) resolve();
        else reject(new Error(`${to} answers ${response.statusCode} to ${body}`));
      });
    });
    request.once("error", reject).end(body);
  });
}

/** @param {number[]} values */
function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1];
}
