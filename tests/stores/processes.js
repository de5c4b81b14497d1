// Several processes on one database.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

const WRITER = fileURLToPath(new URL("writer.js", import.meta.url));
const PROCESSES = 4;

/** @typedef {import("../../pkg/index.d.ts").Store} Store */

/** @param {string} kind @param {string} where @param {string} act @param {string} run */
function start(kind, where, act, run) {
  return spawn(process.execPath, [WRITER, kind, where, act, run], { stdio: ["ignore", "pipe", "pipe"] });
}

/**
 * Runs the act in several processes at once.
 * @param {string} kind @param {string} where @param {string} act @param {string} run
 * @returns {Promise<string[][]>} what was acknowledged to each
 */
async function together(kind, where, act, run) {
  const children = Array.from({ length: PROCESSES }, () => start(kind, where, act, run));
  const outputs = children.map(async (child) => {
    const exit = once(child, "exit");
    const [out, error, [code]] = await Promise.all([text(child.stdout), text(child.stderr), exit]);
    // Nor did the store print anything.
    assert.deepEqual([error, code], ["", 0]);
    return out.split("\n").filter(Boolean);
  });
  return Promise.all(outputs);
}

/** @param {string} kind @param {string} where */
export async function createOnce(kind, where) {
  const created = (await together(kind, where, "create", crypto.randomUUID())).flat();
  assert.equal(created.length, 40);
  assert.equal(new Set(created).size, 40);
}

/** @param {string} kind @param {string} where @param {() => Store} open */
export async function countTogether(kind, where, open) {
  const run = crypto.randomUUID();
  const counted = (await together(kind, where, "count", run)).flat().length;
  assert.equal(counted, PROCESSES * 25);
  const store = open();
  for (const name of ["left", "right"]) {
    assert.equal((await store.get(`count/${run}`, name))?.value, `${counted}`);
  }
}

/**
 * Kills the writer, or what it writes to, in the middle of it.
 * @param {string} kind @param {string} where
 * @param {(child: import("node:child_process").ChildProcess) => unknown} kill
 * @returns {Promise<{ run: string, acknowledged: string[] }>}
 */
export async function writeUntilKilled(kind, where, kill) {
  const run = crypto.randomUUID();
  const child = start(kind, where, "endless", run);
  const ended = once(child, "exit");
  let out = "";
  let killed = false;
  for await (const chunk of child.stdout) {
    out += chunk;
    if (killed || out.split("\n").length < 100) continue;
    killed = true;
    await kill(child);
  }
  await ended;
  return { run, acknowledged: out.split("\n").slice(0, -1) };
}

/**
 * Everything that was acknowledged is there, and no half of a commit.
 * @param {Store} store @param {string} run @param {string[]} acknowledged
 */
export async function nothingLost(store, run, acknowledged) {
  assert.ok(acknowledged.length >= 99);
  const names = [];
  let cursor = null;
  do {
    const page = await store.list(`endless/${run}`, "", cursor, 1000);
    names.push(...page.names);
    cursor = page.cursor ?? null;
  } while (cursor !== null);
  const stored = new Set(names);
  assert.deepEqual(acknowledged.filter((name) => !stored.has(name)), []);
  const halves = names.filter((name) => name.startsWith("double/") && name.endsWith("/a"));
  assert.deepEqual(halves.filter((name) => !stored.has(name.replace(/a$/, "b"))), []);
  // What was in flight may have been written: one call's worth.
  assert.ok(names.length <= acknowledged.length + 2, `${names.length} for ${acknowledged.length}`);
}
