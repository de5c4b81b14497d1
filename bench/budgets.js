// The budgets: what may be measured at most, and what we aim at.

/**
 * @typedef {object} Check
 * @property {string} what
 * @property {number} value
 * @property {number | null} [noise] see `Figure`
 * @property {string} [unit]
 * @property {number} budget
 * @property {number} aim
 * @property {boolean} ok whether the budget is met
 */

const FLAT = { budget: 1.1, aim: 1.1 };

/** @satisfies {Record<string, { what: string, unit?: string, budget: number, aim: number }>} */
export const BUDGETS = {
  sign: { what: "client credentials, ES256: ours / sign floor", budget: 1.25, aim: 1.05 },
  hono: { what: "client credentials, ES256: ours / Hono and jose", budget: 0.8, aim: 0.65 },
  oidcProvider: { what: "client credentials, ES256: ours / oidc-provider", budget: 0.45, aim: 0.35 },
  refresh: { what: "refresh with rotation: ours / object floor", budget: 1.4, aim: 1.1 },
  applications: { what: "a token with 1,000,000 applications / with 1", ...FLAT },
  tenants: { what: "a token with 10,000 tenants / with 1", ...FLAT },
  roles: { what: "a token with 1,000 roles on the API / with 1", ...FLAT },
  size: { what: "wasm of the token service, gzip -9", unit: "KB", budget: 150, aim: 90 },
  cold: { what: "instantiate to first token, CPU", unit: "ms", budget: 20, aim: 5 },
};

/**
 * Holds what was measured against its budget.
 * @param {keyof typeof BUDGETS} id
 * @param {number | import("./measure.js").Figure} measured
 * @param {string} [more] said behind what it is
 * @returns {Check}
 */
export function checkOf(id, measured, more = "") {
  const { value, noise } = typeof measured === "number" ? { value: measured, noise: null } : measured;
  const budget = /** @type {{ what: string, unit?: string, budget: number, aim: number }} */ (BUDGETS[id]);
  return { ...budget, what: `${budget.what}${more}`, value, noise, ok: value <= budget.budget };
}
