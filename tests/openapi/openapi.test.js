// The administration API over HTTP, held to pkg/openapi.json by schemathesis: what the document allows
// is accepted and what it forbids is refused, every answer has the form that it says, nothing answers
// 5xx, and what was made can be read, changed and deleted.
//
// `cargo xtask test openapi` runs this, once it has installed schemathesis.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { test } from "node:test";
import { freePort, MASTER_KEY, root, startWorker } from "../workerd/world.js";

/** The same requests in every run; another seed makes others. */
const SEED = process.env.EDGEMINT_SEED ?? "1";
/** Requests of each kind for each route: two to three minutes in all. */
const EXAMPLES = process.env.EDGEMINT_EXAMPLES ?? "40";
const BOOTSTRAP_SECRET = "a bootstrap secret, for this test only".replaceAll(" ", "-");

test("the administration API does what its OpenAPI document says", async () => {
  const port = await freePort();
  const tenant = `http://127.0.0.1:${port}/demo`;
  // Without a cache: the next token is signed by a key that is there, whatever was removed before.
  const bindings = { BASE_URL: `http://127.0.0.1:${port}`, MASTER_KEY, BOOTSTRAP_SECRET, CACHE_TTL: "0" };
  const worker = await startWorker({ port, bindings });
  try {
    const first = await fetch(`${tenant}/admin/v1/bootstrap`, {
      method: "POST",
      headers: { authorization: `Bearer ${BOOTSTRAP_SECRET}` },
    });
    assert.equal(first.status, 201, await first.clone().text());
    const { clientId, secret } = /** @type {any} */ (await first.json());
    console.log(`seed ${SEED}, ${EXAMPLES} examples: EDGEMINT_SEED and EDGEMINT_EXAMPLES set others`);
    const options = ["--config-file", "tests/openapi/schemathesis.toml", "run", "pkg/openapi.json"];
    options.push("--url", `${tenant}/admin/v1`, "--phases", "examples,coverage,fuzzing,stateful");
    options.push("--checks", "all", "--seed", SEED, "--max-examples", EXAMPLES, "--no-color");
    const child = spawn("target/openapi-venv/bin/schemathesis", options, {
      cwd: fileURLToPath(root),
      stdio: ["ignore", "inherit", "inherit"],
      env: {
        ...process.env,
        PYTHONPATH: "tests/openapi",
        PYTHONDONTWRITEBYTECODE: "1",
        EDGEMINT_CLIENT_ID: clientId,
        EDGEMINT_CLIENT_SECRET: secret,
        EDGEMINT_TOKEN_URL: `${tenant}/oauth2/token`,
      },
    });
    const [code] = await once(child, "exit");
    assert.equal(code, 0, "see above");
  } finally {
    await worker.stop();
  }
});
