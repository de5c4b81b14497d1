// Microsoft's dialects on the command line: what turns them on, and what is said of the key that they need.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { localWorker } from "../../worker/local.js";
import { until } from "../until.js";
import { MASTER_KEY, freePort } from "../workerd/world.js";

const main = new URL("../../pkg/cli/main.js", import.meta.url).pathname;
const BOOTSTRAP_SECRET = "b".repeat(43);
const AT_ONCE = "edgemint keys rotate --algorithm RS256 --starts 0 --yes";

/** @type {string} */
let folder;
/** @type {string} */
let url;
/** @type {ReturnType<typeof localWorker> | undefined} */
let worker;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "edgemint-dialects-"));
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  worker = localWorker({
    port,
    bindings: { BASE_URL: url, MASTER_KEY, BOOTSTRAP_SECRET, CACHE_TTL: "1" },
    onLine: (line, failed) => failed && console.error(line),
  });
  await worker.ready;
  const init = ["init", "--url", url, "--tenant", "first", "--name", "First"];
  const dialects = ["--entra", "--domain", "first.example", "--policy", "B2C_1_signin"];
  const { err } = await ok([...init, ...dialects], `${BOOTSTRAP_SECRET}\n`);
  assert.match(err, /^It is in force everywhere within about a minute\.$/m);
});
after(async () => {
  await worker?.dispose();
  await rm(folder, { recursive: true, force: true });
});

/** Runs a command. @param {string[]} args @param {string} [input] */
async function run(args, input = "") {
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH, HOME, TZ: "UTC", EDGEMINT_CONFIG: join(folder, "config.json") },
  });
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (err += text));
  child.stdin.end(input);
  const [code] = await once(child, "close");
  return { code, out, err };
}

/** One that succeeds. @param {string[]} args @param {string} [input] */
async function ok(args, input) {
  const ran = await run(args, input);
  assert.equal(ran.code, 0, `${args.join(" ")}: ${ran.err}`);
  return ran;
}

/** @param {string[]} args @returns {Promise<any>} */
const json = async (args) => JSON.parse((await ok([...args, "--json"])).out);

/** The states of the keys for RS256. @param {string} profile */
async function states(profile) {
  const { items } = await json(["keys", "list", "--profile", profile]);
  const keys = items.filter((/** @type {any} */ { algorithm }) => algorithm === "RS256");
  return keys.map((/** @type {any} */ { state }) => state).sort();
}

test("init makes a tenant that speaks them, whose key signs at once", async () => {
  const { entra, domains, policies, displayName } = await json(["tenant", "show"]);
  const told = [entra, domains, policies, displayName];
  assert.deepEqual(told, [true, ["first.example"], ["B2C_1_signin"], "First"]);
  assert.deepEqual(await states("first"), ["active"]);
  const { clientId } = await json(["apps", "create", "--name", "Worker"]);
  const { secret } = await json(["secrets", "add", clientId]);
  await ok(["apis", "create", "api://orders"]);
  const body = new URLSearchParams({
    grant_type: "client_credentials",
    client_id: clientId,
    client_secret: secret,
    scope: "api://orders/.default",
  });
  for (const path of ["first.example", "first/B2C_1_signin"]) {
    // What the worker remembers of the tenant is older, for a while.
    await until(`a token at ${path}`, async () => {
      const answer = await fetch(`${url}/${path}/oauth2/v2.0/token`, { method: "POST", body });
      await answer.text();
      return answer.status === 200;
    }, { pause: 1500 });
  }
});

test("init says what was not set though the administrator is made and stored", async () => {
  const other = await freePort();
  const second = localWorker({
    port: other,
    bindings: { BASE_URL: `http://127.0.0.1:${other}`, MASTER_KEY, BOOTSTRAP_SECRET },
    onLine: (line, failed) => failed && console.error(line),
  });
  try {
    await second.ready;
    const place = ["--url", `http://127.0.0.1:${other}`, "--tenant", "second"];
    const init = ["init", ...place, "--entra", "--domain", "not a domain"];
    const { code, err } = await run(init, BOOTSTRAP_SECRET);
    assert.equal(code, 2, err);
    assert.match(err, /is made and stored, but not all was set: .* with `edgemint tenant update`$/m);
    assert.equal((await json(["tenant", "show"])).tenant, "second");
  } finally {
    await second.dispose();
    await ok(["profiles", "remove", "second", "--yes"]);
    await ok(["profiles", "use", "first"]);
  }
});

test("tenant update says when the key signs that it announces, and the command that does not wait", async () => {
  await ok(["tenant", "create", "later", "--save", "later"]);
  const at = ["--profile", "later"];
  const { err } = await ok(["tenant", "update", "--entra", ...at]);
  assert.match(err, /^It is in force everywhere within about a minute\.$/m);
  const said = /^The key for RS256, ([\w-]{43}), signs from .* \(in 2 hours\)\. Until .* 50000\. .*: (.*)$/m;
  const [, kid, command] = said.exec(err) ?? assert.fail(err);
  assert.equal(command, AT_ONCE);
  assert.deepEqual(await states("later"), ["announced"]);
  const { items } = await json(["keys", "list", ...at]);
  assert.ok(items.some((/** @type {any} */ key) => key.kid === kid));

  await ok([...command.split(" ").slice(1), ...at]);
  assert.deepEqual(await states("later"), ["active", "announced"]);
  const again = await ok(["tenant", "update", "--policy", "B2C_1_signin", ...at]);
  assert.ok(!again.err.includes("RS256"), again.err);
  const other = await ok(["tenant", "update", "--name", "Later", ...at]);
  assert.equal(other.err, "", "nothing of it where it was not asked for");
});

test("whoever may not read the keys is told where to see them", async () => {
  await ok(["profiles", "use", "first"]);
  const { clientId } = await json(["apps", "create", "--name", "Tenants"]);
  await ok(["grant", clientId, "urn:edgemint:admin", "Tenant.ReadWrite.All"]);
  const { secret } = await json(["secrets", "add", clientId]);
  const login = ["login", "--url", url, "--tenant", "first", "--client-id", clientId];
  await ok([...login, "--profile", "tenants"], `${secret}\n`);
  const { err } = await ok(["tenant", "update", "--entra", "--profile", "tenants"]);
  assert.match(err, /edgemint keys list$/m);
  await ok(["profiles", "use", "first"]);
});

test("apply says it of a file that turns a dialect on", async () => {
  await ok(["tenant", "create", "filed", "--save", "filed"]);
  const path = join(folder, "directory.yaml");
  await writeFile(path, "tenant: { policies: [B2C_1_signin] }\n");
  const apply = ["apply", "-f", path, "--yes", "--profile", "filed"];
  const { err } = await ok(apply);
  assert.ok(err.includes(AT_ONCE), err);
  assert.equal((await ok(apply)).err, "", "a second time there is nothing to say");
});

test("a domain that is another tenant's is said to be, and not to be looked at", async () => {
  const at = ["--profile", "later"];
  const { code, err } = await run(["tenant", "update", "--domain", "first.example", ...at]);
  assert.equal(code, 4);
  assert.match(err, /first\.example.*Another tenant answers to it/);
  assert.ok(!err.includes("`show`"), err);
});

test("an API shows what matters to them where it has it, by the names of the options", async () => {
  await ok(["apis", "create", "api://shown", "--profile", "first"]);
  const { out } = await ok(["apis", "show", "api://shown", "--profile", "first"]);
  assert.match(out, /^app id +[0-9a-f-]{36}$/m);
  assert.match(out, /^token version +2 \(default\)$/m);
  assert.ok(!out.includes("optional claims"), out);
  const update = ["apis", "update", "api://shown", "--token-version", "1", "--idtyp"];
  const changed = await ok([...update, "--profile", "first"]);
  assert.match(changed.out, /^token version +1$/m);
  assert.match(changed.out, /^optional claims +idtyp$/m);

  await ok(["tenant", "create", "plain", "--save", "plain"]);
  const plain = await ok(["apis", "create", "api://plain", "--profile", "plain"]);
  assert.ok(!/app id|token version|optional claims/.test(plain.out), plain.out);
});
