// The benchmark itself, in its shortest form: its figures mean nothing, but every server is there, answers under
// load without an error, and signs tokens that verify.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";

const BENCH = fileURLToPath(new URL("../../bench/index.js", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "edgemint-bench-test-"));
after(() => rmSync(folder, { recursive: true, force: true }));

/** @param {string[]} args */
function bench(...args) {
  return spawnSync(process.execPath, [BENCH, ...args], { encoding: "utf8", timeout: 300_000 });
}

/** What its sections are to have measured, each in a row of its first table. @type {Record<string, RegExp[]>} */
const MEASURED = {
  tokens: [
    /^sign floor$/,
    /^hello$/,
    /^ours, ES256$/,
    /^ours, EdDSA$/,
    /^ours, RS256$/,
    /^Hono and jose/,
    /^oidc-provider \S+ on Node 24/,
    /^oidc-provider \S+ on Node 22/,
    /^better-auth/,
    /^@node-oauth/,
    /^openauth/,
  ],
  refresh: [/^object floor$/, /^ours, ES256$/, /^workers-oauth-provider/, /^oidc-provider/],
  endpoints: [/^keys$/, /^metadata$/, /a refresh token$/],
};

test("every server of the benchmark answers with real tokens under load, and is in the report", () => {
  const only = Object.keys(MEASURED).flatMap((name) => ["--only", name]);
  const { status, stdout, stderr } = bench("--quick", "--out", folder, ...only);
  assert.equal(status, 0, `${stdout}${stderr}`);
  /** @type {Record<string, import("../../bench/report.js").Results>} */
  const results = JSON.parse(readFileSync(join(folder, "benchmarks/results.json"), "utf8"));
  const report = readFileSync(join(folder, "benchmarks.md"), "utf8");
  for (const [name, expected] of Object.entries(MEASURED)) {
    const [{ rows }] = results[name].tables;
    for (const wanted of expected) {
      const row = rows.find(([contestant]) => wanted.test(contestant));
      assert.ok(row && Number(row[1]) > 0, `${name}: ${wanted} costs ${row?.[1]}`);
      assert.ok(report.includes(`| ${row[0]} | ${row[1]} |`), `${row[0]} is not in the report`);
    }
    assert.ok(existsSync(join(folder, `benchmarks/${name}.svg`)), `there is no plot of ${name}`);
  }
  const checked = results.tokens.checks.concat(results.refresh.checks);
  assert.deepEqual(
    checked.map(({ budget }) => budget),
    [1.25, 0.8, 0.45, 0.45, 1.4],
  );
});

test("the benchmark refuses a section and numbers that it does not know", () => {
  for (const [args, complaint] of /** @type {const} */ ([
    [["--only", "nothing"], /no section nothing: tokens, refresh/],
    [["--rounds", "0"], /rounds, seconds and connections are whole numbers above zero/],
    [["--seconds", "0.5"], /rounds, seconds and connections are whole numbers above zero/],
  ])) {
    const { status, stderr } = bench(...args);
    assert.equal(status, 1);
    assert.match(stderr, complaint);
  }
});
