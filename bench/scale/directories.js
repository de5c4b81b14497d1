// Directories of any size, made by the administration itself: a secret's hash is bound to its tenant and
// its application, so that no record can be derived from another. Threads share the work. What a token
// needs is written to files, a record a line, for `kv.js` to serve.

import { randomBytes } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker, isMainThread, workerData } from "node:worker_threads";
import { createIssuer } from "../../pkg/node.js";
import { isReplicated, kvKey } from "../../pkg/stores/kv-record.js";
import { memoryStore } from "../../pkg/stores/memory.js";

/** @typedef {import("../../pkg/index.d.ts").Administration} Administration */

export const API = "api://orders";
/** What every application holds, whatever else the API has: all tokens are of one length. */
const HELD = "Orders.Read.All";
/** Applications in one import: the most. */
const BATCH = 500;
/** Characters that are written at once. */
const CHUNK = 1 << 20;
/** Of numbers in names, so that all names are of one length. */
const DIGITS = 7;

/** A number as it is in names. @param {number} at */
export const numbered = (at) => `${at}`.padStart(DIGITS, "0");
/** The name of an application. @param {number} at */
export const clientIdOf = (at) => `app-${numbered(at)}`;
/** The name of a tenant among many. @param {number} at */
export const tenantOf = (at) => `tenant-${numbered(at)}`;

/**
 * @typedef {object} Wanted a tenant
 * @property {string} tenant
 * @property {number} [applications] 1 by default, which is `clientIdOf(0)`
 * @property {number} [roles] of the API; 1 by default
 *
 * @typedef {object} Directories
 * @property {string} masterKey what they are sealed under
 * @property {string} secret of every application
 * @property {string[]} files
 * @property {number} applications that there are
 * @property {number} seconds that it took
 *
 * @typedef {object} Share a part of a tenant's applications
 * @property {string} tenant
 * @property {number} from
 * @property {number} to the first that is not of it
 *
 * @typedef {object} Work of a thread
 * @property {string} file that it writes
 * @property {string} masterKey
 * @property {string} secret
 * @property {Wanted[]} tenants to make
 * @property {Share[]} shares of other tenants
 * @property {[string, string][]} entries what there is of those
 */

/**
 * Makes the tenants.
 * @param {string} folder for the files
 * @param {Wanted[]} wanted
 * @returns {Promise<Directories>}
 */
export async function makeDirectories(folder, wanted) {
  const begun = performance.now();
  const masterKey = randomBytes(32).toString("base64url");
  const secret = randomBytes(32).toString("base64url");
  const threads = availableParallelism();
  const large = wanted.filter(({ applications = 1 }) => applications > BATCH);
  const small = wanted.filter((one) => !large.includes(one));

  const file = join(folder, "large.records");
  const records = new Records(file);
  const admin = administration(masterKey, records);
  /** @type {Share[]} */
  const shares = [];
  for (const one of large) {
    await makeTenant(admin, one);
    const { tenant, applications = 1 } = one;
    const step = Math.ceil(applications / threads);
    for (let from = 0; from < applications; from += step) {
      shares.push({ tenant, from, to: Math.min(from + step, applications) });
    }
  }
  const entries = records.close();

  const works = Array.from({ length: threads }, (_, thread) => {
    const mine = (/** @type {unknown} */ _, /** @type {number} */ at) => at % threads === thread;
    const file = join(folder, `${thread}.records`);
    return { file, masterKey, secret, tenants: small.filter(mine), shares: shares.filter(mine), entries };
  });
  await Promise.all(works.map(inThread));
  return {
    masterKey,
    secret,
    files: [file, ...works.map(({ file }) => file)],
    applications: wanted.reduce((sum, { applications = 1 }) => sum + applications, 0),
    seconds: (performance.now() - begun) / 1000,
  };
}

/** @param {string} masterKey @param {Records} records */
function administration(masterKey, records) {
  // Nothing that is made here depends on the URL.
  const baseUrl = "http://localhost";
  return createIssuer({ baseUrl, masterKey, store: records.store, onEvent() {} }).admin;
}

/** @param {Administration} admin @param {Wanted} wanted */
async function makeTenant(admin, { tenant, roles = 1 }) {
  await admin.createTenant({ tenant });
  const values = [HELD, ...Array.from({ length: roles - 1 }, (_, at) => `Other.${numbered(at)}`)];
  await admin.createApi({ tenant, identifier: API, roles: values.map((value) => ({ value })) });
}

/** @param {Administration} admin @param {string} secret @param {Share} share */
async function register(admin, secret, { tenant, from, to }) {
  for (let at = from; at < to; at += BATCH) {
    const applications = Array.from({ length: Math.min(BATCH, to - at) }, (_, place) => ({
      clientId: clientIdOf(at + place),
      secrets: [{ secret }],
      assignments: [{ api: API, roles: [HELD] }],
    }));
    await admin.importApplications({ tenant, applications });
  }
}

/** @param {Work} work @returns {Promise<void>} */
function inThread(work) {
  return new Promise((resolve, reject) => {
    const thread = new Worker(fileURLToPath(import.meta.url), { workerData: work });
    thread.once("error", reject).once("exit", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`a thread that makes directories ends with ${code}`));
    });
  });
}

/** @param {Work} work */
async function inThisThread({ file, masterKey, secret, tenants, shares, entries }) {
  const records = new Records(file, entries);
  const admin = administration(masterKey, records);
  for (const one of tenants) {
    await makeTenant(admin, one);
    await register(admin, secret, { tenant: one.tenant, from: 0, to: one.applications ?? 1 });
  }
  for (const share of shares) await register(admin, secret, share);
  records.close();
}

/**
 * A store that writes applications to a file and does not remember them: nobody asks for them again. Of the
 * rest it keeps what tokens are issued from; the log of events would be three times as long as all else.
 */
class Records {
  #memory;
  #given;
  #file;
  #text = "";

  /** @param {string} path @param {[string, string][]} [given] what there is already */
  constructor(path, given = []) {
    this.#file = openSync(path, "wx", 0o600);
    this.#given = new Set(given.map(([key]) => key));
    this.#memory = memoryStore({ entries: given });
  }

  /** @returns {import("../../pkg/index.d.ts").Store} */
  get store() {
    const memory = this.#memory;
    return {
      ...memory,
      commit: async (partition, writes) => {
        const kept = writes.filter(({ name }) => isReplicated(partition, name) && !isApplication(name));
        const committed = await /** @type {Required<typeof memory>} */ (memory).commit(partition, kept);
        if (committed.conflict !== undefined) return { conflict: writes.indexOf(kept[committed.conflict]) };
        for (const { name, value } of writes) {
          if (isApplication(name)) this.#write(kvKey(partition, name), value ?? "");
        }
        return { versions: writes.map(() => "1") };
      },
    };
  }

  /** @param {string} key @param {string} value */
  #write(key, value) {
    this.#text += `${key}\t${value}\n`;
    if (this.#text.length > CHUNK) this.#flush();
  }

  #flush() {
    writeSync(this.#file, this.#text);
    this.#text = "";
  }

  /**
   * Writes down the rest.
   * @returns {[string, string][]} what tokens are issued from, but for applications
   */
  close() {
    const entries = this.#memory.entries().filter(([key]) => key.startsWith("directory/"));
    for (const [key, value] of entries) if (!this.#given.has(key)) this.#write(key, value);
    this.#flush();
    closeSync(this.#file);
    return entries;
  }
}

/** @param {string} name */
const isApplication = (name) => name.startsWith("application/");

if (!isMainThread) await inThisThread(workerData);
