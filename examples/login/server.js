// A login and consent page for edgemint, to try it with and to copy from. edgemint sends the browser
// here with a handle; the page finds out who the user is and what they consent to, tells edgemint, and
// sends the browser back to the application.
//
// It is a demo in one point: the user picks who they are, and no password is asked. Put your own
// sign-in where `authenticate` is; the rest is meant to stay.
//
//   ISSUER=http://127.0.0.1:8787/demo CLIENT_ID=... CLIENT_SECRET=... PORT=8789 \
//     node examples/login/server.js
//
// Behind a proxy that browsers reach by https, as they must anywhere but on this machine: HTTPS=1.

import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { fileURLToPath } from "node:url";
import { AuthorizationError, authorizations } from "./authorizations.js";
import { cookieNamed, html, listen, notice, setting, webServer } from "./web.js";

/** @typedef {{ subject: string, name: string, email: string }} User `subject` never changes */

/** The users of the demo. @type {User[]} */
export const USERS = [
  { subject: "ada", name: "Ada Lovelace", email: "ada@example.com" },
  { subject: "grace", name: "Grace Hopper", email: "grace@example.com" },
];

/**
 * Who the user is. A real page checks a password or a passkey here, and limits how often it is tried.
 * @param {URLSearchParams} form
 */
function authenticate(form) {
  return USERS.find(({ subject }) => subject === form.get("user"));
}

/** What access tokens say of a user. @param {User} user */
export const claimsOf = ({ name, email }) => ({ name, email });

/**
 * @param {object} options
 * @param {import("edgemint").Authorization} options.authorization
 * @param {boolean} [options.https] whether browsers reach it so
 */
export function loginServer({ authorization, https = false }) {
  const cookie = cookieNamed("login", https);
  // Forms are bound to the browser that they were made for. Several instances would share the key.
  const key = randomBytes(32);
  /** @param {string} browser @param {string} handle */
  const seal = (browser, handle) =>
    createHmac("sha256", key).update(`${browser}|${handle}`).digest("base64url");

  /**
   * Whether this browser was given this form.
   * @param {import("./web.js").Visit} visit @param {string} handle
   */
  function isOurs({ form, cookie: cookieOf }, handle) {
    const browser = cookieOf(cookie.name) ?? "";
    const [given, due] = [form.get("seal") ?? "", seal(browser, handle)].map((text) =>
      Buffer.from(text),
    );
    return browser !== "" && given.length === due.length && timingSafeEqual(given, due);
  }

  return webServer({
    "GET /login": (visit) =>
      orExplained(async () => {
        const handle = visit.url.searchParams.get("handle") ?? "";
        const asked = await authorization.inspect(handle);
        // Nobody stays signed in at this page, so without asking there is no answer.
        if (asked.prompt === "none") {
          const { redirectTo } = await authorization.deny(handle, { error: "login_required" });
          return { location: redirectTo };
        }
        const browser = visit.cookie(cookie.name) || randomBytes(32).toString("base64url");
        const answer = consentPage(asked, handle, seal(browser, handle), {
          user:
            USERS.find(({ subject, email }) => [subject, email].includes(asked.loginHint ?? "")) ??
            USERS[0],
          scopes: asked.scopes.map(({ scope }) => scope),
        });
        return { ...answer, cookie: cookie.set(browser) };
      }),

    "POST /login": (visit) =>
      orExplained(async () => {
        const { form } = visit;
        const handle = form.get("handle") ?? "";
        if (!isOurs(visit, handle)) {
          const text =
            "It was made for another browser, or cookies are switched off. Open it once more.";
          const again = `/login?handle=${encodeURIComponent(handle)}`;
          return notice(
            403,
            "This form cannot be used",
            text,
            html`<p><a href="${again}">Open it again</a></p>`,
          );
        }
        const asked = await authorization.inspect(handle);
        if (form.get("answer") !== "allow") {
          const { redirectTo } = await authorization.deny(handle);
          return { location: redirectTo };
        }
        const user = authenticate(form);
        const ticked = form.getAll("scope");
        const scopes = asked.scopes
          .map(({ scope }) => scope)
          .filter((scope) => ticked.includes(scope));
        if (user === undefined || scopes.length === 0) {
          const mistake =
            user === undefined ? "Choose who you are." : "Allow at least one thing, or cancel.";
          return consentPage(asked, handle, form.get("seal") ?? "", { user, scopes, mistake });
        }
        const consent = { subject: user.subject, scopes, claims: claimsOf(user) };
        const { redirectTo } = await authorization.complete(handle, consent);
        // The only addresses that the browser is sent to come from edgemint: registered ones.
        return { location: redirectTo };
      }),
  });
}

/**
 * The page, or one that says in words for people what was wrong.
 * @param {() => Promise<import("./web.js").Answer>} page
 */
async function orExplained(page) {
  try {
    return await page();
  } catch (error) {
    const code = error instanceof AuthorizationError ? error.code : "unreachable";
    if (code === "invalid_handle") {
      const text = "It was open for too long, or its address is not complete. ";
      return notice(
        400,
        "This sign-in has expired",
        `${text}Go back to the application and sign in again.`,
      );
    }
    if (code === "not_found") {
      const text =
        "It was removed or switched off while you were here. Nothing was shared with it.";
      return notice(400, "The application is not there any more", text);
    }
    // The operator reads why; neither handle nor secret is in it.
    console.error(`login page: ${error}`);
    return notice(
      503,
      "Sign-in does not work at the moment",
      "Wait a minute, then load this page again.",
    );
  }
}

/**
 * @param {import("edgemint").AuthorizationRequest} asked @param {string} handle @param {string} sealed
 * @param {{ user: User | undefined, scopes: string[], mistake?: string }} chosen
 * @returns {import("./web.js").Answer}
 */
function consentPage(asked, handle, sealed, chosen) {
  const { clientName, redirectUri } = asked;
  const { protocol, origin, host } = new URL(redirectUri);
  // An application's own scheme has no origin, and a policy can name no IPv6 address.
  const back = origin === "null" || host.startsWith("[") ? protocol : origin;
  const users = USERS.map(
    ({ subject, name, email }) => html`
    <label class="choice">
      <input type="radio" name="user" value="${subject}" required
        ${subject === chosen.user?.subject && html`checked`}>
      <span class="avatar" aria-hidden="true">${name[0]}</span>
      <span>${name}<small>${email}</small></span>
    </label>`,
  );
  const scopes = asked.scopes.map(
    ({ scope, displayName, apiName }) => html`
    <label class="choice">
      <input type="checkbox" name="scope" value="${scope}"
        ${chosen.scopes.includes(scope) && html`checked`}>
      <span>${displayName}<small>${apiName} &middot; <code>${scope}</code></small></span>
    </label>`,
  );
  const body = html`<h1>Sign in to ${clientName}</h1>
<p class="demo"><strong>Demo.</strong> No password is asked: pick who you want to be.</p>
${chosen.mistake && html`<p class="mistake" role="alert">${chosen.mistake}</p>`}
<form method="post" action="/login">
  <input type="hidden" name="handle" value="${handle}">
  <input type="hidden" name="seal" value="${sealed}">
  <fieldset>
    <legend>Who are you?</legend>${users}
  </fieldset>
  <fieldset>
    <legend>${clientName} asks to</legend>${scopes}
  </fieldset>
  <div class="buttons">
    <button name="answer" value="allow">Allow</button>
    <button name="answer" value="deny" class="quiet" formnovalidate>Cancel</button>
  </div>
</form>
<p class="aside">Either way you go back to <strong>${host || protocol}</strong>.</p>`;
  const status = chosen.mistake === undefined ? 200 : 422;
  return { status, page: { title: `Sign in to ${clientName}`, body }, formAction: back };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const issuer = setting("ISSUER");
  const credentials = { clientId: setting("CLIENT_ID"), clientSecret: setting("CLIENT_SECRET") };
  const port = Number(process.env.PORT ?? 8789);
  const https = process.env.HTTPS === "1";
  const authorization = authorizations({ issuer, ...credentials });
  await listen(loginServer({ authorization, https }), port);
  console.log(`http://127.0.0.1:${port}/login is the login page`);
}
