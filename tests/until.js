// Waiting for what comes: a test asks until it is there, and gives up long after any machine would have it.

import assert from "node:assert/strict";

/** Seconds: a machine that is busy with something else is no reason to fail. */
const PATIENCE = 120;

/**
 * Waits until it holds.
 * @param {string} what for whoever reads that it never did @param {() => unknown} holds
 * @param {{ pause?: number }} [options] milliseconds between two looks
 */
export async function until(what, holds, { pause = 20 } = {}) {
  // Not `Date`, which a test may have stopped.
  const end = performance.now() + PATIENCE * 1000;
  while (!(await holds())) {
    assert.ok(performance.now() < end, `${what}: not within ${PATIENCE} s`);
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
