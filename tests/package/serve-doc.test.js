// docs/serve.md: its commands, run as a reader would run them.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { freePort } from "../workerd/world.js";

const run = promisify(execFile);
const main = fileURLToPath(new URL("../../pkg/cli/main.js", import.meta.url));
const [guide, entra] = await Promise.all(
  ["serve", "entra"].map((name) => readFile(new URL(`../../docs/${name}.md`, import.meta.url), "utf8")),
);
/** @type {string} */
let folder;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "edgemint-serve-doc-"));
  for (const name of ["bin", "node_modules/.bin"]) await mkdir(join(folder, name), { recursive: true });
  const programs = {
    // As npm runs a command: in a shell, which a signal ends without reaching the command.
    "bin/npx": `shift; '${process.execPath}' '${main}' "$@"; exit $?`,
    "node_modules/.bin/edgemint": `exec '${process.execPath}' '${main}' "$@"`,
    // What these would do is in tests/package/serve.test.js, for each runtime that is there.
    "bin/deno": `shift 3; exec '${process.execPath}' '${main}' "$@"`,
    "bin/bunx": `shift 2; exec '${process.execPath}' '${main}' "$@"`,
  };
  for (const [name, script] of Object.entries(programs)) {
    const path = join(folder, name);
    await writeFile(path, `#!/bin/sh\n${script}\n`);
    await chmod(path, 0o755);
  }
});
after(() => rm(folder, { recursive: true, force: true }));

/** The snippets of a language in a section. @param {string} heading @param {string} language */
function snippets(heading, language) {
  const parts = `${guide}\n${entra}`.split(/^(?=###? )/m);
  const text = heading === "" ? parts[0] : parts.find((part) => part.split("\n")[0].endsWith(`# ${heading}`));
  assert.ok(text, heading);
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, "gms"))].map(([, code]) => code);
}

/** `sh` is dash on Debian and others, and bash elsewhere: they differ in what signals do. */
const shell = existsSync("/bin/dash") ? "/bin/dash" : "sh";

/**
 * Runs a section's commands in a shell. What they leave running would hold its output, and time out.
 * @param {string} heading @param {string} [more] what follows them
 * @param {(commands: string) => string} [change] what a test looks at in between
 */
async function follow(heading, more = "", change = (commands) => commands) {
  const port = await freePort();
  const section = change(snippets(heading, "sh").join("\n"));
  const commands = `${section}\n${more}`.replaceAll("8787", `${port}`);
  // The command has no option for the port in the guide: it is the default.
  const script = commands.replaceAll(/edgemint serve (?!--new|--help)/g, `edgemint serve --port ${port} `);
  const { stdout } = await run(shell, ["-ec", script], {
    cwd: folder,
    env: { PATH: `${join(folder, "bin")}:${process.env.PATH}`, HOME: folder },
    timeout: 600_000,
  });
  await assert.rejects(fetch(`http://127.0.0.1:${port}/healthz`), /fetch failed/, "it still serves");
  return stdout;
}

test("its first commands show the help, on each runtime", async () => {
  assert.equal((await follow("")).match(/^edgemint serve$/gm)?.length, 3);
});

test("a directory is served to a test suite", async () => {
  const [yaml] = snippets("In a test suite", "yaml");
  await writeFile(join(folder, "directory.yaml"), yaml);
  // Of a process that was killed: it is not taken for that of this one.
  await writeFile(join(folder, "facts.json"), "{}");
  const keeping = (/** @type {string} */ commands) => commands.replace("kill", "cp facts.json kept.json; kill");
  assert.match(await follow("In a test suite", "", keeping), /"access_token":"eyJ/);
  const facts = JSON.parse(await readFile(join(folder, "kept.json"), "utf8"));
  assert.equal(existsSync(join(folder, "facts.json")), false);
  for (const fact of ["token_endpoint", "issuer", "tenant_id"]) assert.ok(facts[fact], fact);
});

test("a machine serves from its file", async () => {
  assert.match(await follow("On a machine"), /^eyJ[\w.-]+$/m);
  assert.match(await readFile(join(folder, "serve.log"), "utf8"), /"reason":"stopped"/);
  for (const name of ["master.key", "edgemint.db", "worker-secret"]) {
    assert.equal((await stat(join(folder, name))).mode & 0o777, 0o600, name);
  }
});

test("it stands in for Entra ID, as docs/entra.md says", async () => {
  const heading = "From the command line";
  const [yaml] = snippets(heading, "yaml");
  await writeFile(join(folder, "standin.yaml"), yaml);
  const facts = (/** @type {string} */ name) =>
    `$('${process.execPath}' -p 'JSON.parse(fs.readFileSync("facts.json")).${name}')`;
  const asking = `curl -s --cacert ${facts("certificate")} ${facts("entra_authority")}/oauth2/v2.0/token \\
      -d grant_type=client_credentials -d client_id=${facts("applications[0].client_id")} \\
      -d client_secret=$AZURE_CLIENT_SECRET -d scope=api://billing/.default
    kill -TERM $! && wait $!`;
  const { token_type, access_token } = JSON.parse(await follow(heading, asking));
  assert.equal(token_type, "Bearer");
  const claims = JSON.parse(Buffer.from(access_token.split(".")[1], "base64url").toString());
  const { tid, aud, roles } = claims;
  assert.equal(tid, "0f3e2a54-7f3c-4d5e-9a54-2f6b1c7d8e90");
  assert.deepEqual([aud, roles], ["90c0fe63-bcf2-44d5-8fb7-b8bbc0b29dc6", ["Invoices.Read.All"]]);
});

test("every option that it names is there", async () => {
  const { stdout } = await run(process.execPath, [main, "serve", "--help"]);
  const named = new Set(guide.match(/(?<=[`\s])--[a-z][a-z-]+/g));
  const foreign = "--tag --file --read-only --publish --volume --env --workspace --health-cmd --bun";
  const foreigners = new Set(`${foreign} --url --tenant --profile --client-id --scope --role --help`.split(" "));
  for (const option of named) {
    assert.ok(foreigners.has(option) || stdout.includes(`${option} `), option);
  }
});
