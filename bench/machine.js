// Where it was measured, and with what.

import { spawnSync } from "node:child_process";
import { cpus, release, totalmem, type } from "node:os";
import { client } from "./load.js";
import { WORKERD, compatibilityDate } from "./servers.js";

/** The machine and the versions, in a line. */
export function machine() {
  const [{ model }] = cpus();
  const workerd = spawnSync(WORKERD, ["--version"], { encoding: "utf8" }).stdout.trim();
  const memory = `${Math.round(totalmem() / 2 ** 30)} GB`;
  const hardware = `${model.trim()}, ${cpus().length} cores, ${memory}, ${type()} ${release()}`;
  return `${hardware}; ${workerd}, compatibility date ${compatibilityDate}; node ${process.version}; ${client}`;
}
