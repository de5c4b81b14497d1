// The processes that this one has started: proc(5), fields 2 and 4.

import { readFileSync, readdirSync } from "node:fs";

/** Their ids. @param {string} [name] only of the program of that name */
export function children(name) {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
        const [, parent] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
        return Number(parent) === process.pid && (name === undefined || stat.includes(`(${name})`));
      } catch {
        return false;
      }
    });
}
