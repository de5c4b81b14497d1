// What every command needs: the client of the profile, and the ways in which answers are shown.

import { Client } from "./client.js";
import { CliError } from "./errors.js";
import { overriding, readConfig, resolveProfile, storeProfile } from "./profile.js";
import { Table, details, paint, print, printJson, tell, time, write } from "./output.js";

/** @typedef {{ json?: boolean, profile?: string }} Global what every command takes */

/** A hint on standard error. @param {string} text */
export const hint = (text) => tell(paint("dim", text, process.stderr));

/** The administration API, as the profile says. @param {Global} argv */
export async function connect(argv) {
  const config = await readConfig(process.env, hint);
  const named = argv.profile ?? (process.env.EDGEMINT_PROFILE || undefined);
  return new Client(resolveProfile(process.env, config, named), hint);
}

/** Says so if the current profile is not what commands use. */
export function noteEnvironment() {
  const set = overriding(process.env);
  if (set.length === 0) return;
  hint(
    `The environment goes before the current profile: ${set.join(", ")}. ` +
      "Unset it, or give --profile NAME.",
  );
}

/**
 * Shows a list as its pages come: a table, or the API's document with the items of all pages.
 * @template T
 * @param {AsyncIterable<{ items: T[], next?: string }>} pages
 * @param {import("./output.js").Column<T>[]} columns
 * @param {Global} argv
 * @param {string} none what to say of nothing
 */
export async function showList(pages, columns, argv, none) {
  if (argv.json) {
    await write('{"items":[');
    let first = true;
    /** @type {string | undefined} */
    let next;
    for await (const page of pages) {
      for (const item of page.items) {
        await write(`${first ? "\n" : ",\n"}${JSON.stringify(item)}`);
        first = false;
      }
      next = page.next ?? undefined;
    }
    await write(`\n]${next === undefined ? "" : `,"next":${JSON.stringify(next)}`}}\n`);
    return;
  }
  const table = new Table(columns);
  let more = false;
  for await (const { items, next } of pages) {
    await write(table.lines(items));
    more = next !== undefined && next !== null;
  }
  if (!table.started) hint(none);
  if (more) hint("There are more: give a higher --limit.");
}

/**
 * A secret that was just made, the only time it is shown: alone on standard output, so that it can
 * be taken from there; what belongs to it on standard error.
 * @param {{ secret?: string, clientId: string, keyId: string, hint: string, ends?: number }} made
 */
export async function showSecret({ secret, clientId, keyId, hint: start, ends }) {
  process.stderr.write(
    details([
      ["client id", clientId],
      ["key id", keyId],
      ["begins with", start],
      ends === undefined ? undefined : ["ends", time(ends)],
    ]),
  );
  if (secret === undefined) return;
  tell(paint(["bold", "yellow"], "The secret is shown only now. Copy it:", process.stderr));
  await print(secret);
}

/**
 * Stores an administrator that was just made. If that fails, the answer that has its secret is
 * printed, however output was asked for: nobody can show it again.
 * @param {string} name
 * @param {import("./profile.js").Profile} profile
 * @param {unknown} answer
 */
export async function storeMade(name, profile, answer) {
  try {
    await storeProfile(process.env, name, profile);
  } catch (error) {
    await printJson(answer);
    if (!(error instanceof CliError)) throw error;
    const { message, exit, code } = error;
    const hint = `The administrator is made; its secret is on standard output: store it with \`edgemint login --client-id ${profile.clientId}\``;
    throw new CliError(message, { exit, code, hint });
  }
}

/** Whether a secret is shown that went into a profile. */
export const showSecretOption = /** @type {const} */ ({
  "show-secret": { type: "boolean", describe: "Show the secret, too, also with --json" },
});

/**
 * Nothing on standard output but what was asked for.
 * @param {Global} argv
 * @param {unknown} document
 * @param {() => unknown} show
 */
export async function show(argv, document, show) {
  if (argv.json) await printJson(document);
  else await show();
}
