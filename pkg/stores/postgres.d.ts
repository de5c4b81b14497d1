import type { Store } from "../index.js";

/** What `postgresStore` uses of a connection of `pg`. */
export interface PostgresClient {
  query(
    text: string,
    values?: any[],
  ): Promise<{ command: string; rowCount: number | null; rows: any[] }>;
  on(event: "error", listener: (error: Error) => void): unknown;
  off(event: "error", listener: (error: Error) => void): unknown;
  /** @param destroy whether it is to be closed */
  release(destroy?: boolean): unknown;
}

/** What `postgresStore` uses of a `Pool` of `pg`. */
export interface PostgresPool extends Pick<PostgresClient, "query"> {
  connect(): Promise<PostgresClient>;
}

/** How a {@link postgresStore} is set up. */
export interface PostgresStoreOptions {
  /** The schema of the table. It must exist. @default the first of the connection's `search_path` */
  schema?: string;
  /** Letters, digits and `_`, at most 48; as is the schema. @default "edgemint_records" */
  table?: string;
}

/** A store in a PostgreSQL table. */
export interface PostgresStore extends Store {
  commit: NonNullable<Store["commit"]>;
  /** Creates the table if it is not there; several processes may do so at once. */
  prepare(): Promise<void>;
}

/**
 * The store in one table of PostgreSQL, from 12 on, through a `Pool` of `pg`.
 *
 * It is atomic and sees its own writes as long as all connections are to the primary, not to a replica.
 * A single write is one statement, a commit one transaction; what PostgreSQL takes back for a deadlock is
 * tried again. A call that is rejected while it writes may have written. What was acknowledged survives as
 * long as `synchronous_commit` is not `off`, and a failover as long as the standby is synchronous.
 * What has expired is deleted by later writes, 5 minutes after.
 *
 * The pool stays the application's. Give it time limits, lest a server that has gone keeps requests
 * waiting, and listen to its `error`: without, an idle connection that breaks ends the process.
 *
 * @throws {TypeError} if it is no pool, if a schema or table cannot be called so, or for an option that is
 * not known
 *
 * @example
 * ```js
 * import { createIssuer } from "edgemint";
 * import { postgresStore } from "edgemint/stores/postgres";
 * import { Pool } from "pg";
 *
 * const pool = new Pool({ connectionString, connectionTimeoutMillis: 2000, query_timeout: 5000 });
 * pool.on("error", (error) => console.error(error));
 *
 * const store = postgresStore(pool);
 * await store.prepare(); // creates the table
 * const issuer = createIssuer({ baseUrl: "https://auth.example.com", masterKey, store });
 * ```
 */
export declare function postgresStore(
  pool: PostgresPool,
  options?: PostgresStoreOptions,
): PostgresStore;
