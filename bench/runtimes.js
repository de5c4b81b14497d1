// The runtimes that are installed for the tests of the package: the binaries themselves, since what starts them would
// hide their CPU.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./servers.js";

/** @param {string} path of a binary, in the folder of the packages */
export function installed(path) {
  const binary = join(ROOT, "tests/runtimes/node_modules", path);
  if (!existsSync(binary)) throw new Error(`${binary} is missing: run \`npm ci\` in tests/runtimes`);
  return binary;
}

/** What a runtime's binary calls its version, such as 22.23.3. @param {string} binary */
export function runtimeVersion(binary) {
  return /\d+\.\d+\.\d+/.exec(execFileSync(binary, ["--version"], { encoding: "utf8" }))?.[0];
}
