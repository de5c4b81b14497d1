// What is shown: tables, documents, times. Data goes to standard output, everything else to
// standard error.

import { styleText } from "node:util";
import stringWidth from "string-width";
import { oneLine } from "./errors.js";

/** @typedef {Parameters<typeof styleText>[0]} Style */

/**
 * Whether a stream takes colours: a terminal, and NO_COLOR does not say otherwise.
 * @param {NodeJS.WriteStream} stream
 */
export function coloured(stream) {
  const { NO_COLOR, FORCE_COLOR, TERM } = process.env;
  if (NO_COLOR) return false;
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== "0" && FORCE_COLOR !== "false";
  return stream.isTTY === true && TERM !== "dumb";
}

/** @param {Style} style @param {string} text @param {NodeJS.WriteStream} [stream] */
export function paint(style, text, stream = process.stdout) {
  return coloured(stream) ? styleText(style, text, { validateStream: false }) : text;
}

/**
 * Writes to standard output, no faster than it is taken.
 * @param {string} text
 * @returns {Promise<void>}
 */
export async function write(text) {
  if (process.stdout.write(text)) return;
  await new Promise((resolve) => process.stdout.once("drain", () => resolve(undefined)));
}

/** @param {string} line */
export const print = (line) => write(`${line}\n`);
/** What is not data: what was done, what to do next. @param {string} line */
export const tell = (line) => void process.stderr.write(`${line}\n`);
/** @param {unknown} document */
export const printJson = (document) => print(JSON.stringify(document, null, 2));

/**
 * A column of a table. On a terminal that is too narrow, one that is `loose` is cut, those that
 * have a `short` text show it, and those that are `spare` are left out, the lowest number first.
 * @template T
 * @typedef {object} Column
 * @property {string} title
 * @property {(item: T) => string} of
 * @property {boolean} [loose]
 * @property {(item: T) => string} [short]
 * @property {number} [spare]
 * @property {(item: T) => Style | undefined} [style]
 */

/** Two spaces between columns, as `kubectl` and `docker` do: it can be cut with `awk` as well. */
const GAP = "  ";
/** No column is cut to less: rather, the terminal breaks the line. */
const NARROWEST = 14;

/** A table that may come in parts. Columns get wider with a later part if they must. @template T */
export class Table {
  /** @param {Column<T>[]} columns @param {NodeJS.WriteStream} [stream] */
  constructor(columns, stream = process.stdout) {
    this.columns = columns;
    this.stream = stream;
    this.widths = columns.map(({ title }) => title.length);
    this.started = false;
  }

  /**
   * @param {T[]} items
   * @returns {string} the lines for these items, with the heading before the first
   */
  lines(items) {
    // The heading stands: what it says of later parts is as it was for the first.
    let rows = this.#rows(items);
    while (!this.started && this.#over() > 0 && this.#narrow()) rows = this.#rows(items);
    const widths = this.#fit();
    const lines = rows.map((row, at) =>
      this.#line(row, widths, (column) => column.style?.(items[at])),
    );
    if (!this.started && items.length > 0) {
      const titles = this.columns.map(({ title }) => title);
      lines.unshift(this.#line(titles, widths, () => "bold"));
      this.started = true;
    }
    return lines.map((line) => `${line}\n`).join("");
  }

  /** @param {T[]} items */
  #rows(items) {
    const rows = items.map((item) => this.columns.map(({ of }) => oneLine(of(item)) || "-"));
    for (const row of rows) {
      row.forEach((cell, at) => (this.widths[at] = Math.max(this.widths[at], stringWidth(cell))));
    }
    return rows;
  }

  /** By how much a terminal is too narrow, even if loose columns give way. */
  #over() {
    if (!this.stream.isTTY) return 0;
    const least = this.widths.map((width, at) =>
      this.columns[at].loose ? Math.min(width, NARROWEST) : width,
    );
    return total(least) - (this.stream.columns || 80);
  }

  /** Makes it narrower, if that is still possible. */
  #narrow() {
    const spare = this.columns.filter(({ spare }) => spare !== undefined);
    if (this.columns.some(({ short }) => short !== undefined)) {
      this.columns = this.columns.map(({ short, ...column }) => ({ ...column, of: short ?? column.of }));
    } else if (spare.length > 0) {
      const least = Math.min(...spare.map(({ spare }) => Number(spare)));
      this.columns = this.columns.filter(({ spare }) => spare !== least);
    } else {
      return false;
    }
    this.widths = this.columns.map(({ title }) => title.length);
    return true;
  }

  /** The widths on a terminal: loose columns give way, the widest first. */
  #fit() {
    const widths = [...this.widths];
    if (!this.stream.isTTY) return widths;
    for (;;) {
      if (total(widths) <= (this.stream.columns || 80)) return widths;
      const loose = widths.map((width, at) =>
        this.columns[at].loose && width > NARROWEST ? width : 0,
      );
      const widest = Math.max(...loose);
      if (widest === 0) return widths;
      widths[loose.indexOf(widest)] -= 1;
    }
  }

  /**
   * @param {string[]} cells
   * @param {number[]} widths
   * @param {(column: Column<T>) => Style | undefined} style
   */
  #line(cells, widths, style) {
    const last = cells.length - 1;
    return cells
      .map((cell, at) => {
        const text = cut(cell, widths[at]);
        const filled = at === last ? text : text + " ".repeat(widths[at] - stringWidth(text));
        const painted = style(this.columns[at]);
        return painted === undefined ? filled : paint(painted, filled, this.stream);
      })
      .join(GAP)
      .trimEnd();
  }
}

/** Of all columns, with what is between them. @param {number[]} widths */
const total = (widths) =>
  widths.reduce((sum, width) => sum + width, 0) + GAP.length * (widths.length - 1);

/** @param {string} text @param {number} width */
function cut(text, width) {
  if (stringWidth(text) <= width) return text;
  let short = "";
  for (const character of text) {
    if (stringWidth(short + character) > width - 1) break;
    short += character;
  }
  return `${short}…`;
}

/** Names and values below each other. @param {(readonly [string, string] | undefined)[]} rows */
export function details(rows) {
  const shown = rows.filter((row) => row !== undefined);
  const width = Math.max(...shown.map(([name]) => name.length));
  return shown
    .map(([name, value]) => `${paint("bold", name.padEnd(width))}${GAP}${oneLine(value) || "-"}\n`)
    .join("");
}

/**
 * A local time, and how far away it is. @param {number | undefined | null} seconds since 1970
 * @param {number} [now]
 */
export function time(seconds, now = Date.now() / 1000) {
  return seconds === undefined || seconds === null
    ? ""
    : `${stamp(seconds)} (${distance(seconds - now)})`;
}

/**
 * Likewise for a table: what is days away has no minute.
 * @param {number | undefined | null} seconds
 */
export function shortTime(seconds, now = Date.now() / 1000) {
  const text = time(seconds, now);
  return seconds && Math.abs(seconds - now) >= 86400 ? text.replace(/ \d\d:\d\d/, "") : text;
}

/**
 * How far away it is, for a narrow table. @param {number | undefined | null} seconds since 1970
 * @param {number} [now]
 */
export function howFar(seconds, now = Date.now() / 1000) {
  if (seconds === undefined || seconds === null) return "";
  return distance(seconds - now).replace(/minutes?/, "min");
}

/**
 * The day and minute, here: `2026-11-21 10:54`.
 * @param {number} seconds
 * @param {boolean} [exact] with seconds
 */
export function stamp(seconds, exact = false) {
  const at = new Date(seconds * 1000);
  if (Number.isNaN(at.getTime())) return `${seconds}`;
  const two = (/** @type {number} */ number) => `${number}`.padStart(2, "0");
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const minute = `${two(at.getHours())}:${two(at.getMinutes())}`;
  return exact ? `${day} ${minute}:${two(at.getSeconds())}` : `${day} ${minute}`;
}

/** @type {readonly (readonly [string, number])[]} */
const UNITS = [
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
];

/** `in 12 days`, `3 hours ago`. @param {number} seconds from now */
export function distance(seconds) {
  const size = Math.abs(seconds);
  // Half a minute less than an hour is one: a time that was said in hours is shown so.
  const near = (/** @type {number} */ length) => size >= (length > 60 ? length - 30 : length);
  const [name, length] = UNITS.find(([, length]) => near(length)) ?? ["", 0];
  if (length === 0) return "now";
  const count = Math.round(size / length);
  const text = `${count} ${name}${count === 1 ? "" : "s"}`;
  return seconds > 0 ? `in ${text}` : `${text} ago`;
}

/**
 * `1 application`, `2 applications`.
 * @param {number} count
 * @param {string} noun
 * @param {string} [many]
 */
export const counted = (count, noun, many = `${noun}s`) =>
  `${count.toLocaleString("en")} ${count === 1 ? noun : many}`;

/** A length of time: `1 hour`, `30 days`, `90 s`. @param {number} seconds */
export function duration(seconds) {
  const unit = UNITS.find(([, length]) => seconds >= length && seconds % length === 0);
  return unit === undefined ? `${seconds} s` : counted(seconds / unit[1], unit[0]);
}
