// Clients that nobody here wrote, against the worker: jose verifies, oauth4webapi asks.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createRemoteJWKSet, jwtVerify } from "jose";
import * as oauth from "oauth4webapi";
import { freePort, register, startWorker, tokenRequest } from "./world.js";

/** @type {Awaited<ReturnType<typeof startWorker>>} */
let worker;
/** @type {string} */
let base;

before(async () => {
  // The worker must call itself what it is called: metadata and issuer are checked by the clients.
  const port = await freePort();
  base = `http://127.0.0.1:${port}`;
  worker = await startWorker({ bindings: { BASE_URL: base }, port });
});
after(() => worker.stop());

describe("a token verified by jose from the JWKS that the worker serves", () => {
  for (const algorithm of /** @type {const} */ (["ES256", "EdDSA", "RS256"])) {
    test(`r39 r42 signed with ${algorithm}`, async () => {
      const tenant = `jose-${algorithm.toLowerCase()}`;
      const { clientId, secret, scope } = await register(worker.admin, { tenant, algorithm });
      const request = { client_id: clientId, client_secret: secret, scope };
      const response = await worker.fetch(tokenRequest(request, `/${tenant}/oauth2/token`));
      const { access_token: token } = /** @type {any} */ (await response.json());
      const url = new URL(`${base}/${tenant}/.well-known/jwks.json`);
      const jwks = createRemoteJWKSet(url, { timeoutDuration: 120_000 });
      const { payload, protectedHeader } = await jwtVerify(token, jwks, {
        issuer: `${base}/${tenant}`,
        audience: "api://orders",
        typ: "at+jwt",
        algorithms: [algorithm],
        requiredClaims: ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"],
      });
      assert.equal(protectedHeader.alg, algorithm);
      assert.deepEqual(payload.roles, ["Orders.Read.All"]);
      const [header, claims, signature] = token.split(".");
      const forged = Buffer.from(JSON.stringify({ ...payload, roles: ["Orders.Write.All"] }));
      const altered = `${header}.${forged.toString("base64url")}.${signature}`;
      await assert.rejects(jwtVerify(altered, jwks), { code: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED" });
      assert.notEqual(claims, forged.toString("base64url"));
    });
  }
});

describe("requests made by oauth4webapi, which validates the answers strictly", () => {
  const insecure = { [oauth.allowInsecureRequests]: true };

  for (const [method, authentication] of /** @type {const} */ ([
    ["client_secret_basic", oauth.ClientSecretBasic],
    ["client_secret_post", oauth.ClientSecretPost],
  ])) {
    test(`r06 r13 r14 r37 discovery and client credentials with ${method}`, async () => {
      const tenant = `oauth-${method.replaceAll("_", "-")}`;
      const { clientId, secret, scope } = await register(worker.admin, { tenant });
      const issuer = new URL(`${base}/${tenant}`);
      const discovery = await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure });
      const server = await oauth.processDiscoveryResponse(issuer, discovery);
      assert.ok(server.token_endpoint_auth_methods_supported?.includes(method));
      const client = { client_id: clientId };
      const parameters = new URLSearchParams({ scope });
      const response = await oauth.clientCredentialsGrantRequest(
        server,
        client,
        authentication(secret),
        parameters,
        insecure,
      );
      const answer = await oauth.processClientCredentialsResponse(server, client, response);
      assert.equal(answer.expires_in, 3600);
      assert.equal(answer.scope, "api://orders/Orders.Read.All");
      assert.equal(answer.refresh_token, undefined, "r11: never a refresh token");
      // The API's side, with oauth4webapi's own reading of RFC 9068.
      const call = new Request("https://api.example/", {
        headers: { authorization: `Bearer ${answer.access_token}` },
      });
      const claims = await oauth.validateJwtAccessToken(server, call, "api://orders", insecure);
      assert.equal(claims.client_id, clientId);
    });
  }

  test("r08 r09 a wrong secret is the error that the library expects", async () => {
    const tenant = "oauth-wrong";
    const { clientId, scope } = await register(worker.admin, { tenant });
    const issuer = new URL(`${base}/${tenant}`);
    const server = await oauth.processDiscoveryResponse(
      issuer,
      await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure }),
    );
    const client = { client_id: clientId };
    const response = await oauth.clientCredentialsGrantRequest(
      server,
      client,
      oauth.ClientSecretBasic("not-the-secret-but-as-long-as-one"),
      new URLSearchParams({ scope }),
      insecure,
    );
    // The challenge of RFC 9110 section 11.6.1 comes first for the library.
    await assert.rejects(
      oauth.processClientCredentialsResponse(server, client, response),
      (error) => error instanceof oauth.WWWAuthenticateChallengeError && error.status === 401,
    );
  });
});
