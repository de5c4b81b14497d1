/** What a Cloudflare Worker of your own tells `createIssuer` of its clients. */

/** What is used of a rate limiting binding. */
export interface RateLimiter {
  limit(options: { key: string }): Promise<{ success: boolean }>;
}

/**
 * The address of the client, as Cloudflare sets it: for `clientAddress` of `createIssuer`. Null for a
 * request that some Worker of another zone makes: all of these have one address.
 *
 * A Worker behind a proxy of your own sees the proxy's: take the header then that the proxy sets.
 */
export declare function clientAddress(request: Request): string | null;

/** Counts by a rate limiting binding, if there is one: for `rateLimit` of `createIssuer`. */
export declare function rateLimiter(
  binding: RateLimiter | undefined,
): ((key: string) => Promise<boolean>) | undefined;
