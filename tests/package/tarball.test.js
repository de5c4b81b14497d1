// The npm package as it is packed: what it holds, and used after an installation.

import assert from "node:assert/strict";
import { readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { installPackage, root, run } from "../installed.js";

/** @type {string} */
let folder;
/** @type {string[]} */
let files;
/** @type {() => Promise<void>} */
let remove;

before(async () => {
  ({ folder, files, remove } = await installPackage());
});
after(() => remove());

/** What `pkg/` holds beside the files that git is not to know. */
async function known() {
  const { stdout } = await run("git", ["ls-files", "--cached", "--others", "--exclude-standard"], {
    cwd: join(root, "pkg"),
  });
  return stdout.trim().split("\n");
}

/** Of what the build makes. @param {string} file */
const isShipped = (file) => file.endsWith(".js") || file.endsWith(".wasm");

test("the tarball holds every file of the package, three modules of wasm and their glue, and nothing else", async () => {
  const wasm = (await readdir(join(root, "pkg/wasm"))).filter(isShipped);
  assert.equal(wasm.length, 6);
  const expected = [...(await known()), ...wasm.map((file) => `wasm/${file}`)];
  assert.deepEqual(files, expected.toSorted());
  const stray = files.filter((file) => !/\.(js|d\.ts|wasm)$/.test(file));
  const documents = ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "openapi.json", "package.json"];
  assert.deepEqual(stray, documents);
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

test("CommonJS requires the package, as Node is able to since 20.19 and 22.12", async () => {
  const print = 'console.log(typeof require("edgemint").createIssuer)';
  const required = await run(process.execPath, ["--no-warnings", "--input-type=commonjs", "-e", print], {
    cwd: folder,
  });
  assert.equal(required.stdout, "function\n");
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
