import type { Store } from "../index.js";

/** What `d1Store` uses of a statement of D1. */
export interface D1Statement {
  bind(...values: any[]): D1Statement;
  all(): Promise<{ results: any[] }>;
}

/** What `d1Store` uses of a D1 binding. */
export interface D1 {
  prepare(sql: string): D1Statement;
  batch(statements: any[]): Promise<{ results: any[]; meta: { changes?: number } }[]>;
}

/** A store in a D1 database. */
export interface D1Store extends Store {
  commit: NonNullable<Store["commit"]>;
  /** Creates the table if it is not there; a migration does the same (docs/stores.md). */
  prepare(): Promise<void>;
}

/**
 * The store on a Cloudflare D1 database. For Cloudflare Workers only.
 *
 * It is atomic and sees its own writes: a D1 database does one thing after another, in one place, and
 * every call goes there, past any read replicas. A commit is one `batch`, which is one transaction. A
 * call that is rejected while it writes may have written. What has expired is deleted by later writes, 5
 * minutes after. A commit may have about 900,000 bytes.
 *
 * All tenants share the one database and its few hundred writes a second. Where users refresh tokens all
 * the time, `durableObjectStore` for the grants spreads them over the objects of the users.
 *
 * @throws {TypeError} for what `withSession` returns, as it may read from replicas, and for what is no binding
 *
 * @example
 * ```js
 * import { createIssuer } from "edgemint";
 * import { d1Store } from "edgemint/stores/d1";
 *
 * const issuer = createIssuer({ baseUrl: env.BASE_URL, masterKey: env.MASTER_KEY, store: d1Store(env.DB) });
 * ```
 */
export declare function d1Store(database: D1): D1Store;
