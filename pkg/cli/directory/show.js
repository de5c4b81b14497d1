// A plan as it is shown before it is carried out: what is new, what goes, what changes.

import { counted, paint } from "../output.js";
import { oneLine } from "../errors.js";

/**
 * @typedef {import("./compare.js").Step} Step
 * @typedef {import("./compare.js").Change} Change
 */

const SIGNS = /** @type {const} */ ({ add: "+", change: "~", remove: "-" });
const STYLES = /** @type {const} */ ({ add: "green", change: "yellow", remove: "red" });
/** So many steps of an action and a kind are shown one by one. */
const SHOWN = 20;

/**
 * @param {Step[]} steps
 * @param {boolean} [full] all of them
 * @returns {Generator<string, void, void>} lines
 */
export function* diffLines(steps, full = false) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const [at, step] of steps.entries()) {
    const group = `${step.action} ${step.kind}`;
    const count = (counts.get(group) ?? 0) + 1;
    counts.set(group, count);
    if (full || count <= SHOWN) yield* stepLines(step);
    const next = steps[at + 1];
    if (!full && count > SHOWN && (next === undefined || `${next.action} ${next.kind}` !== group)) {
      const more = `${SIGNS[step.action]} and ${counted(count - SHOWN, `more ${step.kind}`)}`;
      yield paint(STYLES[step.action], `${more}; see all of them with --full`);
    }
  }
}

/** @param {Step} step */
function* stepLines({ action, kind, id, label, wanted, update }) {
  const named = label === undefined || label === id ? "" : ` (${label})`;
  const line = kind === "tenant" ? `${kind} ${id}` : `${kind} ${id}${named}`;
  yield paint(STYLES[action], `${SIGNS[action]} ${oneLine(line)}`);
  const changes = action === "add" ? additions(wanted) : (update?.changes ?? []);
  for (const change of changes) {
    const [how, text] = describe(change);
    yield `    ${paint(STYLES[how], `${SIGNS[how]} ${oneLine(text)}`)}`;
  }
}

/** What a new thing is given. @param {Record<string, any>} wanted @returns {Change[]} */
function additions({
  clientId: _clientId,
  identifier: _identifier,
  assignments,
  secrets,
  ...members
}) {
  /** @type {Change[]} */
  const changes = Object.entries(members).map(([member, after]) => ({ member, after }));
  for (const [api, after] of Object.entries(assignments ?? {})) {
    changes.push({ member: "assignments", api, after });
  }
  for (const { displayName, fromEnv } of secrets ?? []) {
    changes.push({ member: "secret", after: `${displayName ?? "one"} from $${fromEnv}` });
  }
  return changes;
}

/** @param {Change} change @returns {["add" | "change" | "remove", string]} */
function describe({ member, api, before, after }) {
  const name = api === undefined ? member : `${member} on ${api}`;
  if (before === undefined) return ["add", `${name}: ${valueText(after)}`];
  if (after === undefined) return ["remove", `${name}: ${valueText(before)}`];
  if (Array.isArray(after) && Array.isArray(before))
    return ["change", `${name}: ${listText(before, after)}`];
  return ["change", `${name}: ${valueText(before)} -> ${valueText(after)}`];
}

/** What came and went. @param {any[]} before @param {any[]} after */
function listText(before, after) {
  const [had, has] = [new Map(before.map(keyed)), new Map(after.map(keyed))];
  const changed = [...has].filter(([key, text]) => had.has(key) && had.get(key) !== text);
  return [
    ...[...had].filter(([key]) => !has.has(key)).map(([key]) => `-${key}`),
    ...[...has].filter(([key]) => !had.has(key)).map(([key]) => `+${key}`),
    ...changed.map(([key, text]) => `${key} is now ${text}`),
  ].join(" ");
}

/** @param {any} item @returns {[string, string]} its name, and all that is said of it */
const keyed = (item) =>
  typeof item === "object" ? [item.value, JSON.stringify(item.displayName ?? "")] : [item, ""];

/** @param {any} value @returns {string} */
function valueText(value) {
  if (value === null || value === undefined) return "none";
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(itemText).join(", ");
  if (typeof value !== "object") return `${value}`;
  return Object.entries(value)
    .map(([name, part]) => `${name} ${part}`)
    .join(", ");
}

/** @param {any} item */
const itemText = (item) =>
  typeof item !== "object"
    ? `${item}`
    : item.displayName === undefined
      ? item.value
      : `${item.value} (${item.displayName})`;

/** How many of each. @param {Step[]} steps */
export function tally(steps) {
  const count = { add: 0, change: 0, remove: 0 };
  for (const { action } of steps) count[action] += 1;
  return count;
}

/** @param {Step[]} steps @param {[string, string, string]} words */
export function summary(steps, words) {
  const { add, change, remove } = tally(steps);
  const number = (/** @type {number} */ count) => count.toLocaleString("en");
  return `${number(add)} ${words[0]}, ${number(change)} ${words[1]}, ${number(remove)} ${words[2]}`;
}

/** The plan for machines. @param {Step[]} steps @param {boolean} applied */
export const planDocument = (steps, applied) => ({
  applied,
  changes: steps.map(({ action, kind, id, wanted, update }) => ({
    action,
    kind,
    id,
    members: action === "add" ? additions(wanted) : (update?.changes ?? []),
  })),
});
