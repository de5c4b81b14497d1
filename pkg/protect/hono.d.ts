/** `edgemint/protect` as middleware of Hono. */

import type { Context, MiddlewareHandler } from "hono";
import type { ProtectOptions as Options, Requirement, Token } from "./index.js";

export type { Names, ProtectErrorCode, Requirement, Token, TokenClaims } from "./index.js";
export { ProtectError } from "./index.js";

/** How requests are let through. */
export type ProtectOptions<Role extends string = string> = Options<Role, Context>;

/** The context's variables behind a guard. */
export interface Protected<Claims extends object = {}, Role extends string = string> {
  Variables: { token: Token<Claims, Role> };
}

/** Middleware that sets `token`, or answers the refusal. */
export interface Guard<Claims extends object = {}, Role extends string = string>
  extends MiddlewareHandler<Protected<Claims, Role>> {
  /**
   * A stricter guard: this one's requirement and another. They share what they know of the issuer.
   * @throws `EdgemintError` `invalid_options` if nothing is required, or by a name that is not known
   */
  with(requirement: Requirement<Role>): Guard<Claims, Role>;
}

/**
 * Sets up a guard. Make it once: it remembers the issuer's keys.
 *
 * @example
 * ```js
 * import { Hono } from "hono";
 * import { protect } from "edgemint/protect/hono";
 *
 * const guard = protect({ issuer: "https://auth.example.com/contoso", audience: "api://orders" });
 *
 * const app = new Hono()
 *   .get("/orders", guard.with({ roles: "Orders.Read.All" }), (c) =>
 *     c.json({ hello: c.get("token").client_id }),
 *   )
 *   .post("/orders", guard.with({ roles: "Orders.Write.All" }), (c) => c.json({}, 201));
 * ```
 *
 * @throws `EdgemintError` `invalid_options`
 */
export declare function protect<Claims extends object = {}, Role extends string = string>(
  options: ProtectOptions<NoInfer<Role>>,
): Guard<Claims, Role>;
