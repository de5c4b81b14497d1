// Where it was measured, and with what.

import { spawnSync } from "node:child_process";
import { cpus, release, totalmem, type } from "node:os";
import { client } from "./load.js";
import { ROOT, WORKERD, compatibilityDate } from "./servers.js";

/** What the benchmark itself writes. */
const WRITTEN = ["docs/benchmarks.md", "docs/benchmarks"];

/** The machine and the versions, in a line. */
export function machine() {
  const [{ model }] = cpus();
  const workerd = spawnSync(WORKERD, ["--version"], { encoding: "utf8" }).stdout.trim();
  const memory = `${Math.round(totalmem() / 2 ** 30)} GB`;
  const hardware = `${model.trim()}, ${cpus().length} cores, ${memory}, ${type()} ${release()}`;
  const versions = `${workerd}, compatibility date ${compatibilityDate}; node ${process.version}; ${loader()}`;
  return [commit(), hardware, versions].filter((known) => known !== undefined).join("; ");
}

/** What makes the load, with its version. */
function loader() {
  if (client !== "wrk") return client;
  // It prints how it is used, too, and calls that a failure.
  const { stdout } = spawnSync(client, ["-v"], { encoding: "utf8" });
  const version = /^wrk (?:\S*\/)?(\d\S*)/.exec(stdout ?? "")?.[1];
  return version === undefined ? client : `${client} ${version}`;
}

/** Which edgemint this is, with a `+` if its files are not those of the commit; nothing without git. */
function commit() {
  const git = (/** @type {string[]} */ ...args) => {
    const { status, stdout } = spawnSync("git", args, { cwd: ROOT, encoding: "utf8" });
    return status === 0 ? stdout.trim() : undefined;
  };
  const head = git("rev-parse", "--short", "HEAD");
  if (head === undefined) return undefined;
  const others = WRITTEN.map((path) => `:(exclude)${path}`);
  const changed = git("status", "--porcelain", "--untracked-files=no", "--", ".", ...others);
  return `edgemint ${head}${changed === "" ? "" : "+"}`;
}

/** Set by `cargo xtask bench`, which holds standard input open for as long as it is there. */
const HELD = "EDGEMINT_STDIN_HELD";

/** Ends this process when the command that has started it is gone; by hand, standard input says nothing. */
export function endWithParent() {
  if (process.env[HELD] === undefined) return;
  process.stdin.on("end", () => process.exit(130)).resume();
  process.stdin.unref();
}
