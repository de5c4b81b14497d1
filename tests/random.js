// What storms are made of: dice that fall the same way again for the same seed, and a bounded crowd.

/** @param {number} seed */
export function random(seed) {
  // Mulberry32.
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    /** A whole number from 0 to `limit` - 1. @param {number} limit */
    below: (limit) => Math.floor(next() * limit),
    /** @template T @param {readonly T[]} choices @returns {T} */
    pick: (choices) => choices[Math.floor(next() * choices.length)],
  };
}

/** @param {number} milliseconds @returns {Promise<void>} */
export const sleep = (milliseconds) =>
  new Promise((resolve) => setTimeout(resolve, Math.max(0, milliseconds)));

/**
 * Does something with each of them, so many at a time.
 * @template T
 * @param {readonly T[]} items
 * @param {number} atOnce
 * @param {(item: T, at: number) => unknown} act
 */
export async function each(items, atOnce, act) {
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const at = next++;
      await act(items[at], at);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
