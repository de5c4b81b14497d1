// The store contract suite (src/store/contract.rs) against a store on a real database. `cargo xtask`
// builds a copy of the package whose wasm has the suite in it.

import { readFileSync } from "node:fs";
import { runContract } from "../workerd/suite.js";

const copy = new URL("../../target/contract/pkg/", import.meta.url);
const { Driver } = await import(new URL("driver.js", copy).href);
const { OutcomeCall } = await import(new URL("issuer.js", copy).href);
const module = new WebAssembly.Module(readFileSync(new URL("wasm/edgemint_bg.wasm", copy)));

/**
 * Runs the suite; the names of the checks that passed.
 * @param {import("../../pkg/index.d.ts").Store} store
 */
export const contract = (store) => runContract({ Driver, OutcomeCall, module }, store);

/** The checks of a store that promises everything. */
export const EVERYTHING = [
  "what is written is read back",
  "a version is required to overwrite",
  "deletion asks for the version too",
  "what has expired is gone",
  "partitions and prefixes keep apart",
  "a listing survives writes between pages",
  "a listing keeps to its limit",
  "a commit writes and removes",
  "a commit names its conflict",
  "a commit in conflict writes nothing",
  "overlapping commits do not mix",
  "one of many creators wins",
  "one of many updaters wins",
  "a write is seen at once",
];
