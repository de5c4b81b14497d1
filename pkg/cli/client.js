// Speaks with the service: tokens from its token endpoint, and its administration API.

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import * as oauth from "oauth4webapi";
import { CliError, EXIT, ProblemError, networkHint, networkReason } from "./errors.js";
import { duration } from "./output.js";

/** What administration is asked for. */
export const ADMIN_SCOPE = "urn:edgemint:admin/.default";

/** How often a request is repeated that the service refuses for now, and for how long one waits. */
const [TRIES, LONGEST_WAIT, ALL_WAITS] = [6, 60, 180];
/** Milliseconds until a token that was refused though it was fresh is asked for once more. */
const SETTLING = 5000;
/** Milliseconds that a service has for an answer. */
const PATIENCE = 60_000;

/**
 * @typedef {import("./profile.js").Profile} Profile
 * @typedef {object} Ask
 * @property {object} [body] sent as JSON
 * @property {string} [ifMatch] the version that this is based on
 * @property {boolean} [creates] it gets an idempotency key, so that it can be repeated
 * @property {Record<string, string | number | undefined>} [query]
 * @typedef {{ status: number, body: any, etag: string | undefined }} Answer
 */

/** The administration API of one tenant, as one application. */
export class Client {
  /** @type {{ text: string, until: number } | undefined} */
  #token;
  /** @type {Promise<string> | undefined} */
  #asked;

  /** @param {Profile} profile @param {(hint: string) => void} hint told what is waited for */
  constructor(profile, hint) {
    this.profile = profile;
    this.hint = hint;
  }

  /**
   * Asks, and repeats what can be repeated.
   * @param {string} method @param {string} path below `/{t}/admin/v1` @param {Ask} [ask]
   * @returns {Promise<Answer>}
   */
  async request(method, path, ask = {}) {
    const url = new URL(`${base(this.profile)}/admin/v1${path}`);
    for (const [name, value] of Object.entries(ask.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, `${value}`);
    }
    /** @type {Record<string, string>} */
    const headers = { accept: "application/json" };
    if (ask.body !== undefined) headers["content-type"] = "application/json";
    if (ask.ifMatch !== undefined) headers["if-match"] = ask.ifMatch;
    if (ask.creates) headers["idempotency-key"] = randomUUID();
    const body = ask.body === undefined ? undefined : JSON.stringify(ask.body);
    for (let refused = 0; ; ) {
      const token = await this.token();
      const init = { method, headers: { ...headers, authorization: `Bearer ${token}` }, body };
      const answer = await send(url, init, method === "GET" || ask.creates === true, this.hint);
      if (answer.status !== 401) return read(answer);
      refused += 1;
      // Several requests may be under way with it: what another one got meanwhile stays.
      if (this.#token?.text === token) this.#token = undefined;
      // A long run outlives its token, and a rotated key.
      if (refused === 1) {
        await answer.body?.cancel();
        continue;
      }
      const problem = await read(answer).catch((error) => error);
      if (problem.code !== "invalid_token" || refused > 2) throw problem;
      // A location may sign for a while with a key that was just removed.
      this.hint(`The token is refused: again with another one in ${SETTLING / 1000} s`);
      await sleep(SETTLING);
    }
  }

  /**
   * An access token for administration, kept in memory for as long as it lives.
   * @returns {Promise<string>}
   */
  async token() {
    if (this.#token !== undefined && Date.now() < this.#token.until) return this.#token.text;
    this.#asked ??= requestToken(this.profile, { scope: ADMIN_SCOPE }, this.hint)
      .then((answer) => {
        const lifetime = (Number(answer.expires_in) || 300) * 1000;
        this.#token = { text: answer.access_token, until: Date.now() + lifetime * 0.8 };
        return answer.access_token;
      })
      .finally(() => (this.#asked = undefined));
    return this.#asked;
  }

  /**
   * The pages of a list, one after another.
   * @param {string} path
   * @param {{ limit?: number, cursor?: string }} [only] at most so many items, from here on
   * @returns {AsyncGenerator<{ items: any[], next?: string }, void, void>}
   */
  async *pages(path, { limit = Infinity, cursor } = {}) {
    for (let left = limit; left > 0; ) {
      const query = { limit: Math.min(left, 1000), cursor };
      const { body } = await this.request("GET", path, { query });
      yield body;
      left -= body.items.length;
      cursor = body.next;
      if (cursor === undefined || cursor === null) return;
    }
  }
}

/** A path of its segments, encoded. @param {...string} segments */
export const pathOf = (...segments) =>
  segments.map((one) => `/${encodeURIComponent(one)}`).join("");

/**
 * The issuer of a tenant, under which everything of it is.
 * @param {{ url: string, tenant: string }} profile
 */
export const base = ({ url, tenant }) => `${url}/${encodeURIComponent(tenant)}`;

/**
 * Makes the first administrator of a tenant with the host's one-time secret.
 * @param {{ url: string, tenant: string }} at @param {string} secret
 * @param {{ displayName?: string }} body @param {(hint: string) => void} hint
 */
export async function bootstrap(at, secret, body, hint) {
  const headers = {
    accept: "application/json",
    authorization: `Bearer ${secret}`,
    "content-type": "application/json",
  };
  const init = { method: "POST", headers, body: JSON.stringify(body) };
  try {
    return await read(await send(new URL(`${base(at)}/admin/v1/bootstrap`), init, false, hint));
  } catch (error) {
    if (!(error instanceof CliError) || error.code !== "invalid_token") throw error;
    throw new CliError("the host's one-time secret is wrong, or was used", {
      exit: EXIT.forbidden,
      code: error.code,
      hint: "Give the host a new one: as EDGEMINT_BOOTSTRAP_SECRET to `edgemint serve`, as BOOTSTRAP_SECRET to a Worker",
    });
  }
}

/**
 * Asks the token endpoint, with client credentials.
 * @param {Profile} profile
 * @param {Record<string, string>} parameters
 * @param {(hint: string) => void} hint
 * @returns {Promise<oauth.TokenEndpointResponse>}
 */
export async function requestToken(profile, parameters, hint) {
  const issuer = base(profile);
  const server = { issuer, token_endpoint: `${issuer}/oauth2/token` };
  const client = { client_id: profile.clientId };
  const authentication = oauth.ClientSecretPost(profile.clientSecret);
  const options = {
    // `serviceUrl` lets http through for this machine only.
    [oauth.allowInsecureRequests]: true,
    [oauth.customFetch]: (/** @type {string} */ url, /** @type {any} */ init) =>
      send(new URL(url), init, true, hint),
  };
  try {
    const response = await oauth.clientCredentialsGrantRequest(
      server,
      client,
      authentication,
      new URLSearchParams(parameters),
      options,
    );
    return await oauth.processClientCredentialsResponse(server, client, response);
  } catch (error) {
    throw tokenFailure(error, profile);
  }
}

const WRONG_SECRET =
  "Check the client id and the secret; store them anew with `edgemint login`";

/** @param {unknown} error @param {Profile} profile */
function tokenFailure(error, { url, tenant, clientId }) {
  if (error instanceof CliError) return error;
  // RFC 6749 section 5.2: 401 is invalid_client, with a challenge, which the library reports
  // instead of the body.
  if (error instanceof oauth.WWWAuthenticateChallengeError && error.status === 401) {
    return new CliError(`no token for ${clientId}: client authentication failed`, {
      exit: EXIT.forbidden,
      code: "invalid_client",
      hint: WRONG_SECRET,
    });
  }
  if (error instanceof oauth.ResponseBodyError && error.status !== 404) {
    const why = error.error_description ?? "no reason given";
    const refused = ["invalid_client", "unauthorized_client", "invalid_scope", "invalid_target"];
    const clientMessage = `no token for ${clientId}: ${why}`;
    return new CliError(clientMessage, {
      exit: refused.includes(error.error)
        ? EXIT.forbidden
        : error.status < 500 && error.status !== 429
          ? EXIT.usage
          : EXIT.failed,
      code: error.error,
      hint:
        error.error === "invalid_client"
          ? WRONG_SECRET
          : error.error === "invalid_scope"
            ? `See the app roles that it has with \`edgemint apps show ${clientId}\``
            : error.status === 429
              ? later(error.response)
              : undefined,
    });
  }
  const status = /** @type {any} */ (error)?.status ?? /** @type {any} */ (error)?.cause?.status;
  if (status === 404) {
    return new CliError(`there is no tenant ${tenant} at ${url}`, {
      exit: EXIT.notFound,
      hint: "Check the address and the tenant of the profile",
    });
  }
  // The library reads no error of these, nor does it say which it was.
  if (status === 429 || status >= 500) {
    const { cause } = /** @type {any} */ (error);
    return new CliError(`${url} is unavailable (${status})`, {
      hint: (cause instanceof Response ? later(cause) : undefined) ?? "Try later",
    });
  }
  return new CliError(
    `${url} does not answer like an edgemint: ${/** @type {any} */ (error)?.message ?? error}`,
    { hint: "Check the address of the profile" },
  );
}

/**
 * One request, repeated while the service says to come again later, or while nothing is lost by it.
 * @param {URL} url
 * @param {RequestInit} init
 * @param {boolean} repeatable whether it may be sent again without knowing what became of it
 * @param {(hint: string) => void} hint
 */
async function send(url, init, repeatable, hint) {
  let waited = 0;
  let broken = 0;
  for (let attempt = 1; ; attempt += 1) {
    let wait;
    try {
      const signal = AbortSignal.timeout(PATIENCE);
      const response = await fetch(url, { ...init, redirect: "manual", signal });
      if (response.status !== 429 && response.status !== 503) return response;
      wait = retryAfter(response.headers.get("retry-after"), attempt);
      if (attempt >= TRIES || wait > LONGEST_WAIT || waited + wait > ALL_WAITS) return response;
      await response.body?.cancel();
      if (wait >= 1) hint(`${url.host} is busy (${response.status}): again in ${wait} s`);
    } catch (error) {
      broken += 1;
      if (!repeatable || broken >= 3 || /** @type {any} */ (error)?.name === "TimeoutError") {
        throw new CliError(`cannot reach ${url.origin}: ${networkReason(error)}`, {
          code: "network",
          hint: networkHint(error),
        });
      }
      wait = broken / 2;
    }
    waited += wait;
    await sleep(wait * 1000);
  }
}

/** What to do about a service that is busy. @param {Response} response */
function later(response) {
  const header = response.headers.get("retry-after");
  if (header === null || (response.status !== 429 && response.status !== 503)) return undefined;
  return `Wait ${duration(retryAfter(header, 1))}, and repeat the command`;
}

/** Seconds (RFC 9110 section 10.2.3). @param {string | null} header @param {number} attempt */
export function retryAfter(header, attempt) {
  if (header !== null && /^\d+$/.test(header.trim())) return Number(header);
  const date = header === null ? NaN : Date.parse(header);
  if (Number.isNaN(date)) return Math.min(2 ** (attempt - 1), 16);
  return Math.max(0, Math.ceil((date - Date.now()) / 1000));
}

/** @param {Response} response @returns {Promise<Answer>} */
async function read(response) {
  const text = await response.text().catch((error) => {
    throw new CliError(`the answer broke off: ${networkReason(error)}`, { code: "network" });
  });
  const etag = response.headers.get("etag") ?? undefined;
  /** @type {any} */
  let body;
  try {
    body = text === "" ? undefined : JSON.parse(text);
  } catch {
    body = undefined;
  }
  if (response.ok && (text === "" || body !== undefined)) {
    return { status: response.status, body, etag };
  }
  if (response.ok || response.status < 400) {
    throw new CliError(`${new URL(response.url).origin} does not answer like an edgemint`, {
      hint: "Check the address of the profile",
    });
  }
  throw new ProblemError(response.status, body ?? {}, later(response));
}
