// workers-oauth-provider by Cloudflare, on workerd, over a KV that is a map in memory.

import { fileURLToPath } from "node:url";
import { freePort, startServer } from "../servers.js";
import { NOTE, contestant, provider, version } from "./shared/workers-oauth-provider.js";

const KV = fileURLToPath(new URL("shared/kv-memory.js", import.meta.url));

/** @type {import("./index.js").Peer} */
export const peer = {
  name: "workers-oauth-provider",
  version,
  platform: "workerd",
  note: `over a KV that is a map in another isolate of the same process; ${NOTE}`,

  async refresh(folder) {
    const port = await freePort();
    const server = await startServer(folder, port, {
      ...(await provider(`http://127.0.0.1:${port}`)),
      namespaces: { OAUTH_KV: { modules: { "kv-memory.js": KV } } },
    });
    return contestant(this.name, server, this.note);
  },
};
