import type { Store } from "../index.js";

/** What `sqliteStore` uses of a connection: `DatabaseSync` of `node:sqlite` has it. */
export interface SqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): {
    run(...parameters: any[]): { changes: number | bigint };
    get(...parameters: any[]): unknown;
    all(...parameters: any[]): unknown[];
  };
  close(): unknown;
}

/** How a {@link sqliteStore} is set up. */
export interface SqliteStoreOptions {
  /**
   * Milliseconds for which a call waits while another process writes, before it is rejected. This
   * process goes on with other work meanwhile. @default 5000
   */
  busyTimeout?: number;
}

/** A store in an SQLite file. */
export interface SqliteStore extends Store {
  commit: NonNullable<Store["commit"]>;
  /** Closes the file, if the store has opened it. Later calls are rejected. */
  close(): void;
}

/**
 * The store in one SQLite file, by the runtime's own `node:sqlite`: Node from 22.13 on, Deno, Bun.
 *
 * It is atomic and sees its own writes, whichever process of this machine made them: several may use the
 * file at once. A write is on the disk before it is acknowledged (`synchronous = FULL`); a commit is one
 * transaction. The file must be on a local disk, as its journal (WAL) needs shared memory; two files
 * beside it, `-wal` and `-shm`, belong to it. What has expired is deleted by later writes, 5 minutes after.
 *
 * @param source a path, `":memory:"`, a `file:` URL, or a connection. A connection should be the store's
 * alone: it is set to WAL and `synchronous = FULL`, and left open by `close`.
 * @throws what SQLite says, with the path, if the file cannot be opened, or is something else
 * @throws {TypeError} for anything else, such as no path, and for an option that is not known
 *
 * @example
 * ```js
 * import { createIssuer } from "edgemint";
 * import { sqliteStore } from "edgemint/stores/sqlite";
 *
 * const store = sqliteStore("edgemint.db");
 * const issuer = createIssuer({ baseUrl: "http://localhost:8080", masterKey, store });
 * ```
 */
export declare function sqliteStore(
  source: string | URL | SqliteDatabase,
  options?: SqliteStoreOptions,
): SqliteStore;
