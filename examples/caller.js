// A service that calls the API of examples/api.js: asks for a token with oauth4webapi, then calls.
// Start `cargo xtask dev` and `node examples/api.js` first.

import { readFileSync } from "node:fs";
import * as oauth from "oauth4webapi";

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

const facts = settings();
const issuer = new URL(facts.issuer);
// Plain http is for this machine only.
const options = { [oauth.allowInsecureRequests]: issuer.protocol === "http:" };

const server = await oauth.processDiscoveryResponse(
  issuer,
  await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...options }),
);
const client = { client_id: facts.client_id };
const response = await oauth.clientCredentialsGrantRequest(
  server,
  client,
  oauth.ClientSecretBasic(facts.client_secret),
  new URLSearchParams({ scope: facts.scope }),
  options,
);
const { access_token, expires_in, scope } = await oauth.processClientCredentialsResponse(
  server,
  client,
  response,
);
console.log(`a token for ${expires_in} s with ${scope}`);

for (const method of ["GET", "POST"]) {
  const headers = { authorization: `Bearer ${access_token}` };
  const called = await fetch(`${API_URL}/orders`, { method, headers });
  const why = called.headers.get("www-authenticate") ?? "";
  console.log(`${method} /orders: ${called.status} ${await called.text()} ${why}`.trimEnd());
}
