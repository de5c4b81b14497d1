// The records in a Redis, for the stores that reach one (redis.js, upstash.js). All that is said to
// the server are three scripts, so each method is one atomic step there; reads are scripts too,
// since a plain GET may be answered by a replica or by a client's cache, which has not heard of the
// last write.
//
// A partition is these keys, all in one hash slot by the {} in them:
//   edgemint:{partition}:names        sorted set, all scores 0: the names, in the order of their bytes
//   edgemint:{partition}:expiries     sorted set: the names that expire, by when
//   edgemint:{partition}:record:NAME  hash: value, version, expires ("" for never)
// What has expired is absent by the caller's clock. Redis itself deletes a record GRACE later, and
// with a partition's last expiring record the sets; names of expired records are removed by later
// writes.

import { isWithin } from "./cursor.js";
import { check } from "./names.js";
import { byCommit } from "./single.js";

/** Seconds by which the clocks of Redis and of any of its callers may differ. */
const GRACE = 600;

/** KEYS: the record. ARGV: the time. Gives the version and the value, or '=' if there is none. */
const READ = `
local record = redis.call('HMGET', KEYS[1], 'version', 'expires', 'value')
if not record[1] or (record[2] ~= '' and tonumber(record[2]) <= tonumber(ARGV[1])) then
  return '='
end
return '=' .. record[1] .. ' ' .. record[3]`;

// Everything is read before anything is written: Redis does not take back what a script wrote
// before it failed. A write that is there already, by its version, is one that the client sent a
// second time. One that was overwritten meanwhile is a conflict, but a creation whose record was
// deleted meanwhile is made again, with the version that it had: nothing here remembers it.
/**
 * KEYS: names, expiries, the records. ARGV: the time, and for each record its name, "=" and the
 * version that is expected ("" for none), the version to be ("" to delete), the value, when it
 * expires ("" for never). Gives -1, or the index of the first write whose expectation failed.
 */
const WRITE = `
local names, expiries, now = KEYS[1], KEYS[2], tonumber(ARGV[1])
local conflict = -1
for i = 3, #KEYS do
  local at = i * 5 - 13
  local record = redis.call('HMGET', KEYS[i], 'version', 'expires')
  if record[1] and record[1] == ARGV[at + 2] then
    return -1
  end
  local found = ''
  if record[1] and (record[2] == '' or tonumber(record[2]) > now) then
    found = '=' .. record[1]
  end
  if conflict == -1 and found ~= ARGV[at + 1] then
    conflict = i - 3
  end
end
if conflict ~= -1 then
  return conflict
end
redis.call('ZCARD', names)
local dead = redis.call('ZRANGEBYSCORE', expiries, '-inf', now - ${GRACE}, 'LIMIT', 0, 100)
if #dead > 0 then
  redis.call('ZREM', names, unpack(dead))
  redis.call('ZREM', expiries, unpack(dead))
end
for i = 3, #KEYS do
  local at, key = i * 5 - 13, KEYS[i]
  local name, version, value, expires = ARGV[at], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  if version == '' then
    redis.call('DEL', key)
    redis.call('ZREM', names, name)
    redis.call('ZREM', expiries, name)
  else
    redis.call('HSET', key, 'version', version, 'expires', expires, 'value', value)
    redis.call('ZADD', names, 0, name)
    if expires == '' then
      redis.call('PERSIST', key)
      redis.call('ZREM', expiries, name)
    else
      redis.call('EXPIREAT', key, string.format('%.0f', math.ceil(tonumber(expires)) + ${GRACE}))
      redis.call('ZADD', expiries, expires, name)
    end
  end
end
local last = redis.call('ZRANGE', expiries, -1, -1, 'WITHSCORES')
if last[2] and redis.call('ZCARD', names) == redis.call('ZCARD', expiries) then
  local gone = string.format('%.0f', math.ceil(tonumber(last[2])) + ${GRACE})
  redis.call('EXPIREAT', names, gone)
  redis.call('EXPIREAT', expiries, gone)
else
  redis.call('PERSIST', names)
  redis.call('PERSIST', expiries)
end
return -1`;

// No byte of UTF-8 is 255, so the range ends with the prefix. Expired names are left out of the
// page, not made up for: the next one has more.
/**
 * KEYS: names, expiries. ARGV: the time, the start of the range, the prefix, the limit.
 * Gives the names, the last of them being that of the next page, or '=' if there is none.
 */
const LIST = `
local limit = tonumber(ARGV[4])
local stop = '(' .. ARGV[3] .. '\\255'
local found = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[2], stop, 'LIMIT', 0, limit + 1)
local page, cursor = {}, '='
if #found > limit then
  found[#found] = nil
  cursor = '=' .. found[limit]
end
for i = 1, #found do
  local expires = redis.call('ZSCORE', KEYS[2], found[i])
  if not expires or tonumber(expires) > tonumber(ARGV[1]) then
    page[#page + 1] = '=' .. found[i]
  end
end
page[#page + 1] = cursor
return page`;

/**
 * Runs one of the scripts, by its text or, quicker, by its digest.
 * @typedef {(by: "text" | "digest", script: string, keys: string[], args: string[]) => Promise<unknown>} Run
 */

/**
 * @param {Run} run @param {string} prefix of all keys
 * @returns {import("../index.d.ts").Store & Required<Pick<import("../index.d.ts").Store, "commit">>}
 */
export function redisRecords(run, prefix) {
  // They would be taken for those that choose the slot.
  if (/[{}]/.test(prefix)) throw new TypeError("the prefix of a Redis store has no { or } in it");

  /** @param {string} partition */
  function keysOf(partition) {
    const start = `${prefix}{${partition.replace(/[%:{}]/g, encodeURIComponent)}}:`;
    const record = (/** @type {string} */ name) => `${start}record:${name}`;
    return { sets: [`${start}names`, `${start}expiries`], record };
  }

  /** @param {string} script @param {string[]} keys @param {string[]} args @returns {Promise<unknown>} */
  async function call(script, keys, args) {
    const digest = await digestOf(script);
    try {
      return await run("digest", digest, keys, args);
    } catch (error) {
      // The server is new, was restarted or told to forget its scripts.
      if (!(error instanceof Error) || !error.message.includes("NOSCRIPT")) throw error;
      return run("text", script, keys, args);
    }
  }

  /** @param {string} partition @param {import("../index.d.ts").StoreWrite[]} writes */
  async function commit(partition, writes) {
    check(partition, ...writes.map(({ name }) => name));
    const { sets, record } = keysOf(partition);
    // Random: no other write ever has it, whatever becomes of the record or of the server.
    const versions = writes.map(({ value }) => (value === null ? "" : crypto.randomUUID()));
    const args = writes.flatMap(({ name, value, expected, expiresAt }, at) => {
      const found = expected === null ? "" : `=${expected}`;
      return [name, found, versions[at], value ?? "", `${expiresAt ?? ""}`];
    });
    const keys = [...sets, ...writes.map(({ name }) => record(name))];
    const conflict = await call(WRITE, keys, [now(), ...args]);
    if (!Number.isInteger(conflict)) throw unexpected(conflict);
    if (conflict !== -1) return { conflict: Number(conflict) };
    return { versions: writes.map(({ expected }, at) => versions[at] || (expected ?? "")) };
  }

  return {
    guarantees: { atomic: true, readYourWrites: true },

    async get(partition, name) {
      check(partition, name);
      const text = marked(await call(READ, [keysOf(partition).record(name)], [now()]));
      if (text === "") return null;
      const space = text.indexOf(" ");
      return { value: text.slice(space + 1), version: text.slice(0, space) };
    },

    ...byCommit(commit),

    commit,

    async list(partition, prefix, cursor, limit) {
      check(partition, prefix);
      const start = cursor !== null && isWithin(cursor, prefix) ? `(${cursor}` : `[${prefix}`;
      const found = await call(LIST, keysOf(partition).sets, [now(), start, prefix, `${limit}`]);
      if (!Array.isArray(found)) throw unexpected(found);
      const names = found.map(marked);
      const next = names.pop();
      return next ? { names, cursor: next } : { names };
    },
  };
}

const now = () => `${Date.now() / 1000}`;

/**
 * What a script returns starts with `=`: no client takes it for the JSON of something else, and
 * nothing else, such as the null of Upstash's client for a request that was aborted, for an answer.
 * @param {unknown} answer
 */
function marked(answer) {
  if (typeof answer !== "string" || !answer.startsWith("=")) throw unexpected(answer);
  return answer.slice(1);
}

/** @param {unknown} answer */
function unexpected(answer) {
  // Not what it is: it may be a record.
  return new Error(`Redis answered with something else than edgemint's script returns: ${typeof answer}`);
}

/** @type {Map<string, Promise<string>>} */
const digests = new Map();

/** @param {number} byte */
const hex = (byte) => byte.toString(16).padStart(2, "0");

/** @param {string} script */
function digestOf(script) {
  const known = digests.get(script);
  if (known !== undefined) return known;
  const digest = crypto.subtle
    .digest("SHA-1", new TextEncoder().encode(script))
    .then((bytes) => Array.from(new Uint8Array(bytes), hex).join(""));
  digests.set(script, digest);
  return digest;
}
