// The records of one partition in the SQLite of a Durable Object, and the alarm that deletes what has
// expired. Every method is synchronous from its first read to its last write, so it is one atomic step;
// the platform's output gate holds the object's answer back until what it wrote is durable.

import { now } from "../driver.js";

/** The most names in a page. */
const PAGE = 1000;

/** Names are compared as SQLite does by itself: by their UTF-8 bytes. */
const CREATE = `CREATE TABLE IF NOT EXISTS records (
  name TEXT PRIMARY KEY, value TEXT NOT NULL, version TEXT NOT NULL, expires_at INTEGER
) WITHOUT ROWID`;
/** Where most records never expire: otherwise each alarm would read all of them. */
const INDEX = `CREATE INDEX IF NOT EXISTS records_expiry ON records (expires_at)
  WHERE expires_at IS NOT NULL`;
const EXISTS = "SELECT 1 FROM sqlite_master WHERE name = 'records'";
/** What has expired is absent, whether or not the alarm has come to it. */
const LIVE = "(expires_at IS NULL OR expires_at > ?)";
const READ = `SELECT value, version FROM records WHERE name = ? AND ${LIVE}`;
const READ_EXPIRY = `SELECT value, version, expires_at AS expiresAt FROM records
  WHERE name = ? AND ${LIVE}`;
const READ_VERSION = `SELECT version FROM records WHERE name = ? AND ${LIVE}`;
/** Two look-ups in one statement: a list of names would be made a table of its own each time. */
const READ_TWO = ["?1", "?2"]
  .map((name) => `SELECT name, value FROM records WHERE name = ${name} AND ${LIVE.replace("?", "?3")}`)
  .join(" UNION ALL ");
const INSERT = `INSERT INTO records (name, value, version, expires_at) VALUES (?, ?, ?, ?)
  ON CONFLICT (name) DO UPDATE SET
    value = excluded.value, version = excluded.version, expires_at = excluded.expires_at`;
const CREATE_ONCE = `${INSERT} WHERE records.expires_at <= ? RETURNING 1`;
const UPDATE = `UPDATE records SET value = ?, version = ?, expires_at = ?
  WHERE name = ? AND version = ? AND ${LIVE} RETURNING 1`;
const DELETE = `DELETE FROM records WHERE name = ? AND version = ? AND ${LIVE} RETURNING 1`;
const DELETE_NAME = "DELETE FROM records WHERE name = ?";
/** A range of the key, not a pattern: no byte of UTF-8 is 0xff, so the range ends with the prefix. */
const LIST = `SELECT name FROM records
  WHERE name >= ? AND name < ? || CAST(x'ff' AS TEXT) AND name > ? AND ${LIVE}
  ORDER BY name LIMIT ?`;
const CLEAR = "DELETE FROM records WHERE expires_at <= ?";
const LEFT = "SELECT count(*) AS count, min(expires_at) AS next FROM records";
const NEXT = "SELECT min(expires_at) AS next FROM records WHERE expires_at IS NOT NULL";

/**
 * @template {Record<string, import("@cloudflare/workers-types").SqlStorageValue>} Row
 * @typedef {import("@cloudflare/workers-types").SqlStorageCursor<Row>} Rows
 */

/** @typedef {import("../index.d.ts").StoreWrite} Write */

export class Records {
  #storage;
  #sql;
  #lasting;
  /** Whether the table is there. A partition that was only ever read has none, and costs nothing. */
  #made;
  /** When the alarm is set to, in milliseconds. @type {number | null} */
  #alarm = null;

  /**
   * @param {import("@cloudflare/workers-types").DurableObjectState} ctx
   * @param {{ lasting?: boolean }} [options] `lasting`: the object keeps more than records, so that it
   * does not delete itself when there are none left
   */
  constructor(ctx, { lasting = false } = {}) {
    this.#storage = ctx.storage;
    this.#sql = ctx.storage.sql;
    this.#lasting = lasting;
    this.#made = this.#sql.exec(EXISTS).toArray().length > 0;
    // No table, no alarm: both are made and removed together.
    if (!this.#made) return;
    ctx.blockConcurrencyWhile(async () => {
      this.#alarm = await ctx.storage.getAlarm();
    });
  }

  /** @param {string} name */
  read(name) {
    if (!this.#made) return null;
    /** @type {Rows<{ value: string, version: string }>} */
    const rows = this.#sql.exec(READ, name, now());
    return rows.toArray()[0] ?? null;
  }

  /** The same, with the second that it expires at. @param {string} name */
  readWhole(name) {
    if (!this.#made) return null;
    /** @type {Rows<{ value: string, version: string, expiresAt: number | null }>} */
    const rows = this.#sql.exec(READ_EXPIRY, name, now());
    return rows.toArray()[0] ?? null;
  }

  /**
   * Names and values of two records, as far as they are there.
   * @param {string} first @param {string} second @param {number} time
   * @returns {Iterable<unknown[]>}
   */
  readTwo(first, second, time) {
    return this.#made ? this.#sql.exec(READ_TWO, first, second, time).raw() : [];
  }

  /**
   * @param {string} name @param {string} value @param {string | null} expected
   * @param {number | null} expiresAt seconds since 1970
   */
  write(name, value, expected, expiresAt) {
    if (!this.#made) {
      if (expected !== null) return null;
      this.#make();
    }
    // Random: it is never used again, not even after everything here was deleted.
    const version = crypto.randomUUID();
    const written =
      expected === null
        ? this.#sql.exec(CREATE_ONCE, name, value, version, expiresAt, now())
        : this.#sql.exec(UPDATE, value, version, expiresAt, name, expected, now());
    if (written.toArray().length === 0) return null;
    this.#expire(expiresAt);
    return version;
  }

  /** Writes whatever is there. @param {string} name @param {string} value @param {number | null} expiresAt */
  overwrite(name, value, expiresAt) {
    if (!this.#made) this.#make();
    this.#sql.exec(INSERT, name, value, crypto.randomUUID(), expiresAt);
    this.#expire(expiresAt);
  }

  /** @param {string} name @param {string | null} expected */
  remove(name, expected) {
    if (expected === null) return this.read(name) === null ? "" : null;
    if (!this.#made) return null;
    if (this.#sql.exec(DELETE, name, expected, now()).toArray().length === 0) return null;
    this.#removed();
    return expected;
  }

  /**
   * All of the writes or none; `also` belongs to them.
   * @param {Write[]} writes @param {() => void} [also]
   * @returns {import("../index.d.ts").StoreCommit}
   */
  commit(writes, also) {
    const conflict = writes.findIndex(({ name, expected }) => this.#version(name) !== expected);
    if (conflict !== -1) return { conflict };
    // Outside of the transaction, whose end takes the table away again if a write fails.
    if (writes.some(({ value }) => value !== null) && !this.#made) this.#make();
    // What throws takes the other writes back with it.
    const versions = this.#storage.transactionSync(() => {
      const versions = writes.map(({ name, value, expected, expiresAt }) => {
        if (value === null) {
          if (expected !== null) this.#sql.exec(DELETE_NAME, name);
          return expected ?? "";
        }
        const version = crypto.randomUUID();
        this.#sql.exec(INSERT, name, value, version, expiresAt);
        return version;
      });
      also?.();
      return versions;
    });
    for (const { value, expiresAt } of writes) if (value !== null) this.#expire(expiresAt);
    if (writes.some(({ value, expected }) => value === null && expected !== null)) this.#removed();
    return { versions };
  }

  /**
   * @param {string} prefix @param {string | null} cursor @param {number} [limit]
   * @returns {{ names: string[], cursor?: string }}
   */
  page(prefix, cursor, limit = PAGE) {
    if (!this.#made) return { names: [] };
    const rows = this.#sql.exec(LIST, prefix, prefix, cursor ?? "", now(), limit + 1).raw();
    const names = Array.from(rows, ([name]) => /** @type {string} */ (name));
    if (names.length <= limit) return { names };
    return { names: names.slice(0, limit), cursor: names[limit - 1] };
  }

  /** The alarm has come: deletes what has expired, and waits for the next. */
  alarm() {
    this.#alarm = null;
    if (!this.#made) return;
    this.#sql.exec(CLEAR, now());
    this.#settle();
  }

  /**
   * Sets the object's alarm, which is one for all purposes: it stays where it is if that is sooner. It
   * is part of the same transaction as what was written; if it fails, so does the whole call.
   * @param {number} time milliseconds
   */
  wakeAt(time) {
    if (this.#alarm !== null && this.#alarm <= time) return;
    this.#storage.setAlarm(time);
    this.#alarm = time;
  }

  #make() {
    this.#sql.exec(CREATE);
    if (this.#lasting) this.#sql.exec(INDEX);
    this.#made = true;
  }

  /** @param {string} name */
  #version(name) {
    if (!this.#made) return null;
    /** @type {Rows<{ version: string }>} */
    const rows = this.#sql.exec(READ_VERSION, name, now());
    return rows.toArray()[0]?.version ?? null;
  }

  /**
   * A refresh pushes a grant's expiry back. The alarm stays where it was, and finds the next one when
   * it comes: one alarm for every lifetime, instead of one for every refresh.
   * @param {number | null} expiresAt seconds
   */
  #expire(expiresAt) {
    if (expiresAt !== null) this.wakeAt(expiresAt * 1000);
  }

  /** With an alarm set, the alarm sees to it that an empty table does not stay. */
  #removed() {
    if (this.#alarm === null) this.#settle();
  }

  /** After rows were deleted: waits for the next expiry, or leaves nothing behind. */
  #settle() {
    if (this.#lasting) {
      /** @type {Rows<{ next: number | null }>} */
      const rows = this.#sql.exec(NEXT);
      return this.#expire(rows.one().next);
    }
    /** @type {Rows<{ count: number, next: number | null }>} */
    const left = this.#sql.exec(LEFT);
    const { count, next } = left.one();
    if (count > 0) return this.#expire(next);
    this.#made = false;
    this.#alarm = null;
    this.#storage.deleteAll();
  }
}
