// oidc-provider for one API, with access tokens that are JWTs, and refresh tokens that are rotated.
// Beside it, `POST /bench/refresh-tokens?count=` makes refresh tokens of as many users' grants: what a
// sign-in would end with.

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { Provider } from "oidc-provider";
import { countOf, origin, port, settings } from "../shared/settings.js";
import { MemoryAdapter } from "./adapter.js";

const { client, key, api, roles, scopes } = settings;
const LIFETIME = 3600;
const REFRESH_LIFETIME = 14 * 86_400;
const TENANT = randomUUID();

const resourceServer = {
  scope: [...roles, ...scopes].join(" "),
  audience: api,
  accessTokenFormat: "jwt",
  accessTokenTTL: LIFETIME,
  jwt: { sign: { alg: "ES256" } },
};

const provider = new Provider(origin, {
  adapter: MemoryAdapter,
  jwks: { keys: [key] },
  clients: [
    {
      client_id: client.id,
      client_secret: client.secret,
      grant_types: ["client_credentials", "refresh_token", "authorization_code"],
      redirect_uris: ["https://app.example.com/callback"],
      token_endpoint_auth_method: "client_secret_post",
      id_token_signed_response_alg: "ES256",
    },
  ],
  clientAuthMethods: ["client_secret_basic", "client_secret_post"],
  enabledJWA: { idTokenSigningAlgValues: ["ES256"] },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => api,
      useGrantedResource: () => true,
      getResourceServerInfo: () => resourceServer,
    },
  },
  rotateRefreshToken: true,
  /** @param {unknown} _ @param {string} accountId */
  findAccount: (_, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
  /** What ours says as well. @param {unknown} _ @param {{ kind: string }} token */
  extraTokenClaims: (_, { kind }) =>
    kind === "ClientCredentials" ? { roles, tid: TENANT } : { tid: TENANT },
  ttl: {
    AccessToken: LIFETIME,
    ClientCredentials: LIFETIME,
    Grant: REFRESH_LIFETIME,
    IdToken: LIFETIME,
    RefreshToken: REFRESH_LIFETIME,
  },
  cookies: { keys: [randomUUID()] },
});

const answer = provider.callback();

createServer(async (request, response) => {
  if (!request.url?.startsWith("/bench/")) return answer(request, response);
  const tokens = await Promise.all(Array.from({ length: countOf(request) }, refreshToken));
  response.end(JSON.stringify(tokens));
}).listen(port, "127.0.0.1");

/** What a user has granted, and the first refresh token for it. */
async function refreshToken() {
  const accountId = randomUUID();
  const grant = new provider.Grant({ accountId, clientId: client.id });
  grant.addOIDCScope("offline_access");
  grant.addResourceScope(api, scopes);
  const token = new provider.RefreshToken({
    accountId,
    client: await provider.Client.find(client.id),
    grantId: await grant.save(),
    gty: "authorization_code",
    resource: api,
    rotations: 0,
    scope: ["offline_access", ...scopes].join(" "),
    expiresWithSession: false,
  });
  return token.save();
}
