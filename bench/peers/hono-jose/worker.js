// The endpoint as one writes it by hand, well: Hono routes, jose signs. Clients are in a map, by what
// their secrets hash to; the key is imported once.

import { Hono } from "hono";
import { SignJWT, importJWK } from "jose";
import { secretMatches } from "../shared/secret.js";

/**
 * @typedef {object} Directory
 * @property {string} issuer
 * @property {[string, string][]} tenants name and id
 * @property {[string, string[]][]} apis identifier and roles
 * @property {{ tenant: string, id: string, secretHash: string, assignments: [string, string[]][] }[]} clients
 *
 * @typedef {{ DIRECTORY: string, SIGNING_KEY: string }} Env both in JSON
 */

const LIFETIME = 3600;
const NO_STORE = { "cache-control": "no-store", pragma: "no-cache" };
const FORM = /^application\/x-www-form-urlencoded\b/i;
const DEFAULT = "/.default";

/** @type {Hono | undefined} */
let app;

export default {
  /** @param {Request} request @param {Env} env */
  fetch(request, env) {
    app ??= create(env);
    return app.fetch(request);
  },
};

/** @param {Env} env */
function create(env) {
  /** @type {Directory} */
  const directory = JSON.parse(env.DIRECTORY);
  const { issuer } = directory;
  const tenants = new Map(directory.tenants);
  const rolesOf = new Map(directory.apis.map(([api, roles]) => [api, new Set(roles)]));
  const clients = new Map(
    directory.clients.map(({ tenant, id, secretHash, assignments }) => [
      `${tenant}/${id}`,
      { secretHash: Uint8Array.fromBase64(secretHash), assignments: new Map(assignments) },
    ]),
  );

  const { d: secret, ...published } = JSON.parse(env.SIGNING_KEY);
  const header = { alg: "ES256", kid: published.kid, typ: "at+jwt" };
  const key = importJWK({ ...published, d: secret }, "ES256");

  const app = new Hono();

  app.post("/:tenant/oauth2/token", async (c) => {
    const tenant = c.req.param("tenant");
    const tid = tenants.get(tenant);
    if (tid === undefined) return refuse(c, 404, "invalid_request");
    if (!FORM.test(c.req.header("content-type") ?? "")) return refuse(c, 400, "invalid_request");

    const form = new URLSearchParams(await c.req.text());
    if (new Set(form.keys()).size !== form.size) return refuse(c, 400, "invalid_request");
    if (form.get("grant_type") !== "client_credentials") {
      return refuse(c, 400, "unsupported_grant_type");
    }

    const id = form.get("client_id") ?? "";
    const client = clients.get(`${tenant}/${id}`);
    const same = await secretMatches(form.get("client_secret") ?? "", client?.secretHash);
    if (client === undefined || !same) return refuse(c, 401, "invalid_client");

    const asked = form.get("scope") ?? "";
    if (!asked.endsWith(DEFAULT)) return refuse(c, 400, "invalid_scope");
    const audience = asked.slice(0, -DEFAULT.length);
    const known = rolesOf.get(audience);
    const roles = client.assignments.get(audience)?.filter((role) => known?.has(role)) ?? [];
    if (roles.length === 0) return refuse(c, 400, "invalid_scope");
    const scope = roles.map((role) => `${audience}/${role}`).join(" ");

    const now = Math.floor(Date.now() / 1000);
    const claims = {
      exp: now + LIFETIME,
      nbf: now,
      iat: now,
      iss: `${issuer}/${tenant}`,
      sub: id,
      aud: audience,
      client_id: id,
      azp: id,
      jti: crypto.randomUUID(),
      roles,
      scope,
      tid,
    };
    const token = await new SignJWT(claims).setProtectedHeader(header).sign(await key);
    const answer = { access_token: token, token_type: "Bearer", expires_in: LIFETIME, scope };
    return c.json(answer, 200, NO_STORE);
  });

  app.get("/:tenant/.well-known/jwks.json", (c) => c.json({ keys: [published] }));

  return app;
}

/** @param {import("hono").Context} c @param {400 | 401 | 404} status @param {string} error */
function refuse(c, status, error) {
  return c.json({ error }, status, NO_STORE);
}
