// Load from many clients: forms of several kinds, each from clients in turns. By wrk where it is installed,
// else by this process.

import { once } from "node:events";
import http from "node:http";
import { fileURLToPath } from "node:url";
import { REQUESTS_PER_SECOND, client, runClient } from "../load.js";
import { numbered } from "./directories.js";

/**
 * @typedef {object} Kind of request
 * @property {string} path
 * @property {string} body a form; in both, `{}` is the number of the client
 * @property {number} [clients] how many take turns; 1 by default
 * @property {string} [network] the first half of an IPv4 address, such as `10.0`: each client is said to have
 * an address there
 * @property {number} [share] requests of it in a round of all kinds; 1 by default
 *
 * @typedef {import("../load.js").Outcome & { refused: number }} Outcome answers of 400 and above are
 * `refused`, and not among the errors
 */

const STEP = 7919;
const FORM = "application/x-www-form-urlencoded";

/**
 * @param {string} origin @param {Kind[]} kinds @param {number} seconds @param {number} connections
 * @returns {Promise<Outcome>}
 */
export function loadFromMany(origin, kinds, seconds, connections) {
  // Spread, so that no kind comes in a row that need not.
  const cycle = kinds
    .flatMap(({ share = 1 }, kind) => {
      return Array.from({ length: share }, (_, at) => ({ kind, at: (at + 0.5) / share }));
    })
    .sort((one, other) => one.at - other.at)
    .map(({ kind }) => kind);
  const byTool = client === "wrk" ? byWrk : byNode;
  return byTool(origin, kinds, cycle, seconds, connections);
}

/**
 * @param {string} origin @param {Kind[]} kinds @param {number[]} cycle
 * @param {number} seconds @param {number} connections
 */
async function byWrk(origin, kinds, cycle, seconds, connections) {
  const described = kinds.flatMap(({ path, body, clients = 1, network }, kind) => [
    [`BENCH_PATH_${kind}`, path],
    [`BENCH_BODY_${kind}`, body],
    [`BENCH_COUNT_${kind}`, `${clients}`],
    ...(network === undefined ? [] : [[`BENCH_NETWORK_${kind}`, network]]),
  ]);
  const script = fileURLToPath(new URL("clients.lua", import.meta.url));
  const limits = ["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "10s", "--latency"];
  const environment = { ...Object.fromEntries(described), BENCH_CYCLE: cycle.join(" ") };
  return runClient("wrk", [...limits, "-s", script, origin], seconds, environment);
}

/**
 * @param {string} origin @param {Kind[]} kinds @param {number[]} cycle
 * @param {number} seconds @param {number} connections
 * @returns {Promise<Outcome>}
 */
async function byNode(origin, kinds, cycle, seconds, connections) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  const begun = performance.now();
  const until = begun + seconds * 1000;
  const turns = kinds.map(() => 0);
  /** @type {number[]} */
  const times = [];
  let [left, sent, refused, errors, bytes] = [seconds * REQUESTS_PER_SECOND, 0, 0, 0, 0];
  const ask = async () => {
    const which = cycle[sent++ % cycle.length];
    const { path, body, clients = 1, network } = kinds[which];
    const turn = (turns[which] = (turns[which] + STEP) % clients);
    const number = numbered(turn);
    const form = body.replaceAll("{}", number);
    const low = turn % 65536;
    const headers = {
      "content-type": FORM,
      "content-length": Buffer.byteLength(form),
      ...(network && { "cf-connecting-ip": `${network}.${low >> 8}.${low & 255}` }),
    };
    const start = performance.now();
    const url = origin + path.replaceAll("{}", number);
    const request = http.request(url, { agent, method: "POST", headers, timeout: 10_000 });
    request.once("timeout", () => request.destroy(new Error("timed out")));
    const [response] = await once(request.end(form), "response");
    for await (const chunk of response) bytes += chunk.length;
    times.push(performance.now() - start);
    if (response.statusCode >= 400) refused += 1;
  };
  const connection = async () => {
    while (performance.now() < until && left-- > 0) await ask().catch(() => (errors += 1));
  };
  await Promise.all(Array.from({ length: connections }, connection));
  agent.destroy();
  times.sort((one, other) => one - other);
  const [median, p90, p99] = [0.5, 0.9, 0.99].map((part) =>
    Math.round((times[Math.floor(times.length * part)] ?? 0) * 1000),
  );
  return {
    requests: times.length,
    seconds: (performance.now() - begun) / 1000,
    ...{ bytes, refused, errors, median, p90, p99 },
  };
}
