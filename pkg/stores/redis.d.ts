import type { Store } from "../index.js";

/**
 * What `redisStore` uses of a connected client of the package `redis`: one of `createClient`,
 * `createClientPool`, `createSentinel` or `createCluster`.
 */
export interface RedisClient {
  /** `false` while there is no connection: the store rejects at once then. */
  readonly isReady?: boolean;
  evalSha(digest: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
}

/** How a {@link redisStore} is set up. */
export interface RedisStoreOptions {
  /** What every key starts with; without `{` and `}`. @default "edgemint:" */
  prefix?: string;
  /**
   * Milliseconds after which a call is given up and rejects. It may have been carried out all the
   * same, or may be yet, once the server comes to it.
   * @default 5000
   */
  timeout?: number;
}

/**
 * The store on Redis 6.2 or later, or Valkey, over a connected client of the package `redis`
 * (node-redis), which stays yours to open and close. Every call is one script, so it is atomic on
 * the server, however many processes write; a `commit` is made as a whole or not at all. All keys
 * of a partition share a hash slot, so it runs on Redis Cluster.
 *
 * What an acknowledged write is worth is decided by the server's configuration, and the default is
 * not enough: as it is delivered, Redis takes a snapshot now and then, and a crash takes with it what
 * was acknowledged since, such as that a refresh token was spent.
 *
 * - `appendonly yes` and `appendfsync always`: nothing that was acknowledged is lost with the
 *   process or the machine. With `everysec` a second may be, without `appendonly` everything since
 *   the last snapshot.
 * - `maxmemory-policy noeviction`: any other may drop records that are still needed, without a
 *   trace.
 * - Replication is asynchronous. A failover to a replica may lose the last writes whatever
 *   `appendfsync` says; `min-replicas-to-write` narrows that, and no setting ends it. Where that is
 *   not acceptable, let the one server restart instead, or take PostgreSQL.
 * - Of a user with limited rights it needs
 *   `~edgemint:* +@connection +eval +evalsha +@hash +@sortedset +del +persist +expireat`.
 *
 * An expired record is absent to the second, by the clock of the process that asks. Redis deletes
 * it ten minutes after that; its name, which nobody is shown, goes with a later write to the same
 * partition.
 *
 * A write that a client sends again, since it got no answer, is recognised by its version as long
 * as the record is there. If it was a creation, and somebody deleted the record between the two, the
 * record is made again, with the same version. node-redis does not send again what had been sent;
 * turn off whatever else does between it and the server.
 *
 * While the client is not connected, or if the server does not answer within `timeout`, a call
 * rejects, and the request is answered 503. Listen to the client's `error` event: node-redis ends
 * the process otherwise.
 *
 * @example
 * ```js
 * import { createIssuer } from "edgemint";
 * import { redisStore } from "edgemint/stores/redis";
 * import { createClient } from "redis";
 *
 * const client = createClient({ url: process.env.REDIS_URL });
 * client.on("error", console.error);
 * await client.connect();
 * const issuer = createIssuer({ baseUrl, masterKey, store: redisStore(client) });
 * ```
 *
 * @throws `TypeError` if it is no client of `redis`, if the prefix has a `{` or `}` in it, or for an option that
 * is not known
 */
export declare function redisStore(
  client: RedisClient,
  options?: RedisStoreOptions,
): Store & Required<Pick<Store, "commit">>;
