// Where grants are stored: what must outlive an object, a process and a stale read, what must never be
// in there, and which store they may not live in.

import assert from "node:assert/strict";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { EdgemintError, createIssuer } from "../../pkg/node.js";
import { kvStore } from "../../pkg/stores/kv.js";
import {
  MASTER_KEY,
  credentials,
  post,
  refresh,
  register,
  registerClient,
  registerLogin,
  startLogin,
  startWorker,
  tokenRequest,
} from "./world.js";

/** @typedef {import("../sign-in.js").Client} Client */

/** What a refresh came to: the next token, or the error. @param {Response} response */
async function next(response) {
  const { refresh_token, error } = /** @type {any} */ (await response.json());
  return { status: response.status, token: String(refresh_token), error };
}

/** The object that a refresh token leads to. @param {string} token */
const partition = (token) => {
  const bytes = Buffer.from(token.slice("emr_".length), "base64url");
  return `grants/demo/${bytes.subarray(1, 17).toString("base64url")}`;
};

test("r27 a spent token stays spent when its object is evicted, and when the process is gone", async () => {
  const state = await mkdtemp(join(tmpdir(), "edgemint-grants-"));
  let worker = await startWorker({ state });
  try {
    const login = await registerLogin(worker.admin);
    const client = await registerClient(worker.admin, { grace: 0 });
    const users = await startLogin(worker.url, login);
    const evict = (/** @type {string} */ token) =>
      worker.miniflare.unsafeEvictDurableObject("", "GrantObject", { name: partition(token) });

    const evicted = (await users.signIn(client, "ada")).refresh_token;
    const restarted = (await users.signIn(client, "grace")).refresh_token;
    let second = await next(await refresh(worker.url, client, evicted));
    await evict(evicted);
    second = await next(await refresh(worker.url, client, second.token));
    assert.equal(second.status, 200, "the newest one works after an eviction");
    await evict(evicted);
    const replay = await next(await refresh(worker.url, client, evicted));
    assert.deepEqual([replay.status, replay.error], [400, "invalid_grant"]);
    await evict(evicted);
    assert.equal((await refresh(worker.url, client, second.token)).status, 400, "it stays revoked");

    const { token } = await next(await refresh(worker.url, client, restarted));
    await worker.stop();
    worker = await startWorker({ state });
    const { token: newest } = await next(await refresh(worker.url, client, token));
    await worker.stop();
    worker = await startWorker({ state });
    assert.equal((await refresh(worker.url, client, restarted)).status, 400);
    await worker.stop();
    worker = await startWorker({ state });
    assert.equal((await refresh(worker.url, client, newest)).status, 400, "it stays revoked");
  } finally {
    await worker.stop();
    await rm(state, { recursive: true, force: true });
  }
});

test("r27 a store that answers with stale data revives no spent token and revokes nothing", async () => {
  const bindings = { WAY: "loop", CACHE_TTL: "1" };
  const worker = await startWorker({ entry: "tests/workerd/storm.js", bindings });
  try {
    const set = (/** @type {object} */ faults) =>
      fetch(new URL("/faults", worker.url), { method: "POST", body: JSON.stringify(faults) });
    const users = await startLogin(worker.url, await registerLogin(worker.admin));
    const client = await registerClient(worker.admin, { grace: 0 });
    const { refresh_token: first } = await users.signIn(client, "ada");
    await set({ stale: true });
    const second = await next(await refresh(worker.url, client, first));
    assert.equal(second.status, 200);
    // What is read now says that the first one is still good. Writing says otherwise.
    const revived = await refresh(worker.url, client, first);
    assert.equal(revived.status, 503);
    assert.match(String(revived.headers.get("retry-after")), /^[1-9]\d*$/);
    const ahead = await next(await refresh(worker.url, client, second.token));
    assert.deepEqual([ahead.status, ahead.error], [400, "invalid_grant"]);
    await set({ stale: false });
    const third = await next(await refresh(worker.url, client, second.token));
    assert.equal(third.status, 200, "nothing was revoked");
    assert.equal((await refresh(worker.url, client, first)).status, 400);
    assert.equal((await refresh(worker.url, client, third.token)).status, 400, "a replay is one");
  } finally {
    await worker.stop();
  }
});

test("grants are refused over bare KV, with an error that says what to do", async () => {
  const worker = await startWorker();
  try {
    const kv = kvStore(/** @type {any} */ (worker.namespace));
    const options = { baseUrl: "https://auth.example.com", masterKey: MASTER_KEY, onEvent() {} };
    for (const stores of [{ store: kv }, { store: kv, grants: kv }]) {
      assert.throws(
        () => createIssuer({ ...options, ...stores }),
        (error) =>
          error instanceof EdgemintError &&
          error.code === "store_not_atomic" &&
          /atomic.*Durable Objects.*`false` for client credentials only/.test(error.message),
      );
    }
    const issuer = createIssuer({ ...options, store: kv, grants: false });
    const { clientId, secret, scope } = await register(issuer.admin);
    const request = tokenRequest({ client_id: clientId, client_secret: secret, scope });
    assert.equal((await issuer.fetch(request)).status, 200, "client credentials need no grants");
  } finally {
    await worker.stop();
  }
});

test("r30 nothing that is stored of sessions holds a secret, a code or a token", async () => {
  const state = await mkdtemp(join(tmpdir(), "edgemint-dump-"));
  const worker = await startWorker({ state });
  /** What was given to somebody, by what it is. @type {[string, string][]} */
  const issued = [["master key", MASTER_KEY]];
  try {
    const login = await registerLogin(worker.admin);
    const users = await startLogin(worker.url, login);
    issued.push(["login secret", String(login.secret)]);
    const lasting = await registerClient(worker.admin, { grace: 300 });
    const reusable = await registerClient(worker.admin, { mode: "reusable" });
    const anyone = await registerClient(worker.admin, { grace: 0 }, "public");
    for (const [number, client] of [lasting, reusable, anyone].entries()) {
      if (client.secret) issued.push(["client secret", client.secret]);
      for (const subject of ["ada", `user ${number}`]) {
        const unused = await users.code(client, subject);
        issued.push(["code", unused]);
        const code = await users.code(client, subject);
        issued.push(["code", code]);
        const exchanged = await post(worker.url, "token", users.exchange(client, code));
        let tokens = /** @type {import("../sign-in.js").Tokens} */ (await exchanged.json());
        for (let step = 0; step < 3; step += 1) {
          issued.push(["refresh token", tokens.refresh_token], ["access token", tokens.access_token]);
          const refreshed = await refresh(worker.url, client, tokens.refresh_token);
          tokens = /** @type {import("../sign-in.js").Tokens} */ (await refreshed.json());
        }
        issued.push(["refresh token", tokens.refresh_token], ["access token", tokens.access_token]);
        const token = tokens.refresh_token;
        if (number === 1) await post(worker.url, "revoke", { token, ...credentials(client) });
      }
    }
    assert.ok(issued.every(([, credential]) => credential.length > 40), "they were all issued");

    /** @type {[string, Buffer][]} */
    const dump = [];
    const { keys } = await worker.namespace.list();
    for (const { name } of keys) {
      dump.push([name, Buffer.from(`${name} ${await worker.namespace.get(name)}`)]);
    }
    await worker.stop();
    let rows = 0;
    for (const path of await readdir(state, { recursive: true })) {
      const file = join(state, path);
      const content = await readFile(file).catch(() => null);
      if (content === null) continue;
      dump.push([path, content]);
      if (!path.startsWith("objects/") || !path.endsWith(".sqlite")) continue;
      const database = new DatabaseSync(file, { readOnly: true });
      try {
        const tables = database.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").all();
        for (const { name } of tables) {
          const select = database.prepare(`SELECT * FROM "${name}"`);
          // An alarm is in nanoseconds.
          select.setReadBigInts(true);
          for (const row of select.all()) {
            if (name === "records") rows += 1;
            dump.push([`${path} ${name}`, Buffer.from(Object.values(row).join("\n"))]);
          }
        }
      } finally {
        database.close();
      }
    }
    assert.equal(rows, 12, "the dump has every grant: two for each user and application");
    assert.ok(dump.some(([, content]) => content.includes(`"clientId":"${lasting.clientId}"`)));
    for (const [what, credential] of issued) {
      for (const form of forms(what, credential)) {
        const found = dump.find(([, content]) => content.includes(form));
        assert.equal(found?.[0], undefined, `a ${what} is stored`);
      }
    }
  } finally {
    await worker.stop().catch(() => {});
    await rm(state, { recursive: true, force: true });
  }
});

/**
 * How a credential could be written down: as it is, and what makes it one, as bytes, in hex, in base64.
 * @param {string} what @param {string} credential
 */
function forms(what, credential) {
  const bytes = (/** @type {string} */ text) => Buffer.from(text, "base64url");
  /** @type {Record<string, () => Buffer>} */
  const essences = {
    "master key": () => bytes(credential),
    // The proof is the last 32 bytes of them.
    "refresh token": () => bytes(credential.slice("emr_".length)).subarray(-32),
    code: () => bytes(credential.slice("emc_".length)).subarray(-32),
    "access token": () => bytes(credential.split(".")[2]),
  };
  const essence = essences[what]?.();
  const written = [Buffer.from(credential), Buffer.from(Buffer.from(credential).toString("base64"))];
  // Of a client secret, what is between its prefix and its checksum.
  if (essence === undefined) return [...written, Buffer.from(credential.slice(4, 47))];
  const texts = /** @type {const} */ (["hex", "base64url", "base64"]).map((encoding) =>
    Buffer.from(essence.toString(encoding)),
  );
  return [...written, essence, ...texts];
}
