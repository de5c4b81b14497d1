// The guard as middleware of Express 4 and 5, and of whatever else takes (request, response, next).

import { Passed, checksOf, isRepeated, refusal } from "./guard.js";

export { ProtectError } from "./guard.js";

/** @typedef {import("node:http").IncomingMessage & { auth?: unknown }} Incoming */

/** @type {typeof import("./express.d.ts").protect} */
export const protect = (options) => /** @type {any} */ (middleware(checksOf(options), options));

/**
 * @param {import("./guard.js").Checks} checks
 * @param {import("./guard.js").Options} options
 * @param {Passed} [outer] of the guard that this one is stricter than
 * @returns {any}
 */
function middleware(checks, options, outer) {
  const passed = new Passed(outer);
  /**
   * @param {Incoming} request @param {import("node:http").ServerResponse} response
   * @param {(error?: unknown) => void} next
   */
  async function guard(request, response, next) {
    try {
      const { authorization } = request.headers;
      const token = await checks.authorize(authorization, isRepeated(request));
      passed.add(request, token);
      request.auth = token;
    } catch (error) {
      try {
        const { status, headers, body } = refusal(error, request, options.onRefusal);
        response.statusCode = status;
        for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
        response.setHeader("content-type", "application/json");
        response.end(JSON.stringify(body));
      } catch (other) {
        next(other);
      }
      return;
    }
    next();
  }
  return Object.assign(guard, {
    with: (/** @type {any} */ requirement) => middleware(checks.with(requirement), options, passed),
    token: passed.tokenOf,
  });
}
