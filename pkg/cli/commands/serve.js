// The service itself, on this machine. What it is made of is loaded when it is run.

import { usage } from "../errors.js";
import { print } from "../output.js";

/** @typedef {import("yargs").Argv<import("../context.js").Global>} Yargs */

const EPILOG = `Secrets are in the environment, or in a file that NAME_FILE names:
  EDGEMINT_MASTER_KEY           what everything that is stored is sealed under; it belongs to the store
  EDGEMINT_PREVIOUS_MASTER_KEY  the one before, while it is being rotated
  EDGEMINT_BOOTSTRAP_SECRET     makes the first administrator of a tenant, once: edgemint init
  EDGEMINT_STORE                as --store, which takes no password
Also EDGEMINT_BASE_URL, as --base-url.

SIGTERM and SIGINT stop it: what was begun is finished, for 10 s at most. A second one does not wait.
SIGHUP reads the file of --directory again, unless it was started in a terminal.`;

/** @param {Yargs} cli */
export function serve(cli) {
  return cli.command(
    "serve",
    "Run the service on this machine, on Node, Bun or Deno",
    (command) =>
      command
        // They are about administration.
        .hide("profile")
        .hide("json")
        .options({
          port: { type: "number", requiresArg: true, default: 8787, describe: "0 is a free one" },
          host: {
            type: "string",
            requiresArg: true,
            default: "127.0.0.1",
            describe: "The address to listen at; 0.0.0.0 is every one",
          },
          "base-url": {
            type: "string",
            requiresArg: true,
            describe: "What clients call it: https://auth.example.com; by default this machine",
          },
          store: {
            type: "string",
            requiresArg: true,
            describe:
              "sqlite:PATH, memory, redis://HOST, rediss://HOST or postgres://HOST/DATABASE; " +
              "sqlite:edgemint.db by default",
          },
          directory: {
            type: "string",
            requiresArg: true,
            describe: "Serve the tenant of this file from memory, as `edgemint apply` takes it",
          },
          tenant: {
            type: "string",
            requiresArg: true,
            describe: "With --directory, unless the file says it: the tenant's name",
          },
          facts: {
            type: "string",
            requiresArg: true,
            describe: "With --directory: write URLs, ids and secrets that were made to this file",
          },
          https: { type: "boolean", describe: "TLS, with a self-signed certificate that is kept" },
          "tls-cert": { type: "string", requiresArg: true, describe: "TLS, with this chain (PEM)" },
          "tls-key": { type: "string", requiresArg: true, describe: "and this key (PEM)" },
          state: {
            type: "string",
            requiresArg: true,
            default: ".edgemint",
            describe: "The folder that keeps the certificate of --https",
          },
          "trust-proxy": {
            type: "string",
            requiresArg: true,
            describe:
              "The header in which a proxy gives the client's address: x-forwarded-for, of which " +
              "the last one counts, x-forwarded-for:2 behind two proxies, or such as x-real-ip",
          },
          "cache-ttl": {
            type: "number",
            requiresArg: true,
            default: 30,
            describe: "Seconds until a change made by another process is in force here",
          },
          log: {
            choices: /** @type {const} */ (["events", "requests"]),
            default: /** @type {const} */ ("events"),
            describe: "What is a line of JSON on standard output: requests are events, too",
          },
          "master-key-file": {
            type: "string",
            requiresArg: true,
            describe: "As EDGEMINT_MASTER_KEY_FILE",
          },
          "new-master-key": { type: "boolean", describe: "Print a new master key, and nothing else" },
        })
        .check((argv) => {
          const { port, cacheTtl } = /** @type {any} */ (argv);
          if (!(Number.isInteger(port) && port >= 0 && port < 65536)) {
            throw usage("--port is not a number of 0 to 65535");
          }
          if (!(Number.isInteger(cacheTtl) && cacheTtl >= 0 && cacheTtl <= 3600)) {
            throw usage("--cache-ttl is not a number of 0 to 3600");
          }
          return true;
        })
        .example("$0 serve --directory directory.yaml --https", "A stand-in for tests")
        .example("$0 serve --new-master-key > master.key", "Once")
        .example("$0 serve --master-key-file master.key", "SQLite, in edgemint.db")
        .example("$0 serve --store redis://127.0.0.1 --host 0.0.0.0 --base-url https://...", "")
        .epilog(EPILOG),
    async (argv) => {
      if (argv.newMasterKey) {
        const { randomBytes } = await import("node:crypto");
        await print(randomBytes(32).toString("base64url"));
        return;
      }
      const { serve } = await import("../../serve/serve.js");
      await serve(argv, process.env);
    },
  );
}
