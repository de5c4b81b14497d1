// What somebody gives who sets something up. A name that is not known would otherwise ask for nothing:
// `role` instead of `roles` would let everybody through.

import { EdgemintError } from "./errors.js";

/** @param {string} message */
export const invalidOptions = (message) => new EdgemintError("invalid_options", message);

/** Characters of a name that are compared: nobody's option is longer. */
const LONGEST = 40;

/** How many letters differ, whatever their case: Levenshtein's distance. @param {string} a @param {string} b */
function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (const [at, letter] of Array.from(a).entries()) {
    const next = [at + 1];
    for (let to = 0; to < b.length; to += 1) {
      next.push(Math.min(row[to] + (letter === b[to] ? 0 : 1), row[to + 1] + 1, next[to] + 1));
    }
    row = next;
  }
  return row[b.length];
}

/** The known name that was probably meant. @param {string} name @param {readonly string[]} known */
function nearest(name, known) {
  const given = name.slice(0, LONGEST).toLowerCase();
  const ranked = known
    .map((one) => ({ one, apart: distance(given, one.toLowerCase()) }))
    .sort((a, b) => a.apart - b.apart);
  const [first] = ranked;
  // Two letters that change places count as two.
  const most = Math.max(given.length < 4 ? 1 : 2, given.length / 3);
  return first !== undefined && first.apart <= most ? first.one : undefined;
}

/**
 * Refuses what is no object, and names in it that are not known. Those without a value count, too: whoever
 * wrote them meant something.
 * @param {unknown} options
 * @param {readonly string[]} known
 * @param {string} within what the names are in, with its dot
 * @param {(message: string) => Error} refusal
 */
function check(options, known, within, refusal) {
  if (!isObject(options)) {
    const what = within === "" ? "options are" : `${within.slice(0, -1)} is`;
    throw refusal(`${what} ${options === undefined ? "missing" : "not an object"}`);
  }
  for (const name of Object.keys(/** @type {object} */ (options))) {
    if (known.includes(name)) continue;
    const meant = nearest(name, known);
    const hint =
      meant === undefined ? `known are ${known.join(", ")}` : `did you mean \`${within}${meant}\`?`;
    throw refusal(`unknown option \`${within}${name}\`; ${hint}`);
  }
}

/** @param {unknown} options @param {readonly string[]} known @param {string} [within] with its dot */
export const checkOptions = (options, known, within = "") => check(options, known, within, invalidOptions);

/** @param {unknown} value */
export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether something can do what is asked of it. @param {any} thing @param {readonly string[]} methods */
export const hasMethods = (thing, methods) =>
  (typeof thing === "object" || typeof thing === "function") &&
  thing !== null &&
  methods.every((name) => typeof thing[name] === "function");

/** @param {string} message */
const mistaken = (message) => new TypeError(message);

/**
 * What a store is made of: an object with these methods, and options with these names.
 * @param {unknown} thing @param {readonly string[]} methods
 * @param {string} expected what it should be, said to whoever gave something else
 * @param {unknown} [options] @param {readonly string[]} [known]
 */
export function checkStoreOf(thing, methods, expected, options = {}, known = []) {
  if (!hasMethods(thing, methods)) throw mistaken(expected);
  checkStoreOptions(options, known);
}

/** The same for a store's options, as a `TypeError`. @param {unknown} options @param {readonly string[]} known */
export const checkStoreOptions = (options, known) => check(options, known, "", mistaken);
