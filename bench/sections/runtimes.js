// `edgemint serve` on Node, Bun and Deno, each against what the runtime's own server does at least: reads the
// body, signs once, answers as many bytes.

import { randomBytes } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { compactVerify, createRemoteJWKSet, jwtVerify } from "jose";
import { barsOf, compare, figuresOf, tableOf } from "../measure.js";
import { API, TENANT, tokenForm } from "../ours.js";
import { installed, runtimeVersion } from "../runtimes.js";
import { ROOT, freePort, startProcess } from "../servers.js";

/** @typedef {import("../measure.js").Contestant} Contestant */

const FLOOR = "floor";
const OURS = "edgemint serve";

/**
 * @typedef {{ name: string, argv: string[], floor: string }} Runtime name and version
 * @returns {Runtime[]}
 */
function runtimes() {
  const [bun, deno] = [installed("bun/bin/bun.exe"), installed("deno/deno")];
  const named = (/** @type {string} */ name, /** @type {string} */ binary) => `${name} ${runtimeVersion(binary)}`;
  const node = process.execPath;
  const permitted = ["run", "--quiet", "--no-prompt", "--no-check", "--allow-all"];
  return [
    { name: named("Node", node), argv: [node], floor: "bench/floors/node.js" },
    { name: named("Bun", bun), argv: [bun, "run"], floor: "bench/floors/web.js" },
    { name: named("Deno", deno), argv: [deno, ...permitted], floor: "bench/floors/web.js" },
  ];
}

/** @type {import("../report.js").Section} */
export const section = {
  name: "runtimes",
  title: "`edgemint serve` on Node, Bun and Deno",
  async run(context) {
    const comparisons = [];
    for (const runtime of runtimes()) {
      const folder = join(context.folder, runtime.name);
      mkdirSync(folder);
      const contestants = [await startFloor(folder, runtime), await startOurs(folder, runtime)];
      comparisons.push(await compare({ ...context, contestants }));
    }
    const caption = "An access token by client credentials, ES256, warm";
    const tables = comparisons.map((comparison) => tableOf(caption, comparison, "the runtime's floor"));
    return {
      title: section.title,
      tables: [{ ...tables[0], rows: tables.flatMap(({ rows }) => rows) }],
      checks: [],
      plots: [barsOf("runtimes", "CPU per token of `edgemint serve`", comparisons.flat())],
      figures: comparisons.flatMap(([, ours]) => figuresOf([ours])),
      notes: [
        "A floor is written by hand for its runtime: `node:http`, `Bun.serve`, `Deno.serve`. " +
          "`edgemint serve` is by `node:http` on all three, since that server alone has the time limits that " +
          "one in the open needs. It also writes a line of its log for each token, here to `/dev/null`.",
        "CPU is that of all threads of the process: they sign on others than the one that answers.",
      ],
    };
  },
};

/** @param {string} folder @param {Runtime} runtime @returns {Promise<Contestant>} */
async function startFloor(folder, { name, argv, floor }) {
  const server = await startProcess(folder, [...argv, join(ROOT, floor)]);
  const keys = createRemoteJWKSet(new URL(server.origin));
  return {
    name: `${FLOOR}, ${name}`,
    server,
    url: `${server.origin}/${TENANT}/oauth2/token`,
    body: tokenForm({ clientId: "service", secret: "x".repeat(43) }),
    verify: async (answer) => {
      await compactVerify(JSON.parse(answer).access_token, keys);
      if (Math.abs(answer.length - 700) > 50) throw new Error(`${answer.length} bytes, not about 700`);
    },
  };
}

/** @param {string} folder @param {Runtime} runtime @returns {Promise<Contestant>} */
async function startOurs(folder, { name, argv }) {
  const [clientId, secret] = ["service", randomBytes(32).toString("base64url")];
  const roles = ["Orders.Read.All", "Orders.Write.All"];
  const directory = join(folder, "directory.json");
  const declared = {
    tenant: { name: TENANT },
    apis: [{ identifier: API, roles }],
    applications: [{ clientId, secretFromEnv: "BENCH_SECRET", assignments: { [API]: roles } }],
  };
  // JSON is YAML.
  writeFileSync(directory, JSON.stringify(declared));
  const port = await freePort();
  const serve = ["serve", "--port", `${port}`, "--directory", directory];
  const started = [...argv, join(ROOT, "pkg/cli/main.js"), ...serve];
  const server = await startProcess(folder, started, { port, env: { BENCH_SECRET: secret } });
  const issuer = `${server.origin}/${TENANT}`;
  const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
  return {
    name: `${OURS}, ${name}`,
    server,
    url: `${issuer}/oauth2/token`,
    body: tokenForm({ clientId, secret }),
    verify: async (answer) => {
      const { access_token } = JSON.parse(answer);
      await jwtVerify(access_token, keys, { issuer, audience: API, subject: clientId, typ: "at+jwt" });
    },
  };
}
