// The log: a line of JSON on standard output for each event, and for what happens to the server.

import { now } from "../driver.js";

/** @typedef {import("../index.d.ts").IssuerEvent} IssuerEvent */

/** @param {object} line */
export function write(line) {
  process.stdout.write(`${JSON.stringify({ edgemint: line })}\n`);
}

/**
 * Something that happened to the server, in the form that events have.
 * @param {IssuerEvent["kind"]} kind
 * @param {string} reason
 * @param {object} [more]
 */
export const tellLog = (kind, reason, more) => write({ time: now(), kind, reason, ...more });

/** A server outlives who reads its log; the default would end it, or throw. */
export function surviveReaders() {
  for (const stream of [process.stdout, process.stderr]) {
    stream.removeAllListeners("error");
    stream.on("error", () => {});
  }
}
