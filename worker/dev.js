// `cargo xtask dev`: the worker under a local workerd, with a demo directory to try it on.

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs, parseEnv, styleText } from "node:util";
import { EdgemintError, createIssuer } from "../pkg/node.js";
import { kvStore } from "../pkg/stores/kv.js";
import { localWorker } from "./local.js";

const VARIABLES = ".dev.vars";
const TENANT = "demo";
const API = "api://orders";

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "8787" },
    state: { type: "string", default: ".edgemint/state" },
    facts: { type: "string", default: ".edgemint/demo.json" },
  },
});
const port = Number(values.port);
const { state, facts: FACTS } = values;

/** Ends with a message and no stack trace. @param {string} message @returns {never} */
function fail(message) {
  console.error(`${styleText("red", "error")}: ${message}`);
  process.exit(1);
}

/** @param {string} path @param {string} content @param {number} [mode] */
function write(path, content, mode) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content, { mode });
}

/** The master key of this checkout: made once, read by wrangler too. */
function masterKey() {
  if (!existsSync(VARIABLES)) {
    write(VARIABLES, `MASTER_KEY=${randomBytes(32).toString("base64url")}\n`, 0o600);
    console.error(`${styleText("dim", "\u25b8")} made a master key in ${VARIABLES}`);
  }
  const { MASTER_KEY } = parseEnv(readFileSync(VARIABLES, "utf8"));
  return MASTER_KEY ?? fail(`${VARIABLES} has no line MASTER_KEY=...; add one or remove the file`);
}

/**
 * Registers the demo directory by the same administration that a real one is made with.
 * @param {import("../pkg/index.d.ts").Administration} admin
 * @returns {Promise<{ clientId: string, clientSecret: string }>}
 */
async function createDemo(admin) {
  /** What an earlier start that was cut short has made stays. @param {Promise<unknown>} act */
  const once = (act) =>
    act.catch((error) => {
      if (!(error instanceof EdgemintError && error.code === "exists")) throw error;
    });
  await once(admin.createTenant({ tenant: TENANT, displayName: "Demo" }));
  await once(
    admin.createApi({
      tenant: TENANT,
      identifier: API,
      displayName: "Orders",
      roles: [
        { value: "Orders.Read.All", displayName: "Read every order" },
        { value: "Orders.Write.All", displayName: "Write every order" },
      ],
    }),
  );
  await once(
    admin.createApi({
      tenant: TENANT,
      identifier: "api://invoices",
      displayName: "Invoices",
      roles: [{ value: "Invoices.Read.All", displayName: "Read every invoice" }],
    }),
  );
  const { clientId } = await admin.createApplication({ tenant: TENANT, displayName: "Importer" });
  const { secret } = await admin.addSecret({ tenant: TENANT, clientId, displayName: "demo" });
  await admin.assignRoles({ tenant: TENANT, clientId, api: API, roles: ["Orders.Read.All"] });
  return { clientId, clientSecret: /** @type {string} */ (secret) };
}

/** @param {Record<string, string>} facts */
function show(facts) {
  const bold = (/** @type {string} */ text) => styleText("bold", text);
  const curl = (/** @type {string} */ scope) =>
    [
      `curl -s ${facts.token_endpoint}`,
      "-d grant_type=client_credentials",
      `-d client_id=${facts.client_id}`,
      `-d client_secret=${facts.client_secret}`,
      `-d scope=${scope}`,
    ].join(" \\\n    ");
  console.log(`
${bold(styleText("green", "edgemint"))} is running at ${bold(facts.base_url)}; Ctrl-C stops it

  issuer          ${facts.issuer}
  token endpoint  ${facts.token_endpoint}
  keys            ${facts.jwks_uri}
  application     ${facts.client_id}
  granted         Orders.Read.All on ${facts.api}

${bold("Get a token")}

  ${curl(facts.scope)}

${bold("What to try next")}

  - a role that was not granted (invalid_scope): scope=${facts.api}/Orders.Write.All
  - one role only: scope=${facts.api}/Orders.Read.All
  - the keys that an API verifies with: curl -s ${facts.jwks_uri}
  - an API that asks for the token: node examples/api.js
  - the same facts for a script: ${FACTS}

Refusals and failures appear below as they happen.
`);
}

const key = masterKey();
const baseUrl = `http://127.0.0.1:${port}`;
mkdirSync(state, { recursive: true });
const worker = localWorker({
  port,
  state,
  bindings: { BASE_URL: baseUrl, MASTER_KEY: key, CACHE_TTL: "5" },
  onLine: (line, failed) => (failed ? console.error(line) : console.log(line)),
});

let stopping = false;
async function stop() {
  if (stopping) return;
  stopping = true;
  await worker.dispose();
  console.log("\nstopped");
  process.exit(0);
}
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, stop);
// The command that started this holds its standard input open: when it is gone, so is this.
process.stdin.on("end", stop).resume();

try {
  await worker.ready;
} catch (error) {
  fail(
    /** @type {any} */ (error).code === "EADDRINUSE" || /in use/i.test(String(error))
      ? `port ${port} is taken; stop what listens there or pass --port N`
      : `workerd did not start: ${error}`,
  );
}

const store = kvStore(/** @type {any} */ (await worker.getKVNamespace("DIRECTORY")));
const issuer = createIssuer({ baseUrl, masterKey: key, store });
const kept = join(state, "demo-application.json");
if (!existsSync(kept)) {
  write(kept, JSON.stringify(await createDemo(issuer.admin)), 0o600);
}
const { clientId, clientSecret } = JSON.parse(readFileSync(kept, "utf8"));
const facts = {
  base_url: baseUrl,
  issuer: `${baseUrl}/${TENANT}`,
  token_endpoint: `${baseUrl}/${TENANT}/oauth2/token`,
  jwks_uri: `${baseUrl}/${TENANT}/.well-known/jwks.json`,
  client_id: clientId,
  client_secret: clientSecret,
  scope: `${API}/.default`,
  api: API,
};

// The demo must work before it is shown.
const check = await fetch(facts.token_endpoint, {
  method: "POST",
  body: new URLSearchParams({
    grant_type: "client_credentials",
    client_id: clientId,
    client_secret: clientSecret,
    scope: facts.scope,
  }),
});
if (!check.ok) {
  fail(
    `the demo application gets no token (${check.status} ${await check.text()}); if ${VARIABLES} was ` +
      `made anew, the directory in ${state} belongs to another master key: remove that folder`,
  );
}
write(FACTS, `${JSON.stringify(facts, null, 2)}\n`, 0o600);
show(facts);
