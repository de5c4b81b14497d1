// The object that keeps one tenant's directory: the authority, where each change is one transaction. What
// a token needs of it is copied to Cloudflare KV (outbox.js), which every location reads. The same class
// keeps the registry of tenants and what bootstrapping has used up, in partitions of their own.
//
// It administers itself: the engine runs over the rows here, so that an act costs no call to another
// object, unless it is about another partition.

import { DurableObject } from "cloudflare:workers";
import { hand, now } from "../driver.js";
import { analyticsEngine, everySink, logSink } from "../events.js";
import { createIssuer } from "../workerd.js";
import { directoryObjects } from "./directory.js";
import { durableObjectStore } from "./durable-object.js";
import { isReplicated } from "./kv-record.js";
import { Outbox, RETRY } from "./outbox.js";
import { Records } from "./records.js";

/** @typedef {import("../index.d.ts").Store} Store */
/** @typedef {import("../index.d.ts").StoreWrite} StoreWrite */

/** @extends {DurableObject<import("./directory-object.d.ts").DirectoryEnv>} */
export class DirectoryObject extends DurableObject {
  #records;
  #outbox;
  /** @type {import("../index.d.ts").Issuer | undefined} */
  #engine;

  /**
   * @param {import("@cloudflare/workers-types").DurableObjectState} ctx
   * @param {import("./directory-object.d.ts").DirectoryEnv} env
   */
  constructor(ctx, env) {
    super(ctx, env);
    this.#records = new Records(ctx, { lasting: true });
    this.#outbox = new Outbox(ctx, env.DIRECTORY, this.#records, (event) => this.#tell(event));
  }

  /**
   * Takes the events of this object.
   * @param {import("../index.d.ts").IssuerEvent} event
   * @returns {void | Promise<void>}
   */
  onEvent(event) {
    const { EVENTS } = this.env;
    return (EVENTS === undefined ? logSink : everySink(logSink, analyticsEngine(EVENTS)))(event);
  }

  /** @param {import("../index.d.ts").IssuerEvent} event */
  #tell(event) {
    hand(event, (event) => this.onEvent(event));
  }

  // The store's methods, in this partition. An object does not know its own name in every runtime: where
  // it matters, it is told.

  /** @param {string} name */
  read(name) {
    return this.#records.read(name);
  }

  /** @param {string} prefix @param {string | null} cursor @param {number} limit */
  page(prefix, cursor, limit) {
    return this.#records.page(prefix, cursor, limit);
  }

  /**
   * @param {string} name @param {string} value @param {string | null} expected
   * @param {number | null} expiresAt @param {string} partition
   */
  write(name, value, expected, expiresAt, partition) {
    const { versions } = this.commit([{ name, value, expected, expiresAt }], partition);
    return versions?.[0] ?? null;
  }

  /** @param {string} name @param {string | null} expected @param {string} partition */
  remove(name, expected, partition) {
    const { versions } = this.commit([{ name, value: null, expected, expiresAt: null }], partition);
    return versions?.[0] ?? null;
  }

  /**
   * The rows, what is to be copied of them and the alarm that sees to it are one transaction.
   * @param {StoreWrite[]} writes @param {string} partition
   */
  commit(writes, partition) {
    this.#check(partition);
    const changed = writes
      .filter(({ value, expected }) => value !== null || expected !== null)
      .filter(({ name }) => isReplicated(partition, name));
    if (changed.length === 0) return this.#records.commit(writes);
    this.#outbox.open();
    const committed = this.#records.commit(writes, () => this.#outbox.add(partition, changed));
    if (committed.versions !== undefined) this.ctx.waitUntil(this.#replicate());
    return committed;
  }

  /** Deletes what has expired, and makes the copies that are left to make. */
  async alarm() {
    this.#records.alarm();
    await this.#replicate();
  }

  /**
   * A request to `/{tenant}/admin/v1/...`, of the tenant whose directory is here.
   * @override
   * @param {import("@cloudflare/workers-types").Request} request
   * @returns {Promise<any>} its response
   */
  async fetch(request) {
    const [, tenant] = new URL(request.url).pathname.split("/");
    const engine = this.#administration(`directory/${tenant}`);
    return engine.fetch(/** @type {any} */ (request), this.ctx);
  }

  /** What is to be done from time to time; for the cron trigger. @param {string} partition */
  async maintain(partition) {
    this.#check(partition);
    const tenant = partition.slice("directory/".length);
    try {
      await this.#administration(partition).admin.maintain({ tenant });
    } catch (error) {
      const { code } = /** @type {import("../index.d.ts").EdgemintError} */ (error);
      // The other is a name in the registry whose tenant was never finished.
      if (code !== "not_found") {
        const detail = String(error);
        this.#tell({ time: now(), kind: "failed", reason: "maintenance", tenant, detail });
      }
    }
    // The alarm does this: here once more, lest an alarm that was given up leaves a copy behind for ever.
    await this.#replicate();
  }

  /** @param {string} partition */
  #administration(partition) {
    this.#check(partition);
    this.#engine ??= this.#makeEngine(partition);
    return this.#engine;
  }

  /** @param {string} partition */
  #makeEngine(partition) {
    const { GRANTS, BASE_URL, MASTER_KEY, PREVIOUS_MASTER_KEY, BOOTSTRAP_SECRET } = this.env;
    const options = {
      store: this.#store(partition),
      grants: GRANTS === undefined ? /** @type {false} */ (false) : durableObjectStore(GRANTS),
      baseUrl: BASE_URL,
      masterKey: MASTER_KEY,
      previousMasterKey: PREVIOUS_MASTER_KEY,
      onEvent: (/** @type {import("../index.d.ts").IssuerEvent} */ event) => this.#tell(event),
    };
    try {
      return createIssuer({ ...options, bootstrapSecret: BOOTSTRAP_SECRET });
    } catch (error) {
      const { code, message } = /** @type {import("../index.d.ts").EdgemintError} */ (error);
      if (code !== "invalid_bootstrap_secret") throw error;
      // It opens nothing then; whoever has an administrator already needs none.
      this.#tell({ time: now(), kind: "failed", reason: code, detail: message });
      return createIssuer(options);
    }
  }

  /**
   * All partitions, seen from this one.
   * @param {string} own
   * @returns {Store}
   */
  #store(own) {
    const others = directoryObjects(this.env.TENANTS);
    return {
      guarantees: { atomic: true, readYourWrites: true },
      get: async (partition, name) =>
        partition === own ? this.read(name) : others.get(partition, name),
      put: async (partition, name, value, expected, expiresAt) =>
        partition === own
          ? this.write(name, value, expected, expiresAt, own)
          : others.put(partition, name, value, expected, expiresAt),
      delete: async (partition, name, expected) =>
        partition === own
          ? this.remove(name, expected, own)
          : others.delete(partition, name, expected),
      commit: async (partition, writes) =>
        partition === own ? this.commit(writes, own) : others.commit(partition, writes),
      list: async (partition, prefix, cursor, limit) =>
        partition === own
          ? this.page(prefix, cursor, limit)
          : others.list(partition, prefix, cursor, limit),
    };
  }

  /**
   * Where the platform tells an object its name, nothing is written under another's.
   * @param {string} partition
   */
  #check(partition) {
    const { name = partition } = this.ctx.id;
    if (name !== partition) throw new Error(`this is the object of ${name}, not of ${partition}`);
  }

  /** Makes the copies that are due. What is left over, or fails, is left to the alarm. */
  async #replicate() {
    // First the alarm, in the transaction of what is to be copied: this run may end with the process.
    const first = this.#outbox.next();
    if (first !== null) this.#records.wakeAt(Math.max(first, Date.now() + RETRY));
    await this.#outbox.flush();
    const next = this.#outbox.next();
    if (next !== null) this.#records.wakeAt(Math.max(next, Date.now()));
  }
}
