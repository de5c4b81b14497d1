// The command line as a user runs it, against the worker in workerd: EDGEMINT_TEST_URL names another one
// that runs already, whose bootstrap secret is "bootstrap".

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Client } from "../../pkg/cli/client.js";
import { carryOut, each } from "../../pkg/cli/directory/carry-out.js";
import { plan } from "../../pkg/cli/directory/plan.js";
import { localWorker } from "../../worker/local.js";
import { MASTER_KEY, freePort } from "../workerd/world.js";

const main = new URL("../../pkg/cli/main.js", import.meta.url).pathname;
const BOOTSTRAP_SECRET = process.env.EDGEMINT_TEST_URL ? "bootstrap" : "b".repeat(43);
const tenant = `cli-${process.pid}`;

/** @type {string} */
let folder;
/** @type {string} */
let url;
/** @type {{ dispose(): Promise<void> } | undefined} */
let worker;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "edgemint-cli-"));
  url = process.env.EDGEMINT_TEST_URL ?? "";
  if (url !== "") return;
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const started = localWorker({
    port,
    bindings: { BASE_URL: url, MASTER_KEY, BOOTSTRAP_SECRET },
    onLine: (line, failed) => failed && console.error(line),
  });
  worker = started;
  await started.ready;
});
after(async () => {
  await worker?.dispose();
  await rm(folder, { recursive: true, force: true });
});

/**
 * Runs a command.
 * @param {string[]} args
 * @param {{ input?: string, env?: Record<string, string> }} [options]
 * @returns {Promise<{ code: number, out: string, err: string }>}
 */
function run(args, { input = "", env = {} } = {}) {
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn(process.execPath, [main, ...args], {
    env: { PATH, HOME, EDGEMINT_CONFIG: join(folder, "config.json"), ...env },
  });
  let [out, err] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text) => (err += text));
  // A command that fails early does not read it.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  return new Promise((resolve) => {
    child.on("close", (code) => resolve({ code: code ?? -1, out, err }));
  });
}

/** Runs a command that succeeds. @param {string[]} args @param {Parameters<typeof run>[1]} [options] */
async function ok(args, options) {
  const ran = await run(args, options);
  assert.equal(ran.code, 0, `${args.join(" ")}: ${ran.err}`);
  return ran;
}

/** Its answer as JSON. @param {string[]} args @param {Parameters<typeof run>[1]} [options] @returns {Promise<any>} */
const json = async (args, options) => JSON.parse((await ok([...args, "--json"], options)).out);

/** A command that fails, in one line. @param {string[]} args @param {number} code @param {RegExp} line @param {Parameters<typeof run>[1]} [options] */
async function fails(args, code, line, options) {
  const ran = await run(args, options);
  assert.equal(ran.code, code, `${args.join(" ")}: ${ran.err}`);
  assert.equal(ran.out, "");
  assert.match(ran.err, line);
  assert.ok(!/\n\s+at /.test(ran.err), ran.err);
}

/** @param {string} name @param {string} text */
async function file(name, text) {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

test("init makes the tenant with the one-time secret and stores a profile for nobody else to read", async () => {
  const place = ["--url", url, "--tenant", tenant];
  const { out, err } = await ok(["init", ...place, "--name", "Contoso"], {
    input: `${BOOTSTRAP_SECRET}\n`,
  });
  assert.equal(out, "");
  assert.match(err, new RegExp(`The tenant ${tenant} has the administrator `));
  const path = join(folder, "config.json");
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  const { clientSecret } = JSON.parse(await readFile(path, "utf8")).profiles[tenant];
  assert.ok(!err.includes(clientSecret), "the secret is not shown");
  await fails(["init", ...place], 4, /profile .* already \(exists\)\. .* with --profile NAME/, {
    input: BOOTSTRAP_SECRET,
  });
  await fails(["init", ...place, "--profile", "again"], 5, /wrong, or was used/, {
    input: BOOTSTRAP_SECRET,
  });

  assert.match((await ok(["profiles"])).out, new RegExp(`\\* ${tenant} +${url}`));
  assert.equal((await json(["tenant", "show"])).displayName, "Contoso");
});

test("login refuses a secret that does not serve, and stores one that does", async () => {
  const { clientId, clientSecret } = JSON.parse(await readFile(join(folder, "config.json"), "utf8"))
    .profiles[tenant];
  const login = [
    "login",
    "--url",
    url,
    "--tenant",
    tenant,
    "--client-id",
    clientId,
    "--profile",
    "again",
  ];
  await fails(login, 5, /invalid_client/, { input: `${clientSecret.slice(0, -1)}\n` });
  await ok(login, { env: { EDGEMINT_CLIENT_SECRET: clientSecret } });
  const other = { EDGEMINT_CLIENT_ID: "other", EDGEMINT_CLIENT_SECRET: "theirs" };
  await ok(login, { input: `${clientSecret}\n`, env: other });
  await ok(["tenant", "show", "--profile", "again"]);
  await ok(["profiles", "use", tenant]);
  await ok(["profiles", "remove", "again", "--yes"]);
  await fails(["tenant", "show", "--profile", "again"], 3, /no profile again/);
  const env = {
    EDGEMINT_URL: url,
    EDGEMINT_TENANT: tenant,
    EDGEMINT_CLIENT_ID: clientId,
    EDGEMINT_CLIENT_SECRET: clientSecret,
    EDGEMINT_CONFIG: "/nonexistent",
  };
  assert.equal((await json(["tenant", "show"], { env })).tenant, tenant);
});

test("an application gets a secret and an app role, and with them a token that verifies", async () => {
  const api = await json([
    "apis",
    "create",
    "api://orders",
    "--name",
    "Orders",
    "--role",
    "Orders.Read.All=Read",
  ]);
  assert.equal(api.roles[0].displayName, "Read");
  await ok(["roles", "add", "api://orders", "Orders.Write.All", "--name", "Write"]);
  await ok(["scopes", "add", "api://orders", "Orders.Read"]);
  assert.equal((await json(["roles", "list", "api://orders"])).items.length, 2);

  const { clientId } = await json(["apps", "create", "--name", "Worker"]);
  const { out: secret, err } = await ok([
    "secrets",
    "add",
    clientId,
    "--name",
    "first",
    "--ends",
    "30d",
  ]);
  assert.match(secret, /^ems_\S+\n$/, "the secret alone");
  assert.match(err, /shown only now/);
  const granted = await json([
    "grant",
    clientId,
    "api://orders",
    "Orders.Read.All",
    "Orders.Write.All",
  ]);
  assert.deepEqual(granted.assignments[0].roles, ["Orders.Read.All", "Orders.Write.All"]);

  const asked = ["token", "--client-id", clientId, "--scope", "api://orders/.default"];
  const decoded = await json([...asked, "--decode"], { input: secret });
  assert.equal(decoded.verified, true);
  assert.deepEqual(decoded.claims.roles, ["Orders.Read.All", "Orders.Write.All"]);
  assert.match((await ok(asked, { input: secret })).out, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  // The secret in the environment is of the id beside it, and of no other.
  const administrator = { EDGEMINT_CLIENT_ID: "administrator", EDGEMINT_CLIENT_SECRET: "theirs" };
  await ok(asked, { input: secret, env: administrator });
  await ok(asked, { input: secret, env: { EDGEMINT_CLIENT_SECRET: "somebody's" } });
  const own = { EDGEMINT_CLIENT_ID: clientId, EDGEMINT_CLIENT_SECRET: secret.trim() };
  await ok(asked, { env: own });

  await ok(["revoke", clientId, "api://orders", "Orders.Write.All", "--yes"]);
  await fails(
    ["revoke", clientId, "api://orders", "Orders.Write.All", "--yes"],
    3,
    /does not have/,
  );
  const { keyId } = (await json(["secrets", "list", clientId])).items[0];
  await fails(["secrets", "remove", clientId, keyId], 2, /--yes/);
  await ok(["secrets", "remove", clientId, keyId, "--yes"]);
  assert.deepEqual(await json(["secrets", "list", clientId]), { items: [] });
  await ok(["apps", "update", clientId, "--name", "Other", "--refresh-idle", "14d"]);
  const disabled = await ok(["apps", "disable", clientId]);
  assert.match(disabled.err, /everywhere within about a minute/, "and nothing was asked");
  const app = await json(["apps", "show", clientId]);
  assert.deepEqual([app.displayName, app.disabled, app.refresh.idle], ["Other", true, 1209600]);
  await ok(["apps", "enable", clientId]);
  await ok(["apps", "delete", clientId, "--yes"]);
  await fails(["apps", "show", clientId], 3, /not_found/);
});

test("exit codes and the code of the problem say what went wrong", async () => {
  await fails(["apis", "create", "api://orders"], 4, /\(exists\)/);
  await fails(["apis", "show", "api://none"], 3, /\(not_found\)/);
  await fails(["apis", "create", "not a uri"], 2, /\(invalid\)/);
  await fails(["apps", "nonsense"], 2, /--help/);
  await fails(["apps", "list", "--bogus"], 2, /bogus/);
  await fails(["apps", "show"], 2, /apps show: <application> \(Its client id\) is missing\. See/);
  await fails(["profiles", "use"], 2, /profiles use: <name> \(Which profile\) is missing/);
  await fails(["grant", "a"], 2, /<api> \(Its identifier URI\) and <role> .* are missing/);
  const kind = ["apps", "create", "--kind", "foo"];
  await fails(kind, 2, /create: --kind foo is not one of confidential, public\. See/);
  await fails(["apps", "delete", "x"], 3, /`edgemint apps list`/);
  const env = {
    EDGEMINT_URL: "http://127.0.0.1:9",
    EDGEMINT_TENANT: "t",
    EDGEMINT_CLIENT_ID: "c",
    EDGEMINT_CLIENT_SECRET: "s",
  };
  await fails(["apps", "list"], 1, /cannot reach .*\(network\)/, { env });
  await fails(["apps", "list"], 3, /no tenant none/, {
    env: { ...env, EDGEMINT_URL: url, EDGEMINT_TENANT: "none" },
  });

  const { clientId } = await json(["apps", "create", "--name", "Reader"]);
  const secret = (await ok(["secrets", "add", clientId])).out.trim();
  await ok(["grant", clientId, "urn:edgemint:admin", "Directory.Read.All"]);
  const reader = {
    EDGEMINT_URL: url,
    EDGEMINT_TENANT: tenant,
    EDGEMINT_CLIENT_ID: clientId,
    EDGEMINT_CLIENT_SECRET: secret,
  };
  await ok(["apps", "list"], { env: reader });
  await fails(["apps", "create"], 5, /\(insufficient_scope\)/, { env: reader });
  await ok(["apps", "delete", clientId, "--yes"]);
});

test("apply does what it shows, once, and export gives the file back", async () => {
  const text = (/** @type {string} */ name) => `
tenant: { displayName: ${name}, accessTokenLifetime: 1800 }
apis:
  - identifier: api://orders
    roles: [Orders.Read.All, { value: Orders.Delete.All, displayName: Delete }]
  - identifier: api://invoices
    roles: [Invoices.Read.All]
    assignmentRequired: true
applications:
  - clientId: imported
    displayName: Imported
    assignments: { "api://orders": [Orders.Delete.All], "api://invoices": [Invoices.Read.All] }
    secretFromEnv: IMPORTED_SECRET
`;
  const path = await file("directory.yaml", text("New"));
  const env = { IMPORTED_SECRET: "s".repeat(43) };
  await fails(["apply", "-f", path, "--dry-run"], 2, /IMPORTED_SECRET not set/);
  const dry = await run(["apply", "-f", path, "--dry-run"], { env });
  assert.equal(dry.code, 6, dry.err);
  assert.match(dry.out, /\+ application imported[^]*To do: 2 to add, 2 to change, 0 to remove/);
  const waiting = await run(["apply", "-f", path], { env });
  assert.equal(waiting.code, 2, "there is nobody to ask");
  assert.match((await ok(["apply", "-f", path, "--yes"], { env })).out, /Done: 2 added, 2 changed/);
  assert.match((await ok(["apply", "-f", path, "--yes"])).out, /Nothing to do/);
  await ok(["token", "--client-id", "imported", "--scope", "api://invoices/.default"], {
    input: env.IMPORTED_SECRET,
  });

  const exported = (await ok(["export"])).out;
  assert.equal((await ok(["export"])).out, exported);
  assert.ok(!exported.includes(env.IMPORTED_SECRET));
  assert.match(
    (await ok(["apply", "-f", "-", "--prune", "--dry-run"], { input: exported })).out,
    /^Nothing to do/,
  );

  const less = await file("less.yaml", "apis: [{ identifier: api://orders }]\napplications: []\n");
  const pruned = await ok(["apply", "-f", less, "--yes", "--prune"]);
  assert.match(pruned.out, /- application imported[^]*Done: 0 added, 0 changed, 2 removed/);
  assert.match(pruned.err, /It stays/);
  await ok(["tenant", "show"]);
  await fails(
    ["apply", "-f", await file("bad.yaml", "apis:\n  - roles: []\n")],
    2,
    /bad\.yaml:2:5: `identifier` is missing/,
  );
});

test("an app role that nobody declares is found before anything is done, and left out of an export", async () => {
  const text = (/** @type {string} */ apis, /** @type {string} */ role) =>
    `${apis}applications: [{ clientId: reader, assignments: { "api://bills": [${role}] } }]\n`;
  const bills = "apis: [{ identifier: api://bills, roles: [Read, Write] }]\n";
  const none = await file("none.yaml", text("", "Read"));
  const wrong = /application reader: there is no API api:\/\/bills \(file\)/;
  await fails(["apply", "-f", none, "--dry-run"], 2, wrong);
  const bogus = await file("bogus.yaml", text(bills, "Bogus"));
  const undeclared = /application reader: api:\/\/bills declares no app role Bogus \(file\)/;
  await fails(["apply", "-f", bogus, "--dry-run"], 2, undeclared);
  await fails(["apply", "-f", bogus, "--yes"], 2, undeclared);
  await fails(["apis", "show", "api://bills"], 3, /`edgemint apis list`/);

  await ok(["apply", "-f", await file("bills.yaml", text(bills, "Read, Write")), "--yes"]);
  await fails(["grant", "reader", "api://bills", "Bogus"], 3, /`edgemint roles list api:\/\/bills`/);
  // In the directory, too.
  await fails(["apply", "-f", await file("b.yaml", text("", "Bogus")), "--dry-run"], 2, undeclared);
  const admin = await file("admin.yaml", text("", "Read").replace("api://bills", "urn:edgemint:admin"));
  await fails(["apply", "-f", admin, "--dry-run"], 2, /urn:edgemint:admin declares no app role Read/);

  await ok(["roles", "remove", "api://bills", "Write", "--yes"]);
  const exported = await ok(["export"]);
  assert.match(exported.err, /Left out, .*: Write on api:\/\/bills of reader\./);
  assert.match(exported.out, /api:\/\/bills: \[Read\]/);
  await ok(["apply", "-f", "-", "--yes"], { input: exported.out });
  assert.equal((await ok(["export"])).err, "", "what was left is gone");
  const unnamed = await run(["apply", "-f", await file("empty.yaml", "apis: []\n"), "--dry-run"]);
  assert.match(unnamed.err, /Not in the file: .*api api:\/\/bills.*--prune removes/);
  await ok(["apps", "delete", "reader", "--yes"]);
  await ok(["apis", "delete", "api://bills", "--yes"]);
});

test("the app roles of the administration are listed, as docs/administration.md has them", async () => {
  const { items } = await json(["roles", "list", "urn:edgemint:admin"]);
  const document = await readFile(new URL("../../docs/administration.md", import.meta.url), "utf8");
  const [, section] = document.split("\n## Who may do what\n");
  const rows = [...section.split("\n## ")[0].matchAll(/^\| `([\w.]+)` \|/gm)].map(([, role]) => role);
  const values = items.map((/** @type {any} */ { value }) => value);
  assert.deepEqual(values.toSorted(), rows.toSorted());
});

test("whoever chooses a profile is told that the environment goes before it", async () => {
  const env = { EDGEMINT_TENANT: "other" };
  const told = /The environment goes before the current profile: EDGEMINT_TENANT\. Unset it/;
  assert.match((await ok(["profiles", "use", tenant], { env })).err, told);
  assert.match((await ok(["profiles"], { env })).err, told);
  assert.equal((await ok(["profiles"])).err, "");
  await fails(["apps", "list"], 2, /EDGEMINT_CLIENT_SECRET not set\. EDGEMINT_TENANT in the/, { env });
});

test("r48 what someone else changed between the plan and its turn is a conflict, and nothing is lost", async () => {
  const { profiles } = JSON.parse(await readFile(join(folder, "config.json"), "utf8"));
  const client = new Client(profiles[tenant], () => {});
  await ok(["apps", "create", "--client-id", "contended", "--name", "First"]);
  const applications = [{ clientId: "contended", displayName: "Mine" }];
  const planned = async () => (await plan(client, { applications }, {}, {}, () => {})).steps;
  const act = (/** @type {any[]} */ steps) =>
    carryOut(client, steps, { prune: true, env: {} }, () => {});
  const conflict = { exit: 4, hint: /Run it again/ };

  const change = await planned();
  await ok(["apps", "update", "contended", "--name", "Theirs"]);
  await assert.rejects(act(change), conflict);
  assert.equal((await json(["apps", "show", "contended"])).displayName, "Theirs");
  await act(await planned());
  assert.equal((await json(["apps", "show", "contended"])).displayName, "Mine");
  await act(change);

  const { steps: removal } = await plan(
    client,
    { applications: [] },
    { prune: true },
    {},
    () => {},
  );
  const one = removal.filter(({ id }) => id === "contended");
  await ok(["apps", "update", "contended", "--name", "Still in use"]);
  await assert.rejects(act(one), conflict);
  await ok(["apps", "delete", "contended", "--yes"]);
  const addition = await planned();
  await ok(["apps", "create", "--client-id", "contended"]);
  await assert.rejects(act(addition), { ...conflict, code: "exists" });
  await ok(["apps", "delete", "contended", "--yes"]);
});

test("hundreds of applications are imported in batches and listed by pages", async () => {
  const items = Array.from(
    { length: 1200 },
    (_, at) => `  - { clientId: bulk-${at}, displayName: Bulk ${at} }\n`,
  );
  const path = await file("bulk.yaml", `applications:\n${items.join("")}`);
  assert.match(
    (await ok(["apply", "-f", path, "--yes"])).out,
    /and 1,180 more applications[^]*Done: 1,200 added/,
  );
  assert.match((await ok(["apply", "-f", path, "--yes"])).out, /Nothing to do/);
  const { items: listed, next } = await json(["apps", "list"]);
  assert.equal(listed.length, 1201);
  assert.equal(next, undefined);
  const first = await json(["apps", "list", "--limit", "3"]);
  assert.equal(first.items.length, 3);
  const second = await json(["apps", "list", "--limit", "3", "--cursor", first.next]);
  assert.deepEqual(second.items, listed.slice(3, 6));
  assert.equal((await ok(["apps", "list"])).out.split("\n").length, 1203);
});

test("keys are rotated, sessions ended, events shown, and another tenant made", async () => {
  const { kid } = await json(["keys", "rotate"]);
  const { items } = await json(["keys", "list"]);
  assert.ok(items.some((/** @type {any} */ key) => key.kid === kid && key.state === "announced"));
  const second = await ok(["keys", "rotate"]);
  assert.match(second.err, new RegExp(`announced already: ${kid} \\(ES256\\) signs from`));
  const { items: both } = await json(["keys", "list"]);
  for (const { kid, state } of both) {
    if (state === "announced") await ok(["keys", "remove", kid, "--yes"]);
  }
  assert.match((await ok(["keys", "list"])).err, /sealed under the master key in use/);
  assert.match((await ok(["keys", "reseal"])).err, /Nothing to do/);
  assert.deepEqual(await json(["sessions", "list", "nobody"]), { items: [] });
  await ok(["sessions", "end", "--user", "ada", "--yes"]);
  await ok(["sessions", "end", "--all", "--yes"]);
  await fails(["sessions", "end", "--user", "a", "--all", "--yes"], 2, /one of/);
  const events = await json(["events", "--limit", "500"]);
  assert.ok(events.items.length > 10);
  const lines = (await ok(["events", "--limit", "5"])).out.trim().split("\n");
  assert.equal(lines.length, 5);
  assert.match(lines[0], /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  \w+/);

  const other = `${tenant}-two`;
  assert.equal((await ok(["tenant", "create", other, "--save", other])).out, "");
  assert.equal((await json(["tenant", "show", "--profile", other])).tenant, other);
});

test("every command has help, and nothing of it goes to standard error", async () => {
  const { out } = await ok(["--help"]);
  assert.match(out, /Exit codes/);
  const groups = ["apps", "secrets", "apis", "roles", "scopes", "keys", "sessions", "tenant"];
  const commands = [...out.matchAll(/^ {2}edgemint ([a-z]+)/gm)].map(([, name]) => [name]);
  for (const command of [...commands]) {
    if (!groups.includes(command[0])) continue;
    const help = (await ok([...command, "--help"])).out;
    for (const [, name] of help.matchAll(
      new RegExp(`^ {2}edgemint ${command[0]} ([a-z]+)`, "gm"),
    )) {
      commands.push([command[0], name]);
    }
  }
  assert.ok(commands.length > 40, `${commands.length}`);
  await each(commands, 4, async (command) => {
    const { out: help, err } = await ok([...command, "--help"]);
    assert.equal(err, "");
    if (groups.includes(command.join(" ")) || command[0] === "completion") return;
    assert.match(help, /Examples:/, command.join(" "));
  });
  const words = await ok(["--get-yargs-completions", "edgemint", "apps", ""]);
  assert.match(words.out, /^delete/m);
  const names = await ok(["--get-yargs-completions", "edgemint", "--profile", ""]);
  assert.match(names.out, new RegExp(`^${tenant}$`, "m"));
});
