// workers-oauth-provider as an authorization server for one API, over whatever KV it is bound to. Beside it,
// for the benchmark: `POST /bench/client` makes a client, `POST /bench/refresh-tokens?client=&secret=&count=`
// lets as many users consent and exchanges the codes, `GET /bench/token` tells what an access token says.

import { OAuthAuthorizationServer } from "@cloudflare/workers-oauth-provider";

/**
 * @typedef {{ issuer: string, scopes: string[], claims: Record<string, unknown> }} Settings
 * @typedef {{ SETTINGS: string, OAUTH_KV: any }} Env settings in JSON
 * @typedef {{ id: string, secret: string }} Client
 */

const LIFETIME = 3600;
const REFRESH_LIFETIME = 14 * 86_400;
const REDIRECT_URI = "https://app.example.com/callback";
const VERIFIER = "v".repeat(43);

/** @type {ReturnType<typeof create> | undefined} */
let service;

export default {
  /** @param {Request} request @param {Env} env @param {any} context */
  fetch(request, env, context) {
    service ??= create(JSON.parse(env.SETTINGS));
    const { pathname, searchParams } = new URL(request.url);
    if (!pathname.startsWith("/bench/")) return service.server.fetch(request, env, context);
    return bench(service, pathname, searchParams, request, env, context);
  },
};

/** @param {Settings} settings */
function create(settings) {
  const resource = `${settings.issuer}/orders`;
  const server = new OAuthAuthorizationServer({
    issuer: settings.issuer,
    resources: [resource],
    scopesSupported: settings.scopes,
    accessTokenTTL: LIFETIME,
    refreshTokenTTL: REFRESH_LIFETIME,
    // It logs what it refuses, otherwise.
    onError: () => {},
  });
  return { server, resource, settings };
}

/**
 * @param {ReturnType<typeof create>} service
 * @param {string} path @param {URLSearchParams} asked
 * @param {Request} request @param {Env} env @param {any} context
 */
async function bench(service, path, asked, request, env, context) {
  const { server, resource } = service;
  const helpers = server.getOAuthApi(env);
  if (path === "/bench/client") {
    const { clientId, clientSecret } = await helpers.createClient({
      redirectUris: [REDIRECT_URI],
      tokenEndpointAuthMethod: "client_secret_post",
      grantTypes: ["authorization_code", "refresh_token"],
    });
    return Response.json({ id: clientId, secret: clientSecret });
  }
  if (path === "/bench/refresh-tokens") {
    const client = { id: String(asked.get("client")), secret: String(asked.get("secret")) };
    const tokens = [];
    for (let left = Number(asked.get("count")); left > 0; left -= 1) {
      tokens.push(await refreshToken(service, helpers, client, env, context));
    }
    return Response.json(tokens);
  }
  const token = request.headers.get("authorization")?.slice("Bearer ".length) ?? "";
  return Response.json(await server.validateToken(resource, token, env));
}

/**
 * A user consents, and the application exchanges the code.
 * @param {ReturnType<typeof create>} service
 * @param {ReturnType<OAuthAuthorizationServer["getOAuthApi"]>} helpers
 * @param {Client} client @param {Env} env @param {any} context
 */
async function refreshToken({ server, resource, settings }, helpers, client, env, context) {
  const { issuer, scopes, claims } = settings;
  const asked = new URL("/authorize", issuer);
  asked.search = new URLSearchParams({
    response_type: "code",
    client_id: client.id,
    redirect_uri: REDIRECT_URI,
    scope: scopes.join(" "),
    state: "state",
    code_challenge: await challenge(),
    code_challenge_method: "S256",
    resource,
  }).toString();
  const { redirectTo } = await helpers.completeAuthorization({
    request: await helpers.parseAuthRequest(new Request(asked)),
    userId: crypto.randomUUID(),
    metadata: {},
    scope: scopes,
    props: claims,
    revokeExistingGrants: false,
  });
  const body = new URLSearchParams({
    grant_type: "authorization_code",
    client_id: client.id,
    client_secret: client.secret,
    redirect_uri: REDIRECT_URI,
    code: String(new URL(redirectTo).searchParams.get("code")),
    code_verifier: VERIFIER,
  });
  const request = new Request(new URL("/oauth/token", issuer), { method: "POST", body });
  const response = await server.fetch(request, env, context);
  const answer = await response.json();
  if (response.status !== 200) throw new Error(JSON.stringify(answer));
  return answer.refresh_token;
}

/** RFC 7636 section 4.2. */
async function challenge() {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(VERIFIER));
  return new Uint8Array(hash).toBase64({ alphabet: "base64url", omitPadding: true });
}
