// The guard as a hook of Fastify.

import { checksOf, isRepeated, refusal, tokenOf } from "./guard.js";

export { ProtectError } from "./guard.js";

/** @type {typeof import("./fastify.d.ts").protect} */
export const protect = (options) => /** @type {any} */ (hook(checksOf(options), options));

/**
 * @param {import("./guard.js").Checks} checks
 * @param {import("./guard.js").Options} options
 * @returns {any}
 */
function hook(checks, options) {
  /**
   * @param {import("fastify").FastifyRequest & { auth?: unknown }} request
   * @param {import("fastify").FastifyReply} reply
   */
  async function guard(request, reply) {
    try {
      const { authorization } = request.headers;
      request.auth = await checks.authorize(authorization, isRepeated(request.raw));
    } catch (error) {
      const { status, headers, body } = refusal(error, request, options.onRefusal);
      return reply.code(status).headers(headers).send(body);
    }
  }
  return Object.assign(guard, {
    with: (/** @type {any} */ requirement) => hook(checks.with(requirement), options),
    token: tokenOf,
  });
}
