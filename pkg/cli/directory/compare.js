// What is to be done so that a directory is as its file says. Pure: nothing is read or written
// here.

import { CliError, EXIT } from "../errors.js";
import { ADMIN_API } from "./administration.js";
import * as schema from "./schema.js";

/**
 * @typedef {"tenant" | "api" | "application"} Kind
 *
 * @typedef {object} Change of one member; of an API's roles on an application for `assignments`
 * @property {string} member
 * @property {string} [api] whose roles are assigned
 * @property {any} [before] nothing: it is new
 * @property {any} [after] nothing: it goes
 *
 * @typedef {object} Update
 * @property {Change[]} changes
 * @property {Record<string, any>} patch the members to send
 * @property {Record<string, string[]>} assign exactly these roles, per API
 * @property {string[]} unassign APIs on which it loses every role
 *
 * @typedef {{ action: "add" | "change" | "remove", kind: Kind, id: string, label?: string,
 *   wanted?: any, update?: Update, listed?: string }} Step
 */

const nothing = null;

/**
 * What to change in something that exists; nothing if it is as the file says. Members that are not
 * in the file stay as they are.
 * @param {Kind} kind @param {Record<string, any>} wanted @param {Record<string, any>} current
 * @param {boolean} [prune] assignments on APIs that the file does not name go
 * @returns {Update | undefined}
 */
export function compare(kind, wanted, current, prune = false) {
  /** @type {Update} */
  const update = { changes: [], patch: {}, assign: {}, unassign: [] };
  for (const [member, how] of Object.entries(MEMBERS[kind])) {
    const after = wanted[member];
    const before = current[member];
    if (after === undefined || same(how, after, before)) continue;
    if (how === "fixed") {
      throw new CliError(
        `${kind} ${current.clientId}: ${member} cannot change from ${before} to ${after}`,
        { exit: EXIT.usage, hint: "Delete it first, or give the new one another clientId" },
      );
    }
    const value = merged(how, after, before);
    update.patch[member] = value;
    update.changes.push({ member, before: before ?? nothing, after: value });
  }
  if (wanted.assignments !== undefined) compareAssignments(wanted, current, prune, update);
  return update.changes.length === 0 ? undefined : update;
}

/** @type {Record<Kind, Record<string, schema.Comparison>>} */
const MEMBERS = { tenant: schema.TENANT, api: schema.API, application: schema.APPLICATION };

/** @param {schema.Comparison} how @param {any} after @param {any} before */
function same(how, after, before) {
  switch (how) {
    case "set":
      return sameSet(after, before ?? []);
    case "flag":
      return after === (before ?? false);
    case "parts":
      return Object.entries(after).every(([name, value]) => before?.[name] === value);
    case "declared": {
      const known = byValue(before);
      return (
        after.length === known.size &&
        after.every((/** @type {schema.Declared} */ { value, displayName }) => {
          const one = known.get(value);
          return (
            one !== undefined && (displayName === undefined || displayName === one.displayName)
          );
        })
      );
    }
    default:
      return (after ?? null) === (before ?? null);
  }
}

/**
 * The whole value to send, where the file may give some of it.
 * @param {schema.Comparison} how
 * @param {any} after
 * @param {any} before
 */
function merged(how, after, before) {
  if (how === "parts") return { ...before, ...after };
  if (how !== "declared") return after;
  const known = byValue(before);
  return after.map((/** @type {schema.Declared} */ { value, displayName }) => {
    const name = displayName ?? known.get(value)?.displayName;
    return name === undefined ? { value } : { value, displayName: name };
  });
}

/** @param {schema.Declared[] | undefined} declared @returns {Map<string, schema.Declared>} */
const byValue = (declared) => new Map((declared ?? []).map((one) => [one.value, one]));

/** @param {string[]} one @param {string[]} other */
function sameSet(one, other) {
  const known = new Set(other);
  return new Set(one).size === known.size && one.every((item) => known.has(item));
}

/**
 * @param {Record<string, any>} wanted
 * @param {Record<string, any>} current
 * @param {boolean} prune
 * @param {Update} update
 */
function compareAssignments(wanted, current, prune, update) {
  /** @type {Map<string, string[]>} */
  const assigned = new Map(
    (current.assignments ?? []).map((/** @type {any} */ { api, roles }) => [api, roles]),
  );
  for (const [api, roles] of Object.entries(wanted.assignments)) {
    const before = assigned.get(api);
    assigned.delete(api);
    if (before !== undefined && sameSet(roles, before)) continue;
    update.assign[api] = roles;
    update.changes.push({ member: "assignments", api, before, after: roles });
  }
  if (!prune) return;
  for (const [api, before] of assigned) {
    update.unassign.push(api);
    update.changes.push({ member: "assignments", api, before });
  }
}

/**
 * The steps for a list of things, as its pages come.
 * @param {"api" | "application"} kind @param {any[]} wanted
 * @param {AsyncIterable<{ items: any[] }> | Iterable<{ items: any[] }>} pages
 * @param {{ prune?: boolean, self?: string }} options the application that is used for this stays
 * @returns {Promise<{ steps: Step[], unlisted: string[], total: number, keptSelf: boolean }>} and
 * what pruning removes, since the file does not name it: kind and id
 */
export async function planList(kind, wanted, pages, { prune = false, self }) {
  const id = kind === "api" ? "identifier" : "clientId";
  const missing = new Map(wanted.map((one) => [one[id], one]));
  /** @type {Step[]} */
  const changes = [];
  /** @type {Step[]} */
  const removals = [];
  /** @type {string[]} */
  const unlisted = [];
  let [total, keptSelf] = [0, false];
  for await (const { items } of pages) {
    for (const item of items) {
      total += 1;
      const key = item[id];
      const one = missing.get(key);
      if (one !== undefined) {
        missing.delete(key);
        const update = compare(kind, one, item, prune);
        if (update === undefined) continue;
        changes.push({
          action: "change",
          kind,
          id: key,
          label: item.displayName,
          wanted: one,
          update,
        });
      } else if (key === self) {
        keptSelf = prune;
      } else if (key !== ADMIN_API) {
        unlisted.push(`${kind} ${key}`);
        if (!prune) continue;
        removals.push({
          action: "remove",
          kind,
          id: key,
          label: item.displayName,
          listed: JSON.stringify(item),
        });
      }
    }
  }
  const additions = [...missing.values()].map(
    (one) =>
      /** @type {Step} */ ({
        action: "add",
        kind,
        id: one[id],
        label: one.displayName,
        wanted: one,
      }),
  );
  return { steps: [...additions, ...changes, ...removals], unlisted, total, keptSelf };
}

/**
 * The members of an application for its creation, with the secrets that the file only names.
 * @param {schema.WantedApplication} wanted @param {Record<string, string | undefined>} env
 */
export function creation(wanted, env) {
  const { assignments, secrets, ...members } = wanted;
  /** @type {Record<string, any>} */
  const body = { ...members };
  if (secrets !== undefined) {
    body.secrets = secrets.map(({ fromEnv, ...secret }) => ({ ...secret, secret: env[fromEnv] }));
  }
  const assigned = Object.entries(assignments ?? {});
  if (assigned.length > 0) body.assignments = assigned.map(([api, roles]) => ({ api, roles }));
  return body;
}

/**
 * The variables that are to hold secrets of new applications, and do not.
 * @param {Step[]} steps
 * @param {Record<string, string | undefined>} env
 */
export function missingSecrets(steps, env) {
  const names = new Set();
  for (const { action, wanted } of steps) {
    if (action !== "add") continue;
    for (const { fromEnv } of wanted.secrets ?? []) if (!env[fromEnv]) names.add(fromEnv);
  }
  return [...names];
}

/** As the service takes a secret that was made elsewhere. @param {string} text */
const isSecret = (text) => [...text].length >= 32 && !/\p{Cc}/u.test(text);

/**
 * The variables that hold what is no secret, each with the application that it is for.
 * @param {Step[]} steps
 * @param {Record<string, string | undefined>} env
 */
export const unfitSecrets = (steps, env) =>
  steps
    .filter(({ action }) => action === "add")
    .flatMap(({ id, wanted }) =>
      /** @type {{ fromEnv: string }[]} */ (wanted.secrets ?? [])
        .filter(({ fromEnv }) => !isSecret(env[fromEnv] ?? ""))
        .map(({ fromEnv }) => `${fromEnv} of the application ${id}`),
    );

/**
 * What the file assigns though it will not be there: a role that its API does not declare once the file is
 * applied. In words, for each.
 * @param {schema.WantedApplication[]} applications
 * @param {Map<string, Set<string>>} declared app roles by API
 */
export function undeclared(applications, declared) {
  return applications.flatMap(({ clientId, assignments }) =>
    Object.entries(assignments ?? {}).flatMap(([api, roles]) => {
      const known = declared.get(api);
      if (known === undefined) return [`application ${clientId}: there is no API ${api}`];
      const unknown = roles.filter((role) => !known.has(role));
      if (unknown.length === 0) return [];
      return [`application ${clientId}: ${api} declares no app role ${unknown.join(", ")}`];
    }),
  );
}

/**
 * The members of an API for its creation: what is null is left to the service.
 * @param {schema.WantedApi} wanted
 */
export const apiCreation = (wanted) =>
  Object.fromEntries(Object.entries(wanted).filter(([, value]) => value !== null));
