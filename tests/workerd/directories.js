// A worker that lets a test use directories in Durable Objects from outside, over a KV that fails and
// caches as the platform's may. It is started from target/contract, beside the copy of the package whose
// wasm has the contract suite in it.

import * as driver from "../../pkg/driver.js";
import * as issuer from "../../pkg/issuer.js";
import { directoryObjects, directoryStore } from "../../pkg/stores/directory.js";
import { DirectoryObject } from "../../pkg/stores/directory-object.js";
import { GrantObject } from "../../pkg/stores/durable-object.js";
import { kvStore } from "../../pkg/stores/kv.js";
import module from "../../pkg/wasm/edgemint_bg.wasm";
import { createIssuer } from "../../pkg/workerd.js";
import { runContract } from "./suite.js";

export { GrantObject };

/**
 * How KV takes writes: all of them fail, or those within a second of the last one of the same key, or they
 * are held as long as this lasts. The alarms of the object `asleep` do nothing.
 */
const faults = { down: false, limited: false, held: false, asleep: "" };
const counts = { reads: 0, waiting: 0 };
/** Milliseconds. @type {Map<string, number>} */
const written = new Map();
/** The keys that were to be written, in their order, and which of them KV took. @type {{ key: string, taken: boolean }[]} */
const journal = [];

/** @param {any} kv */
const faulty = (kv) => {
  const write =
    (/** @type {string} */ method) =>
    async (/** @type {any[]} */ ...[key, ...rest]) => {
      counts.waiting += 1;
      while (faults.held) await new Promise((resolve) => setTimeout(resolve, 10));
      counts.waiting -= 1;
      const last = written.get(key) ?? 0;
      const taken = !(faults.down || (faults.limited && Date.now() - last < 1000));
      journal.push({ key, taken });
      if (!taken) {
        throw new Error(`KV ${method} failed: 429 Too Many Requests`);
      }
      written.set(key, Date.now());
      return kv[method](key, ...rest);
    };
  return { put: write("put"), delete: write("delete") };
};

/** What a location has read, misses too: it is read from there from then on. @type {Map<string, any>} */
const cache = new Map();

/** @param {any} kv */
const cached = (kv) => ({
  async getWithMetadata(/** @type {any[]} */ ...[key, options]) {
    if (!cache.has(key)) cache.set(key, await kv.getWithMetadata(key, options));
    return cache.get(key);
  },
});

/** What was handed to `onEvent` of an object. @type {import("../../pkg/index.d.ts").IssuerEvent[]} */
const events = [];

class Transparent extends DirectoryObject {
  /** @param {any} ctx @param {any} env */
  constructor(ctx, env) {
    super(ctx, { ...env, DIRECTORY: faulty(env.DIRECTORY) });
  }

  /** @override @param {import("../../pkg/index.d.ts").IssuerEvent} event */
  onEvent(event) {
    events.push(event);
    return super.onEvent(event);
  }

  /** @override @param {string} name */
  read(name) {
    counts.reads += 1;
    return super.read(name);
  }

  /** @override */
  async alarm() {
    if (faults.asleep !== this.ctx.id.name) await super.alarm();
  }

  /** What is really there. */
  async look() {
    const { sql } = this.ctx.storage;
    const names = (/** @type {string} */ table) =>
      sql.exec(`SELECT 1 FROM sqlite_master WHERE name = '${table}'`).toArray().length === 0
        ? null
        : [...sql.exec(`SELECT name FROM ${table}`).raw()].flat();
    const alarm = await this.ctx.storage.getAlarm();
    return { name: this.ctx.id.name, rows: names("records"), outbox: names("outbox"), alarm };
  }
}

export { Transparent as DirectoryObject };

/** @type {Record<string, import("../../pkg/index.d.ts").Store> | undefined} */
let stores;
/** @type {import("../../pkg/index.d.ts").Issuer | undefined} */
let service;

export default {
  /** @param {Request} request @param {any} env @param {any} context */
  async fetch(request, env, context) {
    const kv = /** @type {any} */ (cached(env.DIRECTORY));
    stores ??= {
      objects: directoryObjects(env.TENANTS),
      copies: kvStore(env.DIRECTORY),
      directory: directoryStore({ kv: env.DIRECTORY, objects: env.TENANTS }),
      // For a flood, which is counted in seconds.
      guarded: directoryStore({ kv: env.DIRECTORY, objects: env.TENANTS }),
      location: directoryStore({ kv, objects: env.TENANTS }),
    };
    const { BASE_URL: baseUrl, MASTER_KEY: masterKey } = env;
    if (new URL(request.url).pathname !== "/") {
      const options = { baseUrl, masterKey, cacheTtl: 0, grants: /** @type {false} */ (false) };
      service ??= createIssuer({ ...options, store: stores.location });
      return service.fetch(request, context);
    }
    /** @type {{ on: string, act: string, parameters: any[] }} */
    const { on, act, parameters } = await request.json();
    try {
      return Response.json({ result: await perform(stores[on]) });
    } catch (error) {
      return Response.json({ error: String(error) });
    }

    /** @param {any} store @returns {Promise<any>} */
    async function perform(store) {
      const [first, ...rest] = parameters;
      if (act === "contract") return runContract({ ...driver, ...issuer, module }, store);
      if (act === "faults") return Object.assign(faults, first);
      if (act === "counts") return { ...counts };
      if (act === "journal") return journal.filter(({ key }) => key.startsWith(`${first}:`));
      if (act === "events") return events;
      if (act === "ask") {
        const response = await env.TENANTS.getByName(first).fetch(...rest);
        return response.status;
      }
      if (act === "flood") {
        const reads = counts.reads;
        const from = Date.now();
        for (let number = 0; number < rest[0]; number += 1) {
          await store.get(first, `application/junk${number}`);
        }
        return { reads: counts.reads - reads, seconds: (Date.now() - from) / 1000 };
      }
      if (store !== undefined) return store[act](...parameters);
      return env.TENANTS.getByName(first)[act](...rest);
    }
  },
};
