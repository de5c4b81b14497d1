// Several processes counting on one key (racer.js).

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const RACER = fileURLToPath(new URL("racer.js", import.meta.url));
const PROCESSES = 4;
const TIMES = 60;

/**
 * Fails unless every number was counted exactly once.
 * @param {[string, ...string[]]} command what runs a script, such as `["node"]`
 * @param {string} kind @param {string} address
 * @param {() => Promise<unknown>} [disturb] while they are at it
 */
export async function race(command, kind, address, disturb) {
  const partition = crypto.randomUUID();
  const [program, ...options] = command;
  const racers = Array.from({ length: PROCESSES }, () => {
    const parameters = [...options, RACER, kind, address, partition, `${TIMES}`];
    const child = spawn(program, parameters, { stdio: ["pipe", "pipe", "inherit"] });
    return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
  });
  try {
    for (const { lines } of racers) assert.equal((await lines.next()).value, "ready");
    for (const { child } of racers) child.stdin.write("go\n");
    await disturb?.();
    const counted = [];
    for (const { lines } of racers) counted.push(...JSON.parse(`${(await lines.next()).value}`));
    const wanted = Array.from({ length: PROCESSES * TIMES }, (_, n) => n + 1);
    assert.deepEqual(counted.sort((a, b) => a - b), wanted);
    return partition;
  } finally {
    for (const { child } of racers) child.kill("SIGKILL");
  }
}
