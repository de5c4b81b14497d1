// A web application that signs its users in by passport-oauth2, with express and its session.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { describe, test } from "node:test";
import express from "express";
import session from "express-session";
import passport from "passport";
import OAuth2Strategy from "passport-oauth2";
import { USER, USER_SCOPES, browse, clients } from "./world.js";

/**
 * The application, at a port of its own.
 * @param {import("./world.js").World} world
 * @param {import("./world.js").Client} client
 */
async function open(world, { clientId, secret }) {
  const app = express();
  const server = createServer(app).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const url = `http://127.0.0.1:${port}`;
  const strategy = new OAuth2Strategy(
    {
      authorizationURL: `${world.issuer}/oauth2/authorize`,
      tokenURL: `${world.issuer}/oauth2/token`,
      clientID: clientId,
      clientSecret: secret,
      callbackURL: `${url}/callback`,
      scope: USER_SCOPES.split(" "),
      pkce: true,
      state: true,
    },
    async (
      /** @type {string} */ accessToken,
      /** @type {string} */ refreshToken,
      /** @type {any} */ parameters,
      /** @type {unknown} */ _profile,
      /** @type {(error: unknown, user?: any) => void} */ done,
    ) => {
      const headers = { authorization: `Bearer ${accessToken}` };
      const known = /** @type {any} */ (await (await fetch(world.api, { headers })).json());
      done(null, { ...known, refreshToken, scope: parameters.scope });
    },
  );
  const users = new passport.Passport();
  users.use("edgemint", strategy);
  users.serializeUser((user, done) => done(null, JSON.stringify(user)));
  users.deserializeUser((/** @type {string} */ text, done) => done(null, JSON.parse(text)));
  app.use(session({ secret: "a test's", resave: false, saveUninitialized: false }));
  app.use(users.session());
  app.get("/login", users.authenticate("edgemint"));
  app.get("/callback", users.authenticate("edgemint", { failWithError: true }), (_, response) =>
    response.redirect("/me"),
  );
  app.get("/me", (request, response) => void response.json(request.user ?? null));
  app.use(
    /** @type {import("express").ErrorRequestHandler} */ (
      (error, _request, response, _next) => {
        const { name, code, message, oauthError } = error;
        const cause = oauthError && { status: oauthError.statusCode, data: oauthError.data };
        response.status(500).json({ name, code, message, cause });
      }
    ),
  );
  return { url, strategy, close: () => (server.closeAllConnections(), server.close()) };
}

/** @param {import("./world.js").World} world */
export function passportOauth2(world) {
  // Its redirect URI is one that a native application may have: a port of this machine.
  const { native } = clients;

  describe("passport-oauth2", () => {
    for (const [kind, client] of Object.entries({ confidential: clients.site, public: native })) {
      test(`a ${kind} application's user is signed in, with PKCE and state, and stays so`, async () => {
        const app = await open(world, client);
        try {
          const { url, response } = await browse(`${app.url}/login`);
          const me = /** @type {any} */ (await response.json());
          assert.equal(url, `${app.url}/me`, JSON.stringify(me));
          assert.equal(me.sub, USER);
          assert.equal(me.scope, USER_SCOPES);
          assert.match(me.refreshToken, /^emr_/);
        } finally {
          app.close();
        }
      });
    }

    test("the session's token is refreshed by its OAuth2 object, once; then it is invalid_grant", async () => {
      const app = await open(world, clients.site);
      try {
        const { response } = await browse(`${app.url}/login`);
        const me = /** @type {any} */ (await response.json());
        const { _oauth2: client } = /** @type {any} */ (app.strategy);
        /** @param {string} token @returns {Promise<{ error: any, next: string }>} */
        const refresh = (token) =>
          new Promise((resolve) =>
            client.getOAuthAccessToken(
              token,
              { grant_type: "refresh_token" },
              (/** @type {any} */ error, /** @type {string} */ _access, /** @type {string} */ next) =>
                resolve({ error, next }),
            ),
          );
        const { error, next } = await refresh(me.refreshToken);
        assert.equal(error, null);
        assert.match(next, /^emr_/);
        const spent = await refresh(me.refreshToken);
        assert.equal(spent.error.statusCode, 400);
        assert.equal(JSON.parse(spent.error.data).error, "invalid_grant");
      } finally {
        app.close();
      }
    });

    test("a wrong secret is a TokenError with invalid_client", async () => {
      const app = await open(world, { ...clients.site, secret: `${clients.site.secret}x` });
      try {
        const { response } = await browse(`${app.url}/login`);
        const failed = /** @type {any} */ (await response.json());
        assert.deepEqual([failed.name, failed.code], ["TokenError", "invalid_client"]);
      } finally {
        app.close();
      }
    });

    test("a code that belongs to another sign-in is a TokenError with invalid_grant", async () => {
      const app = await open(world, clients.site);
      try {
        const { url } = await browse(`${app.url}/login`, `${app.url}/callback`);
        const code = new URL(url).searchParams.get("code") ?? "";
        assert.notEqual(code, "");
        // Another browser begins, and comes back with a code that does not belong to its verifier.
        const failed = await crossed(app.url, code);
        assert.deepEqual([failed.name, failed.code], ["TokenError", "invalid_grant"]);
      } finally {
        app.close();
      }
    });
  });
}

/** Comes back to the application with another's code. @param {string} app @param {string} code @returns {Promise<any>} */
async function crossed(app, code) {
  const begun = await fetch(`${app}/login`, { redirect: "manual" });
  const cookie = begun.headers.getSetCookie().map((set) => set.split(";")[0]).join("; ");
  const state = new URL(begun.headers.get("location") ?? "").searchParams.get("state") ?? "";
  const query = new URLSearchParams({ code, state });
  return (await fetch(`${app}/callback?${query}`, { headers: { cookie } })).json();
}
