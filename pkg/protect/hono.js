// The guard as middleware of Hono.

import { checksOf, refusal } from "./guard.js";

export { ProtectError } from "./guard.js";

/** @type {typeof import("./hono.d.ts").protect} */
export const protect = (options) => /** @type {any} */ (middleware(checksOf(options), options));

/**
 * @param {import("./guard.js").Checks} checks
 * @param {import("./guard.js").Options} options
 * @returns {any}
 */
function middleware(checks, options) {
  /** @param {import("hono").Context} context @param {import("hono").Next} next */
  const guard = async (context, next) => {
    try {
      context.set("token", await checks.authorize(context.req.raw.headers.get("authorization")));
    } catch (error) {
      return refusal(error, context, options.onRefusal).toResponse();
    }
    await next();
  };
  return Object.assign(guard, {
    with: (/** @type {any} */ requirement) => middleware(checks.with(requirement), options),
  });
}
