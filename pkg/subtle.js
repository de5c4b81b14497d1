// Private-key operations by the host's SubtleCrypto. Keys are imported as non-extractable.

/**
 * @typedef {{ key: RsaHashedKeyGenParams | EcKeyGenParams | { name: string },
 *             sign: EcdsaParams | { name: string } }} Parameters
 * @typedef {{ key: CryptoKey, parameters: Parameters["sign"] }} ImportedKey
 */

/** RFC 7518 section 3.1 and RFC 8037 section 3.1 in the terms of WebCrypto. @type {Record<string, Parameters>} */
const ALGORITHMS = {
  ES256: {
    key: { name: "ECDSA", namedCurve: "P-256" },
    sign: { name: "ECDSA", hash: "SHA-256" },
  },
  EdDSA: { key: { name: "Ed25519" }, sign: { name: "Ed25519" } },
  RS256: {
    key: {
      name: "RSASSA-PKCS1-v1_5",
      modulusLength: 2048,
      publicExponent: new Uint8Array([1, 0, 1]),
      hash: "SHA-256",
    },
    sign: { name: "RSASSA-PKCS1-v1_5" },
  },
};

/**
 * Makes a key pair: the private part as PKCS #8, the public one as a JWK in JSON.
 * @param {string} algorithm
 */
export async function generate(algorithm) {
  const parameters = /** @type {EcKeyGenParams} */ (ALGORITHMS[algorithm].key);
  const pair = await crypto.subtle.generateKey(parameters, true, ["sign", "verify"]);
  const { privateKey, publicKey } = /** @type {CryptoKeyPair} */ (pair);
  const [pkcs8, jwk] = await Promise.all([
    crypto.subtle.exportKey("pkcs8", privateKey),
    crypto.subtle.exportKey("jwk", publicKey),
  ]);
  const { kty, crv, x, y, n, e } = /** @type {JsonWebKey} */ (jwk);
  const bytes = new Uint8Array(/** @type {ArrayBuffer} */ (pkcs8));
  return { private: bytes, public: JSON.stringify({ kty, crv, x, y, n, e }) };
}

/**
 * @param {string} algorithm
 * @param {Uint8Array<ArrayBuffer>} pkcs8 wiped once it is imported
 * @returns {Promise<ImportedKey>}
 */
export async function importKey(algorithm, pkcs8) {
  const { key, sign } = ALGORITHMS[algorithm];
  const parameters = /** @type {EcKeyImportParams} */ (key);
  const usages = /** @type {KeyUsage[]} */ (["sign"]);
  try {
    const imported = await crypto.subtle.importKey("pkcs8", pkcs8, parameters, false, usages);
    return { key: imported, parameters: sign };
  } finally {
    pkcs8.fill(0);
  }
}

/**
 * AES-256-GCM with the tag after the ciphertext. The key is wiped here.
 * @param {"encrypt" | "decrypt"} operation
 * @returns {(key: Uint8Array<ArrayBuffer>, nonce: Uint8Array<ArrayBuffer>, context: string,
 *            data: Uint8Array<ArrayBuffer>) => Promise<ArrayBuffer>}
 */
function aes(operation) {
  return async (key, nonce, context, data) => {
    let imported;
    try {
      imported = await crypto.subtle.importKey("raw", key, "AES-GCM", false, [operation]);
    } finally {
      key.fill(0);
    }
    const additionalData = new TextEncoder().encode(context);
    const result = crypto.subtle[operation]({ name: "AES-GCM", iv: nonce, additionalData }, imported, data);
    if (operation === "encrypt") data.fill(0);
    return result;
  };
}

export const encrypt = aes("encrypt");
export const decrypt = aes("decrypt");

/** Public keys that were imported before. The ring of a tenant is short, and so is this. @type {Map<string, CryptoKey>} */
const verifying = new Map();
const MOST_VERIFYING = 100;

/**
 * Whether the JWS signature is that of a public key of edgemint's.
 * @param {string} algorithm
 * @param {string} jwk
 * @param {Uint8Array<ArrayBuffer>} message
 * @param {Uint8Array<ArrayBuffer>} signature
 * @returns {Promise<boolean>}
 */
export async function verify(algorithm, jwk, message, signature) {
  const { key, sign } = ALGORITHMS[algorithm];
  let imported = verifying.get(jwk);
  if (imported === undefined) {
    const parameters = /** @type {EcKeyImportParams} */ (key);
    imported = await crypto.subtle.importKey("jwk", JSON.parse(jwk), parameters, false, ["verify"]);
    if (verifying.size >= MOST_VERIFYING) verifying.clear();
    verifying.set(jwk, imported);
  }
  return crypto.subtle.verify(sign, imported, signature, message);
}

/**
 * The JWS signature. The bytes are copied before this returns: WebCrypto section 14.3.3.
 * @param {ImportedKey} imported
 * @param {Uint8Array<ArrayBuffer>} message
 * @returns {Promise<ArrayBuffer>}
 */
export function sign({ key, parameters }, message) {
  return crypto.subtle.sign(parameters, key, message);
}
