// examples/github-action, held to GitHub's metadata syntax, and its steps run as a runner runs them.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { text } from "node:stream/consumers";
import { parse } from "yaml";
import { root, secret, serve, start } from "./serving.js";

const folder = join(root, "examples/github-action");
const SECRETS = { READER_SECRET: secret(), WRITER_SECRET: secret() };

/**
 * @typedef {{ name?: string, id?: string, shell?: string, run?: string, uses?: string,
 *   env?: Record<string, string>, with?: Record<string, string> }} Step
 */

/** @type {any} */
let action;
/** @type {any} */
let workflow;
/** @type {Awaited<ReturnType<typeof serve>>} */
let service;
/** @type {string} */
let scratch;

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), "edgemint-action-"));
  action = parse(await readFile(join(folder, "action.yml"), "utf8"));
  workflow = parse(await readFile(join(folder, "workflow.yml"), "utf8"));
  service = await serve("examples/hono-api/directory.yaml", SECRETS);
});
after(async () => {
  await service?.stop();
  await rm(scratch, { recursive: true, force: true });
});

/**
 * A text with its expressions evaluated: those that name a value, and there are no others.
 * @param {string} written @param {Record<string, any>} contexts
 */
const evaluated = (written, contexts) =>
  written.replaceAll(/\$\{\{ ([\w.-]+) \}\}/g, (_, path) => {
    /** @type {any} */
    let value = contexts;
    for (const name of path.split(".")) value = value?.[name];
    if (typeof value !== "string") throw new Error(`nothing is called ${path}`);
    return value;
  });

/** What a step has written to the file of its outputs. @param {string} written */
function outputsOf(written) {
  /** @type {Record<string, string>} */
  const outputs = {};
  for (const line of written.split("\n").filter(Boolean)) {
    const [, name, value] = /^([\w-]+)=(.*)$/.exec(line) ?? assert.fail(`not an output: ${line}`);
    outputs[name] = value;
  }
  return outputs;
}

/** Steps that are run, one after another. @param {Step[]} steps @param {Record<string, any>} contexts */
async function runSteps(steps, contexts) {
  /** @type {Record<string, { outputs: Record<string, string> }>} */
  const done = {};
  let log = "";
  for (const [at, step] of steps.entries()) {
    const known = { ...contexts, steps: { ...contexts.steps, ...done } };
    const [script, output] = [join(scratch, `${at}.sh`), join(scratch, `${at}.output`)];
    await writeFile(script, evaluated(step.run ?? "", known));
    await writeFile(output, "");
    const env = Object.fromEntries(
      Object.entries(step.env ?? {}).map(([name, value]) => [name, evaluated(value, known)]),
    );
    // As docs.github.com says of `shell: bash`; a step of a job has `bash -e` if it names none.
    const options = step.shell === "bash" ? ["--noprofile", "--norc", "-eo", "pipefail"] : ["-e"];
    const { PATH = "" } = process.env;
    const child = spawn("bash", [...options, script], {
      cwd: scratch,
      env: { PATH, CI: "true", GITHUB_ACTIONS: "true", GITHUB_OUTPUT: output, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended = new Promise((resolve) => child.once("close", resolve));
    const [said, complained] = await Promise.all([text(child.stdout), text(child.stderr)]);
    log += said + complained;
    const code = await ended;
    done[step.id ?? at] = { outputs: outputsOf(await readFile(output, "utf8")) };
    if (code !== 0) return { failed: true, log, done };
  }
  return { failed: false, log, done };
}

/** The action with these inputs. @param {Record<string, string>} inputs */
async function use(inputs) {
  const { failed, log, done } = await runSteps(action.runs.steps, { inputs });
  const outputs = Object.fromEntries(
    Object.entries(/** @type {Record<string, { value: string }>} */ (action.outputs)).map(([name, { value }]) => [
      name,
      failed ? "" : evaluated(value, { steps: done }),
    ]),
  );
  return { failed, log, outputs };
}

/** @param {Record<string, string>} [more] */
const inputsOf = (more) => ({
  issuer: service.issuer,
  "client-id": "reader",
  "client-secret": SECRETS.READER_SECRET,
  scope: "api://orders/.default",
  ...more,
});

/** What the log shows once the runner has taken its commands out. @param {string} log */
const shown = (log) => log.replaceAll(/^::add-mask::.*$/gm, "");

describe("examples/github-action", () => {
  test("is a composite action as the metadata syntax has it", () => {
    assert.deepEqual(Object.keys(action), ["name", "description", "inputs", "outputs", "runs"]);
    assert.deepEqual(Object.keys(action.runs), ["using", "steps"]);
    assert.equal(action.runs.using, "composite");
    for (const [name, { required, ...input }] of Object.entries(/** @type {any} */ (action.inputs))) {
      assert.match(name, /^[a-z][a-z-]*$/);
      assert.deepEqual(Object.keys(input), ["description"]);
      assert.equal(required, true);
    }
    for (const output of Object.values(/** @type {any} */ (action.outputs))) {
      assert.deepEqual(Object.keys(output), ["description", "value"]);
    }
    for (const step of action.runs.steps) {
      assert.deepEqual(Object.keys(step), ["name", "id", "shell", "env", "run"], "what is run has a shell");
      assert.doesNotMatch(step.run, /\$\{\{/, "no input becomes a part of the script");
    }
  });

  test("gets a token, hides it, and says when it expires", async () => {
    const { failed, log, outputs } = await use(inputsOf());
    assert.equal(failed, false, log);
    const claims = JSON.parse(Buffer.from(outputs.token.split(".")[1], "base64url").toString());
    assert.deepEqual([claims.client_id, claims.roles], ["reader", ["Orders.Read.All"]]);
    assert.ok(Math.abs(Number(outputs["expires-at"]) - claims.exp) < 30);
    assert.ok(log.includes(`::add-mask::${outputs.token}\n`));
    assert.ok(!shown(log).includes(outputs.token));
    assert.ok(!log.includes(SECRETS.READER_SECRET));
  });

  test("takes whatever a secret is made of", async () => {
    const odd = `a b&c=d%20+"'$(id)\`id\`\\;${secret()}`;
    const { failed, log } = await use(inputsOf({ "client-secret": odd, scope: "api://orders/.default; id" }));
    assert.equal(failed, true);
    assert.match(log, /^::error title=edgemint::no token: invalid_client: /m);
    assert.doesNotMatch(log, /uid=/);
  });

  test("fails with the reason if there is no token", async () => {
    /** @type {[Record<string, string>, RegExp][]} */
    const refused = [
      [{ "client-secret": secret() }, /no token: invalid_client: /],
      [{ scope: "api://orders/Orders.Write.All" }, /no token: invalid_scope: /],
      [{ "client-secret": "" }, /CLIENT_SECRET is empty/],
      [{ issuer: "http://auth.example.com/demo" }, /does not begin with https/],
    ];
    for (const [more, reason] of refused) {
      const { failed, log } = await use(inputsOf(more));
      assert.equal(failed, true);
      assert.match(log, /^::error title=edgemint::/m);
      assert.match(log, reason);
      assert.ok(!log.includes(SECRETS.READER_SECRET));
    }
  });

  test("serves the workflow beside it, which calls an API", async () => {
    const told = { ISSUER: service.issuer, AUDIENCE: "api://orders", PORT: "0" };
    const api = await start([process.execPath, "examples/api.js"], { cwd: root, env: told }, /asks for a token/);
    try {
      const { steps, ...job } = workflow.jobs.report;
      assert.deepEqual(Object.keys(job), ["runs-on"]);
      const vars = {
        EDGEMINT_ISSUER: service.issuer,
        EDGEMINT_CLIENT_ID: "reader",
        ORDERS_URL: new URL("/orders", api.line.split(" ")[0]).href,
      };
      const secrets = { EDGEMINT_CLIENT_SECRET: SECRETS.READER_SECRET };
      const [checkout, asks, calls] = /** @type {Step[]} */ (steps);
      assert.match(checkout.uses ?? "", /^actions\/checkout@v\d+$/);
      assert.match(asks.uses ?? "", /^\.\//);
      const given = Object.entries(asks.with ?? {});
      assert.deepEqual(given.map(([name]) => name), Object.keys(action.inputs), "all inputs, and no other");
      const inputs = Object.fromEntries(
        given.map(([name, value]) => [name, evaluated(value, { vars, secrets })]),
      );
      const { outputs } = await use(inputs);
      const named = { vars, secrets, steps: { [asks.id ?? ""]: { outputs } } };
      const { failed, log } = await runSteps([calls], named);
      assert.equal(failed, false, log);
      assert.equal(JSON.parse(log)[0].item, "tea");
    } finally {
      await api.stop();
    }
  });
});
