// Values of options, and the options that several commands share.

import { usage } from "./errors.js";

/** @type {Record<string, number>} */
const UNITS = { s: 1, m: 60, h: 3600, d: 86400 };

/**
 * Seconds: `90`, `10s`, `15m`, `12h`, `30d`.
 * @param {string} option
 * @param {string | undefined} text
 */
export function secondsOf(option, text) {
  if (text === undefined) return undefined;
  const [, number, unit = "s"] = /^(\d+)([smhd])?$/.exec(text) ?? [];
  if (number === undefined) {
    throw usage(`--${option} ${text} is not a length of time`, "Such as 90, 15m, 12h or 30d");
  }
  return Number(number) * UNITS[unit];
}

/**
 * A point in time: from now on, or a date.
 * @param {string} option
 * @param {string | undefined} text
 */
export function momentOf(option, text) {
  if (text === undefined) return undefined;
  if (/^\d+[smhd]$/.test(text)) {
    return Math.floor(Date.now() / 1000) + /** @type {number} */ (secondsOf(option, text));
  }
  if (/^\d{1,12}$/.test(text) && text.length !== 4) return Number(text);
  // A date without a time is one here, as times are shown, not in UTC.
  const day = /^\d{4}-\d{2}-\d{2}$/.test(text);
  const time = Date.parse(day ? `${text}T00:00` : text);
  if (!/^\d{4}-\d/.test(text) || Number.isNaN(time)) {
    throw usage(
      `--${option} ${text} is not a point in time`,
      "Such as 180d (from now), 2027-01-31 or 2027-01-31T12:00Z",
    );
  }
  return Math.floor(time / 1000);
}

/**
 * What is given, without what is not.
 * @template {Record<string, unknown>} T
 * @param {T} members
 * @returns {Partial<T>}
 */
export function given(members) {
  const entries = Object.entries(members).filter(([, value]) => value !== undefined);
  return /** @type {Partial<T>} */ (Object.fromEntries(entries));
}

/** Refuses an edit that says nothing. @param {Record<string, unknown>} members */
export function somethingOf(members) {
  const body = given(members);
  if (Object.keys(body).length === 0)
    throw usage("nothing is said that should change", "See --help");
  return body;
}

/** `Orders.Read.All`, or `Orders.Read.All=Read every order`. @param {string} text */
export function declaredOf(text) {
  const at = text.indexOf("=");
  if (at === -1) return { value: text };
  return { value: text.slice(0, at), displayName: text.slice(at + 1) };
}

export const yes = /** @type {const} */ ({
  yes: { alias: "y", type: "boolean", describe: "Do not ask" },
});

export const listing = /** @type {const} */ ({
  limit: { type: "number", describe: "At most so many; all by default" },
  cursor: {
    type: "string",
    describe: "Go on from here: `next` of an answer with --limit and --json",
  },
});

/** @param {{ limit?: number }} argv */
export function checkLimit({ limit }) {
  if (limit !== undefined && !(Number.isSafeInteger(limit) && limit > 0)) {
    throw usage("--limit is not a number of 1 or more");
  }
}
