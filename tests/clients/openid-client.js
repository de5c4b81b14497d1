// openid-client, which holds an answer to the RFCs and refuses what is not in them.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as oauth from "openid-client";
import { USER, USER_SCOPES, browse, clients } from "./world.js";

/** @typedef {import("./world.js").World} World */

/** @param {World} world */
export function openidClient(world) {
  /**
   * @param {import("./world.js").Client} client @param {oauth.ClientAuth} [how]
   * @param {"oidc" | "oauth2"} [algorithm] where the metadata is looked for
   */
  const discovered = (client, how, algorithm = "oauth2") =>
    oauth.discovery(new URL(world.issuer), client.clientId, client.secret || undefined, how, {
      algorithm,
      // Seconds for each answer.
      timeout: 120,
      execute: world.issuer.startsWith("http:") ? [oauth.allowInsecureRequests] : [],
    });

  /** Signs the user in. @param {oauth.Configuration} config @param {string} redirectUri */
  async function authorize(config, redirectUri) {
    const verifier = oauth.randomPKCECodeVerifier();
    const state = oauth.randomState();
    const start = oauth.buildAuthorizationUrl(config, {
      redirect_uri: redirectUri,
      scope: USER_SCOPES,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      state,
    });
    const { url } = await browse(start.href, redirectUri);
    return { url: new URL(url), checks: { pkceCodeVerifier: verifier, expectedState: state } };
  }

  /** @param {oauth.Configuration} config @param {string} [redirectUri] */
  async function signIn(config, redirectUri = world.redirectUri) {
    const { url, checks } = await authorize(config, redirectUri);
    return oauth.authorizationCodeGrant(config, url, checks);
  }

  /** @param {Promise<unknown>} asked @param {string} error @param {number} status */
  const refused = (asked, error, status) =>
    assert.rejects(asked, (/** @type {any} */ thrown) => {
      assert.ok(thrown instanceof oauth.ResponseBodyError, String(thrown));
      assert.deepEqual([thrown.error, thrown.status], [error, status]);
      return true;
    });

  describe(`openid-client at ${new URL(world.issuer).protocol}`, () => {
    for (const algorithm of /** @type {const} */ (["oidc", "oauth2"])) {
      test(`it discovers the server by ${algorithm}, and what it can`, async () => {
        const config = await discovered(clients.web, undefined, algorithm);
        const server = config.serverMetadata();
        assert.equal(server.issuer, world.issuer);
        assert.equal(server.supportsPKCE(), true);
        assert.equal(server.authorization_response_iss_parameter_supported, true);
      });
    }

    for (const [name, how] of /** @type {const} */ ([
      ["client_secret_basic", oauth.ClientSecretBasic],
      ["client_secret_post", oauth.ClientSecretPost],
    ])) {
      test(`client credentials by ${name}`, async () => {
        const config = await discovered(clients.worker, how(clients.worker.secret));
        const tokens = await oauth.clientCredentialsGrant(config, { scope: "api://orders/.default" });
        assert.equal(tokens.scope, "api://orders/Orders.Read.All");
        assert.equal(tokens.refresh_token, undefined);
        const asked = new URL(world.api);
        const answered = await oauth.fetchProtectedResource(config, tokens.access_token, asked, "GET");
        assert.deepEqual(await answered.json(), { sub: "worker" });
      });
      test(`a wrong secret by ${name} is invalid_client`, async () => {
        const config = await discovered(clients.worker, how(`${clients.worker.secret}x`));
        const asked = oauth.clientCredentialsGrant(config, { scope: "api://orders/.default" });
        // RFC 9110 section 15.5.2: every 401 has a challenge, and that is what the client looks at first.
        const thrown = await asked.catch((error) => error);
        assert.ok(thrown instanceof oauth.WWWAuthenticateChallengeError, String(thrown));
        assert.deepEqual([thrown.status, thrown.cause[0].scheme], [401, "basic"]);
        assert.equal((await thrown.response.json()).error, "invalid_client");
      });
    }

    test("a user signs in with PKCE and state, and the API knows them", async () => {
      const config = await discovered(clients.web);
      const tokens = await signIn(config);
      assert.equal(tokens.scope, USER_SCOPES);
      assert.equal(tokens.token_type, "bearer");
      const asked = new URL(world.api);
      const answered = await oauth.fetchProtectedResource(config, tokens.access_token, asked, "GET");
      assert.deepEqual(await answered.json(), { sub: USER });
    });

    test("an answer from another issuer is refused by the client (RFC 9207)", async () => {
      const config = await discovered(clients.web);
      const { url, checks } = await authorize(config, world.redirectUri);
      assert.equal(url.searchParams.get("iss"), world.issuer);
      for (const change of [
        () => url.searchParams.set("iss", "https://evil.example.com"),
        () => url.searchParams.delete("iss"),
      ]) {
        change();
        const asked = oauth.authorizationCodeGrant(config, url, checks);
        await assert.rejects(asked, (/** @type {any} */ thrown) => {
          assert.ok(thrown instanceof oauth.ClientError, String(thrown));
          assert.match(String(thrown.cause), /"iss" \(issuer\)/);
          return true;
        });
      }
      url.searchParams.set("iss", world.issuer);
      await oauth.authorizationCodeGrant(config, url, checks);
    });

    test("what the authorization endpoint refuses is an AuthorizationResponseError", async () => {
      const config = await discovered(clients.web);
      const verifier = oauth.randomPKCECodeVerifier();
      const start = oauth.buildAuthorizationUrl(config, {
        redirect_uri: world.redirectUri,
        scope: "api://orders/Nothing",
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: "S256",
      });
      const { url } = await browse(start.href, world.redirectUri);
      const asked = oauth.authorizationCodeGrant(config, new URL(url), { pkceCodeVerifier: verifier });
      await assert.rejects(asked, (/** @type {any} */ thrown) => {
        assert.ok(thrown instanceof oauth.AuthorizationResponseError, String(thrown));
        assert.equal(thrown.error, "invalid_scope");
        return true;
      });
    });

    test("a wrong verifier is invalid_grant, and the code is still good", async () => {
      const config = await discovered(clients.web);
      const { url, checks } = await authorize(config, world.redirectUri);
      const wrong = { ...checks, pkceCodeVerifier: oauth.randomPKCECodeVerifier() };
      await refused(oauth.authorizationCodeGrant(config, url, wrong), "invalid_grant", 400);
      await oauth.authorizationCodeGrant(config, url, checks);
    });

    test("each refresh replaces the token; a spent one is invalid_grant and ends the session", async () => {
      const config = await discovered(clients.web);
      const first = (await signIn(config)).refresh_token ?? "";
      const scope = "api://orders/Orders.Read";
      const refreshed = await oauth.refreshTokenGrant(config, first, { scope });
      assert.equal(refreshed.scope, scope);
      const second = refreshed.refresh_token ?? "";
      assert.notEqual(second, first);
      await refused(oauth.refreshTokenGrant(config, first), "invalid_grant", 400);
      await refused(oauth.refreshTokenGrant(config, second), "invalid_grant", 400);
    });

    test("what is revoked is inactive at introspection and invalid_grant at refresh", async () => {
      const [config, api] = await Promise.all([discovered(clients.web), discovered(clients.orders)]);
      const tokens = await signIn(config);
      const before = await oauth.tokenIntrospection(api, tokens.access_token);
      assert.equal(before.active, true);
      assert.deepEqual([before.sub, before.client_id, before.aud], [USER, "web", "api://orders"]);
      const refresh = tokens.refresh_token ?? "";
      await oauth.tokenRevocation(config, refresh, { token_type_hint: "refresh_token" });
      assert.deepEqual(await oauth.tokenIntrospection(api, tokens.access_token), { active: false });
      await refused(oauth.refreshTokenGrant(config, refresh), "invalid_grant", 400);
    });

    test("a public application signs in and refreshes without a secret, at a port of its own", async () => {
      const config = await discovered(clients.native, oauth.None());
      const tokens = await signIn(config, "http://127.0.0.1:51004/callback");
      const refreshed = await oauth.refreshTokenGrant(config, tokens.refresh_token ?? "");
      assert.notEqual(refreshed.refresh_token, tokens.refresh_token);
    });
  });
}
