// What an issuer says of itself: RFC 8414.

import { singleFlight } from "../single-flight.js";
import { isSafe, parsed } from "../urls.js";

/** @typedef {(url: string, init?: RequestInit) => Promise<Response>} Fetch */

/** Milliseconds that the issuer has for an answer. */
export const PATIENCE = 5_000;

/**
 * The metadata of an issuer, read when it is first needed, and kept.
 * @param {string} issuer @param {"standard" | "entra"} dialect @param {Fetch} fetch
 */
export function metadataOf(issuer, dialect, fetch) {
  /** @type {Record<string, unknown> | undefined} */
  let known;
  const read = singleFlight(async () => (known = await discover(issuer, dialect, fetch)));
  /** An endpoint by the name that the metadata has for it. @param {string} name */
  return async (name) => {
    const metadata = known ?? (await read());
    const url = parsed(metadata[name]);
    if (url === undefined || !isSafe(url)) throw new Error(`the metadata of ${issuer} has no usable ${name}`);
    return url;
  };
}

/** @param {string} issuer @param {"standard" | "entra"} dialect @param {Fetch} fetch */
async function discover(issuer, dialect, fetch) {
  let response;
  for (const place of places(issuer, dialect)) {
    response = await fetch(place, {
      headers: { accept: "application/json" },
      redirect: "manual",
      signal: AbortSignal.timeout(PATIENCE),
    });
    if (response.status !== 404) break;
    await response.body?.cancel();
  }
  if (response?.status !== 200) throw new Error(`the metadata of ${issuer} is ${response?.status}`);
  const metadata = await response.json();
  // Section 3.3: or else one issuer could speak for another.
  if (metadata?.issuer !== issuer) {
    const own = metadata?.issuer;
    throw new Error(`the metadata of ${issuer} says that it is of ${own}${slashHint(issuer, own)}`);
  }
  return metadata;
}

/** What to do if it is the same issuer but for that. @param {string} issuer @param {unknown} own */
function slashHint(issuer, own) {
  const bare = (/** @type {unknown} */ text) => String(text).replace(/\/$/, "");
  if (bare(issuer) !== bare(own)) return "";
  return `: give \`issuer\` ${issuer.endsWith("/") ? "without" : "with"} the / at the end`;
}

/**
 * Where the metadata is: RFC 8414 section 3.1, else OpenID Connect Discovery section 4, which is all
 * that Entra has.
 * @param {string} issuer @param {"standard" | "entra"} dialect
 */
function places(issuer, dialect) {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, "");
  const openId = `${origin}${path}/.well-known/openid-configuration`;
  if (dialect === "entra") return [openId];
  return [`${origin}/.well-known/oauth-authorization-server${path}`, openId];
}
