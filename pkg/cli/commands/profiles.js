// How one gets in: the first administrator of a tenant, and profiles.

import { ADMIN_SCOPE, Client, bootstrap, requestToken } from "../client.js";
import { hint, noteEnvironment, show, showSecret, showSecretOption, storeMade } from "../context.js";
import { dialectOptions, dialectsOf, signAtOnce, speaks } from "../dialects.js";
import { CliError, usage } from "../errors.js";
import { given, yes } from "../options.js";
import { Table, tell, write } from "../output.js";
import {
  configPath,
  mayStore,
  readConfig,
  resolveProfile,
  serviceUrl,
  storeProfile,
  updateConfig,
} from "../profile.js";
import { askSecret, confirm } from "../prompt.js";

/** @typedef {import("yargs").Argv<import("../context.js").Global>} Yargs */

const at = /** @type {const} */ ({
  url: { type: "string", describe: "Scheme and host of the service: https://auth.example.com" },
  tenant: { type: "string", describe: "The tenant, the first part of its paths" },
});

/** @param {any} argv @returns {{ url: string, tenant: string }} */
function placeOf(argv) {
  const url = argv.url ?? process.env.EDGEMINT_URL;
  const tenant = argv.tenant ?? process.env.EDGEMINT_TENANT;
  if (!url) throw usage("--url is missing", "Such as --url https://auth.example.com");
  if (!tenant) throw usage("--tenant is missing");
  return { url: serviceUrl(url), tenant };
}

/**
 * What the one-time secret cannot say of a tenant, its first administrator says.
 * @param {import("../profile.js").Profile} profile stored already
 * @param {Record<string, unknown>} settings
 */
async function setUp(profile, settings) {
  if (Object.keys(settings).length === 0) return;
  const client = new Client(profile, hint);
  try {
    if (speaks(settings)) await signAtOnce(client);
    await client.request("PATCH", "/tenant", { body: settings });
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    const { message, exit, code } = error;
    throw new CliError(`the administrator is made and stored, but not all was set: ${message}`, {
      exit,
      code,
      hint: "Set it with `edgemint tenant update`",
    });
  }
}

/** @param {Yargs} cli */
export function entries(cli) {
  return cli
    .command(
      "init",
      "Make a tenant with the host's one-time secret, and store its administrator as a profile",
      (command) =>
        command
          .options({
            ...at,
            name: { type: "string", describe: "Display name of the tenant" },
            ...dialectOptions,
            ...showSecretOption,
          })
          .epilog(
            "The one-time secret is asked for, or taken from EDGEMINT_BOOTSTRAP_SECRET or standard input. " +
              "The profile is called as --profile says, or as the tenant.",
          )
          .example(
            '$0 init --url https://auth.example.com --tenant contoso --name "Contoso Ltd"',
            "",
          )
          .example(
            "$0 init --url https://auth.example.com --tenant contoso --entra",
            "With Microsoft's dialect",
          ),
      async (argv) => {
        const place = placeOf(argv);
        const name = argv.profile ?? place.tenant;
        // The secret serves once: what it gives must not be lost because it cannot be stored.
        await mayStore(process.env, name);
        const secret = await askSecret(
          "One-time secret of the host",
          process.env.EDGEMINT_BOOTSTRAP_SECRET,
        );
        const { body } = await bootstrap(place, secret, {}, hint);
        const profile = { ...place, clientId: body.clientId, clientSecret: body.secret };
        await storeMade(name, profile, body);
        await setUp(profile, given({ displayName: argv.name, ...dialectsOf(argv) }));
        const { secret: _shown, ...told } = body;
        await show(argv, argv.showSecret ? body : told, async () => {
          tell(`The tenant ${place.tenant} has the administrator ${body.clientId}.`);
          if (argv.showSecret) await showSecret(body);
        });
        hint(`Stored as profile ${name} in ${configPath(process.env)}. Try: edgemint tenant show`);
        if (speaks(dialectsOf(argv))) hint("It is in force everywhere within about a minute.");
        noteEnvironment();
      },
    )
    .command(
      "login",
      "Store a profile: where the service is, and the credentials of an application",
      (command) =>
        command
          .options({
            ...at,
            "client-id": {
              type: "string",
              describe: "Of an application with administration roles",
            },
          })
          .epilog(
            "The client secret is asked for, or taken from EDGEMINT_CLIENT_SECRET or a line of standard input: " +
              "never from an argument, which others can see. The profile is called as --profile says, or as the tenant.",
          )
          .example(
            "$0 login --url https://auth.example.com --tenant contoso --client-id 7c2f4e1a-...",
            "",
          )
          .example(
            "pass show contoso | $0 login --url ... --tenant contoso --client-id ...",
            "From a password manager",
          ),
      async (argv) => {
        const place = placeOf(argv);
        const clientId = argv.clientId ?? process.env.EDGEMINT_CLIENT_ID;
        if (!clientId) throw usage("--client-id is missing");
        // The secret in the environment belongs to the id beside it, if there is one.
        const isOther = ![undefined, "", clientId].includes(process.env.EDGEMINT_CLIENT_ID);
        const own = isOther ? undefined : process.env.EDGEMINT_CLIENT_SECRET;
        const clientSecret = await askSecret(`Secret of ${clientId}`, own);
        const profile = { ...place, clientId, clientSecret };
        await requestToken(profile, { scope: ADMIN_SCOPE }, hint);
        const name = argv.profile ?? place.tenant;
        await storeProfile(process.env, name, profile);
        await show(argv, { profile: name, ...place, clientId }, () => {
          tell(`Stored as profile ${name}, now the current one.`);
        });
        noteEnvironment();
      },
    )
    .command("profiles", "List the profiles, choose one, remove one", (command) =>
      profiles(command).demandCommand(0),
    );
}

/** @param {any} argv */
async function named(argv) {
  const config = await readConfig(process.env, hint);
  resolveProfile(process.env, config, argv.name);
}

/** @param {Yargs} cli */
function profiles(cli) {
  const name = (/** @type {Yargs} */ command) =>
    command.positional("name", { type: "string", demandOption: true, describe: "Which profile" });
  return cli
    .command(
      ["$0", "list", "ls"],
      "List the profiles",
      (command) => command.example("$0 profiles", ""),
      async (argv) => {
        const config = await readConfig(process.env, hint);
        const items = Object.entries(config.profiles).map(([name, { url, tenant, clientId }]) => {
          return { name, current: name === config.current, url, tenant, clientId };
        });
        /** @type {import("../output.js").Column<any>[]} */
        const columns = [
          { title: "PROFILE", of: ({ name, current }) => `${current ? "* " : "  "}${name}` },
          { title: "URL", of: ({ url }) => url },
          { title: "TENANT", of: ({ tenant }) => tenant },
          { title: "CLIENT ID", of: ({ clientId }) => clientId, spare: 1 },
        ];
        await show(argv, items, async () => {
          if (items.length === 0) hint("There are no profiles: edgemint login, or edgemint init.");
          else await write(new Table(columns).lines(items));
          noteEnvironment();
        });
      },
    )
    .command(
      "use <name>",
      "Make it the current one",
      (command) => name(command).example("$0 profiles use contoso", ""),
      async (argv) => {
        await named(argv);
        await updateConfig(process.env, (config) => ({ ...config, current: argv.name }));
        tell(`${argv.name} is the current profile.`);
        noteEnvironment();
      },
    )
    .command(
      ["remove <name>", "rm <name>"],
      "Forget it and its secret",
      (command) => name(command).options(yes).example("$0 profiles remove contoso", ""),
      async (argv) => {
        await named(argv);
        await confirm(`Forget the profile ${argv.name} and its secret?`, argv.yes);
        await updateConfig(process.env, (config) => {
          const { [argv.name]: _gone, ...left } = config.profiles;
          const current = config.current === argv.name ? undefined : config.current;
          return { ...config, profiles: left, current };
        });
        tell(`Forgot ${argv.name}.`);
      },
    );
}
