// The runtime in a process that can be killed.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

/**
 * @param {string} state the folder that keeps what is stored
 * @param {string[]} entry another module than the worker itself
 */
export async function startKillable(state, ...entry) {
  const host = fileURLToPath(new URL("kill-host.js", import.meta.url));
  const child = spawn(process.execPath, [host, state, ...entry], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const [line] = await Promise.race([
    once(createInterface(child.stdout), "line"),
    once(child, "exit").then(() => {
      throw new Error("the runtime did not start");
    }),
  ]);
  /** @type {{ url: string, children: number[] }} */
  const { url, children } = JSON.parse(line);
  assert.ok(children.length > 0, "workerd is a child of its host");
  return {
    url: new URL(url),
    /** Nothing is told to anyone, nothing is flushed. */
    async kill() {
      const exited = once(child, "exit");
      for (const pid of children) process.kill(pid, "SIGKILL");
      child.kill("SIGKILL");
      await exited;
    },
  };
}
