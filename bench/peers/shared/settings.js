// What a peer that is a Node program is started with, in its environment.

/**
 * @typedef {object} Settings
 * @property {{ id: string, secret: string }} client
 * @property {import("jose").JWK & { kid: string }} key for ES256, private
 * @property {string} api
 * @property {string[]} roles that the client has
 * @property {string[]} scopes that users consent to
 */

/** Where to listen, on 127.0.0.1. */
export const port = Number(process.env.PORT);
/** Where that is. */
export const origin = `http://127.0.0.1:${port}`;

/** @type {Settings} */
export const settings = JSON.parse(process.env.SETTINGS ?? "{}");

/** Its key, for everyone. */
export function publishedKey() {
  const { d: _, ...published } = settings.key;
  return published;
}

/**
 * The number of tokens that a request of the benchmark wants.
 * @param {import("node:http").IncomingMessage} request
 */
export function countOf({ url }) {
  return Number(new URL(`${origin}${url}`).searchParams.get("count"));
}
