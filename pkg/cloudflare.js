// What a Worker tells `createIssuer` of its clients.

/** What Cloudflare puts into the header for every Worker that calls from another zone. */
const ANY_WORKER = "2a06:98c0:3600::103";

/** @type {typeof import("./cloudflare.d.ts").clientAddress} */
export function clientAddress(request) {
  // Cloudflare sets it itself, whatever the client sends.
  const address = request.headers.get("cf-connecting-ip");
  return address === ANY_WORKER ? null : address;
}

/** @type {typeof import("./cloudflare.d.ts").rateLimiter} */
export const rateLimiter = (binding) =>
  binding && (async (key) => (await binding.limit({ key })).success);
