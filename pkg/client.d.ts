/**
 * For a service that calls an API: gets access tokens with client credentials (RFC 6749 section 4.4), keeps
 * them until shortly before they expire, and repeats what can be repeated.
 */

/** Time, for tests. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  sleep(milliseconds: number): Promise<void>;
}

/** Whose tokens, and for what. */
export interface TokenSourceOptions {
  /**
   * Who issues the tokens: `https://auth.example.com/contoso`. Its metadata names the token endpoint
   * (RFC 8414, else OpenID Connect Discovery). `http` is accepted for this machine only.
   */
  issuer: string;
  /** Asked instead of what the issuer's metadata names, which is not read then. B2C needs it. */
  tokenEndpoint?: string;
  /** The application. If it is missing, `tokenSource` throws, as it does without a secret. */
  clientId: string | undefined;
  /** Or what gives it, asked before each request, so that it can be rotated. */
  clientSecret: string | undefined | (() => string | Promise<string>);
  /** @default "client_secret_basic" */
  authentication?: "client_secret_basic" | "client_secret_post";
  /** `api://orders/.default` is every role that the application has there; single roles are less. */
  scope?: string | readonly string[];
  /** The API, as RFC 8707 names it: instead of a scope, or so that scopes can be bare names. */
  resource?: string;
  /**
   * Seconds before its expiry that a token is replaced, in the background. At random up to twice as many,
   * so that instances do not all come at once, and half of the token's lifetime at most. @default 60
   */
  refreshBefore?: number;
  /**
   * Where {@link TokenSource.fetch} sends the token, such as `["https://orders.example.com"]`; it refuses
   * anywhere else. @default everywhere by https, and this machine
   */
  origins?: readonly string[];
  /** Seconds until it gives up, with all repetitions. @default 30 */
  deadline?: number;
  /**
   * What requests are made with: those for tokens, and those of {@link TokenSource.fetch}.
   * @default the global `fetch`
   */
  fetch?: (input: string | URL | Request, init?: RequestInit) => Promise<Response>;
  clock?: Clock;
}

/** A token, and what is known of it. */
export interface AccessToken {
  token: string;
  /** What was granted, if the issuer says so. */
  scope?: string;
  /** Seconds since 1970. */
  expiresAt: number;
}

/**
 * - `refused`: the token endpoint will not give a token; `error` is its code, such as `invalid_client` or
 *   `invalid_scope`. To repeat it changes nothing: for 10 seconds all calls fail with it at once.
 * - `unavailable`: there was no answer, or 429 or 5xx, until the deadline; `retryAfter` is what the
 *   last answer asked for, and for so long, 5 minutes at most, all calls fail with it at once.
 * - `invalid_response`: what answers there is no token endpoint, or the issuer is another one.
 */
export type TokenSourceErrorCode = "refused" | "unavailable" | "invalid_response";

/** There is no token. No secret and no token is ever in it. */
export declare class TokenSourceError extends Error {
  constructor(
    code: TokenSourceErrorCode,
    message: string,
    more?: { status?: number; error?: string; retryAfter?: number; cause?: unknown },
  );
  readonly name: "TokenSourceError";
  readonly code: TokenSourceErrorCode;
  /** Of the HTTP answer, if there was one. */
  readonly status?: number;
  /** The code of RFC 6749 section 5.2, if it is `refused`. */
  readonly error?: string;
  /** Seconds. */
  readonly retryAfter?: number;
}

/** Where tokens come from. All of it can be passed on by itself: nothing needs `this`. */
export interface TokenSource {
  /**
   * An access token that is good for a few seconds at least. Callers at one moment share one request;
   * `signal` ends the waiting of one caller only.
   * @throws {@link TokenSourceError}, or the reason of `signal`
   */
  token(options?: { signal?: AbortSignal | null }): Promise<string>;
  /** The same, with what is known of it. */
  get(options?: { signal?: AbortSignal | null }): Promise<AccessToken>;
  /**
   * `fetch` with the token. What is answered 401 is sent once more with a fresh token, unless its body is
   * a stream. Redirects of GET and HEAD are followed, without the token from where they lead to another
   * origin; those of other methods are handed back as they are.
   * @throws `TypeError` if the address is not https (nor on this machine) or not among `origins`
   */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
  /** Forgets the token, or only this one. Without one it also forgets that a token was refused. */
  invalidate(token?: string): void;
}

/**
 * Sets up a source of tokens. Make one for each API, once, and share it.
 *
 * @example
 * ```js
 * import { tokenSource } from "edgemint/client";
 *
 * const source = tokenSource({
 *   issuer: "https://auth.example.com/contoso",
 *   clientId: process.env.CLIENT_ID,
 *   clientSecret: process.env.CLIENT_SECRET,
 *   scope: "api://orders/.default",
 * });
 * const response = await source.fetch("https://orders.example.com/orders");
 * ```
 *
 * @throws `EdgemintError` `invalid_options`
 */
export declare function tokenSource(options: TokenSourceOptions): TokenSource;
