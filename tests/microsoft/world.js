// The demo directory over TLS, trusted by this process as `NODE_EXTRA_CA_CERTS` would have it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { administration } from "../../worker/demo.js";
import { startDev } from "../dev.js";
import { freePort } from "../workerd/world.js";

const folder = await mkdtemp(join(tmpdir(), "edgemint-microsoft-"));
const dev = await startDev({ folder, port: await freePort(4), https: true });
after(async () => {
  await dev.stop();
  await rm(folder, { recursive: true, force: true });
});

/** What demo.json says. */
export const { demo } = dev;
setDefaultCACertificates([
  ...getCACertificates("default"),
  readFileSync(demo.certificate, "utf8"),
]);

/** The demo directory's administrator. */
export const admin = administration(demo.issuer, {
  clientId: demo.admin_client_id,
  clientSecret: demo.admin_client_secret,
});

/** @param {string} path @param {object} body @returns {Promise<any>} */
export const create = async (path, body) =>
  (await admin.request("POST", path, { body, creates: true })).body;

/** An application that no test has to share. @param {object} [settings] @param {object} [secret] */
export async function application(settings = {}, secret = {}) {
  const { clientId } = await create("/applications", settings);
  const made = await create(`/applications/${clientId}/secrets`, secret);
  return { clientId, clientSecret: made.secret };
}

/** Header (0) or claims (1) of a token. @param {string} token @param {0 | 1} at @returns {any} */
export const part = (token, at) => JSON.parse(Buffer.from(token.split(".")[at], "base64url").toString());

export const GUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The other ways to name the demo tenant. */
export const NAMES = [demo.tenant, `${demo.tenant}.onmicrosoft.com`, demo.domain];

/**
 * What a browser, the demo user and the login page do together.
 * @param {string} authorize where the application sends the browser
 * @param {string[]} scopes to which the user agrees
 * @returns {Promise<string>} the code
 */
export async function signIn(authorize, scopes) {
  const asked = await fetch(authorize, { redirect: "manual" });
  const location = asked.headers.get("location") ?? "";
  assert.ok(location.startsWith(demo.login_url), `${asked.status} ${location} ${await asked.text()}`);
  const page = await fetch(location);
  const [, seal] = /name="seal" value="([^"]*)"/.exec(await page.text()) ?? [];
  const form = new URLSearchParams({
    handle: new URL(location).searchParams.get("handle") ?? "",
    seal,
    answer: "allow",
    user: demo.demo_user,
  });
  for (const scope of scopes) form.append("scope", scope);
  const cookie = page.headers.getSetCookie().map((set) => set.split(";")[0]).join("; ");
  const answered = await fetch(demo.login_url, {
    method: "POST",
    headers: { cookie },
    body: form,
    redirect: "manual",
  });
  const back = new URL(answered.headers.get("location") ?? "none:");
  assert.ok(back.href.startsWith(demo.redirect_uri), back.href);
  return back.searchParams.get("code") ?? assert.fail(back.href);
}
