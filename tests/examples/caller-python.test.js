// examples/caller-python in a virtual environment that `cargo xtask test` makes of its requirements.txt.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { writeFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { promisify } from "node:util";
import { root, secret, serve, start } from "./serving.js";

const run = promisify(execFile);
const python = join(root, "target/examples-venv/bin/python");
const caller = join(root, "examples/caller-python/caller.py");
const SECRETS = { READER_SECRET: secret(), WRITER_SECRET: secret() };

/** As examples/hono-api has it. */
const DIRECTORY = `
tenant: { name: demo }
apis:
  - { identifier: "api://orders", roles: [Orders.Read.All] }
applications:
  - clientId: reader
    secretFromEnv: READER_SECRET
    assignments: { "api://orders": [Orders.Read.All] }
`;

describe("examples/caller-python", () => {
  /** @type {Awaited<ReturnType<typeof serve>>} */
  let service;
  /** @type {Awaited<ReturnType<typeof start>>} */
  let api;
  /** @type {Record<string, string>} */
  let env;
  /** @type {string} */
  let folder;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "edgemint-python-"));
    await writeFile(join(folder, "directory.yaml"), DIRECTORY);
    service = await serve(join(folder, "directory.yaml"), SECRETS);
    const told = { ISSUER: service.issuer, AUDIENCE: "api://orders", PORT: "0" };
    api = await start([process.execPath, "examples/api.js"], { cwd: root, env: told }, /asks for a token/);
    env = {
      ...process.env,
      PYTHONPATH: join(root, "examples/caller-python"),
      PYTHONDONTWRITEBYTECODE: "1",
      ISSUER: service.issuer,
      CLIENT_ID: "reader",
      CLIENT_SECRET: SECRETS.READER_SECRET,
      SCOPE: "api://orders/.default",
      API_URL: new URL(api.line.split(" ")[0]).origin,
    };
  });
  after(async () => {
    await api?.stop();
    await service?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  test("calls the API twice with one token", async () => {
    const before = await service.asked();
    const { stdout } = await run(python, [caller], { env });
    assert.match(stdout, /^GET \/orders: 200 /m);
    assert.match(stdout, /^POST \/orders: 403 .*insufficient_scope/m);
    assert.match(stdout, /^one token until [\d:]+ with api:\/\/orders\/Orders\.Read\.All$/m);
    assert.equal((await service.asked()) - before, 1);
  });

  test("replaces a token a minute before it expires, and one that is refused at once", async () => {
    const before = await service.asked();
    // It looks at nothing but the time that is noted.
    const program = `
import os, time
from caller import Caller
caller = Caller(*(os.environ[name] for name in ["ISSUER", "CLIENT_ID", "CLIENT_SECRET", "SCOPE"]))
url = os.environ["API_URL"] + "/orders"
assert caller.get(url).status_code == 200
first = caller.token["access_token"]
assert caller.get(url).status_code == 200
assert caller.token["access_token"] == first, "kept"
assert abs(caller.token["expires_at"] - time.time() - 3600) < 600, "for an hour"
caller.token = {**caller.token, "expires_at": int(time.time()) + 600}
assert caller.get(url).status_code == 200
assert caller.token["access_token"] == first, "kept until its last minute"
caller.token = {**caller.token, "expires_at": int(time.time()) + 59}
assert caller.get(url).status_code == 200
second = caller.token["access_token"]
assert second != first, "replaced before its end"
caller.token = {**caller.token, "access_token": second[:-6] + "AAAAAA"}
assert caller.get(url).status_code == 200
assert caller.token["access_token"] not in (first, second), "replaced after 401"
`;
    await run(python, ["-c", program], { env });
    assert.equal((await service.asked()) - before, 3);
  });

  test("says what is wrong with what it was told", async () => {
    const unset = { ...env, CLIENT_SECRET: "", SCOPE: "" };
    await assert.rejects(run(python, [caller], { env: unset }), /error: set CLIENT_SECRET, SCOPE/);
    const wrong = { ...env, CLIENT_SECRET: secret() };
    await assert.rejects(run(python, [caller], { env: wrong }), /invalid_client/);
  });
});
