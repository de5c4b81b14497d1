// An administrator of a worker as there is one in production: made with the bootstrap secret, over HTTP.

import { Client, bootstrap, pathOf } from "../../pkg/cli/client.js";
import { ADMIN_API, REDIRECT_URI } from "../sign-in.js";

export const BOOTSTRAP_SECRET = "s".repeat(43);
/** An API with an app role and a scope, by the names that `sign-in.js` asks for. */
export const API = "api://orders";

/** Nothing here is so busy that it is to be waited for. @param {string} hint */
const unexpected = (hint) => console.error(hint);

/**
 * @typedef {import("../sign-in.js").Client} Application
 * @typedef {{ body?: object, headers?: Record<string, string> }} Ask
 * @typedef {{ status: number, body: any, etag: string }} Answer
 */

/** What is under `/{tenant}/admin/v1`. @param {URL} url @param {string} tenant @param {string} token */
export const caller =
  (url, tenant, token) =>
  /** One request, not repeated. @param {string} method @param {string} path @param {Ask} [ask] @returns {Promise<Answer>} */
  async (method, path, { body, headers } = {}) => {
    const response = await fetch(new URL(`/${tenant}/admin/v1${path}`, url), {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    return {
      status: response.status,
      body: text === "" ? undefined : JSON.parse(text),
      etag: response.headers.get("etag") ?? "",
    };
  };

/**
 * The first administrator of a tenant.
 * @param {URL} url where the worker listens @param {string} [tenant]
 */
export async function firstAdministrator(url, tenant = "demo") {
  const at = { url: url.origin, tenant };
  const { body } = await bootstrap(at, BOOTSTRAP_SECRET, {}, unexpected);
  return administrator(url, { clientId: body.clientId, secret: body.secret }, tenant);
}

/**
 * An administrator that there is.
 * @param {URL} url @param {{ clientId: string, secret: string }} credentials @param {string} [tenant]
 */
export function administrator(url, { clientId, secret }, tenant = "demo") {
  const profile = { url: url.origin, tenant, clientId, clientSecret: secret };
  const client = new Client(profile, unexpected);
  /** The body of an answer, which must be a good one. @param {string} method @param {string} path @param {object} [body] */
  const ask = async (method, path, body) => (await client.request(method, path, { body })).body;

  return {
    ask,
    credentials: { clientId, secret },
    token: () => client.token(),
    /** The same administrator with one request at a time, whatever is answered. */
    call: async () => caller(url, tenant, await client.token()),
    /** @param {string} id @param {object} [body] @returns {Promise<string>} */
    addSecret: async (id, body = {}) =>
      (await ask("POST", `${pathOf("applications", id)}/secrets`, body)).secret,
    /** An application with a secret, and app roles on an API. @param {string} [api] @param {string[]} [roles] */
    async addApplication(api = API, roles = ["Orders.Read.All"]) {
      const { clientId: id } = await ask("POST", "/applications", {});
      await ask("POST", `${pathOf("applications", id)}/assignments${pathOf(api)}`, { roles });
      return { clientId: id, secret: await this.addSecret(id) };
    },
    /** An API, a page to sign in at, and an application whose users do. */
    async prepare() {
      await ask("PATCH", "/tenant", { loginUrl: "https://login.example.com/" });
      await ask("POST", "/apis", {
        identifier: API,
        roles: [{ value: "Orders.Read.All" }],
        scopes: [{ value: "Orders.Read" }, { value: "Orders.Write" }],
      });
      const redirectUris = [REDIRECT_URI];
      const refresh = { grace: 0 };
      const web = await ask("POST", "/applications", { kind: "public", redirectUris, refresh });
      return {
        login: await this.addApplication(ADMIN_API, ["Authorization.ReadWrite.All"]),
        /** @type {Application} */
        web: { clientId: web.clientId },
        application: await this.addApplication(),
      };
    },
    /** Every application. @returns {Promise<any[]>} */
    async applications() {
      const items = [];
      for await (const page of client.pages("/applications")) items.push(...page.items);
      return items;
    },
  };
}
