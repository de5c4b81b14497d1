// Microsoft's dialects on the command line: the options that turn them on, and the key that they sign with.

import { hint } from "./context.js";
import { CliError, EXIT } from "./errors.js";
import { time } from "./output.js";

/** The algorithm that Microsoft's clients and middleware expect. */
const ALGORITHM = "RS256";
const AT_ONCE = `edgemint keys rotate --algorithm ${ALGORITHM} --starts 0 --yes`;

export const dialectOptions = /** @type {const} */ ({
  entra: { type: "boolean", describe: "Answer at the endpoints of Entra, too" },
  domain: {
    type: "string",
    array: true,
    describe: "A domain that names it in URLs of Entra and B2C; several times, and \"\" for none",
  },
  policy: {
    type: "string",
    array: true,
    describe: "A policy for which it answers at the endpoints of B2C; likewise",
  },
});

/** What the options say of a tenant. @param {any} argv */
export const dialectsOf = (argv) => ({
  entra: argv.entra,
  domains: argv.domain?.filter(Boolean),
  policies: argv.policy?.filter(Boolean),
});

/**
 * Whether it answers at the endpoints of Entra or B2C: a tenant, or what is to change of one.
 * @param {{ entra?: boolean, policies?: string[] }} tenant
 */
export const speaks = ({ entra, policies }) => entra === true || (policies ?? []).length > 0;

/** @param {import("./client.js").Client} client @returns {Promise<any[]>} */
async function keysFor(client) {
  const { body } = await client.request("GET", "/keys");
  return body.items.filter((/** @type {any} */ key) => key.algorithm === ALGORITHM);
}

/** @param {any[]} keys */
const oneSigns = (keys) => keys.some(({ state }) => state === "active");

/**
 * Sees to it that a key signs before anybody asks for it: of a tenant of which nobody has copies yet.
 * @param {import("./client.js").Client} client
 */
export async function signAtOnce(client) {
  if (oneSigns(await keysFor(client))) return;
  const body = { algorithm: ALGORITHM, starts: 0 };
  await client.request("POST", "/keys", { creates: true, body });
}

/**
 * Says from when on a dialect that was turned on gives tokens.
 * @param {import("./client.js").Client} client
 */
export async function tellWhenItSigns(client) {
  hint("It is in force everywhere within about a minute.");
  /** @type {any[]} */
  let keys;
  try {
    keys = await keysFor(client);
  } catch (error) {
    // Whoever may change the tenant need not be allowed to read its keys.
    if (!(error instanceof CliError) || error.exit !== EXIT.forbidden) throw error;
    hint(`Microsoft's dialects sign with ${ALGORITHM}: see whether a key does, edgemint keys list`);
    return;
  }
  if (oneSigns(keys)) return;
  const [first] = keys
    .filter(({ state }) => state === "announced")
    .sort((one, other) => one.starts - other.starts);
  const when =
    first === undefined
      ? `There is no key for ${ALGORITHM}`
      : `The key for ${ALGORITHM}, ${first.kid}, signs from ${time(first.starts)}`;
  hint(
    `${when}. Until then Microsoft's dialects answer requests for tokens with 50000. ` +
      `To have one sign at once: ${AT_ONCE}`,
  );
}
