// better-auth with its OAuth provider, for one API. What it stores is in SQLite in memory. Beside it,
// `POST /bench/refresh-tokens?count=` makes refresh tokens of as many users: what a sign-in would end with.

import { createHash, randomBytes, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { DatabaseSync } from "node:sqlite";
import { oauthProvider } from "@better-auth/oauth-provider";
import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { jwt } from "better-auth/plugins/jwt";
import { SignJWT, importJWK } from "jose";
import { countOf, origin, port, publishedKey, settings } from "../shared/settings.js";

const { client, key, api, roles, scopes } = settings;
const LIFETIME = 3600;
const REFRESH_LIFETIME = 14 * 86_400;
const TENANT = randomUUID();

const signingKey = await importJWK(key, "ES256");

const auth = betterAuth({
  baseURL: origin,
  basePath: "/auth",
  secret: randomBytes(32).toString("base64url"),
  database: new DatabaseSync(":memory:"),
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { disabled: true },
  plugins: [
    jwt({
      disableSettingJwtHeader: true,
      jwks: { remoteUrl: `${origin}/jwks`, keyPairConfig: { alg: "ES256" } },
      // Its own way reads the key from the database and imports it for every token.
      jwt: {
        sign: (claims, header) =>
          new SignJWT(claims)
            .setProtectedHeader({ ...header, alg: "ES256", kid: key.kid })
            .sign(signingKey),
      },
    }),
    oauthProvider({
      loginPage: "/sign-in",
      consentPage: "/consent",
      scopes: ["offline_access", ...roles, ...scopes],
      cachedResources: new Set([api]),
      cachedTrustedClients: new Set([client.id]),
      accessTokenExpiresIn: LIFETIME,
      m2mAccessTokenExpiresIn: LIFETIME,
      refreshTokenExpiresIn: REFRESH_LIFETIME,
      customAccessTokenClaims: ({ user }) => (user ? { tid: TENANT } : { roles, tid: TENANT }),
    }),
  ],
});

await (await getMigrations(auth.options)).runMigrations();
const { adapter } = await auth.$context;
await register();
const answer = toNodeHandler(auth);

createServer(async (request, response) => {
  const [path] = String(request.url).split("?");
  if (path === "/jwks") {
    response.end(JSON.stringify({ keys: [publishedKey()] }));
    return;
  }
  if (path !== "/bench/refresh-tokens") return answer(request, response);
  const tokens = [];
  for (let left = countOf(request); left > 0; left -= 1) tokens.push(await refreshToken());
  response.end(JSON.stringify(tokens));
}).listen(port, "127.0.0.1");

/** The API and the client that may use it, as an administrator would make them. */
async function register() {
  const now = new Date();
  const dates = { createdAt: now, updatedAt: now };
  const resource = { identifier: api, name: api, policyVersion: 1, ...dates };
  await adapter.create({ model: "oauthResource", data: resource });
  await adapter.create({
    model: "oauthClient",
    data: {
      clientId: client.id,
      clientSecret: hash(client.secret),
      grantTypes: ["client_credentials", "authorization_code", "refresh_token"],
      redirectUris: ["https://app.example.com/callback"],
      tokenEndpointAuthMethod: "client_secret_post",
      scopes: ["offline_access", ...roles, ...scopes],
      clientCredentialsScopes: roles,
      disabled: false,
      ...dates,
    },
  });
  const link = { clientId: client.id, resourceId: api, createdAt: now };
  await adapter.create({ model: "oauthClientResource", data: link });
}

async function refreshToken() {
  const now = Date.now();
  const user = await adapter.create({
    model: "user",
    data: {
      name: "User",
      email: `${randomUUID()}@example.com`,
      emailVerified: true,
      createdAt: new Date(now),
      updatedAt: new Date(now),
    },
  });
  const token = randomBytes(24).toString("base64url");
  await adapter.create({
    model: "oauthRefreshToken",
    data: {
      token: hash(token),
      clientId: client.id,
      userId: user.id,
      resources: [api],
      scopes: ["offline_access", ...scopes],
      createdAt: new Date(now),
      expiresAt: new Date(now + REFRESH_LIFETIME * 1000),
    },
  });
  return token;
}

/** As it keeps them. @param {string} secret */
function hash(secret) {
  return createHash("sha256").update(secret).digest("base64url");
}
