// One ES256 signature over about as many bytes as ours signs: what every floor does, written once.

const ES256 = { name: "ECDSA", hash: "SHA-256" };

/** A JWT's header and claims. */
const CLAIMS = text(JSON.stringify({ pad: "x".repeat(370) }));
const INPUT = `eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.${CLAIMS}`;
const MESSAGE = new TextEncoder().encode(INPUT);

export const HEADERS = {
  "content-type": "application/json",
  "cache-control": "no-store",
  pragma: "no-cache",
};

/**
 * The platform has no entropy before the first request.
 * @type {Promise<CryptoKeyPair> | undefined}
 */
let made;
/** @type {CryptoKeyPair | undefined} */
let pair;

/** A signed token. */
export async function sign() {
  pair ??= await (made ??= makePair());
  const signature = await crypto.subtle.sign(ES256, pair.privateKey, MESSAGE);
  return `${INPUT}.${base64url(new Uint8Array(signature))}`;
}

/** The key that verifies it. */
export async function jwks() {
  pair ??= await (made ??= makePair());
  return Response.json({ keys: [await crypto.subtle.exportKey("jwk", pair.publicKey)] });
}

function makePair() {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const made = crypto.subtle.generateKey(algorithm, false, ["sign", "verify"]);
  return /** @type {Promise<CryptoKeyPair>} */ (made);
}

/** @param {string} value */
function text(value) {
  return base64url(new TextEncoder().encode(value));
}

/** @param {Uint8Array} bytes */
function base64url(bytes) {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}
