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
 *              token?: { header: Record<string, string>, claims: Record<string, unknown>,
 *                        opaque?: string[] } }} response
 * @typedef {{ cases: Case[], directory?: Record<string, any>[] }} Vectors
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
  /** What the placeholders stand for. @type {Known} */
  const known = new Map();
  equal(response.status, expected.status, `status, with the body ${body}`);
  for (const [name, value] of Object.entries(expected.headers)) {
    alike(response.headers.get(name), value, `header ${name}`, known);
  }
  if (expected.empty) equal(body, "", "body");
  if (expected.page) equal(body.startsWith("<!doctype html>"), true, "a page");
  if (expected.jwks) checkKeys(JSON.parse(body), expected.jwks);
  if (expected.json) {
    const seen = JSON.parse(body);
    if (expected.token) {
      checkToken(seen.access_token, expected.token, seen.expires_in, known);
      seen.access_token = "<jwt>";
    }
    alike(seen, expected.json, "body", known);
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
 * @param {{ header: Record<string, string>, claims: Record<string, unknown>, opaque?: string[] }} expected
 * @param {number} expiresIn
 * @param {Known} known
 */
function checkToken(token, expected, expiresIn, known) {
  const [header, claims] = token.split(".").slice(0, 2).map(decode);
  const { kid, ...named } = header;
  equal(typeof kid, "string", "type of kid");
  known.set("kid", kid);
  alike(named, expected.header, "token header", known);
  const { iat, nbf, exp, jti, ...rest } = claims;
  for (const [name, value] of Object.entries({ iat, exp, oid: rest.oid })) known.set(name, `${value}`);
  const opaque = expected.opaque?.map((name) => {
    const { [name]: text } = rest;
    delete rest[name];
    return text;
  });
  alike(rest, expected.claims, `claims beside ${CHANGING}`, known);
  equal(nbf, iat, "nbf against iat");
  equal(exp - iat, expiresIn, "exp - iat against expires_in");
  for (const text of opaque ?? [jti]) equal(text.length, 22, "length of what is opaque");
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

/** @typedef {Map<string, string>} Known */

const GUID = "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}";
/** The placeholders, with the form of what they stand for. @type {Record<string, string>} */
const PLACEHOLDERS = {
  trace: GUID,
  correlation: GUID,
  guid: GUID,
  timestamp: "\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\dZ",
  oid: "",
  kid: "",
  iat: "",
  exp: "",
};

/**
 * The same, with placeholders in what is expected: each stands for one text in an answer.
 * @param {unknown} seen @param {unknown} expected @param {string} what @param {Known} known
 */
function alike(seen, expected, what, known) {
  equal(seen, filled(seen, expected, known), what);
}

/**
 * What is expected, with what the placeholders stand for.
 * @param {any} seen @param {any} expected @param {Known} known
 * @returns {unknown}
 */
function filled(seen, expected, known) {
  if (Array.isArray(expected)) {
    return expected.map((value, index) => filled(seen?.[index], value, known));
  }
  if (expected !== null && typeof expected === "object") {
    const entries = Object.entries(expected);
    return Object.fromEntries(entries.map(([name, value]) => [name, filled(seen?.[name], value, known)]));
  }
  if (typeof expected !== "string") return expected;
  /** @type {string[]} */
  const names = [];
  const pattern = expected
    .split(/(<[a-z]+>)/)
    .map((piece) => {
      const name = piece.slice(1, -1);
      if (!piece.startsWith("<") || !Object.hasOwn(PLACEHOLDERS, name)) {
        return piece.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
      }
      names.push(name);
      const value = name === "guid" ? undefined : known.get(name);
      return `(${value ?? PLACEHOLDERS[name]})`;
    })
    .join("");
  const found = names.length > 0 && new RegExp(`^${pattern}$`).exec(`${seen}`);
  if (!found) return expected;
  for (const [index, name] of names.entries()) {
    const value = found[index + 1];
    if (name !== "guid" && known.has(name) && known.get(name) !== value) return expected;
    known.set(name, value);
  }
  return seen;
}

/** The same value with its members in one order. @param {unknown} value @returns {unknown} */
function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, member]) => [name, sorted(member)]));
}
