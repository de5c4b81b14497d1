// Peers that are Node programs: `NAME/server.js`, started with what settings.js reads. They publish their key
// at /jwks, and make refresh tokens for the benchmark at /bench/refresh-tokens.

import { fileURLToPath } from "node:url";
import { runtimeVersion } from "../../runtimes.js";
import { startProcess } from "../../servers.js";
import {
  API,
  ROLES,
  SCOPES,
  credentialsForm,
  newClient,
  newKey,
  post,
  refreshForm,
  rotation,
  verifier,
  versionOf,
} from "./client.js";

/**
 * @typedef {object} Description
 * @property {string} name
 * @property {string} module its package
 * @property {string} program in the folder of the peers
 * @property {string} note
 * @property {string} [issuer] path of the issuer
 * @property {string} [endpoint] path of the token endpoint
 * @property {Record<string, string>} [asked] with client credentials, beside the scopes
 */

/**
 * @param {Description} description
 * @param {string} [node] the binary that it runs on
 * @returns {import("../index.js").Peer}
 */
export function nodePeer(description, node = process.execPath) {
  const { name, module, program, note, issuer = "", endpoint = "/token", asked } = description;
  return {
    name,
    version: versionOf(module),
    platform: `Node ${runtimeVersion(node)}`,
    note,

    async clientCredentials(folder) {
      const { server, client } = await startPeer(folder, node, program);
      const expected = { issuer: server.origin + issuer, audience: API, subject: client.id, typ: "at+jwt" };
      const verify = verifier(`${server.origin}/jwks`, expected, ROLES);
      return {
        name,
        server,
        url: server.origin + endpoint,
        body: credentialsForm(client, { scope: ROLES.join(" "), ...asked }),
        verify: async (answer) => void (await verify(answer)),
        note,
      };
    },

    async refresh(folder) {
      const { server, client } = await startPeer(folder, node, program);
      const expected = { issuer: server.origin + issuer, audience: API, typ: "at+jwt" };
      const verify = verifier(`${server.origin}/jwks`, expected);
      const { tokens, verifyRotated } = rotation((count) =>
        post(`${server.origin}/bench/refresh-tokens?count=${count}`, ""),
      );
      return {
        name,
        server,
        url: server.origin + endpoint,
        body: refreshForm(client),
        tokens,
        verify: async (answer) => {
          await verify(answer);
          verifyRotated(answer);
        },
        note,
      };
    },
  };
}

/**
 * Starts one, for a new client, with a new key.
 * @param {string} folder @param {string} node @param {string} program
 */
async function startPeer(folder, node, program) {
  const client = newClient();
  /** @type {import("./settings.js").Settings} */
  const settings = { client, key: await newKey(), api: API, roles: ROLES, scopes: SCOPES };
  const path = fileURLToPath(new URL(`../${program}`, import.meta.url));
  const env = { SETTINGS: JSON.stringify(settings) };
  const server = await startProcess(folder, [node, path], { env });
  return { server, client };
}
