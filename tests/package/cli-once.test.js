// What must not be lost or missed: a secret that is shown once, an event that comes late. Against a service
// of this test, which answers at the moment and in the order that it takes.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

const main = new URL("../../pkg/cli/main.js", import.meta.url).pathname;
const SECRET = "ems_THESECRET";
const administrator = { clientId: "id1", keyId: "k", displayName: "k", secret: SECRET, hint: "THE" };

/**
 * Runs `act` beside a service.
 * @param {(request: import("node:http").IncomingMessage) => unknown} answer as JSON, to all but tokens
 * @param {(world: { config: string, start: (args: string[]) => import("node:child_process").ChildProcessWithoutNullStreams, run: (args: string[]) => Promise<{ code: number, out: string, err: string }> }) => Promise<void>} act
 */
async function beside(answer, act) {
  const folder = await mkdtemp(join(tmpdir(), "edgemint-once-"));
  const config = join(folder, "config.json");
  const server = createServer(async (request, response) => {
    const token = { access_token: "x", token_type: "Bearer", expires_in: 300 };
    const body = request.url === "/t/oauth2/token" ? token : await answer(request);
    response.writeHead(request.method === "POST" && body !== token ? 201 : 200, {
      "content-type": "application/json",
    });
    response.end(JSON.stringify(body));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const start = (/** @type {string[]} */ args) =>
    spawn(process.execPath, [main, ...args], {
      env: {
        EDGEMINT_CONFIG: config,
        EDGEMINT_URL: `http://127.0.0.1:${port}`,
        EDGEMINT_TENANT: "t",
        EDGEMINT_CLIENT_ID: "c",
        EDGEMINT_CLIENT_SECRET: "s",
        EDGEMINT_BOOTSTRAP_SECRET: "b",
      },
    });
  const run = async (/** @type {string[]} */ args) => {
    const child = start(args);
    let [out, err] = ["", ""];
    child.stdout.on("data", (chunk) => (out += chunk));
    child.stderr.on("data", (chunk) => (err += chunk));
    const [code] = await once(child, "close");
    return { code, out, err };
  };
  try {
    await act({ config, start, run });
  } finally {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** The commands that make an administrator, with what the service answers. @type {[string[], any][]} */
const MAKING = [
  [["init"], { tenant: "t", ...administrator }],
  [["tenant", "create", "u", "--save", "u"], { tenant: "u", id: "1", administrator }],
];

for (const [command, body] of MAKING) {
  const name = command.slice(0, 2).join(" ");
  test(`${name} prints the secret if its profile cannot be stored, with and without --json`, async () => {
    for (const more of [[], ["--json"]]) {
      let config = "";
      const answer = async () => {
        // What could be written before cannot any more.
        await rm(config, { force: true });
        await mkdir(config);
        return body;
      };
      await beside(answer, async (world) => {
        ({ config } = world);
        const { code, out, err } = await world.run([...command, ...more]);
        assert.deepEqual(JSON.parse(out), body);
        assert.equal(code, 1);
        assert.match(err, /it is a folder.* on standard output.* login --client-id id1/);
      });
    }
  });

  test(`${name} does not print a secret that is stored, unless --show-secret asks for it`, () =>
    beside(
      () => body,
      async ({ config, run }) => {
        for (const json of [[], ["--json"]]) {
          await rm(config, { force: true });
          const quiet = await run([...command, ...json]);
          assert.equal(quiet.code, 0, quiet.err);
          assert.ok(!`${quiet.out}${quiet.err}`.includes(SECRET));
          assert.ok((await readFile(config, "utf8")).includes(SECRET));
          await rm(config, { force: true });
          const shown = await run([...command, ...json, "--show-secret"]);
          assert.ok(shown.out.includes(SECRET));
        }
      },
    ));

  test(`${name} makes nothing if there is a profile of that name, or none can be stored`, async () => {
    let asked = 0;
    const answer = () => ((asked += 1), body);
    await beside(answer, async ({ config, run }) => {
      assert.equal((await run(command)).code, 0);
      const twice = await run(command);
      assert.equal(twice.code, 4);
      assert.match(twice.err, /there is a profile . already \(exists\)/);
      await rm(config);
      await mkdir(config);
      assert.equal((await run(command)).code, 1);
      assert.equal(asked, 1);
    });
  });
}

test("events --follow shows an event whose act began before others that are shown, and each once", async () => {
  const event = (/** @type {string} */ id, /** @type {number} */ second) => {
    return { id, time: 1_800_000_000 + second, reason: "api_created", detail: id };
  };
  const [old, before, long, then] = [
    event("old", -3600),
    event("before", 12),
    event("long", 11),
    event("then", 13),
  ];
  // An act that took from 11 to 14 is there only after one that took from 12 to 13.
  const lists = [[before, old], [before, long, old], [then, before, long, old]];
  let asked = 0;
  const answer = () => ({ items: lists[Math.min(asked++, lists.length - 1)] });
  await beside(answer, async ({ start }) => {
    const child = start(["events", "--follow", "--json", "--limit", "1"]);
    let out = "";
    child.stdout.on("data", (chunk) => (out += chunk));
    while (asked < 5) await new Promise((resolve) => setTimeout(resolve, 100));
    child.kill();
    await once(child, "close");
    const shown = out.trim().split("\n").map((line) => JSON.parse(line).id);
    assert.deepEqual(shown, ["before", "long", "then"]);
  });
});

test("Tab completes ids by their beginning, and never says that something failed", async () => {
  const items = [
    { clientId: "shop", displayName: "Shop" },
    { clientId: "order-worker", displayName: "Order worker" },
  ];
  const apis = [{ identifier: "api://orders", displayName: "api://orders" }];
  const answer = (/** @type {import("node:http").IncomingMessage} */ { url }) => {
    return { items: url?.includes("/apis") ? apis : items };
  };
  const complete = ["--get-yargs-completions", "edgemint"];
  await beside(answer, async ({ run }) => {
    for (const [words, out] of /** @type {const} */ ([
      [["apps", "show", "or"], "order-worker\n"],
      [["grant", "shop", ""], "api://orders\n"],
      [["apis", "show", "api", ":", "//"], "//orders\n"],
      [["tenant", "s"], "show\nupdate\ncreate\n"],
    ])) {
      const completed = await run([...complete, ...words]);
      assert.deepEqual(completed, { code: 0, out, err: "" });
    }
  });
  await beside(
    () => new Promise(() => {}),
    async ({ run }) => {
      const before = Date.now();
      assert.deepEqual(await run([...complete, "apps", "show", ""]), { code: 0, out: "", err: "" });
      assert.ok(Date.now() - before < 45_000, "other commands wait for a minute");
    },
  );
});
