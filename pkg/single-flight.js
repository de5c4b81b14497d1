// Calls that overlap share one answer.

/** In Cloudflare's Workers a promise dies with the request that made it, and others would wait for ever. */
export const isShared = globalThis.navigator?.userAgent !== "Cloudflare-Workers";

/**
 * `act`, which is not called again while it is under way. In Cloudflare's Workers it is.
 * @template T
 * @param {() => Promise<T>} act
 * @returns {() => Promise<T>}
 */
export function singleFlight(act) {
  /** @type {Promise<T> | undefined} */
  let pending;
  return () => {
    if (!isShared) return act();
    pending ??= act().finally(() => (pending = undefined));
    return pending;
  };
}
