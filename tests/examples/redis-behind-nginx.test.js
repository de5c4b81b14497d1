// examples/redis-behind-nginx: Redis, nginx and two processes as they are, one of which is killed.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "redis";
import { createIssuer } from "../../pkg/node.js";
import { redisStore } from "../../pkg/stores/redis.js";
import { credentials, post, refresh, registerClient, registerLogin, startLogin } from "../sign-in.js";
import { startRedis } from "../stores/servers.js";
import { freePort } from "../workerd/world.js";
import { root, start } from "./serving.js";

/** @type {Awaited<ReturnType<typeof startRedis>>} */
let redis;
/** @type {Awaited<ReturnType<typeof start>>} */
let all;
/** @type {import("redis").RedisClientType} */
let client;
/** @type {string} */
let state;
/** @type {[number, number]} */
let ports;
/** The proxy. @type {URL} */
let url;
/** @type {import("edgemint").Administration} */
let admin;
/** @type {import("../sign-in.js").Client} */
let login;

before(async () => {
  redis = await startRedis();
  state = await mkdtemp(join(tmpdir(), "edgemint-nginx-"));
  const port = await freePort(3);
  ports = [port + 1, port + 2];
  url = new URL(`http://localhost:${port}`);
  const env = {
    EDGEMINT_STORE: redis.url,
    PORT: `${port}`,
    PORT_1: `${ports[0]}`,
    PORT_2: `${ports[1]}`,
    STATE: state,
  };
  all = await start(["sh", "examples/redis-behind-nginx/start.sh"], { cwd: root, env }, /is served by/);
  // The directory is set up here, over the same store.
  client = createClient({ url: redis.url });
  await client.connect();
  ({ admin } = createIssuer({
    baseUrl: url.origin,
    masterKey: (await readFile(join(state, "master.key"), "utf8")).trim(),
    store: redisStore(client),
    cacheTtl: 0,
    onEvent() {},
  }));
  login = await registerLogin(admin);
});
after(async () => {
  await all?.stop();
  client?.destroy();
  await redis?.stop();
  await rm(state, { recursive: true, force: true });
});

/** The process at a port. @param {number} port */
const pidOf = async (port) => Number(await readFile(join(state, `${port}.pid`), "utf8"));

/** Events of a process. @param {number} port @returns {Promise<any[]>} */
async function eventsOf(port) {
  const log = await readFile(join(state, `${port}.log`), "utf8");
  return log.split("\n").filter(Boolean).map((line) => JSON.parse(line).edgemint);
}

/** @param {number} port @param {string} reason */
const count = async (port, reason) => (await eventsOf(port)).filter((event) => event.reason === reason).length;

/** So often a client asks before it tells its user that there is no answer. */
const TRIES = 4;

/** What a client does that is answered by nobody, or by the proxy alone: the same again. @param {() => Promise<Response>} ask */
async function insist(ask) {
  for (let tries = 1; ; tries += 1) {
    try {
      const response = await ask();
      if (![502, 503, 504].includes(response.status)) return { response, tries };
      await response.body?.cancel();
    } catch (error) {
      if (tries === TRIES) throw error;
    }
    assert.ok(tries < TRIES, "no answer");
    await sleep(50 * tries);
  }
}

describe("examples/redis-behind-nginx", () => {
  test("issues tokens by both processes, for one issuer", async () => {
    const before = await Promise.all(ports.map((port) => count(port, "token_issued")));
    const parameters = { grant_type: "client_credentials", scope: "urn:edgemint:admin/.default" };
    for (let times = 0; times < 6; times += 1) {
      const response = await post(url, "token", { ...parameters, ...credentials(login) });
      const { access_token } = await response.json();
      const claims = JSON.parse(Buffer.from(access_token.split(".")[1], "base64url").toString());
      assert.equal(claims.iss, `${url.origin}/demo`);
    }
    for (const [at, port] of ports.entries()) assert.ok((await count(port, "token_issued")) > before[at]);
    const metadata = await fetch(new URL("/.well-known/oauth-authorization-server/demo", url));
    const { token_endpoint } = await metadata.json();
    assert.equal(token_endpoint, `${url.origin}/demo/oauth2/token`);
  });

  test("signs a user in, whose steps are answered by either process", async () => {
    const application = await registerClient(admin, {});
    const flow = await startLogin(url, login);
    for (let times = 0; times < 4; times += 1) {
      const { refresh_token } = await flow.signIn(application, `ada${times}`);
      const next = await (await refresh(url, application, refresh_token)).json();
      assert.notEqual(next.refresh_token, refresh_token);
    }
  });

  test("r18 counts failures by the client's address, whatever it says that is", async () => {
    const application = await registerClient(admin, {});
    /** @param {string} localAddress @param {string} secret @param {string} [forged] */
    async function ask(localAddress, secret, forged) {
      const asked = httpRequest({
        host: "127.0.0.1",
        port: url.port,
        path: "/demo/oauth2/introspect",
        method: "POST",
        localAddress,
        headers: {
          "content-type": "application/x-www-form-urlencoded",
          ...(forged && { "x-forwarded-for": forged }),
        },
      });
      asked.end(`${new URLSearchParams({ ...credentials({ ...application, secret }), token: "emr_x" })}`);
      const [response] = await once(asked, "response");
      response.resume();
      return response.statusCode;
    }
    const right = application.secret ?? "";
    assert.equal(await ask("127.0.0.1", right), 200);
    /** @type {number[]} */
    const statuses = [];
    // Each process counts for itself.
    while (statuses.slice(-4).some((status) => status !== 429) || statuses.length < 4) {
      assert.ok(statuses.length < 60, `${statuses}`);
      statuses.push(await ask("127.0.0.1", "wrong", `203.0.113.${statuses.length}, 127.0.0.2`));
    }
    assert.ok(statuses.length > 10);
    assert.deepEqual([await ask("127.0.0.1", right), await ask("127.0.0.1", right, "203.0.113.9")], [429, 429]);
    assert.deepEqual([await ask("127.0.0.2", right), await ask("127.0.0.2", right)], [200, 200]);
  });

  test("loses no session in a storm of refreshes, while one process is killed and the other restarted", async () => {
    const application = await registerClient(admin, { grace: 300 }, "public");
    const flow = await startLogin(url, login);
    const killed = await pidOf(ports[0]);
    const stopped = await pidOf(ports[1]);
    const end = Date.now() + 8000;
    let [rounds, repeated] = [0, 0];
    let isDisturbed = false;

    const chain = async (/** @type {string} */ subject) => {
      let token = (await flow.signIn(application, subject)).refresh_token;
      while (Date.now() < end || !isDisturbed || rounds <= 50) {
        // Twice at once, as two tabs do it: both get the same successor.
        const answers = await Promise.all(
          [0, 1].map(() => insist(() => refresh(url, application, token))),
        );
        const successors = new Set();
        for (const { response, tries } of answers) {
          const answer = await response.json();
          assert.equal(response.status, 200, JSON.stringify(answer));
          successors.add(answer.refresh_token);
          repeated += tries - 1;
        }
        assert.equal(successors.size, 1);
        [token] = successors;
        rounds += 1;
      }
      return token;
    };
    const disturb = async () => {
      await sleep(2000);
      process.kill(killed, "SIGKILL");
      // It is back before the other goes.
      while ((await count(ports[0], "started")) < 2) await sleep(50);
      await sleep(500);
      process.kill(stopped, "SIGTERM");
      while ((await count(ports[1], "started")) < 2) await sleep(50);
    };
    const chains = Array.from({ length: 6 }, (_, number) => chain(`user${number}`));
    const [tokens] = await Promise.all([Promise.all(chains), disturb().finally(() => (isDisturbed = true))]);

    assert.ok(rounds > 50, `${rounds} rounds`);
    assert.notEqual(await pidOf(ports[0]), killed);
    assert.equal(await count(ports[1], "stopped"), 1, "nothing was cut off");
    // By the new processes, each of which knows every session.
    for (const port of ports) {
      const own = new URL(`http://127.0.0.1:${port}`);
      for (const token of tokens) {
        const response = await refresh(own, application, token);
        assert.equal(response.status, 200, await response.text());
      }
    }
    console.log(`${rounds} rounds of two, ${repeated} repeated`);
  });

  test("logs no handle, no code and no token at the proxy", async () => {
    const log = await readFile(join(state, "access.log"), "utf8");
    assert.match(log, /^127\.0\.0\.1 \S+ POST \/demo\/oauth2\/token 200 127\.0\.0\.1:\d+$/m);
    assert.match(log, /GET \/demo\/oauth2\/authorize 30\d /);
    assert.doesNotMatch(log, /handle=|code=|emr_/);
  });

  test("stops all of it with one signal", async () => {
    const pids = await Promise.all(ports.map(pidOf));
    await all.stop();
    assert.equal(all.child.exitCode, 0);
    for (const pid of pids) assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
    await assert.rejects(fetch(url));
  });
});
