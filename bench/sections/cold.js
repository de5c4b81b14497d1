// Cold: how large the wasm is, and what the first token costs in a process that has done nothing before.

import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { compactVerify, createRemoteJWKSet } from "jose";
import { createIssuer } from "../../pkg/node.js";
import { memoryStore } from "../../pkg/stores/memory.js";
import { checkOf } from "../budgets.js";
import { figure, percent } from "../measure.js";
import { TENANT, directory, startService, tokenForm } from "../ours.js";
import { ROOT, cpuTimeOfThreads, listens } from "../servers.js";

/** Fresh processes of each kind. */
const PROCESSES = 21;
/** For what a server does once it listens, on no request's account. */
const SETTLED = 300;
/** Within it, the threads have gone to sleep, which is when the kernel accounts for them, and no line of the log is
 * written yet. */
const ANSWERED = 20;
const MODULES = ["edgemint", "dialects", "administration"];

/**
 * The workers that are started, hello first, then what is subtracted of ours. What they answer is verified
 * after all: ours by its service.
 * @type {{ name: string, setting: import("../ours.js").Setting, algorithm?: Algorithm, verify?: Verify }[]}
 * @typedef {import("../../pkg/index.d.ts").Algorithm} Algorithm
 * @typedef {(answer: string, origin: string) => Promise<void>} Verify
 */
const WORKERS = [
  {
    name: "hello",
    setting: { entry: "bench/floors/hello.js", objects: {} },
    verify: async (answer) => {
      if (answer !== "hello") throw new Error(`\`${answer}\` is not \`hello\``);
    },
  },
  {
    name: "four reads of KV",
    setting: { entry: "bench/floors/reads.js", objects: {} },
    verify: async (answer) => {
      if (answer !== "4 records") throw new Error(`\`${answer}\` is not \`4 records\``);
    },
  },
  {
    name: "sign floor",
    setting: { entry: "bench/floors/sign.js", objects: {} },
    verify: async (answer, origin) => {
      await compactVerify(JSON.parse(answer).access_token, createRemoteJWKSet(new URL(origin)));
    },
  },
  { name: "ours, ES256", setting: {} },
  { name: "ours, EdDSA", setting: {}, algorithm: "EdDSA" },
  { name: "ours, RS256", setting: {}, algorithm: "RS256" },
];
const [READS, SIGN, OURS] = [1, 2, 3];

/** @type {import("../report.js").Section} */
export const section = {
  name: "cold",
  title: "Size, and the first token",
  async run(context) {
    const { folder, tell, quick } = context;
    const processes = quick ? 1 : PROCESSES;
    const sizes = MODULES.map((name) => {
      const wasm = readFileSync(join(ROOT, `pkg/wasm/${name}_bg.wasm`));
      // The program: Node's own zlib comes to some hundred bytes more.
      const { status, stdout } = spawnSync("gzip", ["-9"], { input: wasm });
      if (status !== 0) throw new Error("no gzip in PATH");
      return { name, raw: wasm.length, gzip: stdout.length };
    });

    /** @type {{ start: number, first: number, after: number }[][]} by worker, by repetition: milliseconds */
    const started = WORKERS.map(() => []);
    for (let turn = 0; turn < processes; turn += 1) {
      const order = [...WORKERS.keys()];
      for (const at of turn % 2 ? order.toReversed() : order) {
        const { setting, algorithm = "ES256", verify } = WORKERS[at];
        started[at].push(await start(join(folder, `${at}-${turn}`), setting, algorithm, verify));
      }
      const told = WORKERS.map(({ name }, at) => `${name} ${started[at][turn].first.toFixed(1)} ms`);
      tell(`workerd ${turn + 1}: first answer of ${told.join(", ")}`);
    }
    /** What the first answer of one cost more than that of another. @param {number} at @param {number} than */
    const more = (at, than) => figure(started[at].map(({ first }, turn) => first - started[than][turn].first));
    const workerRows = WORKERS.map(({ name }, at) => [
      name,
      ...cells(figure(started[at].map(({ start }) => start))),
      ...cells(figure(started[at].map(({ first }) => first))),
      ...(at < OURS ? ["", ""] : cells(more(at, READS))),
      ...cells(figure(started[at].map(({ after }) => after))),
    ]);

    const seed = await seeded();
    const laps = Array.from({ length: processes }, () => firstToken(seed));
    /** @param {(lap: typeof laps[number]) => number} what */
    const onNode = (what) => figure(laps.map(what));
    const node = onNode(({ instantiated, answered }) => instantiated + answered);
    const worker = more(OURS, READS);
    const first = "to the first token";
    return {
      title: section.title,
      how: `${processes} fresh processes of each kind`,
      tables: [
        {
          caption: "The wasm, in bytes",
          columns: ["", "raw", "gzip -9"],
          rows: sizes.map(({ name, raw, gzip }) => [name, `${raw}`, `${gzip}`]),
        },
        {
          caption: `CPU of a fresh workerd process in ms, of ${processes}`,
          columns: ["", "start", "noise", "first answer", "noise", "more than four reads of KV", "noise", "and what follows", "noise"],
          rows: workerRows,
        },
        {
          caption: `CPU of a fresh Node process in ms, of ${processes}`,
          columns: ["", "CPU", "noise"],
          rows: [
            ["Node's own fetch and SubtleCrypto, first used", ...cells(onNode((lap) => lap.ofPlatform))],
            ["import of the JavaScript", ...cells(onNode((lap) => lap.imported))],
            ["compiling the wasm", ...cells(onNode((lap) => lap.compiled))],
            ["instantiating: `createIssuer`", ...cells(onNode((lap) => lap.instantiated))],
            [`the first request, ${first}`, ...cells(onNode((lap) => lap.answered))],
            [`instantiating ${first}`, ...cells(node)],
          ],
        },
      ],
      checks: [
        checkOf("size", sizes[0].gzip / 1000),
        checkOf("cold", worker, ": workerd, the first request, without what its reads of KV cost there"),
        checkOf("cold", node, ": Node, its own parts loaded before"),
      ],
      plots: [
        {
          name: "cold",
          title: `CPU from instantiating ${first}`,
          x: "",
          y: "CPU ms",
          kind: "bars",
          series: [
            {
              name: "CPU",
              points: [
                ["sign floor on workerd, without hello", more(SIGN, 0).value],
                ["ours on workerd, without four reads of KV", worker.value],
                ["ours on Node", node.value],
              ],
            },
          ],
        },
      ],
      notes: [
        "workerd parses the scripts and compiles all three modules of the wasm when it starts, before it " +
          "listens; a module is instantiated by the first request that needs it. All workers are given the same " +
          "directory in the stub of KV as ours. `four reads of KV` reads the four records that a first token " +
          "needs: what its request, its reads and the stub cost is the platform's, and is subtracted of ours.",
        "On Node, what its own parts have left behind is collected before the first lap.",
        "On workerd, what a request cost is the time that its threads were scheduled, by the kernel's account " +
          `in nanoseconds, until the answer has come. What follows is the same until ${SETTLED} ms later: of ours, ` +
          "the line of the log, for which workerd compiles its own `inspect` when `console` is first used.",
        "V8 compiles functions of the wasm when they are first called; that is in the first token.",
      ],
    };
  },
};

/** @param {import("../measure.js").Figure} figure */
const cells = ({ value, noise }) => [value.toFixed(2), percent(noise)];

/**
 * Starts a worker in a process of its own, and asks it once: for a token, where it has some.
 * @param {string} folder
 * @param {import("../ours.js").Setting} setting
 * @param {Algorithm} algorithm
 * @param {Verify} [verify] by the service itself, unless it is said
 */
async function start(folder, setting, algorithm, verify) {
  const service = await startService(folder, (admin) => directory(admin, algorithm), { ...setting, ready: listens });
  const { server, issuer, registered } = service;
  try {
    await sleep(SETTLED);
    const start = cpuTimeOfThreads(server.pid);
    const body = new URLSearchParams(tokenForm(registered));
    const response = await fetch(`${issuer}/oauth2/token`, { method: "POST", body });
    const answer = await response.text();
    await sleep(ANSWERED);
    const first = cpuTimeOfThreads(server.pid) - start;
    await sleep(SETTLED);
    const after = cpuTimeOfThreads(server.pid) - start;
    if (response.status !== 200) throw new Error(`${response.status}: ${answer}`);
    if (verify) await verify(answer, server.origin);
    else await service.verify(answer, registered.clientId);
    return { start: start / 1000, first: first / 1000, after: after / 1000 };
  } finally {
    await server.stop();
  }
}

/** What a Node process is given. */
async function seeded() {
  const options = { baseUrl: "http://localhost", masterKey: randomBytes(32).toString("base64url") };
  const store = memoryStore();
  const { admin } = createIssuer({ ...options, store, onEvent: () => {} });
  const body = tokenForm(await directory(admin, "ES256"));
  const url = `${options.baseUrl}/${TENANT}/oauth2/token`;
  return JSON.stringify({ options, entries: store.entries(), url, body });
}

/**
 * @param {string} input
 * @returns {{ ofPlatform: number, imported: number, compiled: number, instantiated: number, answered: number }}
 */
function firstToken(input) {
  const script = join(ROOT, "bench/first-token.js");
  const { status, stdout, stderr } = spawnSync(process.execPath, ["--expose-gc", script], { input, encoding: "utf8" });
  if (status !== 0) throw new Error(`no first token:\n${stderr}`);
  const { answer, ...laps } = JSON.parse(stdout);
  if (JSON.parse(answer).access_token.split(".").length !== 3) throw new Error(`no token: ${answer}`);
  return laps;
}
