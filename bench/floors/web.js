// The sign floor by the servers of Bun and Deno, which serve what a worker has: its `fetch`.

import "./base64.js";
import worker from "./sign.js";

const { Bun, Deno } = /** @type {any} */ (globalThis);
const [hostname, port] = ["127.0.0.1", Number(process.env.PORT)];
if (Bun) Bun.serve({ hostname, port, fetch: worker.fetch });
else Deno.serve({ hostname, port, onListen() {} }, worker.fetch);
