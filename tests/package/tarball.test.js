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

test("the tarball holds the entries, their types, three modules of wasm and the command line, and nothing else", () => {
  assert.deepEqual(files, [
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "acts.d.ts",
    "administration.js",
    "buckets.js",
    "cli/client.js",
    "cli/commands/apis.js",
    "cli/commands/applications.js",
    "cli/commands/directory.js",
    "cli/commands/profiles.js",
    "cli/commands/tenant.js",
    "cli/commands/token.js",
    "cli/completion.js",
    "cli/context.js",
    "cli/directory/administration.js",
    "cli/directory/carry-out.js",
    "cli/directory/compare.js",
    "cli/directory/plan.js",
    "cli/directory/read.js",
    "cli/directory/schema.js",
    "cli/directory/show.js",
    "cli/directory/write.js",
    "cli/errors.js",
    "cli/main.js",
    "cli/options.js",
    "cli/output.js",
    "cli/profile.js",
    "cli/program.js",
    "cli/progress.js",
    "cli/prompt.js",
    "cloudflare.d.ts",
    "cloudflare.js",
    "dialects.js",
    "driver.js",
    "errors.js",
    "events.d.ts",
    "events.js",
    "index.d.ts",
    "issuer.js",
    "node.js",
    "openapi.json",
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
    "wasm/administration.js",
    "wasm/administration_bg.wasm",
    "wasm/dialects.js",
    "wasm/dialects_bg.wasm",
    "wasm/edgemint.js",
    "wasm/edgemint_bg.wasm",
    "web.js",
    "workerd.js",
  ]);
});

test("the installed command runs, and who imports the package does not load what it needs", async () => {
  const bin = join(folder, "node_modules/.bin/edgemint");
  const { stdout } = await run(bin, ["--version"]);
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
  for (const dependency of ["yargs", "yaml", "jose", "oauth4webapi", "cli-progress", "string-width"]) {
    await rm(join(folder, "node_modules", dependency), { recursive: true });
  }
  const imports = 'await import("edgemint"); await import("edgemint/stores/memory"); console.log("ok")';
  const imported = await run(process.execPath, ["--input-type=module", "-e", imports], { cwd: folder });
  assert.equal(imported.stdout, "ok\n");
});

test("the token service has no administration in it, and Microsoft's dialects in a module of their own", async () => {
  const read = (/** @type {string} */ name) => readFile(join(root, "pkg/wasm", `${name}_bg.wasm`));
  const [tokens, dialects, administration] = await Promise.all(
    ["edgemint", "dialects", "administration"].map(read),
  );
  assert.ok(dialects.includes("AADB2C") && !tokens.includes("AADB2C"));
  for (const act of ["createTenant", "createApplication", "addSecret", "rotateKey"]) {
    assert.ok(administration.includes(act), act);
    assert.ok(!tokens.includes(act), act);
  }
  assert.ok(tokens.includes("completeAuthorization") && !administration.includes("denyAuthorization"));
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
