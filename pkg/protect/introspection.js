// Whether a token is still good, as the issuer says: RFC 7662.

import * as oauth from "oauth4webapi";
import { isShared } from "../single-flight.js";
import { PATIENCE } from "./metadata.js";

/** How many answers are kept. */
const CAPACITY = 1_000;

/**
 * @typedef {object} Credentials
 * @property {string} clientId
 * @property {string | (() => string | Promise<string>)} clientSecret
 * @property {number} [cacheTtl]
 */

/** @typedef {{ answer: Promise<boolean>, until: number }} Kept */

/**
 * What asks, and remembers the answer for a moment.
 * @param {string} issuer
 * @param {() => Promise<URL>} locate where to ask
 * @param {Credentials} credentials
 * @param {import("./metadata.js").Fetch} fetch
 * @returns {(token: string) => Promise<boolean>} which rejects if there is no answer
 */
export function introspector(issuer, locate, { clientId, clientSecret, cacheTtl = 5 }, fetch) {
  /** The oldest first. @type {Map<string, Kept>} */
  const kept = new Map();
  const client = { client_id: clientId };

  /** @param {string} token */
  async function ask(token) {
    const endpoint = await locate();
    const server = { issuer, introspection_endpoint: endpoint.href };
    const secret = typeof clientSecret === "function" ? await clientSecret() : clientSecret;
    const response = await oauth.introspectionRequest(
      server,
      client,
      oauth.ClientSecretBasic(secret),
      token,
      {
        additionalParameters: { token_type_hint: "access_token" },
        signal: AbortSignal.timeout(PATIENCE),
        // It was looked at before: TLS, or this machine.
        [oauth.allowInsecureRequests]: endpoint.protocol === "http:",
        [oauth.customFetch]: (url, init) => fetch(url, /** @type {RequestInit} */ (init)),
      },
    );
    if (response.status === 401) {
      await response.body?.cancel();
      throw new Error(
        `invalid_client: ${endpoint} knows no ${clientId} with this secret; ` +
          "check introspection.clientId and introspection.clientSecret",
      );
    }
    const { active } = await oauth.processIntrospectionResponse(server, client, response);
    return active;
  }

  return (token) => {
    const now = Date.now();
    const known = kept.get(token);
    if (known !== undefined && now < known.until) return known.answer;
    kept.delete(token);
    const answer = ask(token);
    if (cacheTtl <= 0) return answer;
    const entry = { answer, until: now + cacheTtl * 1000 };
    const keep = () => {
      if (kept.size >= CAPACITY) kept.delete(/** @type {string} */ (kept.keys().next().value));
      kept.set(token, entry);
    };
    // No answer is not one: it is not kept.
    if (isShared) keep();
    answer.then(isShared ? undefined : keep, () => kept.get(token) === entry && kept.delete(token));
    return answer;
  };
}
