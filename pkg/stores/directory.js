// The issuer's view of directories that live in Durable Objects (directory-object.js), with copies in
// Cloudflare KV: it reads the copy, and asks the object if there is none. Everything else is the object's.
//
// The object is asked because KV caches misses: an application that has just been created would be
// unknown for up to a minute wherever somebody asked too early. But whoever sends made-up client ids
// makes nothing but misses, and an object answers a few hundred requests a second. So each tenant has a
// bucket in each isolate: 50 questions in vain a second, 100 in a burst. Beyond it, a miss is what KV says
// it is: the flood is refused as before, tokens are issued from the copies as before, and of all requests
// only those of an application younger than KV's cache can be refused wrongly, as long as the flood lasts.
// Tenants can be made up, too, and each would be another object: those of which nothing was ever found here
// have one bucket together.

import { Buckets } from "../buckets.js";
import { hand } from "../driver.js";
import { logSink } from "../events.js";
import { checkStoreOf, checkStoreOptions } from "../options.js";
import { isReplicated } from "./kv-record.js";
import { kvStore } from "./kv.js";

/** The bucket of all tenants that are not known. No partition is called so. */
const STRANGERS = "";

/** @type {typeof import("./directory.d.ts").directoryStore} */
export function directoryStore(options) {
  checkStoreOptions(options, ["kv", "objects", "cacheTtl"]);
  const { kv, objects, cacheTtl } = options;
  const copies = kvStore(kv, { cacheTtl });
  const authority = directoryObjects(objects);
  const buckets = new Buckets();
  return {
    ...authority,
    guarantees: { atomic: true, readYourWrites: false },
    async get(partition, name) {
      if (!isReplicated(partition, name)) return authority.get(partition, name);
      const copy = await copies.get(partition, name);
      if (copy !== null) {
        buckets.add(partition);
        return copy;
      }
      const bucket = buckets.has(partition) ? partition : STRANGERS;
      if (!buckets.take(bucket)) return null;
      const record = await authority.get(partition, name);
      if (record !== null) {
        buckets.giveBack(bucket);
        buckets.add(partition);
      }
      return record;
    },
  };
}

const EXPECTED =
  "a directory takes the binding of DirectoryObject, such as `env.TENANTS`: see `durable_objects` of wrangler";

/** @type {typeof import("./directory.d.ts").directoryObjects} */
export function directoryObjects(namespace) {
  checkStoreOf(namespace, ["getByName"], EXPECTED);
  return {
    guarantees: { atomic: true, readYourWrites: true },
    get: (partition, name) => namespace.getByName(partition).read(name),
    put: (partition, name, value, expected, expiresAt) =>
      namespace.getByName(partition).write(name, value, expected, expiresAt, partition),
    delete: (partition, name, expected) =>
      namespace.getByName(partition).remove(name, expected, partition),
    commit: (partition, writes) => namespace.getByName(partition).commit(writes, partition),
    list: (partition, prefix, cursor, limit) =>
      namespace.getByName(partition).page(prefix, cursor, limit),
  };
}

/** @type {typeof import("./directory.d.ts").administer} */
export function administer(namespace, tenant, request) {
  return namespace.getByName(`directory/${tenant}`).fetch(request);
}

/** Tenants that are maintained at once. */
const AT_ONCE = 6;

/** @type {typeof import("./directory.d.ts").maintain} */
export async function maintain(namespace, time, onEvent = logSink) {
  const registry = directoryObjects(namespace);
  const hour = Math.floor(time / 3_600_000) % 24;
  const names = [];
  let cursor = null;
  do {
    const page = await registry.list("tenants", "", cursor, 1000);
    names.push(...page.names);
    cursor = page.cursor ?? null;
  } while (cursor !== null);
  // One call may ask a limited number of objects: every hour has its share of them.
  const due = names.filter((name) => hourOf(name) === hour);
  const maintainRest = async () => {
    for (let name = due.shift(); name !== undefined; name = due.shift()) {
      const partition = `directory/${name}`;
      try {
        await namespace.getByName(partition).maintain(partition);
      } catch (error) {
        // The object did not answer. The others must not wait for it, and tomorrow it is tried again.
        const detail = String(error);
        const seconds = Math.floor(time / 1000);
        hand({ time: seconds, kind: "failed", reason: "maintenance", tenant: name, detail }, onEvent);
      }
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, maintainRest));
}

/** The hour of the day at which it is a tenant's turn: its own, whatever tenants there are. @param {string} name */
function hourOf(name) {
  // FNV-1a.
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0) % 24;
}
