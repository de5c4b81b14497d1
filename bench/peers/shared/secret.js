// How a worker knows a client's secret by its hash, in constant time.

const encoder = new TextEncoder();
/** Compared with when there is no such client, so that it takes as long. */
const NOBODY = new Uint8Array(32);

/**
 * What workerd has beside the standard.
 * @typedef {SubtleCrypto & { timingSafeEqual(one: BufferSource, other: BufferSource): boolean }} Subtle
 */

/** @param {string} secret @param {Uint8Array<ArrayBuffer> | undefined} hash by SHA-256 */
export async function secretMatches(secret, hash) {
  const subtle = /** @type {Subtle} */ (crypto.subtle);
  const digest = await subtle.digest("SHA-256", encoder.encode(secret));
  return subtle.timingSafeEqual(digest, hash ?? NOBODY) && hash !== undefined;
}
