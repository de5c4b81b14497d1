/** edgemint: an OAuth 2.0 token service that runs at the edge. */

import type { Administration } from "./acts.js";

export type * from "./acts.js";

/** What a store promises. Nothing is assumed beyond it. */
export interface StoreGuarantees {
  /** Of several writers that expect the same version, exactly one succeeds. */
  readonly atomic: boolean;
  /** A read that starts after a write was acknowledged sees it, from wherever it is made. */
  readonly readYourWrites: boolean;
}

/** One of the writes of {@link Store.commit}. */
export interface StoreWrite {
  /** Within the partition; no two writes of a commit have the same. */
  name: string;
  /** JSON text; `null` removes what is there. */
  value: string | null;
  /** The version that must be stored for the whole to be written; `null`: nothing is. */
  expected: string | null;
  /** Seconds since 1970: from then on, what was written is gone. */
  expiresAt: number | null;
}

/** What became of the writes of {@link Store.commit}. */
export type StoreCommit =
  /** They were made; the versions that are stored now, or were removed (`""` if nothing was there). */
  | { versions: string[]; conflict?: undefined }
  /** None was made; the index of the first write whose expectation failed. */
  | { conflict: number; versions?: undefined };

/**
 * Versioned key-value storage: the one thing edgemint asks of a database. Values are JSON text.
 *
 * A rejection means "no answer": the request is answered 503 and may be repeated. A version is opaque,
 * made by the store, and never used twice for one key.
 */
export interface Store {
  readonly guarantees: StoreGuarantees;
  /** The value, or `null` if there is none or it has expired. */
  get(partition: string, name: string): Promise<{ value: string; version: string } | null>;
  /**
   * Writes `value` if the stored version is `expected` (`null`: nothing is stored). From `expiresAt`
   * on, in seconds since 1970, it is gone.
   * @returns the new version, or `null` if something else was stored
   */
  put(
    partition: string,
    name: string,
    value: string,
    expected: string | null,
    expiresAt: number | null,
  ): Promise<string | null>;
  /**
   * Removes the value if the stored version is `expected`.
   * @returns the version that was removed, `""` if nothing was there as expected, or `null` if
   * something else was stored
   */
  delete(partition: string, name: string, expected: string | null): Promise<string | null>;
  /**
   * Optional: makes all of these writes in one partition, or none of them, whoever else writes. Without
   * it they are made one after another, up to the first conflict.
   */
  commit?(partition: string, writes: StoreWrite[]): Promise<StoreCommit>;
  /**
   * Names in the partition that start with `prefix`, in the order of their UTF-8 bytes, a page of at
   * most `limit` (1 to 1000) at a time. A name that is there throughout is listed exactly once, whatever is written between pages.
   */
  list(
    partition: string,
    prefix: string,
    cursor: string | null,
    limit: number,
  ): Promise<{ names: string[]; cursor?: string }>;
  /**
   * Optional, for a store that can run code where it keeps the data: applies a command to the grant under
   * `name` and to the record `user` of the same partition, as one transaction, by `step` of this package.
   * Without it, grants are read, changed and written with `get` and `put`.
   */
  step?(partition: string, name: string, command: string): Promise<string>;
}

/** Something that the operator should know of. It never holds a credential. */
export interface IssuerEvent {
  /** Seconds since 1970. */
  time: number;
  /** `refused`: the request was at fault. `failed`: the service was; look at it. `done`: neither. */
  kind: "refused" | "failed" | "done";
  /**
   * A stable code, such as `token_issued`, `wrong_secret`, `session_opened`, `storage`, `corrupt_record`,
   * `trap`.
   */
  reason: string;
  /** More about it. It may quote the request. */
  detail?: string;
  /** The tenant that was addressed. */
  tenant?: string;
  /** The registered client that the request says it is from; a claim, until it has authenticated. */
  clientId?: string;
  /** Where the request came in: the `cf.colo` that Cloudflare gives it, such as `AMS`. */
  location?: string;
}

/** How an issuer is set up. */
export interface IssuerOptions {
  /**
   * Scheme, host and port of the service, such as `https://auth.example.com`. Every issuer identifier
   * starts with it. `http` is accepted for localhost only.
   */
  baseUrl: string;
  /** Where the directory lives. */
  store: Store;
  /**
   * Where the grants of users live: a store that promises to be atomic, or else refresh tokens could be
   * spent twice and `createIssuer` throws `store_not_atomic`. `false` is for client credentials only.
   * @default the same as `store`
   */
  grants?: Store | false;
  /** 32 bytes in base64url without padding, from the host's secret storage. Without: `missing_master_key`. */
  masterKey: string | undefined;
  /** While the master key is being rotated: the one before. */
  previousMasterKey?: string | undefined;
  /**
   * Seconds for which records are used from memory, at most 3600; 0 reads the store every time.
   * @default 30
   */
  cacheTtl?: number;
  /** Records that are held in memory. @default 10000 */
  cacheCapacity?: number;
  /**
   * What answers `/{tenant}/admin/v1/...`, but for a login page's endpoints, which are the token
   * service's: `false` for nothing, or whoever is to answer. By default the administration in this
   * process, whose wasm is loaded when it is first used. {@link Issuer.admin} is there in any case.
   *
   * A function gets requests with an access token only: the rest is answered here. What it answers 401 is
   * counted by {@link IssuerOptions.clientAddress}; beyond 50 a second, 100 at once, that address is
   * answered 429. All clients whose address is not known have one count.
   */
  administration?: false | ((request: Request, tenant: string) => Promise<Response>);
  /**
   * From the host's secret storage: whoever presents it to `POST /{tenant}/admin/v1/bootstrap` makes the
   * first administrator, once. At least 32 characters.
   */
  bootstrapSecret?: string | undefined;
  /**
   * Takes events. Sinks for it, and what combines them, are in `edgemint/events`.
   * @default a line of JSON on the console: `{"edgemint":{...}}`, or a list of issuances that came together
   */
  onEvent?: (event: IssuerEvent) => void | Promise<void>;
  /**
   * Whether every access token is an event, `token_issued`, whose `detail` is three words: the API's
   * identifier, the grant type, and the token's `jti`. @default true
   */
  issuanceEvents?: boolean;
  /**
   * The IP address of the client. Ten failed client authentications of one client within a minute from
   * one address (of IPv6, one /64) are answered 429 until the minute is over. Name only what the client
   * cannot make up: the address of the connection, or the header of a proxy that always sets it itself.
   * Without an address, the right secret always works, and guesses are not slowed down.
   */
  clientAddress?: (request: Request) => string | null | undefined;
  /**
   * Counts failed client authentications for all instances of the service together, beside each one's own
   * count; asked after a failure only. `key` is a hash of tenant, client and address. `false` is "too
   * many": that client is refused from that address for the rest of the minute. If it rejects, the
   * instance's own count holds alone, and there is an event `rate_limiter`.
   */
  rateLimit?: (key: string) => Promise<boolean>;
  /**
   * Adds claims to access tokens, of every grant and dialect: called before each is signed. It returns a
   * plain object of JSON, of at most 4096 bytes, 16 levels deep, with whole numbers only, that has no claim of
   * edgemint's own (`iss`, `sub`, `aud`, `roles`, `scope`, ...); of what the login page said of the user, a
   * claim of the same name is replaced. A claim that a dialect gives a meaning of its own, such as `oid`, is
   * left out of its tokens.
   *
   * If it throws, rejects, takes longer than `claimsTimeout` or returns anything else, no token is issued: the
   * request is answered 503 with `Retry-After`, and there is an event `claims_hook` that says why, with what
   * was thrown. It is called before a code or a refresh token is spent, so that the request can be repeated.
   * It is called for the tokens of the administration API, too.
   *
   * @example
   * ```js
   * createIssuer({
   *   ...options,
   *   async claims({ grantType, subject, signal }) {
   *     if (grantType === "client_credentials") return {};
   *     const user = await fetch(`https://users.example.com/${encodeURIComponent(subject)}`, { signal });
   *     const { department } = await user.json();
   *     return { department };
   *   },
   * });
   * ```
   */
  claims?: (context: ClaimsContext) => Record<string, unknown> | Promise<Record<string, unknown>>;
  /**
   * Milliseconds that `claims` may take, 1 to 30000. Within the grace of refresh tokens, two requests with
   * the same one may wait for it side by side: keep it below the shortest grace. What an administrator changes
   * while a request waits for it, that request does not see any more, as within `cacheTtl`. @default 2000
   */
  claimsTimeout?: number;
}

/** What an access token is about to be made for. It holds nothing secret. */
export type ClaimsContext = ApplicationTokenContext | UserTokenContext;

/** What is known of every access token before it is made. */
interface TokenContext {
  tenant: string;
  /** The application, which has authenticated, or is a public one and holds what its user was given. */
  clientId: string;
  /** The identifier of the API that it is for: its audience. */
  api: string;
  /** The wire contract of the endpoint that was asked. */
  dialect: "standard" | "entra" | "b2c";
  /** The policy, in the dialect of B2C. */
  policy?: string;
  /** Aborted once the answer would come too late. */
  signal: AbortSignal;
}

/** Of an access token for an application itself. */
export interface ApplicationTokenContext extends TokenContext {
  grantType: "client_credentials";
  /** The app roles that it will carry. */
  roles: string[];
  subject?: undefined;
  scopes?: undefined;
  claims?: undefined;
}

/** Of an access token for a user's session. */
export interface UserTokenContext extends TokenContext {
  grantType: "authorization_code" | "refresh_token";
  /** The user. */
  subject: string;
  /** The scopes on the API that it will carry, such as `Orders.Read`. */
  scopes: string[];
  /** What the login page said of the user. */
  claims: Record<string, unknown>;
  roles?: undefined;
}

/** `ES256` is the default; `RS256` is for verifiers that know nothing else. */
export type Algorithm = "ES256" | "EdDSA" | "RS256";

/** Ways to ask for a token. */
export type GrantType = "authorization_code" | "client_credentials" | "refresh_token";

/** What the refresh tokens of an application are allowed. */
export interface RefreshPolicy {
  /**
   * `rotate`: every refresh answers with a new token, and the old one is spent. `reusable`: one token
   * serves until the session ends; for confidential applications only. `dialect`: as `rotate` at the
   * standard's endpoints, as `reusable` at those of Entra and B2C.
   * @default "dialect", which is rotation for public applications; those that name no mode are "rotate"
   */
  mode?: "rotate" | "reusable" | "dialect";
  /**
   * Seconds, 0 to 300, within which a token that was just replaced gets the same successor again, for a
   * client that lost the answer. @default 10
   */
  grace?: number;
  /** Seconds without a refresh after which the session ends. @default 2592000 (30 days) */
  idle?: number;
  /** Seconds after the sign-in at which the session ends. @default 7776000 (90 days) */
  absolute?: number;
}

/**
 * What a login page does: edgemint holds no passwords. The page is opened with a `handle` parameter, which
 * is good for 15 minutes, as often as it is used: bind it to the browser. Rejects with an {@link EdgemintError}; `invalid_handle` means "start again".
 */
export interface Authorization {
  /** What the user is to be asked. */
  inspect(handle: string): Promise<AuthorizationRequest>;
  /**
   * The user has signed in and consented: opens a grant. Send the browser to `redirectTo`, which carries
   * the code.
   */
  complete(
    handle: string,
    consent: {
      /** The user, by a name that never changes: the `sub` of access tokens. */
      subject: string;
      /** What was consented to, of what was asked for, such as `api://orders/Orders.Read`. @default all of it */
      scopes?: string[];
      /** More to say of the user in access tokens; at most 4096 bytes of JSON, and no claim of edgemint's own. */
      claims?: Record<string, unknown>;
    },
  ): Promise<{ redirectTo: string }>;
  /** There will be no code. Send the browser to `redirectTo`, which carries the error. */
  deny(
    handle: string,
    denial?: {
      /** @default "access_denied" */
      error?:
        | "access_denied"
        | "login_required"
        | "consent_required"
        | "interaction_required"
        | "account_selection_required"
        | "server_error"
        | "temporarily_unavailable";
    },
  ): Promise<{ redirectTo: string }>;
}

/** What a user is asked for. */
export interface AuthorizationRequest {
  tenant: string;
  clientId: string;
  clientName: string;
  redirectUri: string;
  scopes: { scope: string; displayName: string; api: string; apiName: string }[];
  /** As the application sent them. */
  loginHint?: string;
  prompt?: string;
  /** Where it was asked for: `standard`, or in a dialect of Microsoft's. */
  dialect: "standard" | "entra" | "b2c";
  /**
   * The policy of B2C that was asked for, as the tenant has it. Applying it is up to the login page: `tfp` in the
   * token will say that it was.
   */
  policy?: string;
  /** Seconds since 1970: when the handle is good no more. */
  expires: number;
}

/** The sessions of users. Whoever holds it is an administrator: nothing is checked here. */
export interface Sessions {
  /** A user's sessions that are alive, the newest first. Times are in seconds since 1970. */
  list(act: { tenant: string; subject: string }): Promise<{
    items: {
      id: string;
      clientId: string;
      clientName: string;
      scopes: string[];
      createdAt: number;
      usedAt: number;
      expiresAt: number;
    }[];
  }>;
  /** Ends one session. */
  end(act: { tenant: string; subject: string; id: string }): Promise<object>;
  /** Ends every session of a user, in one write. */
  endUser(act: { tenant: string; subject: string }): Promise<object>;
  /** Ends every session of every user of an application, in one write; in force within the cache's TTL. */
  endApplication(act: { tenant: string; clientId: string }): Promise<object>;
  /** Ends every session of a tenant, in one write; in force within the cache's TTL. */
  endTenant(act: { tenant: string }): Promise<object>;
}

/** A token service for any number of tenants. */
export interface Issuer {
  /**
   * Answers a request. It never rejects. Pass the platform's execution context where there is one, so
   * that cached records are read again after the answer is out, and several issuances share a line of the
   * log. Anything else in its place is ignored.
   */
  fetch(
    request: Request,
    context?: { waitUntil(promise: Promise<unknown>): void },
  ): Promise<Response>;
  /** Administration, in process. Its wasm is loaded when it, or {@link Issuer.sessions}, is first used. */
  readonly admin: Administration;
  /** What a login page does. */
  readonly authorization: Authorization;
  /** The sessions of users. */
  readonly sessions: Sessions;
}

/** What an {@link EdgemintError} can be about. */
export type EdgemintErrorCode =
  /** `masterKey` is missing. */
  | "missing_master_key"
  /** `masterKey` is not 32 bytes in base64url. */
  | "invalid_master_key"
  /** `bootstrapSecret` is not 32 to 1024 visible ASCII characters. */
  | "invalid_bootstrap_secret"
  /** `baseUrl` is not an origin that may be served. */
  | "invalid_base_url"
  /** The grants would live in a store that does not promise to be atomic. */
  | "store_not_atomic"
  /** Another option is not what it should be, or there is none of that name. */
  | "invalid_options"
  /** A value given to administration is not what it should be. */
  | "invalid"
  /** What an act names is not there. */
  | "not_found"
  /** What an act would create is there already. */
  | "exists"
  /** It contradicts what is there: somebody else keeps changing it, or it is still needed. */
  | "conflict"
  /** Another version is stored than `ifMatch` says. */
  | "precondition_failed"
  /** The idempotency key was used for something else. */
  | "idempotency_mismatch"
  /** The issuer was made with `grants: false`, so that there are no sessions. */
  | "no_grants"
  /** The handle of an authorization is not good any more. */
  | "invalid_handle"
  /** The store did not answer. */
  | "store_unavailable"
  /**
   * A file of the wasm could not be loaded; its `cause` says why. The next call tries again, save in Deno,
   * which remembers what it could not import.
   */
  | "wasm_unavailable"
  /** The signer, the entropy source or a stored record failed. */
  | "failed"
  /** The wasm instance failed and was replaced; try again. */
  | "instance_lost";

/** An error with a stable code. */
export declare class EdgemintError extends Error {
  constructor(code: EdgemintErrorCode, message: string, options?: ErrorOptions);
  readonly name: "EdgemintError";
  readonly code: EdgemintErrorCode;
}

/**
 * Sets up a token service.
 *
 * @example
 * ```js
 * import { createIssuer } from "edgemint";
 * import { memoryStore } from "edgemint/stores/memory";
 *
 * const issuer = createIssuer({
 *   baseUrl: "https://auth.example.com",
 *   masterKey: process.env.MASTER_KEY,
 *   store: memoryStore(),
 * });
 * await issuer.admin.createTenant({ tenant: "demo" });
 * const response = await issuer.fetch(new Request("https://auth.example.com/demo/.well-known/jwks.json"));
 * ```
 *
 * @throws {@link EdgemintError} `missing_master_key`, `invalid_master_key`, `invalid_bootstrap_secret`,
 * `invalid_base_url`, `store_not_atomic`, `invalid_options` or `wasm_unavailable`
 */
export declare function createIssuer(options: IssuerOptions): Issuer;
