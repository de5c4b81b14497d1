// The store on Redis, over node-redis. How the records lie there is redis-records.js.

import { checkStoreOf } from "../options.js";
import { redisRecords } from "./redis-records.js";

const EXPECTED =
  "redisStore takes a client of the package `redis`: `redisStore(await createClient({ url }).connect())`";

/** @type {typeof import("./redis.d.ts").redisStore} */
export function redisStore(client, options = {}) {
  checkStoreOf(client, ["evalSha", "eval"], EXPECTED, options, ["prefix", "timeout"]);
  const { prefix = "edgemint:", timeout = 5000 } = options;
  return redisRecords((by, script, keys, args) => {
    // The client would keep the command until it is connected again, however long that takes.
    if (client.isReady === false) return Promise.reject(new Error("Redis is not connected"));
    const options = { keys, arguments: args };
    const answer =
      by === "digest" ? client.evalSha(script, options) : client.eval(script, options);
    return within(answer, timeout);
  }, prefix);
}

/** @param {Promise<unknown>} answer @param {number} timeout milliseconds */
async function within(answer, timeout) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    const error = new Error(`Redis did not answer within ${timeout} ms`);
    timer = setTimeout(() => reject(error), timeout);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}
