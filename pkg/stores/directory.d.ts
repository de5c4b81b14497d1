import type { IssuerEvent, Store, StoreCommit, StoreWrite } from "../index.js";
import type { KvNamespace } from "./kv.js";

/** What `directoryStore` uses of a namespace binding of `DirectoryObject`. */
export interface DirectoryNamespace {
  getByName(name: string): {
    read(name: string): Promise<{ value: string; version: string } | null>;
    write(
      name: string,
      value: string,
      expected: string | null,
      expiresAt: number | null,
      partition: string,
    ): Promise<string | null>;
    remove(name: string, expected: string | null, partition: string): Promise<string | null>;
    commit(writes: StoreWrite[], partition: string): Promise<StoreCommit>;
    page(
      prefix: string,
      cursor: string | null,
      limit: number,
    ): Promise<{ names: string[]; cursor?: string }>;
    fetch(request: any): Promise<any>;
    maintain(partition: string): Promise<void>;
  };
}

/** Where `directoryStore` keeps what it is given. */
export interface DirectoryStoreOptions {
  /** The namespace that the objects copy to: their binding `DIRECTORY`. */
  kv: KvNamespace;
  /** The binding of `DirectoryObject`. */
  objects: DirectoryNamespace;
  /** Seconds for which a location may answer reads from its own copy; KV allows 30 or more. @default 30 */
  cacheTtl?: number;
}

/**
 * The directory on Cloudflare: one Durable Object for each tenant, where a change is one transaction,
 * and copies in KV, near to every client. For Cloudflare Workers only.
 *
 * Reads are of the copy, and of the object if there is none: a new application works at once. A change
 * and a deletion are seen everywhere within KV's cache (`cacheTtl`) and the issuer's. A flood of requests
 * about what does not exist is kept from the object: beyond 50 a second for each tenant and isolate (and
 * for all tenants together of which it has seen nothing), what KV has no copy of is unknown.
 *
 * @example
 * ```js
 * import { directoryStore } from "edgemint/stores/directory";
 *
 * export { DirectoryObject } from "edgemint/stores/directory-object";
 *
 * const store = directoryStore({ kv: env.DIRECTORY, objects: env.TENANTS });
 * ```
 *
 * @throws {TypeError} if one of them is no binding, or for an option that is not known
 */
export declare function directoryStore(
  options: DirectoryStoreOptions,
): Store & Required<Pick<Store, "commit">>;

/** The objects alone, without copies: each read sees the last write. */
export declare function directoryObjects(
  objects: DirectoryNamespace,
): Store & Required<Pick<Store, "commit">>;

/**
 * Hands a request to `/{tenant}/admin/v1/...` to the object of its tenant: for `administration` of
 * `createIssuer`, which sees to it that strangers do not keep the object busy.
 */
export declare function administer(
  objects: DirectoryNamespace,
  tenant: string,
  request: Request,
): Promise<Response>;

/**
 * Rotates the signing keys that are due, for a cron trigger every hour: each tenant has its turn once a
 * day. A tenant where that fails is an event `maintenance`, and has its turn again the next day.
 * @param time milliseconds since 1970: `scheduledTime` of the trigger
 * @param onEvent takes the event of an object that did not answer; an object that did tells of its own
 * failures by its `onEvent`. @default a line of JSON on the console
 */
export declare function maintain(
  objects: DirectoryNamespace,
  time: number,
  onEvent?: (event: IssuerEvent) => unknown,
): Promise<void>;
