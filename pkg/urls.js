// Which URLs tokens and keys are fetched from.

import { invalidOptions } from "./options.js";

const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** TLS, or this machine: RFC 8414 section 6.1, RFC 6749 section 3.2. @param {URL} url */
export const isSafe = ({ protocol, hostname }) =>
  protocol === "https:" || (protocol === "http:" && LOOPBACK.test(hostname));

/** `URL.parse`, which Node 20 does not have. @param {unknown} value */
export const parsed = (value) =>
  typeof value === "string" && URL.canParse(value) ? new URL(value) : undefined;

/**
 * The URL that an option is.
 * @param {string} name of the option @param {unknown} value
 */
export function urlOption(name, value) {
  const url = parsed(value);
  if (url === undefined || !isSafe(url)) {
    throw invalidOptions(`${name} must be an https URL, or an http one of this machine`);
  }
  return url;
}
