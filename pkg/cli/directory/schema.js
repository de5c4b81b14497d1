// What may be in a directory file, as a table: the reader checks with it, the comparison compares
// by it, and the export writes in its order.

/**
 * @typedef {object} Declared an app role or a scope
 * @property {string} value
 * @property {string} [displayName]
 *
 * @typedef {object} WantedSecret
 * @property {string} [displayName]
 * @property {string} fromEnv the environment variable that holds it
 * @property {number} [starts]
 * @property {number} [ends]
 *
 * @typedef {{ clientId: string, assignments?: Record<string, string[]>, secrets?: WantedSecret[],
 *   [member: string]: any }} WantedApplication
 * @typedef {{ identifier: string, [member: string]: any }} WantedApi
 * @typedef {object} Directory
 * @property {Record<string, any>} [tenant] with `name` and `id`, which are compared and never changed
 * @property {WantedApi[]} [apis]
 * @property {WantedApplication[]} [applications]
 */

/**
 * How a member is compared: `value` as it is, `set` in any order, `parts` by the members that are
 * given, `declared` by the value of each, a `flag` that is not there is false, `fixed` cannot change.
 * @typedef {"value" | "set" | "parts" | "declared" | "flag" | "fixed"} Comparison
 */

export const ALGORITHMS = ["ES256", "EdDSA", "RS256"];
export const GRANT_TYPES = ["authorization_code", "client_credentials", "refresh_token"];
export const KINDS = ["confidential", "public"];
export const MODES = ["rotate", "reusable", "dialect"];

/** The members of a tenant. @type {Record<string, Comparison>} */
export const TENANT = {
  displayName: "value",
  algorithm: "value",
  accessTokenLifetime: "value",
  loginUrl: "value",
  entra: "flag",
  domains: "set",
  policies: "set",
};

/** The members of an API, beside its identifier. @type {Record<string, Comparison>} */
export const API = {
  displayName: "value",
  roles: "declared",
  scopes: "declared",
  assignmentRequired: "value",
  algorithm: "value",
  accessTokenLifetime: "value",
  appId: "value",
  requestedAccessTokenVersion: "value",
  optionalClaims: "set",
};

/**
 * The members of an application, beside its id, its assignments and its secrets.
 * @type {Record<string, Comparison>}
 */
export const APPLICATION = {
  displayName: "value",
  kind: "fixed",
  disabled: "value",
  grantTypes: "set",
  redirectUris: "set",
  refresh: "parts",
  introspects: "set",
};

/**
 * Checks a value and gives it back in its normal form.
 * @typedef {(value: any, at: Path, report: Report) => any} Check
 * @typedef {(string | number)[]} Path
 * @typedef {(at: Path, message: string, ofKey?: boolean) => void} Report
 */

/** @param {string} what @param {(value: any) => boolean} holds @returns {Check} */
const must = (what, holds) => (value, at, report) => {
  if (!holds(value)) report(at, `must be ${what}`);
  return value;
};
const text = must(
  "a text; quote it if it looks like something else",
  (value) => typeof value === "string" && value !== "",
);
const flag = must("true or false", (value) => typeof value === "boolean");
const seconds = must(
  "a whole number of seconds",
  (value) => Number.isSafeInteger(value) && value >= 0,
);
/** @param {string[]} words */
const oneOf = (words) => must(`one of ${words.join(", ")}`, (value) => words.includes(value));
/** @param {Check} check @returns {Check} */
const orNull = (check) => (value, at, report) => (value === null ? null : check(value, at, report));

/** @param {Check} check @returns {Check} */
const listOf = (check) => (value, at, report) => {
  if (!Array.isArray(value)) return report(at, "must be a list");
  return value.map((item, index) => check(item, [...at, index], report));
};

/** No value twice. @param {Check} check @param {(item: any) => unknown} [key] @returns {Check} */
const setOf = (check, key = (item) => item) => {
  const list = listOf(check);
  return (value, at, report) => {
    const items = list(value, at, report);
    const seen = new Set();
    for (const [index, item] of (items ?? []).entries()) {
      const one = key(item);
      if (one !== undefined && seen.has(one)) report([...at, index], `\`${one}\` is there twice`);
      seen.add(one);
    }
    return items;
  };
};

/** @param {any} value */
const isMap = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** @param {Record<string, Check>} members @param {string[]} [required] @returns {Check} */
export const mapOf =
  (members, required = []) =>
  (value, at, report) => {
    if (!isMap(value)) return report(at, `must have members: ${Object.keys(members).join(", ")}`);
    for (const name of required) {
      if (value[name] === undefined) report(at, `\`${name}\` is missing`);
    }
    /** @type {Record<string, any>} */
    const checked = {};
    for (const [name, member] of Object.entries(value)) {
      if (Object.hasOwn(members, name))
        checked[name] = members[name](member, [...at, name], report);
      else
        report(
          [...at, name],
          `unknown member \`${name}\`${suggest(name, Object.keys(members))}`,
          true,
        );
    }
    return checked;
  };

/** @param {string} name @param {string[]} known */
function suggest(name, known) {
  const plain = (/** @type {string} */ word) => word.toLowerCase().replace(/[^a-z]/g, "");
  const near = known.find(
    (word) => plain(word) === plain(name) || `${plain(name)}s` === plain(word),
  );
  return near === undefined ? `; known are ${known.join(", ")}` : `; it is called \`${near}\``;
}

/** `Orders.Read.All`, or with a name for people. @type {Check} */
const declared = (value, at, report) =>
  typeof value === "string"
    ? { value: text(value, at, report) }
    : mapOf({ value: text, displayName: text }, ["value"])(value, at, report);

/** Seconds since 1970, or a date. @type {Check} */
const moment = (value, at, report) => {
  const parsed = typeof value === "string" ? Date.parse(value) / 1000 : value;
  if (Number.isSafeInteger(parsed) && parsed >= 0) return parsed;
  return report(at, "must be a date such as 2027-01-31, or seconds since 1970");
};

/** @type {Check} */
const assignments = (value, at, report) => {
  if (!isMap(value)) return report(at, "must map APIs to lists of app roles");
  const roles = setOf(text);
  for (const [api, list] of Object.entries(value)) {
    if (roles(list, [...at, api], report)?.length === 0) {
      report([...at, api], "needs an app role; leave the API out for none");
    }
  }
  return value;
};

export const tenant = mapOf({
  name: text,
  id: text,
  displayName: text,
  algorithm: oneOf(ALGORITHMS),
  accessTokenLifetime: seconds,
  loginUrl: orNull(text),
  entra: flag,
  domains: setOf(text),
  policies: setOf(text),
});

const declaredOnce = setOf(declared, (item) => item?.value);

export const api = mapOf(
  {
    identifier: text,
    displayName: text,
    roles: declaredOnce,
    scopes: declaredOnce,
    assignmentRequired: flag,
    algorithm: orNull(oneOf(ALGORITHMS)),
    accessTokenLifetime: orNull(seconds),
    appId: text,
    requestedAccessTokenVersion: orNull(must("1 or 2", (value) => value === 1 || value === 2)),
    optionalClaims: setOf(oneOf(["idtyp"])),
  },
  ["identifier"],
);

const members = mapOf(
  {
    clientId: text,
    displayName: text,
    kind: oneOf(KINDS),
    disabled: flag,
    grantTypes: setOf(oneOf(GRANT_TYPES)),
    redirectUris: setOf(text),
    refresh: mapOf({ mode: oneOf(MODES), grace: seconds, idle: seconds, absolute: seconds }),
    introspects: setOf(text),
    assignments,
    secretFromEnv: text,
    secrets: listOf(
      mapOf({ displayName: text, fromEnv: text, starts: moment, ends: moment }, ["fromEnv"]),
    ),
  },
  ["clientId"],
);

/** @type {Check} */
export const application = (value, at, report) => {
  const checked = members(value, at, report);
  if (checked?.secretFromEnv === undefined) return checked;
  const { secretFromEnv, ...rest } = checked;
  if (rest.secrets !== undefined) report([...at, "secretFromEnv"], "give this or `secrets`");
  return { ...rest, secrets: [{ fromEnv: secretFromEnv }] };
};
