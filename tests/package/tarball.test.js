// The npm package as it is packed: what it holds, and used after an installation.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = new URL("../../", import.meta.url).pathname;

/** @type {string} */
let folder;
/** @type {string[]} */
let files;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "edgemint-package-"));
  const { stdout } = await run("npm", ["pack", "--json", "--pack-destination", folder], {
    cwd: join(root, "pkg"),
  });
  const packed = JSON.parse(stdout);
  const [{ filename, files: list }] = Array.isArray(packed) ? packed : Object.values(packed);
  files = list.map((/** @type {{ path: string }} */ file) => file.path).sort();
  await writeFile(join(folder, "package.json"), '{ "private": true, "type": "module" }');
  await run("npm", ["install", "--offline", "--no-audit", "--no-fund", join(folder, filename)], {
    cwd: folder,
  });
});
after(() => rm(folder, { recursive: true, force: true }));

test("the tarball holds the entries, their types and one wasm, and nothing else", () => {
  assert.deepEqual(files, [
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "driver.js",
    "errors.js",
    "index.d.ts",
    "issuer.js",
    "node.js",
    "package.json",
    "stores/directory-object.d.ts",
    "stores/directory-object.js",
    "stores/directory.d.ts",
    "stores/directory.js",
    "stores/durable-object.d.ts",
    "stores/durable-object.js",
    "stores/kv-record.js",
    "stores/kv.d.ts",
    "stores/kv.js",
    "stores/memory.d.ts",
    "stores/memory.js",
    "stores/outbox.js",
    "stores/records.js",
    "subtle.js",
    "wasm/edgemint.js",
    "wasm/edgemint_bg.wasm",
    "web.js",
    "workerd.js",
  ]);
});

test("the installed package passes the vectors", async () => {
  const script = join(folder, "vectors.js");
  const read = (/** @type {string} */ path) => readFile(join(root, path), "utf8");
  await writeFile(join(folder, "run.js"), await read("tests/vectors.js"));
  await writeFile(
    script,
    `import { createIssuer } from "edgemint";
     import { memoryStore } from "edgemint/stores/memory";
     import { run, setUp } from "./run.js";
     const directory = ${await read("tests/vectors/directory.json")};
     const { baseUrl } = directory;
     const masterKey = "A".repeat(43);
     const issuer = createIssuer({ baseUrl, store: memoryStore(), masterKey, onEvent() {} });
     await setUp(issuer.admin, directory);
     const files = [${await read("tests/vectors/token-endpoint.json")},
                    ${await read("tests/vectors/metadata.json")},
                    ${await read("tests/vectors/grants.json")}];
     let count = 0;
     for (const { cases } of files) {
       for (const vector of cases) {
         await run(issuer.fetch, baseUrl, vector).catch((error) => {
           throw new Error(vector.name + ": " + error.message);
         });
         count += 1;
       }
     }
     console.log(count);`,
  );
  const { stdout } = await run(process.execPath, [script], { cwd: folder });
  assert.ok(Number(stdout) > 90, stdout);
});
