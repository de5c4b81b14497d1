// A worker that lets a test use the store on D1 from outside: it calls one of the store's methods, runs the
// contract suite over it, or asks the database itself. It is started from target/contract, beside the copy
// of the package whose wasm has the suite in it.

import * as driver from "../../pkg/driver.js";
import * as issuer from "../../pkg/issuer.js";
import { d1Store } from "../../pkg/stores/d1.js";
import module from "../../pkg/wasm/edgemint_bg.wasm";
import { keepsNames, refusesWhatIsNoText } from "./names.js";
import { runContract } from "../workerd/suite.js";

/** @type {Record<string, (store: any, database: any, ...parameters: any[]) => Promise<unknown>>} */
const acts = {
  contract: (store) => runContract({ ...driver, ...issuer, module }, store),
  names: (store) => keepsNames(store),
  noText: (store) => refusesWhatIsNoText(store),
  sql: async (_, database, text, ...values) => (await database.prepare(text).bind(...values).all()).results,
  session: async (_, database) => d1Store(database.withSession("first-unconstrained")),
  /** Calls of the store that are made at once. */
  together: (store, _, calls) =>
    Promise.all(calls.map((/** @type {any[]} */ [method, ...parameters]) => store[method](...parameters))),
  /** A new store, as after a restart. */
  anew: (_, database, method, ...parameters) => /** @type {any} */ (d1Store(database))[method](...parameters),
};

/** @type {any} */
let store;

export default {
  /** @param {Request} request @param {{ DB: any }} env */
  async fetch(request, env) {
    /** @type {{ act: string, parameters: any[] }} */
    const { act, parameters } = await request.json();
    store ??= d1Store(env.DB);
    try {
      const result = act in acts ? await acts[act](store, env.DB, ...parameters) : await store[act](...parameters);
      return Response.json({ result });
    } catch (error) {
      return Response.json({ error: String(error) });
    }
  },
};
