// The sign floor: the least that a worker can do to answer a token request. It reads the body,
// signs once with SubtleCrypto and answers 700 bytes. What ours does is measured against it.

const ES256 = { name: "ECDSA", hash: "SHA-256" };

/** About as many bytes as ours signs: a JWT's header and claims, written once. */
const CLAIMS = text(JSON.stringify({ pad: "x".repeat(370) }));
const INPUT = `eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.${CLAIMS}`;
const MESSAGE = new TextEncoder().encode(INPUT);
const HEADERS = {
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

export default {
  /** @param {Request} request */
  async fetch(request) {
    pair ??= await (made ??= makePair());
    if (request.method === "GET") return jwks(pair.publicKey);
    await request.text();
    const signature = await crypto.subtle.sign(ES256, pair.privateKey, MESSAGE);
    const token = `${INPUT}.${base64url(new Uint8Array(signature))}`;
    const body = `{"access_token":"${token}","token_type":"Bearer","expires_in":3600}`;
    return new Response(body, { headers: HEADERS });
  },
};

function makePair() {
  const algorithm = { name: "ECDSA", namedCurve: "P-256" };
  const made = crypto.subtle.generateKey(algorithm, false, ["sign", "verify"]);
  return /** @type {Promise<CryptoKeyPair>} */ (made);
}

/** @param {CryptoKey} key */
async function jwks(key) {
  return Response.json({ keys: [await crypto.subtle.exportKey("jwk", key)] });
}

/** @param {string} value */
function text(value) {
  return base64url(new TextEncoder().encode(value));
}

/** @param {Uint8Array} bytes */
function base64url(bytes) {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}
