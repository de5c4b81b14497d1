// Users signed in over HTTP, as a browser, a login page and an application do it together: for tests and
// the benchmark, on whatever runtime the service is. It uses nothing but what every runtime has.

/** Nobody goes there: who signs in does what the page would do. */
const LOGIN = "https://login.example.com/";
export const REDIRECT_URI = "https://app.example.com/callback";
export const ADMIN_API = "urn:edgemint:admin";
const VERIFIER = "v".repeat(43);

/** RFC 7636 section 4.2. */
async function challenge() {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(VERIFIER));
  const base64 = btoa(String.fromCharCode(...new Uint8Array(hash)));
  return base64.replaceAll("+", "-").replaceAll("/", "_").replace("=", "");
}

/**
 * An application whose users sign in, as requests name it.
 * @typedef {{ clientId: string, secret?: string }} Client
 *
 * What the token endpoint answers.
 * @typedef {{ access_token: string, refresh_token: string, refresh_token_expires_in: number }} Tokens
 */

/**
 * A tenant that users can sign in to, and the application that its login page is.
 * @param {import("../pkg/index.d.ts").Administration} admin
 * @returns {Promise<Client>}
 */
export async function registerLogin(admin, tenant = "demo") {
  await admin.createTenant({ tenant, loginUrl: LOGIN });
  const scopes = [{ value: "Orders.Read" }, { value: "Orders.Write" }];
  await admin.createApi({ tenant, identifier: "api://orders", scopes });
  const { clientId } = await admin.createApplication({ tenant, displayName: "Login" });
  const { secret } = await admin.addSecret({ tenant, clientId });
  const roles = ["Authorization.ReadWrite.All"];
  await admin.assignRoles({ tenant, clientId, api: ADMIN_API, roles });
  return { clientId, secret };
}

/**
 * An application with a policy for its refresh tokens.
 * @param {import("../pkg/index.d.ts").Administration} admin
 * @param {import("../pkg/index.d.ts").RefreshPolicy} refresh
 * @param {"confidential" | "public"} [kind]
 * @returns {Promise<Client>}
 */
export async function registerClient(admin, refresh, kind = "confidential", tenant = "demo") {
  const redirectUris = [REDIRECT_URI];
  const { clientId } = await admin.createApplication({ tenant, kind, redirectUris, refresh });
  if (kind === "public") return { clientId };
  const { secret } = await admin.addSecret({ tenant, clientId });
  return { clientId, secret };
}

/** How a client authenticates in a form. @param {Client} client @returns {Record<string, string>} */
export const credentials = ({ clientId, secret }) =>
  secret === undefined ? { client_id: clientId } : { client_id: clientId, client_secret: secret };

/**
 * Posts a form to an endpoint of a tenant.
 * @param {URL} url where the worker listens
 * @param {string} endpoint such as `token`
 * @param {Record<string, string>} parameters
 * @param {{ tenant?: string, signal?: AbortSignal, fetch?: typeof globalThis.fetch }} [options]
 */
export function post(url, endpoint, parameters, { tenant = "demo", signal, fetch = globalThis.fetch } = {}) {
  const body = new URLSearchParams(parameters);
  return fetch(new URL(`/${tenant}/oauth2/${endpoint}`, url), { method: "POST", body, signal });
}

/**
 * A refresh request.
 * @param {URL} url @param {Client} client @param {string} token @param {AbortSignal} [signal]
 */
export function refresh(url, client, token, signal) {
  const parameters = { grant_type: "refresh_token", refresh_token: token, ...credentials(client) };
  return post(url, "token", parameters, { signal });
}

/**
 * Signs users in as a browser, a login page and an application do together.
 * @param {URL} url where the worker listens
 * @param {Client} login the application that the login page is
 * @param {typeof globalThis.fetch} [fetch] who is asked, if it listens nowhere
 */
export async function startLogin(url, login, tenant = "demo", fetch = globalThis.fetch) {
  const parameters = { grant_type: "client_credentials", scope: `${ADMIN_API}/.default` };
  const granted = await post(url, "token", { ...parameters, ...credentials(login) }, { tenant, fetch });
  const { access_token: admin } = await ok(granted);

  /** The code of a new grant. @param {Client} client @param {string} subject @returns {Promise<string>} */
  async function code({ clientId }, subject) {
    const query = new URLSearchParams({
      response_type: "code",
      client_id: clientId,
      redirect_uri: REDIRECT_URI,
      scope: "api://orders/Orders.Read api://orders/Orders.Write",
      code_challenge: await challenge(),
      code_challenge_method: "S256",
    });
    const authorize = new URL(`/${tenant}/oauth2/authorize?${query}`, url);
    const asked = await fetch(authorize, { redirect: "manual" });
    const page = new URL(asked.headers.get("location") ?? "none:");
    const handle = page.searchParams.get("handle");
    if (handle === null) throw new Error(`no handle in ${page} (${asked.status})`);
    const complete = new URL(`/${tenant}/admin/v1/authorizations/complete`, url);
    const completed = await fetch(complete, {
      method: "POST",
      headers: { authorization: `Bearer ${admin}`, "content-type": "application/json" },
      body: JSON.stringify({ handle, subject }),
    });
    const { redirectTo } = await ok(completed);
    return new URL(redirectTo).searchParams.get("code") ?? "";
  }

  return {
    code,
    /** What is in the form that exchanges a code. @param {Client} client @param {string} code */
    exchange: (client, code) => ({
      grant_type: "authorization_code",
      code,
      redirect_uri: REDIRECT_URI,
      code_verifier: VERIFIER,
      ...credentials(client),
    }),
    /** A new session. @param {Client} client @param {string} subject @returns {Promise<Tokens>} */
    async signIn(client, subject) {
      const form = this.exchange(client, await code(client, subject));
      return ok(await post(url, "token", form, { tenant, fetch }));
    },
  };
}

/** The body of an answer that must be 200. @param {Response} response @returns {Promise<any>} */
async function ok(response) {
  const text = await response.text();
  if (response.status !== 200) throw new Error(`${response.url}: ${response.status} ${text}`);
  return JSON.parse(text);
}
