// The names whose copies in Cloudflare KV are out of date. A row is written in the transaction that
// changes the record, with an alarm, so that no copy is forgotten, whatever dies in between. The copy is
// of what the record is when it is made: ten changes of one record are one row and mostly one copy.
//
// KV takes one write a second for each key, and answers 429 beyond it: like any failure, that is tried
// again, a second later at first, and each time after twice as long as before, up to a minute.
//
// An instance that is reset may leave a write to KV on its way, which arrives after the next instance has
// copied something newer, and nothing would put it right. A row is deleted after its copy was acknowledged,
// so whatever may be on its way has a row that the next instance finds: those it copies at once, and once
// more when nothing of its predecessors can arrive any more.

import { now } from "../driver.js";
import { kvKey, writeRecord } from "./kv-record.js";

/** Copies in one run: an invocation may call KV 1,000 times. */
const RUN = 500;
/** Copies at the same time: the platform opens six connections. */
const AT_ONCE = 6;
/** Copies whose end is noted at once: whatever leaves the object waits until its last write is durable. */
const NOTED = 60;
/**
 * Milliseconds that a new record waits: its secret and its roles come right after it. As long as KV has no
 * copy the object is asked; a copy without them would be believed for as long as caches keep it.
 */
const NEWBORN = 2000;
/** Milliseconds until the next try; twice as many each time, `DOUBLINGS` times. */
export const RETRY = 1000;
const DOUBLINGS = 6;
/** Milliseconds that a change waits at most, although the record's last copy failed or is to be repeated. */
const SOON = 2000;
/** Milliseconds after which nothing of an earlier instance arrives in KV any more. */
const SETTLED = 60_000;
/** Failures of one copy from which on the operator is told: before, it is KV's limit of writes. */
const TELLING = 3;

const EXISTS = "SELECT 1 FROM sqlite_master WHERE name = 'outbox'";
/**
 * `seq` counts the changes since the last copy; `due` is in milliseconds. What has a copy that is out of
 * date (rank 0) does not wait for an import's tens of thousands of new records (rank 1): whoever misses a
 * copy asks the object, but nobody misses one that is wrong. `instance` is the one that added it.
 */
const CREATE = `CREATE TABLE IF NOT EXISTS outbox (
  name TEXT PRIMARY KEY, partition TEXT NOT NULL,
  seq INTEGER NOT NULL, tries INTEGER NOT NULL, due INTEGER NOT NULL, rank INTEGER NOT NULL,
  instance TEXT NOT NULL
) WITHOUT ROWID`;
/** However many there are, the first ones are found at once. */
const INDEX = "CREATE INDEX IF NOT EXISTS outbox_order ON outbox (rank, due)";
const ADD = `INSERT INTO outbox (name, partition, seq, tries, due, rank, instance)
  VALUES (?, ?, 1, 0, ?, ?, ?)
  ON CONFLICT (name) DO UPDATE SET seq = outbox.seq + 1, rank = 0, due = min(outbox.due, ?)`;
const DUE = `SELECT name, partition, seq, tries, instance FROM outbox WHERE due <= ?
  ORDER BY rank, due LIMIT ?`;
const DONE = "DELETE FROM outbox WHERE name = ? AND seq = ?";
/** In its rank: an import's are many. */
const REPEAT = "UPDATE outbox SET tries = 0, due = ? WHERE name = ? AND seq = ?";
/** It has changed while it was copied: not at once again, for KV's limit. */
const AGAIN = "UPDATE outbox SET tries = 0, due = ?, rank = 0 WHERE name = ? AND seq <> ?";
const FAILED = `UPDATE outbox SET tries = tries + 1, due = CASE seq WHEN ? THEN ? ELSE ? END
  WHERE name = ?`;
const NEXT = `SELECT min(due) AS due FROM (
  SELECT min(due) AS due FROM outbox WHERE rank = 0
  UNION ALL SELECT min(due) FROM outbox WHERE rank = 1)`;

/** @typedef {{ name: string, partition: string, seq: number, tries: number, instance: string }} Row */

export class Outbox {
  #storage;
  #sql;
  #namespace;
  #records;
  #tell;
  #made;
  /** Whose rows are its own. */
  #instance = crypto.randomUUID();
  /** Milliseconds from which on a copy of another's row is final. */
  #settled = Date.now() + SETTLED;
  /** One run at a time, so that the copies of a record are in the order of its changes. @type {Promise<void> | null} */
  #running = null;

  /**
   * @param {import("@cloudflare/workers-types").DurableObjectState} ctx
   * @param {Pick<import("./kv.d.ts").KvNamespace, "put" | "delete">} namespace
   * @param {Pick<import("./records.js").Records, "readWhole">} records
   * @param {(event: import("../index.d.ts").IssuerEvent) => void} tell
   */
  constructor(ctx, namespace, records, tell) {
    this.#storage = ctx.storage;
    this.#sql = ctx.storage.sql;
    this.#namespace = namespace;
    this.#records = records;
    this.#tell = tell;
    this.#made = this.#sql.exec(EXISTS).toArray().length > 0;
  }

  /** Makes the table: before the transaction that adds to it. */
  open() {
    if (this.#made) return;
    this.#sql.exec(CREATE);
    this.#sql.exec(INDEX);
    this.#made = true;
  }

  /**
   * These records have changed.
   * @param {string} partition @param {import("../index.d.ts").StoreWrite[]} writes
   */
  add(partition, writes) {
    const time = Date.now();
    for (const { name, expected } of writes) {
      const isNew = expected === null;
      const [due, rank] = isNew ? [time + NEWBORN, 1] : [time, 0];
      this.#sql.exec(ADD, name, partition, due, rank, this.#instance, time + SOON);
    }
  }

  /** When the next copy is to be made, in milliseconds; null if there is none to make. */
  next() {
    if (!this.#made) return null;
    /** @type {import("./records.js").Rows<{ due: number | null }>} */
    const rows = this.#sql.exec(NEXT);
    return rows.one().due;
  }

  /** Makes the copies that are due, as many as a run may; never fails because KV does. */
  flush() {
    this.#running ??= this.#run().finally(() => {
      this.#running = null;
    });
    return this.#running;
  }

  async #run() {
    if (!this.#made) return;
    // A copy must not be ahead of what it is a copy of.
    await this.#storage.sync();
    for (let left = RUN; left > 0; ) {
      const from = Date.now();
      /** @type {import("./records.js").Rows<Row>} */
      const due = this.#sql.exec(DUE, from, Math.min(left, NOTED));
      const rows = due.toArray();
      if (rows.length === 0) return;
      left -= rows.length;
      const queue = rows.values();
      /** @type {Row[]} */
      const failed = [];
      const copyRest = async () => {
        for (const row of queue) if (!(await this.#copy(row))) failed.push(row);
      };
      await Promise.all(Array.from({ length: AT_ONCE }, copyRest));
      this.#note(rows, new Set(failed), from);
      // A KV that answers at once, as on this machine, would let nobody else have a turn in a whole run.
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  /** Makes one copy, and says whether it was made. @param {Row} row */
  async #copy({ name, partition, tries }) {
    const key = kvKey(partition, name);
    const record = this.#records.readWhole(name);
    try {
      if (record === null) await this.#namespace.delete(key);
      else await writeRecord(this.#namespace, key, record.value, record.version, record.expiresAt);
      return true;
    } catch (error) {
      if (tries + 1 >= TELLING) {
        const detail = `${key} is not copied to KV yet: ${error}`;
        const tenant = partition.slice("directory/".length);
        this.#tell({ time: now(), kind: "failed", reason: "replication", tenant, detail });
      }
      return false;
    }
  }

  /**
   * What came of copies. If the process ends before, they are made again: that does no harm.
   * @param {Row[]} rows @param {Set<Row>} failed @param {number} from when the first one was begun
   */
  #note(rows, failed, from) {
    const time = Date.now();
    this.#storage.transactionSync(() => {
      for (const row of rows) {
        const { name, seq, tries, instance } = row;
        if (failed.has(row)) {
          const wait = RETRY * 2 ** Math.min(tries, DOUBLINGS);
          this.#sql.exec(FAILED, seq, time + wait, time + Math.min(wait, SOON), name);
        } else {
          const isFinal = instance === this.#instance || from >= this.#settled;
          if (isFinal) this.#sql.exec(DONE, name, seq);
          else this.#sql.exec(REPEAT, this.#settled, name, seq);
          this.#sql.exec(AGAIN, time + RETRY, name, seq);
        }
      }
    });
  }
}
