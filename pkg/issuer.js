// `createIssuer`: a fetch handler and administration on top of the driver.

import { Call, Driver, now } from "./driver.js";
import { EdgemintError } from "./errors.js";

/** @typedef {import("./driver.js").Engine} Engine */

/**
 * Brings the administration's module, once it is needed.
 * @typedef {() => Promise<{ wasm: import("./driver.js").Wasm<Engine>, module: WebAssembly.Module }>} Load
 */

/** What every error of the wasm's own instance is answered with. */
const ERROR_HEADERS = { "content-type": "application/json", "cache-control": "no-store", pragma: "no-cache" };

/** Requests to the administration; a login page's endpoints are the token service's. */
const ADMINISTERED =
  /^[^:]+:\/\/[^/?#]+\/([a-z0-9][a-z0-9-]{0,62})\/admin\/v1\/(?!authorizations\/)/;

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

/** A request that waits for its response. */
export class RequestCall extends Call {
  /**
   * @param {(response: Response) => void} resolve
   * @param {Issuer} issuer
   * @param {Request} request
   * @param {{ waitUntil(promise: Promise<unknown>): void } | undefined} context
   */
  constructor(resolve, issuer, request, context) {
    super();
    this.resolve = resolve;
    this.issuer = issuer;
    this.request = request;
    this.context = context;
  }

  /** Cloudflare's name for it. Looked up when there is something to tell: making `cf` costs. @override */
  get location() {
    const { cf } = /** @type {{ cf?: { colo?: unknown } }} */ (/** @type {unknown} */ (this.request));
    return typeof cf?.colo === "string" ? cf.colo : undefined;
  }

  /**
   * @param {number} status @param {Headers} headers @param {Uint8Array<ArrayBuffer>} body
   * @param {boolean} refresh
   */
  respond(status, headers, body, refresh) {
    // The bytes are copied by the constructor: Fetch section 5.2, "extract a body". Where there must be
    // none (RFC 9110 section 15.3.5), it takes not even an empty one.
    this.resolve(new Response(status === 204 ? null : body, { status, headers }));
    if (refresh) {
      // After the wasm has returned: it is not entered twice.
      const refreshed = Promise.resolve().then(() => this.issuer.refresh());
      this.context?.waitUntil(refreshed);
    }
  }

  /** @override @param {boolean} trapped */
  lost(trapped) {
    const [status, error, error_description] = trapped
      ? [500, "server_error", "the server could not answer the request"]
      : [503, "temporarily_unavailable", "the service is unavailable for a moment"];
    const headers = trapped ? ERROR_HEADERS : { ...ERROR_HEADERS, "retry-after": "1" };
    this.resolve(Response.json({ error, error_description }, { status, headers }));
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
  /** @type {Promise<Driver<Engine>> | undefined} */
  #administration;

  /**
   * @param {WebAssembly.Module} module
   * @param {import("./index.d.ts").IssuerOptions} options
   * @param {Load} load
   */
  constructor(module, options, load) {
    this.#driver = new Driver(module, options);
    this.#options = options;
    this.#load = load;
    const { admin, authorization, sessions } = ACTS;
    const tokens = async () => this.#driver;
    const administration = () => this.#administer();
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
   * @param {{ waitUntil(promise: Promise<unknown>): void }} [context]
   * @returns {Promise<Response>}
   */
  fetch(request, context) {
    const { method, headers, url } = request;
    if (url.includes("/admin/v1/") && this.#options.administration !== false) {
      const tenant = ADMINISTERED.exec(url)?.[1];
      if (tenant !== undefined) return this.#fetchAdministration(request, tenant, context);
    }
    const contentType = headers.get("content-type") ?? "";
    const authorization = headers.get("authorization") ?? "";
    const address = method === "POST" ? this.#driver.address(request) : "";
    const head = `${method}\n${url}\n${contentType}\n${authorization}\n${address}`;
    return this.#start(this.#driver, request, head, context);
  }

  /**
   * @template {Engine} E
   * @param {Driver<E>} driver
   * @param {Request} request
   * @param {string} head
   * @param {{ waitUntil(promise: Promise<unknown>): void }} [context]
   * @returns {Promise<Response>}
   */
  #start(driver, request, head, context) {
    // One promise for the answer and one for the body: each costs as much as a look-up does.
    return new Promise((resolve) => {
      const call = new RequestCall(resolve, this, request, context);
      const start = (/** @type {Uint8Array} */ body, broken = WHOLE) => {
        driver.enter(call, (engine) => engine.start(call, head, body, broken, now()));
      };
      const { method } = request;
      if (method === "GET" || method === "HEAD") {
        start(NOTHING);
        return;
      }
      const { maxBody } = driver;
      const declared = request.headers.get("content-length");
      const body =
        declared !== null && /^\d{1,7}$/.test(declared) && Number(declared) <= maxBody
          ? request.arrayBuffer()
          : read(request, declared, maxBody);
      body.then(
        (bytes) => {
          if (bytes.byteLength > maxBody) start(NOTHING, TOO_LARGE);
          else start(new Uint8Array(bytes));
        },
        () => start(NOTHING, UNREADABLE),
      );
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
      if (typeof administration === "function") return await administration(request, tenant);
      const driver = await this.#administer();
      const { method, headers, url } = request;
      // The address is not for the administration. An empty condition is not the same as none.
      const plain = ["content-type", "authorization"].map((name) => headers.get(name) ?? "");
      const given = ["if-match", "idempotency-key"].map((name) =>
        headers.has(name) ? `=${headers.get(name)}` : "",
      );
      const head = [method, url, ...plain, "", ...given].join("\n");
      return await this.#start(driver, request, head, context);
    } catch (error) {
      const detail = String(error);
      this.#driver.emit({ time: now(), kind: "failed", reason: "administration", detail, tenant });
      const body = { error: "temporarily_unavailable", error_description: "try again" };
      return Response.json(body, { status: 503, headers: { ...ERROR_HEADERS, "retry-after": "1" } });
    }
  }

  /** The administration's engine, from its first use on. It remembers nothing, and what it writes is
   * forgotten here. */
  #administer() {
    this.#administration ??= this.#load().then(
      ({ wasm, module }) => {
        const options = { ...this.#options, cacheTtl: 0, cacheCapacity: 0 };
        const forget = (/** @type {string} */ partition, /** @type {string} */ name) => {
          if (!this.#driver.isLiving()) return;
          this.#driver.enter(new Call(), (engine) => engine.forget(partition, name));
        };
        return new Driver(module, options, wasm, forget);
      },
    ).catch((error) => {
      // The next one tries again.
      this.#administration = undefined;
      throw new EdgemintError("failed", `the administration could not be loaded: ${error}`);
    });
    return this.#administration;
  }

  /** Reads again the records that are about to go out of date; never rejects. */
  async refresh() {
    const due = outcome(this.#driver, (engine, call) => engine.refresh(call, now()));
    await due.catch(() => {});
  }
}

/**
 * @param {string[][]} methods
 * @param {() => Promise<Driver<any>>} driver
 * @returns {any}
 */
function part(methods, driver) {
  const acts = methods.map(([method, name]) => [
    method,
    async (/** @type {object} */ act) => {
      const text = JSON.stringify({ [name]: act });
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

const NOTHING = new Uint8Array(0);
const WHOLE = 0;
const TOO_LARGE = 1;
const UNREADABLE = 2;

/**
 * A body of unknown length, or more than `limit` bytes of it if it is longer: no more is ever held.
 * @param {Request} request
 * @param {string | null} declared its length, as the client says
 * @param {number} limit
 * @returns {Promise<ArrayBuffer>}
 */
async function read(request, declared, limit) {
  const tooLarge = new ArrayBuffer(limit + 1);
  if (declared !== null || request.body === null) return declared === null ? NOTHING.buffer : tooLarge;
  const body = new Uint8Array(limit);
  let length = 0;
  for await (const chunk of request.body) {
    if (length + chunk.length > limit) return tooLarge;
    body.set(chunk, length);
    length += chunk.length;
  }
  return body.buffer.slice(0, length);
}

/**
 * @param {WebAssembly.Module} module
 * @param {import("./index.d.ts").IssuerOptions} options
 * @param {Load} load
 * @returns {import("./index.d.ts").Issuer}
 */
export function createIssuerFrom(module, options, load) {
  const { baseUrl, store, masterKey, cacheTtl, cacheCapacity } = options;
  if (!masterKey) {
    throw new EdgemintError(
      "missing_master_key",
      "no master key is set; make one with `openssl rand 32 | basenc --base64url | tr -d =` and " +
        "keep it in the secret MASTER_KEY",
    );
  }
  if (!baseUrl) {
    throw new EdgemintError("invalid_base_url", "no base URL is set, such as https://auth.example.com");
  }
  for (const number of [cacheTtl, cacheCapacity]) {
    if (number !== undefined && !(Number.isInteger(number) && number >= 0 && number < 2 ** 32)) {
      const message = `cacheTtl and cacheCapacity are whole numbers, not ${number}`;
      throw new EdgemintError("invalid_options", message);
    }
  }
  if (!store) throw new EdgemintError("invalid_options", "no store is set");
  return new Issuer(module, options, load);
}
