// A certificate for HTTPS without a name in public: self-signed, and good for its own names only. It is
// kept, so that what trusts it once goes on trusting it.

import { X509Certificate, createPrivateKey } from "node:crypto";
import { chmodSync, lstatSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { isIP } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { replaceFile } from "./files.js";

const DAY = 24 * 60 * 60 * 1000;
/** Days that it is good for: clients of Apple's refuse more than 398. */
const LIFETIME = 397;
/** Days before its end from which the next start makes another. */
const RENEWAL = 30;
/** Milliseconds after which a process that makes one is taken for dead. */
const MAKING = 10_000;

/** What every certificate here is good for: this machine's own names. */
const OWN_NAMES = ["localhost", "127.0.0.1", "::1"];

/** @param {X509Certificate} certificate @param {string} name */
const covers = (certificate, name) =>
  (isIP(name) === 0 ? certificate.checkHost(name) : certificate.checkIP(name)) !== undefined;

/**
 * Whether the certificate belongs to the key, has the names and is good for a while.
 * @param {string} certificate @param {string} key @param {string[]} names
 */
function serves(certificate, key, names) {
  try {
    // Where a link goes, others may have a say.
    if (![certificate, key].every((path) => lstatSync(path).isFile())) return false;
    const read = new X509Certificate(readFileSync(certificate));
    const owned = read.checkPrivateKey(createPrivateKey(readFileSync(key)));
    const lasts = Date.parse(read.validTo) - Date.now() > RENEWAL * DAY;
    if (!owned || !lasts || !names.every((name) => covers(read, name))) return false;
    if ((lstatSync(key).mode & 0o077) !== 0) chmodSync(key, 0o600);
    return true;
  } catch {
    // One of them is missing, or is not what it should be.
    return false;
  }
}

/**
 * The paths of the certificate and of its key, both made if they are not there or run out soon.
 * @param {string} folder
 * @param {string[]} [names] hosts that it has to have, beside this machine's own names
 */
export async function certificateIn(folder, names = []) {
  const paths = { certificate: join(folder, "https-cert.pem"), key: join(folder, "https-key.pem") };
  const all = [...new Set([...OWN_NAMES, ...names])];
  if (serves(paths.certificate, paths.key, all)) return paths;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Two that start at once would leave the certificate of one, and the key of the other.
  await alone(join(folder, "https.lock"), async () => {
    if (serves(paths.certificate, paths.key, all)) return;
    const { certificate, key } = await selfSigned(all);
    replaceFile(paths.key, key, 0o600);
    replaceFile(paths.certificate, certificate, 0o644);
    if (!serves(paths.certificate, paths.key, all)) throw new Error("someone else writes there");
  });
  return paths;
}

/**
 * Does it while no other process does, of those that agree on the lock.
 * @param {string} lock its path @param {() => Promise<void>} act
 */
async function alone(lock, act) {
  for (const end = Date.now() + 2 * MAKING; ; await sleep(20)) {
    try {
      writeFileSync(lock, "", { mode: 0o600, flag: "wx" });
      break;
    } catch (error) {
      const { code } = /** @type {NodeJS.ErrnoException} */ (error);
      if (code !== "EEXIST" || Date.now() > end) throw error;
    }
    const { mtimeMs } = lstatSync(lock, { throwIfNoEntry: false }) ?? { mtimeMs: Infinity };
    if (Date.now() - mtimeMs > MAKING) rmSync(lock, { force: true });
  }
  try {
    await act();
  } finally {
    rmSync(lock, { force: true });
  }
}

/**
 * A certificate for these names and its key, both in PEM.
 * @param {string[]} names
 */
async function selfSigned(names) {
  const { generate } = await import("selfsigned");
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
      { name: "subjectAltName", altNames: names.map(alternativeName) },
    ],
  });
  return { certificate: made.cert, key: made.private };
}

/** Numbers of RFC 5280's general names. */
const [DNS, IP] = [/** @type {const} */ (2), /** @type {const} */ (7)];

/** @param {string} name */
const alternativeName = (name) =>
  isIP(name) === 0 ? { type: DNS, value: name } : { type: IP, ip: name };
