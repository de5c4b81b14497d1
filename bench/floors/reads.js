// What the platform costs a first token: a worker that reads the body, and the four records of KV that a first
// token is issued from, three at once and then the API's.

import { kvKey } from "../../pkg/stores/kv-record.js";

/** The tenant of `ours.js`. */
const PARTITION = "directory/demo";

export default {
  /** @param {Request} request @param {{ DIRECTORY: import("@cloudflare/workers-types").KVNamespace }} env */
  async fetch(request, env) {
    const form = new URLSearchParams(await request.text());
    const read = async (/** @type {string} */ name) => {
      const { value } = await env.DIRECTORY.getWithMetadata(kvKey(PARTITION, name), { type: "text", cacheTtl: 30 });
      if (value === null) throw new Error(`there is no ${name}`);
      return value;
    };
    const records = await Promise.all(["tenant", "keys", `application/${form.get("client_id")}`].map(read));
    records.push(await read(`api/${form.get("scope")?.replace("/.default", "")}`));
    return new Response(`${records.length} records`);
  },
};
