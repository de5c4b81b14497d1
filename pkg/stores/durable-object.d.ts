import { DurableObject } from "cloudflare:workers";
import type { Store, StoreCommit, StoreWrite } from "../index.js";

/**
 * The object that keeps one partition: export it from the worker's entry under this name, and bind it
 * with `new_sqlite_classes`. Its methods are called by {@link durableObjectStore}.
 *
 * What has expired is deleted by an alarm, and an object in which nothing is left deletes itself.
 */
export declare class GrantObject extends DurableObject {
  read(name: string): { value: string; version: string } | null;
  write(
    name: string,
    value: string,
    expected: string | null,
    expiresAt: number | null,
  ): string | null;
  remove(name: string, expected: string | null): string | null;
  commit(writes: StoreWrite[]): StoreCommit;
  page(
    prefix: string,
    cursor: string | null,
    limit?: number,
  ): { names: string[]; cursor?: string };
  step(name: string, command: string): string;
  override alarm(): void;
}

/** What `durableObjectStore` uses of a Durable Object namespace binding. */
export interface GrantNamespace {
  getByName(name: string): {
    read(name: string): Promise<{ value: string; version: string } | null>;
    write(
      name: string,
      value: string,
      expected: string | null,
      expiresAt: number | null,
    ): Promise<string | null>;
    remove(name: string, expected: string | null): Promise<string | null>;
    commit(writes: StoreWrite[]): Promise<StoreCommit>;
    page(
      prefix: string,
      cursor: string | null,
      limit: number,
    ): Promise<{ names: string[]; cursor?: string }>;
    step(name: string, command: string): Promise<string>;
  };
}

/**
 * The store on Cloudflare Durable Objects, for grants: atomic, and stepping a grant is one call to the
 * object that has it. For Cloudflare Workers only.
 *
 * A rejected call may have written all the same, as with any store. Pass
 * `env.GRANTS.jurisdiction("eu")` to keep what is stored in one jurisdiction.
 *
 * @example
 * ```js
 * import { durableObjectStore } from "edgemint/stores/durable-object";
 *
 * export { GrantObject } from "edgemint/stores/durable-object";
 *
 * const grants = durableObjectStore(env.GRANTS);
 * ```
 * ```toml
 * [[durable_objects.bindings]]
 * name = "GRANTS"
 * class_name = "GrantObject"
 *
 * [[migrations]]
 * tag = "v1"
 * new_sqlite_classes = ["GrantObject"]
 * ```
 *
 * @throws {TypeError} if it is no binding
 */
export declare function durableObjectStore(
  namespace: GrantNamespace,
): Store & Required<Pick<Store, "step" | "commit">>;
