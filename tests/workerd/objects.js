// A worker that lets a test use the store on Durable Objects from outside: it calls one of the store's
// methods, runs the contract suite over it, or looks into an object's SQLite. It is started from
// target/contract, beside the copy of the package whose wasm has the suite in it.

import * as driver from "../../pkg/driver.js";
import * as issuer from "../../pkg/issuer.js";
import { DirectoryObject } from "../../pkg/stores/directory-object.js";
import { GrantObject, durableObjectStore } from "../../pkg/stores/durable-object.js";
import module from "../../pkg/wasm/edgemint_bg.wasm";
import { runContract } from "./suite.js";

class Transparent extends GrantObject {
  /** What is really there: `null` if there is no table. */
  async look() {
    const { storage } = this.ctx;
    const exists = storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'records'");
    const made = exists.toArray().length > 0;
    const rows = made ? [...storage.sql.exec("SELECT name FROM records").raw()].flat() : null;
    return { rows, alarm: await storage.getAlarm() };
  }

  /**
   * Writes them all and looks, with no alarm in between however slow the machine is.
   * @param {Record<string, number | null>} expiries the expiry of each record, by its name
   */
  writeAll(expiries) {
    for (const [name, expiry] of Object.entries(expiries)) this.write(name, "{}", null, expiry);
    return this.look();
  }

  /** Deletes and writes with nothing in between. @param {string} name @param {string} version */
  replace(name, version) {
    return [this.remove(name, version), this.write(name, "new", null, null)];
  }

  /**
   * How often an alarm is set while a record is written with each of these expiries.
   * @param {number[]} expiries
   */
  countAlarms(expiries) {
    const { storage } = this.ctx;
    const { setAlarm } = storage;
    let alarms = 0;
    storage.setAlarm = (time) => {
      alarms += 1;
      return setAlarm.call(storage, time);
    };
    let version = null;
    for (const expiry of expiries) version = this.write("grant", "{}", version, expiry);
    storage.setAlarm = setAlarm;
    return alarms;
  }
}

export { DirectoryObject, Transparent as GrantObject };

export default {
  /** @param {Request} request @param {{ GRANTS: any }} env */
  async fetch(request, env) {
    /** @type {{ act: string, parameters: any[] }} */
    const { act, parameters } = await request.json();
    const store = durableObjectStore(env.GRANTS);
    try {
      return Response.json({ result: await perform() });
    } catch (error) {
      return Response.json({ error: String(error) });
    }

    /** @returns {Promise<unknown>} */
    async function perform() {
      if (act === "contract") return runContract({ ...driver, ...issuer, module }, store);
      if (act in store) return /** @type {any} */ (store)[act](...parameters);
      const [partition, ...rest] = parameters;
      return env.GRANTS.getByName(partition)[act](...rest);
    }
  },
};
