// What an API asks of a request: an access token of its issuer, for it, with the roles that it needs. Each
// entry puts it into the form of a framework.

import { jwtVerify } from "jose";
import { whyOf } from "../errors.js";
import { checkOptions, invalidOptions as invalid, isObject } from "../options.js";
import { urlOption } from "../urls.js";
import { ProtectError } from "./error.js";
import { KeysError, keysAt } from "./keys.js";
import { metadataOf } from "./metadata.js";

export { ProtectError };

/**
 * @typedef {import("./index.d.ts").ProtectOptions<any, any>} Options
 * @typedef {import("./index.d.ts").Requirement<string>} Requirement
 * @typedef {import("./index.d.ts").Names<string>} Names
 * @typedef {import("./index.d.ts").Token<{}, string>} Token
 * @typedef {import("jose").JWTPayload} Claims
 */

/** Asymmetric ones only: what edgemint and Entra sign with. */
const ALGORITHMS = ["ES256", "EdDSA", "RS256"];

/** More characters than any token that a server would take in a header. */
const LONGEST = 16_384;

/** What a token of a dialect looks like. */
const DIALECTS = {
  /** RFC 9068 section 2.2, and section 2.1 for the type. */
  standard: {
    typ: "at+jwt",
    required: ["sub", "exp", "iat", "jti", "client_id"],
    client: ["client_id"],
    scope: "scope",
  },
  /** An ID token is a `JWT`, too, but names no application that it was issued to. */
  entra: { typ: "JWT", required: ["sub", "exp", "iat"], client: ["azp", "appid"], scope: "scp" },
};

/** RFC 6750 section 2.1. */
const TOKEN = /^[\w\-.~+/]+=*$/;

/** RFC 6749 section 3.3: what a challenge can name. */
const NAME = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/** @param {unknown} value @returns {value is string[]} */
const isTexts = (value) =>
  Array.isArray(value) &&
  value.length > 0 &&
  value.every((one) => typeof one === "string" && NAME.test(one));

/** @param {unknown} value @returns {value is string} */
const isText = (value) => typeof value === "string" && value !== "";

/** What a route may ask for. A name beside these would ask for nothing, and let everybody through. */
const REQUIREMENT = ["roles", "scopes"];

const OPTIONS = [
  "issuer",
  "audience",
  "jwksUri",
  "dialect",
  "algorithms",
  "clockTolerance",
  "introspection",
  "onRefusal",
  "fetch",
  ...REQUIREMENT,
];

/**
 * The token in a header, which may be there several times: RFC 6750 section 2.1.
 * @param {string | null | undefined} header
 */
function bearer(header) {
  const text = header?.trim() ?? "";
  // Another scheme is no attempt at this one.
  if (!/^bearer(?: |$)/i.test(text)) throw new ProtectError("no_token", "there is no bearer token");
  const token = text.slice("bearer ".length).trim();
  if (token === "") {
    throw new ProtectError("invalid_request", "the authorization header has no token after `Bearer`");
  }
  if (token.length > LONGEST) throw new ProtectError("invalid_token", "the token is too long");
  // A comma is what joins several headers.
  if (!TOKEN.test(token)) {
    throw new ProtectError(
      "invalid_request",
      "the authorization header is malformed, or there are several",
    );
  }
  return token;
}

/** One policy for the tokens of one issuer; those that are stricter share its keys. */
class Policy {
  #audiences;
  #dialect;
  #verification;
  #keys;
  /** @type {((token: string) => Promise<boolean>) | undefined} */
  #isActive;
  /** Who asks, for the operator. */
  #asker = "";

  /** @param {Options} options */
  constructor(options) {
    const { issuer, audience, jwksUri, dialect = "standard", clockTolerance = 5 } = options;
    const { algorithms = ALGORITHMS, introspection } = options;
    urlOption("issuer", issuer);
    const given = jwksUri === undefined ? undefined : urlOption("jwksUri", jwksUri);
    const audiences = typeof audience === "string" ? [audience] : audience;
    if (!isTexts(audiences)) throw invalid("audience must be the identifier of the API, or several");
    if (!Object.hasOwn(DIALECTS, dialect)) throw invalid("dialect must be `standard` or `entra`");
    if (!isTexts(algorithms) || !algorithms.every((one) => ALGORITHMS.includes(one))) {
      throw invalid(`algorithms must be some of ${ALGORITHMS.join(", ")}`);
    }
    for (const hook of /** @type {const} */ (["onRefusal", "fetch"])) {
      const given = options[hook];
      if (given !== undefined && typeof given !== "function") throw invalid(`${hook} is a function`);
    }
    if (!(clockTolerance >= 0 && clockTolerance <= 300)) {
      throw invalid("clockTolerance must be 0 to 300 seconds");
    }
    /** @type {import("./metadata.js").Fetch} */
    const fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init));
    const endpoint = metadataOf(issuer, dialect, fetch);
    this.#audiences = audiences;
    this.#dialect = DIALECTS[dialect];
    this.#verification = {
      issuer,
      audience: audiences,
      algorithms: [...algorithms],
      clockTolerance,
      typ: this.#dialect.typ,
      requiredClaims: this.#dialect.required,
    };
    const locate = given === undefined ? () => endpoint("jwks_uri") : async () => given;
    this.#keys = keysAt(locate, fetch);
    if (introspection !== undefined) this.#introspectBy(issuer, introspection, endpoint, fetch);
  }

  /**
   * @param {string} issuer @param {NonNullable<Options["introspection"]>} options
   * @param {(name: string) => Promise<URL>} endpoint @param {import("./metadata.js").Fetch} fetch
   */
  #introspectBy(issuer, options, endpoint, fetch) {
    checkOptions(options, ["clientId", "clientSecret", "cacheTtl"], "introspection.");
    const { clientId, clientSecret, cacheTtl = 5 } = options;
    if (!isText(clientId) || !(isText(clientSecret) || typeof clientSecret === "function")) {
      throw invalid("introspection needs clientId and clientSecret");
    }
    if (!(cacheTtl >= 0 && cacheTtl <= 300)) throw invalid("cacheTtl must be 0 to 300 seconds");
    const credentials = { clientId, clientSecret, cacheTtl };
    this.#asker = clientId;
    /** @type {((token: string) => Promise<boolean>) | undefined} */
    let ask;
    this.#isActive = async (token) => {
      if (ask === undefined) {
        // Who does not introspect does not load what it takes.
        const { introspector } = await import("./introspection.js");
        ask ??= introspector(issuer, () => endpoint("introspection_endpoint"), credentials, fetch);
      }
      return ask(token);
    };
  }

  /** What a token says and grants, if it is good for this API. @param {string} text */
  async verify(text) {
    const claims = await this.#verified(text);
    // RFC 7800: whoever presents it has to prove that a key is theirs, which is not asked for here.
    if (claims.cnf !== undefined) {
      throw new ProtectError("invalid_token", "the token is bound to a key (`cnf`): it is no bearer token");
    }
    const { client, scope: scopeClaim } = this.#dialect;
    const clientId = client.map((name) => claims[name]).find((id) => typeof id === "string");
    if (clientId === undefined) throw new ProtectError("invalid_token", "the token names no client");
    if (!(await this.#isStillActive(text))) {
      const why = `it is revoked or has ended, or ${this.#asker} may not introspect this API`;
      throw new ProtectError("invalid_token", `the token is not active: ${why}`);
    }
    const assigned = Array.isArray(claims.roles) ? claims.roles : [];
    const roles = assigned.filter((role) => typeof role === "string");
    const scope = claims[scopeClaim];
    const named = typeof scope === "string" ? scope.split(" ") : [];
    const apis = this.#audiences.filter((api) => [claims.aud].flat().includes(api));
    // An application's token names its roles there, too: they are no user's consent.
    const consented = named.filter((full) => {
      const { name } = split(full, this.#audiences);
      return name !== "" && name !== ".default" && !roles.includes(name);
    });
    const granted = consented.map((full) => split(full, apis));
    const scopes = granted.map(({ name }) => name);
    const token = /** @type {Token} */ ({ ...claims, client_id: clientId, roles, scopes });
    return { token, apis, roles: roles.map((name) => ({ name })), scopes: granted };
  }

  /** @param {string} text */
  async #isStillActive(text) {
    try {
      return (await this.#isActive?.(text)) ?? true;
    } catch (cause) {
      throw new ProtectError("unavailable", `introspection failed: ${whyOf(cause)}`, { cause });
    }
  }

  /** @param {string} text @returns {Promise<Claims>} */
  async #verified(text) {
    try {
      return (await jwtVerify(text, this.#keys, this.#verification)).payload;
    } catch (error) {
      if (error instanceof KeysError) {
        throw new ProtectError("unavailable", error.message, { cause: error.cause });
      }
      // The cause would bring the claims along, into a log.
      throw new ProtectError("invalid_token", error instanceof Error ? error.message : `${error}`);
    }
  }

  /** A role or scope, and the API that it is of if it says so. @param {string} name */
  split(name) {
    return split(name, this.#audiences);
  }

  /** As a client asks for it: with the API, if an audience is its URI. @param {Name} name */
  full({ name, api = this.#audiences.find((audience) => audience.includes(":")) }) {
    return api === undefined ? name : `${api}/${name}`;
  }
}

/** A role or scope; without an API, of any that the token is for. @typedef {{ name: string, api?: string }} Name */

/** Some or all are needed. @typedef {{ names: Name[], every: boolean }} Need */

/** @typedef {{ apis: string[], roles: Name[], scopes: Name[] }} Grants */

/** @param {string} name @param {string[]} apis @returns {Name} */
function split(name, apis) {
  const of = apis.filter((one) => name.startsWith(`${one}/`));
  if (of.length === 0) return { name };
  // `api://orders/eu` is another API than `api://orders`.
  const api = of.reduce((a, b) => (b.length > a.length ? b : a));
  return { name: name.slice(api.length + 1), api };
}

/** @param {string} option @param {Names | undefined} value @param {Policy} policy @returns {Need | undefined} */
function need(option, value, policy) {
  if (value === undefined) return undefined;
  const of = typeof value === "string" ? [value] : value;
  const isAny = typeof of === "object" && of !== null && "any" in of;
  const isAll = typeof of === "object" && of !== null && "all" in of;
  if (isAny || isAll) checkOptions(of, ["any", "all"], `${option}.`);
  const names = isAny ? of.any : isAll ? of.all : of;
  if (!isTexts(names) || (isAny && isAll)) {
    throw invalid(`${option} must be a name, a list of names, { any: [...] } or { all: [...] }`);
  }
  return { names: names.map((name) => policy.split(name)), every: !isAny };
}

/** @param {Need | undefined} need @param {Name[]} has @param {string[]} apis that the token is for */
function isMet(need, has, apis) {
  if (need === undefined) return false;
  /** @param {Name} wanted */
  const isThere = (wanted) =>
    has.some(({ name, api }) => {
      if (name !== wanted.name) return false;
      return wanted.api === undefined || (api === undefined ? apis : [api]).includes(wanted.api);
    });
  return need.every ? need.names.every(isThere) : need.names.some(isThere);
}

/** What a route asks for: `roles` of an application, or `scopes` of a user. */
class Terms {
  #policy;
  #roles;
  #scopes;

  /** @param {Policy} policy @param {Requirement} requirement */
  constructor(policy, { roles, scopes }) {
    this.#policy = policy;
    this.#roles = need("roles", roles, policy);
    this.#scopes = need("scopes", scopes, policy);
  }

  /** @param {Grants} grants */
  check({ apis, roles, scopes }) {
    if (this.#roles === undefined && this.#scopes === undefined) return;
    if (isMet(this.#roles, roles, apis) || isMet(this.#scopes, scopes, apis)) return;
    const isUser = this.#roles === undefined || (this.#scopes !== undefined && scopes.length > 0);
    const { names = [] } = (isUser ? this.#scopes : this.#roles) ?? {};
    const scope = names.map((name) => this.#policy.full(name)).join(" ");
    throw new ProtectError("insufficient_scope", `the token lacks ${scope}`, { scope });
  }
}

/**
 * What every guard is made of: by the text of a header, or of a token.
 * @param {Policy} policy @param {Terms[]} terms
 */
function checks(policy, terms) {
  /** @param {string} text */
  async function verify(text) {
    const { token, ...grants } = await policy.verify(text);
    for (const each of terms) each.check(grants);
    return token;
  }
  return {
    verify,
    /** @param {string | null | undefined} header @param {boolean} [isRepeated] */
    async authorize(header, isRepeated = false) {
      if (isRepeated) throw new ProtectError("invalid_request", "there are several authorization headers");
      return verify(bearer(header));
    },
    /** The same and more. @param {Requirement} requirement */
    with(requirement) {
      if (isObject(requirement)) checkOptions(requirement, REQUIREMENT);
      // One that asks for nothing, or for a role that nobody has set, would let everybody through.
      if (requirement?.roles === undefined && requirement?.scopes === undefined) {
        throw invalid("with needs roles or scopes: `guard.with({ roles: \"Orders.Read.All\" })`");
      }
      return checks(policy, [...terms, new Terms(policy, requirement)]);
    },
  };
}

/** The checks that options ask for. @param {Options} options */
export function checksOf(options) {
  checkOptions(options, OPTIONS);
  const policy = new Policy(options);
  return checks(policy, [new Terms(policy, options)]);
}

/** @typedef {ReturnType<typeof checks>} Checks */

/**
 * Whether a request of Node has several `Authorization` headers, of which Node shows the first only.
 * @param {{ rawHeaders?: readonly string[] }} request
 */
export function isRepeated({ rawHeaders = [] }) {
  let count = 0;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index].toLowerCase() === "authorization") count += 1;
  }
  return count > 1;
}

/**
 * The refusal that an error is; others are thrown on.
 * @param {unknown} error @param {any} request @param {Options["onRefusal"]} onRefusal
 */
export function refusal(error, request, onRefusal) {
  if (!(error instanceof ProtectError)) throw error;
  onRefusal?.(/** @type {any} */ (error), request);
  return error;
}

/** The requests that a guard has let through. What others set on a request is not looked at. */
export class Passed {
  /** @type {WeakMap<object, unknown>} */
  #tokens = new WeakMap();
  #outer;

  /** @param {Passed} [outer] those of the guard that this one is stricter than */
  constructor(outer) {
    this.#outer = outer;
  }

  /** @param {object} request @param {unknown} token */
  add(request, token) {
    this.#tokens.set(request, token);
    this.#outer?.add(request, token);
  }

  /** @param {object} request */
  tokenOf = (request) => {
    const token = this.#tokens.get(request);
    if (token === undefined) throw new Error("no guard has let this request through");
    return token;
  };
}
