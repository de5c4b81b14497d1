// Workers KV as raw workerd knows it: a service that speaks KV's HTTP API. It answers reads only,
// from a module, because a warm token request does no I/O at all.

import entries from "./entries.json";

/** @type {Map<string, string>} */
const values = new Map(entries);
const METADATA = { "CF-KV-Metadata": JSON.stringify({ version: "1" }) };

export default {
  /** @param {Request} request */
  fetch(request) {
    if (request.method !== "GET") return new Response("read only", { status: 405 });
    const value = values.get(decodeURIComponent(new URL(request.url).pathname.slice(1)));
    if (value === undefined) return new Response("not found", { status: 404 });
    return new Response(value, { headers: METADATA });
  },
};
