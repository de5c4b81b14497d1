// The store on Cloudflare Durable Objects: one object per partition, with its records in SQLite. Every
// method of the object is synchronous from its first read to its last write, so it is one atomic step;
// the platform's output gate holds its answer back until what it wrote is durable.

import { DurableObject } from "cloudflare:workers";
import { now, step } from "../driver.js";
import module from "../wasm/edgemint_bg.wasm";

const PAGE = 1000;
/** The record of the user that a partition's grants belong to. */
const USER = "user";

/** Names are compared as SQLite does by itself: by their UTF-8 bytes. */
const CREATE = `CREATE TABLE IF NOT EXISTS records (
  name TEXT PRIMARY KEY, value TEXT NOT NULL, version TEXT NOT NULL, expires_at INTEGER
) WITHOUT ROWID`;
const EXISTS = "SELECT 1 FROM sqlite_master WHERE name = 'records'";
/** What has expired is absent, whether or not the alarm has come to it. */
const LIVE = "(expires_at IS NULL OR expires_at > ?)";
const READ = `SELECT value, version FROM records WHERE name = ? AND ${LIVE}`;
const READ_TWO = `SELECT name, value FROM records WHERE name IN (?, '${USER}') AND ${LIVE}`;
const INSERT = `INSERT INTO records (name, value, version, expires_at) VALUES (?, ?, ?, ?)
  ON CONFLICT (name) DO UPDATE SET
    value = excluded.value, version = excluded.version, expires_at = excluded.expires_at`;
const CREATE_ONCE = `${INSERT} WHERE records.expires_at <= ? RETURNING 1`;
const UPDATE = `UPDATE records SET value = ?, version = ?, expires_at = ?
  WHERE name = ? AND version = ? AND ${LIVE} RETURNING 1`;
const DELETE = `DELETE FROM records WHERE name = ? AND version = ? AND ${LIVE} RETURNING 1`;
/** A range of the key, not a pattern: no byte of UTF-8 is 0xff, so the range ends with the prefix. */
const LIST = `SELECT name FROM records
  WHERE name >= ? AND name < ? || CAST(x'ff' AS TEXT) AND name > ? AND ${LIVE}
  ORDER BY name LIMIT ${PAGE + 1}`;
const CLEAR = "DELETE FROM records WHERE expires_at <= ?";
const LEFT = "SELECT count(*) AS count, min(expires_at) AS next FROM records";

/**
 * @template {Record<string, import("@cloudflare/workers-types").SqlStorageValue>} Row
 * @typedef {import("@cloudflare/workers-types").SqlStorageCursor<Row>} Rows
 */

export class GrantObject extends DurableObject {
  #storage;
  #sql;
  /** Whether the table is there. A partition that was only ever read has none, and costs nothing. */
  #made;
  /** When the alarm is set to, in milliseconds. @type {number | null} */
  #alarm = null;

  /**
   * @param {import("@cloudflare/workers-types").DurableObjectState} ctx
   * @param {unknown} env
   */
  constructor(ctx, env) {
    super(ctx, env);
    this.#storage = ctx.storage;
    this.#sql = ctx.storage.sql;
    this.#made = this.#sql.exec(EXISTS).toArray().length > 0;
    // No table, no alarm: both are made and removed together.
    if (!this.#made) return;
    ctx.blockConcurrencyWhile(async () => {
      this.#alarm = await ctx.storage.getAlarm();
    });
  }

  /**
   * `get` of the store, in this partition.
   * @param {string} name
   */
  read(name) {
    if (!this.#made) return null;
    /** @type {Rows<{ value: string, version: string }>} */
    const rows = this.#sql.exec(READ, name, now());
    return rows.toArray()[0] ?? null;
  }

  /**
   * `put` of the store, in this partition.
   * @param {string} name @param {string} value @param {string | null} expected
   * @param {number | null} expiresAt
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
    this.#wakeAt(expiresAt);
    return version;
  }

  /**
   * `delete` of the store, in this partition.
   * @param {string} name @param {string | null} expected
   */
  remove(name, expected) {
    if (expected === null) return this.read(name) === null ? "" : null;
    if (!this.#made) return null;
    if (this.#sql.exec(DELETE, name, expected, now()).toArray().length === 0) return null;
    // With an alarm set, the alarm sees to it that an empty table does not stay.
    if (this.#alarm === null) this.#settle();
    return expected;
  }

  /**
   * `list` of the store, in this partition.
   * @param {string} prefix @param {string | null} cursor
   * @returns {{ names: string[], cursor?: string }}
   */
  page(prefix, cursor) {
    if (!this.#made) return { names: [] };
    const rows = this.#sql.exec(LIST, prefix, prefix, cursor ?? "", now()).raw();
    const names = Array.from(rows, ([name]) => /** @type {string} */ (name));
    if (names.length <= PAGE) return { names };
    return { names: names.slice(0, PAGE), cursor: names[PAGE - 1] };
  }

  /**
   * Steps a grant where it is stored: design section 3. The core reads the grant and its user, decides,
   * and what it wants stored is stored, all before anyone else is heard.
   * @param {string} name the grant's record
   * @param {string} command JSON text
   * @returns {string} the outcome, JSON text
   */
  step(name, command) {
    const time = now();
    /** @type {string | null} */
    let grant = null;
    /** @type {string | null} */
    let user = null;
    if (this.#made) {
      for (const [found, value] of this.#sql.exec(READ_TWO, name, time).raw()) {
        if (found === name) grant = /** @type {string} */ (value);
        else user = /** @type {string} */ (value);
      }
    }
    const { outcome, value, expiresAt = null } = step(module, grant, user, command, time);
    if (value !== undefined) {
      if (!this.#made) this.#make();
      this.#sql.exec(INSERT, name, value, crypto.randomUUID(), expiresAt);
      this.#wakeAt(expiresAt);
    }
    return outcome;
  }

  /** Deletes what has expired. */
  alarm() {
    this.#alarm = null;
    if (!this.#made) return;
    this.#sql.exec(CLEAR, now());
    this.#settle();
  }

  #make() {
    this.#sql.exec(CREATE);
    this.#made = true;
  }

  /**
   * A refresh pushes a grant's expiry back. The alarm stays where it was, and finds the next one when
   * it comes: one alarm for every lifetime, instead of one for every refresh.
   * @param {number | null} expiresAt seconds
   */
  #wakeAt(expiresAt) {
    if (expiresAt === null) return;
    const time = expiresAt * 1000;
    if (this.#alarm !== null && this.#alarm <= time) return;
    // It is part of the same transaction as the record; if it fails, so does the whole call.
    this.#storage.setAlarm(time);
    this.#alarm = time;
  }

  /** After rows were deleted: waits for the next expiry, or leaves nothing behind. */
  #settle() {
    /** @type {Rows<{ count: number, next: number | null }>} */
    const left = this.#sql.exec(LEFT);
    const { count, next } = left.one();
    if (count > 0) return this.#wakeAt(next);
    this.#made = false;
    this.#alarm = null;
    this.#storage.deleteAll();
  }
}

/** @type {typeof import("./durable-object.d.ts").durableObjectStore} */
export function durableObjectStore(namespace) {
  return {
    guarantees: { atomic: true, readYourWrites: true },
    get: (partition, name) => namespace.getByName(partition).read(name),
    put: (partition, name, value, expected, expiresAt) =>
      namespace.getByName(partition).write(name, value, expected, expiresAt),
    delete: (partition, name, expected) => namespace.getByName(partition).remove(name, expected),
    list: (partition, prefix, cursor) => namespace.getByName(partition).page(prefix, cursor),
    step: (partition, name, command) => namespace.getByName(partition).step(name, command),
  };
}
