// Workers KV as raw workerd knows it, that can be written: a service that speaks KV's HTTP API over a map.
// Nothing expires within a run, and nothing is listed.

/** @type {Map<string, { value: string, metadata: string | null }>} */
const entries = new Map();

export default {
  /** @param {Request} request */
  async fetch(request) {
    const { pathname } = new URL(request.url);
    const key = decodeURIComponent(pathname.slice(1));
    if (request.method === "PUT") {
      const metadata = request.headers.get("CF-KV-Metadata");
      entries.set(key, { value: await request.text(), metadata });
      return new Response();
    }
    if (request.method === "DELETE") {
      entries.delete(key);
      return new Response();
    }
    if (request.method !== "GET" || key === "") return new Response("not here", { status: 501 });
    const entry = entries.get(key);
    if (entry === undefined) return new Response("not found", { status: 404 });
    const { value, metadata } = entry;
    return new Response(value, { headers: metadata === null ? {} : { "CF-KV-Metadata": metadata } });
  },
};
