// The store on Cloudflare Durable Objects, for grants: one object per partition, with its records in
// SQLite (records.js). Every method of the object is one atomic step.

import { DurableObject } from "cloudflare:workers";
import { now, step } from "../driver.js";
import { checkStoreOf } from "../options.js";
import module from "../wasm/edgemint_bg.wasm";
import { Records } from "./records.js";

/** The record of the user that a partition's grants belong to. */
const USER = "user";

export class GrantObject extends DurableObject {
  #records;

  /**
   * @param {import("@cloudflare/workers-types").DurableObjectState} ctx
   * @param {unknown} env
   */
  constructor(ctx, env) {
    super(ctx, env);
    this.#records = new Records(ctx);
  }

  // The store's methods, in this partition.

  /** @param {string} name */
  read(name) {
    return this.#records.read(name);
  }

  /**
   * @param {string} name @param {string} value @param {string | null} expected
   * @param {number | null} expiresAt
   */
  write(name, value, expected, expiresAt) {
    return this.#records.write(name, value, expected, expiresAt);
  }

  /** @param {string} name @param {string | null} expected */
  remove(name, expected) {
    return this.#records.remove(name, expected);
  }

  /** @param {import("../index.d.ts").StoreWrite[]} writes */
  commit(writes) {
    return this.#records.commit(writes);
  }

  /** @param {string} prefix @param {string | null} cursor @param {number} limit */
  page(prefix, cursor, limit) {
    return this.#records.page(prefix, cursor, limit);
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
    for (const [found, value] of this.#records.readTwo(name, USER, time)) {
      if (found === name) grant = /** @type {string} */ (value);
      else user = /** @type {string} */ (value);
    }
    const { outcome, value, expiresAt = null } = step(module, grant, user, command, time);
    if (value !== undefined) this.#records.overwrite(name, value, expiresAt);
    return outcome;
  }

  /** Deletes what has expired. */
  alarm() {
    this.#records.alarm();
  }
}

const EXPECTED =
  "durableObjectStore takes the binding of GrantObject, such as `env.GRANTS`: see `durable_objects` of wrangler";

/** @type {typeof import("./durable-object.d.ts").durableObjectStore} */
export function durableObjectStore(namespace) {
  checkStoreOf(namespace, ["getByName"], EXPECTED);
  return {
    guarantees: { atomic: true, readYourWrites: true },
    get: (partition, name) => namespace.getByName(partition).read(name),
    put: (partition, name, value, expected, expiresAt) =>
      namespace.getByName(partition).write(name, value, expected, expiresAt),
    delete: (partition, name, expected) => namespace.getByName(partition).remove(name, expected),
    commit: (partition, writes) => namespace.getByName(partition).commit(writes),
    list: (partition, prefix, cursor, limit) =>
      namespace.getByName(partition).page(prefix, cursor, limit),
    step: (partition, name, command) => namespace.getByName(partition).step(name, command),
  };
}
