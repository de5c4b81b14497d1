// curl, as the README and docs/refresh-tokens.md have it.

import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { describe, test } from "node:test";
import { finished } from "./finished.js";
import { USER, USER_SCOPES, clients } from "./world.js";

const { job, web, orders } = clients;

/** @param {import("./world.js").World} world */
export function curl(world) {
  /** @param {...string} args @returns {Promise<{ status: number, url: string, body: any }>} */
  async function asked(...args) {
    const written = "\n%{http_code} %{url_effective}";
    // A configuration of the user's is none of the tests'.
    const { code, printed, out } = await finished("curl", ["-q", "-sS", "-w", written, ...args], {
      env: world.environment,
    });
    assert.equal(code, 0, printed);
    const [, text, status, url] = /^(.*)\n(\d+) (.*)$/s.exec(out) ?? assert.fail(printed);
    return { status: Number(status), url, body: text.startsWith("{") ? JSON.parse(text) : text };
  }
  /** @param {string} endpoint @param {string} user @param {Record<string, string>} form */
  const posted = (endpoint, user, form) =>
    asked(
      `${world.issuer}/oauth2/${endpoint}`,
      ...(user === "" ? [] : ["-u", user]),
      ...Object.entries(form).flatMap(([name, value]) => ["-d", `${name}=${value}`]),
    );
  const basic = (/** @type {import("./world.js").Client} */ client, more = "") =>
    `${client.clientId}:${client.secret}${more}`;

  async function signIn() {
    const verifier = randomBytes(32).toString("base64url");
    const { url } = await asked(
      "-L",
      "-G",
      `${world.issuer}/oauth2/authorize`,
      ...Object.entries({
        response_type: "code",
        client_id: web.clientId,
        redirect_uri: world.redirectUri,
        scope: USER_SCOPES,
        state: "one",
        code_challenge: createHash("sha256").update(verifier).digest("base64url"),
        code_challenge_method: "S256",
      }).flatMap(([name, value]) => ["--data-urlencode", `${name}=${value}`]),
    );
    const { searchParams } = new URL(url);
    assert.deepEqual([searchParams.get("state"), searchParams.get("iss")], ["one", world.issuer]);
    const { status, body } = await posted("token", basic(web), {
      grant_type: "authorization_code",
      code: searchParams.get("code") ?? "",
      redirect_uri: world.redirectUri,
      code_verifier: verifier,
    });
    assert.equal(status, 200, JSON.stringify(body));
    return body;
  }
  /** @param {string} token */
  const refreshed = (token) =>
    posted("token", basic(web), { grant_type: "refresh_token", refresh_token: token });
  /** @param {Promise<{ status: number, body: any }>} answer @param {number} status @param {string} error */
  const refused = async (answer, status, error) => {
    const { status: got, body } = await answer;
    assert.deepEqual([got, body.error], [status, error]);
  };

  describe(`curl at ${new URL(world.issuer).protocol}`, () => {
    const form = { grant_type: "client_credentials", scope: "api://orders/.default" };
    const inForm = { ...form, client_id: job.clientId, client_secret: job.secret };

    test("client credentials by -u and in the form, for the API", async () => {
      for (const { status, body } of [
        await posted("token", basic(job), form),
        await posted("token", "", inForm),
      ]) {
        assert.equal(status, 200, JSON.stringify(body));
        assert.equal(body.scope, "api://orders/Orders.Read.All");
        const token = `authorization: Bearer ${body.access_token}`;
        assert.deepEqual((await asked("-H", token, world.api)).body, { sub: "job" });
      }
    });

    test("a wrong secret by -u and in the form is invalid_client", async () => {
      await refused(posted("token", basic(job, "x"), form), 401, "invalid_client");
      const wrong = { ...inForm, client_secret: `${job.secret}x` };
      await refused(posted("token", "", wrong), 401, "invalid_client");
    });

    test("metadata and keys", async () => {
      const { body } = await asked(`${world.issuer}/.well-known/openid-configuration`);
      assert.equal(body.issuer, world.issuer);
      const keys = await asked(body.jwks_uri);
      assert.equal(keys.body.keys[0].use, "sig");
    });

    test("a user signs in; a refresh replaces the token, and the spent one is invalid_grant", async () => {
      const { access_token, refresh_token } = await signIn();
      const token = `authorization: Bearer ${access_token}`;
      assert.deepEqual((await asked("-H", token, world.api)).body, { sub: USER });
      const { status, body } = await refreshed(refresh_token);
      assert.equal(status, 200);
      assert.notEqual(body.refresh_token, refresh_token);
      await refused(refreshed(refresh_token), 400, "invalid_grant");
    });

    test("what is revoked is inactive at introspection, and invalid_grant", async () => {
      const { access_token, refresh_token } = await signIn();
      const introspected = () => posted("introspect", basic(orders), { token: access_token });
      assert.equal((await introspected()).body.sub, USER);
      const revoked = await posted("revoke", basic(web), { token: refresh_token });
      assert.equal(revoked.status, 200);
      assert.deepEqual((await introspected()).body, { active: false });
      await refused(refreshed(refresh_token), 400, "invalid_grant");
    });
  });
}
