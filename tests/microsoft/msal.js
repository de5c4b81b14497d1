// @azure/msal-node as it is: its protocol modes, its cache, its errors.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import * as msal from "@azure/msal-node";
import { GUID, NAMES, admin, application, create, demo, part, signIn } from "./world.js";

const host = new URL(demo.base_url).host;
const scopes = [demo.scope];
const roles = ["Orders.Read.All"];

/**
 * @param {string} authority @param {Partial<msal.NodeAuthOptions>} [auth]
 * @param {"AAD" | "OIDC"} [protocolMode]
 */
const client = (authority, auth, protocolMode) =>
  new msal.ConfidentialClientApplication({
    auth: {
      clientId: demo.client_id,
      clientSecret: demo.client_secret,
      authority,
      // Nothing is looked up at login.microsoftonline.com.
      knownAuthorities: [host],
      ...auth,
    },
    system: { protocolMode },
  });

/**
 * Refused at the token endpoint, with Microsoft's number. The client tells the status of its own grant only.
 * @param {number} errorNo @param {string} errorCode @param {number} [status]
 */
const refusal = (errorNo, errorCode, status) => (/** @type {any} */ error) => {
  assert.ok(error instanceof msal.ServerError, `${error.name}: ${error.message}`);
  const seen = [error.errorNo, error.errorCode, error.status];
  assert.deepEqual(seen, [errorNo, errorCode, status]);
  assert.equal(error.name, "ServerError", "not an InteractionRequiredAuthError");
  return true;
};

describe("msal-node, client credentials", () => {
  const [name, onmicrosoft, domain] = NAMES;
  for (const [authority, mode] of /** @type {[string, "AAD" | "OIDC" | undefined][]} */ ([
    [demo.tenant_id, undefined],
    [demo.tenant_id, "AAD"],
    [name, "AAD"],
    [onmicrosoft, "AAD"],
    [domain, "AAD"],
    [`${demo.tenant_id}/v2.0`, "AAD"],
    [`${demo.tenant_id}/v2.0`, "OIDC"],
    [demo.tenant_id, "OIDC"],
    [onmicrosoft, "OIDC"],
    [`${name}/v2.0`, "OIDC"],
    [`${name}/v2.0`, "AAD"],
    [`${onmicrosoft}/v2.0`, "OIDC"],
    [`${domain}/v2.0`, "OIDC"],
  ])) {
    const called = authority.replace(demo.tenant_id, "{tenant id}");
    test(`it gets a token at /${called} in the mode ${mode ?? "of its own"}, and caches it`, async () => {
      const one = client(`${demo.base_url}/${authority}`, {}, mode);
      const begun = Date.now();
      const first = await one.acquireTokenByClientCredential({ scopes });
      assert.ok(first?.expiresOn && first.extExpiresOn);
      assert.equal(first.fromCache, false);
      assert.equal(first.tokenType, "Bearer");
      const claims = part(first.accessToken, 1);
      assert.deepEqual(claims.roles, roles);
      assert.equal(claims.iss, `${demo.entra_authority}/v2.0`);
      const taken = (Date.now() - begun) / 1000;
      assert.ok(Math.abs(first.expiresOn.getTime() / 1000 - claims.exp) < 10 + taken);
      assert.ok(first.extExpiresOn >= first.expiresOn);
      const second = await one.acquireTokenByClientCredential({ scopes });
      assert.equal(second?.fromCache, true);
      assert.equal(second?.accessToken, first.accessToken);
      const third = await one.acquireTokenByClientCredential({ scopes, skipCache: true });
      assert.equal(third?.fromCache, false);
      assert.notEqual(third?.accessToken, first.accessToken);
    });
  }

  test("the application id of the API names it as well", async () => {
    const one = client(demo.entra_authority);
    const got = await one.acquireTokenByClientCredential({ scopes: [`${demo.api_app_id}/.default`] });
    const { aud, roles: granted } = part(got?.accessToken ?? "", 1);
    assert.deepEqual([aud, granted], [demo.api_app_id, roles]);
  });

  const policy = `${onmicrosoft}/${demo.b2c_policy}`;
  for (const [authority, mode] of /** @type {[string, "AAD" | "OIDC"][]} */ ([
    [policy, "AAD"],
    [`${policy}/v2.0`, "AAD"],
    [`${policy}/v2.0`, "OIDC"],
  ])) {
    test(`a B2C policy is part of the authority, in any letter case: /${authority}, ${mode}`, async () => {
      const one = client(`${demo.base_url}/${authority}`, {}, mode);
      const got = await one.acquireTokenByClientCredential({ scopes });
      const claims = part(got?.accessToken ?? "", 1);
      assert.equal(claims.scp, roles.join(" "));
      assert.deepEqual(claims.roles, roles);
      assert.equal(claims.aud, demo.api_app_id);
      assert.equal(claims.iss, `${demo.base_url}/${demo.tenant_id}/v2.0/`);
      assert.equal(claims.tfp, demo.b2c_policy);
    });
  }

  test("in the mode OIDC the tenant's name alone is the standard dialect, and a policy alone nothing", async () => {
    const one = client(`${demo.base_url}/${name}`, {}, "OIDC");
    const got = await one.acquireTokenByClientCredential({ scopes });
    const { iss, aud } = part(got?.accessToken ?? "", 1);
    assert.deepEqual([iss, aud], [demo.issuer, demo.api]);
    const none = client(`${demo.base_url}/${policy}`, {}, "OIDC");
    const asked = none.acquireTokenByClientCredential({ scopes });
    await assert.rejects(asked, { errorCode: "endpoints_resolution_error" });
  });
});

describe("msal-node, refusals", () => {
  const correlationId = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";

  test("a wrong secret is ServerError invalid_client 7000215, with the caller's correlation id", async () => {
    const one = client(demo.entra_authority, { clientSecret: `${demo.client_secret}x` });
    const refused = one.acquireTokenByClientCredential({ scopes, correlationId });
    await assert.rejects(refused, (/** @type {any} */ error) => {
      assert.ok(error instanceof msal.AuthError);
      assert.equal(error.subError, "");
      assert.equal(error.correlationId, correlationId);
      assert.match(error.errorMessage, /^Error\(s\): 7000215 - Timestamp: /);
      assert.match(error.errorMessage, /AADSTS7000215: Invalid client secret provided\./);
      assert.match(error.errorMessage, /Correlation ID: aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee/);
      return refusal(7000215, "invalid_client", 401)(error);
    });
    // Nothing of it is remembered.
    assert.ok(await client(demo.entra_authority).acquireTokenByClientCredential({ scopes }));
  });

  for (const [what, scope, number, code] of /** @type {[string, string, number, string][]} */ ([
    ["a single role", `${demo.api}/Orders.Read.All`, 1002012, "invalid_scope"],
    ["an unknown API", "api://nobody/.default", 500011, "invalid_resource"],
  ])) {
    test(`${what} is ${code} ${number}`, async () => {
      const asked = client(demo.entra_authority).acquireTokenByClientCredential({ scopes: [scope] });
      await assert.rejects(asked, refusal(number, code, 400));
    });
  }

  test("several resources are invalid_scope 700022", async () => {
    const both = [demo.scope, "api://invoices/.default"];
    const asked = client(demo.entra_authority).acquireTokenByClientCredential({ scopes: both });
    await assert.rejects(asked, refusal(700022, "invalid_scope", 400));
  });

  test("an unknown application is unauthorized_client 700016", async () => {
    const clientId = "00000000-0000-4000-8000-000000000000";
    const asked = client(demo.entra_authority, { clientId }).acquireTokenByClientCredential({ scopes });
    await assert.rejects(asked, refusal(700016, "unauthorized_client", 400));
  });

  test("a disabled application is unauthorized_client 7000112", async () => {
    const made = await application({ displayName: "Old" });
    const body = { disabled: true };
    await admin.request("PATCH", `/applications/${made.clientId}`, { body });
    const asked = client(demo.entra_authority, made).acquireTokenByClientCredential({ scopes });
    await assert.rejects(asked, refusal(7000112, "unauthorized_client", 400));
  });

  test("an expired secret is invalid_client 7000222", async () => {
    const now = Math.floor(Date.now() / 1000);
    const made = await application({}, { starts: now - 7200, ends: now - 3600 });
    const asked = client(demo.entra_authority, made).acquireTokenByClientCredential({ scopes });
    await assert.rejects(asked, refusal(7000222, "invalid_client", 401));
  });

  test("no role where one is required is invalid_grant 501051", async () => {
    const api = { identifier: "api://guarded", assignmentRequired: true, roles: [{ value: "Any" }] };
    await create("/apis", api);
    const asked = client(demo.entra_authority).acquireTokenByClientCredential({
      scopes: ["api://guarded/.default"],
    });
    await assert.rejects(asked, refusal(501051, "invalid_grant", 400));
  });

  test("an unknown tenant ends in endpoints_resolution_error, before any secret is sent", async () => {
    const asked = client(`${demo.base_url}/nobody`).acquireTokenByClientCredential({ scopes });
    await assert.rejects(asked, { name: "ClientAuthError", errorCode: "endpoints_resolution_error" });
  });

  test("B2C's errors have no number", async () => {
    const authority = `${demo.base_url}/${NAMES[1]}/${demo.b2c_policy}`;
    const clientSecret = `${demo.client_secret}x`;
    const asked = client(authority, { clientSecret }).acquireTokenByClientCredential({ scopes });
    await assert.rejects(asked, (/** @type {any} */ error) => {
      assert.equal(error.name, "ServerError");
      assert.equal(error.errorCode, "invalid_client");
      assert.equal(error.errorNo, undefined);
      assert.match(error.errorMessage, /AADB2C90081: /);
      return true;
    });
  });

  test("trace id, correlation id and timestamp have Microsoft's form", async () => {
    const body = { client_id: demo.client_id, client_secret: "x", scope: demo.scope };
    const answer = await fetch(`${demo.entra_authority}/oauth2/v2.0/token`, {
      method: "POST",
      body: new URLSearchParams({ ...body, grant_type: "client_credentials" }),
    });
    const error = /** @type {any} */ (await answer.json());
    assert.equal(answer.status, 401);
    assert.match(error.trace_id, GUID);
    assert.equal(answer.headers.get("x-ms-request-id"), error.trace_id);
    assert.match(error.correlation_id, GUID);
    assert.deepEqual(error.error_codes, [7000215]);
    assert.match(error.timestamp, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ$/);
  });
});

describe("msal-node, users", () => {
  const user = { clientId: demo.confidential_client_id, clientSecret: demo.confidential_client_secret };
  const codeVerifier = "v".repeat(43);
  const codeChallenge = createHash("sha256").update(codeVerifier).digest("base64url");
  const redirectUri = demo.redirect_uri;
  const asked = [`${demo.api}/Orders.Read`];

  /** The refresh token that a client keeps to itself. @param {msal.ConfidentialClientApplication} one */
  function refreshToken(one) {
    const { RefreshToken } = JSON.parse(one.getTokenCache().serialize());
    const [held] = /** @type {any[]} */ (Object.values(RefreshToken));
    return held.secret;
  }

  for (const [what, authority, issuer] of [
    ["Entra", demo.entra_authority, `${demo.entra_authority}/v2.0`],
    ["B2C", `${demo.base_url}/${NAMES[1]}/${demo.b2c_policy}`, `${demo.entra_authority}/v2.0/`],
  ]) {
    test(`${what}: a user signs in by its own URL, and it redeems the code and the refresh token`, async () => {
      const one = client(authority, user);
      const challenge = { codeChallenge, codeChallengeMethod: "S256" };
      const url = await one.getAuthCodeUrl({ scopes: asked, redirectUri, ...challenge });
      const code = await signIn(url, asked);
      const got = await one.acquireTokenByCode({ code, scopes: asked, redirectUri, codeVerifier });
      // What MSAL makes accounts of is not there: docs/entra.md says what to do instead.
      assert.deepEqual([got.account, got.idToken], [null, ""]);
      assert.deepEqual(await one.getTokenCache().getAllAccounts(), []);
      const claims = part(got.accessToken, 1);
      assert.equal(claims.scp, "Orders.Read");
      assert.equal(claims.iss, issuer);
      assert.equal(claims.roles, undefined);
      const first = refreshToken(one);
      const fresh = client(authority, user);
      for (const _ of [1, 2]) {
        // Microsoft's stays valid when it is used; so does this one, here.
        const again = await fresh.acquireTokenByRefreshToken({ refreshToken: first, scopes: asked });
        assert.equal(part(again?.accessToken ?? "", 1).sub, claims.sub);
      }
    });
  }

  test("a session of the standard dialect is not refreshed here, and goes on there", async () => {
    const refreshed = client(demo.entra_authority, user).acquireTokenByRefreshToken({
      refreshToken: demo.refresh_token,
      scopes: asked,
    });
    await assert.rejects(refreshed, refusal(70000, "invalid_grant"));
    const answer = await fetch(demo.token_endpoint, {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "refresh_token",
        refresh_token: demo.refresh_token,
        client_id: user.clientId,
        client_secret: user.clientSecret,
      }),
    });
    assert.equal(answer.status, 200, await answer.text());
  });

  test("a code that is presented with a wrong verifier is invalid_grant 501481", async () => {
    const one = client(demo.entra_authority, user);
    const challenge = { codeChallenge, codeChallengeMethod: "S256" };
    const url = await one.getAuthCodeUrl({ scopes: asked, redirectUri, ...challenge });
    const code = await signIn(url, asked);
    const wrong = one.acquireTokenByCode({ code, scopes: asked, redirectUri, codeVerifier: "w".repeat(43) });
    await assert.rejects(wrong, refusal(501481, "invalid_grant"));
  });
});
