// What an installed package does, the same on every runtime: the vectors, a sign-in, a storm of refreshes,
// errors. It uses nothing but what every runtime has, and one store that the runtime's own start brings.

import { EdgemintError, createIssuer } from "edgemint";
import { credentials, post, registerClient, registerLogin, startLogin } from "../../sign-in.js";
import { run, setUp } from "../../vectors.js";
import directory from "../../vectors/directory.json" with { type: "json" };
import entra from "../../vectors/entra.json" with { type: "json" };
import grants from "../../vectors/grants.json" with { type: "json" };
import metadata from "../../vectors/metadata.json" with { type: "json" };
import tokenEndpoint from "../../vectors/token-endpoint.json" with { type: "json" };

/** @typedef {{ name: string, milliseconds: number, error?: string }} Result */
/** @typedef {import("../../sign-in.js").Client} Client */

/** As the files are told apart, not each case of them. @type {Record<string, any>} */
const FILES = { "token-endpoint": tokenEndpoint, metadata, grants, entra };
/** @type {Record<string, import("../../vectors.js").Vectors>} */
const VECTORS = FILES;
const masterKey = "A".repeat(43);
const { baseUrl } = directory;
const url = new URL(baseUrl);
const TENANT = "runtimes";
/** Sessions of a storm, and the users that have them. */
const SESSIONS = 200;
const USERS = 50;
/** Refreshes of one token at once. */
const TABS = 8;

/**
 * Everything, over a store that is empty; what each part of it came to.
 * @param {import("edgemint").Store} store
 * @returns {Promise<Result[]>}
 */
export async function program(store) {
  const issuer = createIssuer({ baseUrl, masterKey, store, onEvent() {} });
  const { admin } = issuer;
  /** @type {typeof globalThis.fetch} */
  const fetch = (input, init) => issuer.fetch(new Request(input, init));
  /** @type {Result[]} */
  const results = [];

  /** @param {string} name @param {() => Promise<unknown>} check */
  async function checked(name, check) {
    const start = performance.now();
    /** @type {string | undefined} */
    let error;
    await check().catch((thrown) => (error = `${thrown.stack ?? thrown}`));
    results.push({ name, milliseconds: Math.round(performance.now() - start), error });
  }

  await setUp(admin, directory);
  for (const [file, { cases, directory: more = [] }] of Object.entries(VECTORS)) {
    await checked(`answers the ${cases.length} vectors of ${file}.json`, async () => {
      await setUp(admin, { baseUrl, commands: more });
      /** @type {string[]} */
      const failures = [];
      for (const vector of cases) {
        const failed = (/** @type {Error} */ error) => failures.push(`${vector.name}: ${error.message}`);
        await run(issuer.fetch, baseUrl, vector).catch(failed);
      }
      equal(failures.join("\n"), "");
    });
  }

  const login = await registerLogin(admin, TENANT);
  const users = await startLogin(url, login, TENANT, fetch);
  await checked("signs a user in with a code and PKCE, once", () => signIn());
  await checked("answers exactly one of many refreshes of one token without grace", () => storm(0));
  await checked("answers all of many refreshes of one token the same within grace", () => storm(300));
  await checked("throws errors of one class with a stable code", errors);
  return results;

  /** The status, and the error or nothing. @param {Record<string, string>} form */
  async function ask(form) {
    const response = await post(url, "token", form, { tenant: TENANT, fetch });
    const body = /** @type {any} */ (await response.json());
    return { status: response.status, error: body.error, body };
  }

  /** @param {Client} client @param {string} token */
  function refresh(client, token) {
    return ask({ grant_type: "refresh_token", refresh_token: token, ...credentials(client) });
  }

  async function signIn() {
    const client = await registerClient(admin, { mode: "rotate" }, "public", TENANT);
    const code = await users.code(client, "alice");
    const form = users.exchange(client, code);
    const wrong = await ask({ ...form, code_verifier: "w".repeat(43) });
    equal([wrong.status, wrong.error], [400, "invalid_grant"]);
    const { status, body } = await ask(form);
    equal(status, 200);

    const [header, claims, signature] = body.access_token.split(".");
    const { sub, aud, iss, client_id: clientId } = JSON.parse(text(bytes(claims)));
    equal([sub, aud, iss, clientId], ["alice", "api://orders", `${baseUrl}/${TENANT}`, client.clientId]);
    const published = await fetch(`${baseUrl}/${TENANT}/.well-known/jwks.json`);
    const { keys } = /** @type {any} */ (await published.json());
    const { kid } = JSON.parse(text(bytes(header)));
    const jwk = keys.find((/** @type {{ kid: string }} */ key) => key.kid === kid);
    const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
    const key = await crypto.subtle.importKey("jwk", jwk, algorithm, false, ["verify"]);
    const signed = new TextEncoder().encode(`${header}.${claims}`);
    equal(await crypto.subtle.verify(algorithm, key, bytes(signature), signed), true);

    const next = await refresh(client, body.refresh_token);
    equal(next.status, 200);
    const again = await ask(form);
    equal([again.status, again.error], [400, "invalid_grant"]);
    const revoked = await refresh(client, next.body.refresh_token);
    equal([revoked.status, revoked.error], [400, "invalid_grant"]);
  }

  /** @param {number} grace seconds */
  async function storm(grace) {
    const client = await registerClient(admin, { mode: "rotate", grace }, "confidential", TENANT);
    const sessions = await Promise.all(
      Array.from({ length: SESSIONS }, (_, number) => users.signIn(client, `user-${number % USERS}`)),
    );
    const answers = await Promise.all(
      sessions.map(({ refresh_token: token }) =>
        Promise.all(Array.from({ length: TABS }, () => refresh(client, token))),
      ),
    );
    for (const tabs of answers) {
      const winners = tabs.filter(({ status }) => status === 200);
      const losers = tabs.filter(({ status }) => status !== 200);
      equal(winners.length, grace === 0 ? 1 : TABS);
      for (const { status, error } of losers) equal([status, error], [400, "invalid_grant"]);
      const successors = new Set(winners.map(({ body }) => body.refresh_token));
      equal(successors.size, 1);
      // Without grace, those who came too late are replays, and the session is over.
      const [successor] = successors;
      const { status } = await refresh(client, successor);
      equal(status, grace === 0 ? 400 : 200);
    }
  }

  async function errors() {
    /** @param {unknown} thrown */
    const code = (thrown) => (thrown instanceof EdgemintError ? thrown.code : `no EdgemintError: ${thrown}`);
    const setting = async () => createIssuer({ baseUrl, masterKey: "short", store });
    equal(await setting().then(String, code), "invalid_master_key");
    equal(await admin.getTenant({ tenant: "nobody" }).then(String, code), "not_found");
    equal(await admin.createTenant({ tenant: TENANT }).then(String, code), "exists");
  }
}

/** @param {unknown} seen @param {unknown} expected */
function equal(seen, expected) {
  const [left, right] = [seen, expected].map((value) => JSON.stringify(value));
  if (left !== right) throw new Error(`expected ${right}, saw ${left}`);
}

/** @param {string} base64url */
const bytes = (base64url) =>
  Uint8Array.from(atob(base64url.replaceAll("-", "+").replaceAll("_", "/")), (character) =>
    character.charCodeAt(0),
  );

/** @param {Uint8Array} utf8 */
const text = (utf8) => new TextDecoder().decode(utf8);
