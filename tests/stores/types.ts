// What the stores' types promise, held by tsc: this file is compiled, not run.

import { DatabaseSync } from "node:sqlite";
import type { D1Database } from "@cloudflare/workers-types";
import type { Store } from "edgemint";
import { d1Store } from "edgemint/stores/d1";
import { postgresStore } from "edgemint/stores/postgres";
import { sqliteStore } from "edgemint/stores/sqlite";
import pg from "pg";

declare const database: D1Database;

// What people have fits.
const d1: Store = d1Store(database);
const postgres: Store = postgresStore(new pg.Pool(), { schema: "auth", table: "records" });
const sqlite: Store = sqliteStore(new DatabaseSync(":memory:"), { busyTimeout: 100 });
sqliteStore(new URL("file:///tmp/edgemint.db")).close();

// All of them have transactions.
const commits: NonNullable<Store["commit"]>[] = [
  d1Store(database).commit,
  postgresStore(new pg.Pool()).commit,
  sqliteStore("edgemint.db").commit,
];

// @ts-expect-error a single connection is not a pool
postgresStore(new pg.Client());
// @ts-expect-error an address is not a pool
postgresStore("postgres://localhost");
// @ts-expect-error a file is not a binding
d1Store("edgemint.db");

void [d1, postgres, sqlite, commits];
