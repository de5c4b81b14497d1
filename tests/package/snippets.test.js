// What the documents show: every JavaScript block is compiled against the package's types, and every
// `edgemint` command has only options that the command knows. Many of them are run as well, by the tests of
// their documents.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../../", import.meta.url));

/** @type {{ path: string, text: string }[]} */
let documents;
/** Inside the project, so that packages are found as a reader finds them. @type {string} */
let scratch;
before(async () => {
  const { stdout } = await run("git", ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"], { cwd: root });
  // Decisions tell of what was, and the log of changes too.
  const paths = stdout.split("\n").filter((path) => path && !/decisions|CHANGELOG/.test(path));
  documents = await Promise.all(
    paths.map(async (path) => ({ path, text: await readFile(join(root, path), "utf8") })),
  );
  await mkdir(join(root, ".edgemint"), { recursive: true });
  scratch = await mkdtemp(join(root, ".edgemint", "snippets-"));
});
after(() => rm(scratch, { recursive: true, force: true }));

/** The blocks of a language, with where they start. @param {RegExp} language */
const blocks = (language) =>
  documents.flatMap(({ path, text }) =>
    [...text.matchAll(/^( *)```(\w+)\n(.*?)^ *```$/gms)]
      .filter(([, , name]) => language.test(name))
      .map(({ index, 1: indent, 2: name, 3: code }) => ({
        name,
        at: `${path}:${text.slice(0, index).split("\n").length + 1}`,
        code: code.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
      })),
  );

/**
 * What a snippet may leave to its reader: names that the text around it speaks of (2304, 2552, 18004), and
 * packages or files of the reader's own.
 */
const LEFT_OUT = /error TS(?:2304|2552|18004)\b|error TS2307: Cannot find module '(?!edgemint)/;

test("every snippet of JavaScript compiles against the package's types", async () => {
  const snippets = blocks(/^(?:js|ts)$/);
  assert.ok(snippets.length > 40, `only ${snippets.length} snippets`);
  const origin = new Map();
  for (const [number, { at, name, code }] of snippets.entries()) {
    const file = `${number}.${name === "ts" ? "mts" : "mjs"}`;
    origin.set(file, at);
    // A module, whatever is in it.
    await writeFile(join(scratch, file), `${code}\nexport {};\n`);
  }
  // Cloudflare's own types would contradict those of a browser.
  await writeFile(
    join(scratch, "workers.d.ts"),
    'declare module "cloudflare:workers" { class DurableObject<Env> { env: any; ctx: any } }\n',
  );
  const compilerOptions = {
    allowJs: true,
    checkJs: true,
    lib: ["esnext", "dom", "dom.iterable"],
    module: "nodenext",
    noEmit: true,
    skipLibCheck: true,
    strict: false,
    target: "esnext",
    types: ["node"],
    typeRoots: [join(root, "node_modules/@types")],
  };
  await writeFile(
    join(scratch, "tsconfig.json"),
    JSON.stringify({ compilerOptions, include: ["*.mjs", "*.mts", "*.d.ts"] }),
  );
  const tsc = join(root, "node_modules/.bin/tsc");
  const { stdout } = await run(tsc, ["--pretty", "false", "-p", scratch], { cwd: scratch }).catch(
    (error) => error,
  );
  const wrong = stdout
    .split("\n")
    .filter((/** @type {string} */ line) => line.includes("error TS") && !LEFT_OUT.test(line))
    .map((/** @type {string} */ line) =>
      line.replace(/^(\d+\.m[jt]s)/, (_, /** @type {string} */ file) => `${origin.get(file)} ${file}`),
    );
  assert.deepEqual(wrong, []);
});

/** The `edgemint` commands of a shell block, as words. @param {string} code */
const commands = (code) =>
  code
    .replaceAll("\\\n", " ")
    .split(/\n|&&|[|;]/)
    .map((line) => line.replace(/\s#.*$/, "").trim().match(/^(?:npx )?edgemint (.*)/)?.[1])
    .filter((line) => line !== undefined)
    .map((line) => line.match(/"[^"]*"|\S+/g) ?? []);

test("every command of the documents has options that it knows", async () => {
  const shells = blocks(/^(?:sh|console)$/).flatMap(({ at, code }) =>
    commands(code.replaceAll(/^\$ /gm, "")).map((words) => ({ at, words })),
  );
  assert.ok(shells.length > 50, `only ${shells.length} commands`);
  /** @type {Map<string, Promise<string>>} */
  const helps = new Map();
  /** @param {string[]} words */
  const help = (words) => {
    const key = words.join(" ");
    const known = helps.get(key) ?? run(
      process.execPath,
      [join(root, "pkg/cli/main.js"), ...words, "--help"],
      { env: { ...process.env, COLUMNS: "200" } },
    ).then(({ stdout }) => stdout);
    helps.set(key, known);
    return known;
  };
  const wrong = [];
  for (const { at, words } of shells) {
    const names = words.slice(0, words.findIndex((word) => !/^[a-z]/.test(word)) >>> 0).slice(0, 2);
    const options = words.filter((word) => /^--[a-z]/.test(word)).map((word) => word.replace(/=.*/, ""));
    // `apps list` is a command of two words, `token` of one.
    const told = await help(names).catch(() => help(names.slice(0, 1)));
    if (names.length > 0 && !told.includes(`edgemint ${names[0]}`)) wrong.push(`${at} ${words.join(" ")}`);
    for (const option of options) {
      const positive = option.replace("--no-", "--");
      if (!told.includes(option) && !told.includes(positive)) wrong.push(`${at} ${names.join(" ")} ${option}`);
    }
  }
  assert.deepEqual(wrong, []);
});
