// A directory made from nothing: one tenant, one API, one application that may call it. Prints the
// records as `wrangler kv bulk put` takes them: docs/deploy.md says when to run this.
//
//   MASTER_KEY=... node examples/first-application.js --out directory.json
//
// The client id and secret go to standard error, once; the records hold no secret in the clear.

import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { EdgemintError, createIssuer } from "edgemint";
import { memoryStore } from "edgemint/stores/memory";

const { values } = parseArgs({
  options: {
    // The first segment of every path of the tenant.
    tenant: { type: "string", default: "demo" },
    // The API's identifier, and the app roles that it exposes.
    api: { type: "string", default: "api://orders" },
    roles: { type: "string", default: "Orders.Read.All,Orders.Write.All" },
    // The application, and which of the roles it gets: all of them unless named.
    application: { type: "string", default: "First application" },
    assign: { type: "string" },
    // Only for the token request that is printed.
    "base-url": { type: "string", default: "https://auth.example.com" },
    // An earlier output, to which the application is added.
    from: { type: "string" },
    // Where the records go: standard output unless named.
    out: { type: "string" },
  },
});
const { tenant, api } = values;
const baseUrl = values["base-url"];
const roles = values.roles.split(",");
const assigned = values.assign?.split(",") ?? roles;

/** What an earlier run has made stays. @param {Promise<unknown>} act */
async function unlessThere(act) {
  try {
    await act;
  } catch (error) {
    if (!(error instanceof EdgemintError && error.code === "exists")) throw error;
  }
}

async function register() {
  /** @type {{ key: string, value: string }[]} */
  const before = values.from === undefined ? [] : JSON.parse(readFileSync(values.from, "utf8"));
  const store = memoryStore({ entries: before.map(({ key, value }) => [key, value]) });
  const masterKey = process.env.MASTER_KEY ?? "";
  const { admin } = createIssuer({ baseUrl, masterKey, store, grants: false });
  await unlessThere(admin.createTenant({ tenant }));
  await unlessThere(
    admin.createApi({ tenant, identifier: api, roles: roles.map((value) => ({ value })) }),
  );
  const { clientId } = await admin.createApplication({ tenant, displayName: values.application });
  const { secret = "", ends } = await admin.addSecret({ tenant, clientId });
  await admin.assignRoles({ tenant, clientId, api, roles: assigned });
  return { store, clientId, secret, ends };
}

try {
  const { store, clientId, secret, ends } = await register();
  // As pkg/stores/kv.js reads them: the version beside the value.
  const records = store.entries().map(([key, value]) => ({
    key,
    value,
    metadata: { version: randomUUID() },
  }));
  const text = `${JSON.stringify(records, null, 2)}\n`;
  if (values.out === undefined) process.stdout.write(text);
  else writeFileSync(values.out, text, { mode: 0o600 });
  console.error(`client id      ${clientId}
client secret  ${secret}
valid until    ${new Date(ends * 1000).toISOString().slice(0, 10)}
roles          ${assigned.join(" ")} on ${api}

The secret is shown this once. Once the records are stored:

  curl ${baseUrl}/${tenant}/oauth2/token \\
    -d grant_type=client_credentials \\
    -d client_id=${clientId} \\
    -d client_secret=... \\
    -d scope=${api}/.default`);
} catch (error) {
  if (!(error instanceof EdgemintError)) throw error;
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}
