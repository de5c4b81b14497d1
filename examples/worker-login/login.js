// The login and consent page: it is opened with a handle, finds out who the user is and what they consent
// to, tells the issuer, and sends the browser to where the issuer says.

import { clientAddress } from "edgemint/cloudflare";
import { EdgemintError } from "edgemint";
import { bytes, text } from "./base64url.js";
import { html, page, redirect } from "./html.js";
import { userOf } from "./users.js";

/** @typedef {import("edgemint").Authorization} Authorization @typedef {import("./index.js").Env} Env */

/** Bytes of the largest form that is read. */
const MAX_FORM = 16 * 1024;

/**
 * @param {Request} request @param {Env} env @param {Authorization} authorization
 * @returns {Promise<Response>}
 */
export async function login(request, env, authorization) {
  try {
    if (request.method === "GET") return await show(request, env, authorization);
    if (request.method === "POST") return await answer(request, env, authorization);
    return new Response(null, { status: 405, headers: { allow: "GET, POST" } });
  } catch (error) {
    const { code } = error instanceof EdgemintError ? error : { code: undefined };
    if (code === "invalid_handle" || code === "not_found") {
      const why = "It was open for too long, or its address is not complete.";
      const what = "Go back to the application and sign in again.";
      return page(400, "This sign-in has expired", html`<p>${why} ${what}</p>`);
    }
    // The operator reads why; neither handle nor password is in it.
    console.error(`login page: ${error}`);
    const later = html`<p>Wait a minute, then load this page again.</p>`;
    return page(503, "Sign-in does not work at the moment", later);
  }
}

/** @param {Request} request @param {Env} env @param {Authorization} authorization */
async function show(request, env, authorization) {
  const handle = new URL(request.url).searchParams.get("handle") ?? "";
  const asked = await authorization.inspect(handle);
  // Nobody stays signed in at this page, so without asking there is no answer.
  if (asked.prompt === "none") {
    return redirect((await authorization.deny(handle, { error: "login_required" })).redirectTo);
  }
  const cookie = cookieOf(env);
  const browser = cookie.read(request) ?? text(crypto.getRandomValues(new Uint8Array(32)));
  const seal = await sealOf(env, browser, handle);
  const response = form(asked, { handle, seal, username: asked.loginHint ?? "" });
  response.headers.append("set-cookie", cookie.write(browser));
  return response;
}

/** @param {Request} request @param {Env} env @param {Authorization} authorization */
async function answer(request, env, authorization) {
  // Browsers always say how much they send.
  if (!(Number(request.headers.get("content-length") ?? Infinity) <= MAX_FORM)) {
    return page(413, "This form is too long", html``);
  }
  const given = new URLSearchParams(await request.text());
  const field = (/** @type {string} */ name) => given.get(name) ?? "";
  const [handle, seal, username] = [field("handle"), field("seal"), field("username").trim()];
  const browser = cookieOf(env).read(request);
  // Made for another browser, or for another handle: nobody completes what somebody else has begun.
  if (browser === undefined || !(await isSealed(env, browser, handle, seal))) {
    const again = `/login?handle=${encodeURIComponent(handle)}`;
    const why = "It was made for another browser, or cookies are switched off.";
    return page(403, "This form cannot be used", html`<p>${why} <a href="${again}">Open it again</a></p>`);
  }
  const asked = await authorization.inspect(handle);
  if (field("answer") !== "allow") return redirect((await authorization.deny(handle)).redirectTo);

  const ticked = given.getAll("scope");
  const scopes = asked.scopes.map(({ scope }) => scope).filter((scope) => ticked.includes(scope));
  const again = (/** @type {number} */ status, /** @type {string} */ mistake) =>
    form(asked, { handle, seal, username, ticked, mistake }, status);
  if (scopes.length === 0) return again(422, "Allow at least one thing, or cancel.");

  const key = JSON.stringify([asked.tenant, username.toLowerCase(), clientAddress(request)]);
  if (!(await env.ATTEMPTS.limit({ key })).success) {
    return again(429, "Too many attempts. Wait a minute, then try again.");
  }
  const user = await userOf(env.USERS, asked.tenant, username, field("password"));
  // Which of the two it was is nobody's business.
  if (user === undefined) return again(422, "Username or password is wrong.");

  const consent = { subject: user.subject, scopes, claims: { name: user.name } };
  // The only addresses that the browser is sent to come from the issuer: registered ones.
  return redirect((await authorization.complete(handle, consent)).redirectTo);
}

/**
 * A cookie that scripts do not see, and that no form of another site brings along. `__Host-` keeps other
 * hosts of the same domain from setting it.
 * @param {Env} env
 */
function cookieOf({ BASE_URL }) {
  const secure = BASE_URL.startsWith("https:");
  const name = secure ? "__Host-login" : "login";
  return {
    /** @param {Request} request */
    read(request) {
      const pairs = (request.headers.get("cookie") ?? "").split("; ");
      return pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1) || undefined;
    },
    write: (/** @type {string} */ value) =>
      `${name}=${value}; Path=/; HttpOnly; SameSite=Lax${secure ? "; Secure" : ""}`,
  };
}

/** @param {Env} env */
function keyOf({ FORM_KEY }) {
  const key = bytes(FORM_KEY);
  if (key.length < 32) throw new Error("FORM_KEY is not 32 bytes in base64url");
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  return crypto.subtle.importKey("raw", key, algorithm, false, ["sign", "verify"]);
}

/** Neither of the two has a vertical bar. @param {string} browser @param {string} handle */
const sealed = (browser, handle) => new TextEncoder().encode(`${browser}|${handle}`);

/** What binds a form to one browser and one handle. @param {Env} env @param {string} browser @param {string} handle */
async function sealOf(env, browser, handle) {
  const seal = await crypto.subtle.sign("HMAC", await keyOf(env), sealed(browser, handle));
  return text(new Uint8Array(seal));
}

/** @param {Env} env @param {string} browser @param {string} handle @param {string} seal */
async function isSealed(env, browser, handle, seal) {
  if (!/^[\w-]{43}$/.test(seal)) return false;
  return crypto.subtle.verify("HMAC", await keyOf(env), bytes(seal), sealed(browser, handle));
}

/**
 * @param {import("edgemint").AuthorizationRequest} asked
 * @param {{ handle: string, seal: string, username: string, ticked?: string[], mistake?: string }} filled
 */
function form({ clientName, redirectUri, scopes }, { handle, seal, username, ticked, mistake }, status = 200) {
  const { protocol, origin, host } = new URL(redirectUri);
  const choices = scopes.map(
    ({ scope, displayName, apiName }) => html`
    <label><input type="checkbox" name="scope" value="${scope}"
      ${(ticked?.includes(scope) ?? true) && html`checked`}> ${displayName} <small>${apiName}</small></label>`,
  );
  const body = html`${mistake && html`<p role="alert">${mistake}</p>`}
<form method="post" action="/login">
  <input type="hidden" name="handle" value="${handle}">
  <input type="hidden" name="seal" value="${seal}">
  <label>Username <input name="username" value="${username}" autocomplete="username" required></label>
  <label>Password <input name="password" type="password" autocomplete="current-password" required></label>
  <fieldset><legend>${clientName} asks to</legend>${choices}</fieldset>
  <button name="answer" value="allow">Allow</button>
  <button name="answer" value="deny" formnovalidate>Cancel</button>
</form>
<p>Either way you go back to <strong>${host || protocol}</strong>.</p>`;
  // An application's own scheme has no origin, and a policy can name no IPv6 address.
  const back = origin === "null" || host.startsWith("[") ? protocol : origin;
  return page(status, `Sign in to ${clientName}`, body, back);
}
