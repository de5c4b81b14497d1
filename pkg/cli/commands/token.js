// A token, to try an API with or to look into.

import { ADMIN_SCOPE, base, requestToken } from "../client.js";
import { connect, hint, show } from "../context.js";
import { CliError, networkReason } from "../errors.js";
import { details, paint, print, time, write } from "../output.js";
import { readConfig, resolveProfile } from "../profile.js";
import { askSecret } from "../prompt.js";

/** @typedef {import("yargs").Argv<import("../context.js").Global>} Yargs */

/** @param {Yargs} cli */
export function token(cli) {
  return cli.command(
    "token",
    "Get an access token, with client credentials",
    (command) =>
      command
        .options({
          scope: {
            type: "string",
            array: true,
            describe: "api://orders/.default, or single app roles; administration by default",
          },
          "client-id": { type: "string", describe: "Of another application than the profile's" },
          decode: { type: "boolean", describe: "Show what is in it, and verify it with the JWKS" },
        })
        .epilog(
          "With --client-id the secret of that application is asked for, or a line of standard input. " +
            "EDGEMINT_CLIENT_SECRET counts only if EDGEMINT_CLIENT_ID is the same id.",
        )
        .example("$0 token --scope api://orders/.default --client-id 7c2f4e1a-...", "")
        .example("$0 token --scope ... --client-id 7c2f4e1a-... < secret", "Its secret from a file")
        .example('curl -H "Authorization: Bearer $($0 token)" https://...', "The token alone")
        .example("$0 token --decode", "Header and claims"),
    async (argv) => {
      const profile = await profileOf(argv);
      /** @type {Record<string, string>} */
      const parameters = {};
      const scope =
        argv.scope?.join(" ") ?? (argv.clientId === undefined ? ADMIN_SCOPE : undefined);
      if (scope !== undefined) parameters.scope = scope;
      const answer = await requestToken(profile, parameters, hint);
      if (!argv.decode) {
        await show(argv, answer, () => print(answer.access_token));
        return;
      }
      await decode(argv, answer.access_token, base(profile));
    },
  );
}

/** @param {any} argv */
async function profileOf(argv) {
  if (argv.clientId === undefined) return (await connect(argv)).profile;
  // Where it is asked is as the profile or the environment says; who asks is another.
  const config = await readConfig(process.env, hint);
  const env = { ...process.env, EDGEMINT_CLIENT_ID: argv.clientId, EDGEMINT_CLIENT_SECRET: "-" };
  const named = argv.profile ?? (process.env.EDGEMINT_PROFILE || undefined);
  const { url, tenant } = resolveProfile(env, config, named);
  // The secret in the environment belongs to the id beside it: another's is never sent for this one.
  const isOwn = process.env.EDGEMINT_CLIENT_ID === argv.clientId;
  const own = isOwn ? process.env.EDGEMINT_CLIENT_SECRET : undefined;
  const secret = await askSecret(`Secret of ${argv.clientId}`, own);
  return { url, tenant, clientId: argv.clientId, clientSecret: secret };
}

/** Claims that are times. */
const TIMES = new Set(["iat", "nbf", "exp"]);

/** @param {any} argv @param {string} token @param {string} issuer */
async function decode(argv, token, issuer) {
  const jose = await import("jose");
  const jwks = `${issuer}/.well-known/jwks.json`;
  const header = jose.decodeProtectedHeader(token);
  const claims = jose.decodeJwt(token);
  /** @type {unknown} */
  let failure;
  try {
    await jose.jwtVerify(token, jose.createRemoteJWKSet(new URL(jwks)), { issuer, typ: "at+jwt" });
  } catch (error) {
    failure = error;
  }
  await show(argv, { header, claims, verified: failure === undefined }, async () => {
    await write(
      `${paint("dim", "header")}\n${rows(header)}\n${paint("dim", "claims")}\n${rows(claims)}`,
    );
    if (failure === undefined) hint(`Verified with key ${header.kid} of ${jwks}`);
  });
  if (failure !== undefined) {
    throw new CliError(`the token does not verify with ${jwks}: ${networkReason(failure)}`, {
      code: /** @type {any} */ (failure).code,
    });
  }
}

/** @param {Record<string, unknown>} members */
const rows = (members) =>
  details(
    Object.entries(members).map(([name, value]) => [
      name,
      TIMES.has(name) && typeof value === "number"
        ? `${value}  ${time(value)}`
        : typeof value === "string"
          ? value
          : JSON.stringify(value),
    ]),
  );
