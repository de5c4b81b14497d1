// Performs what the wasm asks for. Every call into wasm is synchronous: it begins operations through
// `Host`, and is resumed with their results (`src/wasm/mod.rs`). If the wasm traps, its instance is
// replaced: the request that trapped answers 500, those that were in flight answer 503, and the next
// one is served.

import { ask } from "./claims.js";
import { EdgemintError } from "./errors.js";
import { logSink } from "./events.js";
import * as subtle from "./subtle.js";
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
 * The log of issuances. Under load, one line tells of many of them: each call of the console costs as much as
 * it takes to make a token's claims, and where logs are stored it has a price.
 */
class IssuanceLog {
  /** Events at most, in one line. */
  static MOST = 64;
  /** Milliseconds that the first of them waits. */
  static WAIT = 50;
  /** Milliseconds after which a timer is taken for lost: its request was cancelled. */
  static PATIENCE = 1000;
  /** Bytes that the events of a line have room in. One event has less than 3,000, by what its texts may have. */
  static ROOM = 32_768;

  /** Events in JSON, with a comma after each. */
  #bytes = new Uint8Array(IssuanceLog.ROOM);
  #used = 0;
  #count = 0;
  /** When a flush is due at the latest. */
  #due = 0;

  /**
   * @param {Uint8Array} event in JSON: a view of bytes that change
   * @param {Uint8Array} more what comes in place of its last brace
   * @param {Call} call that it belongs to
   */
  add(event, more, call) {
    const end = event.length - 1 + more.length;
    if (this.#used + end + 1 > IssuanceLog.ROOM) {
      // The console is somebody else's code, after which the view may be none.
      event = event.slice();
      this.flush();
    }
    // Decoding each of them would cost more than all of the rest.
    this.#bytes.set(event, this.#used);
    this.#bytes.set(more, this.#used + event.length - 1);
    this.#used += end;
    this.#bytes[this.#used] = COMMA;
    this.#used += 1;
    this.#count += 1;
    if (this.#count >= IssuanceLog.MOST) return this.flush();
    const time = Date.now();
    if (time < this.#due) return;
    // Where nobody waits for a timer, the process may be gone by then.
    if (call.context === undefined) return this.flush();
    this.#due = time + IssuanceLog.PATIENCE;
    const waited = new Promise((resolve) => setTimeout(resolve, IssuanceLog.WAIT));
    call.context.waitUntil(waited.then(() => this.flush()));
  }

  flush() {
    this.#due = 0;
    const count = this.#count;
    if (count === 0) return;
    const events = decode(this.#bytes.subarray(0, this.#used - 1));
    this.#used = 0;
    this.#count = 0;
    console.log(`{"edgemint":${count === 1 ? events : `[${events}]`}}`);
  }
}

const COMMA = 0x2c;

/** What comes in place of an event's last brace. @param {string | undefined} location that it came in at */
function ending(location) {
  return location === undefined ? "}" : `,"location":${JSON.stringify(location)}}`;
}

/** @param {Uint8Array} bytes */
function decode(bytes) {
  return new TextDecoder().decode(bytes);
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
  /** Where the issuances of this minute come in, in JSON. */
  #location = new Uint8Array();
  /** The second in which that was looked up. */
  #placed = -60;

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
    if (this.options.onEvent === undefined) this.#issuances.add(event, this.#place(call), call);
    else this.tell(decode(event), call);
  }

  /**
   * Where issuances come in, as their log writes it, looked up once a minute: in an isolate, all of them come
   * in at one place.
   * @param {Call} call
   */
  #place(call) {
    const time = now();
    if (time >= this.#placed + 60) {
      this.#location = new TextEncoder().encode(ending(call.location));
      // Where there is none, it costs as much to find that out.
      this.#placed = time;
    }
    return this.#location;
  }
}

/**
 * Headers that responses have in common, and an empty one of each status: workerd makes a response from another
 * in two thirds of the time that it takes from its parts.
 * @typedef {{ headers: Headers, likes: Record<number, Response> }} Block
 */

/**
 * What the wasm calls: `JsHost` in `src/wasm/host.rs`. Nothing here throws or calls back into wasm.
 */
class Host {
  /**
   * @param {Driver<any>} driver
   * @param {[Store, Store | null]} stores
   * @param {(partition: string, name: string) => void} onWrite
   */
  constructor(driver, stores, onWrite) {
    this.driver = driver;
    this.onWrite = onWrite;
    // The wasm asks the second one only if it was told that there is one.
    this.stores = /** @type {[Store, Store]} */ (stores);
    /** The header blocks that the engine has told, by their numbers. @type {Block[]} */
    this.blocks = [];
  }

  /** @param {Call} call @param {number} id @param {number} store @param {string} partition @param {string} name */
  get(call, id, store, partition, name) {
    const read = attempt(async () => checkFound(await this.stores[store].get(partition, name)));
    this.driver.settle(call, id, read, resumeFound);
  }

  /**
   * @param {Call} call @param {number} id @param {number} number of the store
   * @param {string} partition @param {string} name
   * @param {string} value @param {string} [expected] @param {number} [expiresAt]
   */
  put(call, id, number, partition, name, value, expected, expiresAt) {
    const store = this.stores[number];
    const write = attempt(async () =>
      checkVersion(await store.put(partition, name, value, expected ?? null, expiresAt ?? null)),
    );
    this.driver.settle(call, id, this.#told(number, partition, [name], write), resumeWritten);
  }

  /**
   * Tells of a write to the directory before what waited for it goes on. One that failed may have been
   * carried out all the same.
   * @template T
   * @param {number} number of the store @param {string} partition @param {string[]} names
   * @param {Promise<T>} write
   */
  #told(number, partition, names, write) {
    if (number !== 0) return write;
    return write.finally(() => {
      for (const name of names) this.onWrite(partition, name);
    });
  }

  /**
   * @param {Call} call @param {number} id @param {number} number of the store
   * @param {string} partition @param {string} name @param {string} [expected]
   */
  delete(call, id, number, partition, name, expected) {
    const removal = attempt(async () =>
      checkVersion(await this.stores[number].delete(partition, name, expected ?? null)),
    );
    this.driver.settle(call, id, this.#told(number, partition, [name], removal), resumeWritten);
  }

  /**
   * @param {Call} call @param {number} id @param {number} number of the store
   * @param {string} partition @param {string} text the writes, in JSON
   */
  commit(call, id, number, partition, text) {
    const store = this.stores[number];
    /** @type {import("./index.d.ts").StoreWrite[]} */
    const writes = JSON.parse(text);
    const commit = attempt(async () => {
      const committed = store.commit
        ? await store.commit(partition, writes)
        : await oneByOne(store, partition, writes);
      return checkCommitted(committed, writes.length);
    });
    const names = writes.map(({ name }) => name);
    this.driver.settle(call, id, this.#told(number, partition, names, commit), resumeCommitted);
  }

  /**
   * @param {Call} call @param {number} id @param {number} store
   * @param {string} partition @param {string} prefix @param {string | undefined} cursor
   * @param {number} limit
   */
  list(call, id, store, partition, prefix, cursor, limit) {
    const listing = attempt(async () =>
      checkPage(await this.stores[store].list(partition, prefix, cursor ?? null, limit), limit),
    );
    this.driver.settle(call, id, listing, resumeListed);
  }

  /** @param {Call} call @param {number} id @param {string} partition @param {string} name @param {string} command */
  step(call, id, partition, name, command) {
    const store = /** @type {Required<Store>} */ (this.stores[1]);
    // On the way of every refresh, so without a promise of our own.
    try {
      this.driver.settle(call, id, store.step(partition, name, command), resumeStepped);
    } catch (error) {
      this.driver.settle(call, id, Promise.reject(error), resumeStepped);
    }
  }

  /** @param {Call} call @param {number} id @param {string} algorithm */
  generate(call, id, algorithm) {
    this.driver.settle(call, id, subtle.generate(algorithm), resumeGenerated);
  }

  /** @param {Call} call @param {number} id @param {string} algorithm @param {Uint8Array} pkcs8 */
  import(call, id, algorithm, pkcs8) {
    // A copy: the bytes are wasm memory, and are wiped there once this returns.
    this.driver.settle(call, id, subtle.importKey(algorithm, pkcs8.slice()), resumeImported);
  }

  /**
   * @param {Call} call @param {number} id @param {subtle.ImportedKey} key
   * @param {Uint8Array<ArrayBuffer>} message
   */
  sign(call, id, key, message) {
    this.driver.settle(call, id, subtle.sign(key, message), resumeBytes);
  }

  /**
   * @param {Call} call @param {number} id @param {Uint8Array<ArrayBuffer>} key
   * @param {Uint8Array<ArrayBuffer>} nonce @param {string} context @param {Uint8Array<ArrayBuffer>} plain
   */
  encrypt(call, id, key, nonce, context, plain) {
    // Copies, here and below: the bytes are wasm memory, and the key is imported first.
    const encrypted = subtle.encrypt(key.slice(), nonce.slice(), context, plain.slice());
    this.driver.settle(call, id, encrypted, resumeBytes);
  }

  /**
   * @param {Call} call @param {number} id @param {Uint8Array<ArrayBuffer>} key
   * @param {Uint8Array<ArrayBuffer>} nonce @param {string} context @param {Uint8Array<ArrayBuffer>} sealed
   */
  decrypt(call, id, key, nonce, context, sealed) {
    const decrypted = subtle.decrypt(key.slice(), nonce.slice(), context, sealed.slice());
    this.driver.settle(call, id, decrypted, resumeWiped);
  }

  /**
   * @param {Call} call @param {number} id @param {string} algorithm @param {string} jwk
   * @param {Uint8Array<ArrayBuffer>} message @param {Uint8Array<ArrayBuffer>} signature
   */
  verify(call, id, algorithm, jwk, message, signature) {
    // Copies: the key is imported first, and the bytes are wasm memory.
    const verified = subtle.verify(algorithm, jwk, message.slice(), signature.slice());
    this.driver.settle(call, id, verified, resumeVerified);
  }

  /** @param {number} block @param {string} text names and values, a line each */
  headers(block, text) {
    const lines = text.split("\n");
    const headers = new Headers();
    for (let at = 0; at < lines.length; at += 2) headers.append(lines[at], lines[at + 1]);
    this.blocks[block] = { headers, likes: {} };
  }

  /**
   * @param {import("./issuer.js").RequestCall} call @param {number} status @param {number} block
   * @param {Uint8Array<ArrayBuffer>} body @param {boolean} refresh
   */
  respond(call, status, block, body, refresh) {
    const { headers, likes } = this.blocks[block];
    call.respond(status, (likes[status] ??= new Response(null, { status, headers })), body, refresh);
  }

  /** @param {import("./issuer.js").OutcomeCall} call @param {string} outcome */
  done(call, outcome) {
    call.done(JSON.parse(outcome));
  }

  /** @param {import("./issuer.js").OutcomeCall} call @param {string} code @param {string} message */
  refused(call, code, message) {
    call.refused(code, message);
  }

  /** @param {Call | undefined} call @param {string} event */
  event(call, event) {
    try {
      this.driver.tell(event, call);
    } catch (error) {
      lost(error);
    }
  }

  /** @param {Call} call @param {Uint8Array} event */
  issued(call, event) {
    try {
      this.driver.tellIssued(event, call);
    } catch (error) {
      lost(error);
    }
  }

  /** @param {Call} call @param {number} id @param {string} claim */
  limit(call, id, claim) {
    const { rateLimit } = /** @type {Required<import("./index.d.ts").IssuerOptions>} */ (this.driver.options);
    const counted = attempt(async () => {
      const within = await rateLimit(claim);
      if (typeof within !== "boolean") throw new TypeError("rateLimit did not say true or false");
      return within;
    });
    this.driver.settle(call, id, counted, resumeVerified);
  }

  /** @param {Call} call @param {number} id @param {string} context of a token */
  claims(call, id, context) {
    this.driver.settle(call, id, ask(this.driver.options, context), resumeClaimed);
  }
}

/** What the runtime throws must not unwind through the wasm, nor undo what was done. @param {unknown} error */
function lost(error) {
  console.error("edgemint: an event was lost", error);
}

// A store is somebody else's code: one that returns something else than `Store` in `index.d.ts` says
// fails its operation, and does not get as far as the wasm.

const BREACH = "the store returned something else than its contract says";
const isText = (/** @type {unknown} */ value) => typeof value === "string";

/** @param {boolean} kept */
function contract(kept) {
  if (!kept) throw new TypeError(BREACH);
}

/** @param {{ value: string, version: string } | null} found */
function checkFound(found) {
  contract(found === null || (isText(found?.value) && isText(found?.version)));
  return found;
}

/** @param {string | null} version */
function checkVersion(version) {
  contract(version === null || isText(version));
  return version;
}

/** @param {import("./index.d.ts").StoreCommit} committed @param {number} count of the writes */
function checkCommitted(committed, count) {
  const { versions, conflict } = committed;
  contract(
    versions === undefined
      ? Number.isInteger(conflict) && conflict >= 0 && conflict < count
      : Array.isArray(versions) && versions.length === count && versions.every(isText),
  );
  return committed;
}

/** @param {{ names: string[], cursor?: string }} page @param {number} limit */
function checkPage(page, limit) {
  const { names, cursor } = page;
  contract(Array.isArray(names) && names.length <= limit && names.every(isText));
  contract(cursor === undefined || isText(cursor));
  return page;
}

/**
 * The writes of a commit to a store that has none: up to the first conflict.
 * @param {Store} store @param {string} partition @param {import("./index.d.ts").StoreWrite[]} writes
 * @returns {Promise<import("./index.d.ts").StoreCommit>}
 */
async function oneByOne(store, partition, writes) {
  /** @type {string[]} */
  const versions = [];
  for (const { name, value, expected, expiresAt } of writes) {
    const version =
      value === null
        ? await store.delete(partition, name, expected)
        : await store.put(partition, name, value, expected, expiresAt);
    if (version === null) return { conflict: versions.length };
    versions.push(version);
  }
  return { versions };
}

// What an operation brought, to the wasm.

/** @param {Engine} engine @param {number} id @param {{ value: string, version: string } | null} found */
function resumeFound(engine, id, found) {
  return engine.resumeFound(id, found?.value, found?.version);
}

/** @param {Engine} engine @param {number} id @param {string | null} version */
function resumeWritten(engine, id, version) {
  return engine.resumeWritten(id, version);
}

/** @param {Engine} engine @param {number} id @param {import("./index.d.ts").StoreCommit} committed */
function resumeCommitted(engine, id, { versions, conflict }) {
  return engine.resumeCommitted(id, versions ?? [], conflict);
}

/** @param {Engine} engine @param {number} id @param {{ names: string[], cursor?: string }} page */
function resumeListed(engine, id, { names, cursor }) {
  return engine.resumeListed(id, names, cursor);
}

/** @param {Engine} engine @param {number} id @param {string} outcome */
function resumeStepped(engine, id, outcome) {
  return isText(outcome) ? engine.resumeStepped(id, outcome) : engine.fail(id, BREACH);
}

/** @param {Engine} engine @param {number} id @param {Awaited<ReturnType<typeof ask>>} claims */
function resumeClaimed(engine, id, claims) {
  return "text" in claims ? engine.resumeStepped(id, claims.text) : engine.fail(id, claims.why);
}

/** @param {Engine} engine @param {number} id @param {boolean} valid */
function resumeVerified(engine, id, valid) {
  return engine.resumeVerified(id, valid);
}

/** @param {Engine} engine @param {number} id @param {{ private: Uint8Array, public: string }} pair */
function resumeGenerated(engine, id, pair) {
  const resumed = engine.resumeGenerated(id, pair.private, pair.public);
  pair.private.fill(0);
  return resumed;
}

/** @param {Engine} engine @param {number} id @param {subtle.ImportedKey} key */
function resumeImported(engine, id, key) {
  return engine.resumeImported(id, key);
}

/** @param {Engine} engine @param {number} id @param {ArrayBuffer} bytes */
function resumeBytes(engine, id, bytes) {
  return engine.resumeBytes(id, new Uint8Array(bytes));
}

/** The same for a secret, which is wiped here. @param {Engine} engine @param {number} id @param {ArrayBuffer} secret */
function resumeWiped(engine, id, secret) {
  const resumed = resumeBytes(engine, id, secret);
  new Uint8Array(secret).fill(0);
  return resumed;
}

/**
 * Begins an operation at once; what it throws becomes its rejection.
 * @template T
 * @param {() => Promise<T>} begin
 */
async function attempt(begin) {
  return begin();
}
