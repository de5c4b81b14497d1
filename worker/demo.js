// The demo directory of `cargo xtask dev`: what is registered in it, and a session of a demo user to
// try a refresh on. All of it is made by the administration and the requests that a real one takes.

import { createHash, randomBytes } from "node:crypto";
import { USERS, claimsOf } from "../examples/login/server.js";
import { EdgemintError } from "../pkg/node.js";

export const TENANT = "demo";
export const API = "api://orders";
/** What the demo application asks of users. */
export const USER_SCOPE = `${API}/Orders.Read ${API}/Orders.Write`;
/** Who the session belongs to that is made at every start. */
export const [DEMO_USER] = USERS;

/**
 * What one start tells the next: ids and the secrets that are shown once.
 * @typedef {object} Kept
 * @property {string} clientId a service
 * @property {string} clientSecret
 * @property {{ clientId: string, clientSecret: string }} login the login page
 * @property {{ clientId: string, clientSecret: string }} confidential a web application
 * @property {{ clientId: string }} public an application that keeps no secret
 */

/**
 * Registers the demo directory. Needs `place` afterwards.
 * @param {import("../pkg/index.d.ts").Administration} admin
 * @returns {Promise<Kept>}
 */
export async function createDemo(admin) {
  /** What an earlier start that was cut short has made stays. @param {Promise<unknown>} act */
  const once = (act) =>
    act.catch((error) => {
      if (!(error instanceof EdgemintError && error.code === "exists")) throw error;
    });
  /** @param {Omit<Parameters<typeof admin.createApplication>[0], "tenant">} application */
  const confidential = async (application) => {
    const { clientId } = await admin.createApplication({ tenant: TENANT, ...application });
    const { secret = "" } = await admin.addSecret({
      tenant: TENANT,
      clientId,
      displayName: "demo",
    });
    return { clientId, clientSecret: secret };
  };
  await once(admin.createTenant({ tenant: TENANT, displayName: "Demo" }));
  await once(
    admin.createApi({
      tenant: TENANT,
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
    }),
  );
  await once(
    admin.createApi({
      tenant: TENANT,
      identifier: "api://invoices",
      displayName: "Invoices",
      roles: [{ value: "Invoices.Read.All", displayName: "Read every invoice" }],
    }),
  );
  const service = await confidential({ displayName: "Importer" });
  await admin.assignRoles({
    tenant: TENANT,
    clientId: service.clientId,
    api: API,
    roles: ["Orders.Read.All"],
  });
  const login = await confidential({ displayName: "Login page" });
  await admin.assignRoles({
    tenant: TENANT,
    clientId: login.clientId,
    api: "urn:edgemint:admin",
    roles: ["Authorization.ReadWrite.All"],
  });
  /** @type {import("../pkg/index.d.ts").GrantType[]} */
  const grantTypes = ["authorization_code", "refresh_token"];
  const web = await confidential({ displayName: "Demo web application", grantTypes });
  const { clientId } = await admin.createApplication({
    tenant: TENANT,
    displayName: "Demo application",
    kind: "public",
    grantTypes,
  });
  return { ...service, login, confidential: web, public: { clientId } };
}

/**
 * Says where login page and applications are: the ports follow from this start's.
 * @param {import("../pkg/index.d.ts").Administration} admin @param {Kept} kept
 * @param {{ loginUrl: string, redirectUri: string }} places
 */
export async function place(admin, kept, { loginUrl, redirectUri }) {
  await admin.updateTenant({ tenant: TENANT, loginUrl });
  for (const { clientId } of [kept.confidential, kept.public]) {
    await admin.updateApplication({ tenant: TENANT, clientId, redirectUris: [redirectUri] });
  }
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
