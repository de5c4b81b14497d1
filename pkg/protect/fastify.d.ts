/** `edgemint/protect` as a hook of Fastify. */

import type { FastifyReply, FastifyRequest } from "fastify";
import type { ProtectOptions as Options, Requirement, Token } from "./index.js";

export type { Names, ProtectErrorCode, Requirement, Token, TokenClaims } from "./index.js";
export { ProtectError } from "./index.js";

declare module "fastify" {
  interface FastifyRequest {
    /** What the token says, behind a guard of `edgemint/protect/fastify`. */
    auth?: Token;
  }
}

/** How requests are let through. */
export type ProtectOptions<Role extends string = string> = Options<Role, FastifyRequest>;

/** A hook that sets `request.auth`, or answers the refusal: `onRequest`, before the body is read. */
export interface Guard<Claims extends object = {}, Role extends string = string> {
  (request: FastifyRequest, reply: FastifyReply): Promise<unknown>;
  /**
   * A stricter guard: this one's requirement and another. They share what they know of the issuer.
   * @throws `EdgemintError` `invalid_options` if nothing is required, or by a name that is not known
   */
  with(requirement: Requirement<Role>): Guard<Claims, Role>;
  /**
   * What this guard, or a stricter one of it, has set as `request.auth`, with its types. Throws if none of
   * them has let the request through, so that a route that was left open does not work.
   */
  token(request: { auth?: Token }): Token<Claims, Role>;
}

/**
 * Sets up a guard. Make it once: it remembers the issuer's keys.
 *
 * @example
 * ```js
 * import Fastify from "fastify";
 * import { protect } from "edgemint/protect/fastify";
 *
 * const guard = protect({ issuer: "https://auth.example.com/contoso", audience: "api://orders" });
 *
 * const app = Fastify();
 * app.get("/orders", { onRequest: guard.with({ roles: "Orders.Read.All" }) }, async (request) => ({
 *   hello: guard.token(request).client_id,
 * }));
 * ```
 *
 * @throws `EdgemintError` `invalid_options`
 */
export declare function protect<Claims extends object = {}, Role extends string = string>(
  options: ProtectOptions<NoInfer<Role>>,
): Guard<Claims, Role>;
