// The demo directory of `cargo xtask dev`: what is registered in it, and a session of a demo user to
// try a refresh on. All of it is made by the administration and the requests that a real one takes.

import { createHash, randomBytes } from "node:crypto";
import { USERS, claimsOf } from "../examples/login/server.js";
import { Client, bootstrap, pathOf } from "../pkg/cli/client.js";

export const TENANT = "demo";
export const API = "api://orders";
/** An API as it was registered at Microsoft years ago: its tokens are of version 1. */
export const API_V1 = "api://warehouse";
/** A domain of the tenant's own: its clients may name it instead of the tenant. */
export const DOMAIN = "demo.example";
/** The policy by which users sign in: what Azure AD B2C calls a user flow. */
export const POLICY = "B2C_1_signin";
/** What the demo application asks of users. */
export const USER_SCOPE = `${API}/Orders.Read ${API}/Orders.Write`;
/** Who the session belongs to that is made at every start. */
export const [DEMO_USER] = USERS;

/** The tenant's administrator has every app role of the administration. */
export const ADMIN_SCOPE = "urn:edgemint:admin/.default";

/** @typedef {{ clientId: string, clientSecret: string }} Credentials */

/**
 * What one start tells the next: ids and the secrets that are shown once.
 * @typedef {object} Kept
 * @property {Credentials} admin the administrator
 * @property {string} clientId a service
 * @property {string} clientSecret
 * @property {Credentials} login the login page
 * @property {Credentials} confidential a web application
 * @property {{ clientId: string }} public an application that keeps no secret
 */

/** The administration API of the demo tenant. @typedef {ReturnType<typeof administration>} Admin */

/** @param {string} issuer @param {Credentials} admin */
export function administration(issuer, { clientId, clientSecret }) {
  const profile = { url: new URL(issuer).origin, tenant: TENANT, clientId, clientSecret };
  return new Client(profile, () => {});
}

/**
 * Makes the tenant and its administrator, with the host's one-time secret.
 * @param {string} origin @param {string} secret
 * @returns {Promise<Credentials>}
 */
export async function firstAdministrator(origin, secret) {
  const at = { url: origin, tenant: TENANT };
  const { body } = await bootstrap(at, secret, { displayName: "Demo" }, () => {});
  return { clientId: body.clientId, clientSecret: body.secret };
}

/**
 * Registers the demo directory. Needs `place` afterwards.
 * @param {Admin} admin
 * @returns {Promise<Omit<Kept, "admin">>}
 */
export async function createDemo(admin) {
  /** @param {string} path @param {object} body @returns {Promise<any>} */
  const create = async (path, body) =>
    (await admin.request("POST", path, { body, creates: true })).body;
  /** What an earlier start that was cut short has made stays. @param {object} api */
  const api = (api) =>
    create("/apis", api).catch((error) => {
      if (error.code !== "exists") throw error;
    });
  /** @param {object} settings @returns {Promise<Credentials>} */
  const confidential = async (settings) => {
    const { clientId } = await create("/applications", settings);
    const path = pathOf("applications", clientId, "secrets");
    const { secret } = await create(path, { displayName: "demo" });
    return { clientId, clientSecret: secret };
  };
  /** @param {string} clientId @param {string} api @param {string[]} roles */
  const grant = (clientId, api, roles) =>
    admin.request("PUT", pathOf("applications", clientId, "assignments", api), { body: { roles } });

  // Microsoft's clients know RS256 only. Its key signs at once: nobody has copies of this ring yet.
  await create("/keys", { algorithm: "RS256", starts: 0 });
  const tenant = { displayName: "Demo", entra: true, domains: [DOMAIN], policies: [POLICY] };
  await admin.request("PATCH", "/tenant", { body: tenant });
  await api({
    identifier: API,
    displayName: "Orders",
    roles: [
      { value: "Orders.Read.All", displayName: "Read every order" },
      { value: "Orders.Write.All", displayName: "Write every order" },
    ],
    scopes: [
      { value: "Orders.Read", displayName: "Read your orders" },
      { value: "Orders.Write", displayName: "Place and change orders for you" },
    ],
  });
  await api({
    identifier: "api://invoices",
    displayName: "Invoices",
    roles: [{ value: "Invoices.Read.All", displayName: "Read every invoice" }],
  });
  await api({
    identifier: API_V1,
    displayName: "Warehouse",
    roles: [{ value: "Stock.Read.All", displayName: "Read the stock" }],
    requestedAccessTokenVersion: 1,
  });
  const service = await confidential({ displayName: "Importer" });
  await grant(service.clientId, API, ["Orders.Read.All"]);
  await grant(service.clientId, API_V1, ["Stock.Read.All"]);
  const login = await confidential({ displayName: "Login page" });
  await grant(login.clientId, "urn:edgemint:admin", ["Authorization.ReadWrite.All"]);
  const grantTypes = ["authorization_code", "refresh_token"];
  const web = await confidential({ displayName: "Demo web application", grantTypes });
  const settings = { displayName: "Demo application", kind: "public", grantTypes };
  const { clientId } = await create("/applications", settings);
  return { ...service, login, confidential: web, public: { clientId } };
}

/**
 * Says where login page and applications are, unless that is known: the ports follow from this start's.
 * @param {Admin} admin @param {Kept} kept
 * @param {{ loginUrl: string, redirectUri: string }} places
 * @returns {Promise<boolean>} whether they are other ones than before
 */
export async function place(admin, kept, { loginUrl, redirectUri }) {
  const { body: tenant } = await admin.request("GET", "/tenant");
  if (tenant.loginUrl === loginUrl) return false;
  for (const { clientId } of [kept.confidential, kept.public]) {
    const body = { redirectUris: [redirectUri] };
    await admin.request("PATCH", pathOf("applications", clientId), { body });
  }
  // Last: it says that the others are done.
  await admin.request("PATCH", "/tenant", { body: { loginUrl } });
  return true;
}

/**
 * What Microsoft's clients are told: ids that are GUIDs, as they expect.
 * @param {Admin} admin @param {string} origin
 */
export async function entraFacts(admin, origin) {
  /** @param {string} path @returns {Promise<any>} */
  const read = async (path) => (await admin.request("GET", path)).body;
  const { id, entra } = await read("/tenant");
  if (entra !== true) throw new Error("the demo tenant does not speak Entra");
  const { appId } = await read(pathOf("apis", API));
  return {
    tenant: TENANT,
    tenant_id: id,
    domain: DOMAIN,
    entra_authority: `${origin}/${id}`,
    api_app_id: appId,
    api_v1: API_V1,
    b2c_policy: POLICY,
  };
}

/** PKCE by hand: RFC 7636 section 4. */
export function pkce() {
  const verifier = randomBytes(32).toString("base64url");
  return { verifier, challenge: createHash("sha256").update(verifier).digest("base64url") };
}

/**
 * Signs the demo user in to the confidential application, as login page and application would.
 * @param {Record<string, string>} facts
 * @param {import("../pkg/index.d.ts").Authorization} authorization
 * @returns {Promise<string>} a refresh token
 */
export async function signIn(facts, authorization) {
  const { verifier, challenge } = pkce();
  const asked = await fetch(authorizationUrl(facts, challenge), { redirect: "manual" });
  const handle = new URL(asked.headers.get("location") ?? "").searchParams.get("handle");
  if (handle === null) throw new Error(`no handle in ${asked.headers.get("location")}`);
  const { subject } = DEMO_USER;
  const { redirectTo } = await authorization.complete(handle, {
    subject,
    claims: claimsOf(DEMO_USER),
  });
  const response = await fetch(facts.token_endpoint, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "authorization_code",
      code: new URL(redirectTo).searchParams.get("code") ?? "",
      redirect_uri: facts.redirect_uri,
      code_verifier: verifier,
      client_id: facts.confidential_client_id,
      client_secret: facts.confidential_client_secret,
    }),
  });
  const answer = /** @type {any} */ (await response.json());
  if (!response.ok) throw new Error(`no token for the code: ${JSON.stringify(answer)}`);
  return answer.refresh_token;
}

/**
 * Where the confidential application sends a browser.
 * @param {Record<string, string>} facts @param {string} challenge
 */
export function authorizationUrl(facts, challenge) {
  const parameters = new URLSearchParams({
    response_type: "code",
    client_id: facts.confidential_client_id,
    redirect_uri: facts.redirect_uri,
    scope: facts.user_scope,
    code_challenge: challenge,
    code_challenge_method: "S256",
  });
  return `${facts.authorization_endpoint}?${parameters}`;
}
