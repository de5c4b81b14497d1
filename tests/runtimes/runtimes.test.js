// The package, packed and installed into an empty project, on every runtime that it is for: one program
// (program/program.js), over the atomic store that the runtime has.

import assert from "node:assert/strict";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { installPackage } from "../installed.js";
import {
  COMMANDS,
  bundledByBun,
  copyProgram,
  inWorkerd,
  onCommandLine,
  startChromium,
  stateIn,
  takeAway,
} from "./starts.js";

/** @type {Awaited<ReturnType<typeof installPackage>>} */
let project;

before(async () => {
  project = await installPackage();
  await copyProgram(project.folder);
});
after(() => project.remove());

/**
 * A test for each part of what a runtime did.
 * @param {import("node:test").TestContext} context
 * @param {import("./starts.js").Result[]} results
 */
async function tell(context, results) {
  assert.ok(Array.isArray(results) && results.length === 8, JSON.stringify(results));
  for (const { name, milliseconds, error } of results) {
    await context.test(`${name} (${milliseconds} ms)`, () => assert.equal(error, undefined, error));
  }
}

/** Runtimes with a command line, and their stores. @type {[string, string, string, string[]?][]} */
const RUNS = [
  ["Node 20 over memory", "node20", "memory"],
  ["Node 22 over SQLite", "node22", "sqlite"],
  ["Node 24 over SQLite", "node24", "sqlite"],
  ["Deno, without any permission, over memory", "deno", "memory"],
  ["Deno over Deno KV", "deno", "deno-kv", ["--unstable-kv", "--allow-read", "--allow-write"]],
  ["Deno over SQLite", "deno", "sqlite", ["--allow-read", "--allow-write"]],
  ["Bun over memory", "bun", "memory"],
  ["Bun over SQLite", "bun", "sqlite"],
];
for (const [name, runtime, store, permissions = []] of RUNS) {
  test(name, async (context) => {
    const { folder } = project;
    const state = join(await stateIn(folder), "state.db");
    const command = [...COMMANDS[runtime], ...permissions];
    await tell(context, await onCommandLine(folder, command, [store, state]));
  });
}

test("Bun over memory, bundled by Bun", async (context) => {
  await tell(context, await bundledByBun(project.folder));
});

test("workerd over Durable Objects, bundled by wrangler", async (context) => {
  await tell(context, await inWorkerd(project.folder));
});

const THROWN = (/** @type {string} */ name) => ({
  code: "wasm_unavailable",
  message: `the wasm \`${name}\` could not be loaded`,
  cause: true,
});

/** What is seen while a file of the wasm is away, and when it is back. @param {any} seen */
function checkAbsent(seen) {
  for (const { thrown } of Object.values(seen)) thrown.message = thrown.message.split(": ")[0];
  assert.deepEqual(seen, {
    tokens: { thrown: THROWN("edgemint"), then: "an issuer" },
    administration: { thrown: THROWN("administration"), then: { items: [] } },
  });
}

describe("Chromium", () => {
  /** @type {Awaited<ReturnType<typeof startChromium>>} */
  let chromium;
  before(async () => {
    chromium = await startChromium(project.folder);
  });
  after(() => chromium.stop());

  test("over memory, by an import map", async (context) => {
    await tell(context, await chromium.show("unbundled"));
  });

  test("over memory, bundled by esbuild", async (context) => {
    await tell(context, await chromium.show("bundled"));
  });

  test("throws `wasm_unavailable` while the wasm cannot be fetched", async () => {
    checkAbsent(await chromium.show("absent"));
  });
});

describe("wasm whose files are away", () => {
  /** @param {string} runtime @param {string[]} [permissions] */
  async function seenOn(runtime, permissions = []) {
    const folder = join(await stateIn(project.folder), "project");
    await cp(join(project.folder, "node_modules"), join(folder, "node_modules"), { recursive: true });
    await copyProgram(folder);
    const command = [...COMMANDS[runtime], ...permissions];
    return onCommandLine(folder, command, ["absent", await takeAway(folder)]);
  }

  for (const runtime of ["node20", "node24", "bun"]) {
    test(`is \`wasm_unavailable\` on ${runtime} until they are back`, async () => {
      checkAbsent(await seenOn(runtime));
    });
  }

  test("is `wasm_unavailable` on Deno from then on", async () => {
    const seen = await seenOn("deno", ["--allow-read", "--allow-write"]);
    assert.equal(seen.tokens.thrown.code, "wasm_unavailable");
    assert.equal(seen.tokens.then, "it stays away");
  });
});
