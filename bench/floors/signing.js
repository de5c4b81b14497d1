// One signature over about as many bytes as ours signs: what every floor does, written once.

/** What SubtleCrypto generates and signs with, by a JWT's `alg`: the keys are as long as ours. */
const ALGORITHMS = /** @type {const} */ ({
  ES256: [
    { name: "ECDSA", namedCurve: "P-256" },
    { name: "ECDSA", hash: "SHA-256" },
  ],
  EdDSA: [{ name: "Ed25519" }, { name: "Ed25519" }],
  RS256: [
    {
      name: "RSASSA-PKCS1-v1_5",
      modulusLength: 2048,
      publicExponent: new Uint8Array([1, 0, 1]),
      hash: "SHA-256",
    },
    { name: "RSASSA-PKCS1-v1_5" },
  ],
});

/** @typedef {keyof typeof ALGORITHMS} Algorithm */

/** A JWT's header and claims. @param {Algorithm} alg */
function inputOf(alg) {
  return `${text(JSON.stringify({ alg, typ: "at+jwt" }))}.${text(JSON.stringify({ pad: "x".repeat(370) }))}`;
}

export const HEADERS = {
  "content-type": "application/json",
  "cache-control": "no-store",
  pragma: "no-cache",
};

/**
 * A worker signs with one algorithm. The platform has no entropy before the first request.
 * @type {ReturnType<typeof makeSigner> | undefined}
 */
let made;
/** @type {Awaited<ReturnType<typeof makeSigner>> | undefined} */
let signer;

/** A signed token. @param {Algorithm} [alg] */
export async function sign(alg) {
  const { algorithm, input, message, pair } = (signer ??= await (made ??= makeSigner(alg)));
  const signature = await crypto.subtle.sign(algorithm, pair.privateKey, message);
  return `${input}.${base64url(new Uint8Array(signature))}`;
}

/** The key that verifies it. @param {Algorithm} [alg] */
export async function jwks(alg) {
  const { pair } = (signer ??= await (made ??= makeSigner(alg)));
  const { kty, crv, x, y, n, e } = await crypto.subtle.exportKey("jwk", pair.publicKey);
  return Response.json({ keys: [{ kty, crv, x, y, n, e }] });
}

/** @param {Algorithm} [alg] */
async function makeSigner(alg = "ES256") {
  const [generated, algorithm] = ALGORITHMS[alg];
  const pair = await crypto.subtle.generateKey(generated, false, ["sign", "verify"]);
  const input = inputOf(alg);
  const message = new TextEncoder().encode(input);
  return { algorithm, input, message, pair: /** @type {CryptoKeyPair} */ (pair) };
}

/** @param {string} value */
function text(value) {
  return base64url(new TextEncoder().encode(value));
}

/** @param {Uint8Array} bytes */
function base64url(bytes) {
  return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
}
