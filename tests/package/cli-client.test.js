// What the command line does when a service is busy, or gone: against a server that is.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Client, bootstrap, requestToken } from "../../pkg/cli/client.js";
import { certificateIn } from "../../pkg/serve/certificate.js";

/**
 * Runs `act` against a server that answers tokens, and everything else from `answers`, one after another.
 * @param {(number | "cut" | "invalid_token")[]} answers a status, a 401 of this code, or that the connection is cut
 * @param {(client: Client, seen: import("node:http").IncomingMessage[], hints: string[]) => Promise<void>} act
 */
async function against(answers, act) {
  /** @type {import("node:http").IncomingMessage[]} */
  const seen = [];
  const server = createServer((request, response) => {
    if (request.url === "/t/oauth2/token") {
      response.setHeader("content-type", "application/json");
      response.end('{"access_token":"x","token_type":"Bearer","expires_in":3600}');
      return;
    }
    seen.push(request);
    const answer = answers.shift() ?? 500;
    if (answer === "cut") return request.socket.destroy();
    if (answer === "invalid_token") {
      response.writeHead(401, { "content-type": "application/problem+json" });
      return response.end('{"status":401,"code":"invalid_token","detail":"It is not valid."}');
    }
    response.writeHead(answer, { "retry-after": "1", "content-type": "application/json" });
    response.end('{"code":"busy","detail":"Come again."}');
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  /** @type {string[]} */
  const hints = [];
  const profile = {
    url: `http://127.0.0.1:${port}`,
    tenant: "t",
    clientId: "c",
    clientSecret: "s",
  };
  try {
    await act(new Client(profile, (hint) => hints.push(hint)), seen, hints);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test("a busy service is asked again when it says, with the same idempotency key", () =>
  against([503, 429, "cut", 201], async (client, seen, hints) => {
    const before = Date.now();
    const { status } = await client.request("POST", "/apis", { creates: true, body: {} });
    assert.equal(status, 201);
    assert.ok(Date.now() - before >= 2000, "it waited");
    assert.equal(seen.length, 4);
    const keys = seen.map(({ headers }) => headers["idempotency-key"]);
    assert.equal(new Set(keys).size, 1);
    assert.match(`${keys[0]}`, /^[\w-]{36}$/);
    assert.equal(hints.length, 2);
  }));

test("an edit is not sent again if nobody knows what became of it", () =>
  against(["cut", 200], async (client, seen) => {
    const edit = client.request("PATCH", "/tenant", { ifMatch: '"1"', body: {} });
    await assert.rejects(edit, { exit: 1, code: "network" });
    assert.equal(seen.length, 1);
    assert.equal(seen[0].headers["if-match"], '"1"');
  }));

test("a certificate that nobody has signed is told with what makes Node trust it", async () => {
  const folder = await mkdtemp(join(tmpdir(), "edgemint-"));
  const paths = await certificateIn(folder);
  const [cert, key] = await Promise.all([readFile(paths.certificate), readFile(paths.key)]);
  const server = createSecureServer({ cert, key }).listen(0, "127.0.0.1");
  try {
    await once(server, "listening");
    const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
    const url = `https://127.0.0.1:${port}`;
    const client = new Client({ url, tenant: "t", clientId: "c", clientSecret: "s" }, () => {});
    const expected = { code: "network", message: /certificate/, hint: /NODE_EXTRA_CA_CERTS/ };
    await assert.rejects(client.request("PATCH", "/tenant", { body: {} }), expected);
  } finally {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  }
});

test("a service that refuses for long is not waited for, and the line says how long it refuses", async () => {
  /** @type {import("node:http").IncomingMessage[]} */
  const seen = [];
  const server = createServer((request, response) => {
    seen.push(request);
    const oauth = request.url === "/t/oauth2/token";
    response.writeHead(429, {
      "retry-after": "120",
      "content-type": oauth ? "application/json" : "application/problem+json",
    });
    const text = "client authentication failed too often; try again later";
    const token = { error: "temporarily_unavailable", error_description: text };
    const problem = { status: 429, code: "temporarily_unavailable", detail: `${text}.` };
    response.end(JSON.stringify(oauth ? token : problem));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const at = { url: `http://127.0.0.1:${port}`, tenant: "t", clientId: "c", clientSecret: "s" };
  const wait = { exit: 1, hint: "Wait 2 minutes, and repeat the command" };
  try {
    const asked = bootstrap(at, "wrong", {}, () => {});
    await assert.rejects(asked, { ...wait, code: "temporarily_unavailable", message: /too often/ });
    assert.equal(seen[0].headers["idempotency-key"], undefined, "the route knows none");
    const token = requestToken(at, {}, () => {});
    await assert.rejects(token, { ...wait, code: "temporarily_unavailable", message: /too often/ });
    assert.equal(seen.length, 2);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("a service whose store is down is told as one that is unavailable, with what it says of later", async () => {
  /** @type {Record<string, string>} */
  let headers = { "retry-after": "240" };
  let status = 503;
  const server = createServer((_, response) => {
    response.writeHead(status, { ...headers, "content-type": "application/json" });
    response.end('{"error":"temporarily_unavailable"}');
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const url = `http://127.0.0.1:${port}`;
  const asked = () => requestToken({ url, tenant: "t", clientId: "c", clientSecret: "s" }, {}, () => {});
  try {
    const message = `${url} is unavailable (503)`;
    await assert.rejects(asked(), { exit: 1, message, hint: "Wait 4 minutes, and repeat the command" });
    [status, headers] = [502, {}];
    await assert.rejects(asked(), { exit: 1, message: `${url} is unavailable (502)`, hint: "Try later" });
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("a token that is refused is asked for anew, once", () =>
  against([401, 200, 401, 401], async (client, seen) => {
    await client.request("GET", "/tenant");
    assert.equal(seen.length, 2);
    await assert.rejects(client.request("GET", "/tenant"), {
      exit: 5,
      code: "busy",
      message: "Come again",
    });
    assert.equal(seen.length, 4);
  }));

test("a token that is signed with a key that was just removed is asked for anew after a while", () =>
  against(Array(5).fill("invalid_token").with(2, 200), async (client, seen, hints) => {
    const before = Date.now();
    await client.request("GET", "/tenant");
    assert.equal(seen.length, 3);
    assert.ok(Date.now() - before >= 4900, "it waited");
    assert.match(hints[0], /again with another one in 5 s/);
  }));

test("a token that stays refused fails, and the line says what may help", () =>
  against(Array(3).fill("invalid_token"), async (client, seen) => {
    await assert.rejects(client.request("GET", "/tenant"), {
      exit: 5,
      code: "invalid_token",
      hint: /if a signing key was just removed, repeat the command in a minute/,
    });
    assert.equal(seen.length, 3);
  }));
