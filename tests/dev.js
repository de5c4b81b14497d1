// `worker/dev.js` as `cargo xtask dev` starts it, once the build is done: for tests that need all of it.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { until } from "./until.js";

const root = fileURLToPath(new URL("../", import.meta.url));

/**
 * Starts it, and waits until it says what to do with it.
 * @param {{ folder: string, port: number, https?: boolean }} options the folder keeps state and facts
 */
export async function startDev({ folder, port, https = false }) {
  const state = join(folder, "state");
  const facts = join(state, "demo.json");
  await rm(facts, { force: true });
  const options = ["worker/dev.js", "--port", `${port}`, "--state", state];
  if (https) options.push("--https");
  const child = spawn(process.execPath, options, {
    cwd: root,
    stdio: ["pipe", "pipe", "inherit"],
  });
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (printed += text));
  const exited = once(child, "exit");
  await until("what to try next", () => {
    assert.equal(child.exitCode, null, printed);
    return printed.includes("What to try next");
  });
  /** Closes its standard input, as the command's end does. */
  const stop = async () => {
    child.stdin.end();
    const [code] = await exited;
    assert.equal(code, 0);
  };
  if (!existsSync(facts)) {
    await stop();
    assert.fail(printed);
  }
  return {
    /** What it says to scripts. @type {any} */
    demo: JSON.parse(readFileSync(facts, "utf8")),
    /** What it says to people, so far. */
    printed,
    stop,
  };
}
