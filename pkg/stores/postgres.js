// The store on PostgreSQL, through the application's own pool of `pg`. A single write is one statement, a
// commit is one transaction, both under READ COMMITTED: what they depend on, they lock.

import { checkStoreOf } from "../options.js";
import * as sql from "./sql.js";

const EXPECTED =
  "postgresStore takes a pool of the package `pg`: `postgresStore(new Pool({ connectionString }))`";

/** Transactions that PostgreSQL took back in favour of others are made again, so often. */
const TRIES = 5;
/** Its codes for that: serialization_failure, deadlock_detected. */
const TAKEN_BACK = ["40001", "40P01"];

/** Names are short enough for that of the index, too. */
const IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]{0,47}$/;

/** @typedef {import("../index.d.ts").StoreWrite} Write */

/** @type {typeof import("./postgres.d.ts").postgresStore} */
export function postgresStore(pool, options = {}) {
  checkStoreOf(pool, ["query", "connect"], EXPECTED, options, ["schema", "table"]);
  const { schema, table = sql.TABLE } = options;
  const text = statements(schema, table);
  const sweeps = new sql.Sweeps();

  async function sweep() {
    const cutoff = sweeps.due();
    if (cutoff === null) return;
    const { rowCount } = await pool.query(text.sweep, [cutoff]);
    sweeps.done(rowCount ?? 0);
  }

  /**
   * One statement, which is a transaction by itself.
   * @param {string} statement @param {unknown[]} parameters
   */
  const query = (statement, parameters) => again(() => pool.query(statement, parameters));

  return {
    guarantees: { atomic: true, readYourWrites: true },

    async prepare() {
      // Without parameters these are one transaction; two that make the same table at once would fail.
      await pool.query(text.create);
    },

    async get(partition, name) {
      sql.check(partition, name);
      const { rows } = await query(text.read, [partition, name, sql.now()]);
      return rows.length > 0 ? { value: rows[0].value, version: rows[0].version } : null;
    },

    async put(partition, name, value, expected, expiresAt) {
      sql.check(partition, name);
      await sweep();
      const version = crypto.randomUUID();
      const row = [partition, name, value, version, expiresAt, sql.now()];
      const { rowCount } =
        expected === null
          ? await query(text.insert, row)
          : await query(text.update, [...row, expected]);
      return rowCount === 1 ? version : null;
    },

    async delete(partition, name, expected) {
      sql.check(partition, name);
      if (expected === null) {
        const { rowCount } = await query(text.read, [partition, name, sql.now()]);
        return rowCount === 0 ? "" : null;
      }
      const { rowCount } = await query(text.remove, [partition, name, sql.now(), expected]);
      return rowCount === 1 ? expected : null;
    },

    async commit(partition, writes) {
      sql.check(partition, ...writes.map(({ name }) => name));
      await sweep();
      return again(() => transaction(pool, (client) => commit(client, text, partition, writes)));
    },

    async list(partition, prefix, cursor, limit) {
      sql.check(partition, prefix);
      const range = [partition, prefix, end(prefix), cursor ?? "", sql.now(), limit + 1];
      const { rows } = await query(text.list, range);
      return sql.page(rows.map(({ name }) => name), limit);
    },
  };
}

/**
 * First the rows that are there are locked, in the order of their names, so that two commits do not wait
 * for each other. What is to be absent cannot be locked: its row is inserted, also where it is only asked
 * for, and whoever inserts the same waits for the end of this.
 * @param {import("./postgres.d.ts").PostgresClient} client
 * @param {ReturnType<typeof statements>} text
 * @param {string} partition
 * @param {Write[]} writes
 * @returns {Promise<{ keep: boolean, result: import("../index.d.ts").StoreCommit }>}
 */
async function commit(client, text, partition, writes) {
  const names = writes.map(({ name }) => name);
  const time = sql.now();
  const { rows: found } = await client.query(text.lock, [partition, names, time]);
  const stored = new Map(found.map(({ name, version, live }) => [name, live ? version : null]));
  const conflict = writes.findIndex(({ name, expected }) => (stored.get(name) ?? null) !== expected);
  if (conflict !== -1) return { keep: false, result: { conflict } };

  const versions = writes.map(() => crypto.randomUUID());
  const values = writes.map(({ value }) => value ?? "");
  const ends = writes.map(({ expiresAt }) => expiresAt);
  const expected = writes.flatMap(({ expected }) => expected ?? []);
  const all = [partition, names, values, versions, ends, time, expected];
  const { rows: written } = await client.query(text.write, all);
  const made = new Set(written.map(({ name }) => name));
  // Created by somebody else since the first look.
  const late = names.findIndex((name) => !made.has(name));
  if (late !== -1) return { keep: false, result: { conflict: late } };

  const removed = writes.flatMap(({ name, value }) => (value === null ? name : []));
  if (removed.length > 0) await client.query(text.clear, [partition, removed]);
  const kept = writes.map(({ value, expected }, at) => (value === null ? (expected ?? "") : versions[at]));
  return { keep: true, result: { versions: kept } };
}

/**
 * @template Result
 * @param {import("./postgres.d.ts").PostgresPool} pool
 * @param {(client: import("./postgres.d.ts").PostgresClient) => Promise<{ keep: boolean, result: Result }>} act
 */
async function transaction(pool, act) {
  const client = await pool.connect();
  // A connection that breaks says so to its queries, and once more to whoever listens; if nobody does,
  // the process ends.
  const heard = () => {};
  client.on("error", heard);
  let usable = false;
  try {
    await client.query("BEGIN ISOLATION LEVEL READ COMMITTED");
    const { keep, result } = await act(client);
    const { command } = await client.query(keep ? "COMMIT" : "ROLLBACK");
    usable = true;
    // PostgreSQL answers so to the commit of a transaction in which something failed.
    if (keep && command !== "COMMIT") throw new Error("the transaction was rolled back");
    return result;
  } finally {
    client.off("error", heard);
    // After an error nobody knows the state of the connection: it is closed, and the transaction with it.
    client.release(!usable);
  }
}

/**
 * @template Result
 * @param {() => Promise<Result>} act what was taken back whole when it fails with one of those codes
 */
async function again(act) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await act();
    } catch (error) {
      const { code } = /** @type {{ code?: string }} */ (error);
      if (tries === TRIES || code === undefined || !TAKEN_BACK.includes(code)) throw error;
    }
  }
}

/**
 * The first text, by code points, after all that start with the prefix; `null` if there is none.
 * @param {string} prefix
 */
function end(prefix) {
  const points = Array.from(prefix, (character) => Number(character.codePointAt(0)));
  while (points.at(-1) === 0x10ffff) points.pop();
  const last = points.pop();
  if (last === undefined) return null;
  // From 0xd800 to 0xdfff are the surrogates, which are no characters.
  points.push(last === 0xd7ff ? 0xe000 : last + 1);
  return String.fromCodePoint(...points);
}

/** @param {string | undefined} schema @param {string} table */
function statements(schema, table) {
  for (const name of [schema ?? table, table]) {
    if (!IDENTIFIER.test(name)) throw new TypeError(`\`${name}\` cannot be a schema or a table`);
  }
  const records = schema === undefined ? `"${table}"` : `"${schema}"."${table}"`;
  const live = "(r.expires_at IS NULL OR r.expires_at > ";
  const replace = `ON CONFLICT (partition, name) DO UPDATE
    SET value = excluded.value, version = excluded.version, expires_at = excluded.expires_at`;
  return {
    // Names are in the order of their bytes, whatever the order of the database.
    create: `
      SELECT pg_advisory_xact_lock(hashtext('edgemint'));
      CREATE TABLE IF NOT EXISTS ${records} (
        partition text COLLATE "C" NOT NULL,
        name text COLLATE "C" NOT NULL,
        value text NOT NULL,
        version text NOT NULL,
        expires_at bigint,
        PRIMARY KEY (partition, name)
      );
      CREATE INDEX IF NOT EXISTS "${table}_expiry" ON ${records} (expires_at)
        WHERE expires_at IS NOT NULL;`,
    read: `SELECT value, version FROM ${records} r WHERE partition = $1 AND name = $2 AND ${live}$3)`,
    insert: `INSERT INTO ${records} AS r (partition, name, value, version, expires_at)
      VALUES ($1, $2, $3, $4, $5) ${replace} WHERE r.expires_at <= $6`,
    update: `UPDATE ${records} r SET value = $3, version = $4, expires_at = $5
      WHERE partition = $1 AND name = $2 AND version = $7 AND ${live}$6)`,
    remove: `DELETE FROM ${records} r
      WHERE partition = $1 AND name = $2 AND version = $4 AND ${live}$3)`,
    list: `SELECT name FROM ${records} r
      WHERE partition = $1 AND name >= $2 AND ($3::text IS NULL OR name < $3) AND name > $4
        AND ${live}$5)
      ORDER BY name LIMIT $6`,
    lock: `SELECT name, version, ${live}$3) AS live FROM ${records} r
      WHERE partition = $1 AND name = ANY ($2::text[]) ORDER BY name FOR UPDATE`,
    // A version is of one record only: what is there by then is locked, expired, or somebody else's.
    write: `INSERT INTO ${records} AS r (partition, name, value, version, expires_at)
      SELECT $1, w.name, w.value, w.version, w.expires_at
      FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[])
        AS w (name, value, version, expires_at)
      ORDER BY w.name COLLATE "C"
      ${replace} WHERE r.expires_at <= $6 OR r.version = ANY ($7::text[])
      RETURNING r.name`,
    clear: `DELETE FROM ${records} WHERE partition = $1 AND name = ANY ($2::text[])`,
    sweep: `DELETE FROM ${records} WHERE (partition, name) IN (
      SELECT partition, name FROM ${records} WHERE expires_at <= $1
      LIMIT ${sql.SHARE} FOR UPDATE SKIP LOCKED)`,
  };
}
