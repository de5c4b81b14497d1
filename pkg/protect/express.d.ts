/** `edgemint/protect` as middleware of Express 4 and 5. */

import type { IncomingMessage, ServerResponse } from "node:http";
import type { ProtectOptions as Options, Requirement, Token } from "./index.js";

export type { Names, ProtectErrorCode, Requirement, Token, TokenClaims } from "./index.js";
export { ProtectError } from "./index.js";

declare global {
  namespace Express {
    interface Request {
      /** What the token says, behind a guard of `edgemint/protect/express`. */
      auth?: Token;
    }
  }
}

/** How requests are let through. */
export type ProtectOptions<Role extends string = string> = Options<Role, IncomingMessage>;

/** Middleware that sets `req.auth`, or answers the refusal. */
export interface Guard<Claims extends object = {}, Role extends string = string> {
  (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void): Promise<void>;
  /**
   * A stricter guard: this one's requirement and another. They share what they know of the issuer.
   * @throws `EdgemintError` `invalid_options` if nothing is required, or by a name that is not known
   */
  with(requirement: Requirement<Role>): Guard<Claims, Role>;
  /**
   * What this guard, or a stricter one of it, has set as `req.auth`, with its types. Throws if none of
   * them has let the request through, so that a route that was left open does not work.
   */
  token(request: { auth?: Token }): Token<Claims, Role>;
}

/**
 * Sets up a guard. Make it once: it remembers the issuer's keys.
 *
 * @example
 * ```js
 * import express from "express";
 * import { protect } from "edgemint/protect/express";
 *
 * const guard = protect({ issuer: "https://auth.example.com/contoso", audience: "api://orders" });
 *
 * const app = express();
 * app.get("/orders", guard.with({ roles: "Orders.Read.All" }), (req, res) => {
 *   res.json({ hello: guard.token(req).client_id });
 * });
 * ```
 *
 * @throws `EdgemintError` `invalid_options`
 */
export declare function protect<Claims extends object = {}, Role extends string = string>(
  options: ProtectOptions<NoInfer<Role>>,
): Guard<Claims, Role>;
