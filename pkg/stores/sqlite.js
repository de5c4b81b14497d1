// The store in one SQLite file, by the runtime's own `node:sqlite`. Its calls are synchronous, so that each
// transaction is one step in this process; other processes are kept apart by SQLite's locks.

import { closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { checkStoreOf } from "../options.js";
import { byCommit } from "./single.js";
import * as sql from "./sql.js";

const EXPECTED = "sqliteStore takes a path, `:memory:`, a `file:` URL or a connection of `node:sqlite`";

/** Milliseconds for which SQLite waits for a lock by itself, and with it the whole process. */
const BLOCKING = 20;
/** Milliseconds between two tries after that, at most. */
const PAUSE = 16;

const VERSION = `SELECT version FROM ${sql.TABLE} WHERE partition = ? AND name = ? AND ${sql.LIVE}`;
const WRITE = `INSERT INTO ${sql.TABLE} (partition, name, value, version, expires_at)
  VALUES (?, ?, ?, ?, ?) ${sql.REPLACE}`;
const REMOVE = `DELETE FROM ${sql.TABLE} WHERE partition = ? AND name = ?`;

/** @typedef {import("./sqlite.d.ts").SqliteDatabase} Database */
/** @typedef {ReturnType<typeof prepare>} Statements */
/** @typedef {import("../index.d.ts").StoreWrite} Write */
/** @typedef {import("../index.d.ts").StoreCommit} Commit */
/**
 * @typedef {object} Waiting
 * @property {string} partition
 * @property {Write[]} writes
 * @property {(outcome: Commit) => void} resolve
 * @property {(error: unknown) => void} reject
 */

/**
 * A new file is its owner's alone, and so are those that SQLite makes beside it, which take its mode.
 * @param {string | URL} source @returns {Database}
 */
function opened(source) {
  // Not what SQLite takes for an address, or for memory.
  if (source instanceof URL ? source.search === "" : !/^(?:file:.*|:memory:)?$/s.test(source)) {
    try {
      // Only if there is none: to close a file takes SQLite's locks on it away.
      closeSync(openSync(source, "wx", 0o600));
    } catch {
      // It is there already; if it cannot be made, SQLite says so.
    }
  }
  try {
    return new DatabaseSync(source);
  } catch (error) {
    throw withPath(error, source);
  }
}

/** SQLite does not say which file it is. @param {unknown} error @param {string | URL} source */
function withPath(error, source) {
  if (!(error instanceof Error)) return error;
  const { code, errcode } = /** @type {{ code?: unknown, errcode?: unknown }} */ (error);
  return Object.assign(new Error(`${error.message}: ${source}`, { cause: error }), { code, errcode });
}

/** @type {typeof import("./sqlite.d.ts").sqliteStore} */
export function sqliteStore(source, options = {}) {
  // An empty path would be a file that is gone with the process: what nobody has set is no path.
  const own = (typeof source === "string" && source !== "") || source instanceof URL;
  const methods = own ? [] : ["exec", "prepare"];
  checkStoreOf(own ? {} : source, methods, EXPECTED, options, ["busyTimeout"]);
  const { busyTimeout = 5000 } = options;
  /** @type {Database} */
  const database = own ? opened(source) : /** @type {Database} */ (source);
  const sweeps = new sql.Sweeps();
  /** @type {Statements | undefined} */
  let statements;
  try {
    statements = prepare(database);
  } catch (error) {
    // If another process is just making the same file, the first call tries again.
    if (!isBusy(error)) {
      if (own) database.close();
      throw own ? withPath(error, source) : error;
    }
  }

  /**
   * Does it when nobody else has the lock. Between two tries, this process goes on with other work.
   * @template Result
   * @param {(statements: Statements) => Result} act
   * @returns {Promise<Result>}
   */
  async function attempt(act) {
    const end = performance.now() + busyTimeout;
    for (;;) {
      try {
        statements ??= prepare(database);
        return act(statements);
      } catch (error) {
        if (!isBusy(error) || performance.now() >= end) throw error;
        await new Promise((resolve) => setTimeout(resolve, PAUSE * Math.random()));
      }
    }
  }

  /** Commits that came in this turn of the event loop. @type {Waiting[]} */
  let waiting = [];

  /** @type {Required<import("../index.d.ts").Store>["commit"]} */
  async function commit(partition, writes) {
    sql.check(partition, ...writes.map(({ name }) => name));
    return new Promise((resolve, reject) => {
      waiting.push({ partition, writes, resolve, reject });
      if (waiting.length === 1) setImmediate(flush);
    });
  }

  /** All of them as one transaction: the disk is waited for once. */
  async function flush() {
    const all = waiting;
    waiting = [];
    try {
      const outcomes = await transact(all);
      all.forEach(({ resolve }, at) => resolve(outcomes[at]));
    } catch (error) {
      for (const one of all) {
        // One of them may be what is wrong, and the others not.
        const outcome = isBusy(error) || all.length === 1 ? Promise.reject(error) : transact([one]);
        await outcome.then(([outcome]) => one.resolve(outcome), one.reject);
      }
    }
  }

  /** @param {Waiting[]} all */
  const transact = (all) =>
    attempt((statements) =>
      transaction(database, () => {
        const cutoff = sweeps.due();
        if (cutoff !== null) sweeps.done(Number(statements.sweep.run(cutoff).changes));
        return all.map(({ partition, writes }) => apply(statements, partition, writes));
      }),
    );

  return {
    guarantees: { atomic: true, readYourWrites: true },
    commit,
    ...byCommit(commit),

    async get(partition, name) {
      sql.check(partition, name);
      const found = await attempt(({ read }) => read.get(partition, name, sql.now()));
      if (!found) return null;
      const { value, version } = /** @type {{ value: string, version: string }} */ (found);
      return { value, version };
    },

    async list(partition, prefix, cursor, limit) {
      sql.check(partition, prefix);
      const from = cursor ?? "";
      const rows = await attempt(({ list }) =>
        list.all(partition, prefix, prefix, from, sql.now(), limit + 1),
      );
      return sql.page(rows.map((row) => /** @type {{ name: string }} */ (row).name), limit);
    },

    close() {
      if (own) database.close();
    },
  };
}

/**
 * One commit, within a transaction.
 * @param {Statements} statements @param {string} partition @param {Write[]} writes
 * @returns {Commit}
 */
function apply({ version, write, remove }, partition, writes) {
  const time = sql.now();
  const conflict = writes.findIndex(({ name, expected }) => {
    const row = /** @type {{ version: string } | undefined} */ (version.get(partition, name, time));
    return (row?.version ?? null) !== expected;
  });
  if (conflict !== -1) return { conflict };
  const versions = writes.map(({ name, value, expected, expiresAt }) => {
    if (value === null) {
      if (expected !== null) remove.run(partition, name);
      return expected ?? "";
    }
    const made = crypto.randomUUID();
    write.run(partition, name, value, made, expiresAt);
    return made;
  });
  return { versions };
}

/**
 * Sets the connection up, makes the table in a new file, and compiles the statements.
 * @param {Database} database
 */
function prepare(database) {
  database.exec(`PRAGMA busy_timeout = ${BLOCKING}`);
  // Readers and the one writer do not wait for each other.
  database.exec("PRAGMA journal_mode = WAL");
  // What was acknowledged survives the loss of power, too, and not only the end of the process: a grant
  // that went back by one refresh would take the next honest one for a forgery.
  database.exec("PRAGMA synchronous = FULL");
  const made = database.prepare("SELECT 1 FROM sqlite_master WHERE name = ?").get(`${sql.TABLE}_expiry`);
  if (made === undefined) {
    transaction(database, () => {
      database.exec(sql.CREATE_TABLE);
      database.exec(sql.CREATE_INDEX);
    });
  }
  return {
    read: database.prepare(sql.READ),
    version: database.prepare(VERSION),
    write: database.prepare(WRITE),
    remove: database.prepare(REMOVE),
    list: database.prepare(sql.LIST),
    sweep: database.prepare(sql.SWEEP),
  };
}

/**
 * With the write lock from the start: what is read does not change before it is written.
 * @template Result
 * @param {Database} database
 * @param {() => Result} act
 */
function transaction(database, act) {
  database.exec("BEGIN IMMEDIATE");
  try {
    const result = act();
    database.exec("COMMIT");
    return result;
  } catch (error) {
    try {
      database.exec("ROLLBACK");
    } catch {
      // SQLite has rolled back by itself, as it does when the disk is full. The first error counts.
    }
    throw error;
  }
}

/** Whether another process has the lock. Not every runtime tells the code. @param {unknown} error */
function isBusy(error) {
  return error instanceof Error && error.message === "database is locked";
}
