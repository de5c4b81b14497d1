import { DurableObject } from "cloudflare:workers";
import type { IssuerEvent, StoreCommit, StoreWrite } from "../index.js";
import type { AnalyticsDataset } from "../events.js";
import type { DirectoryNamespace } from "./directory.js";
import type { GrantNamespace } from "./durable-object.js";
import type { KvNamespace } from "./kv.js";

/** The bindings, variables and secrets by which a {@link DirectoryObject} is set up. */
export interface DirectoryEnv {
  /** Where the copies go that `directoryStore` reads. */
  DIRECTORY: Pick<KvNamespace, "put" | "delete">;
  /** This class: the objects of the other partitions. */
  TENANTS: DirectoryNamespace;
  /** Where the grants of users live, if there are users. */
  GRANTS?: GrantNamespace;
  /** Such as `https://auth.example.com`. */
  BASE_URL: string;
  /** A secret: 32 bytes in base64url. */
  MASTER_KEY: string;
  /** A secret, while the master key is being rotated. */
  PREVIOUS_MASTER_KEY?: string;
  /** A secret that makes the first administrator, once. */
  BOOTSTRAP_SECRET?: string;
  /** Takes the events of administration, beside the log. */
  EVENTS?: AnalyticsDataset;
}

/**
 * The object that keeps the directory of one tenant and administers it: export it from the worker's
 * entry under this name, and bind it as `TENANTS` with `new_sqlite_classes`. `directoryStore` calls it.
 *
 * Each commit is one transaction. What a token needs of it is copied to KV at once, and if that fails,
 * again and again by an alarm: a copy is never forgotten, not even if the process ends in between.
 */
export declare class DirectoryObject extends DurableObject<DirectoryEnv> {
  read(name: string): { value: string; version: string } | null;
  write(
    name: string,
    value: string,
    expected: string | null,
    expiresAt: number | null,
    partition: string,
  ): string | null;
  remove(name: string, expected: string | null, partition: string): string | null;
  commit(writes: StoreWrite[], partition: string): StoreCommit;
  page(
    prefix: string,
    cursor: string | null,
    limit?: number,
  ): { names: string[]; cursor?: string };
  /** Answers a request to `/{tenant}/admin/v1/...`: of the tenant whose object this is. */
  override fetch(request: Request): Promise<Response>;
  /**
   * Takes the events of this object: of administration, `maintenance` and `replication`. Override it to
   * have them somewhere else. What it throws, or rejects with, is printed, and disturbs nothing.
   * @default a line of JSON on the console, and a data point if `EVENTS` is bound
   */
  onEvent(event: IssuerEvent): void | Promise<void>;
  /** For the cron trigger. What fails of it is an event. */
  maintain(partition: string): Promise<void>;
  override alarm(): Promise<void>;
}
