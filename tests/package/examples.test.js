// The examples and the documents' own code, run as a reader would run them.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { MASTER_KEY, freePort, register, root, startWorker, tokenRequest } from "../workerd/world.js";

const run = promisify(execFile);
const folder = fileURLToPath(root);

/** What an example is told by its environment. @param {Record<string, string>} told */
const environment = (told) => ({ ...process.env, ...told });

/** Runs an example to its end. @param {string[]} command @param {Record<string, string>} told */
const example = (command, told) =>
  run(process.execPath, command, { cwd: folder, env: environment(told) });

/** Inside the project, so that packages are found as a reader finds them. @type {string} */
let scratch;
/** @type {Awaited<ReturnType<typeof startWorker>>} */
let worker;
/** @type {string} */
let base;
/** @type {Awaited<ReturnType<typeof register>>} */
let application;

before(async () => {
  await mkdir(join(folder, ".edgemint"), { recursive: true });
  scratch = await mkdtemp(join(folder, ".edgemint", "examples-"));
  // The worker must call itself what it is called.
  const port = await freePort();
  base = `http://127.0.0.1:${port}`;
  worker = await startWorker({ bindings: { BASE_URL: base }, port });
  application = await register(worker.admin);
});
after(async () => {
  await worker?.stop();
  await rm(scratch, { recursive: true, force: true });
});

/** @param {Record<string, string>} parameters @param {string} [tenant] */
async function token(parameters, tenant = "demo") {
  const response = await worker.fetch(tokenRequest(parameters, `/${tenant}/oauth2/token`));
  const answer = /** @type {any} */ (await response.json());
  assert.equal(response.status, 200, JSON.stringify(answer));
  return answer;
}

describe("examples/api.js", () => {
  /** @type {import("node:child_process").ChildProcess} */
  let api;
  /** @type {string} */
  let url;

  before(async () => {
    const told = { ISSUER: `${base}/demo`, AUDIENCE: "api://orders", PORT: "0" };
    api = spawn(process.execPath, ["examples/api.js"], {
      cwd: folder,
      env: environment(told),
      stdio: ["ignore", "pipe", "inherit"],
    });
    const lines = createInterface(/** @type {import("node:stream").Readable} */ (api.stdout));
    const [line] = await once(lines, "line");
    url = /^\S+/.exec(line)?.[0] ?? "";
  });
  after(async () => {
    if (!api?.kill()) return;
    await once(api, "exit");
  });

  /** @param {string} method @param {string} [authorization] */
  async function call(method, authorization) {
    const headers = /** @type {Record<string, string>} */ (authorization ? { authorization } : {});
    const response = await fetch(url, { method, headers });
    const challenge = response.headers.get("www-authenticate");
    return { status: response.status, challenge, body: await response.text() };
  }

  test("a request without credentials is 401 with a bare challenge (r46)", async () => {
    const { status, challenge } = await call("GET");
    assert.deepEqual([status, challenge], [401, "Bearer"]);
    assert.equal((await call("GET", "Basic YTpi")).challenge, "Bearer");
  });

  test("a bad token is 401 invalid_token (r46)", async () => {
    const { clientId, secret, scope } = application;
    const { access_token } = await token({ client_id: clientId, client_secret: secret, scope });
    const [header, claims, signature] = access_token.split(".");
    const more = { ...JSON.parse(Buffer.from(claims, "base64url").toString()), roles: ["Orders.Write.All"] };
    const altered = Buffer.from(JSON.stringify(more)).toString("base64url");
    const unsigned = Buffer.from('{"alg":"none","typ":"at+jwt"}').toString("base64url");
    for (const bad of ["x", `${header}.${altered}.${signature}`, `${unsigned}.${claims}.`]) {
      const { status, challenge } = await call("GET", `Bearer ${bad}`);
      assert.deepEqual([status, challenge], [401, 'Bearer error="invalid_token"'], bad);
    }
  });

  test("a scheme without a token is 400 invalid_request (r46)", async () => {
    const { status, challenge } = await call("GET", "Bearer ");
    assert.deepEqual([status, challenge], [400, 'Bearer error="invalid_request"']);
  });

  test("a token of the same issuer for another API is 401 invalid_token (r46)", async () => {
    await worker.admin.createApi({ tenant: "demo", identifier: "api://others" });
    const { clientId, secret } = application;
    const scope = "api://others/.default";
    const { access_token } = await token({ client_id: clientId, client_secret: secret, scope });
    const { status, challenge } = await call("GET", `Bearer ${access_token}`);
    assert.deepEqual([status, challenge], [401, 'Bearer error="invalid_token"']);
  });

  test("a missing role is 403 insufficient_scope, and the role that is there is 200 (r46)", async () => {
    const { clientId, secret, scope } = application;
    const { access_token } = await token({ client_id: clientId, client_secret: secret, scope });
    const refused = await call("POST", `Bearer ${access_token}`);
    assert.equal(refused.status, 403);
    assert.match(refused.challenge ?? "", /^Bearer error="insufficient_scope"/);
    const { status, body } = await call("GET", `bearer ${access_token}`);
    assert.deepEqual([status, JSON.parse(body)], [200, [{ id: 1, item: "tea" }]]);
  });

  test("examples/caller.js gets a token and shows both answers", async () => {
    const { stdout } = await example(["examples/caller.js"], {
      ISSUER: `${base}/demo`,
      CLIENT_ID: application.clientId,
      CLIENT_SECRET: application.secret,
      SCOPE: application.scope,
      API_URL: new URL(url).origin,
    });
    assert.match(stdout, /^a token until \S.* with api:\/\/orders\/Orders\.Read\.All$/m);
    assert.match(stdout, /^GET \/orders: 200 /m);
    assert.match(stdout, /^POST \/orders: 403 .*insufficient_scope/m);
  });
});

/** The JavaScript in a document, in order. @param {string} path from the project's root */
async function snippets(path) {
  const text = await readFile(join(folder, path), "utf8");
  return [...text.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code);
}

/** The only snippet of a document that contains `mark`. @param {string} path @param {string} mark */
async function snippet(path, mark) {
  const found = (await snippets(path)).filter((code) => code.includes(mark));
  assert.equal(found.length, 1, `${path} has one snippet with ${mark}`);
  return found[0];
}

/** @param {string} name @param {string} code @returns {Promise<string>} */
async function scratchFile(name, code) {
  const path = join(scratch, name);
  await writeFile(path, code);
  return path;
}

describe("the JavaScript in README.md", () => {
  test("verifies a token and asks for the role", async () => {
    const code = await snippet("README.md", "jwtVerify");
    assert.ok(code.includes("http://127.0.0.1:8787"), "it is for the service of `cargo xtask dev`");
    const path = await scratchFile("verify.mjs", code.replaceAll("http://127.0.0.1:8787", base));
    const { authorize } = await import(pathToFileURL(path).href);
    const { clientId, secret, scope } = application;
    const { access_token } = await token({ client_id: clientId, client_secret: secret, scope });
    assert.equal((await authorize(access_token, "Orders.Read.All")).client_id, clientId);
    await assert.rejects(authorize(access_token, "Orders.Write.All"), /Orders\.Write\.All/);
    await assert.rejects(authorize(`${access_token.slice(0, -4)}AAAA`, "Orders.Read.All"), {
      code: "ERR_JWS_SIGNATURE_VERIFICATION_FAILED",
    });
  });

  for (const document of ["README.md", "pkg/README.md"]) {
    test(`issues a token in process (${document})`, async () => {
      const path = await scratchFile("memory.mjs", await snippet(document, "memoryStore"));
      const { stdout } = await example([path], { MASTER_KEY });
      assert.match(stdout, /token_type: 'Bearer'/);
      assert.match(stdout, /scope: 'api:\/\/orders\/Orders\.Read\.All'/);
    });

    test(`is a Worker over KV and Durable Objects (${document})`, async () => {
      const code = await snippet(document, "directoryStore");
      // In workerd, where nothing looks packages up: by the files that the package names.
      const bundled = code
        .replaceAll('"edgemint"', '"../../pkg/workerd.js"')
        .replaceAll(/"edgemint\/(cloudflare|stores\/[a-z-]+)"/g, '"../../pkg/$1.js"');
      const name = `${document.replaceAll(/\W/g, "-")}.js`;
      const path = await scratchFile(name, bundled);
      const served = await startWorker({ entry: relative(folder, path) });
      try {
        const { clientId, secret, scope } = await register(served.admin);
        const request = tokenRequest({ client_id: clientId, client_secret: secret, scope });
        assert.equal((await served.fetch(request)).status, 200);
        const health = await served.fetch(new Request("https://auth.example.com/healthz"));
        assert.equal(health.status, 200);
      } finally {
        await served.stop();
      }
    });
  }
});

/** The anchors of a document's headings, as GitHub makes them. @param {string} text */
const anchors = (text) =>
  [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading.toLowerCase().replaceAll(/[^\w\- ]/g, "").replaceAll(" ", "-"),
  );

test("every link between the documents leads to a file, and to a heading in it", async () => {
  const { stdout } = await run("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"], {
    cwd: folder,
  });
  /** @type {string[]} */
  const broken = [];
  for (const path of stdout.split("\n").filter(Boolean)) {
    const text = await readFile(join(folder, path), "utf8");
    for (const [, link] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      const target = new URL(link, pathToFileURL(join(folder, path)));
      const { hash } = target;
      target.hash = "";
      const found = await readFile(target, "utf8").catch((error) =>
        error.code === "EISDIR" ? "" : undefined,
      );
      const leads = found !== undefined && (hash === "" || anchors(found).includes(hash.slice(1)));
      if (!leads) broken.push(`${path}: ${link}`);
    }
  }
  assert.deepEqual(broken, []);
});
