// Files that hold secrets.

import { randomBytes } from "node:crypto";
import { renameSync, rmSync, writeFileSync } from "node:fs";

/**
 * Writes a file at once, whatever is there: nobody reads half of it, and a link is not followed.
 * @param {string} path @param {string} text @param {number} mode
 */
export function replaceFile(path, text, mode) {
  const part = `${path}.${randomBytes(8).toString("hex")}`;
  try {
    writeFileSync(part, text, { mode, flag: "wx" });
    renameSync(part, path);
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  }
}
