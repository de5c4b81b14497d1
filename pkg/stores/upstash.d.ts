import type { Store } from "../index.js";

/** What `upstashStore` uses of a client of the package `@upstash/redis`. */
export interface UpstashClient {
  evalsha(digest: string, keys: string[], args: string[]): Promise<unknown>;
  eval(script: string, keys: string[], args: string[]): Promise<unknown>;
}

/** How a {@link upstashStore} is set up. */
export interface UpstashStoreOptions {
  /** What every key starts with; without `{` and `}`. @default "edgemint:" */
  prefix?: string;
}

/**
 * The store on Upstash Redis over HTTP, for runtimes that open no sockets. Its records and scripts
 * are those of `redisStore`, and the two can share a database. Any `Redis` of `@upstash/redis` will
 * do: what it reads as JSON by itself (`automaticDeserialization`) makes no difference here.
 *
 * Upstash can not be run elsewhere: this is tested with its own client against a real Redis behind
 * a bridge of ours that speaks its REST protocol, not against the service.
 *
 * - A script runs as one atomic step, and, since it may write, where the keys are written (Upstash
 *   has others, `EVAL_RO`, for its replicas): hence what `guarantees` says. But Upstash replicates
 *   afterwards, and itself promises eventual consistency only: when a leader is lost, or two are at
 *   work in a split network, acknowledged writes may be lost, among them that a refresh token was
 *   spent. Where that is not acceptable, keep `grants` elsewhere.
 * - Leave eviction off.
 * - The client sends a request again if the connection failed. A write that had arrived is
 *   recognised then; of a deletion that had, the second answer says that there was nothing to
 *   delete. A creation that had arrived, and whose record somebody deleted before it arrives again,
 *   makes the record again, with the same version: what was revoked is back. `retry: { retries: 0 }`
 *   rules that out, and leaves repeating to the caller.
 * - The client waits as long as `fetch` does: give it `signal: () => AbortSignal.timeout(5000)`.
 *
 * @example
 * ```js
 * import { Redis } from "@upstash/redis/cloudflare";
 * import { upstashStore } from "edgemint/stores/upstash";
 *
 * const store = upstashStore(Redis.fromEnv(env, { signal: () => AbortSignal.timeout(5000) }));
 * ```
 *
 * @throws `TypeError` if it is no client of `@upstash/redis`, if the prefix has a `{` or `}` in it, or for an option that
 * is not known
 */
export declare function upstashStore(
  client: UpstashClient,
  options?: UpstashStoreOptions,
): Store & Required<Pick<Store, "commit">>;
