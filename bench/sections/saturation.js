// What more connections than the server can answer at once do to it: it answers more slowly, and every one.
// After a burst of very many, it is as quick as before.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import http from "node:http";
import { client, runLoad } from "../load.js";
import { check, load } from "../measure.js";
import { ourTokens } from "../ours.js";

const CONNECTIONS = [1, 8, 32, 128, 512];
/** Of a burst, as far as this process may open as many; and how many bursts come one after another. */
const [BURST, WAVES] = [2000, 3];
/** Milliseconds that the last answer may take. */
const PATIENCE = 60_000;
/** How often what a single connection sees is measured, before the bursts and after them; seconds of each. */
const [TIMES, SECONDS] = [3, 2];
/** Seconds of load with each number of connections. */
const LOADED = 5;
/** What its median latency after the burst may be, to that before. */
const RECOVERED = 1.25;

/**
 * @typedef {import("../load.js").Outcome & { connections: number, perSecond: number }} Outcome
 * @typedef {Awaited<ReturnType<typeof burstOf>>} Burst
 */

/** @type {import("../report.js").Section} */
export const section = {
  name: "saturation",
  title: "Past saturation",
  async run({ folder, warmUp, quick, tell }) {
    const contestant = await ourTokens(folder, "ours", "ES256");
    const { server, url, body = "" } = contestant;
    await check(contestant);
    await load(contestant, warmUp, 32, tell);

    /** @param {number} connections @param {number} seconds @returns {Promise<Outcome>} */
    const measure = async (connections, seconds) => {
      const outcome = await runLoad({ url, body, seconds, connections });
      const perSecond = Math.round(outcome.requests / outcome.seconds);
      const told = `${perSecond}/s, median ${outcome.median} us, ${outcome.errors} errors`;
      tell(`${connections} connections: ${told}`);
      return { connections, perSecond, ...outcome };
    };
    const single = async () => {
      const latencies = [];
      for (let time = 0; time < TIMES; time += 1) {
        const { errors, requests, median } = await measure(1, quick ? 1 : SECONDS);
        if (errors > 0 || requests === 0) throw new Error(`${errors} errors in ${requests} requests`);
        latencies.push(median);
      }
      // The least: whatever else the machine does only adds to it.
      return Math.min(...latencies);
    };

    const outcomes = [];
    const seconds = quick ? 1 : LOADED;
    for (const connections of CONNECTIONS) outcomes.push(await measure(connections, seconds));
    const before = await single();
    const burst = await burstOf(url, body, Math.min(BURST, Math.floor(mostFiles() / 2)));
    const told = `${burst.answers} answers in ${burst.seconds.toFixed(1)} s, ${burst.errors} errors ${burst.why}`;
    tell(`${burst.connections} at once: ${told}`);
    const after = await single();
    await check(contestant);
    await server.stop();
    const how = `one load of ${seconds} s for each number of connections`;
    return { ...resultsOf(outcomes, burst, before, after), how };
  },
};

/**
 * @param {Outcome[]} outcomes @param {Burst} burst
 * @param {number} before @param {number} after microseconds
 * @returns {import("../report.js").Results}
 */
function resultsOf(outcomes, burst, before, after) {
  const errors = outcomes.reduce((sum, outcome) => sum + outcome.errors, burst.errors);
  const requests = outcomes.reduce((sum, outcome) => sum + outcome.requests, burst.answers);
  const recovered = after / before;
  return {
    title: section.title,
    tables: tablesOf(outcomes, burst),
    checks: [
      {
        what: `saturation: errors, ${requests} answers`,
        value: errors,
        budget: 0,
        aim: 0,
        ok: errors === 0,
      },
      {
        what: "saturation: median latency of a single connection, after the burst / before",
        value: recovered,
        budget: RECOVERED,
        aim: RECOVERED,
        ok: recovered <= RECOVERED,
      },
    ],
    plots: plotsOf(outcomes),
    notes: [
      `One thread of workerd, and ${client} beside it on the same machine. The latency is ${client}'s` +
        (client === "wrk" ? ", which corrects for coordinated omission." : "."),
      "The worker keeps no queue: whatever waits, waits in workerd, which does not take connections in turns. " +
        "So the median is less than connections divided by throughput, and the tail is long. Pauses of V8's " +
        "collector are in it, too.",
      `A single connection's median: ${before} us before the burst, ${after} us after it.`,
    ],
  };
}

/** @param {Outcome[]} outcomes @param {Burst} burst @returns {import("../report.js").Table[]} */
function tablesOf(outcomes, burst) {
  const latencies = ["median ms", "p90 ms", "p99 ms"];
  return [
    {
      caption: "Client credentials, ES256, by connections",
      columns: ["connections", "requests/s", ...latencies, "errors"],
      rows: outcomes.map(({ connections, perSecond, median, p90, p99, errors }) => [
        `${connections}`,
        `${perSecond}`,
        ...[median, p90, p99].map((microseconds) => (microseconds / 1000).toFixed(2)),
        `${errors}`,
      ]),
    },
    {
      caption: `${WAVES} bursts: so many connections begun at once, with one request each`,
      columns: ["connections", "answers", "within s", ...latencies, "errors"],
      rows: [
        [
          `${burst.connections}`,
          `${burst.answers}`,
          burst.seconds.toFixed(2),
          ...[burst.median, burst.p90, burst.p99].map((milliseconds) => milliseconds.toFixed(2)),
          `${burst.errors}`,
        ],
      ],
    },
  ];
}

/** @param {Outcome[]} outcomes @returns {import("../report.js").Plot[]} */
function plotsOf(outcomes) {
  /** @param {(outcome: Outcome) => number} figure */
  const points = (figure) =>
    outcomes.map((outcome) => {
      return /** @type {[number, number]} */ ([outcome.connections, figure(outcome)]);
    });
  const plot = { x: "connections", kind: /** @type {const} */ ("lines"), logarithmic: true };
  return [
    {
      ...plot,
      name: "saturation",
      title: "Throughput by connections",
      y: "requests per second",
      series: [{ name: "requests per second", points: points(({ perSecond }) => perSecond) }],
    },
    {
      ...plot,
      name: "saturation-latency",
      title: "Latency by connections",
      y: "ms",
      series: /** @type {const} */ (["median", "p90", "p99"]).map((name) => ({
        name,
        points: points((outcome) => outcome[name] / 1000),
      })),
    },
  ];
}

/**
 * Connections that all begin at once, with a request each, and every one is waited for; then as many again.
 * New ones each time: workerd closes a connection that is idle for 5 seconds, and it may look idle where the
 * client is what is slow.
 * @param {string} url @param {string} body @param {number} connections
 */
async function burstOf(url, body, connections) {
  const headers = {
    "content-type": "application/x-www-form-urlencoded",
    "content-length": Buffer.byteLength(body),
  };
  /** Milliseconds. @type {number[]} */
  const times = [];
  /** What went wrong, and how often. @type {Map<string, number>} */
  const failures = new Map();
  const begun = performance.now();
  const connection = async () => {
    const start = performance.now();
    try {
      const request = http.request(url, { agent: false, method: "POST", headers, timeout: PATIENCE });
      request.once("timeout", () => request.destroy(new Error("timed out")));
      const [response] = await once(request.end(body), "response");
      let answer = "";
      for await (const text of response.setEncoding("utf8")) answer += text;
      if (response.statusCode !== 200 || !/"access_token"/.test(answer)) throw new Error(answer);
      times.push(performance.now() - start);
    } catch (error) {
      const { code, message } = /** @type {NodeJS.ErrnoException} */ (error);
      const why = code ?? message;
      failures.set(why, (failures.get(why) ?? 0) + 1);
    }
  };
  for (let wave = 0; wave < WAVES; wave += 1) {
    await Promise.all(Array.from({ length: connections }, connection));
  }
  const seconds = (performance.now() - begun) / 1000;
  times.sort((one, other) => one - other);
  const [median, p90, p99] = [0.5, 0.9, 0.99].map((part) => times[Math.floor(times.length * part)] ?? 0);
  const errors = [...failures.values()].reduce((sum, one) => sum + one, 0);
  const why = [...failures].map(([why, often]) => `${often} x ${why}`).join(", ");
  return { connections, answers: times.length, errors, why, seconds, median, p90, p99 };
}

/** How many files this process may open, and those that it starts: its connections are among them. */
function mostFiles() {
  const limit = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
  return Number(limit?.[1] ?? 1024);
}
