// The `claims` hook of `createIssuer`: somebody else's code between a request and its token. It may throw,
// hang, or return anything; what comes out of here is text for the wasm, which knows the claims that are
// edgemint's own, or why there is none.

import { now } from "./driver.js";

/** Milliseconds that a hook may take, unless `claimsTimeout` says otherwise. */
const TIMEOUT = 2_000;
/** What the core allows, in bytes: what has more characters need not be handed over. */
const MOST = 4_096;
/** Of what a hook throws, as much goes into the event. */
const TOLD = 200;

/** What a hook did that it may not; its text names no value. */
class Breach extends Error {
  name = "claims";
}

/**
 * Asks the hook; never rejects.
 * @param {import("./index.d.ts").IssuerOptions} options with a hook
 * @param {string} context as `Host::claims` in `src/issuer.rs` describes it
 * @returns {Promise<{ text: string } | { why: string }>}
 */
export async function ask({ claims: hook, claimsTimeout = TIMEOUT }, context) {
  const aborting = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  /** @type {Promise<never>} */
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      reject(new Breach(`the hook took longer than ${claimsTimeout} ms`));
      aborting.abort();
    }, claimsTimeout);
  });
  try {
    const told = { ...read(context), signal: aborting.signal };
    // Of the two, the one that loses is still listened to: what it rejects with is nobody's.
    const claims = await Promise.race([/** @type {Function} */ (hook)(told), late]);
    const text = write(claims);
    // The time comes after them: `{...}1795236000`.
    return { text: `${text}${now()}` };
  } catch (error) {
    return { why: explain(error) };
  } finally {
    clearTimeout(timer);
  }
}

/** What the hook is told. @param {string} context */
function read(context) {
  const [tenant, clientId, api, grantType, dialect, policy, scope, subject, claims] = context.split("\n");
  // Each has the API in front, and where there is none, there is `.default`.
  const names = scope.split(" ").map((one) => one.slice(api.length + 1));
  const granted = names.filter((name) => name !== ".default");
  const shared = { tenant, clientId, api, grantType, dialect, ...(policy && { policy }) };
  return subject === ""
    ? { ...shared, roles: granted }
    : { ...shared, subject, scopes: granted, claims: JSON.parse(claims) };
}

/** The claims in JSON, if that says all that they say. @param {unknown} claims */
function write(claims) {
  if (!isPlain(claims)) throw new Breach("the hook returned no plain object");
  const text = JSON.stringify(claims, check);
  if (typeof text !== "string" || !text.startsWith("{")) throw new Breach("the hook returned no plain object");
  if (text.length > MOST) throw new Breach(`the claims are larger than ${MOST} bytes of JSON`);
  return text;
}

/**
 * Refuses what `JSON.stringify` would leave out or make something else of, such as a promise that nobody
 * awaited. (What is `undefined` is not there.)
 * @param {string} key @param {unknown} value
 */
function check(key, value) {
  // Whoever copies such a claim with an assignment gives an object another prototype.
  if (key === "__proto__") throw new Breach("a claim is called `__proto__`");
  const isJson =
    typeof value === "number"
      ? Number.isFinite(value)
      : typeof value === "object"
        ? value === null || Array.isArray(value) || isPlain(value)
        : !["bigint", "function", "symbol"].includes(typeof value);
  if (!isJson) throw new Breach("a claim is not JSON");
  return value;
}

/** Whether it is an object of no class, of whichever realm. @param {unknown} value */
function isPlain(value) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/** For the operator. @param {unknown} error */
function explain(error) {
  try {
    return (error instanceof Breach ? error.message : String(error)).slice(0, TOLD);
  } catch {
    return "the hook threw what has no text";
  }
}
