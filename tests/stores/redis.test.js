// The store on Redis, against Debian's Redis with appendfsync always, and a cluster of it.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createClient, createClientPool, createCluster } from "redis";
import { redisStore } from "../../pkg/stores/redis.js";
import { contract, EVERYTHING } from "./contract.js";
import { expiresOnTheSecond, keepsJunkNames, keepsValues, listsUnderWrites, pages } from "./habits.js";
import { refusesWhatIsNoText } from "./names.js";
import { race } from "./race.js";
import { freePort, startRedis } from "./servers.js";
import { until } from "../until.js";

const now = () => Math.floor(Date.now() / 1000);
const sleep = (/** @type {number} */ time) => new Promise((resolve) => setTimeout(resolve, time));

/** @param {string} url */
async function connect(url) {
  const client = createClient({ url, socket: { reconnectStrategy: 50, connectTimeout: 60_000 } });
  client.on("error", () => {});
  await client.connect();
  return client;
}

describe("the store on Redis", () => {
  /** @type {Awaited<ReturnType<typeof startRedis>>} */
  let server;
  /** @type {Awaited<ReturnType<typeof connect>>} */
  let client;
  /** @type {ReturnType<typeof redisStore>} */
  let store;
  before(async () => {
    server = await startRedis();
    client = await connect(server.url);
    // Longer than any machine needs: what is too long is tried below.
    store = redisStore(client, { timeout: 120_000 });
  });
  after(async () => {
    client.destroy();
    await server.stop();
  });

  test("Redis keeps the whole contract", async () => {
    assert.deepEqual(await contract(store), EVERYTHING);
  });

  test("Redis keeps the whole contract over a pool of connections and RESP2", async () => {
    const pool = createClientPool({ url: server.url, RESP: 2 });
    await pool.connect();
    try {
      assert.deepEqual(await contract(redisStore(pool)), EVERYTHING);
    } finally {
      pool.destroy();
    }
  });

  test("any text is a name, a partition and a value", async () => {
    await keepsJunkNames(store);
    await keepsValues(store);
  });

  test("what is no Unicode text is no name", () => refusesWhatIsNoText(store));

  test("a creation that is sent again is made once, and anew if its record was deleted meanwhile", async () => {
    /** @type {[string, { keys: string[], arguments: string[] }][]} */
    const sent = [];
    const noting = redisStore({
      evalSha: (digest, options) => (sent.push([digest, options]), client.evalSha(digest, options)),
      eval: (script, options) => client.eval(script, options),
    });
    const version = await noting.put("again", "name", "1", null, null);
    const again = () => client.evalSha(...sent[0]);
    assert.equal(await again(), -1);
    const next = await store.put("again", "name", "2", version, null);
    assert.equal(await again(), 0);
    assert.equal(await store.delete("again", "name", next), next);
    assert.equal(await again(), -1);
    assert.deepEqual(await store.get("again", "name"), { value: "1", version });
  });

  test("a listing of 3,000 names misses and repeats none while others write", () => listsUnderWrites(store));

  test("what expires is gone on the second and can be made anew", () => expiresOnTheSecond(store));

  test("four processes that count on one key count every number once", async () => {
    await race([process.execPath], "redis", server.url);
  });

  test("scripts that the server was told to forget are sent again", async () => {
    await race([process.execPath], "redis", server.url, async () => {
      for (let n = 0; n < 20; n += 1) {
        await client.scriptFlush();
        await sleep(10);
      }
    });
  });

  test("prefixes keep two issuers on one server apart, and have no braces", async () => {
    const other = redisStore(client, { prefix: "other:" });
    assert.ok(await store.put("prefixes", "name", "1", null, null));
    assert.equal(await other.get("prefixes", "name"), null);
    assert.ok(await other.put("prefixes", "name", "2", null, null));
    assert.deepEqual((await client.keys("*:{prefixes}:record:*")).sort(), [
      "edgemint:{prefixes}:record:name",
      "other:{prefixes}:record:name",
    ]);
    assert.throws(() => redisStore(client, { prefix: "{}" }), TypeError);
  });

  test("Redis deletes what has expired ten minutes later, and the partition with it", async () => {
    let soon = 0;
    let there = 0;
    // On a machine for which two seconds are too short there are more of them.
    for (let left = 2; left < 100 && Date.now() >= (soon + 599) * 1000; left *= 2) {
      await client.del(["edgemint:{passing}:names", "edgemint:{passing}:expiries"]);
      soon = now() - 600 + left;
      await store.put("passing", `first${left}`, "1", null, soon - 1);
      await store.put("passing", `second${left}`, "1", null, soon);
      there = (await client.keys("edgemint:{passing}:*")).length;
    }
    assert.equal(there, 4);
    await store.put("staying", "passing", "1", null, soon);
    await store.put("staying", "staying", "1", null, null);
    const expiring = await store.put("staying", "expiring", "1", null, now() + 3600);
    await sleep((soon + 601) * 1000 - Date.now());
    assert.deepEqual(await client.keys("edgemint:{passing}:*"), []);
    assert.equal(await client.exists("edgemint:{staying}:record:passing"), 0);
    // Its name goes with the next write.
    assert.equal(await client.zCard("edgemint:{staying}:names"), 3);
    await store.put("staying", "expiring", "2", expiring, null);
    assert.deepEqual(await client.zRange("edgemint:{staying}:names", 0, -1), ["expiring", "staying"]);
    assert.equal(await client.exists("edgemint:{staying}:expiries"), 0);
    assert.equal(await client.ttl("edgemint:{staying}:names"), -1);
    assert.equal(await client.ttl("edgemint:{staying}:record:expiring"), -1);
  });

  test("a user with the documented rights, and no others, is enough", async () => {
    const rights = "resetkeys ~edgemint:* -@all +@connection +eval +evalsha +@hash +@sortedset +del";
    const user = ["edgemint", "on", ">secret", ...rights.split(" "), "+persist", "+expireat"];
    await client.sendCommand(["ACL", "SETUSER", ...user]);
    const limited = await connect(server.url.replace("//", "//edgemint:secret@"));
    try {
      const own = redisStore(limited);
      const version = await own.put("limited", "name", "1", null, now() + 60);
      const free = await own.put("limited", "name", "2", version, null);
      assert.equal((await own.get("limited", "name"))?.value, "2");
      assert.deepEqual(await pages(own, "limited", "", 1), ["name"]);
      assert.equal(await own.delete("limited", "name", free), free);
      await assert.rejects(redisStore(limited, { prefix: "x:" }).get("a", "b"), /NOPERM/);
    } finally {
      limited.destroy();
    }
  });

  test("a time far in the future is no trouble", async () => {
    const version = await store.put("far", "name", "1", null, 253_402_300_799);
    assert.deepEqual(await store.get("far", "name"), { value: "1", version });
    assert.deepEqual(await pages(store, "far", "", 10), ["name"]);
  });

  test("an import of 6,000 records is one commit", async () => {
    const writes = Array.from({ length: 6000 }, (_, n) => ({
      name: `application/${n}`,
      value: `{"n":${n}}`,
      expected: null,
      expiresAt: null,
    }));
    assert.equal((await store.commit("import", writes)).versions?.length, 6000);
    assert.equal((await pages(store, "import", "", 1000)).length, 6000);
    assert.deepEqual(await store.commit("import", writes.slice(-1)), { conflict: 0 });
  });

  test("a server without memory refuses a commit as a whole", async () => {
    const version = await store.put("full", "there", "1", null, null);
    const used = Number(/used_memory:(\d+)/.exec(await client.info("memory"))?.[1]);
    await client.configSet("maxmemory", `${used - 1000}`);
    const write = { value: "x".repeat(1000), expected: null, expiresAt: null };
    const writes = Array.from({ length: 100 }, (_, n) => ({ ...write, name: `name${n}` }));
    await assert.rejects(store.commit("full", writes), /OOM/);
    await client.configSet("maxmemory", "0");
    assert.deepEqual(await pages(store, "full", "", 1000), ["there"]);
    assert.equal(await store.put("full", "there", "2", `${version}x`, null), null);
    assert.ok(await store.put("full", "there", "2", version, null));
  });

  test("a key that somebody else put in the way refuses a commit as a whole", async () => {
    for (const [partition, key] of [["way1", "names"], ["way2", "expiries"], ["way3", "record:second"]]) {
      await client.set(`edgemint:{${partition}}:${key}`, "mine");
      const write = { value: "1", expected: null, expiresAt: now() + 60 };
      const writes = ["first", "second"].map((name) => ({ ...write, name }));
      await assert.rejects(store.commit(partition, writes), /WRONGTYPE/);
      assert.equal(await store.get(partition, "first"), null);
      assert.equal((await client.keys(`edgemint:{${partition}}:*`)).length, 1);
    }
  });

  test("a server that does not answer in time is no answer", async () => {
    const hasty = redisStore(client, { timeout: 200 });
    const control = await connect(server.url);
    // For longer than this test, unless it says otherwise: of the commands, what may be a write.
    await control.sendCommand(["CLIENT", "PAUSE", "600000", "WRITE"]);
    await assert.rejects(hasty.get("slow", "name"), /did not answer within 200 ms/);
    await control.sendCommand(["CLIENT", "UNPAUSE"]);
    control.destroy();
    await until("an answer", () => hasty.get("slow", "name").then((found) => found === null, () => false));
  });

  test("a client that reads answers as bytes is found out", async () => {
    const version = await store.put("bytes", "name", "1", null, null);
    assert.ok(version);
    /** @type {any} */
    const mapped = client.withTypeMapping({ [36]: Buffer });
    await assert.rejects(redisStore(mapped).get("bytes", "name"), /something else/);
  });

  test("r49_a server killed in the middle loses nothing that it acknowledged, and revives nothing", async () => {
    /** @type {Map<string, string>} */
    const created = new Map();
    /** @type {Set<string>} */
    const deleted = new Set();
    const refused = { count: 0 };
    let going = true;
    const write = async (/** @type {number} */ writer) => {
      for (let n = 0; going; n += 1) {
        const name = `${writer}/${n}`;
        try {
          const version = await store.put("crash", name, `${n}`, null, null);
          assert.ok(version);
          created.set(name, `${n}`);
          if (n % 3 !== 0) continue;
          // Until there is an answer, either is right.
          created.delete(name);
          assert.equal(await store.delete("crash", name, version), version);
          deleted.add(name);
        } catch (error) {
          if (error instanceof assert.AssertionError) throw error;
          refused.count += 1;
          await sleep(20);
        }
      }
    };
    const writers = [1, 2, 3, 4, 5, 6, 7, 8].map(write);
    await until("fifty that are acknowledged", () => created.size > 60);
    await server.kill();
    const acknowledged = created.size;
    assert.ok(acknowledged > 50, `${acknowledged}`);
    // It is told at once: not by its having waited in vain.
    const told = () => store.get("crash", "1/1").then(() => "an answer", String);
    assert.doesNotMatch(await told(), /an answer|did not answer/);
    await until("not connected", async () => {
      const why = await told();
      assert.doesNotMatch(why, /an answer|did not answer/);
      return why.includes("not connected");
    });
    await until("who was refused", () => refused.count > 0);
    await server.restart();
    await until("new ones", () => created.size > acknowledged);
    going = false;
    await Promise.all(writers);
    assert.ok(created.size > acknowledged, "it works again");
    for (const [name, value] of created) assert.equal((await store.get("crash", name))?.value, value, name);
    for (const name of deleted) assert.equal(await store.get("crash", name), null, name);
    const names = new Set(await pages(store, "crash", "", 1000));
    assert.ok([...created.keys()].every((name) => names.has(name)));
    assert.ok([...deleted].every((name) => !names.has(name)));
  });
});

test("three servers of a Redis Cluster keep the contract and junk names", async () => {
  const settings = ["--cluster-enabled", "yes", "--cluster-port"];
  const servers = [];
  for (let n = 0; n < 3; n += 1) servers.push(await startRedis([...settings, `${await freePort()}`]));
  const clients = await Promise.all(servers.map(({ url }) => connect(url)));
  try {
    const ranges = [["0", "5460"], ["5461", "10922"], ["10923", "16383"]];
    const nodes = await clients[0].sendCommand(["CLUSTER", "NODES"]);
    const [, port, bus] = /:(\d+)@(\d+)/.exec(`${nodes}`) ?? [];
    for (const [at, node] of clients.entries()) {
      await node.sendCommand(["CLUSTER", "ADDSLOTSRANGE", ...ranges[at]]);
      if (at > 0) await node.sendCommand(["CLUSTER", "MEET", "127.0.0.1", port, bus]);
    }
    const formed = async () => {
      const states = await Promise.all(clients.map((node) => node.sendCommand(["CLUSTER", "INFO"])));
      return states.every((state) => /cluster_state:ok[^]*cluster_known_nodes:3/.test(`${state}`));
    };
    await until("a cluster that has formed", formed, { pause: 100 });
    const defaults = { socket: { connectTimeout: 60_000 } };
    const cluster = createCluster({ defaults, rootNodes: servers.map(({ url }) => ({ url })) });
    await cluster.connect();
    const store = redisStore(cluster, { timeout: 120_000 });
    try {
      assert.deepEqual(await contract(store), EVERYTHING);
      await keepsJunkNames(store);
      const sizes = await Promise.all(clients.map((node) => node.dbSize()));
      assert.ok(sizes.every((size) => size > 0), `${sizes}`);
    } finally {
      cluster.destroy();
    }
  } finally {
    for (const node of clients) node.destroy();
    for (const server of servers) await server.stop();
  }
});
