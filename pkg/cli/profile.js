// Which service, tenant and credentials a command speaks with: stored profiles, and the
// environment.

import { chmod, mkdir, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CliError, EXIT, fileReason, usage } from "./errors.js";

/**
 * @typedef {{ url: string, tenant: string, clientId: string, clientSecret: string }} Profile
 * @typedef {{ current?: string, profiles: Record<string, Profile> }} Config
 * @typedef {Record<string, string | undefined>} Environment
 */

/** Where profiles are kept. @param {Environment} env */
export function configPath(env) {
  if (env.EDGEMINT_CONFIG) return env.EDGEMINT_CONFIG;
  // The base directory specification: a relative path is to be ignored.
  const base = env.XDG_CONFIG_HOME?.startsWith("/") ? env.XDG_CONFIG_HOME : undefined;
  const windows = process.platform === "win32" ? env.APPDATA : undefined;
  return join(base ?? windows ?? join(homedir(), ".config"), "edgemint", "config.json");
}

/**
 * The stored profiles; none if there is no file.
 * @param {Environment} env @param {(hint: string) => void} [warn]
 * @returns {Promise<Config>}
 */
export async function readConfig(env, warn) {
  const path = configPath(env);
  let text;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "ENOENT") return { profiles: {} };
    throw new CliError(`cannot read ${path}: ${fileReason(error)}`);
  }
  if (process.platform !== "win32" && ((await stat(path)).mode & 0o077) !== 0) {
    warn?.(`${path} holds secrets and others can read it: chmod 600 ${path}`);
  }
  try {
    const config = JSON.parse(text);
    if (typeof config?.profiles === "object" && config.profiles !== null) return config;
  } catch {
    // Told below: the two are the same to the user.
  }
  throw usage(`${path} is not a configuration of edgemint`, "Mend it, or move it away");
}

/** How often one looks whether the profiles are free, and when a lock is somebody's who is gone. */
const [LOOK, STALE] = [20, 5000];

/**
 * Changes the stored profiles, one process after another, so that none takes away what another one
 * stored meanwhile.
 * @param {Environment} env
 * @param {(config: Config) => Config} change
 */
export async function updateConfig(env, change) {
  const path = configPath(env);
  const lock = `${path}.lock`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await take(lock);
  } catch (error) {
    throw new CliError(`cannot write ${path}: ${fileReason(error)}`);
  }
  try {
    await writeConfig(path, change(await readConfig(env)));
  } finally {
    await rm(lock, { force: true });
  }
}

/**
 * Makes the file that says that one writes. It is there for milliseconds: the same one for seconds
 * is of a process that was killed. How long is measured here, since its clock may be another's.
 * @param {string} lock
 */
async function take(lock) {
  let [seen, since] = ["", performance.now()];
  for (;;) {
    try {
      await (await open(lock, "wx", 0o600)).close();
      return;
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EEXIST") throw error;
    }
    const there = await stat(lock).catch(() => undefined);
    const which = there === undefined ? "" : `${there.ino} ${there.mtimeMs}`;
    if (which !== seen) [seen, since] = [which, performance.now()];
    else if (which !== "" && performance.now() - since > STALE) await rm(lock, { force: true });
    await sleep(LOOK * (0.5 + Math.random()));
  }
}

/** Stores the profiles, for nobody else to read. @param {string} path @param {Config} config */
async function writeConfig(path, config) {
  const fresh = `${path}.${process.pid}.new`;
  try {
    // A new file, renamed: the secret never lies in a file with another mode, nor half written.
    await rm(fresh, { force: true });
    await writeFile(fresh, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600, flag: "wx" });
    await chmod(fresh, 0o600);
    await rename(fresh, path);
  } catch (error) {
    await rm(fresh, { force: true });
    throw new CliError(`cannot write ${path}: ${fileReason(error)}`);
  }
}

/**
 * Adds a profile, and makes it the current one.
 * @param {Environment} env
 * @param {string} name
 * @param {Profile} profile
 */
export async function storeProfile(env, name, profile) {
  await updateConfig(env, (config) => ({
    ...config,
    profiles: { ...config.profiles, [name]: profile },
    current: name,
  }));
}

/**
 * Refuses the name of a profile that is there, and a place where none can be stored, before
 * anything is made whose secret is shown once.
 * @param {Environment} env
 * @param {string} name
 */
export async function mayStore(env, name) {
  await updateConfig(env, (config) => {
    if (!Object.hasOwn(config.profiles, name)) return config;
    throw new CliError(`there is a profile ${name} already`, {
      exit: EXIT.conflict,
      code: "exists",
      hint: "Call this one otherwise with --profile NAME, or forget that one with `edgemint profiles remove`",
    });
  });
}

/**
 * What a command speaks with. A profile that was named counts as it is; otherwise the environment
 * goes before the current one. A stored secret is only ever sent where it was stored for.
 * @param {Environment} env @param {Config} config @param {string | undefined} name
 * @returns {Profile}
 */
export function resolveProfile(env, config, name) {
  const stored = Object.hasOwn(config.profiles, name ?? config.current ?? "")
    ? config.profiles[name ?? config.current ?? ""]
    : undefined;
  if (name !== undefined) {
    if (stored !== undefined) return stored;
    throw new CliError(`there is no profile ${name}`, {
      exit: EXIT.notFound,
      hint: "See `edgemint profiles`, or store it with `edgemint login`",
    });
  }
  const profile = {
    url: env.EDGEMINT_URL ? serviceUrl(env.EDGEMINT_URL) : stored?.url,
    tenant: env.EDGEMINT_TENANT || stored?.tenant,
    clientId: env.EDGEMINT_CLIENT_ID || stored?.clientId,
  };
  const same =
    profile.url === stored?.url &&
    profile.tenant === stored?.tenant &&
    profile.clientId === stored?.clientId;
  const clientSecret = env.EDGEMINT_CLIENT_SECRET || (same ? stored?.clientSecret : undefined);
  const missing = Object.entries({ ...profile, clientSecret }).filter(([, value]) => !value);
  if (missing.length === 0) return /** @type {Profile} */ ({ ...profile, clientSecret });
  if (missing.length === 4) {
    throw usage(
      "there is no profile",
      "Store one with `edgemint login`, or `edgemint init` for a new tenant",
    );
  }
  const set = overriding(env);
  throw usage(
    `${missing.map(([member]) => VARIABLES[member]).join(" and ")} not set`,
    set.length === 0
      ? undefined
      : `${set.join(", ")} in the environment goes before the profile: ` +
          "set what is missing, unset it, or give --profile NAME",
  );
}

/** What of the environment goes before the current profile. @param {Environment} env */
export const overriding = (env) =>
  ["EDGEMINT_PROFILE", ...Object.values(VARIABLES)].filter((name) => env[name]);

/** @type {Record<string, string>} */
const VARIABLES = {
  url: "EDGEMINT_URL",
  tenant: "EDGEMINT_TENANT",
  clientId: "EDGEMINT_CLIENT_ID",
  clientSecret: "EDGEMINT_CLIENT_SECRET",
};

/** Checks the address of a service. Secrets go there, so not in the clear. @param {string} text */
export function serviceUrl(text) {
  const url = URL.parse?.(text) ?? (URL.canParse(text) ? new URL(text) : null);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw usage(`\`${text}\` is not the address of a service`, "Such as https://auth.example.com");
  }
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "" || url.username !== "") {
    throw usage(`\`${text}\`: give the scheme and the host only`, `Such as ${url.origin}`);
  }
  if (url.protocol === "http:" && !isLoopback(url.hostname)) {
    throw usage(`\`${text}\`: secrets are only sent by https`, "http is for this machine only");
  }
  return url.origin;
}

/** @param {string} host */
const isLoopback = (host) =>
  host === "localhost" || host.endsWith(".localhost") || host === "[::1]" || /^127\./.test(host);
