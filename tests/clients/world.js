// `edgemint serve` as its users run it, twice: over TLS with the directory in memory, and over plain HTTP
// with SQLite. Beside each of them stands what belongs to the people around it: a login page where the
// user is signed in already and agrees at once, the place to which applications let the browser come
// back, and an API that takes tokens.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { protect } from "../../pkg/protect/index.js";
import { certificateIn } from "../../pkg/serve/certificate.js";

export const root = fileURLToPath(new URL("../../", import.meta.url));
const main = join(root, "pkg/cli/main.js");

/** Who signs in. */
export const USER = "248289761001";
export const USER_SCOPES = "api://orders/Orders.Read api://orders/Orders.Write";
/** What tests are told of each application. @typedef {{ clientId: string, secret: string }} Client */

const secret = () => randomBytes(30).toString("base64url");
/** The applications, by what they are for. */
export const clients = {
  worker: { clientId: "worker", secret: secret() },
  /** Another of that kind: ten wrong secrets of one within a minute are answered 429. */
  job: { clientId: "job", secret: secret() },
  web: { clientId: "web", secret: secret() },
  /** A web application whose port is not known before it runs. */
  site: { clientId: "site", secret: secret() },
  native: { clientId: "native", secret: "" },
  /** Introspects: the API. */
  orders: { clientId: "orders", secret: secret() },
  /** The login page. */
  login: { clientId: "login", secret: secret() },
};

/** @param {string} page where the login page, the callback and the API are */
const directory = (page) => `
tenant:
  name: contoso
  loginUrl: ${page}/login
apis:
  - identifier: api://orders
    roles: [Orders.Read.All, Orders.Write.All]
    scopes: [Orders.Read, Orders.Write]
applications:
  - clientId: worker
    secretFromEnv: SECRET_WORKER
    grantTypes: [client_credentials]
    assignments: { "api://orders": [Orders.Read.All] }
  - clientId: job
    secretFromEnv: SECRET_JOB
    grantTypes: [client_credentials]
    assignments: { "api://orders": [Orders.Read.All] }
  - clientId: web
    secretFromEnv: SECRET_WEB
    redirectUris: ["${page}/callback"]
    grantTypes: [authorization_code, refresh_token]
    # A token that was replaced is spent at once.
    refresh: { mode: rotate, grace: 0 }
  - clientId: site
    secretFromEnv: SECRET_SITE
    redirectUris: ["http://127.0.0.1/callback"]
    grantTypes: [authorization_code, refresh_token]
    refresh: { mode: rotate, grace: 0 }
  - clientId: native
    kind: public
    # Native applications come back at a port of theirs: RFC 8252 section 7.3.
    redirectUris: ["http://127.0.0.1/callback"]
    grantTypes: [authorization_code, refresh_token]
    refresh: { mode: rotate, grace: 0 }
  - clientId: orders
    secretFromEnv: SECRET_ORDERS
    introspects: [api://orders]
  - clientId: login
    secretFromEnv: SECRET_LOGIN
    assignments: { "urn:edgemint:admin": [Authorization.ReadWrite.All] }
`;

const { PATH = "", HOME = "" } = process.env;
const SECRETS = Object.fromEntries(
  Object.entries(clients).map(([name, { secret }]) => [`SECRET_${name.toUpperCase()}`, secret]),
);

/** What stops when the tests are over, the last one first. @type {(() => unknown)[]} */
const stops = [];
const stopAll = async () => {
  for (const stop of stops.reverse()) await stop();
};
after(stopAll);

/** @returns {Promise<string>} */
async function folderOf() {
  const folder = await mkdtemp(join(tmpdir(), "edgemint-clients-"));
  stops.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * Starts the service, and waits until it serves.
 * @param {string} cwd @param {string[]} options @param {Record<string, string>} env
 * @returns {Promise<string>} its URL
 */
async function serve(cwd, options, env) {
  const child = spawn(process.execPath, [main, "serve", "--port", "0", ...options], {
    cwd,
    env: { PATH, HOME, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (printed += text));
  const exited = once(child, "exit");
  stops.push(async () => {
    child.kill("SIGTERM");
    const [code] = await exited;
    assert.equal(code, 0, printed);
  });
  for (let tries = 0; tries < 12_000; tries += 1) {
    const started = printed.split("\n").find((line) => line.includes('"reason":"started"'));
    if (started?.endsWith("}")) return JSON.parse(started).edgemint.url;
    assert.equal(child.exitCode, null, printed);
    await sleep(25);
  }
  return assert.fail(printed);
}

/**
 * Login page, callback and API; what they ask is known once the service is there.
 * @param {{ cert: string, key: string }} [tls]
 */
async function openPage(tls) {
  /** @type {(request: Request) => Promise<Response>} */
  let answer = async () => new Response(null, { status: 503 });
  /** @type {import("node:http").RequestListener} */
  const listener = async (request, response) => {
    const headers = new Headers(/** @type {Record<string, string>} */ (request.headers));
    try {
      const answered = await answer(new Request(`${url}${request.url}`, { headers }));
      response.writeHead(answered.status, Object.fromEntries(answered.headers));
      response.end(await answered.text());
    } catch (error) {
      console.error(error);
      response.writeHead(500).end();
    }
  };
  const server = tls ? createSecureServer(tls, listener) : createServer(listener);
  await once(server.listen(0, "127.0.0.1"), "listening");
  stops.push(() => (server.closeAllConnections(), server.close()));
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const url = tls ? `https://localhost:${port}` : `http://127.0.0.1:${port}`;
  return {
    url,
    /** @param {string} issuer */
    belongsTo(issuer) {
      const guard = protect({ issuer, audience: "api://orders" });
      const orders = guard.handler((_, token) => Response.json({ sub: token.sub }));
      answer = async (request) => {
        const { pathname, searchParams } = new URL(request.url);
        if (pathname === "/orders") return orders(request);
        if (pathname === "/callback") return new Response("Back at the application\n");
        if (pathname !== "/login") return new Response(null, { status: 404 });
        return Response.redirect(await consent(issuer, searchParams.get("handle") ?? ""));
      };
    },
  };
}

/** Says to the administration API who the user is. @param {string} issuer @param {string} handle */
async function consent(issuer, handle) {
  const { clientId, secret } = clients.login;
  const granted = await fetch(`${issuer}/oauth2/token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "client_credentials",
      client_id: clientId,
      client_secret: secret,
      scope: "urn:edgemint:admin/.default",
    }),
  });
  const { access_token: token } = /** @type {any} */ (await granted.json());
  const completed = await fetch(`${issuer}/admin/v1/authorizations/complete`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ handle, subject: USER }),
  });
  const answered = /** @type {any} */ (await completed.json());
  assert.equal(completed.status, 200, JSON.stringify(answered));
  return /** @type {string} */ (answered.redirectTo);
}

/** The whole of it: where the service and what is around it are. */
export class World {
  /** @param {string} base @param {string} page @param {string} [certificate] its path */
  constructor(base, page, certificate) {
    this.issuer = `${base}/contoso`;
    this.page = page;
    this.redirectUri = `${page}/callback`;
    this.api = `${page}/orders`;
    this.certificate = certificate;
  }

  /** For programs that are not in this process. @returns {Record<string, string>} */
  get environment() {
    const { issuer, redirectUri, api, certificate } = this;
    return {
      PATH,
      HOME,
      ...SECRETS,
      ISSUER: issuer,
      REDIRECT_URI: redirectUri,
      API: api,
      USER_ID: USER,
      // As each of them is told whom to trust.
      ...(certificate !== undefined && {
        REQUESTS_CA_BUNDLE: certificate,
        SSL_CERT_FILE: certificate,
        CURL_CA_BUNDLE: certificate,
      }),
    };
  }
}

/** Both of them. */
export async function startWorlds() {
  try {
    return { secure: await secureWorld(), plain: await plainWorld() };
  } catch (error) {
    // Without tests, nothing comes after them.
    await stopAll();
    throw error;
  }
}

/** Over TLS, from memory. */
async function secureWorld() {
  const folder = await folderOf();
  const paths = await certificateIn(folder);
  const cert = readFileSync(paths.certificate, "utf8");
  // What NODE_EXTRA_CA_CERTS does for a process that is not started yet.
  setDefaultCACertificates([...getCACertificates("default"), cert]);
  const page = await openPage({ cert, key: readFileSync(paths.key, "utf8") });
  await writeFile(join(folder, "directory.yaml"), directory(page.url));
  const options = ["--directory", "directory.yaml", "--https", "--state", folder];
  const url = await serve(folder, options, SECRETS);
  page.belongsTo(`${url}/contoso`);
  return new World(url, page.url, paths.certificate);
}

/** Over plain HTTP, with SQLite, where an administrator has applied the same file. */
async function plainWorld() {
  const folder = await folderOf();
  const page = await openPage();
  await writeFile(join(folder, "directory.yaml"), directory(page.url));
  const bootstrap = secret();
  const url = await serve(folder, ["--store", "sqlite:edgemint.db"], {
    EDGEMINT_MASTER_KEY: randomBytes(32).toString("base64url"),
    EDGEMINT_BOOTSTRAP_SECRET: bootstrap,
  });
  const env = {
    PATH,
    HOME,
    NO_COLOR: "1",
    ...SECRETS,
    EDGEMINT_CONFIG: join(folder, "config.json"),
    EDGEMINT_BOOTSTRAP_SECRET: bootstrap,
  };
  for (const args of [
    ["init", "--url", url, "--tenant", "contoso"],
    ["apply", "--file", "directory.yaml", "--yes"],
  ]) {
    await promisify(execFile)(process.execPath, [main, ...args], { cwd: folder, env });
  }
  page.belongsTo(`${url}/contoso`);
  return new World(url, page.url);
}

/**
 * A browser, as far as signing in needs one: it follows redirects, and keeps cookies of each host.
 * @param {string} start
 * @param {string} [end] how the URL begins at which it stops, before it is asked
 * @returns {Promise<{ url: string, response: Response }>} where it arrived
 */
export async function browse(start, end) {
  /** @type {Map<string, Map<string, string>>} */
  const jars = new Map();
  let url = start;
  for (let hops = 0; hops < 10; hops += 1) {
    const { host } = new URL(url);
    const jar = jars.get(host) ?? new Map();
    jars.set(host, jar);
    const cookie = [...jar].map((pair) => pair.join("=")).join("; ");
    const response = await fetch(url, { redirect: "manual", headers: { cookie } });
    for (const set of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]*)=([^;]*)/.exec(set) ?? [];
      jar.set(name, value);
    }
    const location = response.headers.get("location");
    if (location === null) return { url, response };
    url = new URL(location, url).href;
    if (end !== undefined && url.startsWith(end)) return { url, response };
  }
  return assert.fail(`redirected without end: ${url}`);
}
