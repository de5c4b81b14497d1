// What the stores on SQL databases have in common: one table, and when its expired rows are deleted.
//
// Whether a record has expired is asked by the caller's clock, not the database's. It is the clock by which
// its expiry was set, and by which the engine judges what the record is for: by another that is ahead, a
// session would be gone before its time.

export { check } from "./names.js";

/** Seconds since 1970. */
export const now = () => Math.floor(Date.now() / 1000);

/** Unless somebody chooses another name. */
export const TABLE = "edgemint_records";

/** Expired rows that one write deletes at most. */
export const SHARE = 500;
/** Seconds between looking for them. */
const INTERVAL = 60;
/** Seconds for which an expired row stays: for callers whose clocks are behind. */
const MARGIN = 300;

/**
 * Expired rows are deleted by the writes that follow, without a timer: who does not write leaves no rows,
 * and in every runtime, however short-lived, somebody has the time.
 */
export class Sweeps {
  #next = 0;

  /** What has expired by then is to be deleted before this write, if it is this one's turn. */
  due() {
    const time = now();
    if (time < this.#next) return null;
    this.#next = time + INTERVAL;
    return time - MARGIN;
  }

  /** Where there were enough for one write, the next goes on. @param {number} deleted */
  done(deleted) {
    if (deleted >= SHARE) this.#next = 0;
  }
}

/** The page of at most `limit` out of one name more. @param {string[]} names @param {number} limit */
export function page(names, limit) {
  if (names.length <= limit) return { names };
  return { names: names.slice(0, limit), cursor: names[limit - 1] };
}

// SQLite's, in a file or as D1. It compares text by its UTF-8 bytes.

/** Has all that the store needs; the index is for those that expire. */
export const CREATE_TABLE = `CREATE TABLE IF NOT EXISTS ${TABLE} (
  partition TEXT NOT NULL,
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  version TEXT NOT NULL,
  expires_at INTEGER,
  PRIMARY KEY (partition, name)
) WITHOUT ROWID`;
export const CREATE_INDEX = `CREATE INDEX IF NOT EXISTS ${TABLE}_expiry
  ON ${TABLE} (expires_at) WHERE expires_at IS NOT NULL`;

export const LIVE = "(expires_at IS NULL OR expires_at > ?)";
export const READ = `SELECT value, version FROM ${TABLE}
  WHERE partition = ? AND name = ? AND ${LIVE}`;
/** What an insertion does where there is a row already. */
export const REPLACE = `ON CONFLICT (partition, name) DO UPDATE SET
  value = excluded.value, version = excluded.version, expires_at = excluded.expires_at`;
/** A range of the key, not a pattern: no byte of UTF-8 is 0xff, so the range ends with the prefix. */
export const LIST = `SELECT name FROM ${TABLE}
  WHERE partition = ? AND name >= ? AND name < ? || CAST(x'ff' AS TEXT) AND name > ? AND ${LIVE}
  ORDER BY name LIMIT ?`;
export const SWEEP = `DELETE FROM ${TABLE} WHERE (partition, name) IN
  (SELECT partition, name FROM ${TABLE} WHERE expires_at <= ? LIMIT ${SHARE})`;
