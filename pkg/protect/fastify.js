// The guard as a hook of Fastify.

import { Passed, checksOf, isRepeated, refusal } from "./guard.js";

export { ProtectError } from "./guard.js";

/** @type {typeof import("./fastify.d.ts").protect} */
export const protect = (options) => /** @type {any} */ (hook(checksOf(options), options));

/**
 * @param {import("./guard.js").Checks} checks
 * @param {import("./guard.js").Options} options
 * @param {Passed} [outer] of the guard that this one is stricter than
 * @returns {any}
 */
function hook(checks, options, outer) {
  const passed = new Passed(outer);
  /**
   * @param {import("fastify").FastifyRequest & { auth?: unknown }} request
   * @param {import("fastify").FastifyReply} reply
   */
  async function guard(request, reply) {
    try {
      const { authorization } = request.headers;
      const token = await checks.authorize(authorization, isRepeated(request.raw));
      passed.add(request, token);
      request.auth = token;
    } catch (error) {
      const { status, headers, body } = refusal(error, request, options.onRefusal);
      return reply.code(status).headers(headers).send(body);
    }
  }
  return Object.assign(guard, {
    with: (/** @type {any} */ requirement) => hook(checks.with(requirement), options, passed),
    token: passed.tokenOf,
  });
}
