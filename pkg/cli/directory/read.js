// Reads a directory file: YAML, or JSON, which is YAML. Says for every mistake in which line it is.

import { LineCounter, isMap, parseDocument } from "yaml";
import { CliError, EXIT } from "../errors.js";
import * as schema from "./schema.js";

/**
 * @typedef {import("./schema.js").Directory} Directory
 * @typedef {import("./schema.js").Path} Path
 */

/** A file that cannot be applied. Every problem begins with its place. */
export class FileError extends CliError {
  /** @param {string} name @param {string[]} problems */
  constructor(name, problems) {
    super(`${name} is not right`, { exit: EXIT.usage, code: "file", hint: "Nothing was changed" });
    this.name = "FileError";
    this.problems = problems;
  }
}

/**
 * From this many characters on, applications are read in parts: a tree of all would take gigabytes.
 */
const LARGE = 1_000_000;
/** So many applications in a part. */
const PART = 200;
/** So many problems are told. */
const TOLD = 10;

/**
 * @param {string} text @param {string} name of the file, for messages
 * @param {(done: number) => void} [progress] told the number of applications read
 * @returns {Directory}
 */
export function readDirectory(text, name, progress) {
  const reader = new Reader(name, progress);
  const parts = text.length > LARGE ? split(text) : undefined;
  const directory = reader.whole(parts?.rest ?? text);
  if (parts !== undefined) {
    if (directory.applications !== undefined) {
      reader.problem(parts.line, 1, "`applications` is there twice");
    }
    directory.applications = [];
    for (const { text: part, line } of parts.applications) {
      directory.applications.push(...reader.part(part, line));
    }
  }
  reader.finish();
  return directory;
}

class Reader {
  /** @type {string[]} */
  problems = [];
  /** The ids that were seen. */
  seen = { apis: new Set(), applications: new Set() };

  /** @param {string} name @param {((done: number) => void) | undefined} progress */
  constructor(name, progress) {
    this.name = name;
    this.progress = progress;
  }

  /** @param {number} line @param {number} column @param {string} message */
  problem(line, column, message) {
    this.problems.push(`${this.name}:${line}:${column}: ${message}`);
    if (this.problems.length >= TOLD) this.finish();
  }

  finish() {
    if (this.problems.length > 0) throw new FileError(this.name, this.problems);
  }

  /** @param {string} text @returns {Directory} */
  whole(text) {
    const { value, report } = this.#parse(text, 0);
    if (value === null || value === undefined) return {};
    const list = (/** @type {"apis" | "applications"} */ kind) =>
      /** @type {schema.Check} */ ((items, at) => this.#list(kind, items, at, report));
    const sections = {
      tenant: schema.tenant,
      apis: list("apis"),
      applications: list("applications"),
    };
    return schema.mapOf(sections)(value, [], report) ?? {};
  }

  /** Some of the applications. @param {string} text @param {number} line before it */
  part(text, line) {
    const { value, report } = this.#parse(text, line);
    return this.#list("applications", value, [], report);
  }

  /**
   * @param {"apis" | "applications"} kind
   * @param {any} items
   * @param {Path} at
   * @param {schema.Report} report
   * @returns {any[]}
   */
  #list(kind, items, at, report) {
    if (items === null) return [];
    if (!Array.isArray(items)) {
      report(at, "must be a list");
      return [];
    }
    const seen = this.seen[kind];
    const [check, id] =
      kind === "apis" ? [schema.api, "identifier"] : [schema.application, "clientId"];
    return items.map((item, index) => {
      const here = [...at, index];
      const checked = check(item, here, report);
      const key = checked?.[id];
      if (key !== undefined && seen.has(key)) report([...here, id], `\`${key}\` is there twice`);
      seen.add(key);
      if (kind === "applications") this.progress?.(seen.size);
      return checked;
    });
  }

  /**
   * @param {string} text
   * @param {number} offset lines before it
   * @returns {{ value: any, report: schema.Report }}
   */
  #parse(text, offset) {
    if (offset === 0 && text.trimStart().startsWith("{")) {
      // JSON is read fast; if anything is wrong with it, its lines are found as those of YAML.
      try {
        const value = JSON.parse(text);
        /** @type {ReturnType<Reader["locate"]> | undefined} */
        let found;
        return {
          value,
          report: (...mistake) => (found ??= this.locate(text, 0)).report(...mistake),
        };
      } catch {
        // YAML in flow style may begin with a brace as well.
      }
    }
    return this.locate(text, offset);
  }

  /**
   * @param {string} text
   * @param {number} offset
   * @returns {{ value: any, report: schema.Report }}
   */
  locate(text, offset) {
    const lineCounter = new LineCounter();
    const document = parseDocument(text, { lineCounter, prettyErrors: false, merge: true });
    const tell = (/** @type {number} */ position, /** @type {string} */ message) => {
      const { line, col } = lineCounter.linePos(position);
      this.problem(line + offset, col, message);
    };
    for (const { pos, message } of document.errors) tell(pos[0], message);
    if (document.errors.length > 0) this.finish();
    /** @type {schema.Report} */
    const report = (at, message, ofKey = false) => tell(positionOf(document, at, ofKey), message);
    try {
      return { value: document.toJS(), report };
    } catch (error) {
      tell(0, /** @type {Error} */ (error).message);
      throw new FileError(this.name, this.problems);
    }
  }
}

/**
 * Where a value is, or the nearest around it.
 * @param {any} document
 * @param {Path} at
 * @param {boolean} ofKey
 */
function positionOf(document, at, ofKey) {
  const last = at.at(-1);
  if (ofKey && last !== undefined) {
    const parent = nodeAt(document, at.slice(0, -1));
    const pair =
      isMap(parent) && parent.items.find(({ key }) => /** @type {any} */ (key)?.value === last);
    if (pair) return /** @type {any} */ (pair.key).range[0];
  }
  for (let length = at.length; length >= 0; length -= 1) {
    const node = nodeAt(document, at.slice(0, length));
    if (node?.range) return node.range[0];
  }
  return 0;
}

/** @param {any} document @param {Path} at */
function nodeAt(document, at) {
  return at.length === 0 ? document.contents : document.getIn(at, true);
}

/**
 * Takes the applications of a large file apart at the items of their list. In a block sequence that
 * is indented by n, a line at n that begins with `- ` is a new item and nothing else (YAML 1.2.2,
 * 8.2.1).
 * @param {string} text
 * @returns {{ rest: string, line: number, applications: Iterable<{ text: string, line: number }> }
 * | undefined} nothing if it is written in another style
 */
function split(text) {
  const heading = /^applications:[ \t]*(?:#.*)?\r?\n/m.exec(text);
  if (heading === null) return undefined;
  const start = heading.index + heading[0].length;
  // Its end: the next line that begins a member of the file itself.
  const after = /^(?![ \t\r\n#]|- )/gm;
  after.lastIndex = start;
  const end = after.exec(text)?.index ?? text.length;
  const section = text.slice(start, end);
  const first = /^(?:[ \t]*(?:#.*)?\r?\n)*( *)- /.exec(section);
  if (first === null) return undefined;
  const line = lines(text.slice(0, heading.index)) + 1;
  const blank = "\n".repeat(lines(section) + 1);
  return {
    rest: text.slice(0, heading.index) + blank + text.slice(end),
    line,
    applications: parts(section, first[1].length, line),
  };
}

/**
 * @param {string} section
 * @param {number} indent
 * @param {number} line
 * @returns {Iterable<{ text: string, line: number }>}
 */
function* parts(section, indent, line) {
  const item = new RegExp(`^ {${indent}}- `, "gm");
  let from = 0;
  let count = 0;
  for (const { index } of section.matchAll(item)) {
    count += 1;
    if (count <= PART) continue;
    const text = section.slice(from, index);
    yield { text, line };
    line += lines(text);
    from = index;
    count = 1;
  }
  yield { text: section.slice(from), line };
}

/** @param {string} text */
function lines(text) {
  let count = 0;
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) count += 1;
  return count;
}
