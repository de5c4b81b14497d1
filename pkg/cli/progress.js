// A bar on standard error, where there is a terminal and something to wait for.

import { coloured, paint } from "./output.js";

/**
 * @param {string} what @param {number} total @param {number} [from] how many are worth a bar
 * @returns {Promise<{ update(done: number): void, stop(): void }>}
 */
export async function progressBar(what, total, from = 50) {
  if (!process.stderr.isTTY || total < from) return { update() {}, stop() {} };
  const { default: progress } = await import("cli-progress");
  const bar = new progress.SingleBar(
    {
      format: `${what} ${paint("cyan", "{bar}", process.stderr)} {percentage}%  {value}/{total}  {eta_formatted} left`,
      stream: process.stderr,
      hideCursor: coloured(process.stderr),
      etaBuffer: 50,
      fps: 10,
    },
    progress.Presets.shades_classic,
  );
  bar.start(total, 0);
  return {
    update: (done) => bar.update(done),
    stop: () => bar.stop(),
  };
}

/** A number that counts up, where the total is not known. @param {string} what */
export function counter(what) {
  if (!process.stderr.isTTY) return { update() {}, stop() {} };
  let [shown, last] = [false, 0];
  return {
    /** @param {number} done */
    update(done) {
      if (done < 2000 || Date.now() - last < 100) return;
      [shown, last] = [true, Date.now()];
      process.stderr.write(`\r${what} ${done.toLocaleString("en")}`);
    },
    stop() {
      if (shown) process.stderr.write("\r\u001b[K");
    },
  };
}
