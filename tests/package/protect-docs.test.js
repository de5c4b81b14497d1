// The JavaScript of docs/protect.md, docs/client.md and of these entries in the READMEs, as a reader would
// run it.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { protect } from "edgemint/protect";
import { raw, serve, startIssuer } from "./served.js";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../", import.meta.url));

/** Inside the project, so that packages are found as a reader finds them. @type {string} */
let scratch;
/** @type {Awaited<ReturnType<typeof startIssuer>>} */
let world;
/** @type {string} */
let token;
before(async () => {
  await mkdir(join(root, ".edgemint"), { recursive: true });
  scratch = await mkdtemp(join(root, ".edgemint", "docs-"));
  world = await startIssuer();
  token = await world.token();
});
after(async () => {
  await world?.stop();
  await rm(scratch, { recursive: true, force: true });
});

/** The only snippet of a document that contains `mark`, in a file. @param {string} path @param {string} mark */
async function snippet(path, mark) {
  const text = await readFile(join(root, path), "utf8");
  const codes = [...text.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code);
  const found = codes.filter((code) => code.includes(mark));
  assert.equal(found.length, 1, `${path} has one snippet with ${mark}`);
  const file = join(scratch, `${Math.random()}.mjs`);
  const issuer = /https:\/\/auth\.example\.com\/contoso|http:\/\/127\.0\.0\.1:8787\/demo/g;
  await writeFile(file, found[0].replaceAll(issuer, world.issuer));
  return file;
}

/** @param {string} path @param {string} mark @returns {Promise<any>} */
const loaded = async (path, mark) => import(pathToFileURL(await snippet(path, mark)).href);

describe("docs/protect.md", () => {
  /** @param {(method: string, headers: Record<string, string>) => Promise<{ status: number }>} call @param {number[]} expected */
  async function calls(call, expected) {
    const authorization = `Bearer ${token}`;
    /** @type {number[]} */
    const statuses = [];
    for (const [method, headers] of /** @type {[string, {}][]} */ ([
      ["GET", {}],
      ["GET", { authorization }],
      ["POST", { authorization }],
    ])) {
      statuses.push((await call(method, headers)).status);
    }
    assert.deepEqual(statuses, expected);
  }
  const url = "https://orders.example.com/orders";

  test("protects a fetch-style handler", async () => {
    for (const document of ["docs/protect.md", "README.md", "pkg/README.md"]) {
      const { default: worker } = await loaded(document, ".handler(");
      const call = (/** @type {string} */ method, /** @type {{}} */ headers) =>
        worker.fetch(new Request(url, { method, headers }));
      await calls(call, [401, 200, 200]);
    }
    const { POST } = await loaded("docs/protect.md", "toResponse");
    await calls((method, headers) => POST(new Request(url, { method, headers })), [401, 403, 403]);
  });

  test("protects an app of Hono", async () => {
    const { default: app } = await loaded("docs/protect.md", "edgemint/protect/hono");
    await calls((method, headers) => app.request("/orders", { method, headers }), [401, 200, 403]);
  });

  test("protects an app of Express, and one of Fastify", async () => {
    process.env.PORT = "0";
    const { server } = await loaded("docs/protect.md", "edgemint/protect/express");
    const { app } = await loaded("docs/protect.md", "edgemint/protect/fastify");
    try {
      for (const { port } of [server.address(), app.server.address()]) {
        await calls(
          (method, headers) => raw(`http://localhost:${port}/orders`, Object.entries(headers), { method }),
          [401, 200, 403],
        );
      }
    } finally {
      server.close();
      await app.close();
    }
  });

  test("asks the issuer whether a token is revoked", async () => {
    const { clientId } = await world.admin.createApplication({ tenant: "demo", introspects: ["api://orders"] });
    const { secret } = await world.admin.addSecret({ tenant: "demo", clientId });
    Object.assign(process.env, { CLIENT_ID: clientId, CLIENT_SECRET: secret });
    const { guard } = await loaded("docs/protect.md", "introspection:");
    const request = new Request(url, { headers: { authorization: `Bearer ${token}` } });
    assert.equal((await guard(request)).sub, world.clientId);
  });
});

describe("docs/client.md", () => {
  /** @param {string} mark @param {(code: string) => string} [changed] @param {string} [path] */
  async function output(mark, changed = (code) => code, path = "docs/client.md") {
    const file = await snippet(path, mark);
    await writeFile(file, changed(await readFile(file, "utf8")));
    const env = { ...process.env, CLIENT_ID: world.clientId, CLIENT_SECRET: world.secret };
    return (await run(process.execPath, [file], { env })).stdout;
  }

  test("calls an API", async () => {
    const guard = protect({ issuer: world.issuer, audience: "api://orders", roles: "Orders.Read.All" });
    const api = await serve(guard.handler(() => Response.json("read")));
    try {
      const here = (/** @type {string} */ code) => code.replaceAll("https://orders.example.com", api.url);
      assert.equal(await output("source.fetch", here), "200 read\n");
      assert.equal(await output("source.fetch", here, "pkg/README.md"), "");
      assert.equal(api.heard.length, 2);
    } finally {
      await api.stop();
    }
  });

  test("gets a token, and says why there is none", async () => {
    assert.match(await output("source.get"), /^\[ 'authorization' \] api:\/\/orders\/Orders\.Read\.All \d{4}-/);
    assert.equal(await output("TokenSourceError"), "refused invalid_client\n");
  });
});
