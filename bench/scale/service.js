// Our worker over directories of any size, whose copies are in a KV of its own process (`kv.js`).

import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { ROOT, freePort, modulesFrom, startProcess, startServer } from "../servers.js";
import { API, clientIdOf, makeDirectories, numbered } from "./directories.js";
import { loadFromMany } from "./load.js";

/**
 * @typedef {import("./directories.js").Directories} Directories
 * @typedef {import("../servers.js").Server} Server
 * @typedef {{ directories: Directories, kv: Server }} Storage
 *
 * @typedef {object} Clients who ask for tokens, in turns
 * @property {string} tenant a name; with `{}` in it, there is one for each client
 * @property {string} [clientId] with `{}` in it, one for each client; the first application by default
 * @property {number} [clients] how many; 1 by default
 */

/**
 * Makes directories and serves their records.
 * @param {string} folder @param {import("./directories.js").Wanted[]} wanted
 * @returns {Promise<Storage>}
 */
export async function startStorage(folder, wanted) {
  const directories = await makeDirectories(folder, wanted);
  const { files } = directories;
  const kv = await startProcess(folder, [process.execPath, join(ROOT, "bench/scale/kv.js"), ...files]);
  for (const file of files) rmSync(file);
  return { directories, kv };
}

/**
 * @param {string} folder @param {Storage} storage
 * @param {{ entry?: string, bindings?: Record<string, string> }} [options]
 */
export async function startWorker(folder, { directories, kv }, options = {}) {
  const { entry = "worker/index.js", bindings } = options;
  const port = await freePort();
  const { masterKey } = directories;
  return startServer(join(folder, randomUUID()), port, {
    modules: modulesFrom(entry),
    bindings: { BASE_URL: `http://127.0.0.1:${port}`, MASTER_KEY: masterKey, ...bindings },
    namespaces: { DIRECTORY: new URL(kv.origin).host },
    objects: { GRANTS: "GrantObject", TENANTS: "DirectoryObject" },
  });
}

/** A request for a token. @param {string} clientId @param {string} secret */
const form = (clientId, secret) =>
  `grant_type=client_credentials&client_id=${clientId}&client_secret=${secret}&scope=${API}/.default`;

/** @param {Clients} clients @param {string} secret @returns {import("./load.js").Kind} */
export function tokensFor({ tenant, clientId = clientIdOf(0), clients = 1 }, secret) {
  return { path: `/${tenant}/oauth2/token`, body: form(clientId, secret), clients };
}

/**
 * @param {string} name @param {Server} server @param {Directories} directories @param {Clients} asking
 * @returns {import("../measure.js").Contestant}
 */
export function contestant(name, server, { secret }, asking) {
  const kind = tokensFor(asking, secret);
  // The last of them asks for the token that is looked at.
  const { clients = 1 } = asking;
  const last = numbered(clients - 1);
  const names = [asking.tenant, asking.clientId ?? clientIdOf(0)];
  const [tenant, clientId] = names.map((name) => name.replace("{}", last));
  const issuer = `${server.origin}/${tenant}`;
  const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
  return {
    name,
    server,
    url: `${issuer}/oauth2/token`,
    body: form(clientId, secret),
    async load(seconds, connections) {
      const outcome = await loadFromMany(server.origin, [kind], seconds, connections);
      return { ...outcome, errors: outcome.errors + outcome.refused };
    },
    verify: async (answer) => {
      const { access_token } = JSON.parse(answer);
      await jwtVerify(access_token, keys, { issuer, audience: API, subject: clientId, typ: "at+jwt" });
    },
  };
}
