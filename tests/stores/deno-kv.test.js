// The store on Deno KV, in Deno itself: databases are files, SQLite underneath.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { EVERYTHING } from "./contract.js";
import { race } from "./race.js";

const DENO = fileURLToPath(new URL("../runtimes/node_modules/.bin/deno", import.meta.url));
const CHILD = fileURLToPath(new URL("deno-kv-child.js", import.meta.url));
const OPTIONS = ["run", "--quiet", "--no-check", "--allow-all", "--unstable-kv"];

describe("the store on Deno KV", () => {
  /** @type {string} */
  let folder;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "edgemint-deno-kv-"));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** @param {string} act @param {string} [file] */
  async function deno(act, file = join(folder, act)) {
    const { stdout } = await promisify(execFile)(DENO, [...OPTIONS, CHILD, act, file], { maxBuffer: 1e8 });
    return JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
  }

  test("Deno KV keeps the whole contract", async () => {
    assert.deepEqual(await deno("contract"), EVERYTHING);
  });

  for (const [act, sentence] of Object.entries({
    junk: "any text is a name, a partition and a value",
    list: "a listing of 3,000 names misses and repeats none while others write",
    expiry: "what expires is gone on the second and can be made anew",
    prefix: "prefixes keep two issuers in one database apart",
    torn: "a large value that is overwritten is read whole, and leaves no part behind",
    broken: "a large value that lacks a part is no answer",
    limits: "what is too much for Deno KV is refused as a whole",
    removal: "Deno KV deletes what has expired",
    closed: "a database that is closed is no answer",
  })) {
    test(sentence, async () => {
      assert.equal(await deno(act), "done");
    });
  }

  test("four processes that count on one key of one file count every number once", async () => {
    await race([DENO, ...OPTIONS], "deno-kv", join(folder, "race"));
  });

  test("r49_processes killed in the middle lose nothing that was acknowledged", async () => {
    const file = join(folder, "crash");
    const written = new Set();
    const writers = [1, 2].map(() => {
      const child = spawn(DENO, [...OPTIONS, CHILD, "write", file], { stdio: ["ignore", "pipe", "inherit"] });
      createInterface({ input: child.stdout }).on("line", (line) => written.add(JSON.parse(line)));
      return child;
    });
    const end = Date.now() + 300_000;
    while (written.size < 200 && Date.now() < end) {
      assert.ok(writers.every(({ exitCode }) => exitCode === null));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const ended = writers.map((child) => once(child, "close"));
    for (const child of writers) child.kill("SIGKILL");
    await Promise.all(ended);
    assert.ok(written.size >= 200);
    const names = new Set(await deno("read", file));
    for (const name of written) assert.ok(names.has(name) && names.has(`${name}+`), String(name));
    // A commit is there as a whole or not at all.
    for (const name of names) assert.ok(names.has(name.endsWith("+") ? name.slice(0, -1) : `${name}+`), name);
  });
});
