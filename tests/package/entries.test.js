// The entries of the package: what `exports` promises is there, typed and documented, and brings nothing
// along that its user has not asked for.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { cp, mkdir, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { build } from "esbuild";
import { installPackage, root, run } from "../installed.js";

/** @type {Awaited<ReturnType<typeof installPackage>>} */
let project;
before(async () => {
  project = await installPackage();
});
after(() => project.remove());

const pkg = join(root, "pkg");
/** @type {{ exports: Record<string, string | Record<string, string>> }} */
const { exports } = JSON.parse(readFileSync(join(pkg, "package.json"), "utf8"));
/** Those that are code, with their conditions. */
const ENTRIES = Object.entries(exports).flatMap(([entry, target]) =>
  typeof target === "string" ? [] : [/** @type {const} */ ([entry, target])],
);
const bin = (/** @type {string} */ name) => join(root, "node_modules/.bin", name);

/** What is for one platform, and says so. */
const OBJECTS = ["./stores/directory-object", "./stores/durable-object"];
const NODE = ["./stores/sqlite"];

test("each file that `exports` names is in the tarball, and the types are first", () => {
  for (const [entry, target] of Object.entries(exports)) {
    const files = typeof target === "string" ? [target] : Object.values(target);
    for (const file of files) assert.ok(project.files.includes(file.slice(2)), `${entry}: ${file}`);
    if (typeof target === "string") continue;
    const conditions = Object.keys(target);
    assert.equal(conditions[0], "types", entry);
    assert.equal(conditions.at(-1), "default", entry);
  }
});

test("the entry of each runtime exports the same, by the same types", async () => {
  const conditions = ["types", "workerd", "deno", "bun", "node", "browser", "default"];
  const [[, main]] = ENTRIES;
  assert.deepEqual(Object.keys(main), conditions);
  const named = /** @type {Set<string>} */ (new Set());
  for (const [condition, file] of Object.entries(main)) {
    if (condition === "types") continue;
    const text = readFileSync(join(pkg, file), "utf8");
    const names = [...text.matchAll(/^export (?:const |\{ )(\w+)/gm)].map(([, name]) => name);
    named.add(names.toSorted().join());
  }
  assert.deepEqual([...named], ["EdgemintError,createIssuer"]);
});

test("the README names each entry", () => {
  const text = readFileSync(join(pkg, "README.md"), "utf8");
  const named = Object.keys(exports).map((entry) => `edgemint${entry.slice(1)}`);
  const missing = named.filter((name) => name !== "edgemint/package.json" && !text.includes(`\`${name}\``));
  assert.deepEqual(missing, []);
});

test("publint finds nothing", async () => {
  const { stdout } = await run(bin("publint"), ["run", project.tarball, "--strict"], { cwd: pkg });
  assert.match(stdout, /All good!/);
});

test("attw finds that the types of each entry are where TypeScript looks for them", async () => {
  await run(bin("attw"), [project.tarball, "--profile", "esm-only", "--format", "ascii", "--no-color"]);
});

/** Every file of types that an entry shows. @param {string} file @returns {string[]} */
function shown(file) {
  const text = readFileSync(file, "utf8");
  const more = [...text.matchAll(/^export (?:type )?\* from "(.+)\.js"/gm)];
  return [file, ...more.flatMap(([, path]) => shown(join(dirname(file), `${path}.d.ts`)))];
}

const EXPORTED = /^export (?:declare )?(?:abstract )?(?:function|class|const|interface|type|enum) (\w+)/;

test("each exported symbol has a doc comment", () => {
  const files = new Set(ENTRIES.flatMap(([, { types }]) => shown(join(pkg, types))));
  /** @type {string[]} */
  const bare = [];
  for (const file of files) {
    const lines = readFileSync(file, "utf8").split("\n");
    /** Of functions with several signatures, the first one's is enough. */
    const seen = new Set();
    for (const [number, line] of lines.entries()) {
      const [, name] = EXPORTED.exec(line) ?? [];
      if (name === undefined || seen.has(name)) continue;
      seen.add(name);
      if (!lines[number - 1]?.trimEnd().endsWith("*/")) bare.push(`${file}:${number + 1} ${name}`);
    }
  }
  assert.deepEqual(bare, []);
});

/**
 * What a bundler takes in for a program: the package's files, and what is imported from elsewhere.
 * @param {string} contents @param {string[]} conditions
 */
async function bundled(contents, conditions) {
  const { metafile } = await build({
    stdin: { contents, resolveDir: project.folder },
    bundle: true,
    format: "esm",
    write: false,
    metafile: true,
    conditions,
    outdir: "out",
    // What the package depends on is looked at by name.
    plugins: [
      {
        name: "outside",
        setup({ onResolve }) {
          onResolve({ filter: /^[^.]/ }, ({ path, kind }) =>
            kind === "entry-point" || path.startsWith("edgemint") ? undefined : { path, external: true },
          );
          onResolve({ filter: /\.wasm$/ }, ({ path }) => ({ path, external: true }));
        },
      },
    ],
    logLevel: "silent",
  });
  const outputs = Object.values(metafile.outputs);
  const inputs = outputs.flatMap((output) => Object.entries(output.inputs));
  const within = /node_modules\/edgemint\/(.*)/;
  return {
    files: inputs
      .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
      .map(([path]) => within.exec(path)?.[1])
      .filter((path) => path !== undefined),
    outside: outputs
      .flatMap((output) => output.imports)
      .filter(({ external }) => external)
      .map(({ path }) => path),
  };
}

const PLATFORMS = { Workers: ["workerd", "worker", "browser"], browsers: ["browser"], others: [] };

for (const [platform, conditions] of Object.entries(PLATFORMS)) {
  describe(`bundled for ${platform}`, () => {
    test("a store brings no wasm, and nothing of the service", async () => {
      const store = 'import { memoryStore } from "edgemint/stores/memory"; console.log(memoryStore());';
      assert.deepEqual(await bundled(store, conditions), {
        files: ["options.js", "stores/memory.js"],
        outside: [],
      });
    });

    test("whoever imports a thing and does not use it pays nothing", async () => {
      const everything = ENTRIES.filter(([entry]) => !OBJECTS.includes(entry))
        .map(([entry], index) => `import * as unused${index} from "edgemint${entry.slice(1)}";`)
        .join("\n");
      assert.deepEqual(await bundled(everything, conditions), { files: [], outside: [] });
    });

    test("no entry asks for a platform that it is not for", async () => {
      for (const [entry] of ENTRIES) {
        const all = `export * from "edgemint${entry.slice(1)}";`;
        const { outside } = await bundled(all, conditions);
        const platforms = outside.filter((path) => /^(node|cloudflare|bun):/.test(path));
        const own = (/** @type {string} */ path) =>
          (NODE.includes(entry) && path.startsWith("node:")) ||
          (OBJECTS.includes(entry) && path === "cloudflare:workers");
        assert.deepEqual(platforms.filter((path) => !own(path)), [], entry);
        const service = outside.filter((path) => !path.endsWith(".wasm"));
        if (entry === ".") assert.deepEqual(service, [], "the service imports nothing");
      }
    });
  });
}

test("what the README's JavaScript imports is there", async () => {
  const text = readFileSync(join(pkg, "README.md"), "utf8");
  const snippets = [...text.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code);
  assert.ok(snippets.length >= 4);
  for (const code of snippets) await bundled(code, PLATFORMS.Workers);
});

describe("the types in an empty project, strict, with every library checked", () => {
  /** Entries whose types name those of what they are for. tsc has them in this project, where all of it is. */
  const ADAPTERS = ["./protect/express", "./protect/fastify", "./protect/hono"];

  /**
   * Compiles a program that imports entries and uses the main one.
   * @param {string} folder the project's @param {string} module @param {string} resolution
   * @param {string[]} types packages of global types @param {string[]} lib @param {string[]} entries
   */
  async function compile(folder, module, resolution, types, lib, entries) {
    const imports = entries.map(
      (entry, index) => `import * as entry${index} from "edgemint${entry.slice(1)}";`,
    );
    const uses = entries.map((_, index) => `void entry${index};`);
    const main = `
      import { EdgemintError, createIssuer, type Issuer, type Store } from "edgemint";
      import { memoryStore } from "edgemint/stores/memory";
      const store: Store = memoryStore();
      const issuer: Issuer = createIssuer({ baseUrl: "http://localhost", masterKey: "", store });
      const { status } = await issuer.fetch(new Request("http://localhost/"));
      const { items } = await issuer.admin.listTenants();
      const names: string[] = items;
      const code: "not_found" | undefined = await issuer.admin.getTenant({ tenant: "demo" }).then(
        () => undefined,
        (error: unknown) => (error instanceof EdgemintError && error.code === "not_found" ? error.code : undefined),
      );
      void [status, names, code];`;
    await writeFile(join(folder, "main.ts"), [...imports, main, ...uses, "export {};"].join("\n"));
    const compilerOptions = {
      module,
      moduleResolution: resolution,
      target: "es2024",
      lib,
      types,
      strict: true,
      exactOptionalPropertyTypes: true,
      skipLibCheck: false,
      noEmit: true,
    };
    await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["main.ts"] }));
    await run(bin("tsc"), ["--project", folder]).catch(({ stdout }) => assert.fail(stdout));
  }

  const names = ENTRIES.map(([entry]) => entry).filter((entry) => !ADAPTERS.includes(entry));
  const plain = names.filter((entry) => !OBJECTS.includes(entry));
  for (const [module, resolution] of [
    ["nodenext", "nodenext"],
    ["esnext", "bundler"],
  ]) {
    test(`${resolution}: with a browser's`, async () => {
      assert.ok(!existsSync(join(project.folder, "node_modules/@types")));
      await compile(project.folder, module, resolution, [], ["es2024", "dom", "dom.iterable"], plain);
    });

    test(`${resolution}: with Node's`, async () => {
      const folder = await withTypes("@types/node", "undici-types");
      await compile(folder, module, resolution, ["node"], ["es2024"], plain);
    });

    test(`${resolution}: with those of Workers`, async () => {
      const folder = await withTypes("@cloudflare/workers-types");
      await compile(folder, module, resolution, ["@cloudflare/workers-types"], ["es2024"], names);
    });
  }

  /**
   * A project that has these packages of types, too.
   * @param {string[]} packages
   */
  async function withTypes(...packages) {
    const folder = join(project.folder, packages[0].replaceAll("/", "-"));
    await rm(folder, { recursive: true, force: true });
    await cp(join(project.folder, "node_modules"), join(folder, "node_modules"), { recursive: true });
    for (const name of packages) {
      const at = join(folder, "node_modules", name);
      await mkdir(dirname(at), { recursive: true });
      await symlink(join(root, "node_modules", name), at);
    }
    await writeFile(join(folder, "package.json"), '{ "private": true, "type": "module" }');
    return folder;
  }
});
