// `cargo xtask dev` from where the build is done: the demo directory, its facts, a second start.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { root } from "./world.js";

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  server.close();
  await once(server, "close");
  return port;
}

test("the demo is set up once, says its facts, and stops when its command is gone", async () => {
  const folder = await mkdtemp(join(tmpdir(), "edgemint-dev-"));
  const [state, facts] = [join(folder, "state"), join(folder, "demo.json")];
  const port = await freePort();
  /** Starts it, runs `act` on its facts, closes its standard input. @param {(demo: any) => Promise<void>} act */
  async function run(act) {
    await rm(facts, { force: true });
    const options = ["worker/dev.js", "--port", `${port}`, "--state", state, "--facts", facts];
    const child = spawn(process.execPath, options, { cwd: root, stdio: ["pipe", "pipe", "inherit"] });
    let printed = "";
    child.stdout.setEncoding("utf8").on("data", (text) => (printed += text));
    const exited = once(child, "exit");
    for (let wait = 0; wait < 300 && !printed.includes("What to try next"); wait += 1) {
      assert.equal(child.exitCode, null, printed);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    try {
      assert.ok(existsSync(facts), printed);
      const demo = JSON.parse(readFileSync(facts, "utf8"));
      assert.ok(printed.includes(`-d client_id=${demo.client_id}`), printed);
      await act(demo);
    } finally {
      child.stdin.end();
      const [code] = await exited;
      assert.equal(code, 0);
    }
    await assert.rejects(fetch(`http://127.0.0.1:${port}/healthz`), "nothing listens any more");
  }
  /** @param {any} demo @param {string} scope */
  const ask = ({ token_endpoint, client_id, client_secret }, scope) => {
    const grant_type = "client_credentials";
    const body = new URLSearchParams({ grant_type, client_id, client_secret, scope });
    return fetch(token_endpoint, { method: "POST", body });
  };
  try {
    /** @type {string} */
    let client;
    await run(async (demo) => {
      const members = ["base_url", "issuer", "token_endpoint", "jwks_uri", "client_id"];
      assert.deepEqual(Object.keys(demo), [...members, "client_secret", "scope", "api"]);
      client = demo.client_id;
      const { scope } = /** @type {any} */ (await (await ask(demo, demo.scope)).json());
      assert.equal(scope, "api://orders/Orders.Read.All");
      assert.equal((await ask(demo, "api://orders/Orders.Write.All")).status, 400);
      assert.equal((await ask(demo, "api://invoices/Invoices.Read.All")).status, 400);
      assert.equal((await ask(demo, "api://invoices/.default")).status, 200, "it is registered");
      assert.equal((await fetch(demo.jwks_uri)).status, 200);
    });
    await run(async (demo) => {
      assert.equal(demo.client_id, client, "the state was kept");
      assert.equal((await ask(demo, demo.scope)).status, 200);
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
