// A user signs in: the code flow from the authorization request to the revoked session, by oauth4webapi
// and by hand in Chromium, with examples/login between them.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { after, before, beforeEach, describe, test } from "node:test";
import * as oauth from "oauth4webapi";
import { AuthorizationError, authorizations } from "../../examples/login/authorizations.js";
import { pathOf } from "../../pkg/cli/client.js";
import {
  API,
  TENANT,
  USER_SCOPE,
  administration,
  createDemo,
  firstAdministrator,
  place,
} from "../../worker/demo.js";
import { until } from "../until.js";
import { startBrowser } from "./browser.js";
import { freePort, root, startWorker } from "./world.js";

const insecure = { [oauth.allowInsecureRequests]: true };
const [READ, WRITE] = USER_SCOPE.split(" ");

/** @type {Awaited<ReturnType<typeof startWorker>>} */
let worker;
/** @type {import("../../worker/demo.js").Admin} */
let admin;
/** @type {import("../../worker/demo.js").Kept} */
let demo;
/** @type {{ base: string, issuer: string, login: string, app: string, redirectUri: string }} */
let urls;
/** What the login page does. @type {import("edgemint").Authorization} */
let authorization;
/** @type {oauth.AuthorizationServer} */
let server;
/** @type {import("node:child_process").ChildProcess[]} */
const pages = [];

/**
 * Starts a page of the example as its first lines say.
 * @param {string} script @param {Record<string, string>} told
 */
async function page(script, told) {
  const child = spawn(process.execPath, [script], {
    cwd: root,
    env: { ...process.env, ...told },
    stdio: ["ignore", "pipe", "inherit"],
  });
  pages.push(child);
  await once(createInterface(child.stdout), "line");
}

before(async () => {
  const port = await freePort(3);
  const [loginPort, appPort] = [port + 1, port + 2];
  const base = `http://127.0.0.1:${port}`;
  const app = `http://localhost:${appPort}/`;
  const login = `http://127.0.0.1:${loginPort}/login`;
  const issuer = `${base}/${TENANT}`;
  urls = { base, issuer, login, app, redirectUri: `${app}callback` };
  const secret = randomBytes(32).toString("hex");
  const bindings = { BASE_URL: base, CACHE_TTL: "0", BOOTSTRAP_SECRET: secret };
  worker = await startWorker({ bindings, port });
  const first = await firstAdministrator(base, secret);
  admin = administration(issuer, first);
  demo = { admin: first, ...(await createDemo(admin)) };
  await place(admin, demo, { loginUrl: login, redirectUri: urls.redirectUri });
  // So that a machine that stands still in between is within it.
  for (const { clientId } of [demo.public, demo.confidential]) {
    await change(clientId, { refresh: { grace: 300 } });
  }
  authorization = authorizations({ issuer, ...demo.login });
  await page("examples/login/server.js", {
    ISSUER: issuer,
    CLIENT_ID: demo.login.clientId,
    CLIENT_SECRET: demo.login.clientSecret,
    PORT: `${loginPort}`,
  });
  await page("examples/login/app.js", {
    ISSUER: issuer,
    CLIENT_ID: demo.public.clientId,
    REDIRECT_URI: urls.redirectUri,
    SCOPE: USER_SCOPE,
  });
  const discovery = oauth.discoveryRequest(new URL(issuer), { algorithm: "oauth2", ...insecure });
  server = await oauth.processDiscoveryResponse(new URL(issuer), await discovery);
});
after(async () => {
  for (const child of pages) {
    if (child.kill()) await once(child, "exit");
  }
  await worker?.stop();
});

/** @param {string} clientId @param {object} body */
async function change(clientId, body) {
  await admin.request("PATCH", pathOf("applications", clientId), { body });
  await worker.copied(TENANT);
}

/**
 * Sends a browser without a person to the authorization endpoint.
 * @param {string} clientId @param {Record<string, string>} [more]
 */
async function ask(clientId, more = {}) {
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const parameters = {
    response_type: "code",
    client_id: clientId,
    redirect_uri: urls.redirectUri,
    scope: USER_SCOPE,
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    ...more,
  };
  const url = `${server.authorization_endpoint}?${new URLSearchParams(parameters)}`;
  const response = await fetch(url, { redirect: "manual" });
  const location = new URL(response.headers.get("location") ?? "about:blank");
  const handle = location.searchParams.get("handle") ?? "";
  return { verifier, state, response, location, handle };
}

/**
 * Redeems what the browser brought back.
 * @param {oauth.Client} client @param {oauth.ClientAuth} proof
 * @param {{ verifier: string, state: string }} asked @param {string} redirectTo
 */
async function redeem(client, proof, { verifier, state }, redirectTo) {
  const answered = oauth.validateAuthResponse(server, client, new URL(redirectTo), state);
  const response = await oauth.authorizationCodeGrantRequest(
    server,
    client,
    proof,
    answered,
    urls.redirectUri,
    verifier,
    insecure,
  );
  return oauth.processAuthorizationCodeResponse(server, client, response);
}

/** @param {oauth.Client} client @param {oauth.ClientAuth} proof @param {string} token */
async function refresh(client, proof, token) {
  const response = await oauth.refreshTokenGrantRequest(server, client, proof, token, insecure);
  return oauth.processRefreshTokenResponse(server, client, response);
}

/** @param {oauth.Client} client @param {oauth.ClientAuth} proof @param {string} token */
async function revoke(client, proof, token) {
  const response = await oauth.revocationRequest(server, client, proof, token, insecure);
  await oauth.processRevocationResponse(response);
}

/** As the confidential application. @param {string} token */
async function introspect(token) {
  const client = { client_id: demo.confidential.clientId };
  const proof = oauth.ClientSecretBasic(demo.confidential.clientSecret);
  const response = await oauth.introspectionRequest(server, client, proof, token, insecure);
  return oauth.processIntrospectionResponse(server, client, response);
}

/** @param {string} error */
const refusedAs = (error) => (/** @type {unknown} */ refused) =>
  refused instanceof oauth.ResponseBodyError && refused.error === error;

describe("the code flow by oauth4webapi, which validates strictly", () => {
  for (const kind of /** @type {const} */ (["confidential", "public"])) {
    test(`r20 r21 r29 r32 r33 r35 a ${kind} application signs a user in, refreshes and signs out`, async () => {
      const client = { client_id: demo[kind].clientId };
      const proof =
        kind === "public" ? oauth.None() : oauth.ClientSecretBasic(demo.confidential.clientSecret);
      const asked = await ask(client.client_id, { login_hint: "ada@example.com" });
      assert.equal(asked.location.origin + asked.location.pathname, urls.login);
      const inspected = await authorization.inspect(asked.handle);
      assert.equal(inspected.clientId, client.client_id);
      assert.equal(inspected.loginHint, "ada@example.com");
      assert.deepEqual(
        inspected.scopes.map(({ scope, displayName }) => [scope, displayName]),
        [
          [READ, "Read your orders"],
          [WRITE, "Place and change orders for you"],
        ],
      );
      const consent = { subject: "ada", claims: { name: "Ada Lovelace" } };
      const { redirectTo } = await authorization.complete(asked.handle, consent);
      assert.equal(new URL(redirectTo).searchParams.get("iss"), urls.issuer);

      const first = await redeem(client, proof, asked, redirectTo);
      assert.equal(first.scope, USER_SCOPE);
      assert.equal(first.refresh_token_expires_in, 30 * 24 * 3600);
      const call = new Request("https://api.example/", {
        headers: { authorization: `Bearer ${first.access_token}` },
      });
      const claims = await oauth.validateJwtAccessToken(server, call, API, insecure);
      assert.deepEqual(
        [claims.sub, claims.name, claims.scope],
        ["ada", "Ada Lovelace", USER_SCOPE],
      );
      assert.equal(claims.roles, undefined, "app roles are for applications");

      const second = await refresh(client, proof, first.refresh_token ?? "");
      assert.notEqual(second.refresh_token, first.refresh_token);
      const again = await refresh(client, proof, first.refresh_token ?? "");
      assert.equal(again.refresh_token, second.refresh_token, "within grace: the same successor");
      if (kind === "confidential") {
        assert.equal((await introspect(second.refresh_token ?? "")).active, true);
        assert.equal((await introspect(second.access_token)).sub, "ada");
      }
      await revoke(client, proof, second.refresh_token ?? "");
      await assert.rejects(
        refresh(client, proof, second.refresh_token ?? ""),
        refusedAs("invalid_grant"),
      );
      assert.deepEqual(await introspect(second.refresh_token ?? ""), { active: false });
      assert.deepEqual(await introspect(second.access_token), { active: false });
    });
  }

  test("r20 the user consents to less than was asked for", async () => {
    const client = { client_id: demo.public.clientId };
    const asked = await ask(client.client_id);
    const { redirectTo } = await authorization.complete(asked.handle, {
      subject: "ada",
      scopes: [READ],
    });
    const { scope } = await redeem(client, oauth.None(), asked, redirectTo);
    assert.equal(scope, READ);
  });

  test("r33 an answer that names another issuer is not taken by the library", async () => {
    const client = { client_id: demo.public.clientId };
    const asked = await ask(client.client_id);
    const { redirectTo } = await authorization.complete(asked.handle, { subject: "ada" });
    const mixedUp = new URL(redirectTo);
    mixedUp.searchParams.set("iss", "https://evil.example");
    assert.throws(() => oauth.validateAuthResponse(server, client, mixedUp, asked.state), {
      code: "OAUTH_INVALID_RESPONSE",
    });
  });

  test("r32 a wrong verifier is refused and does not burn the code", async () => {
    const client = { client_id: demo.public.clientId };
    const asked = await ask(client.client_id);
    const { redirectTo } = await authorization.complete(asked.handle, { subject: "ada" });
    const wrong = { ...asked, verifier: oauth.generateRandomCodeVerifier() };
    await assert.rejects(
      redeem(client, oauth.None(), wrong, redirectTo),
      refusedAs("invalid_grant"),
    );
    assert.ok((await redeem(client, oauth.None(), asked, redirectTo)).refresh_token);
  });

  test("r32 a code that comes twice ends the session that it began", async () => {
    const client = { client_id: demo.public.clientId };
    const asked = await ask(client.client_id);
    const { redirectTo } = await authorization.complete(asked.handle, { subject: "ada" });
    const { refresh_token: token = "" } = await redeem(client, oauth.None(), asked, redirectTo);
    await assert.rejects(
      redeem(client, oauth.None(), asked, redirectTo),
      refusedAs("invalid_grant"),
    );
    await assert.rejects(refresh(client, oauth.None(), token), refusedAs("invalid_grant"));
  });

  test("a denial is the error that the library expects", async () => {
    const client = { client_id: demo.public.clientId };
    const asked = await ask(client.client_id);
    const { redirectTo } = await authorization.deny(asked.handle);
    assert.throws(
      () => oauth.validateAuthResponse(server, client, new URL(redirectTo), asked.state),
      (error) =>
        error instanceof oauth.AuthorizationResponseError && error.error === "access_denied",
    );
  });
});

describe("the login page's access to edgemint", () => {
  /** @param {string} act @param {string} [token] */
  async function call(act, token) {
    const headers = {
      "content-type": "application/json",
      ...(token && { authorization: `Bearer ${token}` }),
    };
    const body = JSON.stringify({ handle: "x" });
    const response = await fetch(`${urls.issuer}/admin/v1/authorizations/${act}`, {
      method: "POST",
      headers,
      body,
    });
    return { status: response.status, challenge: response.headers.get("www-authenticate") };
  }
  /** @param {{ clientId: string, clientSecret: string }} client @param {string} scope */
  async function tokenOf({ clientId, clientSecret }, scope) {
    const proof = oauth.ClientSecretPost(clientSecret);
    const client = { client_id: clientId };
    const form = new URLSearchParams({ scope });
    const response = await oauth.clientCredentialsGrantRequest(
      server,
      client,
      proof,
      form,
      insecure,
    );
    return (await oauth.processClientCredentialsResponse(server, client, response)).access_token;
  }

  for (const act of ["inspect", "complete", "deny"]) {
    test(`r46 ${act} takes a token for the administration API with the role for it`, async () => {
      assert.deepEqual(await call(act), { status: 401, challenge: "Bearer" });
      const ofOrders = await tokenOf(demo, `${API}/.default`);
      assert.deepEqual(await call(act, ofOrders), {
        status: 401,
        challenge: 'Bearer error="invalid_token"',
      });
      const everything = "urn:edgemint:admin/.default";
      await assert.rejects(
        tokenOf(demo, everything),
        refusedAs("invalid_scope"),
        "it has no role there",
      );
      assert.equal(
        (await call(act, await tokenOf(demo.login, everything))).status,
        400,
        "a bad handle",
      );
    });
  }

  test("a handle that edgemint did not make is refused by name", async () => {
    const isInvalid = (/** @type {unknown} */ error) =>
      error instanceof AuthorizationError && error.code === "invalid_handle";
    await assert.rejects(authorization.inspect("nonsense"), isInvalid);
    await assert.rejects(authorization.complete("nonsense", { subject: "ada" }), isInvalid);
    await assert.rejects(authorization.deny("nonsense"), isInvalid);
  });
});

describe("the login page", () => {
  /** The page for a request, as a browser has it. @param {Record<string, string>} [more] */
  async function opened(more) {
    const { handle } = await ask(demo.public.clientId, more);
    const response = await fetch(`${urls.login}?handle=${handle}`, { redirect: "manual" });
    const text = await response.text();
    const cookie = response.headers.get("set-cookie")?.split(";")[0] ?? "";
    const seal = /name="seal" value="([^"]+)"/.exec(text)?.[1] ?? "";
    return { handle, response, text, cookie, seal };
  }
  /** @param {[string, string][]} form @param {string} cookie */
  const post = (form, cookie) =>
    fetch(urls.login, {
      method: "POST",
      body: new URLSearchParams(form),
      headers: { cookie },
      redirect: "manual",
    });

  test("is framed by nobody, runs no script, and is kept by no cache", async () => {
    const { response, text } = await opened();
    assert.equal(response.status, 200);
    const policy = response.headers.get("content-security-policy") ?? "";
    for (const directive of [
      "default-src 'none'",
      "style-src 'self'",
      "base-uri 'none'",
      "frame-ancestors 'none'",
      `form-action 'self' ${new URL(urls.app).origin}`,
    ]) {
      assert.ok(policy.split("; ").includes(directive), `${directive} in ${policy}`);
    }
    assert.equal(response.headers.get("referrer-policy"), "no-referrer");
    assert.equal(response.headers.get("cache-control"), "no-store");
    assert.match(
      response.headers.get("set-cookie") ?? "",
      /^login=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/,
    );
    assert.doesNotMatch(text, /<script| style=| on\w+=/);
  });

  test("shows a name as text, whatever is in it", async () => {
    const { clientId } = demo.public;
    const displayName = `<img src=x onerror=alert(1)> "&'`;
    await change(clientId, { displayName });
    try {
      const { text } = await opened();
      assert.ok(text.includes("Sign in to &lt;img src=x onerror=alert(1)&gt; &quot;&amp;&#39;"));
      assert.ok(!text.includes("<img"));
    } finally {
      await change(clientId, { displayName: "Demo application" });
    }
  });

  test("takes a form only from the browser, and for the handle, that it was made for", async () => {
    const [mine, other] = [await opened(), await opened()];
    /** @param {string} handle @param {string} seal @returns {[string, string][]} */
    const form = (handle, seal) => [
      ["handle", handle],
      ["seal", seal],
      ["user", "ada"],
      ["scope", READ],
      ["answer", "allow"],
    ];
    assert.equal((await post(form(mine.handle, mine.seal), "")).status, 403);
    assert.equal((await post(form(mine.handle, mine.seal), other.cookie)).status, 403);
    assert.equal((await post(form(other.handle, mine.seal), mine.cookie)).status, 403);
    assert.equal((await post(form(mine.handle, ""), mine.cookie)).status, 403);
    const good = await post(form(mine.handle, mine.seal), mine.cookie);
    assert.equal(good.status, 303);
    const location = new URL(good.headers.get("location") ?? "");
    assert.equal(location.origin + location.pathname, urls.redirectUri);
    assert.ok(location.searchParams.get("code"));
  });

  test("grants nothing that was not asked for, and asks again if nothing is ticked", async () => {
    const { handle, seal, cookie } = await opened({ scope: READ });
    /** @type {[string, string][]} */
    const form = [
      ["handle", handle],
      ["seal", seal],
      ["answer", "allow"],
    ];
    const nothing = await post([...form, ["user", "ada"]], cookie);
    assert.equal(nothing.status, 422);
    assert.match(await nothing.text(), /role="alert">Allow at least one thing/);
    assert.equal((await post([...form, ["user", "ada"], ["scope", WRITE]], cookie)).status, 422);
    const nobody = await post([...form, ["user", "eve"], ["scope", READ]], cookie);
    assert.equal(nobody.status, 422);
    assert.match(await nobody.text(), /Choose who you are/);
  });

  test("says in plain words that a handle is good no more, and names no address to go to", async () => {
    for (const handle of ["", "nonsense", "%3Cscript%3E"]) {
      const response = await fetch(`${urls.login}?handle=${handle}`, { redirect: "manual" });
      assert.equal(response.status, 400);
      assert.match(await response.text(), /This sign-in has expired/);
    }
  });

  test("answers without a person if it was told not to ask", async () => {
    const { response } = await opened({ prompt: "none" });
    const location = new URL(response.headers.get("location") ?? "");
    assert.equal(location.origin + location.pathname, urls.redirectUri);
    assert.equal(location.searchParams.get("error"), "login_required");
  });
});

describe("clicked through in Chromium", () => {
  /** @type {Awaited<ReturnType<typeof startBrowser>>} */
  let browser;
  before(async () => {
    browser = await startBrowser();
  });
  after(() => browser?.stop());
  beforeEach(async () => {
    await browser.forget();
    await browser.look();
  });

  const ALLOW = 'button[value="allow"]';
  const CANCEL = 'button[value="deny"]';

  /** From the application to the login page. */
  async function toLogin() {
    await browser.open(urls.app);
    await browser.until("Demo application");
    await browser.click('a[href="/signin"]');
    await browser.until("Sign in to Demo application");
  }

  test("r20 r21 sign in with less than was asked for, refresh, sign out", async () => {
    await toLogin();
    await browser.click('input[value="grace"]');
    await browser.click(`input[value="${WRITE}"]`);
    assert.equal(await browser.isTicked(`input[value="${READ}"]`), true);
    assert.equal(await browser.isTicked(`input[value="${WRITE}"]`), false);
    await browser.shot("login-chosen");
    await browser.click(ALLOW);
    await browser.until("Hello, Grace Hopper");
    assert.equal(await browser.url(), urls.app, "the code is not left in the address");
    assert.match(await browser.text("dl"), /Orders\.Read/);
    assert.doesNotMatch(await browser.text("main"), /Orders\.Write/);
    assert.match(await browser.text("dl"), /Refresh token\s+good until \d{4}-/);
    await browser.shot("app-signed-in");
    await browser.look({ dark: true });
    await browser.shot("app-signed-in-dark");
    await browser.look({ mobile: true });
    assert.equal(await browser.overflows(), false);
    await browser.shot("app-signed-in-mobile");
    await browser.look();

    assert.equal(await browser.text("#refreshed"), "not yet");
    for (const times of ["once", "2 times"]) {
      await browser.click('form[action="/refresh"] button');
      await waitFor(async () => (await browser.text("#refreshed")) === times);
    }
    await browser.click('form[action="/signout"] button');
    await browser.until("Demo application");
    assert.match(await browser.text('[role="status"]'), /You are signed out/);
    await browser.shot("app-signed-out");
  });

  test("cancel: the application says that nothing was shared", async () => {
    await toLogin();
    await browser.click(CANCEL);
    await browser.until("Demo application");
    assert.match(await browser.text('[role="status"]'), /You did not agree/);
    await browser.shot("app-denied");
  });

  test("nothing ticked: the page says what is missing, and goes on from there", async () => {
    await toLogin();
    for (const scope of [READ, WRITE]) await browser.click(`input[value="${scope}"]`);
    await browser.click(ALLOW);
    await waitFor(async () => /at least one/.test(await browser.text('[role="alert"]')));
    await browser.shot("login-mistake");
    await browser.click(`input[value="${READ}"]`);
    await browser.click(ALLOW);
    await browser.until("Hello, Ada Lovelace");
  });

  test("r28 trouble does not end a session; only its end does, at the next refresh", async () => {
    await toLogin();
    await browser.click(ALLOW);
    await browser.until("Hello, Ada Lovelace");
    const { clientId } = demo.public;
    await change(clientId, { disabled: true });
    await browser.click('form[action="/refresh"] button');
    await browser.until("Not refreshed");
    await change(clientId, { disabled: false });
    await browser.open(urls.app);
    await browser.click('form[action="/refresh"] button');
    await waitFor(async () => (await browser.text("#refreshed")) === "once");

    await admin.request("DELETE", pathOf("applications", clientId, "sessions"));
    await worker.copied(TENANT);
    await browser.click('form[action="/refresh"] button');
    await browser.until("Demo application");
    assert.match(await browser.text('[role="status"]'), /The session has ended/);
  });

  test("every page fits light and dark screens and a phone, with its styles", async () => {
    await browser.console();
    await browser.open(urls.app);
    await browser.shot("app-start");
    await toLogin();
    await browser.shot("login-light");
    await browser.look({ dark: true });
    await browser.shot("login-dark");
    await browser.look({ mobile: true });
    assert.equal(await browser.overflows(), false);
    await browser.shot("login-mobile");
    assert.deepEqual(await browser.console(), [], "nothing was blocked, nothing is missing");
    await browser.look();
    await browser.open(`${urls.login}?handle=nonsense`);
    await browser.until("This sign-in has expired");
    await browser.shot("login-expired");
    await browser.open(`${urls.redirectUri}?code=x&state=y`);
    await browser.until("Nobody was signed in");
    await browser.shot("app-stray-answer");
    const query = new URLSearchParams({ client_id: "nobody", response_type: "code" });
    await browser.open(`${urls.issuer}/oauth2/authorize?${query}`);
    await browser.until("Sign-in could not start");
    await browser.shot("authorize-refused");
    await browser.look({ dark: true });
    await browser.shot("authorize-refused-dark");
    await browser.look({ mobile: true });
    assert.equal(await browser.overflows(), false);
    await browser.shot("authorize-refused-mobile");
  });
});

/** @param {() => Promise<boolean>} condition */
async function waitFor(condition) {
  await until(`${condition}`, () => condition().catch(() => false));
}
