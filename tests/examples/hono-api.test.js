// examples/hono-api on Node, Deno, Bun and in workerd.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { root, secret, serve, start, token } from "./serving.js";
import { startExample } from "./worker.js";

const folder = fileURLToPath(new URL("../../examples/hono-api/", import.meta.url));
const SECRETS = { READER_SECRET: secret(), WRITER_SECRET: secret() };

/** @type {Awaited<ReturnType<typeof serve>>} */
let service;
/** @type {Record<"reader" | "writer", string>} */
let tokens;

before(async () => {
  service = await serve("examples/hono-api/directory.yaml", SECRETS);
  tokens = {
    reader: await token(service.issuer, "reader", SECRETS.READER_SECRET),
    writer: await token(service.issuer, "writer", SECRETS.WRITER_SECRET),
  };
});
after(() => service?.stop());

/** @param {string[]} runtime how it runs a file */
const onServer = (runtime) => async () => {
  const env = { ISSUER: service.issuer, AUDIENCE: "api://orders", PORT: "0" };
  const { line, stop } = await start([...runtime, "server.js"], { cwd: folder, env }, /asks for a token/);
  return { url: new URL("/", line.split(" ")[0]), stop };
};

const others = `${root}tests/runtimes/node_modules/.bin/`;
/** @type {[string, () => Promise<{ url: URL, stop: () => Promise<void> }>][]} */
const RUNTIMES = [
  ["Node", onServer([process.execPath])],
  ["Deno", onServer([`${others}deno`, "run", "-A"])],
  ["Bun", onServer([`${others}bun`])],
  ["workerd", () => startExample("hono-api", { ISSUER: service.issuer })],
];

for (const [name, begin] of RUNTIMES) {
  describe(`examples/hono-api on ${name}`, () => {
    /** @type {Awaited<ReturnType<typeof begin>>} */
    let api;
    before(async () => {
      api = await begin();
    });
    after(() => api?.stop());

    /** @param {string} [bearer] @param {RequestInit} [init] @param {string} [path] */
    async function call(bearer, init, path = "orders") {
      const headers = new Headers(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` });
      const response = await fetch(new URL(path, api.url), { ...init, headers });
      const text = await response.text();
      return { status: response.status, challenge: response.headers.get("www-authenticate"), text };
    }

    test("lets a reader read and not write, and a writer write", async () => {
      const read = await call(tokens.reader);
      assert.deepEqual([read.status, JSON.parse(read.text)[0].item], [200, "tea"]);
      const order = { method: "POST", body: JSON.stringify({ item: "coffee" }) };
      const refused = await call(tokens.reader, order);
      assert.equal(refused.status, 403);
      assert.match(refused.challenge ?? "", /insufficient_scope/);
      const made = await call(tokens.writer, order);
      assert.deepEqual([made.status, JSON.parse(made.text)], [201, { id: 2, item: "coffee", by: "writer" }]);
      assert.equal((await call(tokens.writer, { method: "POST", body: "{" })).status, 400);
    });

    test("asks for a token, and takes no other than a good one", async () => {
      assert.deepEqual(await call().then(({ status, challenge }) => [status, challenge]), [401, "Bearer"]);
      const altered = `${tokens.writer.slice(0, -6)}AAAAAA`;
      const { status, challenge } = await call(altered);
      assert.equal(status, 401);
      assert.match(challenge ?? "", /invalid_token/);
      assert.equal((await call(undefined, {}, "healthz")).text, "ok");
    });
  });
}
