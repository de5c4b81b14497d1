// HTTP on Node, Bun and Deno, with the limits that a server in the open needs, and an end that breaks
// nothing off. `srvx` makes requests and responses of it, over `node:http` on all three: Deno's own server
// has no time limits (a client that sends nothing stays for ever), and Bun's other ones.

import { STATUS_CODES } from "node:http";
import { Server as NetServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { FastResponse, serve } from "srvx/node";
import { CliError, networkReason } from "../cli/errors.js";

/** Seconds that a client has for the head of its request, and for all of it. */
const [HEAD, WHOLE] = [10, 30];
/** Seconds for which an idle connection stays: longer than proxies keep theirs, or they meet closed ones. */
const IDLE = 75;
/** Bytes of a body; the service itself reads less, and says so in its own words. */
const BODY = 8 * 1024 * 1024;
/** Milliseconds for which the connections that are there are still answered, once no new one is taken. */
const LINGER = 500;

/** @typedef {(request: Request) => Promise<Response>} Handler */

/** What is asked of no host: the body of such a request cannot even be read. */
const hostless = () =>
  Response.json(
    { error: "invalid_request", error_description: "the Host header does not name a host" },
    { status: 400, headers: { "cache-control": "no-store" } },
  );

export class Listener {
  #server;
  #handler;
  /** Requests that were not answered yet. */
  pending = 0;
  #isClosing = false;

  /**
   * @param {Handler} handler
   * @param {{ port: number, host: string, tls?: { cert: string, key: string } }} options
   */
  constructor(handler, { port, host, tls }) {
    this.#handler = handler;
    this.#server = serve({
      fetch: (request) => this.#answer(request),
      port,
      hostname: host,
      tls,
      manual: true,
      silent: true,
      gracefulShutdown: false,
      maxRequestBodySize: BODY,
      node: {
        // Nothing here would profit of HTTP/2; its server has not these limits, and cannot be closed so.
        http2: false,
        headersTimeout: HEAD * 1000,
        requestTimeout: WHOLE * 1000,
        keepAliveTimeout: IDLE * 1000,
        connectionsCheckingInterval: 2000,
      },
    });
  }

  /** Begins to listen. @returns {Promise<number>} the port */
  async open() {
    await this.#server.serve();
    await this.#server.ready();
    return Number(new URL(this.#server.url ?? "").port);
  }

  /** @param {Request} request */
  async #answer(request) {
    this.pending += 1;
    try {
      const response = URL.canParse(request.url) ? await this.#handler(request) : hostless();
      const { status, headers, body } = response;
      if (this.#isClosing) headers.set("connection", "close");
      // As a whole, it has a length, and goes out in one piece.
      const whole = body === null || request.method === "HEAD" ? null : await response.arrayBuffer();
      return new FastResponse(whole, { status, statusText: STATUS_CODES[status], headers });
    } finally {
      this.pending -= 1;
    }
  }

  /**
   * Takes no more connections, and finishes what was begun.
   * @param {number} deadline milliseconds
   * @returns {Promise<number>} how many requests were cut off
   */
  async close(deadline) {
    const end = Date.now() + deadline;
    this.#isClosing = true;
    const http = /** @type {import("node:http").Server} */ (this.#server.node?.server);
    if (!http.listening) return 0;
    // The server's own `close` ends idle connections at once, and a request may be on its way on one. On Bun
    // there is no other way.
    const close = /** @type {(done: () => void) => unknown} */ (
      process.versions.bun ? http.close : NetServer.prototype.close
    );
    const closed = new Promise((resolve) => close.call(http, () => resolve(true)));
    // From the last answer on, which may be on its way out: what is left then is no request, or the rest of
    // one that was refused for its length.
    let quiet = Math.min(end, Date.now() + LINGER);
    do {
      if (await Promise.race([closed, sleep(20)])) return 0;
      if (this.pending > 0) quiet = Math.min(end, Date.now() + LINGER);
    } while (Date.now() < quiet);
    const cut = this.pending;
    http.closeAllConnections();
    await Promise.race([closed, sleep(LINGER)]);
    return cut;
  }
}

/** Why it cannot listen, in words. @param {unknown} error @param {{ port: number, host: string }} at */
export function listenFailure(error, { port, host }) {
  const { code, name } = /** @type {NodeJS.ErrnoException} */ (error);
  const why = `${code} ${name}`;
  if (/EADDRINUSE|AddrInUse/.test(why)) {
    return new CliError(`port ${port} of ${host} is taken`, {
      code: "port_taken",
      hint: "Stop what listens there, or give another one: --port N, 0 for a free one",
    });
  }
  const hint = /EACCES|PermissionDenied/.test(why)
    ? "A port below 1024 takes privileges: give another one, --port N"
    : "Check --host and --port";
  return new CliError(`cannot listen at ${host}, port ${port}: ${networkReason(error)}`, { hint });
}
