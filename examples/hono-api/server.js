// The API on Node, Deno and Bun: `srvx` is the server of each.

import { serve } from "srvx";
import { ordersApi } from "./app.js";

const { ISSUER, AUDIENCE, PORT = "8788" } = process.env;
if (!ISSUER || !AUDIENCE) {
  console.error("error: set ISSUER and AUDIENCE, such as http://127.0.0.1:8787/demo and api://orders");
  process.exit(1);
}

const app = ordersApi({ issuer: ISSUER, audience: AUDIENCE });
const server = serve({
  fetch: (request) => app.fetch(request),
  port: Number(PORT),
  hostname: "127.0.0.1",
  silent: true,
});
await server.ready();
console.log(`${server.url}orders asks for a token`);
