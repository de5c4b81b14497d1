import type { Store } from "../index.js";

/** What `memoryStore` starts with. */
export interface MemoryStoreOptions {
  /** What it holds at first: `[partition:name, JSON text]`, as `entries()` returns it. */
  entries?: Iterable<readonly [key: string, value: string]>;
}

/** A store in memory, whose content can be taken out. */
export interface MemoryStore extends Store {
  /** Every live key, `partition:name`, and its value. */
  entries(): [key: string, value: string][];
}

/**
 * A store in this process's memory, for tests and for a directory that is declared at start. It is
 * atomic within the process and gone with it.
 *
 * @example
 * ```js
 * import { createIssuer } from "edgemint";
 * import { memoryStore } from "edgemint/stores/memory";
 *
 * const issuer = createIssuer({ baseUrl: "http://localhost", masterKey, store: memoryStore() });
 * ```
 *
 * @throws {TypeError} for an option that is not known
 */
export declare function memoryStore(options?: MemoryStoreOptions): MemoryStore;
