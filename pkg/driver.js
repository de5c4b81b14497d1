// Calls the wasm. Every call into it is synchronous: it begins operations through `Host` (host.js), and is resumed
// with their results (`src/wasm/mod.rs`). If the wasm traps, its instance is replaced: the request that trapped
// answers 500, those that were in flight answer 503, and the next one is served.

import { EdgemintError } from "./errors.js";
import { logSink } from "./events.js";
import { Host } from "./host.js";
import { IssuanceLog, decode, ending } from "./issuance-log.js";
import * as edgemint from "./wasm/edgemint.js";

/**
 * What all modules export (docs/decisions/0009): the token service's engine can do more.
 * @template {Engine} E
 * @typedef {object} Glue
 * @property {{
 *   new (host: any, baseUrl: string, masterKey: string, previousMasterKey: string | undefined,
 *     cacheTtl: number | undefined, cacheCapacity: number | undefined, directory: number,
 *     grants: number, offers: number, bootstrapSecret: string | undefined): E,
 *   maxBody(): number,
 * }} Engine
 * @property {(options: { module: WebAssembly.Module }) => unknown} initSync
 * @property {() => void} __wbg_reset_state
 */

/** @typedef {import("./wasm/administration.js").Engine} Engine */

/**
 * One of the modules: its glue, and the instance that the glue calls.
 * @template {Engine} E
 */
export class Wasm {
  /** Counts the instances; what belongs to an earlier one is dead. */
  generation = 0;
  /** Whether there is an instance that can be called. */
  alive = false;

  /** @param {Glue<E>} glue */
  constructor(glue) {
    this.glue = glue;
  }

  /**
   * Instantiates the wasm: once, and again after a trap.
   * @param {WebAssembly.Module} module
   */
  boot(module) {
    if (this.alive) return;
    if (this.generation === 0) this.glue.initSync({ module });
    else this.glue.__wbg_reset_state();
    this.generation += 1;
    this.alive = true;
  }
}

/** The token service. */
export const tokens = new Wasm(edgemint);

/**
 * A step of a grant, for a store that takes it where it keeps the grant: the texts of both records, or
 * null, and the command as `Store.step` was given it. `value` is to be stored, before `outcome` is told.
 * @param {WebAssembly.Module} module
 * @param {string | null} grant @param {string | null} user @param {string} command
 * @param {number} now seconds since 1970
 * @returns {{ outcome: string, value?: string, expiresAt?: number }}
 */
export function step(module, grant, user, command, now) {
  tokens.boot(module);
  try {
    const answer = edgemint.step(grant ?? undefined, user ?? undefined, command, now);
    const [outcome, expiresAt, value] = answer.split("\n");
    return value === undefined ? { outcome } : { outcome, value, expiresAt: Number(expiresAt) };
  } catch (error) {
    // A text is a refusal; anything else is a trap, and the instance is replaced.
    if (typeof error !== "string") tokens.alive = false;
    throw error;
  }
}

/**
 * Hands an event to a sink, which may be async and may fail.
 * @param {import("./index.d.ts").IssuerEvent} event
 * @param {(event: import("./index.d.ts").IssuerEvent) => unknown} sink
 */
export function hand(event, sink) {
  const report = (/** @type {unknown} */ error) => console.error("edgemint: onEvent failed", error);
  try {
    const done = sink(event);
    if (done !== undefined) Promise.resolve(done).catch(report);
  } catch (error) {
    report(error);
  }
}

export const now = () => Math.floor(Date.now() / 1000);

/** @typedef {import("./index.d.ts").Store} Store */

/** What a store promises and can do, as `Promises` in `src/wasm/host.rs` counts it. @param {Store | null} store */
function promises(store) {
  if (store === null) return 0;
  const { atomic, readYourWrites } = store.guarantees;
  const promised = 1 + (atomic ? 2 : 0) + (readYourWrites ? 4 : 0);
  return promised + (store.step ? 8 : 0) + (store.commit ? 16 : 0);
}

/** What there is beside the stores, as `Offers` in `src/wasm/host.rs` counts it. @param {import("./index.d.ts").IssuerOptions} options */
const offers = ({ issuanceEvents = true, rateLimit, claims }) =>
  (issuanceEvents ? 1 : 0) + (rateLimit ? 2 : 0) + (claims ? 4 : 0);

/** @typedef {{ waitUntil(promise: Promise<unknown>): void }} Waiting */

/** Something that waits for an answer of the wasm. @abstract */
export class Call {
  /** What promises to wait for work that goes on after the answer. @type {Waiting | undefined} */
  context;

  /** Where the request of it came in, if it has one and that is known. @returns {string | undefined} */
  get location() {
    return undefined;
  }

  /** The instance that it was made to is gone. @param {boolean} _trapped by this very call */
  lost(_trapped) {}
}

/**
 * An engine of one of the modules, and the operations that it may ask for.
 * @template {Engine} [E=import("./wasm/edgemint.js").Engine]
 */
export class Driver {
  /** @type {E | undefined} */
  #engine;
  #generation = 0;
  #host;
  #issuances = new IssuanceLog();

  /**
   * @param {WebAssembly.Module} module
   * @param {import("./index.d.ts").IssuerOptions} options
   * @param {Wasm<E>} wasm what `module` is
   * @param {(partition: string, name: string) => void} [onWrite] hears of each write to the directory
   */
  constructor(module, options, wasm = /** @type {any} */ (tokens), onWrite = () => {}) {
    this.module = module;
    this.wasm = wasm;
    this.options = options;
    // Bare KV for the directory is fine; where grants are to live as well, the wasm refuses it.
    const { store, grants = store } = options;
    /** The directory's, and that of the grants. @type {[Store, Store | null]} */
    this.stores = [store, grants || null];
    this.#host = new Host(this, this.stores, onWrite);
    this.engine();
    /** Bytes of the largest body that is worth reading. */
    this.maxBody = wasm.glue.Engine.maxBody();
  }

  /** The engine, if the living instance has one. */
  #living() {
    const { alive, generation } = this.wasm;
    return alive && this.#generation === generation ? this.#engine : undefined;
  }

  /** The engine in the living instance. */
  engine() {
    const living = this.#living();
    if (living !== undefined) return living;
    this.wasm.boot(this.module);
    try {
      const { baseUrl, masterKey, previousMasterKey, cacheTtl, cacheCapacity } = this.options;
      const { bootstrapSecret } = this.options;
      const [directory, grants] = this.stores.map(promises);
      this.#engine = new this.wasm.glue.Engine(
        this.#host,
        baseUrl,
        // Whoever made the issuer has seen to it that there is one.
        /** @type {string} */ (masterKey),
        previousMasterKey || undefined,
        cacheTtl,
        cacheCapacity,
        directory,
        grants,
        offers(this.options),
        bootstrapSecret || undefined,
      );
    } catch (refusal) {
      if (typeof refusal !== "string") throw refusal;
      const [code, message] = refusal.split("\n");
      throw new EdgemintError(/** @type {EdgemintError["code"]} */ (code), message);
    }
    this.#generation = this.wasm.generation;
    return this.#engine;
  }

  /** Whether there is an engine that may remember anything. */
  isLiving() {
    return this.#living() !== undefined;
  }

  /**
   * Calls into the wasm on behalf of `call`.
   * @param {Call} call
   * @param {(engine: E) => unknown} enter
   */
  enter(call, enter) {
    try {
      enter(this.engine());
    } catch (trap) {
      // The next call instantiates it anew; if even that fails, that call is answered here, too.
      this.wasm.alive = false;
      this.#engine = undefined;
      this.emit({ time: now(), kind: "failed", reason: "trap", detail: String(trap), location: call.location });
      call.lost(true);
    }
  }

  /**
   * Waits for an operation and resumes what waits for it, unless its instance is gone by then.
   * @template T
   * @param {Call} call
   * @param {number} id
   * @param {Promise<T>} operation
   * @param {(engine: E, id: number, result: T) => boolean} resume
   */
  settle(call, id, operation, resume) {
    const { wasm } = this;
    const begun = wasm.generation;
    const go = (/** @type {(engine: E) => unknown} */ enter) => {
      if (wasm.alive && begun === wasm.generation) this.enter(call, enter);
      else call.lost(false);
    };
    // What the wasm has given up waiting for is answered here.
    operation.then(
      (result) => go((engine) => resume(engine, id, result) || call.lost(false)),
      (error) => go((engine) => engine.fail(id, String(error)) || call.lost(false)),
    );
  }

  /** Where a request comes from, or nothing. @param {Request} request */
  address(request) {
    try {
      const address = String(this.options.clientAddress?.(request) ?? "");
      // It goes to the wasm as a line.
      if (address.includes("\n")) throw new TypeError("clientAddress returned a line break");
      return address;
    } catch (error) {
      this.emit({ time: now(), kind: "failed", reason: "client_address", detail: String(error) });
      return "";
    }
  }

  /**
   * An event must not disturb the request that it tells of, nor the process: a sink may be async.
   * @param {import("./index.d.ts").IssuerEvent} event
   */
  emit(event) {
    const { onEvent = logSink } = this.options;
    this.#issuances.flush();
    hand(event, onEvent);
  }

  /**
   * The same for an event of the wasm, in JSON. To the log it goes as it is.
   * @param {string} text @param {Call} [call] that it belongs to
   */
  tell(text, call) {
    if (this.options.onEvent !== undefined) {
      const event = JSON.parse(text);
      const location = call?.location;
      if (location !== undefined) event.location = location;
      this.emit(event);
      return;
    }
    const event = `${text.slice(0, -1)}${ending(call?.location)}`;
    this.#issuances.flush();
    // Within a text of it, the quotes would be escaped.
    if (text.includes('"kind":"failed"')) console.error(`{"edgemint":${event}}`);
    else console.log(`{"edgemint":${event}}`);
  }

  /**
   * The same for an access token, by far the most frequent one.
   * @param {Uint8Array} event in JSON: a view of the wasm's memory
   * @param {Call} call that it belongs to
   */
  tellIssued(event, call) {
    if (this.options.onEvent === undefined) this.#issuances.add(event, call);
    else this.tell(decode(event), call);
  }
}
