// What is told of the measurements: tables on the console, docs/benchmarks.md with its plots.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { percent } from "./measure.js";
import { svgOf } from "./plots.js";

/**
 * @typedef {object} Table
 * @property {string} caption
 * @property {string[]} columns
 * @property {string[][]} rows as they are to be read; a figure begins with a digit or a sign
 *
 * @typedef {object} Plot
 * @property {string} name of its file, unique in the report
 * @property {string} title
 * @property {string[]} [subtitle] lines
 * @property {string} x
 * @property {string} y
 * @property {"bars" | "lines"} kind
 * @property {boolean} [logarithmic] the x axis of lines
 * @property {{ name: string, points: [string | number, number][] }[]} series
 *
 * @typedef {object} Results what a section has found, as plain JSON
 * @property {string} title
 * @property {string} [machine] with the versions of what ran
 * @property {string} [how] rounds and the like, where they are not those that were asked for
 * @property {string} [day] on which it was measured
 * @property {Table[]} tables
 * @property {import("./budgets.js").Check[]} checks
 * @property {Plot[]} plots
 * @property {string[]} notes
 * @property {{ what: string, value: number, noise: number | null }[]} [figures] more that a second run is
 * held against, beside the checks
 * @property {Repeat[]} [repeats] what a second run came to
 *
 * @typedef {{ what: string, first: number, second: number, noise: number | null }} Repeat the noise is that
 * of the first run: it said how far the second one may lie
 *
 * @typedef {object} Context what a section is given
 * @property {string} folder in memory, empty, its own
 * @property {number} rounds
 * @property {number} seconds of load in a round
 * @property {number} warmUp seconds of load before the first round
 * @property {number} connections
 * @property {boolean} quick only whether it works
 * @property {(line: string) => void} tell
 *
 * @typedef {object} Section
 * @property {string} name
 * @property {string} title
 * @property {{ rounds: number, seconds: number }} [rounds] its own, where others are not asked for
 * @property {(context: Context) => Promise<Results>} run
 */

/** In the folder of documents: the report's own, and with `.md` the report. */
const FOLDER = "benchmarks";

/**
 * A second run of a section, with how far it lies from the first.
 * @param {Results} first
 * @param {Results} second
 * @returns {Results}
 */
export function repeated(first, second) {
  const before = new Map(comparable(first).map((figure) => [figure.what, figure]));
  const repeats = comparable(second).flatMap(({ what, value }) => {
    const same = before.get(what);
    return same === undefined ? [] : [{ what, first: same.value, second: value, noise: same.noise ?? null }];
  });
  return { ...second, repeats };
}

/** @param {Results} results */
const comparable = ({ checks, figures = [] }) => [...checks, ...figures];

/** Prints what a section has found. @param {Results} results */
export function tellResults({ tables, checks, repeats = [], notes }) {
  for (const { caption, columns, rows } of [...tables, ...checkTables(checks), ...repeatTables(repeats)]) {
    console.log(`\n${caption}`);
    const lines = [columns, ...rows];
    const widths = columns.map((_, at) => Math.max(...lines.map((line) => (line[at] ?? "").length)));
    for (const line of lines) {
      const cells = line.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]) : cell.padStart(widths[at])));
      console.log(`  ${cells.join("  ")}`);
    }
  }
  if (notes.length > 0) console.log();
  for (const note of notes) console.log(`  - ${note}`);
}

/** @param {import("./budgets.js").Check[]} checks @returns {Table[]} */
function checkTables(checks) {
  if (checks.length === 0) return [];
  const rows = checks.map(({ what, value, noise, unit = "", budget, aim, ok }) => [
    what,
    `${number(value)} ${unit}`.trim(),
    percent(noise ?? null),
    `${budget} ${unit}`.trim(),
    `${aim} ${unit}`.trim(),
    ok ? (value <= aim ? "the aim is met" : "the budget is met") : "TOO MUCH",
  ]);
  return [{ caption: "Budgets", columns: ["", "measured", "noise", "budget", "aim", ""], rows }];
}

/** @param {Repeat[]} repeats @returns {Table[]} */
function repeatTables(repeats) {
  if (repeats.length === 0) return [];
  const apart = (/** @type {Repeat} */ { first, second }) =>
    first === second ? 0 : Math.abs((second - first) / first);
  const known = repeats.filter(({ noise }) => noise !== null);
  const within = new Set(known.filter((repeat) => apart(repeat) <= Number(repeat.noise)));
  const rows = repeats.map((repeat) => {
    const { what, first, second, noise } = repeat;
    const verdict = noise === null ? "" : within.has(repeat) ? "within" : "OUTSIDE";
    return [what, number(first), number(second), percent(apart(repeat)).slice(1), percent(noise), verdict];
  });
  const columns = ["", "first run", "second run", "apart", "noise of the first", ""];
  const told = `${within.size} of ${known.length} within the noise, 95 % expected`;
  return [{ caption: `A second run${known.length > 0 ? `: ${told}` : ""}`, columns, rows }];
}

/** @param {number} value */
const number = (value) => value.toFixed(value < 10 ? 3 : 1);

/**
 * Writes the report: sections that are not among these keep what the last report says of them.
 * @param {string} out the folder of documents
 * @param {Record<string, Results>} found by the names of sections
 * @param {string[]} order of sections
 */
export async function writeReport(out, found, order) {
  const folder = join(out, FOLDER);
  const kept = join(folder, "results.json");
  mkdirSync(folder, { recursive: true });
  /** @type {Record<string, Results>} */
  const before = existsSync(kept) ? JSON.parse(readFileSync(kept, "utf8")) : {};
  /** @type {Record<string, Results>} */
  const all = { ...before, ...found };
  const sections = order.filter((name) => name in all).map((name) => /** @type {const} */ ([name, all[name]]));
  writeFileSync(kept, `${JSON.stringify(Object.fromEntries(sections), null, 1)}\n`);
  for (const [, { plots }] of sections) {
    for (const plot of plots) writeFileSync(join(folder, `${plot.name}.svg`), await svgOf(plot));
  }
  writeFileSync(join(out, `${FOLDER}.md`), document(sections));
}

/** @param {(readonly [string, Results])[]} sections */
function document(sections) {
  const checks = sections.flatMap(([, { checks }]) => checks);
  const where = mostFrequent(sections.map(([, { machine = "" }]) => machine));
  const parts = [INTRODUCTION, `**Where**, unless a section says another: ${where}.`];
  parts.push(...checkTables(checks).flatMap(markdown));
  for (const [name, { title, machine = "", how, day, tables, plots, notes, repeats = [] }] of sections) {
    parts.push(`## ${title}`);
    for (const table of tables) parts.push(...markdown(table));
    parts.push(...plots.map((plot) => `![${plot.title}](${FOLDER}/${plot.name}.svg)`));
    if (notes.length > 0) parts.push(notes.map((note) => `- ${note}`).join("\n"));
    for (const table of repeatTables(repeats)) parts.push(...markdown(table));
    const told = [`\`cargo xtask bench --only ${name}\`, ${day}`, how].filter((one) => one !== undefined);
    const other = machine === where ? "" : `. Machine: ${machine}`;
    parts.push(`${told.join(": ")}${other}.`);
  }
  return `${parts.join("\n\n")}\n`;
}

/** The first of those that are there most often. @param {string[]} values */
function mostFrequent(values) {
  const often = (/** @type {string} */ value) => values.filter((one) => one === value).length;
  return values.reduce((best, value) => (often(value) > often(best) ? value : best), values[0]);
}

const INTRODUCTION = `# Benchmarks

Written by \`cargo xtask bench\`, which sets up what it needs and is the only one to change this file and its
plots.

**What is measured**: microseconds of CPU for a request, as the operating system accounts for them: user and system
time of the server's process with all its threads over a run, divided by the requests of it. Requests a second
are beside it, and wobble with whatever else the machine does; the load comes from the same machine. Each
server is loaded alone, in turn, in rounds whose order turns around each time, after a warm-up. Rounds of
cheap requests hold one or more of V8's full collections: a second with one in it costs a third more than one
without. A ratio is that to the floor of the same round; what is told is the median over the rounds, and of what is
started several times the mean of its starts' medians. Before and after, an answer
of each is verified by what did not make it: a token's signature against the published keys, its issuer and
its audience. An answer that is an error ends the run. A load is repeated if nothing failed but connections that
the server closed after this machine had stood still.

**Noise** is how far the median of another such run may lie from this one in 19 of 20 cases, from the spread of
the rounds (Student's t, times root two for two runs). Processes of one program differ, too: what has a budget
against a floor or a peer is started several times, of which each counts once. What is beside it is started once,
with a floor of its own that is another process than the one in the table, and has at least the noise by which those
starts lie apart. Ratios between two of these, and all of the other sections but \`cold\`, are by their rounds alone, so
a second run may lie further from them than is said.

**The floors**, on the same workerd: \`hello\` answers five bytes; the sign floor reads the body, signs once with
SubtleCrypto and answers 700 bytes; the object floor calls a Durable Object once, which compares and sets a row
in SQLite, signs once and answers 900 bytes. Objects are on a disk that is memory: on another one, the disk's
fsync is what is measured. **Ours** is the worker that is deployed, with a stub of KV that answers from memory,
since a warm token request reads nothing. Percentiles above the median are not compared: pauses of workerd's
collector dominate them.`;

/** A table in Markdown, under its caption. @param {Table} table */
function markdown({ caption, columns, rows }) {
  const escaped = (/** @type {string} */ cell) => cell.replaceAll("|", "\\|");
  const line = (/** @type {string[]} */ cells) => `| ${cells.map(escaped).join(" | ")} |`;
  const aligned = columns.map((_, at) => (at === 0 ? "---" : "---:"));
  return [`**${caption}**`, [line(columns), line(aligned), ...rows.map(line)].join("\n")];
}
