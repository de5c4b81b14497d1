// Ours, as it is deployed: the worker on raw workerd, over a directory in a stub of KV that is as quick as one
// can be, and grants in Durable Objects whose disk is memory.

import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createRemoteJWKSet, jwtVerify } from "jose";
import { createIssuer } from "../pkg/node.js";
import { memoryStore } from "../pkg/stores/memory.js";
import { registerClient, registerLogin, startLogin } from "../tests/sign-in.js";
import { ROOT, freePort, modulesFrom, startServer } from "./servers.js";

/**
 * @typedef {import("./measure.js").Contestant} Contestant
 * @typedef {import("../pkg/index.d.ts").Administration} Administration
 * @typedef {{ clientId: string, secret?: string }} Client
 *
 * @typedef {object} Setting
 * @property {string} [entry] another worker than the one that is deployed
 * @property {Record<string, string>} [bindings] more of them
 * @property {Record<string, string>} [objects] other classes of Durable Objects than the deployed one's
 * @property {(origin: string) => Promise<boolean>} [ready] see `startServer`
 */

export const TENANT = "demo";
export const API = "api://orders";
const OBJECTS = { GRANTS: "GrantObject", TENANTS: "DirectoryObject" };
const ROLES = ["Orders.Read.All", "Orders.Write.All"];

/**
 * Our worker, over a directory that `register` makes.
 * @template T
 * @param {string} folder
 * @param {(admin: Administration) => Promise<T>} register
 * @param {Setting} [setting]
 */
export async function startService(folder, register, setting = {}) {
  const { entry = "worker/index.js", bindings, objects = OBJECTS, ready } = setting;
  const port = await freePort();
  const baseUrl = `http://127.0.0.1:${port}`;
  const masterKey = randomBytes(32).toString("base64url");
  const store = memoryStore();
  const { admin } = createIssuer({ baseUrl, masterKey, store, onEvent: () => {} });
  const registered = await register(admin);
  mkdirSync(folder, { recursive: true });
  const seed = join(folder, "entries.json");
  writeFileSync(seed, JSON.stringify(store.entries()));
  const worker = {
    modules: modulesFrom(entry),
    bindings: { BASE_URL: baseUrl, MASTER_KEY: masterKey, ...bindings },
    namespaces: {
      DIRECTORY: {
        modules: { "bench/kv-stub.js": join(ROOT, "bench/kv-stub.js"), "bench/entries.json": seed },
      },
    },
    objects,
  };
  const server = await startServer(join(folder, "worker"), port, worker, ready);
  const issuer = `${baseUrl}/${TENANT}`;
  const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
  /** @param {string} answer @param {string} [subject] */
  const verify = async (answer, subject) => {
    const token = JSON.parse(answer).access_token;
    await jwtVerify(token, keys, { issuer, audience: API, subject, typ: "at+jwt" });
  };
  return { server, issuer, registered, verify };
}

/**
 * Client credentials.
 * @param {string} folder
 * @param {string} name
 * @param {import("../pkg/index.d.ts").Algorithm} algorithm
 * @param {Setting} [setting]
 * @returns {Promise<Contestant>}
 */
export async function ourTokens(folder, name, algorithm, setting) {
  const service = await startService(folder, (admin) => directory(admin, algorithm), setting);
  const { server, issuer, registered, verify } = service;
  return {
    name,
    server,
    url: `${issuer}/oauth2/token`,
    body: tokenForm(registered),
    verify: (answer) => verify(answer, registered.clientId),
  };
}

/**
 * Refreshing with rotation, with a session of its own user behind each refresh token.
 * @param {string} folder
 * @param {string} name
 * @param {Setting} [setting]
 * @returns {Promise<Contestant>}
 */
export async function ourSessions(folder, name, setting) {
  const { server, issuer, registered, verify } = await startService(folder, sessions, setting);
  const { client } = registered;
  return {
    name,
    server,
    url: `${issuer}/oauth2/token`,
    body: refreshForm(client),
    tokens: async (count) => {
      const granted = await signIns(server, registered, count);
      return granted.map(({ refresh_token }) => refresh_token);
    },
    verify: async (answer) => {
      await verify(answer);
      const { refresh_token } = JSON.parse(answer);
      if (!/^emr_/.test(refresh_token)) throw new Error(`${refresh_token} is no refresh token`);
    },
  };
}

/**
 * The directory that tokens are issued from.
 * @param {Administration} admin
 * @param {import("../pkg/index.d.ts").Algorithm} algorithm
 */
export async function directory(admin, algorithm) {
  const tenant = TENANT;
  await admin.createTenant({ tenant, algorithm });
  await admin.createApi({ tenant, identifier: API, roles: ROLES.map((value) => ({ value })) });
  const { clientId } = await admin.createApplication({ tenant });
  const { secret } = await admin.addSecret({ tenant, clientId });
  await admin.assignRoles({ tenant, clientId, api: API, roles: ROLES });
  return { clientId, secret: /** @type {string} */ (secret) };
}

/**
 * One that users can sign in to, and an application with the policy that is the default.
 * @param {Administration} admin
 */
export async function sessions(admin) {
  const login = await registerLogin(admin, TENANT);
  return { login, client: await registerClient(admin, {}, "confidential", TENANT) };
}

/**
 * New users, signed in.
 * @param {import("./servers.js").Server} server
 * @param {{ login: Client, client: Client }} registered
 * @param {number} count
 */
export async function signIns({ origin }, { login, client }, count) {
  const users = await startLogin(new URL(origin), login, TENANT);
  const subjects = Array.from({ length: count }, () => randomBytes(16).toString("hex"));
  return Promise.all(subjects.map((subject) => users.signIn(client, subject)));
}

/** A request for a token. @param {Client} client */
export function tokenForm(client, api = API) {
  const grant = { grant_type: "client_credentials" };
  return new URLSearchParams({ ...grant, ...named(client), scope: `${api}/.default` }).toString();
}

/** A refresh request, up to the token. @param {Client} client */
export function refreshForm(client) {
  return `grant_type=refresh_token&${new URLSearchParams(named(client))}&refresh_token=`;
}

/** @param {Client} client */
const named = ({ clientId, secret = "" }) => ({ client_id: clientId, client_secret: secret });
