// The store on Upstash Redis, over its REST client. How the records lie there is redis-records.js.

import { checkStoreOf } from "../options.js";
import { redisRecords } from "./redis-records.js";

const EXPECTED =
  "upstashStore takes a client of the package `@upstash/redis`: `upstashStore(new Redis({ url, token }))`";

/** @type {typeof import("./upstash.d.ts").upstashStore} */
export function upstashStore(client, options = {}) {
  checkStoreOf(client, ["evalsha", "eval"], EXPECTED, options, ["prefix"]);
  const { prefix = "edgemint:" } = options;
  return redisRecords(async (by, script, keys, args) => {
    try {
      if (by === "digest") return await client.evalsha(script, keys, args);
      return await client.eval(script, keys, args);
    } catch (error) {
      throw withoutCommand(error);
    }
  }, prefix);
}

/**
 * The client's errors quote the command, and with it the records that were to be written: nothing
 * for a log.
 * @param {unknown} error
 */
function withoutCommand(error) {
  if (!(error instanceof Error)) return error;
  const [message, command] = error.message.split(/, command was: /, 2);
  return command === undefined ? error : Object.assign(new Error(message), { name: error.name });
}
