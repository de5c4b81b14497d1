// `cargo xtask dev`: the worker under a local workerd, with a demo directory to try it on.

import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { parseArgs, parseEnv, styleText } from "node:util";
import { appServer } from "../examples/login/app.js";
import { authorizations } from "../examples/login/authorizations.js";
import { loginServer } from "../examples/login/server.js";
import { listen } from "../examples/login/web.js";
import { certificateIn } from "../pkg/serve/certificate.js";
import {
  ADMIN_SCOPE,
  API,
  DEMO_USER,
  TENANT,
  USER_SCOPE,
  administration,
  authorizationUrl,
  createDemo,
  entraFacts,
  firstAdministrator,
  pkce,
  place,
  signIn,
} from "./demo.js";
import { localWorker } from "./local.js";

const VARIABLES = ".dev.vars";
const STATE = ".edgemint/state";
/** From the worker's port: the login page's, the demo application's. 8788 is that of examples/api.js. */
const LOGIN = 2;
const APP = 3;
/** Seconds for which the worker uses what it has read of the directory. */
const CACHE_TTL = 5;
/** Milliseconds within which issuances are in the log. */
const ISSUANCES = 200;

const { values } = parseArgs({
  options: {
    port: { type: "string", default: "8787" },
    state: { type: "string", default: STATE },
    https: { type: "boolean", default: false },
  },
});
const port = Number(values.port);
const { https } = values;
const state = resolve(values.state);
// Another state folder is another demo, which may run beside the first.
const isMain = state === resolve(STATE);
const FACTS = isMain ? ".edgemint/demo.json" : join(state, "demo.json");

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

/** The secrets of this checkout, read by wrangler too: the master key is made once. */
function secrets() {
  if (!existsSync(VARIABLES)) {
    write(VARIABLES, `MASTER_KEY=${randomBytes(32).toString("base64url")}\n`, 0o600);
    console.error(`${styleText("dim", "\u25b8")} made a master key in ${VARIABLES}`);
  }
  const { MASTER_KEY, BOOTSTRAP_SECRET } = parseEnv(readFileSync(VARIABLES, "utf8"));
  if (!MASTER_KEY) fail(`${VARIABLES} has no line MASTER_KEY=...; add one or remove the file`);
  return { key: MASTER_KEY, ownBootstrapSecret: BOOTSTRAP_SECRET };
}

/** @param {Record<string, string>} facts */
function show(facts) {
  const bold = (/** @type {string} */ text) => styleText("bold", text);
  const lines = (/** @type {string[]} */ ...parts) => parts.join(" \\\n    ");
  const { verifier, challenge } = pkce();
  const curl = https ? `curl -s --cacert '${facts.certificate}'` : "curl -s";
  // Node reads it once, when it starts.
  const trust = `export NODE_EXTRA_CA_CERTS='${facts.certificate}'`;
  const client = `${facts.confidential_client_id}:${facts.confidential_client_secret}`;
  const [userScope] = facts.user_scope.split(" ");
  console.log(`
${bold(styleText("green", "edgemint"))} is running at ${bold(facts.base_url)}; Ctrl-C stops it

  issuer          ${facts.issuer}
  token endpoint  ${facts.token_endpoint}
  keys            ${facts.jwks_uri}
  application     ${facts.client_id}
  granted         Orders.Read.All on ${facts.api}
  login page      ${facts.login_url}

${https ? `${bold("Let Node trust the certificate")}: MSAL, the examples, the command line\n\n  ${trust}\n\n` : ""}\
${bold("Get a token for a service")}

  ${lines(
    `${curl} ${facts.token_endpoint}`,
    "-d grant_type=client_credentials",
    `-d client_id=${facts.client_id}`,
    `-d client_secret=${facts.client_secret}`,
    `-d scope=${facts.scope}`,
  )}

${bold("The same as Microsoft Entra ID's clients ask for it")}${https ? "" : " (its libraries need --https)"}

  ${lines(
    `${curl} ${facts.entra_authority}/oauth2/v2.0/token`,
    "-d grant_type=client_credentials",
    `-d client_id=${facts.client_id}`,
    `-d client_secret=${facts.client_secret}`,
    `-d scope=${facts.scope}`,
  )}

${bold("The same as those of Azure AD B2C ask for it")}

  ${lines(
    `${curl} ${facts.base_url}/${TENANT}.onmicrosoft.com/${facts.b2c_policy}/oauth2/v2.0/token`,
    "-d grant_type=client_credentials",
    `-d client_id=${facts.client_id}`,
    `-d client_secret=${facts.client_secret}`,
    `-d scope=${facts.scope}`,
  )}

${bold("Sign in as a user")}

  Open ${bold(facts.app_url)} in a browser: an application that signs users in, by the login page
  beside it (examples/login).

${bold("Refresh")} (a session of ${DEMO_USER.name} is there already; each answer brings the next token)

  ${lines(
    `${curl} ${facts.token_endpoint}`,
    `-u ${client}`,
    "-d grant_type=refresh_token",
    `-d refresh_token=${facts.refresh_token}`,
  )}

${bold("Get a code without a browser")}, by the same login page, and redeem it

  jar=$(mktemp)
  login=$(${lines(`${curl} -o /dev/null -w '%{redirect_url}'`, `'${authorizationUrl(facts, challenge)}'`)})
  seal=$(curl -s -c $jar "$login" | sed -n 's/.*name="seal" value="\\([^"]*\\)".*/\\1/p')
  back=$(${lines(
    `curl -s -b $jar -o /dev/null -w '%{redirect_url}' ${facts.login_url}`,
    '-d "handle=${login#*handle=}" -d "seal=$seal" -d answer=allow',
    `-d user=${facts.demo_user} -d scope=${userScope}`,
  )})
  rm $jar
  code=$(echo "$back" | sed 's/.*[?&]code=\\([^&]*\\).*/\\1/')
  ${lines(
    `${curl} ${facts.token_endpoint}`,
    `-u ${client}`,
    `-d grant_type=authorization_code -d code=$code -d redirect_uri=${facts.redirect_uri}`,
    `-d code_verifier=${verifier}`,
  )}

${bold("Administer it")}

  export EDGEMINT_URL=${facts.base_url} EDGEMINT_TENANT=${TENANT}
  export EDGEMINT_CLIENT_ID=${facts.admin_client_id}
  export EDGEMINT_CLIENT_SECRET=${facts.admin_client_secret}${https ? `\n  ${trust}` : ""}
  npx edgemint apps list
  npx edgemint events --follow

${bold("What to try next")}

  - a role that was not granted (invalid_scope): scope=${facts.api}/Orders.Write.All
  - one role only: scope=${facts.api}/Orders.Read.All
  - the keys that an API verifies with: ${curl} ${facts.jwks_uri}
  - an API that asks for the token: ${isMain ? "" : `ISSUER=${facts.issuer} AUDIENCE=${facts.api} `}node examples/api.js
  - a refresh token that is spent, more than 10 s later: its session ends (invalid_grant)
  - the same facts for a script: ${FACTS}

What happens from now on appears below, in lines of JSON: tokens (several in a line, if they come
together), changes, refusals, failures.
`);
}

/**
 * Two at once on one state would take the login page and the redirect URI from each other. What was
 * killed left its name behind, and answers no more.
 */
async function claim() {
  const running = join(state, "running.json");
  if (existsSync(running)) {
    const other = JSON.parse(readFileSync(running, "utf8"));
    const answers = await fetch(`${other.url ?? `http://127.0.0.1:${other.port}`}/healthz`).then(
      (response) => response.ok,
      () => false,
    );
    if (answers) {
      fail(
        `${state} is in use by the one at port ${other.port}; stop that one, or pass --state with ` +
          "another folder",
      );
    }
  }
  write(running, JSON.stringify({ port, url: baseUrl }));
}

/** Until the demo is shown, nobody asked for what is done: making it is not news, problems are. */
let isShown = false;
/** Whether it is the event of an act that went well. @param {string} line */
function isDone(line) {
  try {
    return [JSON.parse(line).edgemint].flat().every((event) => event?.kind === "done");
  } catch {
    return false;
  }
}

const { key, ownBootstrapSecret } = secrets();
// Microsoft's clients take an authority by name.
const baseUrl = https ? `https://localhost:${port}` : `http://127.0.0.1:${port}`;
mkdirSync(state, { recursive: true });
const before = join(state, "https-cert.pem");
const tls = https ? await certificateIn(state) : undefined;
const trusted = [tls?.certificate ?? before].filter(existsSync);
// For what is asked of the worker from here, by login page and application too. Without --https as well:
// the one that may be running has perhaps been started with it.
setDefaultCACertificates([
  ...getCACertificates("default"),
  ...trusted.map((path) => readFileSync(path, "utf8")),
]);
await claim();
const keptIn = join(state, "demo-application.json");
/** Good once, and for a directory that has no administrator yet. */
const bootstrapSecret = existsSync(keptIn) ? undefined : randomBytes(32).toString("base64url");
const worker = localWorker({
  port,
  tls,
  state,
  bindings: {
    BASE_URL: baseUrl,
    MASTER_KEY: key,
    CACHE_TTL: String(CACHE_TTL),
    BOOTSTRAP_SECRET: bootstrapSecret ?? ownBootstrapSecret,
  },
  onLine: (line, failed) => {
    if (isShown || !isDone(line)) (failed ? console.error : console.log)(line);
  },
});

/** The login page and the demo application. @type {import("node:http").Server[]} */
const pages = [];

let stopping = false;
async function stop() {
  if (stopping) return;
  stopping = true;
  for (const page of pages) {
    page.close();
    page.closeAllConnections();
  }
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

const issuer = `${baseUrl}/${TENANT}`;
if (bootstrapSecret !== undefined) {
  const first = await firstAdministrator(baseUrl, bootstrapSecret).catch((error) =>
    fail(`the demo directory gets no administrator: ${error.message}`),
  );
  const made = await createDemo(administration(issuer, first)).catch((error) =>
    fail(`the demo directory cannot be made: ${error.message}`),
  );
  write(keptIn, JSON.stringify({ admin: first, ...made }), 0o600);
}
/** @type {import("./demo.js").Kept} */
const kept = JSON.parse(readFileSync(keptIn, "utf8"));
if (kept.admin === undefined) {
  fail(`the demo directory in ${state} is of an earlier version: remove that folder`);
}

const loginUrl = `http://127.0.0.1:${port + LOGIN}/login`;
// By this name, a registered redirect URI is compared whole, with its port.
const appUrl = `http://localhost:${port + APP}/`;
const redirectUri = `${appUrl}callback`;
const admin = administration(issuer, kept.admin);
const isMoved = await place(admin, kept, { loginUrl, redirectUri }).catch((error) =>
  fail(
    `the demo directory cannot be changed: ${error.message}; if ${VARIABLES} was made anew, the ` +
      `directory in ${state} belongs to another master key: remove that folder`,
  ),
);
// The administrator's token has made the worker remember the tenant with the login page of before, or none.
if (isMoved) await sleep(CACHE_TTL * 1000);
const entra = await entraFacts(admin, baseUrl).catch((error) =>
  fail(`${error.message}: it was changed, or made by an earlier version; remove ${state}`),
);
/** @type {Record<string, string>} */
const facts = {
  base_url: baseUrl,
  issuer,
  token_endpoint: `${issuer}/oauth2/token`,
  jwks_uri: `${issuer}/.well-known/jwks.json`,
  client_id: kept.clientId,
  client_secret: kept.clientSecret,
  scope: `${API}/.default`,
  api: API,
  authorization_endpoint: `${issuer}/oauth2/authorize`,
  public_client_id: kept.public.clientId,
  confidential_client_id: kept.confidential.clientId,
  confidential_client_secret: kept.confidential.clientSecret,
  redirect_uri: redirectUri,
  user_scope: USER_SCOPE,
  demo_user: DEMO_USER.subject,
  login_url: loginUrl,
  app_url: appUrl,
  revocation_endpoint: `${issuer}/oauth2/revoke`,
  introspection_endpoint: `${issuer}/oauth2/introspect`,
  refresh_token: "",
  refresh_token_client_id: kept.confidential.clientId,
  admin_client_id: kept.admin.clientId,
  admin_client_secret: kept.admin.clientSecret,
  admin_scope: ADMIN_SCOPE,
  ...entra,
  ...(tls && { certificate: tls.certificate }),
};

// The demo must work before it is shown.
const check = await fetch(facts.token_endpoint, {
  method: "POST",
  body: new URLSearchParams({
    grant_type: "client_credentials",
    client_id: facts.client_id,
    client_secret: facts.client_secret,
    scope: facts.scope,
  }),
});
if (!check.ok) {
  fail(
    `the demo application gets no token (${check.status} ${await check.text()}); if ${VARIABLES} was ` +
      `made anew, the directory in ${state} belongs to another master key: remove that folder`,
  );
}
const authorization = authorizations({ issuer, ...kept.login });
try {
  facts.refresh_token = await signIn(facts, authorization);
} catch (error) {
  fail(`the demo user gets no session: ${error}`);
}

const app = { issuer, clientId: facts.public_client_id, redirectUri, scope: USER_SCOPE };
for (const [page, offset] of /** @type {const} */ ([
  [loginServer({ authorization }), LOGIN],
  [appServer(app), APP],
])) {
  pages.push(page);
  await listen(page, port + offset).catch(() => {
    fail(
      `port ${port + offset} is taken; stop what listens there or pass --port N, ` +
        `with N + ${offset} free too`,
    );
  });
}
write(FACTS, `${JSON.stringify(facts, null, 2)}\n`, 0o600);
// The token of that session is no news either; the log of issuances waits for more of them.
await sleep(ISSUANCES);
show(facts);
isShown = true;
