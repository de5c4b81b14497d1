// What the command line keeps and says: profiles, exit codes, times, tables.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { kindOf, typed } from "../../pkg/cli/completion.js";
import { pathOf, retryAfter } from "../../pkg/cli/client.js";
import { CliError, EXIT, ProblemError, exitOf, lineOf } from "../../pkg/cli/errors.js";
import { declaredOf, momentOf, secondsOf } from "../../pkg/cli/options.js";
import { Table, distance, duration, stamp } from "../../pkg/cli/output.js";
import {
  configPath,
  readConfig,
  resolveProfile,
  serviceUrl,
  storeProfile,
} from "../../pkg/cli/profile.js";

const STORED = { url: "https://a.example", tenant: "t", clientId: "c", clientSecret: "s" };

test("profiles are stored for nobody else to read, also if the file was open before", async () => {
  const folder = await mkdtemp(join(tmpdir(), "edgemint-profile-"));
  try {
    const env = { XDG_CONFIG_HOME: folder };
    const path = join(folder, "edgemint", "config.json");
    assert.equal(configPath(env), path);
    assert.deepEqual(await readConfig(env), { profiles: {} });
    await storeProfile(env, "one", STORED);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    assert.equal((await stat(join(folder, "edgemint"))).mode & 0o777, 0o700);

    await chmod(path, 0o644);
    /** @type {string[]} */
    const hints = [];
    await readConfig(env, (hint) => hints.push(hint));
    assert.match(hints[0], /chmod 600/);
    await storeProfile(env, "two", { ...STORED, tenant: "u" });
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    const config = JSON.parse(await readFile(path, "utf8"));
    assert.deepEqual([config.current, Object.keys(config.profiles)], ["two", ["one", "two"]]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("profiles that several processes store at once are all there afterwards", async () => {
  const folder = await mkdtemp(join(tmpdir(), "edgemint-profile-"));
  try {
    const env = { EDGEMINT_CONFIG: join(folder, "config.json") };
    const names = Array.from({ length: 8 }, (_, at) => `p${at}`);
    const module = new URL("../../pkg/cli/profile.js", import.meta.url).href;
    const code = `const { storeProfile } = await import(${JSON.stringify(module)});
      await storeProfile(process.env, process.argv[1], ${JSON.stringify(STORED)});`;
    const exits = names.map(async (name) => {
      const args = ["--input-type=module", "--eval", code, name];
      const child = spawn(process.execPath, args, { env, stdio: "inherit" });
      return (await once(child, "close"))[0];
    });
    assert.deepEqual(new Set(await Promise.all(exits)), new Set([0]));
    assert.deepEqual(Object.keys((await readConfig(env)).profiles).toSorted(), names);

    // In one process, too, and the lock of one that was killed does not last.
    await writeFile(`${env.EDGEMINT_CONFIG}.lock`, "");
    await Promise.all(["q", "r", "s"].map((name) => storeProfile(env, name, STORED)));
    assert.equal(Object.keys((await readConfig(env)).profiles).length, 11);
    assert.deepEqual(await readdir(folder), ["config.json"]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test("the environment goes before the current profile, and a profile that is named before both", () => {
  const config = { current: "one", profiles: { one: STORED, two: { ...STORED, tenant: "u" } } };
  assert.deepEqual(resolveProfile({}, config, undefined), STORED);
  const ci = {
    EDGEMINT_URL: "https://b.example/",
    EDGEMINT_TENANT: "x",
    EDGEMINT_CLIENT_ID: "d",
    EDGEMINT_CLIENT_SECRET: "e",
  };
  const resolved = { url: "https://b.example", tenant: "x", clientId: "d", clientSecret: "e" };
  assert.deepEqual(resolveProfile(ci, config, undefined), resolved);
  assert.deepEqual(resolveProfile(ci, { profiles: {} }, undefined), resolved);
  assert.equal(resolveProfile(ci, config, "two").tenant, "u");
  assert.throws(() => resolveProfile({}, config, "toString"), { exit: EXIT.notFound });
  assert.throws(() => resolveProfile({}, { profiles: {} }, undefined), { exit: EXIT.usage });
});

test("a stored secret is never sent elsewhere than it was stored for", () => {
  const config = { current: "one", profiles: { one: STORED } };
  for (const elsewhere of [
    { EDGEMINT_URL: "https://b.example" },
    { EDGEMINT_TENANT: "u" },
    { EDGEMINT_CLIENT_ID: "d" },
  ]) {
    assert.throws(
      () => resolveProfile(elsewhere, config, undefined),
      /EDGEMINT_CLIENT_SECRET not set/,
    );
  }
});

test("an environment that is incomplete is told to be what hides the profile", () => {
  const config = { current: "one", profiles: { one: STORED } };
  assert.throws(() => resolveProfile({ EDGEMINT_URL: "https://b.example" }, config, undefined), {
    hint: /^EDGEMINT_URL in the environment goes before the profile: .* or give --profile NAME$/,
  });
});

test("what is not found is looked for with the command that lists it", () => {
  const hintOf = (/** @type {string} */ detail) =>
    new ProblemError(404, { code: "not_found", detail }).hint;
  assert.match(
    `${hintOf("app role of `api://bills`, `Bogus` does not exist")}`,
    /`edgemint roles list api:\/\/bills`/,
  );
  assert.match(`${hintOf("API `api://x` does not exist")}`, /`edgemint apis list`/);
  assert.match(`${hintOf("application `x` does not exist")}`, /`edgemint apps list`/);
  assert.match(`${hintOf("signing key `x` does not exist")}`, /`edgemint keys list`/);
  assert.equal(hintOf("tenant `x` does not exist"), undefined);
});

test("a service is a scheme and a host, by https except on this machine", () => {
  assert.equal(serviceUrl("https://Auth.example.com/"), "https://auth.example.com");
  assert.equal(serviceUrl("http://localhost:8787"), "http://localhost:8787");
  assert.equal(serviceUrl("http://127.0.0.1:8787"), "http://127.0.0.1:8787");
  for (const bad of [
    "auth.example.com",
    "http://auth.example.com",
    "https://a.example/t",
    "https://u@a.example",
    "ftp://a.example",
    "http://localhost.example",
  ]) {
    assert.throws(() => serviceUrl(bad), { exit: EXIT.usage }, bad);
  }
});

test("an exit code says what kind of failure it was", () => {
  const codes = {
    400: 2,
    401: 5,
    403: 5,
    404: 3,
    405: 1,
    409: 4,
    412: 4,
    413: 2,
    415: 1,
    422: 2,
    429: 1,
    500: 1,
    503: 1,
  };
  for (const [status, exit] of Object.entries(codes))
    assert.equal(exitOf(Number(status)), exit, status);
});

test("a failure is one line, whatever the server says", () => {
  const problem = new ProblemError(409, {
    code: "exists",
    detail: "API `api://orders` exists\n\u001b[2J.",
  });
  assert.equal(
    lineOf("apis create", problem),
    "edgemint apis create: API `api://orders` exists [2J (exists). Look at it with `show`, change it with `update`",
  );
  assert.equal(lineOf("", new CliError("which one?", { hint: "See" })), "edgemint: which one? See");
  assert.equal(new ProblemError(502, {}).code, "http_502");
  assert.match(lineOf("x", new TypeError("a\nb")), /^edgemint x: this should not happen: a b\. /);
});

test("lengths of time and points in time are read as people write them", () => {
  assert.deepEqual(
    ["90", "10s", "15m", "12h", "30d"].map((text) => secondsOf("x", text)),
    [90, 10, 900, 43200, 2592000],
  );
  assert.throws(() => secondsOf("idle", "soon"), { exit: EXIT.usage, message: /--idle soon/ });
  assert.equal(momentOf("x", "2027-01-31T00:00Z"), 1801353600);
  assert.equal(stamp(momentOf("x", "2027-01-31") ?? 0), "2027-01-31 00:00");
  const before = Math.floor(Date.now() / 1000) + 3600;
  const hence = momentOf("x", "1h") ?? 0;
  assert.ok(hence >= before && hence <= Date.now() / 1000 + 3601, `${hence}`);
  for (const bad of ["tomorrow", "31.1.2027", "2027"]) {
    assert.throws(() => momentOf("ends", bad), { exit: EXIT.usage }, bad);
  }
  assert.deepEqual(declaredOf("A=B=C"), { value: "A", displayName: "B=C" });
});

test("times are shown with how far away they are", () => {
  assert.deepEqual([12 * 86400 - 60, 86400, -7200, 30, -90].map(distance), [
    "in 12 days",
    "in 1 day",
    "2 hours ago",
    "now",
    "2 minutes ago",
  ]);
  assert.deepEqual([3599.5, 3500, 86399].map(distance), ["in 1 hour", "in 58 minutes", "in 1 day"]);
  assert.deepEqual([3600, 2592000, 90, 5400, 0].map(duration), [
    "1 hour",
    "30 days",
    "90 s",
    "90 minutes",
    "0 s",
  ]);
});

test("one waits as long as the service says", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: Date.now() });
  assert.equal(retryAfter("7", 1), 7);
  assert.equal(retryAfter(null, 3), 4);
  assert.ok(Math.abs(retryAfter(new Date(Date.now() + 5000).toUTCString(), 1) - 5) <= 1);
});

test("a table is aligned by what is seen, keeps its heading for later parts, and fits a terminal", () => {
  /** @type {import("../../pkg/cli/output.js").Column<string[]>[]} */
  const columns = [
    { title: "ID", of: ([id]) => id },
    { title: "NAME", of: ([, name]) => name, loose: true },
    { title: "END", of: ([, , end]) => end },
  ];
  const table = new Table(columns);
  assert.equal(
    table.lines([
      ["1", "日本", "x"],
      ["22", "", "y"],
    ]),
    "ID  NAME  END\n1   日本  x\n22  -     y\n",
  );
  assert.equal(table.lines([["333", "a\u001b[31mb", "z"]]), "333  a [31mb  z\n");
  const terminal = /** @type {any} */ ({ isTTY: true, columns: 24 });
  assert.equal(
    new Table(columns, terminal).lines([["1", "a very long name", "x"]]).split("\n")[1],
    "1   a very long na…  x",
  );
});

test("a terminal that is too narrow gets short texts first, and then fewer columns", () => {
  /** @type {import("../../pkg/cli/output.js").Column<string>[]} */
  const columns = [
    { title: "ID", of: (id) => id },
    { title: "WHEN", of: () => "2026-11-21 (in 3 days)", short: () => "in 3 days" },
    { title: "LESS", of: () => "less", spare: 2 },
    { title: "LEAST", of: () => "least", spare: 1 },
  ];
  const lines = (/** @type {number} */ width) => {
    const terminal = /** @type {any} */ ({ isTTY: true, columns: width });
    return stripVTControlCharacters(new Table(columns, terminal).lines(["1"]));
  };
  assert.equal(lines(39).split("\n")[1], "1   2026-11-21 (in 3 days)  less  least");
  assert.equal(lines(38), "ID  WHEN       LESS  LEAST\n1   in 3 days  less  least\n");
  assert.equal(lines(25), "ID  WHEN       LESS\n1   in 3 days  less\n");
  assert.equal(lines(18), "ID  WHEN\n1   in 3 days\n");
  assert.equal(lines(5), lines(18), "what is left is not cut");
});

test("Tab is for client ids and identifiers where they belong", () => {
  const kinds = {
    "apps show ": "/applications",
    "secrets remove o": "/applications",
    "secrets remove order-worker ": undefined,
    "grant ": "/applications",
    "grant order-worker ": "/apis",
    "--profile x grant order-worker api": "/apis",
    "grant order-worker api://orders ": undefined,
    "roles add --json ": "/apis",
    "apps list ": undefined,
    "apps show -": undefined,
    "sessions end --app ": "/applications",
    "token --client-id o": "/applications",
    "apps create --client-id ": undefined,
    "tenant show --profile ": "profiles",
    "constructor x": undefined,
  };
  for (const [line, kind] of Object.entries(kinds)) assert.equal(kindOf(line.split(" ")), kind, line);
});

test("bash takes words apart at colons, and they are put together again", () => {
  const parts = (/** @type {string} */ line) => typed(line.split(" "));
  assert.deepEqual(parts("apis show"), { words: ["apis", "show"], head: "" });
  assert.deepEqual(parts("show api : //or"), { words: ["show", "api://or"], head: "api:" });
  const urn = parts("grant a urn : edgemint : admin ");
  assert.deepEqual(urn, { words: ["grant", "a", "urn:edgemint:admin", ""], head: "" });
  const begun = parts("urn : edgemint : ad");
  assert.deepEqual(begun, { words: ["urn:edgemint:ad"], head: "urn:edgemint:" });
});

test("what stands in a path is encoded", () => {
  assert.equal(pathOf("api://orders", "a b"), "/api%3A%2F%2Forders/a%20b");
});
