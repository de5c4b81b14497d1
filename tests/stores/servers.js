// The database servers under test: Debian's own, each on a free port of 127.0.0.1 and in a folder of its
// own. Every write that they acknowledge is on the disk, as it should be where grants are kept.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, chownSync, constants, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort } from "../ports.js";

export { freePort };

const run = promisify(execFile);
/** Milliseconds that a server may take to start, on a machine that does much else. */
const PATIENCE = 240_000;

/**
 * @typedef {object} Server
 * @property {string} url for the client library
 * @property {number} port
 * @property {() => Promise<void>} kill as a crash does: without notice
 * @property {() => Promise<void>} restart over what it had stored, whether it was killed or still runs
 * @property {() => Promise<void>} stop for good, with its folder
 */

/**
 * PostgreSQL, with a user `postgres` and a database of the same name.
 * @param {string[]} [settings] such as `max_connections=20`
 * @returns {Promise<Server>}
 */
export async function startPostgres(settings = []) {
  const programs = postgresPrograms();
  const folder = mkdtempSync(join(tmpdir(), "edgemint-postgres-"));
  const data = join(folder, "data");
  const identity = await unprivileged(folder);
  const options = { cwd: folder, env: { ...process.env, LC_ALL: "C", HOME: folder }, ...identity };
  const setUp = ["--pgdata", data, "--username=postgres", "--auth=trust", "--encoding=UTF8"];
  // Its order of text is not that of the bytes: what is, is so by the store's own doing.
  const order = ["--locale-provider=icu", "--icu-locale=en-US", "--locale=C"];
  await run(join(programs, "initdb"), [...setUp, ...order, "--no-sync"], options);
  const port = await freePort();
  const given = [`port=${port}`, "listen_addresses=127.0.0.1", "unix_socket_directories=", ...settings];
  const parameters = ["-D", data, ...given.flatMap((setting) => ["-c", setting])];
  const start = () =>
    started(join(programs, "postgres"), parameters, options, /ready to accept connections/);
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  // SIGINT: without waiting for clients to leave.
  return serve({ folder, start, url, port, ending: "SIGINT" });
}

/**
 * Redis, with every write in its log before it answers.
 * @param {string[]} [settings] such as `--maxmemory`, `1mb`
 * @returns {Promise<Server>}
 */
export async function startRedis(settings = []) {
  const folder = mkdtempSync(join(tmpdir(), "edgemint-redis-"));
  const port = await freePort();
  const parameters = ["--port", `${port}`, "--bind", "127.0.0.1", "--dir", folder, "--save", ""];
  parameters.push("--appendonly", "yes", "--appendfsync", "always", ...settings);
  const start = () =>
    started("redis-server", parameters, { cwd: folder }, /Ready to accept connections/);
  return serve({ folder, start, url: `redis://127.0.0.1:${port}`, port, ending: "SIGTERM" });
}

/**
 * @param {{ folder: string, start: () => Promise<import("node:child_process").ChildProcess>, url: string,
 * port: number, ending: NodeJS.Signals }} server
 * @returns {Promise<Server>}
 */
async function serve({ folder, start, url, port, ending }) {
  let child = await start();
  const clean = () => {
    crash(child);
    rmSync(folder, { recursive: true, force: true });
  };
  // A test that fails badly leaves nothing behind either.
  process.once("exit", clean);
  const end = async (/** @type {() => void} */ how) => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    how();
    await ended;
  };
  return {
    url,
    port,
    kill: () => end(() => crash(child)),
    async restart() {
      await end(() => child.kill(ending));
      child = await start();
    },
    async stop() {
      await end(() => child.kill(ending));
      process.off("exit", clean);
      rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}

/**
 * Ends a server and the processes that it made, all at once.
 * @param {import("node:child_process").ChildProcess} child
 */
function crash(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  let made = "";
  // So that it makes no more of them meanwhile.
  child.kill("SIGSTOP");
  try {
    made = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8");
  } catch {
    // Not this kind of system, or it has just ended: PostgreSQL's processes end by themselves.
  }
  child.kill("SIGKILL");
  for (const pid of made.split(" ").filter(Boolean)) {
    try {
      process.kill(Number(pid), "SIGKILL");
    } catch {
      // It was quicker.
    }
  }
}

/**
 * Starts a server, again and again if need be: after a crash, PostgreSQL waits for what is left of it.
 * @param {string} program @param {string[]} parameters
 * @param {import("node:child_process").SpawnOptions} options
 * @param {RegExp} ready what it says when it is
 * @returns {Promise<import("node:child_process").ChildProcess>}
 */
async function started(program, parameters, options, ready) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const child = spawn(program, parameters, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    let said = "";
    const outcome = await new Promise((resolve, reject) => {
      const timer = setTimeout(() => resolve("late"), Math.max(0, end - Date.now()));
      const settle = (/** @type {string} */ how) => {
        clearTimeout(timer);
        resolve(how);
      };
      const hear = (/** @type {Buffer} */ chunk) => {
        said = (said + chunk).slice(-4000);
        if (ready.test(said)) settle("ready");
      };
      child.stdout?.on("data", hear);
      child.stderr?.on("data", hear);
      child.once("error", reject);
      child.once("exit", () => settle("ended"));
    });
    if (outcome === "ready") return child;
    if (outcome === "late" || Date.now() > end) {
      crash(child);
      throw new Error(`${program} did not start: ${said}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** The folder of `initdb` and `postgres`: Debian has one for each version, and none of it in PATH. */
function postgresPrograms() {
  const versions = "/usr/lib/postgresql";
  const newest = entries(versions).sort((a, b) => Number(b) - Number(a));
  const folders = newest.map((version) => join(versions, version, "bin"));
  folders.push(...(process.env.PATH ?? "").split(":"));
  const found = folders.find((folder) =>
    ["initdb", "postgres"].every((program) => isProgram(join(folder, program))),
  );
  if (found === undefined) throw new Error("initdb is missing: install Debian's `postgresql`");
  return found;
}

/** @param {string} folder */
function entries(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** @param {string} path */
function isProgram(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * PostgreSQL refuses to run as root: it is its own user's then, who must own the folder.
 * @param {string} folder
 * @returns {Promise<{ uid?: number, gid?: number }>}
 */
async function unprivileged(folder) {
  if (process.getuid?.() !== 0) return {};
  const id = async (/** @type {string} */ option) => Number((await run("id", [option, "postgres"])).stdout);
  const [uid, gid] = [await id("-u"), await id("-g")];
  chownSync(folder, uid, gid);
  return { uid, gid };
}
