// `edgemint serve` as its users run it: real processes, on each runtime that is installed here.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { X509Certificate, createPrivateKey, randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, cp, lstat, mkdir, mkdtemp, readFile, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, mock, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import * as oauth from "oauth4webapi";
import { createIssuer } from "../../pkg/node.js";
import { addressFinder } from "../../pkg/serve/address.js";
import { certificateIn } from "../../pkg/serve/certificate.js";
import { ServedDirectory, writeFacts } from "../../pkg/serve/directory.js";
import { maintaining } from "../../pkg/serve/maintenance.js";
import { storeOf } from "../../pkg/serve/settings.js";
import { memoryStore } from "../../pkg/stores/memory.js";
import { sqliteStore } from "../../pkg/stores/sqlite.js";
import { freePort } from "../ports.js";
import { until } from "../until.js";
import { registerClient, registerLogin, refresh, startLogin } from "../sign-in.js";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../", import.meta.url));
const main = join(root, "pkg/cli/main.js");
const others = join(root, "tests/runtimes/node_modules");
const MASTER_KEY = randomBytes(32).toString("base64url");
const BOOTSTRAP_SECRET = randomBytes(32).toString("hex");
const WORKER_SECRET = `w${randomBytes(30).toString("base64url")}`;

/** How each runtime runs the command. @type {[string, string[]][]} */
const RUNTIMES = /** @type {[string, string[]][]} */ ([
  ["Node 24", [process.execPath]],
  ["Node 22", [join(others, "node22/bin/node")]],
  ["Node 20", [join(others, "node20/bin/node")]],
  ["Deno", [join(others, ".bin/deno"), "run", "-A"]],
  ["Bun", [join(others, ".bin/bun")]],
]).filter(([, [program]]) => existsSync(program));
const [[, NODE]] = RUNTIMES;

const DIRECTORY = `
tenant:
  name: contoso
  id: 0f3e2a54-7f3c-4d5e-9a54-2f6b1c7d8e90
  entra: true
  domains: [login.contoso.com]
apis:
  - identifier: api://orders
    appId: 90c0fe63-bcf2-44d5-8fb7-b8bbc0b29dc6
    roles: [Orders.Read.All]
applications:
  - clientId: 535fb089-9ff3-47b6-9bfb-4f1264799865
    secretFromEnv: WORKER_SECRET
    assignments: { "api://orders": [Orders.Read.All] }
`;
const CLIENT_ID = "535fb089-9ff3-47b6-9bfb-4f1264799865";

/** @type {string} */
let folder;
/** All that was written to standard output and standard error, by any of them. */
const written = { out: "", err: "" };
/** @type {Set<import("node:child_process").ChildProcess>} */
const running = new Set();

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "edgemint-serve-"));
  await writeFile(join(folder, "directory.yaml"), DIRECTORY);
});
after(async () => {
  for (const child of running) child.kill("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

/** @typedef {{ env?: Record<string, string>, runtime?: string[], cwd?: string, command?: string }} Options */

/** @param {string[]} args @param {Options} [options] */
function begin(args, { env = {}, runtime = NODE, cwd = folder, command = main } = {}) {
  const [program, ...before] = runtime;
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(program, [...before, command, "serve", ...args], {
    cwd,
    env: { PATH, HOME, WORKER_SECRET, NO_COLOR: "1", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  const told = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (text) => (told.out += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (told.err += text));
  // At its end: what comes while others write, too, may be half a line.
  child.on("close", () => ((written.out += told.out), (written.err += told.err)));
  /** @type {Promise<number | string>} the exit code, or the signal */
  const ended = new Promise((resolve) =>
    child.on("close", (code, signal) => (running.delete(child), resolve(code ?? signal ?? "?"))),
  );
  return { child, told, ended };
}

/** Events in its log. @param {string} text @returns {any[]} */
const events = (text) =>
  text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line).edgemint);

/** A server that has started. @param {string[]} args @param {Options} [options] */
async function start(args, options) {
  const { child, told, ended } = begin(args, options);
  const logged = async (/** @type {string} */ reason) => {
    for (let tries = 0; tries < 12_000; tries += 1) {
      if (told.out.includes(`"reason":"${reason}"`)) {
        return events(told.out.slice(0, told.out.lastIndexOf("\n"))).find(
          (event) => event.reason === reason,
        );
      }
      assert.equal(child.exitCode, null, `it ended: ${told.err}${told.out}`);
      await sleep(25);
    }
    return assert.fail(`no ${reason} in ${told.out}${told.err}`);
  };
  const { url, port } = await logged("started");
  const stop = async (/** @type {NodeJS.Signals} */ signal = "SIGTERM") => {
    child.kill(signal);
    return ended;
  };
  return { child, told, ended, url: /** @type {string} */ (url), port: Number(port), logged, stop };
}

/** One that refuses to start. @param {string[]} args @param {RegExp} line @param {Options} [options] @param {number} [code] */
async function refuses(args, line, options, code = 2) {
  const { told, ended } = begin(args, options);
  assert.equal(await ended, code, told.err);
  assert.match(told.err, line);
  assert.equal(told.out, "");
  assert.doesNotMatch(told.err, /\n\s+at /);
}

/** A token of the declared worker. @param {string} url @param {RequestInit} [init] */
const asked = (url, init) =>
  fetch(`${url}/contoso/oauth2/token`, {
    method: "POST",
    body: new URLSearchParams({
      grant_type: "client_credentials",
      client_id: CLIENT_ID,
      client_secret: WORKER_SECRET,
    }),
    ...init,
  });

/** A connection that sends what it is told to. @param {number} port @param {string} text */
function raw(port, text) {
  const socket = connect(port, "127.0.0.1");
  let answer = "";
  socket.setEncoding("utf8").on("data", (more) => (answer += more));
  socket.on("error", () => {});
  socket.write(text);
  const closed = once(socket, "close");
  return { socket, answer: () => answer, closed };
}

const HEAD = "POST /contoso/oauth2/token HTTP/1.1\r\nhost: x\r\n";
const FORM = "content-type: application/x-www-form-urlencoded\r\n";
const BODY = `grant_type=client_credentials&client_id=${CLIENT_ID}&client_secret=${WORKER_SECRET}`;
/** A request without the end of its body. */
const HALF = `${HEAD}${FORM}content-length: ${BODY.length}\r\n\r\n${BODY.slice(0, 20)}`;
const directory = ["--port", "0", "--directory", "directory.yaml"];

describe("on every runtime", { concurrency: 2 }, () => {
  for (const [name, runtime] of RUNTIMES) {
    test(`${name} serves a declared directory, and finishes what was begun before it ends`, async () => {
      const { url, port, told, stop } = await start([...directory, "--log", "requests"], { runtime });
      const issuer = new URL(`${url}/contoso`);
      const insecure = { [oauth.allowInsecureRequests]: true };
      const found = await oauth.discoveryRequest(issuer, { ...insecure, algorithm: "oauth2" });
      const server = await oauth.processDiscoveryResponse(issuer, found);
      const client = { client_id: CLIENT_ID };
      const answer = await oauth.clientCredentialsGrantRequest(
        server,
        client,
        oauth.ClientSecretBasic(WORKER_SECRET),
        { scope: "api://orders/.default" },
        insecure,
      );
      const token = await oauth.processClientCredentialsResponse(server, client, answer);
      assert.equal(token.token_type, "bearer");
      const health = await fetch(`${url}/healthz`);
      assert.equal(health.status, 200);
      assert.equal(health.headers.get("content-length"), String((await health.text()).length));

      // A request of which half is sent, and a client that does not stop asking.
      const late = raw(port, HALF);
      let answered = 0;
      const busy = Promise.all(
        Array.from({ length: 4 }, async () => {
          for (;;) {
            try {
              const answer = await asked(url);
              assert.equal(answer.status, 200, await answer.text());
              answered += 1;
            } catch (error) {
              // Only a connection that was never made may fail. Bun also closes those that are idle at
              // once; that none of its requests was begun is what the log shows below.
              const { code } = /** @type {any} */ (error).cause ?? error;
              const fails = ["ECONNREFUSED", ...(name === "Bun" ? ["UND_ERR_SOCKET", "ECONNRESET"] : [])];
              assert.ok(fails.includes(code), String(/** @type {any} */ (error).cause ?? error));
              return;
            }
          }
        }),
      );
      await until("answers", () => answered >= 8);
      await sleep(300);
      const ended = stop();
      await sleep(200);
      late.socket.write(BODY.slice(20));
      await late.closed;
      assert.match(late.answer(), /^HTTP\/1\.1 200 OK\r\n/);
      await busy;
      assert.equal(await ended, 0);
      assert.ok(answered > 0);
      const log = events(told.out);
      const counted = log.filter(({ path, status }) => path === "/contoso/oauth2/token" && status === 200);
      assert.equal(counted.length, answered + 2, "each request is in the log");
      assert.ok(counted.every(({ address }) => address === "127.0.0.1"));
      assert.deepEqual(log.slice(-1).map(({ reason, cut }) => [reason, cut]), [["stopped", undefined]]);
    });

    test(`${name} does not wait for slow clients, and reads no more of a body than it takes`, async () => {
      const { port, told, stop } = await start(directory, { runtime });
      const silent = raw(port, "");
      const slow = raw(port, "GET /healthz HTTP/1.1\r\nhost: x\r\n");
      const drip = setInterval(() => slow.socket.write("x: y\r\n"), 500);
      const large = raw(port, `${HEAD}${FORM}content-length: 1000000\r\n\r\n${"a".repeat(1000)}`);
      const chunk = `4000\r\n${"a".repeat(0x4000)}\r\n`;
      const chunked = raw(port, `${HEAD}${FORM}transfer-encoding: chunked\r\n\r\n${chunk.repeat(3)}`);
      const gone = raw(port, HALF);
      await sleep(500);
      gone.socket.destroy();
      for (const { answer } of [large, chunked]) {
        await until("an answer", () => answer() !== "");
        assert.match(answer(), /^HTTP\/1\.1 413 /);
      }
      const begun = Date.now();
      await Promise.all([silent.closed, slow.closed]);
      clearInterval(drip);
      assert.ok(Date.now() - begun < 45_000, "10 s, the seconds between two looks, and the machine's");
      for (const { answer } of [silent, slow]) assert.match(answer(), /^HTTP\/1\.1 408 /);
      assert.equal(await stop(), 0);
      assert.equal(told.out.includes('"trap"'), false);
    });
  }
});

test("a second signal ends it at once, and 10 seconds after the first one what is left is cut off", async () => {
  const [one, other] = await Promise.all([start(directory), start(directory)]);
  for (const { port, url } of [one, other]) {
    raw(port, HALF);
    // It comes after the half, and is answered after the half was read.
    for (const _ of [1, 2]) assert.equal((await fetch(`${url}/healthz`)).status, 200);
  }
  await sleep(200);
  const begun = Date.now();
  const ended = [one, other].map(({ stop }) => stop());
  /** @type {string[]} */
  const order = [];
  void ended[0].then(() => order.push("one"));
  void ended[1].then(() => order.push("other"));
  // Two signals of which the first was not seen yet are one.
  await one.logged("stopping");
  one.child.kill("SIGTERM");
  assert.equal(await ended[0], 143);
  assert.equal(await ended[1], 0);
  assert.deepEqual(order, ["one", "other"]);
  assert.ok(Date.now() - begun >= 10_000 && Date.now() - begun < 60_000);
  const { reason, kind, cut } = events(other.told.out).at(-1);
  assert.deepEqual({ reason, kind, cut }, { reason: "stopped", kind: "failed", cut: 1 });
});

describe("with SQLite", () => {
  /** @type {string} */
  let path;
  const env = { EDGEMINT_MASTER_KEY: MASTER_KEY };
  before(() => (path = join(folder, "sessions.db")));

  /** Two servers of one file, and users to sign in. */
  async function world() {
    const store = sqliteStore(path);
    const baseUrl = "http://127.0.0.1:9";
    const { admin } = createIssuer({ baseUrl, masterKey: MASTER_KEY, store, onEvent: () => {} });
    return { admin, close: () => store.close() };
  }

  test("a restart keeps sessions, whichever runtime goes on", async () => {
    const { admin, close } = await world();
    const login = await registerLogin(admin);
    const client = await registerClient(admin, { mode: "rotate" });
    close();
    const args = ["--port", "0", "--store", `sqlite:${path}`, "--base-url", "http://localhost:8787"];
    const runtimes = RUNTIMES.filter(([name]) => name !== "Node 20");
    let token = "";
    for (const [, runtime] of runtimes) {
      const { port, stop } = await start(args, { env, runtime });
      const url = new URL(`http://127.0.0.1:${port}`);
      if (token === "") ({ refresh_token: token } = await (await startLogin(url, login)).signIn(client, "ada"));
      const answer = await refresh(url, client, token);
      const body = /** @type {any} */ (await answer.json());
      assert.equal(answer.status, 200, JSON.stringify(body));
      token = body.refresh_token;
      for (const beside of ["", "-wal", "-shm"]) {
        assert.equal((await stat(`${path}${beside}`)).mode & 0o777, 0o600, beside);
      }
      assert.equal(await stop(), 0);
    }
  });

  test("two processes share a file, and killing one loses and revives nothing", async () => {
    const file = join(folder, "two.db");
    path = file;
    const { admin, close } = await world();
    const login = await registerLogin(admin);
    const client = await registerClient(admin, { mode: "rotate", grace: 300 });
    close();
    const args = ["--port", "0", "--store", `sqlite:${file}`, "--base-url", "http://localhost:8787"];
    const [one, other] = await Promise.all([start(args, { env }), start(args, { env })]);
    const urls = [one, other].map(({ port }) => new URL(`http://127.0.0.1:${port}`));
    const page = await startLogin(urls[0], login);
    const sessions = await Promise.all(
      Array.from({ length: 12 }, async (_, at) => (await page.signIn(client, `user-${at}`)).refresh_token),
    );
    let isKilled = false;
    const ends = await Promise.all(
      sessions.map(async (first, at) => {
        let token = first;
        const spent = [];
        for (let round = 0; round < 12; round += 1) {
          if (at === 0 && round === 5) {
            one.child.kill("SIGKILL");
            isKilled = true;
          }
          const url = isKilled ? urls[1] : urls[round % 2];
          // Whoever lost an answer asks again, with the same token.
          let answer = await refresh(url, client, token).catch(() => refresh(urls[1], client, token));
          // A file that is the other's for longer than one waits for it: the same again.
          for (let tries = 0; answer.status === 503 && tries < 20; tries += 1) {
            answer = await refresh(urls[1], client, token);
          }
          const body = /** @type {any} */ (await answer.json());
          assert.equal(answer.status, 200, JSON.stringify(body));
          spent.push(token);
          token = body.refresh_token;
        }
        return { token, spent };
      }),
    );
    assert.equal(await one.ended, "SIGKILL");
    for (const { token, spent } of ends) {
      assert.equal(new Set([token, ...spent]).size, spent.length + 1, "no token came twice");
      assert.equal((await refresh(urls[1], client, token)).status, 200);
      // One that was spent long ago stays so: it ends the session.
      assert.equal((await refresh(urls[1], client, spent[2])).status, 400);
    }
    assert.equal(await other.stop(), 0);
  });

  test("the first administrator is made with the one-time secret", async () => {
    const args = ["--port", "0", "--store", `sqlite:${join(folder, "first.db")}`];
    const secrets = { ...env, EDGEMINT_BOOTSTRAP_SECRET: BOOTSTRAP_SECRET };
    const { url, stop } = await start(args, { env: secrets });
    const home = { HOME: folder, EDGEMINT_CONFIG: join(folder, "config.json"), EDGEMINT_BOOTSTRAP_SECRET: BOOTSTRAP_SECRET };
    const cli = (/** @type {string[]} */ ...words) =>
      run(process.execPath, [main, ...words], { env: { PATH: process.env.PATH, ...home } });
    await cli("init", "--url", url, "--tenant", "contoso");
    await cli("apis", "create", "api://orders", "--role", "Orders.Read.All");
    assert.match((await cli("apis", "list")).stdout, /api:\/\/orders/);
    // The file of another tenant is not applied to this one.
    const file = join(folder, "directory.yaml");
    await assert.rejects(cli("apply", "-f", file, "--yes"), /is for the tenant 0f3e2a54-.*Nothing was changed/);
    assert.equal(await stop(), 0);
  });

  test("another master key than the store's is refused", async () => {
    const args = ["--port", "0", "--store", `sqlite:${join(folder, "first.db")}`];
    const other = randomBytes(32).toString("base64url");
    await refuses(args, /the store belongs to another master key\. Give that one/, {
      env: { EDGEMINT_MASTER_KEY: other },
    });
    const both = { EDGEMINT_MASTER_KEY: other, EDGEMINT_PREVIOUS_MASTER_KEY: MASTER_KEY };
    const { stop } = await start(args, { env: both });
    assert.equal(await stop(), 0);
  });

  test("a master key is made on demand, and read from a file", async () => {
    const { stdout } = await run(process.execPath, [main, "serve", "--new-master-key"]);
    assert.match(stdout, /^[\w-]{43}\n$/);
    await writeFile(join(folder, "master.key"), stdout);
    const args = ["--port", "0", "--store", `sqlite:${join(folder, "key.db")}`];
    const one = await start([...args, "--master-key-file", "master.key"]);
    assert.equal(await one.stop("SIGINT"), 0);
    const env = { EDGEMINT_MASTER_KEY_FILE: "master.key" };
    assert.equal(await (await start(args, { env })).stop(), 0);
  });
});

describe("over TLS", () => {
  test("with --https, whoever trusts the certificate is served, and a restart keeps it", async () => {
    const args = [...directory, "--https", "--state", join(folder, "state")];
    const one = await start(args);
    assert.match(one.url, /^https:\/\/localhost:/);
    const { certificate } = await one.logged("started");
    const asking = `const answer = await fetch("${one.url}/contoso/v2.0/.well-known/openid-configuration");
      console.log((await answer.json()).issuer);`;
    const { stdout } = await run(process.execPath, ["--input-type=module", "-e", asking], {
      env: { NODE_EXTRA_CA_CERTS: certificate },
    });
    assert.equal(stdout, `${one.url}/0f3e2a54-7f3c-4d5e-9a54-2f6b1c7d8e90/v2.0\n`);
    const key = join(folder, "state", "https-key.pem");
    assert.equal((await stat(key)).mode & 0o777, 0o600);
    const kept = await readFile(certificate, "utf8");
    assert.equal(await one.stop(), 0);
    for (const [, runtime] of RUNTIMES) assert.equal(await (await start(args, { runtime })).stop(), 0);
    assert.equal(await readFile(certificate, "utf8"), kept);
  });

  test("the certificate has the name that clients call, and is valid for OpenSSL", async () => {
    const state = join(folder, "named");
    const args = [...directory, "--https", "--state", state, "--base-url", "https://entra.test:8443"];
    const { url, stop } = await start(args);
    assert.equal(url, "https://entra.test:8443");
    assert.equal(await stop(), 0);
    const path = join(state, "https-cert.pem");
    const read = new X509Certificate(await readFile(path));
    for (const name of ["localhost", "entra.test"]) assert.equal(read.checkHost(name), name);
    for (const address of ["127.0.0.1", "::1"]) assert.ok(read.checkIP(address));
    assert.equal(read.checkHost("example.com"), undefined);
    assert.equal(read.ca, false);
    // With another name, it is another one.
    await certificateIn(state, ["10.1.2.3"]);
    assert.ok(new X509Certificate(await readFile(path)).checkIP("10.1.2.3"));
    await run("openssl", ["verify", "-x509_strict", "-CAfile", path, path]);
  });

  test("the key is for its owner only, and no link leads elsewhere", async () => {
    const state = join(folder, "guarded");
    const { key, certificate } = await certificateIn(state);
    const mode = async (/** @type {string} */ path) => (await stat(path)).mode & 0o777;
    assert.equal(await mode(state), 0o700);
    const kept = await readFile(key, "utf8");
    await chmod(key, 0o644);
    await certificateIn(state);
    assert.equal(await mode(key), 0o600);
    assert.equal(await readFile(key, "utf8"), kept);
    for (const path of [key, certificate]) {
      const victim = join(folder, "victim");
      await writeFile(victim, "precious");
      await rm(path);
      await symlink(victim, path);
      await certificateIn(state);
      assert.equal(await readFile(victim, "utf8"), "precious");
      assert.ok((await lstat(path)).isFile());
    }
    assert.deepEqual(await readdir(state), ["https-cert.pem", "https-key.pem"]);
  });

  test("processes that start at once make one certificate", async () => {
    const state = join(folder, "at-once");
    const made = `import { certificateIn } from "${new URL("../../pkg/serve/certificate.js", import.meta.url)}";
      import { readFileSync } from "node:fs";
      const { certificate, key } = await certificateIn(${JSON.stringify(state)});
      console.log(readFileSync(certificate, "utf8") + "\\n" + readFileSync(key, "utf8"));`;
    const args = ["--input-type=module", "-e", made];
    const all = await Promise.all(Array.from({ length: 4 }, () => run(process.execPath, args)));
    assert.equal(new Set(all.map(({ stdout }) => stdout)).size, 1);
    const [{ stdout: text }] = all;
    assert.ok(new X509Certificate(text).checkPrivateKey(createPrivateKey(text.slice(text.indexOf("-----BEGIN PRIVATE")))));
  });

  test("with a certificate of one's own", async () => {
    const [mine, other] = [join(folder, "mine"), join(folder, "other")];
    const [{ certificate, key }, another] = [await certificateIn(mine), await certificateIn(other)];
    const { url, stop, logged } = await start([...directory, "--tls-cert", certificate, "--tls-key", key]);
    assert.match(url, /^https:/);
    assert.equal((await logged("started")).certificate, undefined, "whoever gave it knows where it is");
    assert.equal(await stop(), 0);
    const wrong = [...directory, "--tls-cert", certificate, "--tls-key"];
    await refuses([...wrong, another.key], /--tls-key is not the key of --tls-cert/);
    await refuses([...wrong, "directory.yaml"], /not a certificate and its key in PEM/);
    await refuses([...wrong, "none.pem"], /--tls-key: cannot read none\.pem: there is no such file/);
    await refuses([...directory, "--tls-cert", certificate], /belong together/);
  });
});

describe("a directory", () => {
  test("has its facts in a file: URLs, ids, and the secrets that were made", async () => {
    await writeFile(join(folder, "made.yaml"), DIRECTORY.replace("secretFromEnv: WORKER_SECRET", ""));
    const args = ["--port", "0", "--directory", "made.yaml", "--facts", "facts.json"];
    const { url, told, stop } = await start(args);
    await until("its facts", () => existsSync(join(folder, "facts.json")));
    const path = join(folder, "facts.json");
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    const facts = JSON.parse(await readFile(path, "utf8"));
    assert.equal(facts.base_url, url);
    assert.equal(facts.tenant_id, "0f3e2a54-7f3c-4d5e-9a54-2f6b1c7d8e90");
    assert.deepEqual(facts.apis, [
      { identifier: "api://orders", app_id: "90c0fe63-bcf2-44d5-8fb7-b8bbc0b29dc6" },
    ]);
    const [{ client_id, client_secret }] = facts.applications;
    const body = { grant_type: "client_credentials", client_id, client_secret, scope: "api://orders/.default" };
    for (const endpoint of [facts.token_endpoint, `${facts.entra_authority}/oauth2/v2.0/token`]) {
      const answer = await fetch(endpoint, { method: "POST", body: new URLSearchParams(body) });
      assert.equal(answer.status, 200, await answer.text());
    }
    assert.equal(told.err, "", "nobody reads it: it is no terminal");
    assert.ok(!told.out.includes(client_secret));
    assert.equal(await stop(), 0);
    assert.equal(existsSync(path), false, "nobody takes it for the facts of the next start");
  });

  test("leaves the facts of another process where they are", async () => {
    const path = join(folder, "shared.json");
    const one = await start([...directory, "--facts", path]);
    const other = await start([...directory, "--facts", path]);
    const ofOther = async () => JSON.parse(await readFile(path, "utf8").catch(() => "{}")).base_url === other.url;
    await until("the other's facts", ofOther);
    assert.equal(await one.stop(), 0);
    assert.ok(await ofOther());
    assert.equal(await other.stop(), 0);
    assert.equal(existsSync(path), false);
  });

  test("is read again at SIGHUP, and a file that is wrong changes nothing", async () => {
    const path = join(folder, "again.yaml");
    await writeFile(path, DIRECTORY);
    const { child, url, told, logged, stop } = await start(["--port", "0", "--directory", path]);
    assert.equal((await asked(url)).status, 200);
    await writeFile(path, DIRECTORY.replace("roles: [", "rolls: ["));
    child.kill("SIGHUP");
    assert.match((await logged("directory")).detail, /again\.yaml:\d+:\d+: unknown member `rolls`/);
    assert.equal((await asked(url)).status, 200);
    await writeFile(path, DIRECTORY.replace("secretFromEnv", "disabled: true\n    secretFromEnv"));
    child.kill("SIGHUP");
    await logged("directory_loaded");
    assert.notEqual((await asked(url)).status, 200);
    await writeFile(path, DIRECTORY.slice(0, DIRECTORY.indexOf("applications:")));
    child.kill("SIGHUP");
    await until("the deletion", () => told.out.includes("application_deleted"));
    assert.match(told.out, /application_deleted/);
    assert.equal(await stop(), 0);
  });

  test("of which the service refuses a part changes nothing at SIGHUP, and new secrets are among the facts", async () => {
    const path = join(folder, "half.yaml");
    const facts = join(folder, "half.json");
    await writeFile(path, DIRECTORY);
    const { child, told, url, logged, stop } = await start(["--port", "0", "--directory", path, "--facts", facts]);
    const read = async () => JSON.parse(await readFile(facts, "utf8"));
    await until("its facts", () => existsSync(facts));
    const before = await read();
    const more = "  - clientId: newcomer\n    assignments: { \"api://orders\": [Orders.Read.All] }\n";
    const refused = "  - clientId: page\n    kind: public\n    redirectUris: [\"javascript:alert(1)\"]\n";
    const fresh = DIRECTORY.replace("apis:\n", "apis:\n  - identifier: api://fresh\n    roles: [A]\n");
    await writeFile(path, fresh.replace("secretFromEnv", "disabled: true\n    secretFromEnv") + more + refused);
    child.kill("SIGHUP");
    const { kind, detail } = await logged("directory");
    assert.equal(kind, "failed");
    assert.doesNotMatch(detail, /changes were made/);
    assert.equal((await asked(url)).status, 200);
    assert.doesNotMatch(told.out, /api:\/\/fresh|newcomer/);
    assert.deepEqual(await read(), before);

    /** @param {string} text @param {number} times */
    const loaded = async (text, times) => {
      await writeFile(path, text);
      child.kill("SIGHUP");
      const count = () => told.out.split('"directory_loaded"').length - 1;
      await until("that it is loaded", () => count() >= times);
      return (await read()).applications.find((/** @type {any} */ one) => one.client_id === "newcomer");
    };
    const { client_secret } = await loaded(fresh + more, 1);
    const body = new URLSearchParams({ grant_type: "client_credentials", client_id: "newcomer", client_secret });
    assert.equal((await asked(url, { body })).status, 200);
    // It is still there after the next one, and goes with its application.
    assert.equal((await loaded(DIRECTORY + more, 2)).client_secret, client_secret);
    assert.equal(await loaded(DIRECTORY, 3), undefined);
    assert.notEqual((await loaded(DIRECTORY + more, 4)).client_secret, client_secret);
    assert.equal((await asked(url, { body })).status, 401);
    assert.equal(told.err, "");
    assert.equal(await stop(), 0);
  });

  test("has its facts in a file that nobody can put in the way", async () => {
    const path = join(folder, "planted.json");
    const victim = join(folder, "untouched");
    await writeFile(victim, "precious");
    for (const planted of [path, `${path}.${process.pid}`]) await symlink(victim, planted);
    writeFacts(path, { applications: [{ client_secret: "secret" }] });
    assert.equal(await readFile(victim, "utf8"), "precious");
    assert.ok((await lstat(path)).isFile());
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.match(await readFile(path, "utf8"), /"secret"/);
  });

  test("gives a secret at SIGHUP to an application that is there without one", async () => {
    const store = memoryStore();
    const options = { baseUrl: "http://localhost:8787", masterKey: MASTER_KEY, onEvent: () => {} };
    const issuer = createIssuer({ ...options, store });
    const copy = () => createIssuer({ ...options, store: memoryStore({ entries: store.entries() }) });
    const served = new ServedDirectory(issuer, "contoso", copy);
    await served.create({});
    await issuer.admin.createApplication({ tenant: "contoso", clientId: "left-behind" });
    const applications = [{ clientId: "left-behind" }];
    const [{ clientId, secret }] = await served.reload({ applications });
    assert.equal(clientId, "left-behind");
    const [fact] = (await served.facts("http://localhost:8787")).applications;
    assert.deepEqual(fact, { client_id: clientId, client_secret: secret });
    assert.deepEqual(await served.reload({ applications }), []);
  });

  test("that is wrong is refused with its lines", async () => {
    /** @param {string} text */
    const wrong = async (text) => {
      await writeFile(join(folder, "wrong.yaml"), text);
      return ["--port", "0", "--directory", "wrong.yaml"];
    };
    await refuses(await wrong("tenant: [\n"), /^wrong\.yaml:2:1: /);
    await refuses(await wrong("tenants: {}\n"), /^wrong\.yaml:1:1: unknown member `tenants`; known are tenant, /);
    await refuses(await wrong("tenant: {}\n"), /the tenant has no name\. Say it in the file/);
    await refuses(["--port", "0", "--directory", "none.yaml"], /--directory: cannot read none\.yaml/);
  });

  test("that the service refuses is refused, and the port is free again", async () => {
    const args = directory;
    const path = join(folder, "refused.yaml");
    const refused = ["--port", "0", "--directory", path];
    /** @param {string} from @param {string} to @param {RegExp} line @param {Options} [options] */
    const with_ = async (from, to, line, options) => {
      await writeFile(path, DIRECTORY.replace(from, to));
      const { told, ended } = begin(refused, options);
      assert.equal(await ended, 2, told.err);
      assert.match(told.err, line);
      assert.doesNotMatch(told.err, /changes were made|Run it again/, "nothing of it remains");
    };
    await with_("[Orders.Read.All] }", "[Orders.Write.All] }", /api:\/\/orders declares no app role Orders\.Write\.All/);
    await with_("name: contoso", "name: Not a name", /\(invalid\)/);
    await with_("", "", /WORKER_SECRET not set/, { env: { WORKER_SECRET: "" } });
    await with_("", "", /WORKER_SECRET of the application 535fb089-\S+: a secret has at least 32 characters/, {
      env: { WORKER_SECRET: "short" },
    });
    const short = "accessTokenLifetime: 5\n";
    await with_("name: contoso", `name: contoso\n  ${short}`, /serve: tenant contoso: .* lives 60 to/);
    await with_("roles: [", `${short}    roles: [`, /serve: api api:\/\/orders: .* lives 60 to/);
    assert.equal(await (await start(args)).stop(), 0);
  });
});

describe("what is wrong is said in one line:", () => {
  test("no master key for a store that lasts", async () => {
    await refuses([], /no master key is set\. Make one with `edgemint serve --new-master-key`/);
    await refuses([], /is not 32 bytes/, { env: { EDGEMINT_MASTER_KEY: "short" } });
    const both = { EDGEMINT_MASTER_KEY: MASTER_KEY, EDGEMINT_MASTER_KEY_FILE: "master.key" };
    await refuses([], /EDGEMINT_MASTER_KEY and EDGEMINT_MASTER_KEY_FILE are both set/, { env: both });
  });

  test("a port that is taken, on each runtime", async () => {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
    for (const [, runtime] of RUNTIMES) {
      const args = ["--store", "memory", "--port", `${port}`];
      await refuses(args, new RegExp(`port ${port} of 127.0.0.1 is taken \\(port_taken\\)\\.`), { runtime }, 1);
    }
    server.close();
  });

  test("a store that there is not, or a password in its URL", async () => {
    const env = { EDGEMINT_MASTER_KEY: MASTER_KEY };
    await refuses(["--store", "mysql://u@h"], /--store mysql\.\.\. is no store/, { env });
    await refuses(["--store", "redis://:hunter2@h"], /EDGEMINT_STORE instead$/m, { env });
    await refuses(["--store", "sqlite:none/a.db"], /there is no folder none/, { env });
    await refuses(["--store", "sqlite:directory.yaml"], /cannot open directory\.yaml/, { env }, 1);
    await refuses([...directory, "--store", "sqlite:x.db"], /served from memory/);
    await refuses(["--store", "memory", "--facts", "f"], /--facts belongs to --directory/);
    for (const url of [
      "redis://:hunter2@h",
      "redis://:h@nter2:w@h:99999",
      "redis:hunter2@h",
      "postgresql://u:hunter2@/db?host=/tmp",
      "postgres://u:hunter2%zz@h/db",
      "postgres://u:hunter2@h1,h2/db",
      "postgres://h/db?password=hunter2",
      "postgres://h/db?sslpassword=hunter2",
      "postgres://h/db?p%61ssword=hunter2",
    ]) {
      assert.throws(() => storeOf({ store: url }, {}), /--store has a password/, url);
      assert.equal(storeOf({}, { EDGEMINT_STORE: url }), url);
    }
    for (const url of ["sqlite:a@b:c@d.db", "memory", "redis://[::1]:6379/0", "postgres://u@h:5432/db?sslmode=require"]) {
      assert.equal(storeOf({ store: url }, {}), url);
    }
    for (const url of ["redis://:h@nter2:w@h:99999", "redis://:hunter2@h/none"]) {
      await refuses([], /--store is not a URL of Redis\. redis:/, { env: { ...env, EDGEMINT_STORE: url } });
    }
    assert.doesNotMatch(written.err, /hunter2|h@nter2/);
  });

  test("a database that does not run", async () => {
    const port = await freePort();
    const env = { EDGEMINT_MASTER_KEY: MASTER_KEY };
    for (const kind of ["redis", "postgres"]) {
      const { told, ended } = begin(["--port", "0", "--store", `${kind}://127.0.0.1:${port}`], { env });
      assert.equal(await ended, 1, told.err);
      assert.match(told.err, new RegExp(`cannot use the ${kind} store at 127.0.0.1:${port}: .*ECONNREFUSED`));
    }
  });

  test("a client library that is not installed", async () => {
    const installed = join(folder, "installed/node_modules");
    await mkdir(installed, { recursive: true });
    await cp(join(root, "pkg"), join(installed, "edgemint"), { recursive: true });
    const { dependencies } = JSON.parse(await readFile(join(root, "pkg/package.json"), "utf8"));
    for (const name of Object.keys(dependencies)) {
      await symlink(join(root, "node_modules", name), join(installed, name));
    }
    const own = JSON.stringify({ dependencies: { edgemint: "*", ...dependencies } });
    await writeFile(join(folder, "installed/package.json"), own);
    const env = { EDGEMINT_MASTER_KEY: MASTER_KEY };
    const command = join(installed, "edgemint/cli/main.js");
    for (const [, runtime] of RUNTIMES) {
      for (const [store, name] of [["redis://127.0.0.1", "redis"], ["postgres://127.0.0.1/db", "pg"]]) {
        const line = new RegExp(`the package ${name} is not installed.*Run \`npm install ${name}\``);
        await refuses(["--store", store], line, { env, runtime, command, cwd: join(folder, "installed") }, 1);
      }
    }
  });

  test("addresses that cannot be", async () => {
    const memory = ["--store", "memory"];
    await refuses([...memory, "--host", "0.0.0.0"], /--base-url is missing/);
    await refuses([...memory, "--base-url", "http://auth.example.com"], /by https/);
    await refuses([...memory, "--base-url", "auth"], /not the address of a service/);
    await refuses([...memory, "--port", "70000"], /--port is not a number of 0 to 65535/);
    await refuses([...memory, "--cache-ttl", "x"], /--cache-ttl is not a number/);
    await refuses([...memory, "--trust-proxy", "a b"], /--trust-proxy a b is not a header/);
  });
});

test("the client's address is the connection's, or what a proxy that is trusted says", async () => {
  const one = await start([...directory, "--log", "requests", "--trust-proxy", "x-forwarded-for"]);
  const other = await start([...directory, "--log", "requests"]);
  const headers = { "x-forwarded-for": "192.0.2.1, 198.51.100.7" };
  for (const { url } of [one, other]) await fetch(`${url}/healthz`, { headers });
  assert.equal((await one.logged("request")).address, "198.51.100.7");
  assert.equal((await other.logged("request")).address, "127.0.0.1");
  await Promise.all([one.stop(), other.stop()]);

  /** @param {string | undefined} trusted @param {Record<string, string>} headers */
  const found = (trusted, headers, ip = "::ffff:10.0.0.1") => {
    const request = Object.assign(new Request("http://x/", { headers }), { ip });
    return addressFinder(trusted)(request);
  };
  assert.equal(found(undefined, headers), "10.0.0.1");
  assert.equal(found("X-Forwarded-For:2", headers), "192.0.2.1");
  assert.equal(found("x-forwarded-for:3", headers), "10.0.0.1");
  assert.equal(found("x-real-ip", { "x-real-ip": "2001:db8::1" }), "2001:db8::1");
  assert.equal(found("x-real-ip", { "x-real-ip": '"[2001:db8::1]:443"' }), "2001:db8::1");
  assert.equal(found("x-real-ip", { "x-real-ip": "192.0.2.1:443" }), "192.0.2.1");
  assert.equal(found("x-real-ip", { "x-real-ip": "unknown" }), "10.0.0.1");
});

test("a Host header that names no host is refused as that, and SIGHUP without a directory changes nothing", async () => {
  const { child, port, url, logged, stop } = await start(["--port", "0", "--store", "memory"]);
  child.kill("SIGHUP");
  assert.match((await logged("nothing_to_reload")).detail, /--directory/);
  const head = HEAD.replace("host: x", "host: x:99999").replace("\r\n", "\r\nconnection: close\r\n");
  const { answer, closed } = raw(port, `${head}${FORM}content-length: ${BODY.length}\r\n\r\n${BODY}`);
  await closed;
  assert.match(answer(), /^HTTP\/1\.1 400 [^]*the Host header does not name a host/);
  assert.equal((await fetch(`${url}/healthz`)).status, 200);
  assert.equal(await stop(), 0);
});

test("an empty service in memory prints a one-time secret, not to the log", async () => {
  const { url, told, stop } = await start(["--port", "0", "--store", "memory"]);
  await until("the secret", () => /[0-9a-f]{64}$/m.test(told.err));
  const [, secret] = /`edgemint init --url \S+`: ([0-9a-f]{64})$/m.exec(told.err) ?? [];
  const answer = await fetch(`${url}/contoso/admin/v1/bootstrap`, {
    method: "POST",
    headers: { authorization: `Bearer ${secret}`, "content-type": "application/json" },
    body: "{}",
  });
  assert.equal(answer.status, 201, await answer.text());
  assert.equal(await stop(), 0);
  assert.ok(!told.out.includes(secret));
});

test("what is due is done a minute after the start and every hour, of every tenant", async () => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"], now: Date.now() });
  try {
    const issuer = createIssuer({
      baseUrl: "http://localhost:8787",
      masterKey: MASTER_KEY,
      store: memoryStore(),
      onEvent: () => {},
    });
    for (const tenant of ["one", "two"]) await issuer.admin.createTenant({ tenant });
    const counts = async () =>
      Promise.all(["one", "two"].map(async (tenant) => (await issuer.admin.listKeys({ tenant })).items.length));
    /** Until there are so many keys. @param {string} wanted */
    const become = async (wanted) => {
      // Keys are made elsewhere, and the timers stand still here.
      for (const end = performance.now() + 120_000; (await counts()).join() !== wanted && performance.now() < end; ) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      assert.equal((await counts()).join(), wanted);
    };
    /** @type {unknown[]} */
    const failures = [];
    // A key has its successor announced 76 days after it was made.
    mock.timers.setTime(Date.now() + 77 * 24 * 60 * 60 * 1000);
    const stop = maintaining(issuer, (...told) => void failures.push(told));
    mock.timers.tick(59_000);
    assert.deepEqual(await counts(), [1, 1]);
    mock.timers.tick(1000);
    await become("2,2");
    const { items } = await issuer.admin.listKeys({ tenant: "one" });
    assert.deepEqual(items.map(({ state }) => state), ["active", "announced"]);
    assert.deepEqual(failures, []);
    stop();
  } finally {
    mock.timers.reset();
  }
});

test("no other command loads the server", async () => {
  const hook = `import { registerHooks } from "node:module";
    registerHooks({ resolve(specifier, context, next) {
      if (/srvx|serve\\/serve|oauth2?\\.js/.test(specifier)) console.error("loaded", specifier);
      return next(specifier, context);
    } });`;
  const hooks = ["--import", `data:text/javascript,${encodeURIComponent(hook)}`];
  const { stderr } = await run(process.execPath, [...hooks, main, "--version"]);
  assert.equal(stderr, "");
  const { stdout } = await run(process.execPath, [...hooks, main, "serve", "--help"]);
  assert.match(stdout, /edgemint serve --directory directory\.yaml --https/);
  assert.doesNotMatch(stdout, /--profile|--json/, "they are for administration");
});

test("the log is lines of JSON, and there is no secret in it", () => {
  const log = events(written.out);
  assert.ok(log.length > 50);
  assert.ok(log.every(({ time, kind, reason }) => Number.isInteger(time) && kind && reason));
  for (const secret of [MASTER_KEY, BOOTSTRAP_SECRET, WORKER_SECRET]) {
    assert.ok(!written.out.includes(secret) && !written.err.includes(secret));
  }
  // Whole ones: a `jti` may begin as any text does.
  assert.doesNotMatch(written.out, /em[src]_[\w-]{20}|eyJ[\w-]+\./);
});
