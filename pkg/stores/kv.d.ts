import type { Store } from "../index.js";

/** What `kvStore` uses of a KV namespace binding. */
export interface KvNamespace {
  getWithMetadata(
    key: string,
    options: { type: "text"; cacheTtl: number },
  ): Promise<{ value: string | null; metadata: unknown }>;
  put(
    key: string,
    value: string,
    options: { metadata: object; expiration?: number },
  ): Promise<unknown>;
  delete(key: string): Promise<unknown>;
  list(options: {
    prefix: string;
    cursor?: string;
    limit?: number;
  }): Promise<
    | { list_complete: true; keys: { name: string; metadata?: unknown }[] }
    | { list_complete: false; keys: { name: string; metadata?: unknown }[]; cursor: string }
  >;
}

/** How `kvStore` reads. */
export interface KvStoreOptions {
  /** Seconds for which a location may answer reads from its own copy; KV allows 30 or more. @default 30 */
  cacheTtl?: number;
}

/**
 * The store on a Cloudflare KV namespace.
 *
 * It promises neither atomic writes nor that a read sees the last write: KV does not. A location may
 * read what was there 30 seconds ago, so acts of administration that follow each other more quickly
 * can fail or lose each other's change: leave a minute between acts on the same record, or take
 * `directoryStore`, which keeps directories in Durable Objects and only copies in KV.
 *
 * @example
 * ```js
 * import { createIssuer } from "edgemint";
 * import { durableObjectStore } from "edgemint/stores/durable-object";
 * import { kvStore } from "edgemint/stores/kv";
 *
 * const issuer = createIssuer({
 *   baseUrl: env.BASE_URL,
 *   masterKey: env.MASTER_KEY,
 *   store: kvStore(env.DIRECTORY),
 *   grants: durableObjectStore(env.GRANTS), // or false: KV cannot keep a refresh token single-use
 * });
 * ```
 *
 * @throws {TypeError} if it is no binding, or for an option that is not known
 */
export declare function kvStore(namespace: KvNamespace, options?: KvStoreOptions): Store;
