// The issuer's public keys: fetched by jose, kept while the issuer is down, and never asked for in a storm.

import { createRemoteJWKSet, customFetch, errors } from "jose";
import { whyOf } from "../errors.js";
import { PATIENCE } from "./metadata.js";

/** Milliseconds after which keys are fetched again, so that one that was removed goes. */
const REFRESH = 300_000;
/** Milliseconds for which they serve if that fails: an issuer that is down does not take the API along. */
const KEEP = 3_600_000;
/** Milliseconds between fetches for ids of keys that nobody knows, such as made-up ones. */
const COOLDOWN = 10_000;
/** Milliseconds without a fetch after one that failed. */
const PAUSE = 5_000;

/** The keys could not be had: no token's fault. */
export class KeysError extends Error {}

/**
 * What finds the key of a token.
 * @param {() => Promise<URL>} locate where the keys are
 * @param {import("./metadata.js").Fetch} fetch
 * @returns {import("jose").JWTVerifyGetKey} which rejects with {@link KeysError} if they cannot be had
 */
export function keysAt(locate, fetch) {
  /** @type {import("jose").RemoteJWKSet | undefined} */
  let known;
  let fetchedAt = 0;
  let pausedUntil = 0;
  /** @type {KeysError | undefined} */
  let failure;

  const isPaused = () => Date.now() < pausedUntil;

  /**
   * Does what needs the issuer, but not right after it has failed.
   * @template T @param {() => Promise<T>} act
   */
  async function attempt(act) {
    if (failure !== undefined && isPaused()) throw failure;
    try {
      return await act();
    } catch (cause) {
      if (cause instanceof KeysError) throw cause;
      pausedUntil = Date.now() + PAUSE;
      failure = new KeysError(`the keys of the issuer cannot be had: ${whyOf(cause)}`, { cause });
      throw failure;
    }
  }

  const remote = (/** @type {URL} */ url) =>
    createRemoteJWKSet(url, {
      cacheMaxAge: KEEP,
      cooldownDuration: COOLDOWN,
      timeoutDuration: PATIENCE,
      [customFetch]: (url, init) =>
        attempt(async () => {
          const response = await fetch(url, init);
          if (response.status !== 200) throw new Error(`${url} is ${response.status}`);
          const jwks = await response.json();
          if (!Array.isArray(jwks?.keys)) throw new Error(`${url} has no keys`);
          fetchedAt = Date.now();
          return Response.json(jwks);
        }),
    });

  return async (header, token) => {
    if (known === undefined) {
      const url = await attempt(locate);
      // Whoever waited with others has it from whoever was first.
      known ??= remote(url);
    }
    const keys = known;
    const isOld = fetchedAt > 0 && Date.now() >= fetchedAt + REFRESH;
    // Whoever comes first waits; if it fails, what is known serves until it is too old for jose.
    if (isOld && !keys.reloading && !isPaused()) await keys.reload().catch(() => {});
    try {
      return await keys(header, token);
    } catch (error) {
      if (error instanceof errors.JWKSInvalid) throw new KeysError(error.message, { cause: error });
      throw error;
    }
  };
}
