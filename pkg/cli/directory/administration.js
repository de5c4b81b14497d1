// The administration's own API: it is in every tenant and in no directory, and its app roles are fixed.

import { createRequire } from "node:module";

/** Its identifier. It is not made and not removed. */
export const ADMIN_API = "urn:edgemint:admin";

/**
 * Its app roles, as the description of its routes has them.
 * @returns {{ value: string, displayName: string }[]}
 */
export function adminRoles() {
  // Node 20 warns of JSON modules; and only who asks pays for reading it.
  const { components } = createRequire(import.meta.url)("../../openapi.json");
  const { scopes } = components.securitySchemes.administration.flows.clientCredentials;
  return Object.entries(scopes).map(([scope, displayName]) => ({
    value: scope.slice(ADMIN_API.length + 1),
    displayName,
  }));
}
