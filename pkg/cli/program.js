// The commands, put together, and what is the same for all of them.

import { createRequire } from "node:module";
import yargs from "yargs";
import { apis, roles, scopes } from "./commands/apis.js";
import { apps, consents, secrets } from "./commands/applications.js";
import { directory } from "./commands/directory.js";
import { entries } from "./commands/profiles.js";
import { serve } from "./commands/serve.js";
import { events, keys, sessions, tenant } from "./commands/tenant.js";
import { token } from "./commands/token.js";
import { completionsOf } from "./completion.js";
import { CliError, EXIT, EXIT_MEANINGS, lineOf, usage } from "./errors.js";
import { FileError } from "./directory/read.js";
import { paint, tell, write } from "./output.js";

/** @typedef {import("yargs").Argv<import("./context.js").Global>} Yargs */

// Node 20 warns of JSON modules.
const { version } = createRequire(import.meta.url)("../package.json");

/** @type {[string, string, (cli: Yargs) => Yargs][]} */
const GROUPS = [
  ["apps", "Applications: register, change, disable, delete", apps],
  ["secrets", "Secrets of an application", secrets],
  ["apis", "APIs: register, change, delete", apis],
  ["roles", "App roles that an API exposes to applications", roles],
  ["scopes", "Scopes that an API exposes to users", scopes],
  ["keys", "Signing keys: rotate, remove, reseal", keys],
  ["sessions", "Sessions of users", sessions],
  ["tenant", "The tenant itself, and further tenants", tenant],
];

const EPILOG = `Exit codes
${EXIT_MEANINGS.map(([code, meaning]) => `  ${`${code}`.padEnd(3)}  ${meaning}`).join("\n")}

Environment
  EDGEMINT_URL, EDGEMINT_TENANT, EDGEMINT_CLIENT_ID, EDGEMINT_CLIENT_SECRET  instead of a profile
  EDGEMINT_PROFILE  the profile, as --profile
  EDGEMINT_CONFIG   where profiles are kept; edgemint/config.json of $XDG_CONFIG_HOME by default
  NO_COLOR          no colours`;

/** What runs, for the messages. */
let running = "";

/** How it begins when a word of a command is missing. */
const TOO_FEW = "something is missing";

const seeHelp = () => `See \`edgemint ${running === "" ? "" : `${running} `}--help\``;

/**
 * A usage error in plain words: which word of the command is missing, as its help calls it.
 * @param {unknown} error
 */
async function inWords(error) {
  if (!(error instanceof CliError) || !error.message.startsWith(TOO_FEW)) return error;
  const help = await program(running.split(" ")).getHelp();
  const given = Number(/\d+/.exec(error.message)?.[0]);
  const [line = ""] = help.split("\n");
  const missing = [...line.matchAll(/<([\w-]+)(?:\.\.)?>/g)].slice(given).map(([, name]) => name);
  if (missing.length === 0) return error;
  const told = missing.map((name) => {
    const [, what] = new RegExp(`^ {2}${name} {2,}(\\S.*?)(?: {2,}|$)`, "m").exec(help) ?? [];
    return what === undefined ? `<${name}>` : `<${name}> (${what})`;
  });
  return usage(`${told.join(" and ")} ${told.length === 1 ? "is" : "are"} missing`, seeHelp());
}

/** The command, as far as it is known, before anything is parsed. @param {string[]} args */
function commandOf([first = "", second = ""]) {
  const group = first === "profiles" || GROUPS.some(([name]) => name === first);
  if (group) return /^[a-z]+$/.test(second) ? `${first} ${second}` : first;
  return COMMANDS.has(first) ? first : "";
}
const COMMANDS = new Set(
  "init login profiles grant revoke events apply export token serve completion".split(" "),
);

/** @param {string[]} args */
function program(args) {
  const cli = yargs(args)
    .scriptName("edgemint")
    .usage("$0 <command>\n\nAdministers an edgemint tenant, or serves.")
    .locale("en")
    .parserConfiguration({
      "parse-positional-numbers": false,
      "greedy-arrays": false,
      "strip-aliased": true,
      "strip-dashed": true,
    })
    .options({
      profile: { type: "string", requiresArg: true, describe: "The profile to use", global: true },
      json: { type: "boolean", describe: "The API's documents on standard output", global: true },
    })
    .middleware((argv) => {
      running = commandOf(argv._.map(String));
    }, true)
    .check((argv) => (once(argv, ARRAYS), true))
    .wrap(Math.min(process.stdout.columns ?? 100, 110))
    .strict()
    .recommendCommands()
    .demandCommand(1, "which command?")
    .help()
    .alias("help", "h")
    .version(version)
    .exitProcess(false)
    .updateStrings({
      // y18n takes a text for one and a text for more here, which the types do not say.
      .../** @type {any} */ ({
        "Not enough non-option arguments: got %s, need at least %s": {
          one: `${TOO_FEW}: %s is given, %s are needed`,
          other: `${TOO_FEW}: %s are given, %s are needed`,
        },
      }),
    })
    .fail((message, error) => {
      // What is no command of a group has no help of its own.
      if (message?.startsWith("Did you mean")) [running] = running.split(" ");
      throw error ?? usage(lower(message), seeHelp());
    });
  entries(cli);
  for (const [name, describe, commands] of GROUPS) {
    cli.command(name, describe, (group) => commands(group).demandCommand(1, "which command?"));
  }
  consents(cli);
  events(cli);
  directory(cli);
  token(cli);
  serve(cli);
  return cli
    .completion("completion", "Print a completion script for bash or zsh")
    .example("$0 init --url https://auth.example.com --tenant contoso", "The first administrator")
    .example("$0 apps create --name Worker", "An application")
    .example("$0 grant 7c2f4e1a-... api://orders Orders.Read.All", "Its consent")
    .example("$0 apply -f directory.yaml --dry-run", "A directory that lives in git")
    .example("$0 serve --directory directory.yaml", "The service itself, for tests")
    .epilog(EPILOG);
}

/** What may be given several times. */
const ARRAYS = new Set(
  "_ role scope value grantType redirectUri introspects domain policy".split(" "),
);

/**
 * An option that takes one value, given twice, is a mistake.
 * @param {Record<string, unknown>} argv
 * @param {Set<string>} arrays
 */
function once(argv, arrays) {
  for (const [name, value] of Object.entries(argv)) {
    if (Array.isArray(value) && !arrays.has(name)) throw usage(`--${name} is there twice`);
  }
}

/** @param {string} message */
const lower = (message) =>
  message
    .replace(
      /^Invalid values:\s+Argument: (\S+), Given: "([^\n]*)", Choices: (.*)$/m,
      (_, name, value, choices) => `--${name} ${value} is not one of ${choices.replaceAll('"', "")}`,
    )
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean)
    .join(", ")
    .replaceAll(":, ", ": ")
    .replace(/^[A-Z](?=[a-z])/, (one) => one.toLowerCase());

/** What the scripts of `completion` ask with. */
const COMPLETIONS = "--get-yargs-completions";

/**
 * Prints the words that may come next: ids and profiles where they belong, else commands and
 * options. Never a failure: someone is in the middle of a line.
 * @param {string[]} args
 */
async function complete(args) {
  try {
    const found = await completionsOf(args.slice(2), process.env);
    if (found !== undefined) return await write(found.map((word) => `${word}\n`).join(""));
    // It prints them, and goes on to miss what is not typed yet.
    await program(args).parseAsync();
  } catch {
    // What is still under way is not waited for.
    process.exit(EXIT.ok);
  }
}

/** Runs a command line. @param {string[]} args @returns {Promise<number>} the exit code */
export async function run(args) {
  if (args[0] === COMPLETIONS) {
    await complete(args);
    return EXIT.ok;
  }
  running = commandOf(args);
  try {
    await program(args).parseAsync();
    return Number(process.exitCode ?? EXIT.ok);
  } catch (failure) {
    const error = await inWords(failure);
    if (error instanceof FileError) for (const problem of error.problems) tell(problem);
    if (error instanceof Error && process.env.EDGEMINT_DEBUG) tell(error.stack ?? "");
    tell(paint("red", lineOf(running, error), process.stderr));
    return error instanceof CliError ? error.exit : EXIT.failed;
  }
}
