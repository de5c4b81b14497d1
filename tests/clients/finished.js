// Other programs, run to their end.

import { spawn } from "node:child_process";
import { once } from "node:events";

/**
 * @param {string} program @param {string[]} args
 * @param {{ cwd?: string, env: Record<string, string> }} options
 * @returns {Promise<{ code: number | null, printed: string, out: string }>} all that it printed, and
 *   what of it was on standard output
 */
export async function finished(program, args, options) {
  const child = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  let [printed, out] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text) => ((printed += text), (out += text)));
  child.stderr.setEncoding("utf8").on("data", (text) => (printed += text));
  const [code] = await once(child, "close");
  return { code, printed, out };
}
