// Measures what is the same on every machine: instructions of the wasm, allocations, what crosses its border,
// for one request of each kind; the bytes of the modules, by crate. Holds them against bounds.json.
//
//   node bench/counts.js [--renew] [--functions]
//
// --renew writes the bounds anew, a little above what was counted. --functions tells which functions the
// instructions are in. `cargo xtask bench counts` builds what is counted, first.

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { byCrate, contentOf, withoutNames } from "./crates.js";

/**
 * @typedef {object} Module
 * @property {number} bytes
 * @property {number} gzip bytes once they are compressed by Node, which is not quite what `gzip -9` makes
 * @property {[name: string, bytes: number][]} crates whose code it is, and what else is in it
 *
 * @typedef {object} Counts
 * @property {Record<string, import("./counting.js").Counted>} requests by their kinds
 * @property {Record<string, Module>} modules
 *
 * What may be counted at most, of requests and of modules.
 * @typedef {{ requests: Record<string, Record<string, number>>, modules: Record<string, Record<string, number>> }} Bounds
 *
 * @typedef {{ what: string, value: number, bound: number }} Held
 */

const BOUNDS = new URL("bounds.json", import.meta.url);
const MODULES = ["edgemint", "dialects", "administration"];
/** How far above what was counted a new bound is, for what need not be exact. A new compiler is not far. */
const MARGINS = [
  { of: ["instructions", "bytes allocated", "bytes copied into wasm", "bytes of text read from wasm"], by: 0.02 },
  { of: ["gzip"], by: 0.005 },
];
/** What is this far below its bound has earned a lower one. */
const FAR = 0.05;

/** Counts; what is counted is built. @returns {Counts} */
export function count() {
  // Promises and compressed bytes are those of one Node.
  const { node } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")).devDependencies;
  if (process.versions.node !== node) {
    throw new Error(`Node ${node} counts, not ${process.versions.node}: node_modules/.bin/node, or cargo xtask bench counts`);
  }
  const program = new URL("counting.js", import.meta.url);
  const { status, stdout, stderr } = spawnSync(process.execPath, [program.pathname], {
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
  if (status !== 0) throw new Error(`bench/counting.js failed (${status})\n${stderr}`);
  const modules = MODULES.map((name) => /** @type {const} */ ([name, moduleOf(name)]));
  return { requests: JSON.parse(stdout), modules: Object.fromEntries(modules) };
}

/** A module with its names. @param {string} name */
export const named = (name) => readFileSync(new URL(`../target/named/${name}.wasm`, import.meta.url));

/** @param {string} name @returns {Module} */
function moduleOf(name) {
  const wasm = named(name);
  const ships = withoutNames(wasm);
  const { functions, other } = contentOf(wasm);
  const crates = byCrate(functions.map(({ name, bytes }) => [name, bytes]));
  const rest = other.map(({ name, bytes }) => /** @type {[string, number]} */ ([name, bytes]));
  const all = [...crates, ...rest].sort(([, one], [, other]) => other - one);
  return { bytes: ships.length, gzip: gzipSync(ships, { level: 9 }).length, crates: all };
}

/** @returns {Bounds} */
export const bounds = () => JSON.parse(readFileSync(BOUNDS, "utf8"));

/** What there are bounds for. @param {Counts} counts @returns {Bounds} */
function bounded({ requests, modules }) {
  const entries = Object.entries(requests).map(([name, { counts }]) => [name, counts]);
  const sizes = Object.entries(modules).map(([name, { gzip }]) => [name, { gzip }]);
  return { requests: Object.fromEntries(entries), modules: Object.fromEntries(sizes) };
}

/**
 * Each count with its bound. What has none is held to nothing at all, so that it is noticed.
 * @param {Counts} counts @param {Bounds} bounds @returns {Held[]}
 */
export function held(counts, bounds) {
  const now = bounded(counts);
  return /** @type {const} */ (["requests", "modules"]).flatMap((part) =>
    Object.entries(now[part]).flatMap(([name, values]) =>
      Object.entries(values).map(([measure, value]) => {
        const bound = bounds[part][name]?.[measure] ?? 0;
        return { what: `${name}: ${measure}`, value, bound };
      }),
    ),
  );
}

/** What is above its bound. @param {Held[]} all */
export const above = (all) => all.filter(({ value, bound }) => value > bound).map(told);

/** What is so far below that the bound no longer holds it. @param {Held[]} all */
export const farBelow = (all) => all.filter(({ value, bound }) => value < bound * (1 - FAR)).map(told);

/** @param {Held} held */
function told({ what, value, bound }) {
  const change = bound === 0 ? "no bound" : `${(100 * (value / bound - 1)).toFixed(1)} %`;
  return `${what} ${figure(value)}, bound ${figure(bound)} (${change})`;
}

/** @param {number} value */
export const figure = (value) =>
  value.toLocaleString("en", { maximumFractionDigits: value < 100 ? 2 : 0 });

/** @param {Counts} counts */
function renew(counts) {
  const now = bounded(counts);
  const wider = (/** @type {string} */ measure, /** @type {number} */ value) => {
    const { by = 0 } = MARGINS.find(({ of }) => of.includes(measure)) ?? {};
    // An average of many may end in a fraction.
    return by === 0 ? Math.ceil(value * 100) / 100 : Math.ceil(value * (1 + by));
  };
  const widened = Object.entries(now).map(([part, kinds]) => {
    const raised = Object.entries(kinds).map(([name, values]) => {
      const bounds = Object.entries(values).map(([measure, value]) => [measure, wider(measure, value)]);
      return [name, Object.fromEntries(bounds)];
    });
    return [part, Object.fromEntries(raised)];
  });
  writeFileSync(BOUNDS, `${JSON.stringify(Object.fromEntries(widened), null, 2)}\n`);
}

/**
 * What was counted, as tables.
 * @param {Counts} counts
 * @param {number} [most] how many crates
 */
export function tables({ requests, modules }, most = 15) {
  const kinds = Object.keys(requests);
  const measures = Object.keys(Object.values(requests)[0].counts);
  const ofModule = Object.keys(modules);
  return [
    {
      caption: "Counted for one request",
      columns: ["", ...kinds],
      rows: measures.map((measure) => [
        measure,
        ...kinds.map((kind) => figure(/** @type {Record<string, number>} */ (requests[kind].counts)[measure])),
      ]),
    },
    {
      caption: "Instructions of one request, by crate",
      columns: ["crate", ...kinds],
      rows: merged(Object.values(requests).map(({ crates }) => crates), most),
    },
    {
      caption: "Bytes of the modules, by crate",
      columns: ["crate", ...ofModule],
      rows: [
        ...merged(Object.values(modules).map(({ crates }) => crates), most),
        ["all", ...ofModule.map((name) => figure(modules[name].bytes))],
        ["all, compressed", ...ofModule.map((name) => figure(modules[name].gzip))],
      ],
    },
  ];
}

/**
 * A row for each name, those first that are largest in the first column; the last one is the rest.
 * @param {[name: string, value: number][][]} lists @param {number} most
 */
function merged(lists, most) {
  const columns = lists.map((list) => new Map(list));
  const weight = (/** @type {string} */ name) => columns.reduce((sum, column) => sum + (column.get(name) ?? 0), 0);
  const names = [...new Set(lists.flatMap((list) => list.map(([name]) => name)))];
  const [first] = columns;
  names.sort((one, other) => (first.get(other) ?? 0) - (first.get(one) ?? 0) || weight(other) - weight(one));
  const shown = names.slice(0, most).map((name) => [name, ...columns.map((column) => figure(column.get(name) ?? 0))]);
  if (names.length <= most) return shown;
  const left = names.slice(most);
  const rest = columns.map((column) => left.reduce((sum, name) => sum + (column.get(name) ?? 0), 0));
  return [...shown, [`${left.length} others`, ...rest.map(figure)]];
}

/** @param {ReturnType<typeof tables>[number]} table */
function print({ caption, columns, rows }) {
  console.log(`\n${caption}`);
  const lines = [columns, ...rows];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => line[at].length)));
  for (const line of lines) {
    const cells = line.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]) : cell.padStart(widths[at])));
    console.log(cells.join("  "));
  }
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: { renew: { type: "boolean", default: false }, functions: { type: "boolean", default: false } },
  });
  const counts = count();
  for (const table of tables(counts)) print(table);
  if (values.functions) {
    for (const [kind, { functions }] of Object.entries(counts.requests)) {
      const rows = functions.map(([name, instructions, calls]) => [name, figure(instructions), figure(calls)]);
      print({ caption: `Functions of ${kind}`, columns: ["", "instructions", "calls"], rows });
    }
  }
  if (values.renew) renew(counts);
  const all = held(counts, bounds());
  const [exceeded, slack] = [above(all), farBelow(all)];
  console.log();
  for (const line of exceeded) console.log(`TOO MUCH: ${line}`);
  for (const line of slack) console.log(`far below: ${line}; --renew lowers it`);
  if (exceeded.length === 0) console.log("all counts are within bench/bounds.json");
  process.exitCode = exceeded.length > 0 ? 1 : 0;
}
