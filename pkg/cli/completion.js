// What a shell may complete: besides commands and options, which yargs knows, the ids in the
// directory. Whoever presses Tab waits for a moment at most, and sees no failure.

import { Client } from "./client.js";
import { readConfig, resolveProfile } from "./profile.js";

/** Milliseconds for the directory to answer. */
const PATIENCE = 1500;

/** What the words of a command are: ids of applications, or identifiers of APIs. */
const [APPLICATION, API] = ["/applications", "/apis"];
/** @type {Record<string, string[]>} */
const COMMANDS = { grant: [APPLICATION, API], revoke: [APPLICATION, API] };
/** @type {[string, string, string][]} */
const GROUPS = [
  ["apps", "show update disable enable delete rm", APPLICATION],
  ["secrets", "add list ls remove rm", APPLICATION],
  ["apis", "show update delete rm", API],
  ["roles", "add list ls remove rm", API],
  ["scopes", "add list ls remove rm", API],
];
for (const [group, names, kind] of GROUPS) {
  for (const name of names.split(" ")) COMMANDS[`${group} ${name}`] = [kind];
}
/** @type {Record<string, string>} */
const OPTIONS = {
  "sessions end --app": APPLICATION,
  "token --client-id": APPLICATION,
  "apps create --introspects": API,
  "apps update --introspects": API,
};

/**
 * What stands where the cursor is; nothing if yargs knows better.
 * @param {string[]} words after the name of the program, the last one begun
 * @returns {string | undefined} a list of the administration API, or `profiles`
 */
export function kindOf(words) {
  const [option, current] = [words.at(-2) ?? "", words.at(-1) ?? ""];
  if (option === "--profile") return "profiles";
  const before = words.slice(0, -1);
  const plain = before.filter((word, at) => !word.startsWith("-") && before[at - 1] !== "--profile");
  const [first = "", second = ""] = plain;
  if (option.startsWith("--")) {
    const kind = OPTIONS[`${first} ${second} ${option}`] ?? OPTIONS[`${first} ${option}`];
    if (kind !== undefined) return kind;
  }
  if (current.startsWith("-")) return undefined;
  const length = Object.hasOwn(COMMANDS, first) ? 1 : 2;
  const command = plain.slice(0, length).join(" ");
  return Object.hasOwn(COMMANDS, command) ? COMMANDS[command][plain.length - length] : undefined;
}

/**
 * The words as they were typed: bash takes them apart at each colon.
 * @param {string[]} parts
 * @returns {{ words: string[], head: string }} and what of the last one the shell does not replace
 */
export function typed(parts) {
  /** @type {string[]} */
  const words = [];
  parts.forEach((part, at) => {
    if (words.length > 0 && (part === ":" || parts[at - 1] === ":")) words.push(words.pop() + part);
    else words.push(part);
  });
  const head = (words.at(-1) ?? "").slice(0, -(parts.at(-1) ?? "").length || undefined);
  return { words, head: parts.at(-2) === ":" ? head : "" };
}

/**
 * The completions of the last word, as the shell takes them; nothing if yargs knows better.
 * @param {string[]} parts @param {NodeJS.ProcessEnv} env
 * @returns {Promise<string[] | undefined>}
 */
export async function completionsOf(parts, env) {
  const { words, head } = typed(parts);
  const kind = kindOf(words);
  if (kind === undefined) return undefined;
  const found = await (kind === "profiles" ? profilesOf(env) : idsOf(kind, words, env));
  const [zsh, fish] = ["zsh", "fish"].map(
    (name) => env.SHELL?.includes(name) || (name === "zsh" && env.ZSH_NAME !== undefined),
  );
  return found
    .filter(([id]) => id.startsWith(words.at(-1) ?? ""))
    .map(([id, name]) => {
      if (fish) return name === "" ? id : `${id}\t${name}`;
      if (zsh) return `${id.replaceAll(":", "\\:")}${name === "" ? "" : `:${name}`}`;
      return id.slice(head.length);
    });
}

/** @param {NodeJS.ProcessEnv} env @returns {Promise<[string, string][]>} */
async function profilesOf(env) {
  const { profiles } = await readConfig(env);
  return Object.keys(profiles).map((name) => [name, ""]);
}

/**
 * @param {string} path @param {string[]} words @param {NodeJS.ProcessEnv} env
 * @returns {Promise<[string, string][]>} ids, and names
 */
async function idsOf(path, words, env) {
  const named = words[words.indexOf("--profile") + 1];
  const profile = words.includes("--profile") ? named : env.EDGEMINT_PROFILE || undefined;
  const client = new Client(resolveProfile(env, await readConfig(env), profile), () => {});
  // Not waited for beyond its time: the process ends then, with what is still under way.
  const late = new Promise((_, reject) => setTimeout(reject, PATIENCE).unref());
  const asked = client.request("GET", path, { query: { limit: 1000 } });
  const { body } = /** @type {import("./client.js").Answer} */ (await Promise.race([asked, late]));
  return body.items.map((/** @type {any} */ { clientId, identifier, displayName }) => {
    const id = clientId ?? identifier;
    return [id, displayName === id ? "" : `${displayName ?? ""}`.replace(/\s+/g, " ")];
  });
}
