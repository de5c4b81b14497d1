// Carries a plan out, in an order that always works: the tenant, APIs, applications with their
// assignments, and what goes at the end. Whatever was changed by someone else meanwhile is a
// conflict, never overwritten.

import { pathOf } from "../client.js";
import { CliError, EXIT, ProblemError } from "../errors.js";
import { apiCreation, compare, creation } from "./compare.js";
import { placeOf } from "./plan.js";

/**
 * @typedef {import("../client.js").Client} Client
 * @typedef {import("./compare.js").Step} Step
 */

/** Applications in one import, and how many requests are under way at a time. */
const [BATCH, IMPORTS, EDITS] = [500, 2, 4];
/** Secrets and assignments in one import. */
const BROUGHT = 5000;

/**
 * @param {Client} client @param {Step[]} steps
 * @param {{ prune: boolean, env: Record<string, string | undefined>, remains?: boolean }} options
 * `remains`: after a failure, what was done stays for the next run
 * @param {(done: number) => void} progress told how many steps are done
 */
export async function carryOut(client, steps, { prune, env, remains = true }, progress) {
  let done = 0;
  const count = (/** @type {number} */ more) => progress((done += more));
  const only = (/** @type {Step["kind"]} */ kind, /** @type {Step["action"]} */ action) =>
    steps.filter((step) => step.kind === kind && step.action === action);
  /**
   * What is taken away from APIs, once no application has it any more.
   * @type {(() => Promise<unknown>)[]}
   */
  const late = [];

  try {
    for (const step of only("tenant", "change")) {
      const { etag, update } = await current(client, step, prune);
      if (update) {
        const ask = { ifMatch: etag, body: update.patch };
        await naming(step, client.request("PATCH", placeOf(step), ask));
      }
      count(1);
    }
    await each(only("api", "add"), EDITS, async (step) => {
      const ask = { creates: true, body: apiCreation(step.wanted) };
      await naming(step, client.request("POST", "/apis", ask));
      count(1);
    });
    await each(only("api", "change"), EDITS, async (step) => {
      const finish = await naming(step, changeApi(client, step, prune));
      if (finish) late.push(() => finish().then(() => count(1)));
      else count(1);
    });
    const additions = only("application", "add");
    const batches = Array.from({ length: Math.ceil(additions.length / BATCH) }, (_, at) =>
      additions.slice(at * BATCH, (at + 1) * BATCH),
    );
    await each(batches, IMPORTS, (batch) => importApplications(client, batch, env, count));
    // Its own roles may be among the changes: the application that does this comes last.
    const changes = only("application", "change");
    const isSelf = (/** @type {Step} */ { id }) => id === client.profile.clientId;
    await each(
      changes.filter((step) => !isSelf(step)),
      EDITS,
      async (step) => {
        await naming(step, changeApplication(client, step, prune));
        count(1);
      },
    );
    await each(only("application", "remove"), EDITS, (step) =>
      remove(client, step).then(() => count(1)),
    );
    await each(late, EDITS, (finish) => finish());
    await each(only("api", "remove"), EDITS, (step) => remove(client, step).then(() => count(1)));
    for (const step of changes.filter(isSelf)) {
      await naming(step, changeApplication(client, step, prune));
      count(1);
    }
  } catch (error) {
    if (!(error instanceof CliError) || !remains) throw error;
    throw new CliError(`${error.message}; ${done} of ${steps.length} changes were made`, {
      exit: error.exit,
      code: error.code,
      hint:
        error.exit === EXIT.forbidden
          ? error.hint
          : "Run it again: it shows what is left, and goes on from there",
    });
  }
}

/**
 * Says of what it is that a value is wrong, which the service does not.
 * @template T
 * @param {Pick<Step, "kind" | "id">} step @param {Promise<T>} act
 * @returns {Promise<T>}
 */
export async function naming({ kind, id }, act) {
  try {
    return await act;
  } catch (error) {
    if (!(error instanceof CliError) || error.exit !== EXIT.usage) throw error;
    const { message, exit, code, hint } = error;
    throw new CliError(`${kind} ${id}: ${message}`, { exit, code, hint });
  }
}

/**
 * What a step finds when its turn comes. If the same has to be done as was shown, it may be done.
 * @param {Client} client @param {Step} step @param {boolean} prune
 * @returns {Promise<{ etag: string | undefined, update: import("./compare.js").Update | undefined, body: any }>}
 */
async function current(client, step, prune) {
  const { body, etag } = await client.request("GET", placeOf(step));
  const update = compare(step.kind, step.wanted, body, prune);
  // Someone else did it, wholly: that is as good.
  if (update && JSON.stringify(update) !== JSON.stringify(step.update)) throw changed(step);
  return { etag, update, body };
}

/** @param {Step} step */
const changed = ({ kind, id }) =>
  new CliError(`${kind} ${id} was changed by someone else meanwhile`, {
    exit: EXIT.conflict,
    code: "precondition_failed",
  });

/** @param {Client} client @param {Step} step @param {boolean} prune */
async function changeApi(client, step, prune) {
  const { etag, update, body } = await current(client, step, prune);
  if (!update) return undefined;
  const { patch } = update;
  /** @type {Record<string, any>} */
  const first = { ...patch };
  /** @type {Record<string, any>} */
  const rest = {};
  for (const member of ["roles", "scopes"]) {
    if (patch[member] === undefined) continue;
    const kept = new Set(patch[member].map((/** @type {any} */ { value }) => value));
    const going = body[member].filter((/** @type {any} */ { value }) => !kept.has(value));
    if (going.length === 0) continue;
    rest[member] = patch[member];
    first[member] = [
      ...patch[member],
      ...going.map((/** @type {any} */ { value, displayName }) => ({ value, displayName })),
    ];
  }
  const answer = await client.request("PATCH", placeOf(step), { ifMatch: etag, body: first });
  if (Object.keys(rest).length === 0) return undefined;
  return () => client.request("PATCH", placeOf(step), { ifMatch: answer.etag, body: rest });
}

/**
 * All of a batch or none of it. One that is too large for the service is sent in halves.
 * @param {Client} client @param {Step[]} batch @param {Record<string, string | undefined>} env
 * @param {(more: number) => void} count
 */
async function importApplications(client, batch, env, count) {
  const applications = batch.map(({ wanted }) => creation(wanted, env));
  const halve = async () => {
    const half = Math.ceil(batch.length / 2);
    await importApplications(client, batch.slice(0, half), env, count);
    await importApplications(client, batch.slice(half), env, count);
  };
  const brought = applications.flatMap(({ secrets, assignments }) => [
    ...(secrets ?? []),
    ...(assignments ?? []),
  ]);
  if (brought.length > BROUGHT && batch.length > 1) return halve();
  try {
    await client.request("POST", "/applications/import", { creates: true, body: { applications } });
    count(batch.length);
  } catch (error) {
    if (!(error instanceof ProblemError) || error.status !== 413 || batch.length === 1) throw error;
    await halve();
  }
}

/** @param {Client} client @param {Step} step @param {boolean} prune */
async function changeApplication(client, step, prune) {
  const found = await current(client, step, prune);
  if (!found.update) return;
  const { patch, assign, unassign } = found.update;
  const place = placeOf(step);
  let etag = found.etag;
  if (Object.keys(patch).length > 0) {
    ({ etag } = await client.request("PATCH", place, { ifMatch: etag, body: patch }));
  }
  for (const [api, roles] of Object.entries(assign)) {
    const path = `${place}/assignments${pathOf(api)}`;
    ({ etag } = await client.request("PUT", path, { ifMatch: etag, body: { roles } }));
  }
  for (const [at, api] of unassign.entries()) {
    // An answer without a body has no version: it is read again for the next one.
    if (at > 0) ({ etag } = await client.request("GET", place));
    await client.request("DELETE", `${place}/assignments${pathOf(api)}`, { ifMatch: etag });
  }
}

/** @param {Client} client @param {Step} step */
async function remove(client, step) {
  const { body, etag } = await client.request("GET", placeOf(step));
  if (JSON.stringify(body) !== step.listed) throw changed(step);
  await client.request("DELETE", placeOf(step), { ifMatch: etag });
}

/**
 * Does it for each, some at a time. After a failure nothing new is begun, and what is under way
 * ends.
 * @template T
 * @param {readonly T[]} items
 * @param {number} width
 * @param {(item: T) => Promise<unknown>} act
 */
export async function each(items, width, act) {
  const left = items[Symbol.iterator]();
  let failed = false;
  const runner = async () => {
    for (const item of left) {
      if (failed) return;
      try {
        await act(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const results = await Promise.allSettled(
    Array.from({ length: Math.min(width, items.length) }, runner),
  );
  for (const result of results) if (result.status === "rejected") throw result.reason;
}
