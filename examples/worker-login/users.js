// Who may sign in: the table of schema.sql.

import { matches } from "./passwords.js";

/**
 * The user, if the password is theirs.
 * @param {import("@cloudflare/workers-types").D1Database} users
 * @param {string} tenant @param {string} username @param {string} password
 * @returns {Promise<{ subject: string, name: string } | undefined>}
 */
export async function userOf(users, tenant, username, password) {
  const query = "SELECT subject, name, password FROM users WHERE tenant = ? AND username = ?";
  /** @type {{ subject: string, name: string, password: string } | null} */
  const found = await users.prepare(query).bind(tenant, username).first();
  // Also without a user: how long it takes does not tell who is one.
  if (!(await matches(password, found?.password)) || found === null) return undefined;
  return { subject: found.subject, name: found.name };
}
