// A tenant with thousands of applications: the command line makes them, and lists all of them while more
// are being made.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Client, bootstrap } from "../../pkg/cli/client.js";
import { localWorker } from "../../worker/local.js";
import { MASTER_KEY, freePort } from "../workerd/world.js";

const main = new URL("../../pkg/cli/main.js", import.meta.url).pathname;
const BOOTSTRAP_SECRET = "b".repeat(43);
const tenant = "many";
const MANY = 2000;
/** With those that come later, and the administrator. */
const ALL = MANY * 1.5 + 1;
const ids = Array.from({ length: MANY }, (_, at) => `app-${`${at}`.padStart(5, "0")}`);

/** @type {string} */
let folder;
/** @type {ReturnType<typeof localWorker>} */
let worker;
/** @type {Client} */
let client;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "edgemint-many-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  worker = localWorker({
    port,
    bindings: { BASE_URL: url, MASTER_KEY, BOOTSTRAP_SECRET },
    onLine: (line, failed) => failed && console.error(line),
  });
  await worker.ready;
  const { body } = await bootstrap({ url, tenant }, BOOTSTRAP_SECRET, {}, () => {});
  client = new Client(
    { url, tenant, clientId: body.clientId, clientSecret: body.secret },
    () => {},
  );
});
after(async () => {
  await worker?.dispose();
  await rm(folder, { recursive: true, force: true });
});

/** Runs a command that succeeds, in a process of its own. @param {string[]} args @returns {Promise<string>} what it prints */
async function edgemint(args) {
  const { url, clientId, clientSecret } = client.profile;
  const child = spawn(process.execPath, [main, ...args], {
    env: {
      PATH: process.env.PATH,
      EDGEMINT_CONFIG: join(folder, "config.json"),
      EDGEMINT_URL: url,
      EDGEMINT_TENANT: tenant,
      EDGEMINT_CLIENT_ID: clientId,
      EDGEMINT_CLIENT_SECRET: clientSecret,
    },
  });
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (err += text));
  const code = await new Promise((resolve) => child.once("close", resolve));
  assert.equal(code, 0, err);
  return out;
}

/** A directory file with these applications. @param {string} name @param {string[]} ids */
async function file(name, ids) {
  const path = join(folder, name);
  const items = ids.map((id) => `  - { clientId: ${id}, displayName: The ${id} }\n`);
  await writeFile(path, `applications:\n${items.join("")}`);
  return path;
}

/** The ids of a list by pages, as they come. @param {number} limit */
async function listed(limit) {
  const seen = [];
  /** @type {string | undefined} */
  let cursor;
  do {
    const query = { limit, cursor };
    const { body } = await client.request("GET", "/applications", { query });
    assert.ok(body.items.length <= limit);
    for (const { clientId } of body.items) seen.push(clientId);
    cursor = body.next;
  } while (cursor !== undefined);
  return seen;
}

test("thousands of applications are made by one apply, and applying again leaves nothing to do", async () => {
  const path = await file("many.yaml", ids);
  assert.match(await edgemint(["apply", "-f", path, "--yes"]), /Done: 2,000 added/);
  assert.match(await edgemint(["apply", "-f", path, "--yes"]), /Nothing to do/);
});

test("pages list every application once while another process makes more among them", async () => {
  // Between those that are there: before, on and behind each page while it is read.
  const more = ids.filter((_, at) => at % 2).map((id) => `${id}-new`);
  const path = await file("more.yaml", more);
  let making = true;
  const made = edgemint(["apply", "-f", path, "--yes"]).finally(() => (making = false));
  let rounds = 0;
  let between = 0;
  while (making) {
    const seen = await listed(150);
    assert.equal(new Set(seen).size, seen.length, "each is listed once");
    assert.deepEqual(seen, seen.toSorted(), "in their order");
    const known = new Set(seen);
    assert.deepEqual(ids.filter((id) => !known.has(id)), []);
    if (seen.length > MANY + 1 && seen.length < ALL) between += 1;
    rounds += 1;
  }
  assert.match(await made, /Done: 1,000 added/);
  assert.ok(between > 0, `${rounds} lists, none while applications were made`);
  const seen = await listed(1000);
  const { clientId } = client.profile;
  assert.deepEqual(seen, [...ids, ...more, clientId].toSorted());
});

test("each of them has its copy in KV in the end", async () => {
  const namespace = await worker.getKVNamespace("DIRECTORY");
  const prefix = `directory/${tenant}:application/`;
  for (const until = Date.now() + 300_000; ; ) {
    let count = 0;
    /** @type {string | undefined} */
    let cursor;
    do {
      const page = await namespace.list({ prefix, cursor });
      count += page.keys.length;
      cursor = page.list_complete ? undefined : page.cursor;
    } while (cursor !== undefined);
    if (count === ALL) return;
    assert.ok(Date.now() < until, `${count} copies`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
});
