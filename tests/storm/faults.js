// A store that fails as networks and data centres do: a call may be lost before it is performed, or its
// answer after, or be slow on either way.

/** Shares of the calls, 0 to 1. */
export const faults = { before: 0, after: 0, slow: 0, stale: false };
/** Milliseconds. */
const SLOWEST = 20;

const pause = () =>
  /** @type {Promise<void>} */ (
    new Promise((resolve) => setTimeout(resolve, Math.random() * SLOWEST))
  );

/**
 * @template {unknown[]} P, R
 * @param {(...parameters: P) => Promise<R>} call
 * @returns {(...parameters: P) => Promise<R>}
 */
export const faulty =
  (call) =>
  async (...parameters) => {
    const chance = Math.random();
    const { before, after, slow } = faults;
    if (chance < before) throw new Error("lost on the way there");
    if (chance > 1 - slow / 2) await pause();
    const result = await call(...parameters);
    if (chance < before + after) throw new Error("lost on the way back");
    if (chance > 1 - slow) await pause();
    return result;
  };
