// The consoles of docs/cli.md are one session against a worker on this machine, and show what it shows:
// EDGEMINT_RECORD=1 writes them anew.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { EXIT_MEANINGS } from "../../pkg/cli/errors.js";
import { localWorker } from "../../worker/local.js";
import { MASTER_KEY } from "../workerd/world.js";

const main = new URL("../../pkg/cli/main.js", import.meta.url).pathname;
const document = new URL("../../docs/cli.md", import.meta.url);
const BOOTSTRAP_SECRET = "b".repeat(43);
/** What the document has for the address of the worker and for the home of who types. */
const [ADDRESS, HOME] = ["http://127.0.0.1:8787", "/home/ada"];

/** @type {string} */
let folder;
/** @type {string} */
let url;
/** @type {ReturnType<typeof localWorker> | undefined} */
let worker;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "edgemint-doc-"));
  const port = await shortPort();
  url = `http://127.0.0.1:${port}`;
  worker = localWorker({
    port,
    bindings: { BASE_URL: url, MASTER_KEY, BOOTSTRAP_SECRET },
    onLine: (line, failed) => failed && console.error(line),
  });
  await worker.ready;
  await mkdir(join(folder, "bin"));
  const program = join(folder, "bin", "edgemint");
  await writeFile(program, `#!/bin/sh\nexec "${process.execPath}" "${main}" "$@"\n`);
  await chmod(program, 0o755);
});
after(async () => {
  await worker?.dispose();
  await rm(folder, { recursive: true, force: true });
});

/** A free port of four digits, as the document's has: columns keep their widths. */
async function shortPort() {
  for (;;) {
    const port = 5000 + Math.floor(Math.random() * 5000);
    const server = createServer();
    try {
      await once(server.listen(port, "127.0.0.1"), "listening");
      return port;
    } catch {
      // It is taken: another one.
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  }
}

/** @typedef {{ command: string, output: string }} Step a line after `$ `, and what follows it */

/**
 * The steps of the consoles.
 * @param {string} text of the document
 * @param {(step: Step) => string} [output] what a step is to have instead
 */
function consoles(text, output = (step) => step.output) {
  /** @type {Step[]} */
  const steps = [];
  const written = text.replace(/(?<=^```console\n)[^]*?(?=^```$)/gm, (block) =>
    block
      .split(/^\$ /m)
      .slice(1)
      .map((part) => {
        const end = part.indexOf("\n") + 1;
        const step = { command: part.slice(0, end - 1), output: part.slice(end) };
        steps.push(step);
        return `$ ${step.command}\n${output(step)}`;
      })
      .join(""),
  );
  return { steps, written };
}

/**
 * Runs the steps as someone types them, both outputs in one.
 * @param {Step[]} steps
 * @returns {Promise<Step[]>} with the output that they have
 */
async function session(steps) {
  /** @type {Step[]} */
  const ran = [];
  let status = 0;
  for (const { command } of steps) {
    const path = join(folder, "output");
    const output = await open(path, "w");
    const line = `(exit ${status}); ${command.replaceAll(ADDRESS, url)}`;
    const child = spawn("sh", ["-c", line], {
      cwd: folder,
      env: {
        PATH: `${join(folder, "bin")}:${process.env.PATH}`,
        HOME: folder,
        TZ: "UTC",
        LEGACY_SECRET: "s".repeat(43),
      },
      stdio: ["ignore", output.fd, output.fd],
    });
    [status] = await once(child, "close");
    await output.close();
    const text = (await readFile(path, "utf8")).replaceAll(url, ADDRESS).replaceAll(folder, HOME);
    // A secret is one, even if nobody has this worker any more.
    ran.push({ command, output: text.replace(/^(ems_[\w-]{26})[\w-]+$/gm, "$1...") });
  }
  return ran;
}

/**
 * Without what differs from run to run: the same id has the same number wherever it is.
 * @param {Step[]} steps
 */
function normal(steps) {
  const text = steps.map(({ command, output }) => `$ ${command}\n${output}`).join("");
  /** @type {Map<string, string>} */
  const known = new Map();
  const number = (/** @type {string} */ one) => {
    if (!known.has(one)) known.set(one, `<${known.size + 1}>`);
    return /** @type {string} */ (known.get(one));
  };
  // Of the secrets that are shown, what their lists begin with.
  const hints = [...text.matchAll(/^(?:begins with  (...)|[0-9a-f-]{36}  .*? {2,}(...) {10})/gm)];
  let same = text
    .replace(/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, number)
    .replace(/(?<![\w-])[\w-]{43}(?![\w-])/g, number)
    .replace(/^(jti +)\S+$/gm, "$1<jti>")
    .replace(/\b1\d{9}\b/g, "<seconds>")
    .replace(/\b\d{4}-\d\d-\d\d( \d\d:\d\d(:\d\d)?)?/g, "<time>")
    .replace(/\((now|\d minutes? ago)\)/g, "(now)");
  for (const [, one, other] of hints) {
    const hint = one ?? other;
    same = same
      .replaceAll(`begins with  ${hint}\n`, `begins with  ${number(hint)}\n`)
      .replaceAll(`  ${hint}          `, `  ${number(hint)}          `)
      .replaceAll(new RegExp(`^ems_${hint}.*$`, "gm"), `ems_${number(hint)}`);
  }
  // A run that takes a minute has wider columns.
  return same.replace(/ {2,}/g, "  ");
}

test("the consoles of docs/cli.md show what the commands show", { timeout: 900_000 }, async () => {
  const text = await readFile(document, "utf8");
  const { steps } = consoles(text);
  await writeFile(join(folder, "bootstrap-secret"), `${BOOTSTRAP_SECRET}\n`);
  const [, directory] = /^```yaml\n([^]*?)^```$/m.exec(text) ?? [];
  await writeFile(join(folder, "directory.yaml"), directory);
  const ran = await session(steps);
  if (normal(ran) === normal(steps)) return;
  if (process.env.EDGEMINT_RECORD) {
    await writeFile(document, consoles(text, () => ran.shift()?.output ?? "").written);
    return;
  }
  assert.equal(normal(ran), normal(steps), "EDGEMINT_RECORD=1 writes the document anew");
});

test("docs/cli.md has every exit code with its meaning", async () => {
  const text = await readFile(document, "utf8");
  const rows = [...text.matchAll(/^\| (\d+) \| (.*) \|$/gm)].map(([, code, meaning]) => [
    Number(code),
    meaning.replaceAll("`", ""),
  ]);
  assert.deepEqual(rows, EXIT_MEANINGS);
});

test("docs/cli.md names the versions of Node that the packages of the command need", async () => {
  const root = new URL("../../", import.meta.url);
  const json = async (/** @type {string} */ path) =>
    JSON.parse(await readFile(new URL(path, root), "utf8"));
  const { engines, dependencies } = await json("pkg/package.json");
  const { engines: narrowest } = await json("node_modules/yargs/package.json");
  assert.equal(engines.node, narrowest.node);
  for (const name of Object.keys(dependencies)) {
    const { engines } = await json(`node_modules/${name}/package.json`);
    const needed = engines?.node ?? "*";
    assert.ok([narrowest.node, "*"].includes(needed) || minimum(needed) <= 20, `${name}: ${needed}`);
  }
  assert.match(await readFile(document, "utf8"), /Node 20\.19, 22\.12, or 23 and later/);
});

/** @param {string} range */
const minimum = (range) => Number(/^>= ?(\d+)/.exec(range)?.[1] ?? Infinity);
