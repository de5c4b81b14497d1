// The store on Upstash, by Upstash's own client over a bridge (upstash-bridge.js) to Debian's
// Redis: the service itself cannot be run here.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Redis } from "@upstash/redis";
import { Redis as CloudflareRedis } from "@upstash/redis/cloudflare";
import { createClient } from "redis";
import { redisStore } from "../../pkg/stores/redis.js";
import { upstashStore } from "../../pkg/stores/upstash.js";
import { contract, EVERYTHING } from "./contract.js";
import { expiresOnTheSecond, keepsJunkNames, keepsValues, listsUnderWrites } from "./habits.js";
import { race } from "./race.js";
import { startRedis } from "./servers.js";
import { startBridge } from "./upstash-bridge.js";
import { until } from "../until.js";

describe("the store on Upstash's client", () => {
  /** @type {Awaited<ReturnType<typeof startRedis>>} */
  let server;
  /** @type {Awaited<ReturnType<typeof startBridge>>} */
  let bridge;
  /** @type {ReturnType<typeof upstashStore>} */
  let store;
  before(async () => {
    server = await startRedis();
    bridge = await startBridge(server.url);
    store = upstashStore(new Redis({ url: bridge.url, token: "secret" }));
  });
  after(async () => {
    await bridge.stop();
    await server.stop();
  });

  test("it keeps the whole contract, by pipelines as the client makes them", async () => {
    assert.deepEqual(await contract(store), EVERYTHING);
    assert.ok(bridge.requests.pipelines > 0);
    assert.ok(bridge.requests.eval < 100 && bridge.requests.evalsha > 1000);
  });

  test("it keeps the whole contract with the client's other settings", async () => {
    const settings = { automaticDeserialization: false, enableAutoPipelining: false };
    const client = new CloudflareRedis({ url: bridge.url, token: "secret", ...settings });
    assert.deepEqual(await contract(upstashStore(client)), EVERYTHING);
  });

  test("any text is a name, a partition and a value, JSON and numbers too", async () => {
    await keepsJunkNames(store);
    await keepsValues(store);
    const plain = new Redis({ url: bridge.url, token: "secret", responseEncoding: false });
    await keepsJunkNames(upstashStore(plain));
    await keepsValues(upstashStore(plain));
  });

  test("a listing of 3,000 names misses and repeats none while others write", () => listsUnderWrites(store));

  test("what expires is gone on the second and can be made anew", () => expiresOnTheSecond(store));

  test("four processes that count on one key count every number once", async () => {
    await race([process.execPath], "upstash", bridge.url);
  });

  test("it shares its records with the store over node-redis", async () => {
    const client = createClient({ url: server.url });
    await client.connect();
    try {
      const version = await store.put("shared", "name", '{"a":1}', null, null);
      assert.deepEqual(await redisStore(client).get("shared", "name"), { value: '{"a":1}', version });
    } finally {
      client.destroy();
    }
  });

  test("a write that the client sends again, since its answer was lost, is made once", async () => {
    const retry = { retries: 3, backoff: () => 1 };
    const again = upstashStore(new Redis({ url: bridge.url, token: "secret", retry }));
    bridge.lose(2);
    const version = await again.put("again", "name", "1", null, null);
    assert.ok(version);
    bridge.lose(1);
    const next = await again.put("again", "name", "2", version, null);
    assert.deepEqual(await again.get("again", "name"), { value: "2", version: next });
    const write = { name: "name", value: "3", expected: next, expiresAt: null };
    bridge.lose(1);
    const { versions } = await again.commit("again", [write, { ...write, name: "other", expected: null }]);
    assert.equal((await again.get("again", "other"))?.version, versions?.[1]);
    assert.equal(await again.put("again", "name", "4", next, null), null);
  });

  test("without an answer it rejects, and what was to be written is not in the error", async () => {
    const value = '"a grant"';
    const stranger = upstashStore(new Redis({ url: bridge.url, token: "wrong" }));
    await assert.rejects(stranger.put("refused", "name", value, null, null), (error) => {
      assert.match(String(error), /Unauthorized/);
      return !String(error).includes("a grant");
    });
    const enableAutoPipelining = false;
    const direct = upstashStore(new Redis({ url: bridge.url, token: "secret", enableAutoPipelining }));
    const client = createClient({ url: server.url });
    await client.connect();
    await client.set("edgemint:{refused}:names", "in the way");
    client.destroy();
    for (const refused of [store, direct]) {
      await assert.rejects(refused.put("refused", "name", value, null, null), (error) => {
        assert.match(String(error), /WRONGTYPE/);
        return !String(error).includes("a grant");
      });
    }
    const signal = AbortSignal.abort();
    const aborted = upstashStore(new Redis({ url: bridge.url, token: "secret", signal, enableAutoPipelining }));
    await assert.rejects(aborted.get("refused", "other"), /something else/);
    await assert.rejects(aborted.put("refused", "other", value, null, null), /something else/);
  });

  test("r49_a server killed in the middle loses nothing that it acknowledged", async () => {
    const retry = { retries: 0 };
    const hasty = upstashStore(new Redis({ url: bridge.url, token: "secret", retry }));
    /** @type {string[]} */
    const created = [];
    let refused = 0;
    let going = true;
    const writers = [1, 2, 3, 4].map(async (writer) => {
      for (let n = 0; going; n += 1) {
        const name = `${writer}/${n}`;
        try {
          if ((await hasty.put("crash", name, "1", null, null)) !== null) created.push(name);
        } catch {
          refused += 1;
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    });
    await until("some that are acknowledged", () => created.length > 20);
    await server.kill();
    const acknowledged = created.length;
    await assert.rejects(hasty.get("crash", "1/0"));
    await until("who was refused", () => refused > 0);
    await server.restart();
    await until("new ones", () => created.length > acknowledged);
    going = false;
    await Promise.all(writers);
    assert.ok(refused > 0 && acknowledged > 0 && created.length > acknowledged);
    for (const name of created) assert.equal((await hasty.get("crash", name))?.value, "1", name);
  });
});
