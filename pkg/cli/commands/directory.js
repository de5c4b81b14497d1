// The directory as a file: `apply` makes the tenant as the file says, `export` writes the file.

import { readFile, writeFile } from "node:fs/promises";
import { connect, hint } from "../context.js";
import { speaks, tellWhenItSigns } from "../dialects.js";
import { carryOut } from "../directory/carry-out.js";
import { ADMIN_API, adminRoles } from "../directory/administration.js";
import { heading, plan } from "../directory/plan.js";
import { readDirectory } from "../directory/read.js";
import { diffLines, planDocument, summary } from "../directory/show.js";
import {
  apiItem,
  applicationItem,
  by,
  tenantItem,
  withoutLeftovers,
  yamlOf,
} from "../directory/write.js";
import { CliError, EXIT, fileReason, oneLine, usage } from "../errors.js";
import { yes } from "../options.js";
import { counted, paint, print, printJson, write } from "../output.js";
import { counter, progressBar } from "../progress.js";
import { confirm } from "../prompt.js";

/** @typedef {import("yargs").Argv<import("../context.js").Global>} Yargs */

/** @param {string} path */
async function textOf(path) {
  try {
    if (path !== "-") return await readFile(path, "utf8");
    const chunks = [];
    for await (const chunk of process.stdin) chunks.push(chunk);
    return Buffer.concat(chunks).toString("utf8");
  } catch (error) {
    throw usage(`cannot read ${path}: ${fileReason(error)}`);
  }
}

/** @param {Yargs} cli */
export function directory(cli) {
  return cli
    .command(
      "apply",
      "Make the tenant as a file says: shows what changes, asks, does it",
      (command) =>
        command
          .options({
            file: {
              alias: "f",
              type: "string",
              demandOption: true,
              requiresArg: true,
              describe: "YAML or JSON; - for standard input",
            },
            "dry-run": {
              type: "boolean",
              describe: "Only show what would be done; exit code 6 if there is anything",
            },
            prune: {
              type: "boolean",
              describe: "Remove applications, APIs and assignments that are not in the file",
            },
            full: { type: "boolean", describe: "Show every change, however many" },
            ...yes,
          })
          .example("$0 apply -f directory.yaml --dry-run", "What would be done")
          .example("$0 apply -f directory.yaml", "Shows it, asks, does it")
          .example("$0 apply -f directory.yaml --yes --prune", "In CI: the file is the truth")
          .epilog(
            "Sections (tenant, apis, applications) and members that are not in the file stay as they are. " +
              "Secrets are never in the file; a new application may take one from the environment: " +
              "secrets: [{ displayName: imported, fromEnv: ORDERS_SECRET }].",
          ),
      apply,
    )
    .command(
      "export",
      "Write the directory as a file that `apply` takes",
      (command) =>
        command
          .options({
            file: {
              alias: "f",
              type: "string",
              requiresArg: true,
              describe: "Where to; standard output by default",
            },
          })
          .example("$0 export -f directory.yaml", "")
          .example("$0 export | git diff --no-index directory.yaml -", "What was changed by hand"),
      exportDirectory,
    );
}

/** @param {any} argv */
async function apply(argv) {
  const name = argv.file === "-" ? "standard input" : argv.file;
  const text = await textOf(argv.file);
  const reading = counter("Reading the file: applications");
  const wanted = readDirectory(text, name, reading.update);
  reading.stop();
  const client = await connect(argv);
  const comparing = counter("Comparing with the directory:");
  const { steps, unlisted, keptSelf } = await plan(
    client,
    wanted,
    argv,
    process.env,
    comparing.update,
  );
  comparing.stop();

  if (!argv.json) {
    for (const line of diffLines(steps, argv.full)) await print(line);
    if (steps.length > 0) await print("");
  }
  if (keptSelf)
    hint(
      "The application of this profile is not in the file. It stays: remove it with another one.",
    );
  if (unlisted.length > 0 && !argv.prune) {
    hint(
      `Not in the file: ${someOf(unlisted)}. --prune removes ${unlisted.length === 1 ? "it" : "them"}.`,
    );
  }
  const finish = async (/** @type {boolean} */ applied, /** @type {string} */ line) =>
    argv.json ? printJson(planDocument(steps, applied)) : print(line);
  if (steps.length === 0) return finish(false, "Nothing to do.");
  if (argv.dryRun) {
    await finish(false, `To do: ${summary(steps, ["to add", "to change", "to remove"])}.`);
    process.exitCode = EXIT.differences;
    return;
  }
  const { url, tenant } = client.profile;
  const question = `${summary(steps, ["to add", "to change", "to remove"])}. Do it in ${tenant} at ${url}?`;
  await confirm(question, argv.yes);
  const bar = await progressBar("Applying", steps.length);
  try {
    await carryOut(client, steps, { prune: argv.prune === true, env: process.env }, bar.update);
  } finally {
    bar.stop();
  }
  await finish(
    true,
    `${paint("green", "Done")}: ${summary(steps, ["added", "changed", "removed"])}.`,
  );
  const turnedOn = steps.some(({ kind, update }) => kind === "tenant" && speaks(update?.patch ?? {}));
  if (turnedOn) await tellWhenItSigns(client);
}

/** The first of them, and how many more there are. @param {string[]} names @param {string} [between] */
function someOf(names, between = ", ") {
  const more = names.length - SOME;
  const shown = oneLine(names.slice(0, SOME).join(between));
  return more > 0 ? `${shown} and ${more.toLocaleString("en")} more` : shown;
}
/** So many are named. */
const SOME = 5;

/** @param {any} argv */
async function exportDirectory(argv) {
  const client = await connect(argv);
  const reading = counter("Reading the directory:");
  let read = 0;
  const all = async (
    /** @type {string} */ path,
    /** @type {(item: any) => any} */ itemOf,
    /** @type {string} */ id,
  ) => {
    const items = [];
    for await (const page of client.pages(path)) {
      for (const item of page.items) items.push(itemOf(item));
      reading.update((read += page.items.length));
    }
    return items.sort(by(id));
  };
  const { body } = await client.request("GET", "/tenant");
  const valuesOf = (/** @type {any[]} */ roles) => new Set(roles.map(({ value }) => value));
  const declared = new Map([[ADMIN_API, { roles: valuesOf(adminRoles()), createdAt: 0 }]]);
  /** @param {any} api */
  const knownApi = (api) => {
    const { identifier, roles, createdAt } = api;
    if (identifier !== ADMIN_API) declared.set(identifier, { roles: valuesOf(roles), createdAt });
    return apiItem(api);
  };
  /** @type {string[]} */
  const leftOut = [];
  /** @param {any} one */
  const present = (one) => {
    const { application, gone } = withoutLeftovers(one, declared);
    leftOut.push(...gone);
    return applicationItem(application);
  };
  const known = await all("/apis", knownApi, "identifier");
  const directory = {
    tenant: tenantItem(body),
    apis: known.filter(({ identifier }) => identifier !== ADMIN_API),
    applications: await all("/applications", present, "clientId"),
  };
  reading.stop();
  if (leftOut.length > 0) {
    hint(`Left out, since the APIs do not declare them any more: ${someOf(leftOut, "; ")}.`);
  }
  const parts = argv.json
    ? [`${JSON.stringify(directory, null, 2)}\n`]
    : yamlOf(directory, heading(client));
  if (argv.file === undefined || argv.file === "-") {
    for (const part of parts) await write(part);
    return;
  }
  try {
    await writeFile(argv.file, parts);
  } catch (error) {
    throw new CliError(`cannot write ${argv.file}: ${fileReason(error)}`);
  }
  const { apis, applications } = directory;
  hint(
    `Wrote ${argv.file}: ${counted(apis.length, "API")}, ${counted(applications.length, "application")}.`,
  );
}
