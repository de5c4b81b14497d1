import type { Store } from "../index.js";

/** A key of Deno KV, of the kinds of parts that `denoKvStore` uses. */
export type DenoKvKey = readonly (string | number)[];

/** What `denoKvStore` uses of an atomic operation. */
export interface DenoKvAtomic {
  check(check: { key: DenoKvKey; versionstamp: string | null }): unknown;
  set(key: DenoKvKey, value: unknown, options?: { expireIn?: number }): unknown;
  delete(key: DenoKvKey): unknown;
  commit(): Promise<{ ok: boolean; versionstamp?: string }>;
}

/** What `denoKvStore` uses of a `Deno.Kv`. */
export interface DenoKv {
  get(
    key: DenoKvKey,
    options: { consistency: "strong" },
  ): Promise<{ value: unknown; versionstamp: string | null }>;
  getMany(
    keys: DenoKvKey[],
    options: { consistency: "strong" },
  ): Promise<{ value: unknown; versionstamp: string | null }[]>;
  list(
    range: { prefix: DenoKvKey; start: DenoKvKey },
    options: { consistency: "strong"; batchSize: number },
  ): AsyncIterable<{ key: readonly unknown[]; value: unknown; versionstamp: string }>;
  atomic(): DenoKvAtomic;
}

/** How a {@link denoKvStore} is set up. */
export interface DenoKvStoreOptions {
  /** The first part of every key. @default "edgemint" */
  prefix?: string;
}

/**
 * The store on Deno KV, for Deno with `--unstable-kv`; the database stays yours to open and close.
 * Every write, a `commit` too, is one atomic operation with a check of each record; every read is a
 * strong one.
 *
 * Deno KV's limits are those of the store:
 * - A value under one key has at most 64 KiB. Larger ones are kept in parts beside the record, in
 *   the same atomic operation, of which all that is written has at most 800 KiB: a record of more
 *   than that is refused.
 * - An atomic operation has at most 100 checks, so a `commit` at most 100 writes: an import of
 *   applications that comes to more is refused. Import fewer at a time.
 * What is refused rejects with Deno's error, is answered 503, and nothing of it is written.
 *
 * An expired record is absent to the second, by the clock of the process that asks; Deno KV deletes
 * it a minute or more after that. In a file (`Deno.openKv(path)`) Deno KV is SQLite, and several
 * processes may share it.
 *
 * @example
 * ```js
 * import { createIssuer } from "edgemint";
 * import { denoKvStore } from "edgemint/stores/deno-kv";
 *
 * const store = denoKvStore(await Deno.openKv("./edgemint.kv"));
 * const issuer = createIssuer({ baseUrl, masterKey, store });
 * Deno.serve((request) => issuer.fetch(request));
 * ```
 *
 * @throws {TypeError} if it is no open database, or for an option that is not known
 */
export declare function denoKvStore(
  kv: DenoKv,
  options?: DenoKvStoreOptions,
): Store & Required<Pick<Store, "commit">>;
