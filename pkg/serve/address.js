// Who the client is: the address of the connection, or what a proxy that is trusted says.

import { isIP } from "node:net";
import { usage } from "../cli/errors.js";

/** @typedef {Request & { ip?: string }} ServedRequest what `srvx` gives: a request with the peer's address */

/** An IPv4 address that came in over an IPv6 socket is one. @param {string | undefined} address */
const plain = (address) => address?.replace(/^::ffff:(?=\d+\.)/i, "");

/** An address as proxies write it: with a port, in brackets, in quotes. @param {string | undefined} text */
function parse(text = "") {
  const [, bracketed] = /^"?\[([^\]]*)\](?::\d+)?"?$/.exec(text) ?? [];
  const [, ported] = /^"?(\d+(?:\.\d+){3})(?::\d+)?"?$/.exec(text) ?? [];
  const address = bracketed ?? ported ?? text;
  return isIP(address) === 0 ? undefined : plain(address);
}

/**
 * How the client's address is found.
 * @param {string | undefined} trusted the value of `--trust-proxy`
 * @returns {(request: Request) => string | undefined}
 */
export function addressFinder(trusted) {
  const peer = (/** @type {Request} */ request) =>
    plain(/** @type {ServedRequest} */ (request).ip);
  if (trusted === undefined) return peer;
  const [, header, from] = /^([a-z0-9-]+)(?::([1-9]))?$/i.exec(trusted) ?? [];
  if (header === undefined) {
    throw usage(`--trust-proxy ${trusted} is not a header`, "Such as x-forwarded-for or x-real-ip");
  }
  if (header.toLowerCase() === "forwarded") {
    throw usage("--trust-proxy: `Forwarded` is not read", "Let the proxy set x-forwarded-for");
  }
  const place = Number(from ?? 1);
  return (request) => {
    // Each proxy adds who it was asked by at the end; what is before that the client may have made up.
    const addresses = request.headers.get(header)?.split(",") ?? [];
    // Who came around the proxy has no such header.
    return parse(addresses.at(-place)?.trim()) ?? peer(request);
  };
}
