// Access tokens for a service that calls an API: asked for once, used until shortly before they expire.

import * as oauth from "oauth4webapi";
import { whyOf } from "./errors.js";
import { checkOptions, invalidOptions } from "./options.js";
import { singleFlight } from "./single-flight.js";
import { isSafe, urlOption } from "./urls.js";

/**
 * @typedef {import("./client.d.ts").TokenSourceOptions} Options
 * @typedef {import("./client.d.ts").TokenSourceErrorCode} Code
 * @typedef {import("./client.d.ts").AccessToken} AccessToken
 */

/** Milliseconds that one request may take. */
const PATIENCE = 10_000;
/** Milliseconds of the first and the longest pause between two requests. */
const [FIRST_PAUSE, LONGEST_PAUSE] = [200, 5_000];
/** Milliseconds before its expiry from which a token is not handed out: it has to get there. */
const TRAVEL = 5_000;
/** Milliseconds from one attempt at an early refresh to the next. */
const REFRESH_PAUSE = 5_000;
/** Why the issuer is another one, most likely. */
const SLASH = ": it must be as it calls itself, which may be without the / at the end";
/** Milliseconds in which no 401 is repeated, after a fresh token has not helped. */
const FUTILE = 10_000;
/** Milliseconds for which a refusal stands: a service counts them, and shuts out who has too many. */
const REFUSED = 10_000;
/** Seconds for which `Retry-After` is heeded at most by the calls that follow. */
const LONGEST_REST = 300;
/** Redirects of one request, as `fetch` has it. */
const MOST_REDIRECTS = 20;

/** See `client.d.ts`. */
export class TokenSourceError extends Error {
  /**
   * @param {Code} code @param {string} message
   * @param {{ status?: number, error?: string, retryAfter?: number, cause?: unknown }} [more]
   */
  constructor(code, message, { status, error, retryAfter, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "TokenSourceError";
    this.code = code;
    this.status = status;
    this.error = error;
    this.retryAfter = retryAfter;
  }
}

/** @type {import("./client.d.ts").Clock} */
const CLOCK = {
  now: () => Date.now(),
  sleep: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
};

const OPTIONS = [
  "issuer",
  "tokenEndpoint",
  "clientId",
  "clientSecret",
  "authentication",
  "scope",
  "resource",
  "refreshBefore",
  "deadline",
  "origins",
  "fetch",
  "clock",
];

/** @param {unknown} value @returns {value is string} */
const isText = (value) => typeof value === "string" && value !== "";

/** @param {Options} options */
function checked(options) {
  const invalid = invalidOptions;
  checkOptions(options, OPTIONS);
  const { issuer, clientId, clientSecret, scope, resource, deadline = 30 } = options;
  const { authentication = "client_secret_basic", refreshBefore = 60, clock = CLOCK } = options;
  if (!isText(clientId)) throw invalid("clientId is missing");
  if (!isText(clientSecret) && typeof clientSecret !== "function") throw invalid("clientSecret is missing");
  const secret = typeof clientSecret === "function" ? clientSecret : () => clientSecret;
  const method = {
    client_secret_basic: oauth.ClientSecretBasic,
    client_secret_post: oauth.ClientSecretPost,
  }[authentication];
  if (method === undefined) {
    throw invalid("authentication must be `client_secret_basic` or `client_secret_post`");
  }
  if (options.fetch !== undefined && typeof options.fetch !== "function") {
    throw invalid("fetch is a function");
  }
  if (!(deadline > 0)) throw invalid("deadline must be a number of seconds");
  if (!(refreshBefore >= 0)) throw invalid("refreshBefore must be a number of seconds");
  const parameters = new URLSearchParams();
  if (scope !== undefined) parameters.set("scope", typeof scope === "string" ? scope : scope.join(" "));
  if (resource !== undefined) parameters.set("resource", resource);
  return {
    issuer: urlOption("issuer", issuer),
    tokenEndpoint:
      options.tokenEndpoint === undefined ? undefined : urlOption("tokenEndpoint", options.tokenEndpoint),
    clientId,
    secret,
    method,
    parameters,
    deadline: deadline * 1000,
    refreshBefore: refreshBefore * 1000,
    clock,
    origins: originsOf(options.origins),
    fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
  };
}

/** @typedef {ReturnType<typeof checked>} Settings */

/** @param {unknown} origins */
function originsOf(origins) {
  if (origins === undefined) return undefined;
  if (!Array.isArray(origins)) throw invalidOptions("origins must be a list");
  return origins.map((one, at) => {
    const { href, origin } = urlOption(`origins[${at}]`, one);
    if (href === `${origin}/`) return origin;
    throw invalidOptions(`origins[${at}] must be an origin, such as ${origin}`);
  });
}

/**
 * Seconds that a server asks to be left alone: RFC 9110 section 10.2.3.
 * @param {Response} response @param {number} now
 */
function retryAfterOf({ headers }, now) {
  const value = headers.get("retry-after");
  if (value === null) return undefined;
  const seconds = /^\d{1,9}$/.test(value) ? Number(value) : (Date.parse(value) - now) / 1000;
  return Number.isNaN(seconds) ? undefined : Math.max(0, Math.ceil(seconds));
}

/** How the token endpoint is asked: again and again, if that can help, within a deadline. */
class Endpoint {
  #settings;
  /** @type {oauth.AuthorizationServer | undefined} */
  #server;
  /**
   * Until when nothing is asked, and what is answered meanwhile; a refusal is of one secret.
   * @type {{ until: number, error: TokenSourceError, secret?: string } | undefined}
   */
  #rest;

  /** @param {Settings} settings */
  constructor(settings) {
    this.#settings = settings;
    const { issuer, tokenEndpoint } = settings;
    if (tokenEndpoint !== undefined) {
      this.#server = { issuer: issuer.href, token_endpoint: tokenEndpoint.href };
    }
  }

  /** A token, however often it takes to get it. @returns {Promise<AccessToken & { since: number }>} */
  async ask() {
    const { clock, deadline, secret } = this.#settings;
    const end = clock.now() + deadline;
    for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      const clientSecret = /** @type {string} */ (await secret());
      const rest = this.#rest;
      if (rest !== undefined && clock.now() < rest.until) {
        if (rest.secret === undefined || rest.secret === clientSecret) throw rest.error;
      }
      try {
        const token = await this.#attempt(end, clientSecret);
        this.#rest = undefined;
        return token;
      } catch (error) {
        if (!(error instanceof TokenSourceError)) throw error;
        if (error.code !== "unavailable") {
          this.#rest = { until: clock.now() + REFUSED, error, secret: clientSecret };
          throw error;
        }
        // Many callers that fail together do not come back together.
        const spread = 0.5 + Math.random() / 2;
        const asked = (error.retryAfter ?? 0) * 1000 * (1.5 - spread / 2);
        const wait = Math.max(pause * spread, asked);
        if (clock.now() + wait >= end) {
          const seconds = Math.min(error.retryAfter ?? 0, LONGEST_REST);
          if (seconds > 0) this.#rest = { until: clock.now() + seconds * 1000, error };
          throw error;
        }
        await clock.sleep(wait);
      }
    }
  }

  /** Forgets a refusal. What `Retry-After` asked for stays. */
  forgive() {
    if (this.#rest?.secret !== undefined) this.#rest = undefined;
  }

  /** @param {number} end @param {string} clientSecret */
  async #attempt(end, clientSecret) {
    const { clientId, clock, method, parameters } = this.#settings;
    const server = (this.#server ??= await this.#discover(end));
    const since = clock.now();
    const client = { client_id: clientId };
    const response = await oauth.clientCredentialsGrantRequest(
      server,
      client,
      method(clientSecret),
      parameters,
      this.#request(end),
    );
    if (response.status !== 200) throw await refusal(response);
    // Neither cause nor body: the token may be in them.
    const answer = await oauth.processClientCredentialsResponse(server, client, response).catch(() => {
      throw new TokenSourceError("invalid_response", "the token endpoint's answer is not a token's");
    });
    if (answer.token_type !== "bearer") {
      throw new TokenSourceError("invalid_response", "the token endpoint's token is no bearer token");
    }
    return {
      token: answer.access_token,
      scope: answer.scope,
      expiresAt: Math.floor(since / 1000) + Math.floor(answer.expires_in ?? 0),
      since,
    };
  }

  /** RFC 8414, else OpenID Connect Discovery, which is all that Entra has. @param {number} end */
  async #discover(end) {
    const { issuer } = this.#settings;
    let response;
    for (const algorithm of /** @type {const} */ (["oauth2", "oidc"])) {
      response = await oauth.discoveryRequest(issuer, { algorithm, ...this.#request(end) });
      if (response.status !== 404) break;
    }
    const { status } = /** @type {Response} */ (response);
    const invalid = (/** @type {string} */ message) =>
      new TokenSourceError("invalid_response", `the metadata of ${issuer} ${message}`, { status });
    if (status !== 200) throw invalid(`is ${status}`);
    const server = await oauth
      .processDiscoveryResponse(issuer, /** @type {Response} */ (response))
      .catch(() => {
        const hint = issuer.pathname.endsWith("/") && issuer.pathname !== "/" ? SLASH : "";
        throw invalid(`is no metadata, or that of another issuer${hint}`);
      });
    if (!URL.canParse(server.token_endpoint ?? "") || !isSafe(new URL(`${server.token_endpoint}`))) {
      throw invalid("has no usable token_endpoint");
    }
    return server;
  }

  /** How one request is made, whose whole answer is there when it resolves. @param {number} end */
  #request(end) {
    const { clock, fetch } = this.#settings;
    const patience = Math.max(1, Math.min(PATIENCE, end - clock.now()));
    return {
      signal: AbortSignal.timeout(Math.ceil(patience)),
      // What is fetched from was looked at: TLS, or this machine.
      [oauth.allowInsecureRequests]: true,
      [oauth.customFetch]: async (/** @type {string} */ url, /** @type {any} */ init) => {
        let response, text;
        try {
          response = await fetch(url, init);
          text = await response.text();
        } catch (cause) {
          throw new TokenSourceError("unavailable", `no answer from ${url}: ${whyOf(cause)}`, { cause });
        }
        const { status, headers } = response;
        if (status === 429 || status >= 500) {
          const retryAfter = retryAfterOf(response, clock.now());
          throw new TokenSourceError("unavailable", `${url} is ${status}`, { status, retryAfter });
        }
        return new Response(text === "" ? null : text, { status: status || 502, headers });
      },
    };
  }
}

/** What the token endpoint refuses for good: RFC 6749 section 5.2. @param {Response} response */
async function refusal(response) {
  const { status } = response;
  const body = await response.json().catch(() => undefined);
  const error = body?.error;
  if (typeof error !== "string") {
    return new TokenSourceError("invalid_response", `the token endpoint is ${status}`, { status });
  }
  const { error_description: description } = body;
  const more = typeof description === "string" ? `: ${description}` : "";
  return new TokenSourceError("refused", `${error}${more}`, { status, error });
}

/**
 * What a promise becomes, unless the signal comes first. The others who wait for it go on.
 * @template T
 * @param {Promise<T>} promise @param {AbortSignal | null | undefined} signal
 * @returns {Promise<T>}
 */
function unlessAborted(promise, signal) {
  if (signal === undefined || signal === null) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** Whether a body can be read once only. @param {unknown} body */
const isStream = (body) =>
  typeof body === "object" && body !== null && ("getReader" in body || Symbol.asyncIterator in body);

/** Headers that are for one origin. */
const CREDENTIALS = ["authorization", "proxy-authorization", "cookie", "host"];

/** Where an answer leads. @param {Response} response @param {URL} base */
function redirectOf({ status, headers }, base) {
  const location = headers.get("location");
  if (![301, 302, 303, 307, 308].includes(status) || location === null) return undefined;
  const url = new URL(location, base);
  if (url.protocol === "https:" || url.protocol === "http:") return url;
  throw new TypeError(`${base.origin} redirects to what is no web address`);
}

/** See `client.d.ts`. @type {typeof import("./client.d.ts").tokenSource} */
export function tokenSource(options) {
  const settings = checked(options);
  const { clock, refreshBefore } = settings;
  const endpoint = new Endpoint(settings);
  /** @type {(AccessToken & { refreshAt: number, useUntil: number }) | undefined} */
  let held;
  let futileUntil = 0;

  const renew = singleFlight(async () => {
    const { since, ...token } = await endpoint.ask();
    const lifetime = token.expiresAt * 1000 - since;
    // Instances that have started together do not refresh together.
    const before = Math.min(refreshBefore, lifetime / 4) * (1 + Math.random());
    const useUntil = since + lifetime - Math.min(TRAVEL, lifetime / 10);
    held = { ...token, refreshAt: Math.min(useUntil, since + lifetime - before), useUntil };
    return held;
  });

  const reveal = (/** @type {AccessToken} */ { token, scope, expiresAt }) => ({ token, scope, expiresAt });

  /** @type {import("./client.d.ts").TokenSource["get"]} */
  async function get({ signal } = {}) {
    signal?.throwIfAborted();
    const now = clock.now();
    if (held === undefined || now >= held.useUntil) return reveal(await unlessAborted(renew(), signal));
    if (now >= held.refreshAt) {
      // What there is serves meanwhile, and if it fails.
      held.refreshAt = now + REFRESH_PAUSE;
      renew().catch(() => {});
    }
    return reveal(held);
  }

  const invalidate = (/** @type {string | undefined} */ token) => {
    if (token === undefined) endpoint.forgive();
    if (token === undefined || held?.token === token) held = undefined;
  };

  /** @param {any} input @param {RequestInit} [init] @returns {Promise<Response>} */
  async function fetchWithToken(input, init) {
    const isRequest = typeof Request !== "undefined" && input instanceof Request;
    const signal = init?.signal ?? (isRequest ? input.signal : undefined);
    const target = new URL(isRequest ? input.url : input);
    if (!isSafe(target) || settings.origins?.includes(target.origin) === false) {
      throw new TypeError(`the token is not for ${target.origin}`);
    }
    const method = (init?.method ?? (isRequest ? input.method : "GET")).toUpperCase();
    const follows = (init?.redirect ?? (isRequest ? input.redirect : "follow")) === "follow";
    const send = async (/** @type {any} */ input, /** @type {string} */ token) => {
      const headers = new Headers(init?.headers ?? (isRequest ? input.headers : undefined));
      headers.set("authorization", `Bearer ${token}`);
      if (!follows) return settings.fetch(input, { ...init, headers });
      // Not every runtime's `fetch` keeps the token from where a redirect leads: it is not left to it.
      const redirect = /** @type {const} */ ("manual");
      let response = await settings.fetch(input, { ...init, headers, redirect });
      for (let at = target, count = 0; ; count += 1) {
        const next = redirectOf(response, at);
        if (next === undefined || !["GET", "HEAD"].includes(method)) return response;
        if (count === MOST_REDIRECTS) throw new TypeError(`there are too many redirects from ${target.origin}`);
        if (next.origin !== at.origin) for (const name of CREDENTIALS) headers.delete(name);
        await response.body?.cancel();
        response = await settings.fetch(next.href, { ...init, method, headers, redirect, signal });
        at = next;
      }
    };
    const { token } = await get({ signal });
    const isFutile = clock.now() < futileUntil;
    const isRepeatable = !isFutile && !isStream(init?.body);
    const again = isRequest && isRepeatable && input.body !== null ? input.clone() : input;
    const response = await send(input, token);
    if (response.status !== 401 || isFutile) return response;
    invalidate(token);
    if (!isRepeatable) return response;
    const fresh = await get({ signal });
    await response.body?.cancel();
    const second = await send(again, fresh.token);
    // A fresh token for each request would help nobody.
    if (second.status === 401) futileUntil = clock.now() + FUTILE;
    return second;
  }

  return Object.freeze({
    get,
    token: async (/** @type {Parameters<typeof get>[0]} */ options) => (await get(options)).token,
    fetch: fetchWithToken,
    invalidate,
  });
}
