// `createIssuer`: a fetch handler and administration on top of the driver.

import { Buckets } from "./buckets.js";
import { Call, Driver, now } from "./driver.js";
import { EdgemintError, wasmUnavailable } from "./errors.js";
import { checkOptions, hasMethods, invalidOptions } from "./options.js";

/** @typedef {import("./driver.js").Engine} Engine */
/** The token service's, with or without the dialects. @typedef {import("./wasm/edgemint.js").Engine} Tokens */

/** What most services never need, or seldom. @typedef {"administration" | "dialects"} Part */

/**
 * Brings a part's module, once it is needed.
 * @typedef {(part: Part) => Promise<{ wasm: import("./driver.js").Wasm<any>, module: WebAssembly.Module }>} Load
 */

/** What every error of the wasm's own instance is answered with. */
const ERROR_HEADERS = { "content-type": "application/json", "cache-control": "no-store", pragma: "no-cache" };

const BUSY = "temporarily_unavailable";

/** Whose errors are problem details (RFC 9457): the administration's and a login page's endpoints. */
const PROBLEMATIC = /^[^:]+:\/\/[^/?#]+\/[^/?#]+\/admin\/v1\//;

/** @type {Record<number, string>} */
const TITLES = { 429: "Too Many Requests", 500: "Internal Server Error", 503: "Service Unavailable" };

/**
 * An error that no wasm answers, in the form that the endpoint's others have.
 * @param {Request} request @param {number} status @param {string} code @param {string} detail
 */
function refusal({ url, method }, status, code, detail) {
  const isProblem = PROBLEMATIC.test(url);
  const body = isProblem
    ? { type: "about:blank", title: TITLES[status], status, detail, code }
    : { error: code, error_description: detail };
  const headers = new Headers(ERROR_HEADERS);
  if (isProblem) headers.set("content-type", "application/problem+json");
  if (status !== 500) headers.set("retry-after", "1");
  return new Response(method === "HEAD" ? null : JSON.stringify(body), { status, headers });
}

/** Requests to the administration; a login page's endpoints are the token service's. */
const ADMINISTERED =
  /^[^:]+:\/\/[^/?#]+\/([a-z0-9][a-z0-9-]{0,62})\/admin\/v1\/(?!authorizations\/)/;

/**
 * Requests in the dialects of Entra and B2C, by their paths: `oauth2/v2.0`, `v2.0` or `discovery` after the
 * tenant or its policy, or a document of OpenID Connect of a tenant that is called by a domain or by its id.
 */
const IN_DIALECT =
  /^[^:]+:\/\/[^/?#]+\/(?:(?!\.well-known\/)[^/?#]+\/(?:b2c_1[^/?#]*\/)?(?:oauth2\/v2\.0|v2\.0|discovery)\/|(?:[^/?#]+\.[^/?#]*|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\/\.well-known\/openid-configuration(?:[?#]|$))/i;

/** The standard's, of a tenant: where nearly every request goes. */
const TOKEN = "/oauth2/token";

/**
 * Whether a URL is that of a tenant's token endpoint, which is neither the administration's nor in a dialect.
 * @param {string} url
 */
function isToken(url) {
  return url.endsWith(TOKEN) && url.indexOf("/", ORIGIN) === url.lastIndexOf("/", url.length - TOKEN.length - 1);
}

/** The first character of a URL that may be the slash after a host: `https://` is over, and `http://x` is. */
const ORIGIN = 8;

const named = (/** @type {string} */ act) => [act, act];

/** What each part of an issuer offers: its methods, and the acts behind them. @type {Record<string, string[][]>} */
const ACTS = {
  admin: [
    "createTenant",
    "getTenant",
    "updateTenant",
    "listTenants",
    "maintain",
    "createApplication",
    "importApplications",
    "getApplication",
    "listApplications",
    "updateApplication",
    "deleteApplication",
    "addSecret",
    "removeSecret",
    "assignRoles",
    "setRoles",
    "removeRoles",
    "removeRole",
    "createApi",
    "getApi",
    "listApis",
    "updateApi",
    "deleteApi",
    "listKeys",
    "rotateKey",
    "removeKey",
    "resealKeys",
    "listEvents",
  ].map(named),
  authorization: [
    ["inspect", "inspectAuthorization"],
    ["complete", "completeAuthorization"],
    ["deny", "denyAuthorization"],
  ],
  sessions: [
    ["list", "listSessions"],
    ["end", "endSession"],
    ["endUser", "endUserSessions"],
    ["endApplication", "endApplicationSessions"],
    ["endTenant", "endTenantSessions"],
  ],
};

/** Where it came in, as Cloudflare says. @param {Request} request */
function locationOf(request) {
  const { cf } = /** @type {{ cf?: { colo?: unknown } }} */ (/** @type {unknown} */ (request));
  return typeof cf?.colo === "string" ? cf.colo : undefined;
}

const encoder = new TextEncoder();

/** Where requests are written before they go to the wasm, which takes a copy. Most fit. */
const room = new Uint8Array(4096);

/** @param {string} text @returns {Uint8Array} good until the next one */
function utf8(text) {
  // A UTF-16 unit takes three bytes at most.
  if (text.length * 3 > room.length) return encoder.encode(text);
  return room.subarray(0, encoder.encodeInto(text, room).written);
}

/** A request that waits for its response. */
export class RequestCall extends Call {
  /**
   * @param {(response: Response) => void} resolve
   * @param {Driver<any>} driver who answers it
   * @param {Request} request
   * @param {{ waitUntil(promise: Promise<unknown>): void } | undefined} context
   */
  constructor(resolve, driver, request, context) {
    super();
    this.resolve = resolve;
    this.driver = driver;
    this.request = request;
    this.context = context;
  }

  /** Cloudflare's name for it. Looked up when there is something to tell: making `cf` costs. @override */
  get location() {
    return locationOf(this.request);
  }

  /**
   * @param {number} status @param {Response} like has that status, and the headers
   * @param {Uint8Array<ArrayBuffer>} body @param {boolean} refresh
   */
  respond(status, like, body, refresh) {
    // The bytes are copied by the constructor: Fetch section 5.2, "extract a body". Where there must be
    // none (RFC 9110 section 15.3.5), it takes not even an empty one.
    this.resolve(new Response(status === 204 ? null : body, like));
    if (refresh) {
      // After the wasm has returned: it is not entered twice.
      const refreshed = Promise.resolve().then(() => renew(this.driver));
      this.context?.waitUntil(refreshed);
    }
  }

  /** @override @param {boolean} trapped */
  lost(trapped) {
    this.resolve(
      trapped
        ? refusal(this.request, 500, "server_error", "the server could not answer the request")
        : refusal(this.request, 503, BUSY, "the service is unavailable for a moment"),
    );
  }
}

/** An act that waits for its outcome. */
export class OutcomeCall extends Call {
  /** @param {(outcome: any) => void} resolve @param {(error: EdgemintError) => void} reject */
  constructor(resolve, reject) {
    super();
    this.done = resolve;
    this.reject = reject;
  }

  /** @param {string} code @param {string} message */
  refused(code, message) {
    const known = /** @type {import("./index.d.ts").EdgemintErrorCode} */ (code);
    this.reject(new EdgemintError(known, message));
  }

  /** @override */
  lost() {
    this.reject(new EdgemintError("instance_lost", "the wasm instance failed; try again"));
  }
}

class Issuer {
  #driver;
  #load;
  #options;
  /** The parts that were used. @type {Map<Part, Promise<Driver<any>>>} */
  #parts = new Map();
  /** The engines that remember what they have read. @type {Driver<Tokens>[]} */
  #remembering;
  /** Refusals of whoever else the administration is, for each client. */
  #refusals = new Buckets();

  /**
   * @param {WebAssembly.Module} module
   * @param {import("./index.d.ts").IssuerOptions} options
   * @param {Load} load
   */
  constructor(module, options, load) {
    this.#driver = new Driver(module, options);
    this.#remembering = [this.#driver];
    this.#options = options;
    this.#load = load;
    const { admin, authorization, sessions } = ACTS;
    const tokens = async () => this.#driver;
    const administration = () => this.#part("administration");
    this.admin = /** @type {import("./index.d.ts").Administration} */ (part(admin, administration));
    const handled = part(authorization, tokens);
    /** @type {import("./index.d.ts").Authorization} */
    this.authorization = {
      inspect: (handle) => handled.inspect({ handle }),
      complete: (handle, consent) => handled.complete({ handle, ...consent }),
      deny: (handle, denial) => handled.deny({ handle, ...denial }),
    };
    this.sessions = /** @type {import("./index.d.ts").Sessions} */ (part(sessions, administration));
    this.fetch = this.fetch.bind(this);
  }

  /**
   * @param {Request} request
   * @param {{ waitUntil(promise: Promise<unknown>): void }} [given]
   * @returns {Promise<Response>}
   */
  fetch(request, given) {
    // Servers that take a handler hand it whatever they have: Deno's information, Bun's server, a Worker's env.
    const context = typeof given?.waitUntil === "function" ? given : undefined;
    // Each of these is a call into the runtime.
    const { method, headers, url } = request;
    const isUsual = isToken(url);
    if (!isUsual && url.includes("/admin/v1/") && this.#options.administration !== false) {
      const tenant = ADMINISTERED.exec(url)?.[1];
      if (tenant !== undefined) return this.#fetchAdministration(request, tenant, context);
    }
    const contentType = headers.get("content-type") ?? "";
    const authorization = headers.get("authorization") ?? "";
    const address = method === "POST" ? this.#driver.address(request) : "";
    const head = `${method}\n${url}\n${contentType}\n${authorization}\n${address}\n\n\n`;
    const bodyType = isBodiless(method) ? null : contentType;
    if (isUsual || !IN_DIALECT.test(url)) return this.#start(this.#driver, request, head, bodyType, context);
    // Microsoft's clients name their requests.
    const withName = `${head}${headers.get("client-request-id") ?? ""}`;
    return this.#part("dialects").then(
      (driver) => this.#start(driver, request, withName, bodyType, context),
      (error) => {
        const detail = String(error);
        this.#driver.emit({ time: now(), kind: "failed", reason: "dialects", detail });
        return refusal(request, 503, BUSY, "the service is unavailable for a moment");
      },
    );
  }

  /**
   * @template {Engine} E
   * @param {Driver<E>} driver
   * @param {Request} request
   * @param {string} head
   * @param {string | null} bodyType the content type of the body; null if that is of no interest
   * @param {{ waitUntil(promise: Promise<unknown>): void }} [context]
   * @returns {Promise<Response>}
   */
  #start(driver, request, head, bodyType, context) {
    // One promise for the answer and one for the body: each costs as much as a look-up does.
    return new Promise((resolve) => {
      const call = new RequestCall(resolve, driver, request, context);
      const start = (/** @type {string} */ body, broken = WHOLE) => {
        driver.enter(call, (engine) => {
          const text = utf8(`${head}\n${body}`);
          try {
            engine.start(call, text, broken, now());
          } finally {
            // It may hold a secret.
            text.fill(0);
          }
        });
      };
      if (bodyType === null) {
        start("");
        return;
      }
      const { maxBody } = driver;
      const take = (/** @type {string | null} */ body) => {
        if (body === null || body.length > maxBody) start("", TOO_LARGE);
        else start(body);
      };
      takeText(request, bodyType, maxBody, take, () => start("", UNREADABLE));
    });
  }

  /**
   * Hands a request to whoever the administration is.
   * @param {Request} request
   * @param {string} tenant
   * @param {{ waitUntil(promise: Promise<unknown>): void }} [context]
   */
  async #fetchAdministration(request, tenant, context) {
    try {
      const { administration } = this.#options;
      const { method, headers, url } = request;
      // Without a token nothing is done and nothing is read, so that nobody else need be asked what the
      // answer is.
      const isAnonymous = !/^bearer /i.test(headers.get("authorization") ?? "");
      if (typeof administration === "function" && !isAnonymous) {
        return await this.#forward(administration, request, tenant);
      }
      const driver = await this.#part("administration");
      // The address is not for the administration. An empty condition is not the same as none.
      const contentType = headers.get("content-type") ?? "";
      const authorization = headers.get("authorization") ?? "";
      const given = ["if-match", "idempotency-key"].map((name) =>
        headers.has(name) ? `=${headers.get(name)}` : "",
      );
      const head = [method, url, contentType, authorization, "", ...given, ""].join("\n");
      const bodyType = isAnonymous || isBodiless(method) ? null : contentType;
      return await this.#start(driver, request, head, bodyType, context);
    } catch (error) {
      const detail = String(error);
      this.#driver.emit({ time: now(), kind: "failed", reason: "administration", detail, tenant });
      return refusal(request, 503, BUSY, "the administration is unavailable for a moment");
    }
  }

  /**
   * Hands a request to the host's administration, unless too many from its client's address were refused
   * there. The tenant does not count: it can be made up, and each has an object.
   * @param {(request: Request, tenant: string) => Promise<Response>} administration
   * @param {Request} request @param {string} tenant
   */
  async #forward(administration, request, tenant) {
    const client = network(this.#driver.address(request));
    if (!this.#refusals.take(client)) {
      const location = locationOf(request);
      this.#driver.emit({ time: now(), kind: "refused", reason: "too_many_failures", tenant, location });
      return refusal(request, 429, BUSY, "too many requests with access tokens that are not valid");
    }
    let status = 0;
    try {
      const response = await administration(request, tenant);
      ({ status } = response);
      return response;
    } finally {
      if (status !== 401) this.#refusals.giveBack(client);
    }
  }

  /** A part's engine, from its first use on. @param {Part} name @returns {Promise<Driver<any>>} */
  #part(name) {
    const known = this.#parts.get(name);
    if (known !== undefined) return known;
    const part = this.#load(name).then(
      ({ wasm, module }) => {
        if (name === "administration") {
          // It remembers nothing, and what it writes is forgotten here.
          const options = { ...this.#options, cacheTtl: 0, cacheCapacity: 0 };
          return new Driver(module, options, wasm, (...record) => this.#forget(...record));
        }
        const driver = new Driver(module, this.#options, wasm);
        this.#remembering.push(driver);
        return driver;
      },
    ).catch((error) => {
      // The next one tries again.
      this.#parts.delete(name);
      throw error instanceof EdgemintError ? error : wasmUnavailable(name, error);
    });
    this.#parts.set(name, part);
    return part;
  }

  /** @param {string} partition @param {string} name of a record */
  #forget(partition, name) {
    for (const driver of this.#remembering) {
      if (driver.isLiving()) driver.enter(new Call(), (engine) => engine.forget(partition, name));
    }
  }
}

/** Reads again the records that are about to go out of date; never rejects. @param {Driver<Tokens>} driver */
async function renew(driver) {
  const due = outcome(driver, (engine, call) => engine.refresh(call, now()));
  await due.catch(() => {});
}

/** Of an IPv6 address its /64: one client has all of that. @param {string} address */
function network(address) {
  if (!address.includes(":")) return address;
  const [head, tail] = address.split("::").map((part) => part.split(":"));
  const gap = Array(Math.max(0, 8 - head.length - (tail?.length ?? 8))).fill("0");
  return [...head, ...gap, ...(tail ?? [])].slice(0, 4).join(":");
}

/**
 * @param {string[][]} methods
 * @param {() => Promise<Driver<any>>} driver
 * @returns {any}
 */
function part(methods, driver) {
  const acts = methods.map(([method, name]) => [
    method,
    async (/** @type {object | undefined} */ act) => {
      // Every act names a tenant; which one does not matter to this one.
      const given = name === "listTenants" ? { ...act, tenant: "all" } : act;
      const text = JSON.stringify({ [name]: given });
      return outcome(await driver(), (engine, call) => engine.act(call, text, now()));
    },
  ]);
  return Object.fromEntries(acts);
}

/**
 * @template {Engine} E
 * @param {Driver<E>} driver
 * @param {(engine: E, call: OutcomeCall) => void} act
 * @returns {Promise<any>}
 */
function outcome(driver, act) {
  return new Promise((resolve, reject) => {
    const call = new OutcomeCall(resolve, reject);
    driver.enter(call, (engine) => act(engine, call));
  });
}

/** Whether a request of this method has no body, or none that matters. @param {string} method */
function isBodiless(method) {
  return method === "GET" || method === "HEAD";
}

const FORM = "application/x-www-form-urlencoded";
/** Neither a form nor JSON: what stands for a body that is no UTF-8. */
const NO_TEXT = "%";
const WHOLE = 0;
const TOO_LARGE = 1;
const UNREADABLE = 2;

/**
 * Takes a body as text, or null if it is longer than `limit` bytes.
 * @param {Request} request
 * @param {string} contentType
 * @param {number} limit
 * @param {(body: string | null) => void} take
 * @param {() => void} fail
 */
function takeText(request, contentType, limit, take, fail) {
  const declared = request.headers.get("content-length");
  const length = declared !== null && /^\d{1,7}$/.test(declared) ? Number(declared) : Infinity;
  if (length <= limit && contentType.startsWith(FORM)) {
    // The runtime's own text costs half of the bytes and their decoder.
    request.text().then((text) => take(isExact(text, length) ? text : NO_TEXT), fail);
  } else if (length <= limit || declared === null) {
    const bytes = length <= limit ? request.arrayBuffer() : read(request, limit);
    bytes.then((bytes) => take(decode(bytes)), fail);
  } else {
    take(null);
  }
}

/**
 * Whether a text is what was sent: `Request.text` replaces what is no UTF-8, and leaves a byte order mark out.
 * @param {string} text @param {number} length in bytes, as the client says
 */
function isExact(text, length) {
  if (text.includes("\ufffd")) return false;
  // Where there is no memory to find that out, it is not.
  try {
    return text.length === length || encoder.encode(text).length + 3 !== length;
  } catch {
    return false;
  }
}

/** @param {ArrayBuffer | Uint8Array | null} bytes */
function decode(bytes) {
  if (bytes === null) return null;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return NO_TEXT;
  }
}

/**
 * A body of unknown length, or null if it is longer than `limit` bytes: no more is ever held.
 * @param {Request} request
 * @param {number} limit
 */
async function read(request, limit) {
  if (request.body === null) return new Uint8Array(0);
  const body = new Uint8Array(limit);
  let length = 0;
  for await (const chunk of request.body) {
    if (length + chunk.length > limit) return null;
    body.set(chunk, length);
    length += chunk.length;
  }
  return body.subarray(0, length);
}

const OPTIONS = [
  "baseUrl",
  "store",
  "grants",
  "masterKey",
  "previousMasterKey",
  "cacheTtl",
  "cacheCapacity",
  "administration",
  "bootstrapSecret",
  "onEvent",
  "issuanceEvents",
  "clientAddress",
  "rateLimit",
  "claims",
  "claimsTimeout",
];

const HOOKS = /** @type {const} */ (["onEvent", "clientAddress", "rateLimit", "claims"]);

const STORES = "what `memoryStore()`, or another of edgemint/stores, returns";

/** @param {"store" | "grants"} option @param {import("./index.d.ts").Store} store */
function checkStore(option, store) {
  const { guarantees } = store;
  const isStore = typeof guarantees === "object" && guarantees !== null;
  if (isStore && hasMethods(store, ["get", "put", "delete", "list"])) return;
  throw invalidOptions(
    `${option} is no store: give ${STORES}, or an object with get, put, delete, list and guarantees`,
  );
}

/**
 * @param {WebAssembly.Module} module
 * @param {import("./index.d.ts").IssuerOptions} options
 * @param {Load} load
 * @returns {import("./index.d.ts").Issuer}
 */
export function createIssuerFrom(module, options, load) {
  checkOptions(options, OPTIONS);
  const { baseUrl, store, grants, masterKey, cacheTtl, cacheCapacity, bootstrapSecret } = options;
  const { administration, claimsTimeout } = options;
  if (!masterKey) {
    throw new EdgemintError(
      "missing_master_key",
      "no master key is set; make one with " +
        "`node -p 'require(\"node:crypto\").randomBytes(32).toString(\"base64url\")'` and " +
        "keep it in the secret MASTER_KEY",
    );
  }
  if (!baseUrl) {
    throw new EdgemintError("invalid_base_url", "no base URL is set, such as https://auth.example.com");
  }
  // The rule of `BootstrapSecret::parse`, whose module is not loaded yet.
  if (bootstrapSecret && !/^[!-~]{32,1024}$/.test(bootstrapSecret.trim())) {
    throw new EdgemintError(
      "invalid_bootstrap_secret",
      "the bootstrap secret is not 32 to 1024 visible ASCII characters; make one with " +
        "`openssl rand -hex 32`",
    );
  }
  for (const number of [cacheTtl, cacheCapacity]) {
    if (number !== undefined && !(Number.isInteger(number) && number >= 0 && number < 2 ** 32)) {
      throw invalidOptions(`cacheTtl and cacheCapacity are whole numbers, not ${number}`);
    }
  }
  if (!store) throw invalidOptions(`no store is set: give ${STORES}`);
  checkStore("store", store);
  if (grants !== undefined && grants !== false) {
    if (!grants) throw invalidOptions("grants is a store, or `false` for client credentials only");
    checkStore("grants", grants);
  }
  for (const hook of HOOKS) {
    const given = options[hook];
    if (given !== undefined && typeof given !== "function") throw invalidOptions(`${hook} is a function`);
  }
  if (administration !== undefined && administration !== false && typeof administration !== "function") {
    throw invalidOptions("administration is `false` or a function");
  }
  const isTime = Number.isInteger(claimsTimeout) && Number(claimsTimeout) >= 1 && Number(claimsTimeout) <= 30_000;
  if (claimsTimeout !== undefined && !isTime) {
    throw invalidOptions(`claimsTimeout is 1 to 30000 milliseconds, not ${claimsTimeout}`);
  }
  return new Issuer(module, options, load);
}
