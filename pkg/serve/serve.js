// `edgemint serve`: the store, the issuer, HTTP, and the end of it, put together.

import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { setTimeout } from "node:timers";
import { CliError, EXIT, networkReason, usage } from "../cli/errors.js";
import { paint, tell } from "../cli/output.js";
import { createIssuer } from "../node.js";
import { addressFinder } from "./address.js";
import { certificateIn } from "./certificate.js";
import { ServedDirectory, nameOf, readFile, writeFacts } from "./directory.js";
import { Listener, listenFailure } from "./listen.js";
import { surviveReaders, tellLog, write } from "./log.js";
import { maintaining } from "./maintenance.js";
import { baseUrlOf, secretsOf, storeOf, textOf, tlsOf } from "./settings.js";
import { isLasting, openStore } from "./stores.js";
import { memoryStore } from "../stores/memory.js";

/** Milliseconds that requests have to be finished once a signal says to stop. */
const DEADLINE = 10_000;

const { version } = createRequire(import.meta.url)("../package.json");
const { bun, deno, node } = process.versions;
const RUNTIME = bun ? `bun ${bun}` : deno ? `deno ${deno}` : `node ${node}`;

/**
 * Serves until a signal says to stop.
 * @param {any} argv
 * @param {import("./settings.js").Environment} env
 */
export async function serve(argv, env) {
  const url = storeOf(argv, env);
  const secrets = secretsOf(argv, env, isLasting(url));
  // Without one, nobody could ever administer what is empty at each start.
  const isEmpty = url === "memory" && argv.directory === undefined;
  const oneTime = isEmpty && !secrets.bootstrapSecret ? randomBytes(32).toString("hex") : undefined;
  secrets.bootstrapSecret ??= oneTime;
  const directory = argv.directory === undefined ? undefined : readFile(argv.directory);
  const tenant = directory && nameOf(directory, argv.tenant);
  const clientAddress = addressFinder(argv.trustProxy);
  const isSelfSigned = argv.https === true && argv.tlsCert === undefined;
  const secure = argv.https === true || argv.tlsCert !== undefined;
  const baseUrl = baseUrlOf(argv, env, secure);
  const { tls, certificate } = await tlsFor(argv, isSelfSigned, baseUrl);
  surviveReaders();

  const opened = await openStore(url, (detail) => tellLog("failed", "store", { detail }));
  /** What goes on after an answer. @type {Set<Promise<unknown>>} */
  const background = new Set();
  const context = {
    waitUntil(/** @type {Promise<unknown>} */ promise) {
      background.add(promise);
      promise.then(
        () => background.delete(promise),
        () => background.delete(promise),
      );
    },
  };
  /** Requests may come before all is ready: they wait. @type {PromiseWithResolvers<import("../index.d.ts").Issuer>} */
  const ready = withResolvers();
  /** @type {(request: Request) => Promise<Response>} */
  let answer = async (request) => (await ready.promise).fetch(request, context);
  const listener = new Listener(
    argv.log === "requests" ? logged((request) => answer(request), clientAddress) : (request) => answer(request),
    { port: argv.port, host: argv.host, tls },
  );
  try {
    const port = await listener.open().catch((error) => {
      throw listenFailure(error, argv);
    });
    const origin = baseUrl(port);
    const options = { baseUrl: origin, ...secrets, cacheTtl: argv.cacheTtl, clientAddress };
    const issuer = issuerOf({ ...options, store: opened.store, onEvent: write });
    const copy = () => {
      const { entries } = /** @type {import("../stores/memory.d.ts").MemoryStore} */ (opened.store);
      return issuerOf({ ...options, store: memoryStore({ entries: entries() }), onEvent: () => {} });
    };
    if (isLasting(url)) await checkKey(issuer, secrets);
    const served = tenant === undefined ? undefined : new ServedDirectory(issuer, tenant, copy);
    const made = (directory && (await served?.create(directory))) ?? [];
    const facts = await served?.facts(origin, certificate);
    ready.resolve(issuer);
    answer = (request) => issuer.fetch(request, context);
    const started = { url: origin, port, store: opened.kind, tenant, certificate };
    // Whoever reads that it has started may send signals at once.
    const stopped = stopSignal();
    let removeFacts = () => {};
    reloading(served, argv.directory, async (made) => {
      if (argv.facts === undefined) showSecrets(made);
      else if (served !== undefined) {
        removeFacts = writeFacts(argv.facts, await served.facts(origin, certificate));
      }
    });
    tellLog("done", "started", { ...started, version, runtime: RUNTIME });
    if (facts !== undefined && argv.facts !== undefined) removeFacts = writeFacts(argv.facts, facts);
    greet(argv, { ...started, made, facts, oneTime });
    const stopMaintaining = maintaining(issuer, tellLog);
    const signal = await stopped;
    removeFacts();
    stopMaintaining();
    tellLog("done", "stopping", { detail: signal });
    const cut = await listener.close(DEADLINE);
    await Promise.race([Promise.allSettled(background), late(1000)]);
    tellLog(cut === 0 ? "done" : "failed", "stopped", cut === 0 ? {} : { cut });
  } catch (error) {
    await listener.close(0).catch(() => {});
    await close(opened);
    throw error;
  }
  await close(opened);
  // Whatever else would keep the process: clients that hold a connection, a timer of a library.
  process.exit(EXIT.ok);
}

/** @param {import("./stores.js").Opened} opened */
async function close(opened) {
  try {
    await Promise.race([opened.close(), late(2000)]);
  } catch (error) {
    tellLog("failed", "store", { detail: `closing: ${networkReason(error)}` });
  }
}

const late = (/** @type {number} */ milliseconds) =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** `Promise.withResolvers`, which Node 20 does not have. @template T @returns {PromiseWithResolvers<T>} */
function withResolvers() {
  /** @type {any} */
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}

/**
 * @param {any} argv @param {boolean} isSelfSigned @param {(port: number) => string} baseUrl
 * @returns {Promise<{ tls?: { cert: string, key: string }, certificate?: string }>} and the path of one
 * that nobody knows yet
 */
async function tlsFor(argv, isSelfSigned, baseUrl) {
  const { tlsCert, tlsKey, state } = argv;
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw usage("--tls-cert and --tls-key belong together");
  }
  if (tlsCert !== undefined) return { tls: tlsOf(tlsCert, tlsKey) };
  if (!isSelfSigned) return {};
  const name = new URL(baseUrl(443)).hostname.replace(/^\[|\]$/g, "");
  try {
    const { certificate, key } = await certificateIn(state, [name]);
    return {
      tls: { cert: textOf("--https", certificate), key: textOf("--https", key) },
      certificate,
    };
  } catch (error) {
    throw new CliError(`cannot keep the certificate in ${state}: ${networkReason(error)}`, {
      hint: "Give a folder that can be written: --state FOLDER",
    });
  }
}

/** @param {import("../index.d.ts").IssuerOptions} options */
function issuerOf(options) {
  try {
    return createIssuer(options);
  } catch (error) {
    const { code, message } = /** @type {import("../index.d.ts").EdgemintError} */ (error);
    if (code === undefined) throw error;
    throw new CliError(message, { exit: EXIT.usage, code });
  }
}

/**
 * Refuses a master key that is not the store's, before anything is made with it.
 * @param {import("../index.d.ts").Issuer} issuer
 * @param {{ previousMasterKey?: string }} secrets with one, a store may be sealed under either
 */
async function checkKey({ admin }, { previousMasterKey }) {
  try {
    const [tenant] = (await admin.listTenants({ limit: 1 })).items;
    if (tenant === undefined || previousMasterKey !== undefined) return;
    const { master, sealedUnder } = await admin.listKeys({ tenant });
    if (sealedUnder.includes(master)) return;
  } catch (error) {
    const { code, message, cause } = /** @type {import("../index.d.ts").EdgemintError} */ (error);
    // The name of a tenant that was never finished.
    if (code === "not_found") return;
    throw new CliError(`the store does not answer: ${cause === undefined ? message : networkReason(error)}`, {
      code: "store",
    });
  }
  throw usage(
    "the store belongs to another master key",
    "Give that one; if it is being rotated, in EDGEMINT_PREVIOUS_MASTER_KEY",
  );
}

/**
 * Says so of every request, when it is answered. The query stays out: handles are in it, and codes.
 * @param {(request: Request) => Promise<Response>} answer
 * @param {(request: Request) => string | undefined} clientAddress
 */
function logged(answer, clientAddress) {
  return async (/** @type {Request} */ request) => {
    const begun = performance.now();
    const address = clientAddress(request);
    const { method, url } = request;
    const response = await answer(request);
    const milliseconds = Math.round((performance.now() - begun) * 10) / 10;
    const [, path = ""] = /^[^:]+:\/\/[^/?#]*([^?#]*)/.exec(url) ?? [];
    const { status } = response;
    tellLog("done", "request", { method, path, status, milliseconds, address });
    return response;
  };
}

/** Resolves with the signal; a second one ends the process at once. @returns {Promise<string>} */
function stopSignal() {
  return new Promise((resolve) => {
    let isStopping = false;
    for (const [signal, number] of /** @type {const} */ ([
      ["SIGINT", 2],
      ["SIGTERM", 15],
    ])) {
      process.on(signal, () => {
        if (isStopping) process.exit(128 + number);
        isStopping = true;
        resolve(signal);
      });
    }
  });
}

/**
 * Reads the file again at each SIGHUP; what is wrong with it changes nothing.
 * @param {ServedDirectory | undefined} served nothing, if there is no file
 * @param {string} path
 * @param {(made: import("./directory.js").Made[]) => Promise<void>} publish tells what is there now
 */
function reloading(served, path, publish) {
  // There, it says that the terminal is gone, and ends the process.
  if (process.stdin.isTTY) return;
  let running = Promise.resolve();
  process.on("SIGHUP", () => {
    if (served === undefined) {
      tellLog("done", "nothing_to_reload", { detail: "SIGHUP reads --directory again, and there is none" });
      return;
    }
    running = running.then(async () => {
      try {
        await publish(await served.reload(readFile(path)));
        tellLog("done", "directory_loaded", { tenant: served.tenant, detail: path });
      } catch (error) {
        const problems = /** @type {any} */ (error).problems ?? [];
        const detail = [String(error), ...problems].join("; ");
        tellLog("failed", "directory", { tenant: served.tenant, detail });
      }
    });
  });
}

/** @param {import("./directory.js").Made[]} made */
function showSecrets(made) {
  for (const { clientId, secret } of made) {
    tell(`  client id ${clientId}  secret ${paint(["bold", "yellow"], secret, process.stderr)}`);
  }
}

/** What people want to know; the log has it for everyone else. @param {any} argv @param {any} started */
function greet(argv, { url, store, certificate, made, facts, oneTime }) {
  const bold = (/** @type {string} */ text) => paint("bold", text, process.stderr);
  if (process.stderr.isTTY) {
    tell(`${bold(paint("green", "edgemint", process.stderr))} serves at ${bold(url)} (${store}); Ctrl-C stops it`);
    if (facts !== undefined) tell(`  issuer ${facts.issuer}\n  tenant id ${facts.tenant_id}`);
    if (certificate !== undefined) tell(`  trust it: export NODE_EXTRA_CA_CERTS=${certificate}`);
  }
  if (oneTime !== undefined) tell(`One-time secret of this start, for \`edgemint init --url ${url}\`: ${oneTime}`);
  if (argv.facts === undefined && made.length > 0) {
    tell(bold("Secrets that were made, of applications for which the file has none; shown only now:"));
    showSecrets(made);
  }
}
