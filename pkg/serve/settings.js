// What `edgemint serve` is told: options, environment, and files that hold secrets.

import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { X509Certificate, createPrivateKey, randomBytes } from "node:crypto";
import { fileReason, usage } from "../cli/errors.js";
import { serviceUrl } from "../cli/profile.js";

/** @typedef {Record<string, string | undefined>} Environment */

/** @param {string} option @param {string} path */
export function textOf(option, path) {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw usage(`${option}: cannot read ${path}: ${fileReason(error)}`);
  }
}

/**
 * A secret: of the variable, or of the file that it names with `_FILE`.
 * @param {string} name @param {Environment} env @param {string} [file] goes before both
 */
function secretOf(name, env, file) {
  if (file !== undefined) return textOf("--master-key-file", file).trim();
  const path = env[`${name}_FILE`];
  if (env[name] && path) throw usage(`${name} and ${name}_FILE are both set`);
  return path ? textOf(`${name}_FILE`, path).trim() : env[name]?.trim() || undefined;
}

const NEW_KEY =
  "Make one with `edgemint serve --new-master-key`, keep it safe, and give it in EDGEMINT_MASTER_KEY or by " +
  "--master-key-file: what the store holds is lost without it";

/**
 * The keys, of which the master key is made up for what is gone with the process.
 * @param {any} argv @param {Environment} env @param {boolean} lasting
 */
export function secretsOf(argv, env, lasting) {
  const masterKey = secretOf("EDGEMINT_MASTER_KEY", env, argv.masterKeyFile);
  if (masterKey === undefined && lasting) throw usage("no master key is set", NEW_KEY);
  return {
    masterKey: masterKey ?? randomBytes(32).toString("base64url"),
    previousMasterKey: secretOf("EDGEMINT_PREVIOUS_MASTER_KEY", env),
    bootstrapSecret: secretOf("EDGEMINT_BOOTSTRAP_SECRET", env),
  };
}

/** The store by its URL. @param {any} argv @param {Environment} env @returns {string} */
export function storeOf(argv, env) {
  if (argv.directory !== undefined) {
    if (argv.store !== undefined && argv.store !== "memory") {
      throw usage(
        "--directory is served from memory: leave --store out",
        "A lasting store is filled by `edgemint apply`",
      );
    }
    return "memory";
  }
  for (const option of ["tenant", "facts"]) {
    if (argv[option] !== undefined) throw usage(`--${option} belongs to --directory`);
  }
  if (argv.store !== undefined && hasPassword(argv.store)) {
    throw usage(
      "--store has a password, which others see in the list of processes",
      "Give the URL in EDGEMINT_STORE instead",
    );
  }
  return argv.store ?? (env.EDGEMINT_STORE || "sqlite:edgemint.db");
}

/**
 * Whether there may be a password in a store's URL, as it is written: some that databases take are no URLs
 * elsewhere. Rather one that has none is refused.
 * @param {string} store
 */
function hasPassword(store) {
  if (/^(?:memory$|sqlite:)/.test(store)) return false;
  const written = [store, store.replace(/%([0-7][0-9a-f])/gi, (_, code) => String.fromCharCode(parseInt(code, 16)))];
  return written.some((text) => /:[^]+@/.test(text.replace(/^[a-z]+:\/\//i, "")) || /pass[^=&]*=|pwd=/i.test(text));
}

/** Addresses at which only this machine can be asked. */
const isLoopback = (/** @type {string} */ host) =>
  host === "localhost" || host === "::1" || /^127\./.test(host);

/**
 * The base URL, once the port is known.
 * @param {any} argv @param {Environment} env @param {boolean} secure
 * @returns {(port: number) => string}
 */
export function baseUrlOf({ host, baseUrl }, env, secure) {
  const given = baseUrl ?? (env.EDGEMINT_BASE_URL || undefined);
  if (given !== undefined) {
    const origin = serviceUrl(given);
    return () => origin;
  }
  if (!isLoopback(host)) {
    throw usage(
      `--base-url is missing: clients cannot call it ${isIP(host) === 0 ? host : "by its address"} unless you say so`,
      "It begins every issuer: https://auth.example.com, or http://localhost:8787 for tests",
    );
  }
  // A certificate is for names, and Microsoft's clients take an authority by name.
  const name = secure ? "localhost" : host === "::1" ? "[::1]" : host;
  return (port) => `http${secure ? "s" : ""}://${name}:${port}`;
}

/**
 * Certificate and key of the files, checked: what the runtimes say of them differs, and little helps.
 * @param {string} certificate @param {string} key paths
 */
export function tlsOf(certificate, key) {
  const [cert, secret] = [textOf("--tls-cert", certificate), textOf("--tls-key", key)];
  let matches;
  try {
    matches = new X509Certificate(cert).checkPrivateKey(createPrivateKey(secret));
  } catch {
    throw usage("--tls-cert and --tls-key are not a certificate and its key in PEM");
  }
  if (!matches) throw usage("--tls-key is not the key of --tls-cert");
  return { cert, key: secret };
}
