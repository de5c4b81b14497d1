// Hashes of passwords, by PBKDF2 of WebCrypto: `pbkdf2-sha512$ITERATIONS$SALT$HASH`. A hash says itself how
// it was made, so that new ones can be made otherwise.

import { bytes, text } from "./base64url.js";

/** As many as Workers allow. */
const ITERATIONS = 100_000;

/** @param {string} password @param {Uint8Array<ArrayBuffer>} salt @param {number} iterations */
async function derived(password, salt, iterations) {
  // One password is typed in several ways, which Unicode holds equal.
  const typed = new TextEncoder().encode(password.normalize("NFKC"));
  const key = await crypto.subtle.importKey("raw", typed, "PBKDF2", false, ["deriveBits"]);
  const how = { name: "PBKDF2", hash: "SHA-512", salt, iterations };
  return new Uint8Array(await crypto.subtle.deriveBits(how, key, 512));
}

/** @param {string} password */
export async function hashed(password) {
  const salt = crypto.getRandomValues(new Uint8Array(16));
  const hash = await derived(password, salt, ITERATIONS);
  return ["pbkdf2-sha512", ITERATIONS, text(salt), text(hash)].join("$");
}

/** What the password of nobody is compared with, so that it takes as long. */
const NOBODY = `pbkdf2-sha512$${ITERATIONS}$${"A".repeat(22)}$${"A".repeat(86)}`;

/** @param {string} password @param {string} [stored] */
export async function matches(password, stored = NOBODY) {
  const [name, iterations, salt, hash] = stored.split("$");
  if (name !== "pbkdf2-sha512") throw new Error(`no way to check a password that is stored as ${name}`);
  const [given, due] = [await derived(password, bytes(salt), Number(iterations)), bytes(hash)];
  // Every byte is compared, however early they differ.
  let difference = given.length ^ due.length;
  given.forEach((byte, at) => (difference |= byte ^ due[at]));
  return difference === 0 && stored !== NOBODY;
}
