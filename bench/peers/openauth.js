// openauth, on workerd. Its package names no licence: its repository is under the MIT licence.

import { createHash, randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { bundle, freePort, startServer } from "../servers.js";
import {
  API,
  ROLES,
  credentialsForm,
  newClient,
  post,
  refreshForm,
  rotation,
  verifier,
  versionOf,
} from "./shared/client.js";

const WORKER = fileURLToPath(new URL("openauth/worker.js", import.meta.url));
const PROVIDER = "applications";
/** Seconds: with client credentials nobody uses the refresh tokens, which its store must not amass. */
const UNUSED = 10;
const USED = 14 * 86_400;

/** @type {import("./index.js").Peer} */
export const peer = {
  name: "openauth",
  version: versionOf("@openauthjs/openauth"),
  platform: "workerd",
  note:
    "the store is a map of the isolate, where a read and a write are no transaction; it has no applications " +
    "of its own, so a provider that is written for this verifies their secrets, and with client credentials " +
    "it stores a refresh token that nobody asked for; a token's audience is its client; a refresh " +
    "authenticates no client, and a replayed token is refused but revokes nothing",

  async clientCredentials(folder) {
    const { server, client, verify } = await start(folder, UNUSED);
    return {
      name: this.name,
      server,
      url: `${server.origin}/token`,
      body: credentialsForm(client, { provider: PROVIDER }),
      verify: async (answer) => {
        const { sub } = await verify(answer);
        if (sub !== client.id) throw new Error(`the token is ${sub}'s`);
      },
      note: this.note,
    };
  },

  async refresh(folder) {
    const { server, client, verify } = await start(folder, USED);
    const url = `${server.origin}/token`;
    const refreshToken = async () => {
      const asked = { provider: PROVIDER, user: randomUUID() };
      const answer = await post(url, credentialsForm(client, asked));
      return /** @type {string} */ (answer.refresh_token);
    };
    const { tokens, verifyRotated } = rotation((count) =>
      Promise.all(Array.from({ length: count }, refreshToken)),
    );
    return {
      name: this.name,
      server,
      url,
      body: refreshForm(client),
      tokens,
      verify: async (answer) => {
        await verify(answer);
        verifyRotated(answer);
      },
      note: this.note,
    };
  },
};

/** @param {string} folder @param {number} refreshLifetime in seconds */
async function start(folder, refreshLifetime) {
  const client = newClient();
  const secretHash = createHash("sha256").update(client.secret).digest("base64");
  const scope = ROLES.map((role) => `${API}/${role}`).join(" ");
  const claims = { api: API, roles: ROLES, scope, tid: randomUUID() };
  const directory = { clients: [{ id: client.id, secretHash, claims }], refreshLifetime };
  const server = await startServer(folder, await freePort(), {
    modules: await bundle(WORKER),
    bindings: { DIRECTORY: JSON.stringify(directory) },
    // For `process.env` and `node:fs`, which it uses.
    flags: ["nodejs_compat"],
  });
  const expected = { issuer: server.origin, audience: client.id };
  const decode = verifier(`${server.origin}/.well-known/jwks.json`, expected);
  /** @param {string} answer */
  const verify = async (answer) => {
    const payload = await decode(answer);
    const { roles } = /** @type {{ roles: string[] }} */ (payload.properties);
    if (`${roles}` !== `${ROLES}`) throw new Error(`the token has the roles ${roles}`);
    return payload;
  };
  return { server, client, verify };
}
