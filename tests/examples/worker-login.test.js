// examples/worker-login in workerd: an application signs a user in at the Worker's own page.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import * as oauth from "oauth4webapi";
import { Client, bootstrap, pathOf } from "../../pkg/cli/client.js";
import { hashed, matches } from "../../examples/worker-login/passwords.js";
import { freePort } from "../workerd/world.js";
import { startExample } from "./worker.js";

const folder = new URL("../../examples/worker-login/", import.meta.url);
const insecure = { [oauth.allowInsecureRequests]: true };
const key = () => randomBytes(32).toString("base64url");
const PASSWORD = "correct horse battery staple";
const REDIRECT_URI = "https://notes.example.com/callback";
const [READ, WRITE] = ["api://notes/Notes.Read", "api://notes/Notes.Write"];
const client = { client_id: "notes" };

/** @type {Awaited<ReturnType<typeof startExample>>} */
let worker;
/** @type {string} */
let base;
/** @type {oauth.AuthorizationServer} */
let server;

/** What `new-user.js` prints. @param {string[]} args @returns {Promise<string>} */
async function newUser(args, password = PASSWORD) {
  const child = promisify(execFile)(process.execPath, ["new-user.js", ...args], { cwd: fileURLToPath(folder) });
  child.child.stdin?.end(`${password}\n`);
  return (await child).stdout;
}

before(async () => {
  const port = await freePort();
  base = `http://localhost:${port}`;
  const secret = key();
  const secrets = { MASTER_KEY: key(), FORM_KEY: key(), BOOTSTRAP_SECRET: secret };
  worker = await startExample("worker-login", { BASE_URL: base, CACHE_TTL: "0", ...secrets }, port);

  const users = await worker.miniflare.getD1Database("USERS");
  const schema = (await readFile(new URL("schema.sql", folder), "utf8")).replaceAll(/^--.*$/gm, "");
  await users.prepare(schema).run();
  await users.prepare(await newUser(["demo", "ada", "Ada O'Lovelace"])).run();
  await users.prepare(await newUser(["other", "eve", "Eve"])).run();

  const { body } = await bootstrap({ url: base, tenant: "demo" }, secret, { displayName: "Demo" }, () => {});
  const profile = { url: base, tenant: "demo", clientId: body.clientId, clientSecret: body.secret };
  const admin = new Client(profile, () => {});
  await admin.request("PATCH", "/tenant", { body: { loginUrl: `${base}/login` } });
  const scopes = [
    { value: "Notes.Read", displayName: "Read <your> notes" },
    { value: "Notes.Write", displayName: "Write notes" },
  ];
  await admin.request("POST", pathOf("apis"), { body: { identifier: "api://notes", scopes } });
  const application = { clientId: client.client_id, kind: "public", redirectUris: [REDIRECT_URI] };
  await admin.request("POST", pathOf("applications"), { body: application });

  const issuer = new URL(`${base}/demo`);
  const discovery = oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure });
  server = await oauth.processDiscoveryResponse(issuer, await discovery);
});
after(() => worker?.stop());

/** A browser: it keeps cookies, and goes where it is sent by hand. */
class Browser {
  /** @type {Map<string, string>} */
  cookies = new Map();

  /** @param {string | URL} url @param {RequestInit} [init] */
  async go(url, init) {
    const cookie = [...this.cookies].map((pair) => pair.join("=")).join("; ");
    const response = await fetch(url, {
      redirect: "manual",
      ...init,
      headers: { ...(cookie && { cookie }), ...init?.headers },
    });
    for (const set of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(set) ?? [];
      this.cookies.set(name, value);
    }
    return response;
  }

  /** @param {Record<string, string | string[]>} fields */
  post(fields) {
    const body = new URLSearchParams();
    for (const [name, value] of Object.entries(fields)) {
      for (const one of [value].flat()) body.append(name, one);
    }
    return this.go(`${base}/login`, { method: "POST", body });
  }
}

/** The hidden fields of the form. @param {string} text */
const hidden = (text) =>
  Object.fromEntries(
    [...text.matchAll(/<input type="hidden" name="(\w+)" value="([^"]*)">/g)].map(([, name, value]) => [name, value]),
  );

/** An application's request, as far as the login page. @param {Record<string, string>} [more] */
async function ask(more = {}, browser = new Browser()) {
  const [verifier, state] = [oauth.generateRandomCodeVerifier(), oauth.generateRandomState()];
  const query = new URLSearchParams({
    response_type: "code",
    ...client,
    redirect_uri: REDIRECT_URI,
    scope: `${READ} ${WRITE}`,
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
    ...more,
  });
  const sent = await browser.go(`${server.authorization_endpoint}?${query}`);
  const login = sent.headers.get("location") ?? "";
  const response = await browser.go(login);
  const text = await response.text();
  return { browser, verifier, state, login, response, text, fields: hidden(text) };
}

/** What the browser brings back to the application. @param {Awaited<ReturnType<typeof ask>>} asked @param {Response} answered */
async function redeem({ verifier, state }, answered) {
  assert.equal(answered.status, 303, await answered.text());
  const back = new URL(answered.headers.get("location") ?? "");
  const validated = oauth.validateAuthResponse(server, client, back, state);
  const response = await oauth.authorizationCodeGrantRequest(
    server,
    client,
    oauth.None(),
    validated,
    REDIRECT_URI,
    verifier,
    insecure,
  );
  return oauth.processAuthorizationCodeResponse(server, client, response);
}

const ada = { username: "ada", password: PASSWORD, answer: "allow" };

describe("examples/worker-login", () => {
  test("needs no compatibility flag, nodejs_compat neither", () => {
    assert.deepEqual(worker.flags, []);
  });

  test("signs a user in, whose application gets tokens and refreshes them", async () => {
    const asked = await ask({ login_hint: "ada" });
    assert.equal(asked.response.status, 200);
    assert.match(asked.text, /name="username" value="ada"/);
    assert.match(asked.text, /Read &lt;your&gt; notes/, "what it shows is escaped");
    const answered = await asked.browser.post({ ...asked.fields, ...ada, scope: [READ, WRITE] });
    const first = await redeem(asked, answered);
    const request = new Request("https://notes.example.com/", {
      headers: { authorization: `Bearer ${first.access_token}` },
    });
    const claims = await oauth.validateJwtAccessToken(server, request, "api://notes", insecure);
    assert.deepEqual([claims.name, claims.scope], ["Ada O'Lovelace", `${READ} ${WRITE}`]);
    assert.match(claims.sub, /^[0-9a-f-]{36}$/, "not the username, which may change");
    const refreshed = await oauth.processRefreshTokenResponse(
      server,
      client,
      await oauth.refreshTokenGrantRequest(server, client, oauth.None(), first.refresh_token ?? "", insecure),
    );
    assert.notEqual(refreshed.refresh_token, first.refresh_token);
  });

  test("lets the user allow less than was asked for, and no more", async () => {
    const asked = await ask({ scope: READ });
    const none = await asked.browser.post({ ...asked.fields, ...ada, scope: WRITE });
    assert.equal(none.status, 422);
    const answered = await asked.browser.post({ ...asked.fields, ...ada, scope: [READ, WRITE] });
    assert.equal((await redeem(asked, answered)).scope, READ);
  });

  test("refuses a wrong password and an unknown user with the same words, and asks again", async () => {
    const asked = await ask();
    const answers = [];
    for (const wrong of [
      { username: "ada", password: `${PASSWORD} ` },
      { username: "nobody", password: PASSWORD },
      // Of another tenant.
      { username: "eve", password: PASSWORD },
    ]) {
      const response = await asked.browser.post({ ...asked.fields, ...ada, ...wrong, scope: READ });
      assert.equal(response.status, 422);
      const text = await response.text();
      assert.doesNotMatch(text, new RegExp(PASSWORD));
      const [said] = /<p role="alert">.*<\/p>/.exec(text) ?? [];
      assert.ok(said);
      answers.push(said);
    }
    assert.equal(new Set(answers).size, 1);
    const right = await asked.browser.post({ ...asked.fields, ...ada, username: "ADA", scope: READ });
    assert.ok((await redeem(asked, right)).access_token);
  });

  test("refuses a form that was made for another browser, another handle, or by another site", async () => {
    const [mine, theirs] = [await ask(), await ask()];
    const allowed = { ...ada, scope: READ };
    /** @type {[string, Browser, Record<string, string>][]} */
    const refused = [
      ["another browser's form", theirs.browser, mine.fields],
      ["a browser without the cookie", new Browser(), mine.fields],
      ["another handle", mine.browser, { ...mine.fields, handle: theirs.fields.handle }],
      ["no seal", mine.browser, { handle: mine.fields.handle }],
      ["a made-up seal", mine.browser, { ...mine.fields, seal: "A".repeat(43) }],
    ];
    for (const [what, browser, fields] of refused) {
      const response = await browser.post({ ...fields, ...allowed });
      assert.equal(response.status, 403, what);
      assert.equal(response.headers.get("location"), null);
      // Nor can the sign-in be called off.
      assert.equal((await browser.post({ ...fields, answer: "deny" })).status, 403, what);
    }
    assert.ok((await redeem(mine, await mine.browser.post({ ...mine.fields, ...allowed }))).access_token);
  });

  test("says of a handle that is not good, without a form", async () => {
    const { login, browser } = await ask();
    const bad = new URL(login);
    bad.searchParams.set("handle", `${bad.searchParams.get("handle")}x`);
    for (const url of [bad, `${base}/login`]) {
      const response = await browser.go(url);
      assert.equal(response.status, 400);
      assert.doesNotMatch(await response.text(), /<form/);
    }
  });

  test("tells the application that the user cancelled, or would have to be asked", async () => {
    const asked = await ask();
    const cancelled = await asked.browser.post({ ...asked.fields, answer: "deny" });
    const back = new URL(cancelled.headers.get("location") ?? "");
    assert.deepEqual([back.origin + back.pathname, back.searchParams.get("error")], [REDIRECT_URI, "access_denied"]);
    const silent = await ask({ prompt: "none" });
    assert.equal(silent.response.status, 303);
    const error = new URL(silent.response.headers.get("location") ?? "").searchParams.get("error");
    assert.equal(error, "login_required");
  });

  test("is framed by nobody, cached nowhere, and its cookie is out of the reach of scripts", async () => {
    const { response } = await ask();
    const policy = response.headers.get("content-security-policy") ?? "";
    assert.match(policy, /frame-ancestors 'none'/);
    assert.match(policy, /form-action 'self' https:\/\/notes\.example\.com;/);
    assert.equal(response.headers.get("cache-control"), "no-store");
    assert.equal(response.headers.get("referrer-policy"), "no-referrer");
    assert.match(response.headers.get("set-cookie") ?? "", /; HttpOnly; SameSite=Lax$/);
  });

  test("takes ten passwords a minute for a user from an address", async () => {
    const asked = await ask();
    /** @type {number[]} */
    const statuses = [];
    // The minute may end in the middle, once.
    while (statuses.length < 21 && !statuses.includes(429)) {
      const guess = { username: "grace", password: "guess", answer: "allow", scope: READ };
      statuses.push((await asked.browser.post({ ...asked.fields, ...guess })).status);
    }
    assert.equal(statuses.at(-1), 429);
    assert.ok(statuses.length > 10);
  });

  test("refuses what is no form of its own: other methods, bodies without end", async () => {
    assert.equal((await fetch(`${base}/login`, { method: "PUT" })).status, 405);
    const { browser, fields } = await ask();
    const padding = "x".repeat(17 * 1024);
    assert.equal((await browser.post({ ...fields, ...ada, padding })).status, 413);
  });

  test("has told nobody a password, a handle or a code", () => {
    const log = worker.log.join("\n");
    assert.match(log, /token_issued/);
    assert.doesNotMatch(log, /horse|handle=|code=/);
  });
});

test("a password is stored as a hash that says how it was made", async () => {
  const stored = await hashed("pä55");
  assert.match(stored, /^pbkdf2-sha512\$100000\$[\w-]{22}\$[\w-]{86}$/);
  assert.notEqual(await hashed("pä55"), stored);
  assert.equal(await matches("pa\u030855", stored), true, "as Unicode holds equal");
  assert.equal(await matches("pä56", stored), false);
  assert.equal(await matches(""), false);
});
