// Why a request is refused, and the answer that says so: RFC 6750 section 3.1.

/** @typedef {import("./index.d.ts").ProtectErrorCode} Code */

/** @type {Record<Code, number>} */
const STATUS = {
  no_token: 401,
  invalid_request: 400,
  invalid_token: 401,
  insufficient_scope: 403,
  unavailable: 503,
};

/** Seconds until a request is worth repeating, when the keys cannot be had. */
const RETRY_AFTER = 5;

/** See `index.d.ts`. */
export class ProtectError extends Error {
  /**
   * @param {Code} code
   * @param {string} message for the operator: it is not answered
   * @param {{ scope?: string, cause?: unknown }} [more]
   */
  constructor(code, message, { scope, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "ProtectError";
    this.code = code;
    this.status = STATUS[code];
    this.headers = headers(code, scope);
    // Without a token nothing is said of it: section 3.1, last paragraph.
    const error = code === "unavailable" ? "temporarily_unavailable" : code;
    this.body = code === "no_token" ? {} : { error };
  }

  toResponse() {
    return Response.json(this.body, { status: this.status, headers: this.headers });
  }
}

/** @param {Code} code @param {string} [scope] */
function headers(code, scope) {
  /** @type {Record<string, string>} */
  const headers = { "cache-control": "no-store" };
  if (code === "unavailable") {
    headers["retry-after"] = `${RETRY_AFTER}`;
  } else {
    let challenge = "Bearer";
    if (code !== "no_token") challenge += ` error="${code}"`;
    if (scope !== undefined) challenge += `, scope="${scope}"`;
    headers["www-authenticate"] = challenge;
  }
  return headers;
}
