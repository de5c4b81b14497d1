/**
 * At the API: lets a request through if it brings an access token of one issuer, for this API, with the
 * app roles that the route needs, and refuses it as RFC 6750 says otherwise.
 */

import type { Algorithm } from "../index.js";

/** `"Orders.Read.All"`; several are all needed, unless it says `any`. None is not a list. */
export type Names<Name extends string = string> =
  | Name
  | readonly Name[]
  | { readonly any: readonly Name[]; readonly all?: undefined }
  | { readonly all: readonly Name[]; readonly any?: undefined };

/**
 * What a token must grant. A token is an application's or a user's: given both, either is enough. Names may
 * be in full, `api://orders/Orders.Read.All`: then the token must be for this API, which is one of the
 * guard's `audience`. A bare name is good whichever of them the token is for.
 */
export interface Requirement<Role extends string = string> {
  /** App roles, granted to an application. */
  roles?: Names<Role>;
  /** Scopes, consented to by a user. An application's token has none. */
  scopes?: Names;
}

/** How requests are let through. */
export interface ProtectOptions<Role extends string = string, Incoming = Request>
  extends Requirement<Role> {
  /**
   * Who issues the tokens, exactly as it is in them: `https://auth.example.com/contoso`. `http` is
   * accepted for this machine only.
   */
  issuer: string;
  /** The identifier of this API, `api://orders`; or several, any of which may be in the token's `aud`. */
  audience: string | readonly string[];
  /**
   * Where the issuer's keys are. By default its metadata says so (RFC 8414, else OpenID Connect
   * Discovery), which is read with the first token. B2C needs it.
   */
  jwksUri?: string;
  /**
   * `standard`: tokens of RFC 9068, whose header says `at+jwt`. `entra`: those of Entra ID, real or
   * edgemint's, whose header says `JWT`, with `client_id` from `azp` or `appid` and scopes from `scp`.
   * @default "standard"
   */
  dialect?: "standard" | "entra";
  /** What signatures are accepted. @default all three */
  algorithms?: readonly Algorithm[];
  /** Seconds by which the issuer's clock may differ, 0 to 300. @default 5 */
  clockTolerance?: number;
  /**
   * Asks the issuer, too, whether the token is still good (RFC 7662), with the credentials of an
   * application that may introspect this API's tokens. Without it a token is good until it expires.
   */
  introspection?: {
    /** If it is missing, `protect` throws, as it does without a secret. */
    clientId: string | undefined;
    /** Or what gives it, asked each time, so that it can be rotated. */
    clientSecret: string | undefined | (() => string | Promise<string>);
    /** Seconds for which an answer is used again, 0 to 300. @default 5 */
    cacheTtl?: number;
  };
  /** Hears of each refusal, with the reason, which is not answered. It gets no token. */
  onRefusal?: (error: ProtectError, request: Incoming) => void;
  /** What the issuer is asked with. @default the global `fetch` */
  fetch?: (url: string, init?: RequestInit) => Promise<Response>;
}

/** What every token says, in either dialect. Times are in seconds since 1970. */
export interface TokenClaims<Role extends string = string> {
  iss: string;
  /** The user; of an application's own token the application. */
  sub: string;
  aud: string | string[];
  exp: number;
  iat: number;
  nbf?: number;
  /** The application that the token was issued to. */
  client_id: string;
  /** The app roles of the application; none if the token is a user's. */
  roles: Role[];
  /** What the user consented to, without the API's identifier; none if there is no user. */
  scopes: string[];
  /** Never twice the same. Entra calls it `uti`. */
  jti?: string;
  /** As the token has it: with the API's identifier, and of applications, too. */
  scope?: string;
  /** The id of the tenant. */
  tid?: string;
  /** The user's session at edgemint; absent if there is no user. */
  sid?: string;
}

/**
 * A verified token: its claims. What else is in it can be named:
 * `Token<{ department?: string }, "Orders.Read.All" | "Orders.Write.All">`.
 */
export type Token<Claims extends object = {}, Role extends string = string> = TokenClaims<Role> &
  Claims;

/**
 * - `no_token`: 401, with a bare `Bearer` challenge.
 * - `invalid_request`: 400; several `Authorization` headers, or one that is malformed, such as without a token.
 * - `invalid_token`: 401.
 * - `insufficient_scope`: 403; a role or scope is missing, which the challenge names.
 * - `unavailable`: 503; the issuer's keys cannot be had, or introspection has no answer.
 */
export type ProtectErrorCode =
  | "no_token"
  | "invalid_request"
  | "invalid_token"
  | "insufficient_scope"
  | "unavailable";

/** A refused request. Its message is for the operator, and is not answered. */
export declare class ProtectError extends Error {
  constructor(code: ProtectErrorCode, message: string, more?: { scope?: string; cause?: unknown });
  readonly name: "ProtectError";
  readonly code: ProtectErrorCode;
  readonly status: 400 | 401 | 403 | 503;
  /** `www-authenticate`, or `retry-after`. */
  readonly headers: Readonly<Record<string, string>>;
  /** What is answered as JSON. */
  readonly body: { readonly error?: string };
  /** The refusal as a response. */
  toResponse(): Response;
}

/** Lets requests through. */
export interface Guard<Claims extends object = {}, Role extends string = string> {
  /**
   * What the request's token says. The `Authorization` header is read, never the URL or the body.
   * @throws {@link ProtectError}
   */
  (request: { readonly headers: { get(name: string): string | null } }): Promise<Token<Claims, Role>>;
  /**
   * What a token says that came another way, such as in the first message of a WebSocket.
   * @throws {@link ProtectError}
   */
  verify(token: string): Promise<Token<Claims, Role>>;
  /**
   * A handler that answers refusals itself. What the platform passes beside the request comes after the
   * token.
   */
  handler<
    Incoming extends { readonly headers: { get(name: string): string | null } } = Request,
    Rest extends unknown[] = [],
  >(
    answer: (
      request: Incoming,
      token: Token<Claims, Role>,
      ...rest: Rest
    ) => Response | Promise<Response>,
  ): (request: Incoming, ...rest: Rest) => Promise<Response>;
  /**
   * A stricter guard: this one's requirement and another. They share what they know of the issuer.
   * @throws `EdgemintError` `invalid_options` if nothing is required, or by a name that is not known
   */
  with(requirement: Requirement<Role>): Guard<Claims, Role>;
}

/**
 * Sets up a guard. Make one for each issuer, once: it remembers the issuer's keys. They are read with the
 * first token, and again after five minutes; if that fails, they serve for up to an hour.
 *
 * @example
 * ```js
 * import { protect } from "edgemint/protect";
 *
 * const guard = protect({
 *   issuer: "https://auth.example.com/contoso",
 *   audience: "api://orders",
 *   roles: "Orders.Read.All",
 * });
 *
 * export default {
 *   fetch: guard.handler((request, token) => Response.json({ hello: token.client_id })),
 * };
 * ```
 *
 * @throws `EdgemintError` `invalid_options`
 */
export declare function protect<Claims extends object = {}, Role extends string = string>(
  options: ProtectOptions<NoInfer<Role>>,
): Guard<Claims, Role>;
