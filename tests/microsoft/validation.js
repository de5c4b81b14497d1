// How Microsoft says that an API validates a token: its own middleware for Node (passport-azure-ad,
// archived), and the steps of its documentation, written out with jose.
// https://learn.microsoft.com/entra/identity-platform/access-tokens#validate-tokens

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as jose from "jose";
import passport from "passport-azure-ad";
import { GUID, NAMES, admin, demo, part } from "./world.js";

const roles = ["Orders.Read.All"];
const domain = NAMES[1];

/** A client's own token. @param {string} path before `/oauth2/v2.0/token` @param {string} [scope] */
async function token(path, scope = demo.scope) {
  const answer = await fetch(`${demo.base_url}/${path}/oauth2/v2.0/token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "client_credentials",
      client_id: demo.client_id,
      client_secret: demo.client_secret,
      scope,
    }),
  });
  const body = /** @type {any} */ (await answer.json());
  assert.equal(answer.status, 200, JSON.stringify(body));
  return /** @type {string} */ (body.access_token);
}

/** @param {string} url @returns {Promise<any>} */
const document = async (url) => (await fetch(url)).json();

/** The documented steps. @param {string} jwt @param {{ metadata: string, audience: string }} expected @returns {Promise<any>} */
async function validate(jwt, { metadata, audience }) {
  const config = await document(metadata);
  const { keys } = await document(config.jwks_uri);
  const key = keys.find((/** @type {any} */ { kid }) => kid === part(jwt, 0).kid);
  assert.ok(key, "the key is published");
  const { payload } = await jose.jwtVerify(jwt, await jose.importJWK(key, "RS256"), {
    issuer: config.issuer,
    audience,
    algorithms: ["RS256"],
  });
  /** @type {any} */
  const claims = payload;
  // "Validation of the signing key issuer", where the key names one.
  if (key.issuer) assert.equal(key.issuer.replace(/\{tenantid\}/i, claims.tid), claims.iss);
  assert.match(claims.tid, GUID);
  assert.equal(new URL(claims.iss).pathname.split("/")[1], claims.tid);
  assert.equal(claims.sub, claims.oid, "it is an application's own token");
  return claims;
}

/** What Microsoft's middleware makes of it: the claims, or why not. @param {string} jwt @param {object} options @returns {Promise<any>} */
function middleware(jwt, options) {
  return new Promise((resolve) => {
    const strategy = new passport.BearerStrategy(
      {
        clientID: demo.api_app_id,
        loggingLevel: "fatal",
        // It says why.
        loggingNoPII: false,
        passReqToCallback: false,
        ...options,
      },
      (claims, done) => done(null, claims, claims),
    );
    strategy.success = resolve;
    strategy.fail = (why) => resolve(`refused: ${why}`);
    strategy.error = ({ message }) => resolve(`error: ${message}`);
    const headers = { authorization: `Bearer ${jwt}` };
    strategy.authenticate({ headers, query: {}, body: {} }, {});
  });
}

describe("a token of v2.0", () => {
  const metadata = `${demo.entra_authority}/v2.0/.well-known/openid-configuration`;

  test("it passes the documented steps", async () => {
    const jwt = await token(demo.tenant_id);
    const { typ, alg, kid, ...more } = part(jwt, 0);
    assert.deepEqual([typ, alg, more], ["JWT", "RS256", {}]);
    const claims = await validate(jwt, { metadata, audience: demo.api_app_id });
    const { ver, azp, azpacr } = claims;
    assert.deepEqual([ver, azp, azpacr, claims.roles], ["2.0", demo.client_id, "1", roles]);
  });

  test("it passes Microsoft's middleware", async () => {
    const claims = await middleware(await token(demo.tenant), { identityMetadata: metadata });
    assert.deepEqual(claims.roles, roles);
  });

  test("Microsoft's middleware refuses it for another audience", async () => {
    const other = { clientID: demo.client_id, audience: demo.client_id, identityMetadata: metadata };
    assert.match(await middleware(await token(demo.tenant_id), other), /audience is invalid/);
  });

  test("Microsoft's middleware refuses it when it was altered", async () => {
    const [header, claims, signature] = (await token(demo.tenant_id)).split(".");
    const altered = { ...part(`.${claims}`, 1), roles: ["Orders.Write.All"] };
    const forged = [header, Buffer.from(JSON.stringify(altered)).toString("base64url"), signature];
    const seen = await middleware(forged.join("."), { identityMetadata: metadata });
    assert.match(seen, /^refused: .*invalid signature/);
  });

  test("Microsoft's middleware refuses a token of the standard dialect", async () => {
    const answer = await fetch(demo.token_endpoint, {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "client_credentials",
        client_id: demo.client_id,
        client_secret: demo.client_secret,
        scope: demo.scope,
      }),
    });
    const { access_token } = /** @type {any} */ (await answer.json());
    const seen = await middleware(access_token, { identityMetadata: metadata, audience: demo.api });
    assert.match(seen, /^(refused|error): /);
  });
});

describe("a token of v1.0", () => {
  const metadata = `${demo.entra_authority}/.well-known/openid-configuration`;
  const scope = `${demo.api_v1}/.default`;

  test("it passes the documented steps", async () => {
    const jwt = await token(demo.tenant_id, scope);
    const claims = await validate(jwt, { metadata, audience: demo.api_v1 });
    const { ver, appid, appidacr, idp, iss } = claims;
    assert.deepEqual([ver, appid, appidacr], ["1.0", demo.client_id, "1"]);
    assert.equal(idp, iss);
    assert.deepEqual(claims.roles, ["Stock.Read.All"]);
  });

  test("it passes Microsoft's middleware, which finds the key by x5t", async () => {
    const jwt = await token(demo.tenant_id, scope);
    const { x5t, kid } = part(jwt, 0);
    assert.equal(x5t, kid);
    const options = { identityMetadata: metadata, audience: demo.api_v1 };
    assert.deepEqual((await middleware(jwt, options)).roles, ["Stock.Read.All"]);
  });

  test("its audience is the URI, also where the API was named by its application id", async () => {
    const { body } = await admin.request("GET", `/apis/${encodeURIComponent(demo.api_v1)}`);
    const jwt = await token(demo.tenant_id, `${/** @type {any} */ (body).appId}/.default`);
    const { aud, ver } = part(jwt, 1);
    assert.deepEqual([aud, ver], [demo.api_v1, "1.0"]);
  });

  test("it is not good where v2.0 is expected", async () => {
    const jwt = await token(demo.tenant_id, scope);
    const v2 = `${demo.entra_authority}/v2.0/.well-known/openid-configuration`;
    const options = { identityMetadata: v2, audience: demo.api_v1 };
    assert.match(await middleware(jwt, options), /issuer is invalid/);
  });
});

describe("a token of B2C", () => {
  test("it passes the documented steps", async () => {
    const jwt = await token(`${domain}/${demo.b2c_policy}`);
    const metadata = `${demo.base_url}/${domain}/${demo.b2c_policy}/v2.0/.well-known/openid-configuration`;
    const claims = await validate(jwt, { metadata, audience: demo.api_app_id });
    assert.deepEqual([claims.scp, claims.roles], [roles.join(" "), roles]);
  });

  test("it passes Microsoft's middleware, which asks for the metadata with ?p=", async () => {
    const claims = await middleware(await token(`${domain}/${demo.b2c_policy}`), {
      isB2C: true,
      policyName: demo.b2c_policy,
      scope: roles,
      identityMetadata: `${demo.base_url}/${domain}/v2.0/.well-known/openid-configuration`,
    });
    assert.equal(claims.tfp?.toLowerCase(), demo.b2c_policy.toLowerCase(), claims);
  });

  test("Microsoft's middleware takes no token of Entra for it", async () => {
    const seen = await middleware(await token(domain), {
      isB2C: true,
      policyName: demo.b2c_policy,
      identityMetadata: `${demo.base_url}/${domain}/v2.0/.well-known/openid-configuration`,
    });
    assert.match(seen, /^refused: .*issuer/);
  });
});
