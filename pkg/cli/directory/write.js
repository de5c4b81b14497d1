// Writes a directory as YAML, in one order whatever the service's is. It writes as it goes: `yaml`
// would build a tree of everything.

import * as schema from "./schema.js";

/** @typedef {Record<string, any>} Item */

/** What of a tenant is in a file. @param {Item} tenant */
export const tenantItem = (tenant) => members(schema.TENANT, tenant);

/** @param {Item} api */
export const apiItem = (api) => ({
  identifier: api.identifier,
  ...members(schema.API, api),
});

/** @param {Item} application @returns {Item} */
export function applicationItem(application) {
  const assigned = [...(application.assignments ?? [])].sort(by("api"));
  const assignments = Object.fromEntries(
    assigned.map((/** @type {any} */ { api, roles }) => [api, [...roles].sort()]),
  );
  return {
    clientId: application.clientId,
    ...members(schema.APPLICATION, application),
    assignments,
  };
}

/**
 * An application without what is left of app roles that are gone: they are in no token, and nobody may
 * assign them.
 * @param {Item} application
 * @param {Map<string, { roles: Set<string>, createdAt: number }>} apis
 * @returns {{ application: Item, gone: string[] }} and what was left out, in words
 */
export function withoutLeftovers(application, apis) {
  /** @type {string[]} */
  const gone = [];
  const assignments = (application.assignments ?? []).flatMap((/** @type {any} */ one) => {
    const api = apis.get(one.api);
    // What was assigned before its API was made is of an earlier one of that name.
    const isPresent = api !== undefined && one.assignedAt >= api.createdAt;
    const [kept, left] = [true, false].map((wanted) =>
      one.roles.filter(
        (/** @type {string} */ role) => (isPresent && api.roles.has(role)) === wanted,
      ),
    );
    if (left.length > 0) gone.push(`${left.join(", ")} on ${one.api} of ${application.clientId}`);
    return kept.length > 0 ? [{ ...one, roles: kept }] : [];
  });
  return { application: gone.length > 0 ? { ...application, assignments } : application, gone };
}

/** @param {Record<string, schema.Comparison>} table @param {Item} item */
function members(table, item) {
  /** @type {Item} */
  const kept = {};
  for (const [name, how] of Object.entries(table)) {
    const value = item[name];
    if (value === undefined || value === null) continue;
    kept[name] =
      how === "set"
        ? [...value].sort()
        : how === "declared"
          ? value.map(declared).sort(by("value"))
          : value;
  }
  return kept;
}

/** @param {schema.Declared} one */
const declared = ({ value, displayName }) =>
  displayName === undefined ? { value } : { value, displayName };

/**
 * By code units, which no locale changes.
 * @param {string} member
 * @returns {(one: any, other: any) => number}
 */
export const by = (member) => (one, other) =>
  one[member] < other[member] ? -1 : one[member] > other[member] ? 1 : 0;

/**
 * The text, in parts.
 * @param {{ tenant: Item, apis: Item[], applications: Item[] }} directory @param {string} heading
 * @returns {Generator<string, void, void>}
 */
export function* yamlOf({ tenant, apis, applications }, heading) {
  yield heading;
  yield `tenant:\n${block(tenant, "  ")}`;
  for (const [name, items] of /** @type {const} */ ([
    ["apis", apis],
    ["applications", applications],
  ])) {
    yield `\n${name}:${items.length === 0 ? " []" : ""}\n`;
    for (const item of items) yield `  - ${block(item, "    ").slice(4)}`;
  }
}

/** Members below each other. @param {Item} item @param {string} indent @returns {string} */
function block(item, indent) {
  return Object.entries(item)
    .map(([name, value]) => `${indent}${scalar(name)}:${nested(value, indent)}\n`)
    .join("");
}

/** @param {any} value @param {string} indent */
function nested(value, indent) {
  const isMap = typeof value === "object" && !Array.isArray(value);
  // Assignments, and what has names for people, take a line each; the rest fits in one.
  if (Array.isArray(value) && typeof value[0] === "object") {
    return value.map((item) => `\n${indent}  - ${flow(item)}`).join("");
  }
  if (isMap && Object.values(value).some((part) => Array.isArray(part))) {
    return Object.entries(value)
      .map(([name, part]) => `\n${indent}  ${scalar(name)}: ${flow(part)}`)
      .join("");
  }
  return ` ${flow(value)}`;
}

/** @param {any} value @returns {string} */
function flow(value) {
  if (Array.isArray(value)) return `[${value.map(flow).join(", ")}]`;
  if (typeof value !== "object") return scalar(value);
  const parts = Object.entries(value).map(([name, part]) => `${scalar(name)}: ${flow(part)}`);
  return parts.length === 0 ? "{}" : `{ ${parts.join(", ")} }`;
}

/**
 * What YAML reads as the same text without quotes, in a flow too; anything else is quoted as in
 * JSON.
 */
const PLAIN = /^[A-Za-z_](?:[\w./@-]|:(?=[\w./@-])|[ ](?=[\w.@-]))*$/;
const WORDS = /^(?:true|false|null|yes|no|on|off|y|n)$/i;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** @param {string | number | boolean} value */
function scalar(value) {
  if (typeof value !== "string") return `${value}`;
  const plain = (PLAIN.test(value) && !WORDS.test(value)) || UUID.test(value);
  // Beyond what JSON escapes, YAML does not take these as they are, or takes them for a line's end.
  const escaped = (/** @type {string} */ one) =>
    `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return plain
    ? value
    : JSON.stringify(value).replace(/[\u007f-\u009f\u2028\u2029\ufeff]/g, escaped);
}
