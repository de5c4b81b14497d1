// Token buckets: how many questions in vain somebody may cost an object of directories. An object answers
// a few hundred requests a second, and has more to do.

/** Tokens: a second, and at once. */
const RATE = 50;
const BURST = 100;
/** Buckets that are held: those used last. */
const BUCKETS = 10_000;

/** A token is taken before the question, and given back if it was not in vain. */
export class Buckets {
  /** The least recently used first. @type {Map<string, { tokens: number, time: number }>} */
  #buckets = new Map();

  /** @param {string} name */
  has(name) {
    return this.#buckets.has(name);
  }

  /** Makes a bucket if there is none of that name. @param {string} name */
  add(name) {
    if (!this.has(name)) this.#set(name, { tokens: BURST, time: Date.now() });
  }

  /** False if it is empty. @param {string} name */
  take(name) {
    const now = Date.now();
    const { tokens, time } = this.#buckets.get(name) ?? { tokens: BURST, time: now };
    const filled = Math.min(BURST, tokens + (Math.max(0, now - time) / 1000) * RATE);
    const allowed = filled >= 1;
    this.#buckets.delete(name);
    this.#set(name, { tokens: allowed ? filled - 1 : filled, time: now });
    return allowed;
  }

  /** @param {string} name */
  giveBack(name) {
    const bucket = this.#buckets.get(name);
    if (bucket !== undefined) bucket.tokens = Math.min(BURST, bucket.tokens + 1);
  }

  /** @param {string} name @param {{ tokens: number, time: number }} bucket */
  #set(name, bucket) {
    this.#buckets.set(name, bucket);
    if (this.#buckets.size <= BUCKETS) return;
    this.#buckets.delete(/** @type {string} */ (this.#buckets.keys().next().value));
  }
}
