// simple-oauth2, which is told each URL and passes on what the server says.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { AuthorizationCode, ClientCredentials } from "simple-oauth2";
import { USER, USER_SCOPES, browse, clients } from "./world.js";

const random = () => randomBytes(32).toString("base64url");

/** @param {import("./world.js").World} world */
export function simpleOauth2(world) {
  /** @param {import("./world.js").Client} client @param {"header" | "body"} method */
  const settings = ({ clientId, secret }, method) => ({
    client: { id: clientId, secret },
    auth: {
      tokenHost: new URL(world.issuer).origin,
      tokenPath: "/contoso/oauth2/token",
      revokePath: "/contoso/oauth2/revoke",
    },
    options: { authorizationMethod: method },
  });
  const web = () => {
    const { auth, ...others } = settings(clients.web, "header");
    return new AuthorizationCode({
      ...others,
      auth: { ...auth, authorizePath: "/contoso/oauth2/authorize" },
    });
  };

  // The body of that answer is empty, and a client shall ignore it (RFC 7009 section 2.2). This one wants
  // JSON of every answer unless it is told otherwise.
  const lenient = { json: true };

  /** @param {AuthorizationCode} client */
  async function signIn(client) {
    const [state, verifier] = [random(), random()];
    const start = client.authorizeURL(
      /** @type {any} */ ({
        redirect_uri: world.redirectUri,
        scope: USER_SCOPES,
        state,
        code_challenge: createHash("sha256").update(verifier).digest("base64url"),
        code_challenge_method: "S256",
      }),
    );
    const { url } = await browse(start, world.redirectUri);
    const { searchParams } = new URL(url);
    assert.equal(searchParams.get("state"), state);
    const code = searchParams.get("code") ?? "";
    const form = { code, redirect_uri: world.redirectUri, code_verifier: verifier };
    return client.getToken(/** @type {any} */ (form));
  }

  /** @param {string} token @returns {Promise<any>} what the API knows of it */
  const called = async (token) =>
    (await fetch(world.api, { headers: { authorization: `Bearer ${token}` } })).json();

  /** The documented error: `Boom`, with what the server said. @param {Promise<unknown>} asked @param {string} error @param {number} status */
  const refused = (asked, error, status) =>
    assert.rejects(asked, (/** @type {any} */ thrown) => {
      assert.equal(thrown.isBoom, true, String(thrown));
      assert.equal(thrown.output.statusCode, status);
      assert.equal(thrown.data.payload.error, error);
      return true;
    });

  describe("simple-oauth2", () => {
    for (const method of /** @type {const} */ (["header", "body"])) {
      test(`client credentials in the ${method}`, async () => {
        const client = new ClientCredentials(settings(clients.worker, method));
        const { token } = await client.getToken({ scope: "api://orders/.default" });
        assert.equal(token.token_type, "Bearer");
        assert.deepEqual(await called(String(token.access_token)), { sub: "worker" });
      });
      test(`a wrong secret in the ${method} is invalid_client`, async () => {
        const wrong = { ...clients.worker, secret: `${clients.worker.secret}x` };
        const client = new ClientCredentials(settings(wrong, method));
        await refused(client.getToken({ scope: "api://orders/.default" }), "invalid_client", 401);
      });
    }

    test("a user signs in, and each refresh replaces the token", async () => {
      const client = web();
      const first = await signIn(client);
      assert.equal(first.expired(), false);
      assert.deepEqual(await called(String(first.token.access_token)), { sub: USER });
      const second = await first.refresh();
      assert.notEqual(second.token.refresh_token, first.token.refresh_token);
      await refused(first.refresh(), "invalid_grant", 400);
    });

    test("it revokes, and the token is invalid_grant", async () => {
      const client = web();
      const session = await signIn(client);
      await session.revoke("refresh_token", lenient);
      await refused(session.refresh(), "invalid_grant", 400);
    });

    test("a token kept as JSON is taken up again, and both of its tokens are revoked", async () => {
      const client = web();
      const kept = JSON.stringify(await signIn(client));
      const session = client.createToken(JSON.parse(kept));
      await session.revokeAll(lenient);
      await refused(session.refresh(), "invalid_grant", 400);
    });
  });
}
