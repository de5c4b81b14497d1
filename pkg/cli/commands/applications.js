// Applications, their secrets, and the app roles that they are granted.

import { pathOf } from "../client.js";
import { connect, hint, show, showList, showSecret } from "../context.js";
import { GRANT_TYPES, KINDS, MODES } from "../directory/schema.js";
import { CliError, EXIT, usage } from "../errors.js";
import { checkLimit, given, listing, momentOf, secondsOf, somethingOf, yes } from "../options.js";
import {
  Table,
  counted,
  details,
  distance,
  duration,
  howFar,
  paint,
  shortTime,
  tell,
  time,
  write,
} from "../output.js";
import { confirm } from "../prompt.js";

/** @typedef {import("yargs").Argv<import("../context.js").Global>} Yargs */

/** @type {import("../output.js").Column<any>[]} */
const COLUMNS = [
  { title: "CLIENT ID", of: ({ clientId }) => clientId },
  { title: "NAME", of: nameAlone, loose: true },
  {
    title: "KIND",
    of: ({ kind, disabled }) => (disabled ? `${kind}, disabled` : kind),
    short: ({ kind, disabled }) => (disabled ? "disabled" : kind),
    style: ({ disabled }) => (disabled ? "red" : undefined),
  },
  {
    title: "SECRETS",
    of: ({ secrets }) => secretsText(secrets),
    short: ({ secrets }) => secretsText(secrets).replace(/ends in |ends /, ""),
  },
  {
    title: "APIS",
    of: ({ assignments }) => (assignments ?? []).map((/** @type {any} */ { api }) => api).join(" "),
    loose: true,
    spare: 1,
  },
];

/**
 * The display name; nothing if there is none, for which the service has the id.
 * @param {any} item an application, or a secret
 */
function nameAlone({ displayName, clientId, keyId }) {
  return displayName === (keyId ?? clientId) ? "" : (displayName ?? "");
}

/** Whether it serves now. @param {any} secret */
function stateOf({ starts, ends }) {
  const now = Date.now() / 1000;
  return ends <= now ? "lapsed" : starts > now ? "waiting" : "valid";
}
/** @type {Record<string, "green" | "cyan" | "red">} */
const SECRET_STATES = { valid: "green", waiting: "cyan", lapsed: "red" };

/** @type {import("../output.js").Column<any>[]} */
const SECRETS = [
  { title: "KEY ID", of: ({ keyId }) => keyId },
  { title: "NAME", of: nameAlone, loose: true },
  { title: "BEGINS WITH", of: ({ hint }) => hint },
  { title: "STATE", of: stateOf, spare: 2, style: (one) => SECRET_STATES[stateOf(one)] },
  {
    title: "STARTS",
    of: ({ starts }) => shortTime(starts),
    short: ({ starts }) => howFar(starts),
    spare: 1,
  },
  {
    title: "ENDS",
    of: ({ ends }) => shortTime(ends),
    short: ({ ends }) => howFar(ends),
    style: ({ ends }) => endStyle(ends),
  },
];

/** @param {any[] | undefined} secrets how many are valid, and when the last of them ends */
function secretsText(secrets) {
  const now = Date.now() / 1000;
  const valid = (secrets ?? []).filter(({ ends }) => ends > now);
  if (valid.length === 0) return secrets?.length ? "lapsed" : "none";
  const last = Math.max(...valid.map(({ ends }) => ends));
  return `${valid.length}, ends ${distance(last - now)}`;
}

/** Red once it is over, yellow in its last fortnight. @param {number} ends */
function endStyle(ends) {
  const left = ends - Date.now() / 1000;
  return left <= 0 ? "red" : left < 14 * 86400 ? "yellow" : undefined;
}

/** @param {any} app */
async function showApplication(app) {
  const { refresh } = app;
  await write(
    details([
      ["client id", app.clientId],
      ["name", nameAlone(app)],
      ["kind", app.kind],
      ["state", app.disabled ? paint("red", "disabled") : "enabled"],
      ["grant types", (app.grantTypes ?? []).join(" ")],
      ["redirect URIs", (app.redirectUris ?? []).join(" ")],
      refresh && app.grantTypes?.includes("refresh_token")
        ? [
            "refresh tokens",
            `${refresh.mode}, grace ${duration(refresh.grace)}, idle ${duration(refresh.idle)}, at most ${duration(refresh.absolute)}`,
          ]
        : undefined,
      ["introspects", (app.introspects ?? []).join(" ")],
      ["created", time(app.createdAt)],
    ]),
  );
  if (app.secrets?.length > 0) await write(`\n${new Table(SECRETS).lines(app.secrets)}`);
  /** @type {import("../output.js").Column<any>[]} */
  const columns = [
    { title: "API", of: ({ api }) => api },
    { title: "APP ROLES", of: ({ roles }) => roles.join(" ") },
    {
      title: "GRANTED",
      of: ({ assignedAt }) => shortTime(assignedAt),
      short: ({ assignedAt }) => howFar(assignedAt),
      spare: 1,
    },
  ];
  if (app.assignments?.length > 0) await write(`\n${new Table(columns).lines(app.assignments)}`);
}

/** What a user may say of an application. */
const members = /** @type {const} */ ({
  name: { type: "string", describe: "Display name" },
  "grant-type": {
    type: "string",
    array: true,
    choices: GRANT_TYPES,
    describe: "May be given several times",
  },
  "redirect-uri": { type: "string", array: true, describe: "May be given several times" },
  introspects: {
    type: "string",
    array: true,
    describe: "An API whose tokens it may introspect; several times",
  },
  "refresh-mode": { choices: MODES, describe: "Of refresh tokens" },
  "refresh-grace": {
    type: "string",
    describe: "How long a token that was just replaced still serves: 10s",
  },
  "refresh-idle": { type: "string", describe: "A session ends if it is not used for so long: 30d" },
  "refresh-absolute": { type: "string", describe: "A session ends at the latest: 90d" },
});

/** @param {any} argv @param {any} [before] the policy that is there */
function bodyOf(argv, before) {
  const refresh = given({
    mode: argv.refreshMode,
    grace: secondsOf("refresh-grace", argv.refreshGrace),
    idle: secondsOf("refresh-idle", argv.refreshIdle),
    absolute: secondsOf("refresh-absolute", argv.refreshAbsolute),
  });
  const none = (/** @type {string[] | undefined} */ list) => list?.filter((item) => item !== "");
  return {
    displayName: argv.name,
    grantTypes: argv.grantType,
    redirectUris: none(argv.redirectUri),
    refresh: Object.keys(refresh).length === 0 ? undefined : { ...before, ...refresh },
    introspects: none(argv.introspects),
  };
}

/** @param {Yargs} command */
const application = (command) =>
  command.positional("application", {
    type: "string",
    describe: "Its client id",
    demandOption: true,
  });

/** @param {any} argv */
const placeOf = (argv) => `/applications${pathOf(argv.application)}`;

/** @param {Yargs} cli */
export function apps(cli) {
  return cli
    .command(
      "create",
      "Register an application",
      (command) =>
        command
          .options({
            ...members,
            "client-id": { type: "string", describe: "An id to keep; a random UUID by default" },
            kind: { choices: KINDS, describe: "confidential by default" },
          })
          .example('$0 apps create --name "Order worker"', "A service; add a secret next")
          .example(
            "$0 apps create --name Shop --kind public --redirect-uri https://shop.example.com/callback",
            "A single-page application that signs users in",
          ),
      async (argv) => {
        const client = await connect(argv);
        const body = given({ clientId: argv.clientId, kind: argv.kind, ...bodyOf(argv) });
        const answer = await client.request("POST", "/applications", { creates: true, body });
        await show(argv, answer.body, () => showApplication(answer.body));
        if (answer.body.kind === "confidential") {
          hint(`Next: edgemint secrets add ${answer.body.clientId}`);
        }
      },
    )
    .command(
      ["list", "ls"],
      "List the applications",
      (command) =>
        command
          .options(listing)
          .check((argv) => (checkLimit(argv), true))
          .example("$0 apps list", "All of them, a table")
          .example("$0 apps list --json | jq -r '.items[].clientId'", "Their ids"),
      async (argv) => {
        const client = await connect(argv);
        await showList(
          client.pages("/applications", argv),
          COLUMNS,
          argv,
          "There are no applications.",
        );
      },
    )
    .command(
      "show <application>",
      "Show an application, its secrets and its app roles",
      (command) =>
        application(command).example("$0 apps show 7c2f4e1a-0d1b-4f7e-9a53-2b8f6f0a9c11", ""),
      async (argv) => {
        const { body } = await (await connect(argv)).request("GET", placeOf(argv));
        await show(argv, body, () => showApplication(body));
      },
    )
    .command(
      "update <application>",
      "Change an application; what is not given stays",
      (command) =>
        application(command)
          .options(members)
          .example('$0 apps update 7c2f4e1a-... --name "Order worker"', "")
          .example("$0 apps update 7c2f4e1a-... --refresh-idle 14d", "")
          .example("$0 apps update 7c2f4e1a-... --redirect-uri ''", "No redirect URI any more"),
      async (argv) => {
        somethingOf(bodyOf(argv));
        const answer = await edit(argv, (app) => somethingOf(bodyOf(argv, app.refresh)));
        await show(argv, answer, () => showApplication(answer));
      },
    )
    .command(
      "disable <application>",
      "Give it no more tokens, and end its sessions' use",
      (command) =>
        application(command)
          .options({ yes: { ...yes.yes, describe: "Nothing is asked: `enable` undoes it" } })
          .example("$0 apps disable 7c2f4e1a-...", ""),
      async (argv) => {
        const answer = await edit(argv, () => ({ disabled: true }));
        await show(argv, answer, () =>
          tell(`Disabled ${nameOf(answer)}: no more tokens, everywhere within about a minute.`),
        );
      },
    )
    .command(
      "enable <application>",
      "Let it have tokens again",
      (command) => application(command).example("$0 apps enable 7c2f4e1a-...", ""),
      async (argv) => {
        const answer = await edit(argv, () => ({ disabled: false }));
        await show(argv, answer, () => tell(`Enabled ${nameOf(answer)}.`));
      },
    )
    .command(
      ["delete <application>", "rm <application>"],
      "Delete an application, its secrets and its app roles",
      (command) => application(command).options(yes).example("$0 apps delete 7c2f4e1a-...", ""),
      async (argv) => {
        const client = await connect(argv);
        const { body, etag } = await client.request("GET", placeOf(argv));
        await confirm(`Delete ${nameOf(body)}, its secrets and its app roles for good?`, argv.yes);
        await client.request("DELETE", placeOf(argv), { ifMatch: etag });
        tell(`Deleted ${nameOf(body)}.`);
      },
    );
}

/**
 * Changes an application as it was read. @param {any} argv
 * @param {(app: any) => Record<string, unknown> | Promise<Record<string, unknown>>} change
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

/** @param {any} app */
const nameOf = ({ clientId, displayName }) =>
  displayName && displayName !== clientId ? `${displayName} (${clientId})` : clientId;

/** @param {Yargs} cli */
export function secrets(cli) {
  return cli
    .command(
      "add <application>",
      "Add a secret; it is shown once",
      (command) =>
        application(command)
          .options({
            name: { type: "string", describe: "Display name, to tell it from others" },
            starts: { type: "string", describe: "Serves from then on: 2027-01-31, or 2h from now" },
            ends: {
              type: "string",
              describe: "Serves until then: 2027-01-31, or 90d from now; 180 days by default",
            },
            "from-env": {
              type: "string",
              describe: "Keep the secret in this variable instead of making one",
            },
          })
          .example("$0 secrets add 7c2f4e1a-... --name 2027 --ends 365d", "")
          .example(
            "$0 secrets add 7c2f4e1a-... | npx wrangler secret put CLIENT_SECRET",
            "Nobody sees it",
          )
          .example(
            "$0 secrets add 7c2f4e1a-... --from-env OLD_SECRET",
            "One that is in use already",
          ),
      async (argv) => {
        const variable = argv.fromEnv;
        const secret = variable === undefined ? undefined : process.env[variable];
        if (variable !== undefined && !secret) throw usage(`${variable} is not set`);
        const body = given({
          displayName: argv.name,
          secret,
          starts: momentOf("starts", argv.starts),
          ends: momentOf("ends", argv.ends),
        });
        const client = await connect(argv);
        const answer = await client.request("POST", `${placeOf(argv)}/secrets`, {
          creates: true,
          body,
        });
        await show(argv, answer.body, () => showSecret(answer.body));
        if (!argv.json) hint("It is good everywhere within about a minute.");
      },
    )
    .command(
      ["list <application>", "ls <application>"],
      "List the secrets of an application; not what they are",
      (command) => application(command).example("$0 secrets list 7c2f4e1a-...", ""),
      async (argv) => {
        const { body } = await (await connect(argv)).request("GET", placeOf(argv));
        await show(argv, { items: body.secrets }, async () => {
          if (body.secrets.length === 0) hint("It has no secrets.");
          else await write(new Table(SECRETS).lines(body.secrets));
        });
      },
    )
    .command(
      ["remove <application> <key>", "rm <application> <key>"],
      "Remove a secret",
      (command) =>
        application(command)
          .positional("key", {
            type: "string",
            describe: "Its key id, as `list` shows it",
            demandOption: true,
          })
          .options(yes)
          .example("$0 secrets remove 7c2f4e1a-... 5e0c...", ""),
      async (argv) => {
        const client = await connect(argv);
        const { body, etag } = await client.request("GET", placeOf(argv));
        const now = Date.now() / 1000;
        const found = body.secrets.find((/** @type {any} */ { keyId }) => keyId === argv.key);
        if (!found) {
          throw new CliError(`${nameOf(body)} has no secret ${argv.key}`, {
            exit: EXIT.notFound,
            code: "not_found",
            hint: `See \`edgemint secrets list ${body.clientId}\``,
          });
        }
        const left = body.secrets.filter(
          (/** @type {any} */ one) => one !== found && one.starts <= now && one.ends > now,
        );
        const warning =
          left.length === 0 ? " It has no other that is valid now: it will get no token." : "";
        const named = nameAlone(found)
          ? `${found.displayName} (${found.hint}...)`
          : `${found.hint}...`;
        await confirm(`Remove the secret ${named} of ${nameOf(body)}?${warning}`, argv.yes);
        await client.request("DELETE", `${placeOf(argv)}/secrets${pathOf(argv.key)}`, {
          ifMatch: etag,
        });
        tell(
          `Removed; ${counted(left.length, "valid secret")} left. ` +
            "It is refused everywhere within about a minute.",
        );
      },
    );
}

/** @param {Yargs} command */
const consent = (command) =>
  application(command).positional("api", {
    type: "string",
    describe: "Its identifier URI",
    demandOption: true,
  });

/** @param {any} argv */
const assignmentOf = (argv) => `${placeOf(argv)}/assignments${pathOf(argv.api)}`;

/** @param {Yargs} cli */
export function consents(cli) {
  return cli
    .command(
      "grant <application> <api> <role..>",
      "Grant app roles on an API to an application (admin consent)",
      (command) =>
        consent(command)
          .positional("role", {
            type: "string",
            demandOption: true,
            describe: "App roles of the API",
          })
          .example("$0 grant 7c2f4e1a-... api://orders Orders.Read.All", "")
          .example(
            "$0 grant 7c2f4e1a-... urn:edgemint:admin Directory.Read.All",
            "Let it administer",
          ),
      async (argv) => {
        const client = await connect(argv);
        const { body } = await client.request("POST", assignmentOf(argv), {
          body: { roles: [argv.role].flat() },
        });
        await show(argv, body, () => tell(rolesLine(body, argv.api)));
      },
    )
    .command(
      "revoke <application> <api> [role..]",
      "Take app roles on an API from an application; all of them by default",
      (command) =>
        consent(command)
          .positional("role", { type: "string", describe: "App roles to take" })
          .options(yes)
          .example("$0 revoke 7c2f4e1a-... api://orders Orders.Write.All", "")
          .example("$0 revoke 7c2f4e1a-... api://orders --yes", "Every role"),
      async (argv) => {
        const client = await connect(argv);
        const { body, etag } = await client.request("GET", placeOf(argv));
        const assigned = body.assignments.find((/** @type {any} */ { api }) => api === argv.api);
        const named = [argv.role ?? []].flat();
        /** @type {string[]} */
        const going = named.length > 0 ? named : (assigned?.roles ?? []);
        const absent = going.filter((role) => !assigned?.roles.includes(role));
        if (!assigned || absent.length > 0) {
          const what = absent.length > 0 ? absent.join(", ") : "no app role";
          throw new CliError(
            assigned
              ? `${nameOf(body)} does not have ${what} on ${argv.api}`
              : `${nameOf(body)} has no app role on ${argv.api}`,
            {
              exit: EXIT.notFound,
              code: "not_found",
              hint: `See \`edgemint apps show ${body.clientId}\``,
            },
          );
        }
        await confirm(`Take ${going.join(", ")} on ${argv.api} from ${nameOf(body)}?`, argv.yes);
        const left = assigned.roles.filter((/** @type {string} */ role) => !going.includes(role));
        if (left.length === 0) {
          await client.request("DELETE", assignmentOf(argv), { ifMatch: etag });
          const after = {
            ...body,
            assignments: body.assignments.filter((/** @type {any} */ one) => one !== assigned),
          };
          if (argv.json)
            return show(argv, (await client.request("GET", placeOf(argv))).body, () => {});
          tell(rolesLine(after, argv.api));
          return;
        }
        const answer = await client.request("PUT", assignmentOf(argv), {
          ifMatch: etag,
          body: { roles: left },
        });
        await show(argv, answer.body, () => tell(rolesLine(answer.body, argv.api)));
      },
    );
}

/** @param {any} app @param {string} api */
function rolesLine(app, api) {
  const assigned = app.assignments.find((/** @type {any} */ one) => one.api === api);
  const roles = assigned?.roles.join(", ") ?? "";
  return `${nameOf(app)} has ${roles === "" ? "no app role" : roles} on ${api}.`;
}
