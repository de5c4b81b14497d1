// @node-oauth/oauth2-server over node:http: the library leaves clients, tokens and their format to a
// model, which is written here as a good engineer would: access tokens are JWTs that jose signs, secrets
// are kept as their hashes, and what is stored is in memory. Beside it, `POST /bench/refresh-tokens?count=`
// makes refresh tokens of as many users: what a sign-in would end with.

import { createHash, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import OAuth2Server from "@node-oauth/oauth2-server";
import { SignJWT, importJWK } from "jose";
import { countOf, origin, port, publishedKey, settings } from "../shared/settings.js";

/**
 * @typedef {OAuth2Server.Client & { secretHash: Buffer, roles: string[] }} Client
 * @typedef {OAuth2Server.ClientCredentialsModel & OAuth2Server.RefreshTokenModel} Model
 */

const { client, key, api, roles, scopes } = settings;
const LIFETIME = 3600;
const REFRESH_LIFETIME = 14 * 86_400;
const TENANT = randomUUID();

const signingKey = await importJWK(key, "ES256");
const header = { alg: "ES256", kid: key.kid, typ: "at+jwt" };

/** @type {Client} */
const registered = {
  id: client.id,
  secretHash: hash(client.secret),
  grants: ["client_credentials", "refresh_token"],
  roles,
};
const clients = new Map([[client.id, registered]]);
/** Compared with when there is no such client, so that it takes as long. */
const NOBODY = Buffer.alloc(32);
/** Those that are good. @type {Map<string, OAuth2Server.RefreshToken>} */
const refreshTokens = new Map();

/** @type {Model} */
const model = {
  async getClient(id, secret) {
    const found = clients.get(id);
    const same = timingSafeEqual(hash(secret ?? ""), found?.secretHash ?? NOBODY);
    return found !== undefined && same ? found : false;
  },

  async getUserFromClient({ id }) {
    return { id, application: true };
  },

  async validateScope(_, found, asked) {
    const has = /** @type {Client} */ (found).roles;
    return asked !== undefined && asked.every((role) => has.includes(role)) ? asked : false;
  },

  generateAccessToken(found, user, scope) {
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      exp: now + LIFETIME,
      nbf: now,
      iat: now,
      iss: origin,
      sub: user.id,
      aud: api,
      client_id: found.id,
      azp: found.id,
      jti: randomUUID(),
      roles: user.application ? scope : undefined,
      scope: scope.join(" "),
      tid: TENANT,
    };
    return new SignJWT(claims).setProtectedHeader(header).sign(signingKey);
  },

  async generateRefreshToken() {
    return randomBytes(32).toString("base64url");
  },

  /** Access tokens say all there is to know of them. */
  async saveToken(token, found, user) {
    const saved = { ...token, client: found, user };
    const { refreshToken } = saved;
    if (refreshToken !== undefined) refreshTokens.set(refreshToken, { ...saved, refreshToken });
    return saved;
  },

  async getRefreshToken(token) {
    return refreshTokens.get(token);
  },

  async revokeToken({ refreshToken }) {
    return refreshTokens.delete(refreshToken);
  },

  /** For resource servers, which none is here. */
  async getAccessToken() {
    return undefined;
  },
};

const oauth = new OAuth2Server({
  model,
  accessTokenLifetime: LIFETIME,
  refreshTokenLifetime: REFRESH_LIFETIME,
  alwaysIssueNewRefreshToken: true,
});

createServer(async (request, response) => {
  const [path] = String(request.url).split("?");
  if (path === "/token") return token(request, response);
  if (path === "/jwks") return send(response, 200, {}, { keys: [publishedKey()] });
  if (path !== "/bench/refresh-tokens") return send(response, 404, {}, {});
  const made = await Promise.all(Array.from({ length: countOf(request) }, refreshToken));
  send(response, 200, {}, made);
}).listen(port, "127.0.0.1");

/**
 * @param {import("node:http").IncomingMessage} incoming
 * @param {import("node:http").ServerResponse} outgoing
 */
async function token(incoming, outgoing) {
  let form = "";
  incoming.setEncoding("utf8");
  for await (const chunk of incoming) form += chunk;
  const request = new OAuth2Server.Request({
    method: String(incoming.method),
    headers: /** @type {Record<string, string>} */ (incoming.headers),
    query: {},
    body: Object.fromEntries(new URLSearchParams(form)),
  });
  const response = new OAuth2Server.Response();
  // What it refuses is in the response as well.
  await oauth.token(request, response).catch(() => {});
  send(outgoing, response.status ?? 500, response.headers ?? {}, response.body);
}

/**
 * @param {import("node:http").ServerResponse} response
 * @param {number} status
 * @param {Record<string, string>} headers
 * @param {unknown} answer
 */
function send(response, status, headers, answer) {
  const body = JSON.stringify(answer);
  const length = Buffer.byteLength(body);
  const more = { "content-type": "application/json", "content-length": length };
  response.writeHead(status, { ...headers, ...more }).end(body);
}

async function refreshToken() {
  const token = randomBytes(32).toString("base64url");
  refreshTokens.set(token, {
    refreshToken: token,
    refreshTokenExpiresAt: new Date(Date.now() + REFRESH_LIFETIME * 1000),
    scope: scopes,
    client: registered,
    user: { id: randomUUID() },
  });
  return token;
}

/** @param {string} secret */
function hash(secret) {
  return createHash("sha256").update(secret).digest();
}
