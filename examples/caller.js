// A service that calls the API of examples/api.js: edgemint/client gets the token, and keeps it.
// Start `cargo xtask dev` and `node examples/api.js` first.

import { readFileSync } from "node:fs";
import { tokenSource } from "edgemint/client";

const { ISSUER, CLIENT_ID, CLIENT_SECRET, SCOPE, API_URL = "http://127.0.0.1:8788" } = process.env;

/** From the environment, or as `cargo xtask dev` has written them. */
function settings() {
  if (ISSUER && CLIENT_ID && CLIENT_SECRET && SCOPE) {
    return { issuer: ISSUER, client_id: CLIENT_ID, client_secret: CLIENT_SECRET, scope: SCOPE };
  }
  try {
    return JSON.parse(readFileSync(new URL("../.edgemint/demo.json", import.meta.url), "utf8"));
  } catch {
    console.error("error: run `cargo xtask dev` first, or set ISSUER, CLIENT_ID, CLIENT_SECRET, SCOPE");
    process.exit(1);
  }
}

const { issuer, client_id: clientId, client_secret: clientSecret, scope } = settings();
const source = tokenSource({ issuer, clientId, clientSecret, scope });

const { expiresAt, scope: granted } = await source.get();
console.log(`a token until ${new Date(expiresAt * 1000).toLocaleTimeString()} with ${granted}`);

for (const method of ["GET", "POST"]) {
  const response = await source.fetch(`${API_URL}/orders`, { method });
  const why = response.headers.get("www-authenticate") ?? "";
  console.log(`${method} /orders: ${response.status} ${await response.text()} ${why}`.trimEnd());
}
