// Runs the vectors of tests/vectors against a fetch function: the same files on every runtime. It
// uses nothing but what every runtime has.

/**
 * @typedef {object} Case
 * @property {string} name
 * @property {{ method: string, target: string, headers: Record<string, string>, basic?: string,
 *              scheme?: string, body?: string, pad?: number }} request
 * @property {{ status: number, headers: Record<string, string | null>, json?: any, empty?: boolean,
 *              page?: boolean,
 *              jwks?: Record<string, string>[],
 *              token?: { header: Record<string, string>, claims: Record<string, unknown> } }} response
 * @typedef {{ cases: Case[] }} Vectors
 * @typedef {{ baseUrl: string, commands: Record<string, any>[] }} Directory
 */

/** What a token carries beside the members that a vector names. */
const CHANGING = ["iat", "nbf", "exp", "jti"];

/**
 * Sets up the directory that the vectors expect.
 * @param {import("../pkg/index.d.ts").Administration} admin
 * @param {Directory} directory
 */
export async function setUp(admin, { commands }) {
  for (const command of commands) {
    for (const [name, act] of Object.entries(command)) {
      await /** @type {any} */ (admin)[name](act);
    }
  }
}

/**
 * Runs one case; throws an error that says what was expected.
 * @param {(request: Request) => Promise<Response>} fetch
 * @param {string} baseUrl
 * @param {Case} vector
 */
export async function run(fetch, baseUrl, { request, response: expected }) {
  const response = await fetch(build(baseUrl, request));
  const body = await response.text();
  equal(response.status, expected.status, `status, with the body ${body}`);
  for (const [name, value] of Object.entries(expected.headers)) {
    equal(response.headers.get(name), value, `header ${name}`);
  }
  if (expected.empty) equal(body, "", "body");
  if (expected.page) equal(body.startsWith("<!doctype html>"), true, "a page");
  if (expected.jwks) checkKeys(JSON.parse(body), expected.jwks);
  if (expected.json) {
    const seen = JSON.parse(body);
    if (expected.token) {
      checkToken(seen.access_token, expected.token, seen.expires_in);
      seen.access_token = "<jwt>";
    }
    equal(seen, expected.json, "body");
  }
}

/**
 * @param {string} baseUrl
 * @param {Case["request"]} request
 */
function build(baseUrl, { method, target, headers, basic, scheme = "Basic", body, pad = 0 }) {
  const all = new Headers(headers);
  if (basic !== undefined) all.set("authorization", `${scheme} ${btoa(basic)}`);
  const bytes = body === undefined ? undefined : new TextEncoder().encode(body.padEnd(pad, "x"));
  // Where a browser is sent is an answer here, and not followed.
  const redirect = "manual";
  return new Request(baseUrl + target, { method, headers: all, body: bytes, redirect });
}

/**
 * @param {string} token
 * @param {{ header: Record<string, string>, claims: Record<string, unknown> }} expected
 * @param {number} expiresIn
 */
function checkToken(token, expected, expiresIn) {
  const [header, claims] = token.split(".").slice(0, 2).map(decode);
  const { kid, ...named } = header;
  equal(typeof kid, "string", "type of kid");
  equal(named, expected.header, "token header");
  const { iat, nbf, exp, jti, ...rest } = claims;
  equal(rest, expected.claims, `claims beside ${CHANGING}`);
  equal(nbf, iat, "nbf against iat");
  equal(exp - iat, expiresIn, "exp - iat against expires_in");
  equal(jti.length, 22, "length of jti");
}

/**
 * @param {{ keys: Record<string, string>[] }} jwks
 * @param {Record<string, string>[]} expected
 */
function checkKeys({ keys }, expected) {
  const numbers = ["kid", "x", "y", "n", "e"];
  const known = keys.map((key) =>
    Object.fromEntries(Object.entries(key).filter(([name]) => !numbers.includes(name))),
  );
  const order = (/** @type {Record<string, string>} */ key) => key.alg;
  const sort = (/** @type {Record<string, string>[]} */ list) =>
    list.toSorted((a, b) => order(a).localeCompare(order(b)));
  equal(sort(known), sort(expected), "keys without their ids and numbers");
}

/** @param {string} part of a JWT */
function decode(part) {
  return JSON.parse(atob(part.replaceAll("-", "+").replaceAll("_", "/")));
}

/**
 * @param {unknown} seen
 * @param {unknown} expected
 * @param {string} what
 */
function equal(seen, expected, what) {
  const [left, right] = [seen, expected].map((value) => JSON.stringify(sorted(value)));
  if (left !== right) throw new Error(`${what}: expected ${right}, saw ${left}`);
}

/** The same value with its members in one order. @param {unknown} value @returns {unknown} */
function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, member]) => [name, sorted(member)]));
}
