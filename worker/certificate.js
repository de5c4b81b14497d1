// The certificate of `cargo xtask dev --https`: self-signed, and good for this machine's own names only.
// It is kept beside the state, so that what trusts it once goes on trusting it.

import { X509Certificate, createPrivateKey } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { generate } from "selfsigned";

const DAY = 24 * 60 * 60 * 1000;
/** Days that it is good for: clients of Apple's refuse more than 398. */
const LIFETIME = 397;
/** Days before its end from which the next start makes another. */
const RENEWAL = 30;

/** Numbers of RFC 5280's general names. */
const [DNS, IP] = [/** @type {const} */ (2), /** @type {const} */ (7)];

/** Whether the certificate belongs to the key and is good for a while. @param {string} certificate @param {string} key */
function serves(certificate, key) {
  try {
    const read = new X509Certificate(readFileSync(certificate));
    const owned = read.checkPrivateKey(createPrivateKey(readFileSync(key)));
    return owned && Date.parse(read.validTo) - Date.now() > RENEWAL * DAY;
  } catch {
    // One of them is missing, or is not what it should be.
    return false;
  }
}

/**
 * The paths of the certificate and of its key, both made if they are not there or run out soon.
 * @param {string} folder
 */
export async function certificateIn(folder) {
  const paths = { certificate: join(folder, "https-cert.pem"), key: join(folder, "https-key.pem") };
  if (serves(paths.certificate, paths.key)) return paths;
  const made = await generate([{ name: "commonName", value: "localhost" }], {
    keyType: "ec",
    algorithm: "sha256",
    // A clock that is a little behind accepts it too.
    notBeforeDate: new Date(Date.now() - 60 * 60 * 1000),
    notAfterDate: new Date(Date.now() + LIFETIME * DAY),
    extensions: [
      // It vouches for itself and for nothing else.
      { name: "basicConstraints", cA: false, critical: true },
      { name: "keyUsage", digitalSignature: true, critical: true },
      { name: "extKeyUsage", serverAuth: true },
      {
        name: "subjectAltName",
        altNames: [
          { type: DNS, value: "localhost" },
          { type: IP, ip: "127.0.0.1" },
          { type: IP, ip: "::1" },
        ],
      },
    ],
  });
  mkdirSync(folder, { recursive: true });
  writeFileSync(paths.key, made.private, { mode: 0o600 });
  writeFileSync(paths.certificate, made.cert);
  return paths;
}
