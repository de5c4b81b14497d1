// The tenant: what it says of itself, its signing keys, the sessions of its users, its events.

import { setTimeout as sleep } from "node:timers/promises";
import { pathOf } from "../client.js";
import {
  connect,
  hint,
  noteEnvironment,
  show,
  showSecret,
  showSecretOption,
  storeMade,
} from "../context.js";
import { dialectOptions, dialectsOf, speaks, tellWhenItSigns } from "../dialects.js";
import { ALGORITHMS } from "../directory/schema.js";
import { usage } from "../errors.js";
import { checkLimit, given, momentOf, secondsOf, somethingOf, yes } from "../options.js";
import {
  Table,
  details,
  duration,
  howFar,
  paint,
  shortTime,
  stamp,
  tell,
  time,
  write,
} from "../output.js";
import { mayStore } from "../profile.js";
import { canAsk, confirm } from "../prompt.js";

/** @typedef {import("yargs").Argv<import("../context.js").Global>} Yargs */

/** @param {any} one */
const showTenant = (one) =>
  write(
    details([
      ["tenant", one.tenant],
      ["id", one.id],
      ["name", one.displayName],
      ["algorithm", one.algorithm],
      ["tokens live", duration(one.accessTokenLifetime)],
      ["login page", one.loginUrl ?? ""],
      ["entra", one.entra ? "yes" : "no"],
      ["domains", (one.domains ?? []).join(" ")],
      ["policies", (one.policies ?? []).join(" ")],
      ["created", time(one.createdAt)],
    ]),
  );

const members = /** @type {const} */ ({
  name: { type: "string", describe: "Display name" },
  algorithm: { choices: ALGORITHMS, describe: "Of its tokens" },
  "access-token-lifetime": { type: "string", describe: "15m, 1h" },
  "login-url": { type: "string", describe: "The page that signs users in" },
  ...dialectOptions,
});

/** @param {any} argv */
const bodyOf = (argv) => ({
  displayName: argv.name,
  algorithm: argv.algorithm,
  accessTokenLifetime: secondsOf("access-token-lifetime", argv.accessTokenLifetime),
  loginUrl: argv.loginUrl === "" ? null : argv.loginUrl,
  ...dialectsOf(argv),
});

/** @param {Yargs} cli */
export function tenant(cli) {
  return cli
    .command(
      "show",
      "Show the tenant",
      (command) => command.example("$0 tenant show", ""),
      async (argv) => {
        const { body } = await (await connect(argv)).request("GET", "/tenant");
        await show(argv, body, () => showTenant(body));
      },
    )
    .command(
      "update",
      "Change the tenant; what is not given stays",
      (command) =>
        command
          .options(members)
          .example("$0 tenant update --access-token-lifetime 15m", "")
          .example("$0 tenant update --algorithm EdDSA", "A key for it is made if there is none")
          .example("$0 tenant update --entra", "Says when its key signs"),
      async (argv) => {
        const body = somethingOf(bodyOf(argv));
        const client = await connect(argv);
        const { etag } = await client.request("GET", "/tenant");
        const answer = await client.request("PATCH", "/tenant", { ifMatch: etag, body });
        await show(argv, answer.body, () => showTenant(answer.body));
        if (speaks(body)) await tellWhenItSigns(client);
      },
    )
    .command(
      "create <tenant>",
      "Make another tenant, and its first administrator",
      (command) =>
        command
          .positional("tenant", {
            type: "string",
            demandOption: true,
            describe: "The first part of its paths",
          })
          .options({
            ...members,
            save: {
              type: "string",
              describe:
                "Store the administrator as a profile of this name instead of showing the secret",
            },
            ...showSecretOption,
          })
          .example('$0 tenant create contoso --name "Contoso Ltd" --save contoso', ""),
      async (argv) => {
        if (argv.save === "") throw usage("--save needs the name of a profile");
        const client = await connect(argv);
        if (argv.save !== undefined) await mayStore(process.env, argv.save);
        const body = given({ tenant: argv.tenant, ...bodyOf(argv) });
        const answer = await client.request("POST", "/tenants", { creates: true, body });
        const { administrator } = answer.body;
        const { secret, ...known } = administrator;
        const shown = argv.save === undefined || argv.showSecret === true;
        if (argv.save !== undefined) {
          const { url } = client.profile;
          const { clientId } = administrator;
          const profile = { url, tenant: argv.tenant, clientId, clientSecret: secret };
          await storeMade(argv.save, profile, answer.body);
          hint(`Stored as profile ${argv.save}, now the current one.`);
          noteEnvironment();
        }
        const told = shown ? answer.body : { ...answer.body, administrator: known };
        await show(argv, told, async () => {
          tell(`Made the tenant ${answer.body.tenant} (${answer.body.id}).`);
          if (shown) await showSecret(administrator);
        });
      },
    );
}

/** @type {Record<string, "green" | "cyan" | "dim">} */
const STATES = { active: "green", announced: "cyan", retired: "dim" };
/** @type {import("../output.js").Column<any>[]} */
const KEYS = [
  { title: "KID", of: ({ kid }) => kid },
  { title: "ALGORITHM", of: ({ algorithm }) => algorithm, spare: 2 },
  { title: "STATE", of: ({ state }) => state, style: ({ state }) => STATES[state] },
  {
    title: "SIGNS FROM",
    of: ({ starts }) => shortTime(starts),
    short: ({ starts }) => howFar(starts),
  },
  { title: "SEALED UNDER", of: ({ master }) => master, spare: 1 },
];

/** @param {Yargs} cli */
export function keys(cli) {
  return cli
    .command(
      ["list", "ls"],
      "List the signing keys",
      (command) => command.example("$0 keys list", ""),
      async (argv) => {
        const { body } = await (await connect(argv)).request("GET", "/keys");
        await show(argv, body, async () => {
          await write(new Table(KEYS).lines(body.items));
          // The tenant's secret is sealed, too.
          const old = body.sealedUnder.filter((/** @type {string} */ id) => id !== body.master);
          if (old.length === 0) return hint("All of it is sealed under the master key in use.");
          hint(
            `The master key in use is ${body.master}. Still sealed under ${old.join(", ")}: ` +
              "edgemint keys reseal",
          );
        });
      },
    )
    .command(
      "rotate",
      "Make a new signing key",
      (command) =>
        command
          .options({
            algorithm: { choices: ALGORITHMS, describe: "As the tenant's by default" },
            starts: {
              type: "string",
              describe: "It signs from then on: 2h from now, 2027-01-31, 0 for at once",
            },
            ...yes,
          })
          .example(
            "$0 keys rotate",
            "Announced first, so that every cached JWKS has it when it signs",
          )
          .example("$0 keys rotate --starts 0 --yes", "At once: an emergency"),
      async (argv) => {
        const starts = argv.starts === "0" ? 0 : momentOf("starts", argv.starts);
        if (starts !== undefined && starts <= Date.now() / 1000) {
          await confirm(
            "Sign with a new key at once? APIs that cache the JWKS refuse its tokens for a while.",
            argv.yes,
          );
        }
        const client = await connect(argv);
        await confirmSecond(client, argv);
        const body = given({ algorithm: argv.algorithm, starts });
        const answer = await client.request("POST", "/keys", { creates: true, body });
        await show(argv, answer.body, () => write(new Table(KEYS).lines([answer.body])));
      },
    )
    .command(
      ["remove <kid>", "rm <kid>"],
      "Remove a signing key at once: an emergency",
      (command) =>
        command
          .positional("kid", { type: "string", demandOption: true, describe: "As `list` shows it" })
          .options(yes)
          .example("$0 keys remove kSgX0n2...", ""),
      async (argv) => {
        await confirm(
          `Remove the key ${argv.kid}? Every token that it signed is refused from then on.`,
          argv.yes,
        );
        await (await connect(argv)).request("DELETE", `/keys${pathOf(argv.kid)}`);
        tell(`Removed ${argv.kid}.`);
      },
    )
    .command(
      "reseal",
      "Seal the keys under the current master key, after it was rotated",
      (command) => command.example("$0 keys reseal", "It can be interrupted and repeated"),
      async (argv) => {
        const { body } = await (await connect(argv)).request("POST", "/keys/reseal");
        await show(argv, body, () =>
          tell(body.resealed ? "Sealed anew under the master key in use." : "Nothing to do."),
        );
      },
    );
}

/**
 * Tells of keys that wait to sign already: whoever rotates twice by mistake has two. Asks where there is
 * somebody to ask.
 * @param {import("../client.js").Client} client @param {any} argv
 */
async function confirmSecond(client, argv) {
  const { body } = await client.request("GET", "/keys");
  // Whoever may rotate keys need not be allowed to read which algorithm is the tenant's.
  const { algorithm } = argv;
  const waiting = body.items.filter(
    (/** @type {any} */ key) =>
      key.state === "announced" && (algorithm === undefined || key.algorithm === algorithm),
  );
  if (waiting.length === 0) return;
  const told = waiting.map(
    (/** @type {any} */ one) => `${one.kid} (${one.algorithm}) signs from ${time(one.starts)}`,
  );
  hint(`A new key is announced already: ${told.join("; ")}.`);
  if (canAsk()) await confirm("Make another one?", argv.yes);
}

/** @type {import("../output.js").Column<any>[]} */
const SESSIONS = [
  { title: "SESSION", of: ({ id }) => id },
  { title: "APPLICATION", of: ({ clientName, clientId }) => clientName || clientId, loose: true },
  { title: "SCOPES", of: ({ scopes }) => (scopes ?? []).join(" "), loose: true, spare: 1 },
  {
    title: "SIGNED IN",
    of: ({ createdAt }) => shortTime(createdAt),
    short: ({ createdAt }) => howFar(createdAt),
    spare: 2,
  },
  {
    title: "LAST USED",
    of: ({ usedAt }) => shortTime(usedAt),
    short: ({ usedAt }) => howFar(usedAt),
  },
  {
    title: "ENDS",
    of: ({ expiresAt }) => shortTime(expiresAt),
    short: ({ expiresAt }) => howFar(expiresAt),
  },
];

/** @param {Yargs} cli */
export function sessions(cli) {
  return cli
    .command(
      ["list <user>", "ls <user>"],
      "List the sessions of a user",
      (command) =>
        command
          .positional("user", {
            type: "string",
            demandOption: true,
            describe: "The subject, `sub` of the tokens",
          })
          .example("$0 sessions list ada", ""),
      async (argv) => {
        const path = `/users${pathOf(argv.user)}/sessions`;
        const { body } = await (await connect(argv)).request("GET", path);
        await show(argv, body, async () => {
          if (body.items.length === 0) hint(`${argv.user} has no sessions.`);
          else await write(new Table(SESSIONS).lines(body.items));
        });
      },
    )
    .command(
      "end",
      "End sessions: of a user, of an application, or all",
      (command) =>
        command
          .options({
            user: { type: "string", describe: "Those of this user" },
            session: { type: "string", describe: "Only this one of the user" },
            app: { type: "string", describe: "Those of this application, of every user" },
            all: { type: "boolean", describe: "Those of everybody" },
            ...yes,
          })
          .example("$0 sessions end --user ada", "")
          .example("$0 sessions end --user ada --session 9d2c...", "")
          .example("$0 sessions end --app 7c2f4e1a-...", "")
          .example("$0 sessions end --all", "Everybody signs in again"),
      async (argv) => {
        const of = [argv.user, argv.app, argv.all || undefined].filter((one) => one !== undefined);
        if (of.length !== 1 || (argv.session !== undefined && argv.user === undefined)) {
          throw usage("say whose: one of --user, --app and --all", "--session goes with --user");
        }
        const [path, whose] =
          argv.user !== undefined && argv.session !== undefined
            ? [
                `/users${pathOf(argv.user)}/sessions${pathOf(argv.session)}`,
                `session ${argv.session} of ${argv.user}`,
              ]
            : argv.user !== undefined
              ? [`/users${pathOf(argv.user)}/sessions`, `every session of ${argv.user}`]
              : argv.app !== undefined
                ? [
                    `/applications${pathOf(argv.app)}/sessions`,
                    `every session of the application ${argv.app}`,
                  ]
                : ["/sessions", "every session of everybody"];
        const client = await connect(argv);
        await confirm(`End ${whose} in ${client.profile.tenant}?`, argv.yes);
        await client.request("DELETE", path);
        tell(`Ended ${whose}.`);
      },
    );
}

/** How often, in milliseconds, one looks for new events. */
const EVERY = 2000;
/**
 * Seconds that one looks back each time. An event has the time at which its act began and is there
 * once the act is done: it may come behind others that are newer.
 */
const BACK = 60;

/** @param {Yargs} cli */
export function events(cli) {
  return cli.command(
    "events",
    "Show what administrators did",
    (command) =>
      command
        .options({
          follow: { alias: "f", type: "boolean", describe: "Go on, with what happens" },
          limit: { type: "number", default: 50, describe: "So many of the past" },
          cursor: { type: "string", describe: "Go on from here, to older ones" },
        })
        .conflicts("follow", "cursor")
        .check((argv) => (checkLimit(argv), true))
        .example("$0 events", "The last 50, the newest at the bottom")
        .example("$0 events --follow --json", "A line of JSON for each, without an end")
        .example("$0 events --json --limit 1000", "The API's document, the newest first"),
    async (argv) => {
      const client = await connect(argv);
      if (argv.follow) {
        const line = argv.json ? (/** @type {any} */ one) => `${JSON.stringify(one)}\n` : eventLine;
        return follow(client, argv.limit, line);
      }
      /** @type {any[]} */
      const past = [];
      /** @type {string | undefined} */
      let next;
      for await (const page of client.pages("/events", argv)) {
        past.push(...page.items);
        next = page.next ?? undefined;
      }
      if (argv.json) return show(argv, given({ items: past, next }), () => {});
      if (past.length === 0) return hint("There are no events.");
      await write(past.reverse().map(eventLine).join(""));
      if (next !== undefined) hint("There are older ones: give a higher --limit.");
    },
  );
}

/**
 * Shows the last events, and those that come, without an end.
 * @param {import("../client.js").Client} client
 * @param {number} limit how many of the past
 * @param {(event: any) => string} line
 */
async function follow(client, limit, line) {
  const past = await newestEvents(client, (all) => {
    return all.length >= limit && all[all.length - 1].time < all[0].time - BACK;
  });
  await write(past.slice(0, limit).reverse().map(line).join(""));
  // Those of the past that are not shown are not news, either.
  /** @type {Map<string, number>} */
  const known = new Map(past.map(({ id, time }) => [id, time]));
  // The service's time is at least that of the newest event, and what passed since it was seen.
  let [newest, since] = [past[0]?.time ?? 0, performance.now()];
  let from = newest - BACK;
  for (;;) {
    await sleep(EVERY);
    const now = newest + (performance.now() - since) / 1000;
    const all = await newestEvents(client, (all) => all[all.length - 1].time < from);
    const fresh = all.filter(({ id, time }) => time >= from && !known.has(id));
    await write(fresh.toReversed().map(line).join(""));
    for (const { id, time } of fresh) known.set(id, time);
    if (fresh.length > 0 && fresh[0].time > now) {
      [newest, since] = [fresh[0].time, performance.now()];
    }
    from = Math.max(from, now - BACK);
    for (const [id, time] of known) if (time < from) known.delete(id);
  }
}

/**
 * The newest events, newest first, page by page until it is enough.
 * @param {import("../client.js").Client} client
 * @param {(all: any[]) => boolean} enough
 */
async function newestEvents(client, enough) {
  /** @type {any[]} */
  const all = [];
  for await (const { items } of client.pages("/events")) {
    for (const event of items) all.push(event);
    if (all.length > 0 && enough(all)) break;
  }
  return all;
}

/** A line of a log. @param {any} event */
function eventLine({ time: at, reason, clientId, detail }) {
  const about =
    detail === undefined || detail === null || detail === "" ? "" : `  ${clean(detail)}`;
  const by = paint("dim", `by ${clean(clientId ?? "the operator")}`);
  return `${stamp(at, true)}  ${paint("cyan", clean(reason).padEnd(24))}${about}  ${by}\n`;
}

/** @param {any} value */
const clean = (value) => `${value}`.replace(/[\p{Cc}\p{Cf}]+/gu, " ");
