// The service over one of the stores as a process of its own, for a test to have several of, and to
// kill: `node host.js STORE`. STORE is `sqlite:PATH`, or the URL of a Redis or a PostgreSQL. It prints
// where it listens, a line of JSON, and after that what the service says.

import { serve } from "srvx/node";
import { createIssuer } from "../../pkg/node.js";
import { faults, faulty } from "../storm/faults.js";
import { MASTER_KEY, openStore } from "./open.js";

const { store } = await openStore(process.argv[2]);
const stormy = {
  ...store,
  get: faulty(store.get),
  put: faulty(store.put),
  delete: faulty(store.delete),
  list: faulty(store.list),
  commit: store.commit && faulty(store.commit),
};

const issuer = createIssuer({
  baseUrl: "https://auth.example.com",
  masterKey: MASTER_KEY,
  cacheTtl: 1,
  store: stormy,
  // Thousands of refusals are what a storm is made of; a failure of the service is not.
  onEvent: (event) => {
    if (event.reason !== "storage" && event.kind === "failed") console.log(JSON.stringify(event));
  },
});

const server = serve({
  port: 0,
  hostname: "127.0.0.1",
  silent: true,
  gracefulShutdown: false,
  async fetch(request) {
    if (new URL(request.url).pathname === "/faults") {
      Object.assign(faults, await request.json());
      return new Response();
    }
    return issuer.fetch(request);
  },
});
await server.ready();
console.log(JSON.stringify({ url: server.url }));
// Held open: it ends if the test is gone.
process.stdin.resume().once("end", () => process.exit(1));
