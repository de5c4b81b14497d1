// Written by hand with Hono and jose, on workerd.

import { createHash, randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { bundle, freePort, startServer } from "../servers.js";
import { API, ROLES, credentialsForm, newClient, newKey, verifier, versionOf } from "./shared/client.js";

const WORKER = fileURLToPath(new URL("hono-jose/worker.js", import.meta.url));
const TENANT = "demo";

/** @type {import("./index.js").Peer} */
export const peer = {
  name: "Hono and jose",
  version: `${versionOf("hono")} and ${versionOf("jose")}`,
  platform: "workerd",
  note:
    "written by hand: one grant, one way to authenticate, everything in a map of the isolate; no " +
    "store, no key rotation, no audit event, no limits",

  async clientCredentials(folder) {
    const port = await freePort();
    const origin = `http://127.0.0.1:${port}`;
    const client = newClient();
    const secretHash = createHash("sha256").update(client.secret).digest("base64");
    const assignments = [[API, ROLES]];
    const directory = {
      issuer: origin,
      tenants: [[TENANT, randomUUID()]],
      apis: [[API, ROLES]],
      clients: [{ tenant: TENANT, id: client.id, secretHash, assignments }],
    };
    const server = await startServer(folder, port, {
      modules: await bundle(WORKER),
      bindings: {
        DIRECTORY: JSON.stringify(directory),
        SIGNING_KEY: JSON.stringify(await newKey()),
      },
    });
    const issuer = `${origin}/${TENANT}`;
    const expected = { issuer, audience: API, subject: client.id, typ: "at+jwt" };
    const verify = verifier(`${issuer}/.well-known/jwks.json`, expected, ROLES);
    return {
      name: this.name,
      server,
      url: `${issuer}/oauth2/token`,
      body: credentialsForm(client, { scope: `${API}/.default` }),
      verify: async (answer) => void (await verify(answer)),
      note: this.note,
    };
  },
};
