// An application that signs users in with edgemint: a public client with PKCE, by oauth4webapi. Tokens
// stay here, in the memory of its server; the browser holds a cookie that stands for them.
//
//   ISSUER=http://127.0.0.1:8787/demo CLIENT_ID=... REDIRECT_URI=http://localhost:8790/callback \
//     SCOPE='api://orders/Orders.Read' node examples/login/app.js

import { randomBytes, timingSafeEqual } from "node:crypto";
import { fileURLToPath } from "node:url";
import * as oauth from "oauth4webapi";
import { cookieNamed, html, listen, notice, setting, webServer } from "./web.js";

/** Sessions that are held; the oldest goes first. */
const CAPACITY = 1000;

/**
 * @typedef {object} Tokens
 * @property {string} access
 * @property {number} accessEnds milliseconds since 1970
 * @property {string} scope
 * @property {string} [refresh]
 * @property {number} [refreshEnds] milliseconds since 1970
 * @property {number} refreshed how often
 *
 * @typedef {object} Session
 * @property {string} seal what the forms of this session carry
 * @property {{ state: string, verifier: string }} [pending] a sign-in that is under way
 * @property {Promise<void>} [refreshing] a refresh that is under way
 * @property {Tokens} [tokens]
 */

/** What the start page says once. @type {Record<string, string>} */
const NOTICES = {
  "signed-out": "You are signed out, and the session has ended at the server.",
  "signed-out-here":
    "You are signed out here. The server could not be told, so the session ends there by itself later.",
  ended: "The session has ended. Sign in again.",
  refused: "You did not agree, so nothing was shared. You may sign in whenever you like.",
};

/** @param {{ issuer: string, clientId: string, redirectUri: string, scope: string }} options */
export function appServer({ issuer, clientId, redirectUri, scope }) {
  const issuerUrl = new URL(issuer);
  // Plain http is for this machine only.
  const options = { [oauth.allowInsecureRequests]: issuerUrl.protocol === "http:" };
  const client = { client_id: clientId };
  const cookie = cookieNamed("app", redirectUri.startsWith("https:"));
  /** @type {Map<string, Session>} */
  const sessions = new Map();
  /** @type {oauth.AuthorizationServer | undefined} */
  let metadata;

  /** What the issuer says of itself, asked for once. */
  async function server() {
    const discovery = () => oauth.discoveryRequest(issuerUrl, { algorithm: "oauth2", ...options });
    metadata ??= await oauth.processDiscoveryResponse(issuerUrl, await discovery());
    return metadata;
  }

  /** A new session under a name that nobody knew before. @param {Partial<Session>} content */
  function open(content) {
    const name = randomBytes(32).toString("base64url");
    sessions.set(name, { seal: randomBytes(32).toString("base64url"), ...content });
    const [oldest] = sessions.keys();
    if (sessions.size > CAPACITY) sessions.delete(oldest);
    return cookie.set(name);
  }

  /** @param {import("./web.js").Visit} visit */
  const sessionOf = (visit) => sessions.get(visit.cookie(cookie.name) ?? "");

  /** The session, if the form was made for it. @param {import("./web.js").Visit} visit */
  function posted(visit) {
    const session = sessionOf(visit);
    const [given, due] = [visit.form.get("seal"), session?.seal].map((text) =>
      Buffer.from(text ?? ""),
    );
    return given.length === due.length && timingSafeEqual(given, due) ? session : undefined;
  }

  /** @param {import("./web.js").Visit} visit @param {string} why one of `NOTICES` */
  function leave(visit, why) {
    sessions.delete(visit.cookie(cookie.name) ?? "");
    return { location: `/?notice=${why}`, cookie: cookie.clear };
  }

  /** The next tokens of a session. @param {Session} session */
  async function rotate(session) {
    const { refresh, refreshed } = /** @type {Tokens} */ (session.tokens);
    const known = await server();
    const token = /** @type {string} */ (refresh);
    const response = await oauth.refreshTokenGrantRequest(known, client, oauth.None(), token, options);
    const answer = await oauth.processRefreshTokenResponse(known, client, response);
    session.tokens = tokensOf(answer, refreshed + 1);
  }

  /** @param {oauth.TokenEndpointResponse} answer @param {number} refreshed @returns {Tokens} */
  function tokensOf(answer, refreshed) {
    const after = (/** @type {unknown} */ seconds) => Date.now() + Number(seconds) * 1000;
    const refreshEnds = answer.refresh_token_expires_in;
    return {
      access: answer.access_token,
      accessEnds: after(answer.expires_in),
      scope: answer.scope ?? scope,
      refresh: answer.refresh_token,
      refreshEnds: refreshEnds === undefined ? undefined : after(refreshEnds),
      refreshed,
    };
  }

  return webServer({
    "GET /": (visit) => {
      const session = sessionOf(visit);
      if (session?.tokens) return tokensPage(session.tokens, session.seal);
      const said = NOTICES[visit.url.searchParams.get("notice") ?? ""];
      return startPage(said);
    },

    "GET /signin": async () => {
      const { authorization_endpoint: endpoint = "" } = await server();
      const verifier = oauth.generateRandomCodeVerifier();
      const state = oauth.generateRandomState();
      const location = new URL(endpoint);
      location.search = new URLSearchParams({
        response_type: "code",
        client_id: clientId,
        redirect_uri: redirectUri,
        scope,
        state,
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: "S256",
      }).toString();
      return { location: location.href, cookie: open({ pending: { state, verifier } }) };
    },

    "GET /callback": async (visit) => {
      const pending = sessionOf(visit)?.pending;
      const again = html`<p><a class="button" href="/signin">Sign in again</a></p>`;
      if (pending === undefined) {
        const text =
          "This browser has no sign-in under way: it was finished, or started elsewhere.";
        return notice(400, "Nobody was signed in", text, again);
      }
      try {
        const known = await server();
        const answered = oauth.validateAuthResponse(known, client, visit.url, pending.state);
        const response = await oauth.authorizationCodeGrantRequest(
          known,
          client,
          oauth.None(),
          answered,
          redirectUri,
          pending.verifier,
          options,
        );
        const answer = await oauth.processAuthorizationCodeResponse(known, client, response);
        sessions.delete(visit.cookie(cookie.name) ?? "");
        // Under a new name: whoever knew the one from before the sign-in does not have this session.
        return { location: "/", cookie: open({ tokens: tokensOf(answer, 0) }) };
      } catch (error) {
        if (error instanceof oauth.AuthorizationResponseError) {
          if (error.error === "access_denied") return leave(visit, "refused");
          return notice(
            400,
            "Nobody was signed in",
            html`The answer was <code>${error.error}</code>.`,
            again,
          );
        }
        console.error(`demo application: ${error}`);
        return notice(
          400,
          "Nobody was signed in",
          "The answer does not belong to this sign-in.",
          again,
        );
      }
    },

    "POST /refresh": async (visit) => {
      const session = posted(visit);
      if (session?.tokens?.refresh === undefined) return leave(visit, "ended");
      try {
        // One at a time: a tab that is overtaken by two rotations would look like a thief.
        session.refreshing ??= rotate(session).finally(() => {
          session.refreshing = undefined;
        });
        await session.refreshing;
        return { location: "/" };
      } catch (error) {
        // Only this says that the session is over. After anything else the token is still good.
        const isOver = error instanceof oauth.ResponseBodyError && error.error === "invalid_grant";
        if (isOver) return leave(visit, "ended");
        console.error(`demo application: ${error}`);
        return notice(
          503,
          "Not refreshed",
          "The server did not answer. Nothing is lost; try again.",
        );
      }
    },

    "POST /signout": async (visit) => {
      const session = posted(visit);
      if (session?.tokens === undefined) return leave(visit, "ended");
      const { refresh, access } = session.tokens;
      const token = refresh ?? access;
      try {
        const known = await server();
        const response = await oauth.revocationRequest(known, client, oauth.None(), token, options);
        await oauth.processRevocationResponse(response);
        return leave(visit, "signed-out");
      } catch (error) {
        console.error(`demo application: ${error}`);
        return leave(visit, "signed-out-here");
      }
    },
  });
}

/** @param {string} [said] @returns {import("./web.js").Answer} */
function startPage(said) {
  const body = html`<h1>Demo application</h1>
${said && html`<p class="said" role="status">${said}</p>`}
<p>This application has no users of its own. It sends you to the login page of the demo tenant, and comes back with
tokens for the API that you allow it to use.</p>
<p><a class="button" href="/signin">Sign in</a></p>`;
  return { page: { title: "Demo application", body } };
}

/** @param {Tokens} tokens @param {string} seal @returns {import("./web.js").Answer} */
function tokensPage(tokens, seal) {
  // An application should not look into access tokens, which are made for the API. A demo may.
  const claims = JSON.parse(Buffer.from(tokens.access.split(".")[1], "base64url").toString());
  const { iat, nbf, exp, ...others } = claims;
  const rows = Object.entries({ ...others, iat, nbf, exp }).map(([name, value]) => {
    const isTime = typeof value === "number";
    const text = typeof value === "string" ? value : JSON.stringify(value);
    return html`
  <tr>
    <th scope="row"><code>${name}</code></th>
    <td>${text}${isTime && html`<small>${time(value * 1000)}</small>`}</td>
  </tr>`;
  });
  const sealed = html`<input type="hidden" name="seal" value="${seal}">`;
  const times = tokens.refreshed === 1 ? "once" : `${tokens.refreshed} times`;
  const body = html`<h1>Hello, ${claims.name ?? claims.sub}</h1>
<dl>
  <dt>You allowed</dt>
  <dd>${tokens.scope.split(" ").map((one) => html`<code class="scope">${one}</code> `)}</dd>
  <dt>Access token</dt><dd>good until ${time(tokens.accessEnds)}</dd>
  <dt>Refresh token</dt><dd>${
    tokens.refreshEnds === undefined ? "none" : html`good until ${time(tokens.refreshEnds)}`
  }</dd>
  <dt>Refreshed</dt><dd id="refreshed">${tokens.refreshed === 0 ? "not yet" : times}</dd>
</dl>
<div class="buttons">
  <form method="post" action="/refresh">${sealed}<button>Refresh</button></form>
  <form method="post" action="/signout">${sealed}<button class="quiet">Sign out</button></form>
</div>
<h2>What the access token says</h2>
<table>${rows}
</table>`;
  return { page: { title: "Demo application", body } };
}

/** @param {number} at milliseconds since 1970 */
function time(at) {
  const date = new Date(at).toISOString();
  return html`<time datetime="${date}">${date.slice(0, 10)} ${date.slice(11, 19)} UTC</time>`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [issuer, clientId] = [setting("ISSUER"), setting("CLIENT_ID")];
  const [redirectUri, scope] = [setting("REDIRECT_URI"), setting("SCOPE")];
  const { origin, port } = new URL(redirectUri);
  await listen(appServer({ issuer, clientId, redirectUri, scope }), Number(port));
  console.log(`${origin}/ is the application`);
}
