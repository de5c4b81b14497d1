// What the wasm asks of JavaScript: the operations of the stores, of the keys and of the hooks, which resume it,
// and the answers and events that come out of it.

import { ask } from "./claims.js";
import * as subtle from "./subtle.js";

/** @typedef {import("./driver.js").Call} Call */
/** @typedef {import("./driver.js").Engine} Engine */
/** @typedef {import("./index.d.ts").Store} Store */

/**
 * Headers that responses have in common, and an empty one of each status: workerd makes a response from another
 * in two thirds of the time that it takes from its parts.
 * @typedef {{ headers: Headers, likes: Record<number, Response> }} Block
 */

/**
 * What the wasm calls: `JsHost` in `src/wasm/host.rs`. Nothing here throws or calls back into wasm.
 */
export class Host {
  /**
   * @param {import("./driver.js").Driver<any>} driver
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
