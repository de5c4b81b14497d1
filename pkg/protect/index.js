// The guard of fetch-style handlers.

import { ProtectError, checksOf, refusal } from "./guard.js";

export { ProtectError };

/** See `index.d.ts`. @type {typeof import("./index.d.ts").protect} */
export const protect = (options) => /** @type {any} */ (guard(checksOf(options), options));

/** @typedef {import("./guard.js").Options} Options @typedef {import("./guard.js").Requirement} Requirement */

/** @param {import("./guard.js").Checks} checks @param {Options} options @returns {any} */
function guard(checks, options) {
  const authorize = async (/** @type {Request} */ request) => {
    try {
      return await checks.authorize(request.headers.get("authorization"));
    } catch (error) {
      throw refusal(error, request, options.onRefusal);
    }
  };
  return Object.assign(authorize, {
    verify: checks.verify,
    with: (/** @type {Requirement} */ requirement) => guard(checks.with(requirement), options),
    /** @param {(request: Request, token: any, ...rest: any[]) => Response | Promise<Response>} answer */
    handler: (answer) => async (/** @type {Request} */ request, /** @type {any[]} */ ...rest) => {
      let token;
      try {
        token = await authorize(request);
      } catch (error) {
        if (error instanceof ProtectError) return error.toResponse();
        throw error;
      }
      return answer(request, token, ...rest);
    },
  });
}
