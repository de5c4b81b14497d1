// Guesses at clients, and events, in workerd: addresses as Cloudflare tells them, the limiter's binding.

import assert from "node:assert/strict";
import { test } from "node:test";
import { register, startWorker, tokenRequest } from "./world.js";

const WRONG = "not-the-secret-but-as-long-as-one";
const [THERE, HERE] = ["192.0.2.1", "198.51.100.7"];

/**
 * A worker, and what a client at an address is answered.
 * @param {Parameters<typeof startWorker>[0]} [options]
 */
async function start(options) {
  const worker = await startWorker(options);
  const { clientId, secret, scope } = await register(worker.admin);
  return {
    worker,
    secret,
    clientId,
    /** @param {string} address @param {string} client_secret @param {string} [client_id] */
    ask(address, client_secret, client_id = clientId) {
      const request = tokenRequest({ client_id, client_secret, scope });
      request.headers.set("cf-connecting-ip", address);
      return worker.fetch(request);
    },
    /** Events with this reason; the log arrives a little later than the answer. @param {string} reason @param {number} count */
    async events(reason, count) {
      for (let wait = 0; ; wait += 1) {
        const lines = worker.log.filter((line) => line.includes(`"reason":"${reason}"`));
        if (lines.length >= count || wait === 5000) return lines.flatMap((line) => JSON.parse(line).edgemint);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
  };
}

test("r18 ten failures a minute from one address are 429, and the holder elsewhere is not locked out", async () => {
  const { worker, ask, secret, events } = await start();
  try {
    for (const id of [undefined, "nobody"]) {
      for (let failure = 0; failure < 10; failure += 1) {
        assert.equal((await ask(THERE, WRONG, id)).status, 401);
      }
    }
    const bodies = [];
    for (const id of [undefined, "nobody"]) {
      const response = await ask(THERE, secret, id);
      assert.equal(response.status, 429);
      const left = Number(response.headers.get("retry-after"));
      assert.ok(left >= 1 && left <= 60, `${left}`);
      assert.equal(response.headers.get("cache-control"), "no-store");
      bodies.push(await response.text());
    }
    assert.equal(bodies[0], bodies[1]);
    assert.equal(JSON.parse(bodies[0]).error, "temporarily_unavailable");
    assert.equal((await ask(HERE, secret)).status, 200);
    const [{ kind, tenant }] = await events("too_many_failures", 2);
    assert.deepEqual({ kind, tenant }, { kind: "refused", tenant: "demo" });
  } finally {
    await worker.stop();
  }
});

test("r18 the limiter's binding stops guesses that the isolate would still look at", async () => {
  const { worker, ask, secret } = await start({
    ratelimits: { FAILURES: { namespace_id: "1001", simple: { limit: 3, period: 60 } } },
  });
  try {
    // Its minutes are those of the clock here, and it forgets at the end of each.
    const left = 60_000 - (Date.now() % 60_000);
    if (left < 25_000) await new Promise((resolve) => setTimeout(resolve, left + 100));
    for (let failure = 0; failure < 3; failure += 1) {
      assert.equal((await ask(THERE, WRONG)).status, 401);
    }
    assert.equal((await ask(THERE, WRONG)).status, 429);
    assert.equal((await ask(THERE, secret)).status, 429);
    // Successes are not asked for.
    for (let success = 0; success < 5; success += 1) {
      assert.equal((await ask(HERE, secret)).status, 200);
    }
  } finally {
    await worker.stop();
  }
});

test("r48 every token is an event with the location, and no event holds a credential", async () => {
  const { worker, ask, secret, clientId, events } = await start();
  try {
    const begun = Math.floor(Date.now() / 1000);
    const response = await ask(HERE, secret);
    const { access_token: token } = /** @type {any} */ (await response.json());
    await ask(HERE, WRONG);
    const [issued] = await events("token_issued", 1);
    const { jti } = JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());
    const { time, location, ...rest } = issued;
    assert.deepEqual(rest, {
      kind: "done",
      reason: "token_issued",
      detail: `api://orders client_credentials ${jti}`,
      tenant: "demo",
      clientId,
    });
    assert.ok(time >= begun && time <= Date.now() / 1000, `${time}`);
    assert.match(location, /^[A-Z]{3}$/);
    const [refused] = await events("wrong_secret", 1);
    assert.equal(refused.location, location);
    const log = worker.log.join("\n");
    for (const credential of [secret, WRONG, token, token.split(".")[2]]) {
      assert.ok(!log.includes(credential));
    }
  } finally {
    await worker.stop();
  }
});
