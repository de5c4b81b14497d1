// What breaks around the service, and what the caller and the operator see of it.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { until } from "../until.js";
import { register, startWorker, tokenRequest } from "./world.js";

/** @typedef {Awaited<ReturnType<typeof startWorker>>} Worker */

/** The events in a worker's log. @param {Worker} worker @returns {any[]} */
function events({ log }) {
  return log.filter((line) => line.includes('{"edgemint"')).flatMap((line) => JSON.parse(line).edgemint);
}

/** The log arrives a little later than the answer. @param {Worker} worker @param {string} reason */
async function event(worker, reason) {
  for (let wait = 0; wait < 5000; wait += 1) {
    const found = events(worker).find((seen) => seen.reason === reason);
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`no event ${reason} in ${worker.log.join("\n")}`);
}

describe("a worker that is not set up", () => {
  for (const [name, bindings, reason] of /** @type {const} */ ([
    ["without a master key", { MASTER_KEY: undefined }, "missing_master_key"],
    ["with a master key that is none", { MASTER_KEY: "hunter2-hunter2" }, "invalid_master_key"],
    ["with a base URL that is none", { BASE_URL: "auth.example.com/x" }, "invalid_base_url"],
  ])) {
    test(`${name} answers 500 and tells the operator why`, async () => {
      const worker = await startWorker({ bindings });
      try {
        const response = await worker.fetch(tokenRequest({}));
        const body = await response.text();
        assert.equal(response.status, 500);
        assert.deepEqual(JSON.parse(body), {
          error: "server_error",
          error_description: "the server is not set up",
        });
        const { kind, detail } = await event(worker, reason);
        assert.equal(kind, "failed");
        assert.ok(detail.length > 20 && !detail.includes("hunter2"), detail);
      } finally {
        await worker.stop();
      }
    });
  }
});

test("a bootstrap secret that is none opens nothing, keeps nobody out, and is told once", async () => {
  const worker = await startWorker({ bindings: { BOOTSTRAP_SECRET: "hunter2" } });
  try {
    const ask = (/** @type {string} */ method, /** @type {string} */ path) => {
      const headers = { authorization: "Bearer hunter2" };
      return worker.fetch(new Request(`https://x/demo/admin/v1/${path}`, { method, headers }));
    };
    for (const [method, path] of [["GET", "tenant"], ["POST", "bootstrap"], ["GET", "keys"]]) {
      assert.equal((await ask(method, path)).status, 401, path);
    }
    const { kind, detail } = await event(worker, "invalid_bootstrap_secret");
    assert.equal(kind, "failed");
    assert.ok(!detail.includes("hunter2"));
    const told = events(worker).filter(({ reason }) => reason === "invalid_bootstrap_secret");
    assert.equal(told.length, 1);
  } finally {
    await worker.stop();
  }
});

describe("a worker with faults", () => {
  /** @type {Worker} */
  let worker;
  /** @type {Awaited<ReturnType<typeof register>>} */
  let application;

  before(async () => {
    // A time to live of zero reads the store on every request.
    worker = await startWorker({
      entry: "tests/workerd/faults.js",
      bindings: { CACHE_TTL: "0" },
    });
    application = await register(worker.admin);
  });
  after(() => worker.stop());
  afterEach(() => fault("off"));

  const ask = () => {
    const { clientId, secret, scope } = application;
    return tokenRequest({ client_id: clientId, client_secret: secret, scope });
  };
  /** @param {string} name @param {string} [which] */
  const fault = (name, which = "") =>
    worker.fetch(new Request("https://x/", { headers: { "x-fault": name, "x-which": which } }));

  /** @param {Response} response @param {number} status @param {string} error */
  async function refused(response, status, error) {
    const body = await response.text();
    assert.equal(response.status, status, body);
    assert.equal(JSON.parse(body).error, error);
    assert.equal(response.headers.get("cache-control"), "no-store");
    assert.doesNotMatch(body, /KV|internals|10\.0\.0\.1|directory\/|version|panick|wasm/);
    return response;
  }

  test("r28 a store that throws is 503 with Retry-After, and the same request succeeds later", async () => {
    await fault("on", "throw");
    const response = await refused(await worker.fetch(ask()), 503, "temporarily_unavailable");
    assert.match(response.headers.get("retry-after") ?? "", /^[1-9]\d*$/);
    const { kind, detail, tenant } = await event(worker, "storage");
    assert.deepEqual({ kind, tenant }, { kind: "failed", tenant: "demo" });
    assert.match(detail, /KV is down/);
    await fault("off");
    assert.equal((await worker.fetch(ask())).status, 200);
  });

  test("r28 a store that breaks its contract is 503 and does not harm the wasm", async () => {
    await fault("on", "nonsense");
    await refused(await worker.fetch(ask()), 503, "temporarily_unavailable");
    await fault("off");
    assert.equal((await worker.fetch(ask())).status, 200);
  });

  test("r15 a corrupt record is 500 with an event that names it, and is left as it is", async () => {
    const { clientId } = application;
    const key = `directory/demo:application/${clientId}`;
    const { value, metadata } = await worker.namespace.getWithMetadata(key);
    for (const corrupt of ["", "{", "[]", '{"clientId":7}', `${value}x`, "\u0000"]) {
      await worker.namespace.put(key, corrupt, { metadata: /** @type {any} */ (metadata) });
      await refused(await worker.fetch(ask()), 500, "server_error");
      assert.equal(await worker.namespace.get(key), corrupt, "nothing was overwritten");
    }
    const { kind, detail } = await event(worker, "corrupt_record");
    assert.equal(kind, "failed");
    assert.ok(detail.startsWith(key), detail);
    await worker.namespace.put(key, String(value), { metadata: /** @type {any} */ (metadata) });
    assert.equal((await worker.fetch(ask())).status, 200, "nothing was lost");
  });

  test("a trap costs one request a 500; the next one is served by a fresh instance", async () => {
    const instances = async () => (await (await fault("reads")).json()).instances;
    const before = await instances();
    const ruined = new Request(ask(), { headers: { "x-fault": "trap" } });
    ruined.headers.set("content-type", "application/x-www-form-urlencoded");
    await refused(await worker.fetch(ruined), 500, "server_error");
    assert.equal((await worker.fetch(ask())).status, 200);
    assert.equal(await instances(), before + 1);
    const { kind } = await event(worker, "trap");
    assert.equal(kind, "failed");
  });

  test("a trap answers 503 to the requests that were in flight, and they can be repeated", async () => {
    await fault("on", "slow");
    const inFlight = Array.from({ length: 5 }, () => worker.fetch(ask()));
    const waiting = async () => (await (await fault("reads")).json()).waiting;
    // Each has the same reads side by side, and goes on with none of them before the fault is over.
    await until("five requests that read", async () => {
      const reads = await waiting();
      return reads > 0 && reads % 5 === 0;
    });
    const ruined = new Request(ask(), { headers: { "x-fault": "trap" } });
    ruined.headers.set("content-type", "application/x-www-form-urlencoded");
    await refused(await worker.fetch(ruined), 500, "server_error");
    await fault("off");
    for (const response of await Promise.all(inFlight)) {
      await refused(response, 503, "temporarily_unavailable");
      assert.equal(response.headers.get("retry-after"), "1");
    }
    const again = await Promise.all(Array.from({ length: 5 }, () => worker.fetch(ask())));
    assert.deepEqual(again.map(({ status }) => status), [200, 200, 200, 200, 200]);
  });

  test("r15 r48 no secret and no token is ever in the log", async () => {
    const { secret, clientId, scope } = application;
    const wrong = "wrong-secret-that-must-not-be-logged-anywhere";
    await worker.fetch(tokenRequest({ client_id: clientId, client_secret: wrong, scope }));
    await worker.fetch(tokenRequest({ client_id: clientId, client_secret: secret, scope: "x" }));
    await worker.fetch(new Request(`https://x/demo/oauth2/token?client_secret=${wrong}`, ask()));
    await event(worker, "wrong_secret");
    await event(worker, "parameter_in_url");
    const log = worker.log.join("\n");
    for (const credential of [secret, wrong, "eyJ"]) assert.ok(!log.includes(credential));
  });
});

describe("a store dump", () => {
  test("r30 holds no secret, no token and no private key in the clear", async () => {
    const worker = await startWorker();
    try {
      const { clientId, secret, scope } = await register(worker.admin);
      const imported = "an-imported-secret-of-more-than-32-characters";
      await worker.admin.addSecret({ tenant: "demo", clientId, secret: imported });
      const request = { client_id: clientId, client_secret: secret, scope };
      const response = await worker.fetch(tokenRequest(request));
      const { access_token: token } = /** @type {any} */ (await response.json());
      const { keys } = await worker.namespace.list();
      const dump = (
        await Promise.all(keys.map(async ({ name }) => `${name} ${await worker.namespace.get(name)}`))
      ).join("\n");
      assert.ok(dump.includes(clientId), "the dump is of the directory");
      const signature = token.split(".")[2];
      for (const credential of [secret, secret.slice(4, 47), imported, token, signature]) {
        assert.ok(!dump.includes(credential));
        assert.ok(!dump.includes(Buffer.from(credential).toString("base64url")));
      }
      // PKCS #8 of a P-256 key starts with these bytes, in whatever base64 alignment.
      assert.doesNotMatch(dump, /MIGHAgEA|"d":/);
    } finally {
      await worker.stop();
    }
  });
});
