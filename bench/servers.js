// The servers under measurement: workerd with a configuration written for each, or a program that listens
// by itself, started, asked what CPU and memory it uses, and stopped.

import { spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
// The path of the binary itself: where `.bin/workerd` is a script, the CPU would be its child's.
import { default as workerd } from "workerd";
import { children } from "../tests/children.js";
import { freePort } from "../tests/ports.js";

export { freePort };

/**
 * @typedef {object} Worker
 * @property {Record<string, string>} modules name in the worker -> file; the first one is the entry
 * @property {Record<string, string>} [bindings] texts
 * @property {string[]} [flags] compatibility flags, such as `nodejs_compat`
 * @property {Record<string, Worker | string>} [namespaces] KV namespaces, each with the worker that answers,
 * or with the address of a process of its own that does, such as `127.0.0.1:8080`
 * @property {Record<string, string>} [objects] Durable Object namespaces, each with its class, which
 * the entry exports; SQLite in memory, as far as this machine has a file system there
 *
 * @typedef {object} Server
 * @property {string} origin
 * @property {() => number} cpu microseconds that the process has used so far, in all its threads
 * @property {() => number} memory bytes of its memory that are resident now
 * @property {number} pid
 * @property {() => Promise<void>} stop
 */

export const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** @type {string} */
export const WORKERD = workerd.default;
const READY_WITHIN = 10_000;
/** What a disk costs is not measured: where Linux has it, this is memory. */
export const MEMORY = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();
/** Stops each server that runs. @type {Set<() => Promise<void>>} */
const running = new Set();
/** The kernel's USER_HZ, in which /proc counts: 100 on every architecture that workerd runs on. */
const MICROSECONDS_PER_TICK = 10_000;

/** The date that is deployed. */
export const compatibilityDate = /^compatibility_date = "(.+)"$/m.exec(
  readFileSync(join(ROOT, "wrangler.toml"), "utf8"),
)?.[1];

/** Removes a folder, even one where a process that is being killed still writes. @param {string} folder */
export function remove(folder) {
  try {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  } catch (error) {
    // No reason to leave out what else is to be done at the end.
    console.error(`${folder} is left over: ${error}`);
  }
}

/** Stops all servers that are still there: those of a section that has failed. */
export async function stopAll() {
  for (const stop of [...running]) await stop();
}

/**
 * A server that `stopAll` knows.
 * @param {Server} server @param {() => void} [after] what else is to be done once it is stopped
 * @returns {Server}
 */
export function known(server, after = () => {}) {
  const stop = async () => {
    running.delete(stop);
    await server.stop();
    after();
  };
  running.add(stop);
  return { ...server, stop };
}

/**
 * Serves a worker, as its files are now: they are copied into `folder`, so that a build in the
 * meantime changes nothing.
 * @param {string} folder made if it is not there
 * @param {number} port
 * @param {Worker} worker
 * @param {(origin: string) => Promise<boolean>} [ready] when it is; `listens`, if no request may come first
 * @returns {Promise<Server>}
 */
export async function startServer(folder, port, worker, ready) {
  mkdirSync(folder, { recursive: true });
  const disk = mkdtempSync(join(MEMORY, "edgemint-objects-"));
  const clear = () => remove(disk);
  process.once("exit", clear);
  writeFileSync(join(folder, "config.capnp"), configuration(folder, port, worker, disk));
  const server = await run(folder, [WORKERD, "serve", join(folder, "config.capnp")], {}, port, ready);
  return known(server, () => {
    clear();
    process.removeListener("exit", clear);
  });
}

/**
 * Runs a program that listens on 127.0.0.1 at the port that `PORT` in its environment names. The first of
 * `argv` is the program itself, such as `process.execPath`: a script that starts it would hide its CPU.
 * @param {string} folder where it runs, so the paths in `argv` are absolute; made if it is not there
 * @param {string[]} argv
 * @param {{ env?: Record<string, string>, port?: number }} [options]
 * @returns {Promise<Server>}
 */
export async function startProcess(folder, argv, { env = {}, port } = {}) {
  mkdirSync(folder, { recursive: true });
  const listens = port ?? (await freePort());
  return known(await run(folder, argv, { ...env, PORT: `${listens}` }, listens));
}

/**
 * @param {string} folder
 * @param {string[]} argv
 * @param {Record<string, string>} env
 * @param {number} port
 * @param {(origin: string) => Promise<boolean>} [ready]
 * @returns {Promise<Server>}
 */
async function run(folder, [program, ...args], env, port, ready = answers) {
  const child = spawn(program, args, {
    cwd: folder,
    env: { ...process.env, NODE_ENV: "production", ...env },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let complaints = "";
  child.stderr.setEncoding("utf8").on("data", (chunk) => {
    complaints = (complaints + chunk).slice(-10_000);
  });
  const kill = () => child.kill("SIGKILL");
  // Before the folders are removed that it writes to.
  process.prependOnceListener("exit", kill);
  const exited = new Promise((resolve) => child.once("exit", resolve).once("error", resolve));

  const origin = `http://127.0.0.1:${port}`;
  const deadline = Date.now() + READY_WITHIN;
  while (!(await ready(origin))) {
    if (child.pid === undefined || child.exitCode !== null || Date.now() > deadline) {
      kill();
      throw new Error(`${program} ${args.join(" ")} does not serve in ${folder}:\n${complaints}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const pid = /** @type {number} */ (child.pid);
  return {
    origin,
    pid,
    cpu: () => cpuTime(pid),
    memory: () => residentMemory(pid),
    async stop() {
      kill();
      await exited;
      process.removeListener("exit", kill);
    },
  };
}

/** Whether somebody listens there. @param {string} origin */
export function listens(origin) {
  const { hostname, port } = new URL(origin);
  return /** @type {Promise<boolean>} */ (
    new Promise((resolve) => {
      const socket = connect(Number(port), hostname);
      socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
      socket.once("connect", () => socket.destroy());
    })
  );
}

/** Whether anything is answered there, whatever it says. @param {string} origin */
async function answers(origin) {
  try {
    await (await fetch(origin)).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

/**
 * User and system time of a process with all its threads: proc(5), fields 14 and 15.
 * @param {number} pid
 */
export function cpuTime(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * MICROSECONDS_PER_TICK;
}

/**
 * The same in nanoseconds' steps, for what takes few ticks: `schedstat` of each thread, so without those that
 * have ended. In microseconds.
 * @param {number} pid
 */
export function cpuTimeOfThreads(pid) {
  const times = readdirSync(`/proc/${pid}/task`).map((thread) => {
    const [nanoseconds] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ");
    return Number(nanoseconds) / 1000;
  });
  return times.reduce((sum, one) => sum + one, 0);
}

/**
 * Resident set size in bytes: proc(5), VmRSS.
 * @param {number} pid
 */
export function residentMemory(pid) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

/**
 * A worker with all that it imports from npm in one module, as wrangler bundles it.
 * @param {string} entry its path in this repository, or an absolute one
 * @returns {Promise<Record<string, string>>} the modules of a worker
 */
export async function bundle(entry) {
  const folder = mkdtempSync(join(MEMORY, "edgemint-bundle-"));
  process.once("exit", () => remove(folder));
  const outfile = join(folder, "worker.js");
  await build({
    absWorkingDir: ROOT,
    entryPoints: [resolve(ROOT, entry)],
    outfile,
    bundle: true,
    format: "esm",
    target: "es2024",
    platform: "browser",
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*", "node:*"],
    define: { "process.env.NODE_ENV": '"production"' },
    logLevel: "error",
  });
  return { "worker.js": outfile };
}

/**
 * A module of this repository and all that it imports from it, by their paths: what a bundler
 * finds, left as it is.
 * @param {string} entry
 * @returns {Record<string, string>}
 */
export function modulesFrom(entry) {
  /** @type {Record<string, string>} */
  const modules = {};
  const visit = (/** @type {string} */ name) => {
    if (name in modules) return;
    modules[name] = join(ROOT, name);
    if (extname(name) !== ".js") return;
    const source = readFileSync(modules[name], "utf8");
    for (const [, target] of source.matchAll(/^(?:import|export)\b[^"';]*"(\..+)";$/gm)) {
      visit(join(dirname(name), target));
    }
  };
  visit(entry);
  return modules;
}

/**
 * Writes the modules beside it, and says what to serve.
 * @param {string} folder
 * @param {number} port
 * @param {Worker} main
 * @param {string} disk the folder that keeps its objects
 */
function configuration(folder, port, main, disk) {
  /** @type {[string, Worker | string][]} */
  const workers = [["main", main], ...Object.entries(main.namespaces ?? {})];
  const services = workers.map(([name, worker]) =>
    typeof worker === "string"
      ? `(name = ${quote(name)}, external = (address = ${quote(worker)}, http = ()))`
      : `(name = ${quote(name)}, worker = ${definition(folder, name, worker)})`,
  );
  services.push(`(name = ${quote(DISK)}, disk = (path = ${quote(disk)}, writable = true))`);
  const address = quote(`127.0.0.1:${port}`);
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    ${services.join(",\n    ")},
  ],
  sockets = [(name = "http", address = ${address}, http = (), service = "main")],
);
`;
}

/** @param {string} folder @param {string} service @param {Worker} worker */
function definition(folder, service, worker) {
  const { modules, bindings = {}, flags = [], namespaces = {}, objects = {} } = worker;
  const embedded = Object.entries(modules).map(([name, file]) => {
    const copy = join(service, name);
    mkdirSync(dirname(join(folder, copy)), { recursive: true });
    cpSync(file, join(folder, copy));
    return `(name = ${quote(name)}, ${KINDS[extname(name)]} = embed ${quote(copy)})`;
  });
  const bound = [
    ...Object.entries(bindings).map(([name, value]) => [name, `text = ${quote(value)}`]),
    ...Object.keys(namespaces).map((name) => [name, `kvNamespace = ${quote(name)}`]),
    ...Object.entries(objects).map(([name, of]) => [name, `durableObjectNamespace = ${quote(of)}`]),
  ];
  const classes = Object.values(objects).map(
    (of) => `(className = ${quote(of)}, uniqueKey = ${quote(of)}, enableSql = true)`,
  );
  return `(
      compatibilityDate = ${quote(compatibilityDate)},
      compatibilityFlags = ${quote(flags)},
      modules = [
        ${embedded.join(",\n        ")},
      ],
      bindings = [${bound.map(([name, what]) => `(name = ${quote(name)}, ${what})`).join(", ")}],
      durableObjectNamespaces = [${classes.join(", ")}],
      durableObjectStorage = ${classes.length > 0 ? `(localDisk = ${quote(DISK)})` : "(none = void)"},
    )`;
}

/** The service that keeps objects. */
const DISK = "disk";

const KINDS = /** @type {Record<string, string>} */ ({
  ".js": "esModule",
  ".json": "json",
  ".wasm": "wasm",
});

const quote = JSON.stringify;

/** The processes of workerd that this one has started. */
export const workerds = () => children("workerd");
