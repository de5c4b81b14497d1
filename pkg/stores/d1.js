// The store on Cloudflare D1: one database, which does one thing after another. What it is given at once
// (`batch`) is a transaction, but nothing can be decided in the middle of it: each statement of a commit
// asks by itself whether the expectations hold.

import { checkStoreOf } from "../options.js";
import { byCommit } from "./single.js";
import * as sql from "./sql.js";

const EXPECTED = "d1Store takes a D1 binding, such as `env.DB`: see `d1_databases` of wrangler";

/** Of the parameter: an array of the partition's writes, in JSON. */
const GIVEN = "SELECT value ->> 'name' AS name, value ->> 'expected' AS expected FROM json_each(?)";
/** What is stored of what is to be written; a row for each write. */
const STORED = `SELECT r.version FROM (${GIVEN}) AS given
  LEFT JOIN ${sql.TABLE} AS r ON r.partition = ? AND r.name = given.name AND ${sql.LIVE}`;
const VERSIONS = `${STORED.replace("r.version", "given.name, r.version")}`;
const CONFLICT = `${STORED} WHERE r.version IS NOT given.expected`;
/** What is removed is first replaced: by a version that the next statement can find. */
const WRITE = `INSERT INTO ${sql.TABLE} (partition, name, value, version, expires_at)
  SELECT ?, value ->> 'name', coalesce(value ->> 'value', ''), value ->> 'version', value ->> 'expiresAt'
  FROM json_each(?) WHERE NOT EXISTS (${CONFLICT}) ${sql.REPLACE}`;
const REMOVE = `DELETE FROM ${sql.TABLE} WHERE partition = ? AND (name, version) IN
  (SELECT value ->> 'name', value ->> 'version' FROM json_each(?) WHERE value ->> 'value' IS NULL)`;

/** @type {typeof import("./d1.d.ts").d1Store} */
export function d1Store(database) {
  checkStoreOf(database, ["prepare", "batch"], EXPECTED);
  if ("getBookmark" in database) {
    throw new TypeError("a session of D1 may read from replicas: pass the database itself");
  }
  const sweeps = new sql.Sweeps();

  /** @param {string} text @param {unknown[]} parameters */
  const statement = (text, ...parameters) => database.prepare(text).bind(...parameters);

  /** @type {Required<import("../index.d.ts").Store>["commit"]} */
  async function commit(partition, writes) {
    sql.check(partition, ...writes.map(({ name }) => name));
    const time = sql.now();
    const cutoff = sweeps.due();
    const given = writes.map((write) => ({ ...write, version: crypto.randomUUID() }));
    const json = JSON.stringify(given);
    const statements = [
      statement(VERSIONS, json, partition, time),
      statement(WRITE, partition, json, json, partition, time),
    ];
    if (writes.some(({ value }) => value === null)) statements.push(statement(REMOVE, partition, json));
    if (cutoff !== null) statements.push(statement(sql.SWEEP, cutoff));
    const results = await database.batch(statements);
    if (cutoff !== null) sweeps.done(results.at(-1)?.meta.changes ?? 0);
    /** @type {Map<string, string | null>} */
    const stored = new Map(results[0].results.map(({ name, version }) => [name, version]));
    const conflict = writes.findIndex(({ name, expected }) => stored.get(name) !== expected);
    if (conflict !== -1) return { conflict };
    return {
      versions: given.map(({ value, expected, version }) => (value === null ? (expected ?? "") : version)),
    };
  }

  return {
    guarantees: { atomic: true, readYourWrites: true },
    commit,
    ...byCommit(commit),

    async prepare() {
      await database.batch([database.prepare(sql.CREATE_TABLE), database.prepare(sql.CREATE_INDEX)]);
    },

    async get(partition, name) {
      sql.check(partition, name);
      const { results } = await statement(sql.READ, partition, name, sql.now()).all();
      return results.length > 0 ? { value: results[0].value, version: results[0].version } : null;
    },

    async list(partition, prefix, cursor, limit) {
      sql.check(partition, prefix);
      const range = [partition, prefix, prefix, cursor ?? "", sql.now(), limit + 1];
      const { results } = await statement(sql.LIST, ...range).all();
      return sql.page(results.map(({ name }) => name), limit);
    },
  };
}
