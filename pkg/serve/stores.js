// The store that `--store` names. The clients of databases are optional peers of the package: each is
// loaded here, and only if it is asked for.

import { createRequire } from "node:module";
import { dirname } from "node:path";
import { existsSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { CliError, networkReason, usage } from "../cli/errors.js";
import { memoryStore } from "../stores/memory.js";

/**
 * @typedef {object} Opened
 * @property {import("../index.d.ts").Store} store
 * @property {string} kind what it is, for the log: no URL, since those hold passwords
 * @property {() => unknown} close
 *
 * @typedef {(detail: string) => void} OnTrouble told why the database does not answer
 */

/** Milliseconds that a database has to take a connection, and to answer. */
const [CONNECTING, ANSWERING] = [5000, 5000];

/** What is gone with the process. */
export const isLasting = (/** @type {string} */ url) => url !== "memory";

/**
 * @param {string} url @param {OnTrouble} onTrouble
 * @returns {Promise<Opened>}
 */
export async function openStore(url, onTrouble) {
  if (url === "memory") return { store: memoryStore(), kind: "memory", close: () => {} };
  const [, scheme = "", rest = ""] = /^([a-z]+):(.*)$/i.exec(url) ?? [];
  const open = Object.hasOwn(KINDS, scheme) ? KINDS[scheme] : undefined;
  if (open === undefined || rest === "") {
    // It may hold a password.
    throw usage(
      `--store ${/^[a-z]*/i.exec(url)?.[0]}... is no store`,
      "sqlite:PATH, memory, redis://HOST, rediss://HOST or postgres://HOST/DATABASE",
    );
  }
  return open(url, onTrouble);
}

/** @type {Record<string, (url: string, onTrouble: OnTrouble) => Promise<Opened>>} */
const KINDS = { sqlite, redis, rediss: redis, postgres, postgresql: postgres };

/** @param {string} url @returns {Promise<Opened>} */
async function sqlite(url) {
  const path = url.slice("sqlite:".length);
  const folder = dirname(path);
  if (!existsSync(folder)) throw usage(`--store ${url}: there is no folder ${folder}`);
  /** @type {typeof import("../stores/sqlite.js")} */
  let module;
  try {
    module = await import("../stores/sqlite.js");
  } catch (error) {
    if (!/node:sqlite/.test(String(error))) throw error;
    throw usage(
      `${process.version} of Node has no SQLite`,
      "Use Node 22.13 or newer, Deno or Bun, or another --store",
    );
  }
  try {
    const store = module.sqliteStore(path);
    return { store, kind: "sqlite", close: () => store.close() };
  } catch (error) {
    throw new CliError(`cannot open ${path}: ${networkReason(error)}`, { code: "store" });
  }
}

/** @param {string} url @param {OnTrouble} onTrouble @returns {Promise<Opened>} */
async function redis(url, onTrouble) {
  const { createClient } = await peer("redis");
  const { redisStore } = await import("../stores/redis.js");
  let isConnected = false;
  const options = {
    url,
    // What is asked while there is no connection is answered 503 at once, and not kept for later.
    disableOfflineQueue: true,
    socket: {
      connectTimeout: CONNECTING,
      // At the start it is rather the set-up that is wrong; later it comes back.
      reconnectStrategy: (/** @type {number} */ retries, /** @type {Error} */ cause) =>
        isConnected ? Math.min(50 * 2 ** retries, 2000) : cause,
    },
  };
  /** @type {any} */
  let client;
  try {
    client = createClient(options);
  } catch {
    // The library's error may hold the URL.
    throw usage(
      "--store is not a URL of Redis",
      "redis://USER:PASSWORD@HOST:PORT/NUMBER: @, :, / and the like are percent-encoded in a password",
    );
  }
  client.on("error", (/** @type {unknown} */ error) => isConnected && onTrouble(networkReason(error)));
  try {
    await client.connect();
  } catch (error) {
    throw unreachable("redis", url, error);
  }
  isConnected = true;
  return { store: redisStore(client), kind: "redis", close: () => client.close() };
}

/** @param {string} url @param {OnTrouble} onTrouble @returns {Promise<Opened>} */
async function postgres(url, onTrouble) {
  const module = await peer("pg");
  const { postgresStore } = await import("../stores/postgres.js");
  const { Pool } = module.default ?? module;
  /** @type {any} */
  const pool = new Pool({
    connectionString: url,
    connectionTimeoutMillis: CONNECTING,
    query_timeout: ANSWERING,
    application_name: "edgemint",
  });
  // Of a connection that nobody uses at the moment.
  pool.on("error", (/** @type {unknown} */ error) => onTrouble(networkReason(error)));
  const store = postgresStore(pool);
  try {
    await store.prepare();
  } catch (error) {
    await pool.end().catch(() => {});
    throw unreachable("postgres", url, error);
  }
  return { store, kind: "postgres", close: () => pool.end() };
}

/** @param {string} kind @param {string} url @param {unknown} error */
function unreachable(kind, url, error) {
  const host = URL.canParse(url) ? ` at ${new URL(url).host}` : "";
  return new CliError(`cannot use the ${kind} store${host}: ${networkReason(error)}`, {
    code: "store",
    hint: "Check the URL, and that it runs",
  });
}

/**
 * A client library: installed beside this package, or where the command is run.
 * @param {string} name
 * @returns {Promise<any>}
 */
async function peer(name) {
  try {
    return await import(name);
  } catch (error) {
    if (!isMissing(error, name)) throw error;
  }
  try {
    const path = createRequire(`${process.cwd()}/package.json`).resolve(name);
    return await import(pathToFileURL(path).href);
  } catch (error) {
    if (!isMissing(error, name)) throw error;
    throw new CliError(`the package ${name} is not installed, which this store needs`, {
      code: "missing_package",
      hint: `Run \`npm install ${name}\``,
    });
  }
}

/** @param {unknown} error @param {string} name */
const isMissing = (error, name) =>
  new RegExp(`(?:find|resolve|not found|not a dependency|import)[^\n]*["'\`/]${name}["'\`@ ]`, "i").test(
    `${String(error)} `,
  );
