// Measures the service, against the least that could do the same and against what other people made, and
// writes docs/benchmarks.md. Fails if a budget of budgets.js is missed.
//
//   node bench/index.js [--only SECTION]... [--rounds N] [--seconds N] [--connections 32] [--repeat]
//                       [--quick] [--out docs] [--json]
//
// The rounds are ROUNDS below, or a section's own. Saturation, soak and cold have numbers of their own in place
// of rounds and seconds.
//
// --only runs these sections; the report keeps what it knows of the others. --repeat runs each twice, and
// holds the difference against the noise that the first run states. --quick tries whether everything works:
// its figures mean nothing, and it writes no report unless --out says where.

import { mkdirSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { endWithParent, machine } from "./machine.js";
import { inRounds } from "./measure.js";
import { repeated, tellResults, writeReport } from "./report.js";
import { MEMORY, ROOT, remove, stopAll } from "./servers.js";

/** In the order of the report. Each is a module of sections/. */
const SECTIONS = [
  "tokens",
  "refresh",
  "endpoints",
  "runtimes",
  "scale",
  "soak",
  "saturation",
  "cold",
  "counts",
];
/** The rounds of a section that has none of its own, and those of a try. */
const ROUNDS = { rounds: 4, seconds: 4 };
const QUICK = { rounds: 1, seconds: 1 };
/** V8 optimises a wasm function after some ten thousand calls: a warm worker has had them. */
const WARM_UP_SECONDS = 12;

const options = readOptions();
// Each server is one: none outlives this process.
process.setMaxListeners(0);
const folder = mkdtempSync(join(MEMORY, "edgemint-bench-"));
process.once("exit", () => remove(folder));
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
  process.once(signal, () => process.exit(130));
}
endWithParent();

// Once: the report that is written as sections end is no change of the source.
const where = machine();
console.log(where);
const { out } = options;
/** @type {Record<string, import("./report.js").Results>} */
const found = {};
let failed = false;
for (const name of options.sections) {
  try {
    const first = await run(name, "first");
    // What the second run may fail at is no reason to lose the first one's figures.
    if (options.repeat) await write(name, first);
    const results = options.repeat ? repeated(first, await run(name, "second")) : first;
    tellResults(results);
    found[name] = results;
    failed ||= !options.quick && results.checks.some(({ ok }) => !ok);
    await write(name, results);
  } catch (error) {
    console.error(`\n${name} failed:`, error);
    failed = true;
  }
}
if (options.json) console.log(JSON.stringify(found));
process.exit(failed ? 1 : 0);

/**
 * At once: whatever stops a later run, these figures are kept.
 * @param {string} name @param {import("./report.js").Results} results
 */
async function write(name, results) {
  if (out !== undefined) await writeReport(out, { [name]: results }, SECTIONS);
}

/** @param {string} name @param {string} which */
async function run(name, which) {
  /** @type {{ section: import("./report.js").Section }} */
  const { section } = await import(`./sections/${name}.js`);
  const { connections, warmUp, quick } = options;
  const { rounds, seconds } = { ...ROUNDS, ...section.rounds, ...(quick ? QUICK : {}), ...options.asked };
  const how = inRounds({ rounds, seconds, connections });
  console.log(`\n# ${section.title}${options.repeat ? `, ${which} run` : ""}`);
  const own = join(folder, `${name}-${which}`);
  mkdirSync(own);
  const tell = (/** @type {string} */ line) => console.log(`  ${line}`);
  const day = new Date().toISOString().slice(0, 10);
  try {
    const results = await section.run({ folder: own, rounds, seconds, connections, warmUp, quick, tell });
    return { day, machine: where, how, ...results };
  } finally {
    // Whatever it failed at: the next one has the machine to itself.
    await stopAll();
    remove(own);
  }
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      only: { type: "string", multiple: true, default: SECTIONS },
      rounds: { type: "string" },
      seconds: { type: "string" },
      connections: { type: "string", default: "32" },
      repeat: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      out: { type: "string" },
      json: { type: "boolean", default: false },
    },
  });
  const { only, quick, repeat, json } = values;
  const unknown = only.find((name) => !SECTIONS.includes(name));
  if (unknown !== undefined) throw new RangeError(`no section ${unknown}: ${SECTIONS.join(", ")}`);
  /** Those that are given. @type {{ rounds?: number, seconds?: number }} */
  const asked = {};
  for (const name of /** @type {const} */ (["rounds", "seconds"])) {
    const given = values[name];
    if (given !== undefined) asked[name] = Number(given);
  }
  const connections = Number(values.connections);
  if (![...Object.values(asked), connections].every((number) => Number.isInteger(number) && number > 0)) {
    throw new RangeError("rounds, seconds and connections are whole numbers above zero");
  }
  return {
    sections: SECTIONS.filter((name) => only.includes(name)),
    asked,
    connections,
    warmUp: quick ? 1 : WARM_UP_SECONDS,
    repeat,
    quick,
    json,
    out: values.out ?? (quick ? undefined : join(ROOT, "docs")),
  };
}
