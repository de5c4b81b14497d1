// Ports for programs that must be told one.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:net";

/** The ports from which the system chooses, where somebody wants any: between a look and its use, they go. */
function chosenFrom() {
  try {
    const [first] = readFileSync("/proc/sys/net/ipv4/ip_local_port_range", "utf8").split(/\s+/);
    return Number(first);
  } catch {
    return 32_768;
  }
}

/** Above those of well-known services, and below those of the system's choice where that leaves any. */
const FIRST = 10_100;
const RANGE = Math.max(chosenFrom() - FIRST, 1000);

/**
 * A port of 127.0.0.1 that nobody has, nor those after it, and that nobody gets who has not asked for it.
 * @param {number} [count] how many in a row
 */
export async function freePort(count = 1) {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (RANGE - count));
    /** @type {import("node:net").Server[]} */
    const servers = [];
    try {
      for (let next = 0; next < count; next += 1) {
        const server = createServer().listen(port + next, "127.0.0.1");
        servers.push(server);
        await once(server, "listening");
      }
      return port;
    } catch {
      // One of the row is taken: another try.
    } finally {
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    }
  }
}
