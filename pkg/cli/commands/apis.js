// APIs, the app roles that they expose to applications, and the scopes to users.

import { pathOf } from "../client.js";
import { connect, hint, show, showList } from "../context.js";
import { ADMIN_API, adminRoles } from "../directory/administration.js";
import { ALGORITHMS } from "../directory/schema.js";
import { CliError, EXIT } from "../errors.js";
import { checkLimit, declaredOf, given, listing, secondsOf, somethingOf, yes } from "../options.js";
import { Table, details, duration, tell, time, write } from "../output.js";
import { confirm } from "../prompt.js";

/** @typedef {import("yargs").Argv<import("../context.js").Global>} Yargs */

/** @param {any[] | undefined} list */
const values = (list) => (list ?? []).map(({ value }) => value).join(" ");

/** @type {import("../output.js").Column<any>[]} */
const COLUMNS = [
  { title: "IDENTIFIER", of: ({ identifier }) => identifier },
  { title: "NAME", of: nameAlone, loose: true, spare: 2 },
  { title: "APP ROLES", of: ({ roles }) => values(roles), loose: true },
  { title: "SCOPES", of: ({ scopes }) => values(scopes), loose: true },
  {
    title: "WITHOUT A ROLE",
    of: ({ assignmentRequired }) => (assignmentRequired ? "no token" : "a token"),
    spare: 1,
  },
];

/** The display name; nothing if it has the service's, the identifier. @param {any} api */
function nameAlone({ displayName, identifier }) {
  return displayName === identifier ? "" : displayName;
}

/** @type {import("../output.js").Column<any>[]} */
const DECLARED = [
  { title: "VALUE", of: ({ value }) => value },
  {
    title: "NAME",
    of: ({ displayName, value }) => (displayName === value ? "" : (displayName ?? "")),
    loose: true,
  },
  { title: "ID", of: ({ id }) => id ?? "" },
];
const WITHOUT_ID = DECLARED.slice(0, 2);

/**
 * What matters to Microsoft's dialects only: of an API that has none of it, nothing.
 * @param {any} api
 * @returns {([string, string] | undefined)[]}
 */
const dialectRows = ({ appId, requestedAccessTokenVersion: version, optionalClaims }) => [
  appId === undefined ? undefined : ["app id", appId],
  version === undefined && appId === undefined
    ? undefined
    : ["token version", `${version ?? "2 (default)"}`],
  optionalClaims?.length > 0 ? ["optional claims", optionalClaims.join(" ")] : undefined,
];

/** @param {any} api */
async function showApi(api) {
  await write(
    details([
      ["identifier", api.identifier],
      ["name", nameAlone(api)],
      ["without a role", api.assignmentRequired ? "no token" : "a token without roles"],
      ["algorithm", api.algorithm ?? "as the tenant"],
      [
        "tokens live",
        api.accessTokenLifetime ? duration(api.accessTokenLifetime) : "as long as the tenant's",
      ],
      ...dialectRows(api),
      ["created", time(api.createdAt)],
    ]),
  );
  if (api.roles?.length > 0) await write(`\nApp roles\n${new Table(DECLARED).lines(api.roles)}`);
  if (api.scopes?.length > 0) await write(`\nScopes\n${new Table(WITHOUT_ID).lines(api.scopes)}`);
}

const members = /** @type {const} */ ({
  name: { type: "string", describe: "Display name" },
  "assignment-required": {
    type: "boolean",
    describe: "Refuse a token to an application without a role on it",
  },
  algorithm: {
    choices: [...ALGORITHMS, "tenant"],
    describe: "Of its tokens; as the tenant says by default",
  },
  "access-token-lifetime": { type: "string", describe: "15m, 1h; `tenant` for as the tenant says" },
  "app-id": { type: "string", describe: "Its app id for Entra and B2C: a UUID" },
  "token-version": { type: "number", choices: [1, 2], describe: "Of its tokens from Entra" },
  idtyp: { type: "boolean", describe: "Tell applications apart in its tokens from Entra" },
});

/** @param {any} argv */
function bodyOf(argv) {
  const lifetime = argv.accessTokenLifetime;
  return {
    displayName: argv.name,
    assignmentRequired: argv.assignmentRequired,
    algorithm: argv.algorithm === "tenant" ? null : argv.algorithm,
    accessTokenLifetime:
      lifetime === "tenant" ? null : secondsOf("access-token-lifetime", lifetime),
    appId: argv.appId,
    requestedAccessTokenVersion: argv.tokenVersion,
    optionalClaims: argv.idtyp === undefined ? undefined : argv.idtyp ? ["idtyp"] : [],
  };
}

/** @param {Yargs} command */
const identifier = (command) =>
  command.positional("api", { type: "string", describe: "Its identifier URI", demandOption: true });

/** @param {any} argv */
const placeOf = (argv) => `/apis${pathOf(argv.api)}`;

/** @param {Yargs} cli */
export function apis(cli) {
  return cli
    .command(
      "create <api>",
      "Register an API",
      (command) =>
        identifier(command)
          .options({
            ...members,
            role: {
              type: "string",
              array: true,
              describe: "An app role: VALUE, or VALUE=Display name; several times",
            },
            scope: { type: "string", array: true, describe: "A scope, likewise" },
          })
          .example(
            "$0 apis create api://orders --role Orders.Read.All --role 'Orders.Write.All=Change orders'",
            "",
          )
          .example("$0 apis create api://orders --assignment-required", "No token without a role"),
      async (argv) => {
        const left = Object.entries(bodyOf(argv)).filter(([, value]) => value !== null);
        const body = given({
          identifier: argv.api,
          ...Object.fromEntries(left),
          roles: argv.role?.map(declaredOf),
          scopes: argv.scope?.map(declaredOf),
        });
        const answer = await (
          await connect(argv)
        ).request("POST", "/apis", { creates: true, body });
        await show(argv, answer.body, () => showApi(answer.body));
      },
    )
    .command(
      ["list", "ls"],
      "List the APIs",
      (command) =>
        command
          .options(listing)
          .check((argv) => (checkLimit(argv), true))
          .example("$0 apis list", ""),
      async (argv) => {
        const client = await connect(argv);
        await showList(client.pages("/apis", argv), COLUMNS, argv, "There are no APIs.");
      },
    )
    .command(
      "show <api>",
      "Show an API, its app roles and its scopes",
      (command) => identifier(command).example("$0 apis show api://orders", ""),
      async (argv) => {
        const { body } = await (await connect(argv)).request("GET", placeOf(argv));
        await show(argv, body, () => showApi(body));
      },
    )
    .command(
      "update <api>",
      "Change an API; what is not given stays",
      (command) =>
        identifier(command)
          .options(members)
          .example("$0 apis update api://orders --access-token-lifetime 15m", "")
          .example("$0 apis update api://orders --no-assignment-required", ""),
      async (argv) => {
        const body = somethingOf(bodyOf(argv));
        const answer = await edit(argv, () => body);
        await show(argv, answer, () => showApi(answer));
      },
    )
    .command(
      ["delete <api>", "rm <api>"],
      "Delete an API",
      (command) => identifier(command).options(yes).example("$0 apis delete api://orders", ""),
      async (argv) => {
        const client = await connect(argv);
        const { etag } = await client.request("GET", placeOf(argv));
        await confirm(`Delete the API ${argv.api}? Nobody gets a token for it any more.`, argv.yes);
        await client.request("DELETE", placeOf(argv), { ifMatch: etag });
        tell(`Deleted ${argv.api}.`);
      },
    );
}

/**
 * @param {any} argv
 * @param {(api: any) => Record<string, unknown> | Promise<Record<string, unknown>>} change
 */
async function edit(argv, change) {
  const client = await connect(argv);
  const { body, etag } = await client.request("GET", placeOf(argv));
  const answer = await client.request("PATCH", placeOf(argv), {
    ifMatch: etag,
    body: await change(body),
  });
  return answer.body;
}

/**
 * The commands for what an API declares. @param {"roles" | "scopes"} member @param {string} noun
 * @param {[string, string]} examples values
 * @returns {(cli: Yargs) => Yargs}
 */
const declaredCommands =
  (member, noun, [one, other]) =>
  (cli) =>
    cli
      .command(
        "add <api> <value>",
        `Declare ${noun} of an API`,
        (command) =>
          identifier(command)
            .positional("value", { type: "string", demandOption: true, describe: `Such as ${one}` })
            .option("name", { type: "string", describe: "Display name" })
            .example(`$0 ${member} add api://orders ${one} --name "Read every order"`, ""),
        async (argv) => {
          const answer = await edit(argv, (api) => {
            if (api[member].some((/** @type {any} */ { value }) => value === argv.value)) {
              throw new CliError(`${argv.api} has ${argv.value} already`, {
                exit: EXIT.conflict,
                code: "exists",
              });
            }
            const known = api[member].map(sent);
            return { [member]: [...known, given({ value: argv.value, displayName: argv.name })] };
          });
          await show(argv, answer, () => tell(`${argv.api} has ${argv.value} now.`));
        },
      )
      .command(
        ["list <api>", "ls <api>"],
        `List what an API declares as ${member}`,
        (command) => {
          const own = identifier(command).example(`$0 ${member} list api://orders`, "");
          if (member === "scopes") return own;
          return own.example(`$0 roles list ${ADMIN_API}`, "Those of the administration");
        },
        async (argv) => {
          const isFixed = member === "roles" && argv.api === ADMIN_API;
          const items = isFixed
            ? adminRoles()
            : (await (await connect(argv)).request("GET", placeOf(argv))).body[member];
          const columns = member === "roles" && !isFixed ? DECLARED : WITHOUT_ID;
          await show(argv, { items }, async () => {
            if (items.length === 0) hint(`${argv.api} declares no ${member}.`);
            else await write(new Table(columns).lines(items));
          });
        },
      )
      .command(
        ["remove <api> <value..>", "rm <api> <value..>"],
        `Take ${member} from an API`,
        (command) =>
          identifier(command)
            .positional("value", {
              type: "string",
              array: true,
              demandOption: true,
              describe: "Which",
            })
            .options(yes)
            .example(`$0 ${member} remove api://orders ${other}`, ""),
        async (argv) => {
          const answer = await edit(argv, async (api) => {
            const absent = argv.value.filter(
              (/** @type {string} */ one) =>
                !api[member].some((/** @type {any} */ { value }) => value === one),
            );
            if (absent.length > 0) {
              throw new CliError(`${argv.api} has no ${absent.join(", ")}`, {
                exit: EXIT.notFound,
                code: "not_found",
                hint: `See \`edgemint ${member} list ${argv.api}\``,
              });
            }
            await confirm(
              `Take ${argv.value.join(", ")} from ${argv.api}? No token has it any more.`,
              argv.yes,
            );
            const left = api[member].filter(
              (/** @type {any} */ { value }) => !argv.value.includes(value),
            );
            return { [member]: left.map(sent) };
          });
          await show(argv, answer, () => tell(`Took ${argv.value.join(", ")} from ${argv.api}.`));
        },
      );

/** What a PATCH takes of what an API declares. @param {any} one */
const sent = ({ value, displayName }) => given({ value, displayName });

export const roles = declaredCommands("roles", "an app role", [
  "Orders.Read.All",
  "Orders.Write.All",
]);
export const scopes = declaredCommands("scopes", "a scope", ["Orders.Read", "Orders.Write"]);
