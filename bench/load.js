// Load on one server: by wrk where it is installed, else by a Node process of its own. Both send
// the same request over kept-alive connections, only to this machine, and end by time and by count. With
// refresh tokens, each is spent once: a request ends the body with one, and its answer brings the next.

import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import http from "node:http";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * @typedef {object} Load
 * @property {string} url
 * @property {"GET" | "POST"} [method] POST unless it is said
 * @property {Record<string, string>} [headers] beside the content type of a form that is posted
 * @property {string} [body]
 * @property {number} seconds
 * @property {number} connections
 * @property {string[]} [tokens] refresh tokens, at least two for each connection: one is put behind the
 * body, and the one in the answer takes its place
 *
 * @typedef {object} Outcome
 * @property {number} requests
 * @property {number} seconds
 * @property {number} bytes received, headers included where wrk counts
 * @property {number} errors
 * @property {number} [cut] of these, where wrk counts: answers that could not be read to their end, for the most part
 * since the server closed the connection
 * @property {string} [why] how many of which kind, where wrk counts
 * @property {number} median latency in microseconds; so are the other two
 * @property {number} p90
 * @property {number} p99
 */

/** No server here comes near it; a client that runs wild does. */
export const REQUESTS_PER_SECOND = 50_000;
const wrk = inPath("wrk");

/** What makes the load, for the report. */
export const client = wrk ? "wrk" : "node:http";

/** @param {Load} load @returns {Promise<Outcome>} */
export async function runLoad(load) {
  const { url, method = "POST", body = "", seconds, connections, tokens = [] } = load;
  const here = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url));
  // With objects, workerd lets single requests wait for seconds under full load; they are no errors.
  const run = ["-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "10s", "--latency"];
  const given = Object.entries(headersOf(load)).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const args = wrk
    ? [...run, ...given, "-s", here("wrk.lua"), url]
    : [here("load.js"), JSON.stringify(load)];
  const environment = { BENCH_METHOD: method, BENCH_BODY: body, BENCH_TOKENS: tokens.join(" ") };
  return runClient(wrk ?? process.execPath, args, seconds, environment);
}

/**
 * Runs a program that makes load, and reads what came of it: its last line, in JSON.
 * @param {string} program @param {string[]} args
 * @param {number} seconds of load
 * @param {Record<string, string>} environment
 */
export async function runClient(program, args, seconds, environment) {
  const child = spawn(program, args, {
    env: { ...process.env, ...environment, BENCH_LIMIT: `${seconds * REQUESTS_PER_SECOND}` },
    stdio: ["ignore", "pipe", "inherit"],
    timeout: (seconds + 10) * 1000,
    killSignal: "SIGKILL",
  });
  const end = () => child.kill("SIGKILL");
  process.prependOnceListener("exit", end);
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (chunk) => (output += chunk));
  const code = await new Promise((resolve, reject) => {
    child.once("error", reject).once("close", resolve);
  });
  process.removeListener("exit", end);
  const last = output.trimEnd().split("\n").at(-1) ?? "";
  if (code !== 0 || !last.startsWith("{")) throw new Error(`the load client failed:\n${output}`);
  return JSON.parse(last);
}

/** What goes with a request of contestants and loads alike. @param {Pick<Load, "method" | "headers">} of */
export function headersOf({ method = "POST", headers = {} }) {
  if (method === "GET") return headers;
  return { "content-type": "application/x-www-form-urlencoded", ...headers };
}

/** @param {string} name */
function inPath(name) {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** The client where there is no wrk. @param {Load} load @returns {Promise<Outcome>} */
async function send(load) {
  const { url, method = "POST", body = "", seconds, connections, tokens = [] } = load;
  const headers = headersOf(load);
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  const chained = tokens.length > 0;
  const begun = performance.now();
  const until = begun + seconds * 1000;
  let left = seconds * REQUESTS_PER_SECOND;
  let [bytes, errors] = [0, 0];
  /** @type {number[]} */
  const times = [];

  const once = () =>
    /** @type {Promise<void>} */ (
      new Promise((resolve) => {
        const start = performance.now();
        const sent = chained ? body + tokens.shift() : body;
        const posted = { ...headers, "content-length": Buffer.byteLength(sent) };
        const failed = () => {
          errors += 1;
          resolve();
        };
        const options = { agent, method, headers: method === "GET" ? headers : posted, timeout: 10_000 };
        const request = http.request(url, options, (response) => {
          if (response.statusCode !== 200) errors += 1;
          let answer = "";
          response.on("data", (chunk) => {
            bytes += chunk.length;
            if (chained) answer += chunk;
          });
          response.once("error", failed).once("end", () => {
            times.push(performance.now() - start);
            if (chained && response.statusCode === 200) tokens.push(JSON.parse(answer).refresh_token);
            resolve();
          });
        });
        request.once("timeout", () => request.destroy(new Error("timed out")));
        request.once("error", failed).end(method === "GET" ? "" : sent);
      })
    );
  const connection = async () => {
    while (performance.now() < until && left-- > 0) await once();
  };
  await Promise.all(Array.from({ length: connections }, connection));
  agent.destroy();
  times.sort((a, b) => a - b);
  const quantile = (/** @type {number} */ part) =>
    Math.round((times[Math.floor(times.length * part)] ?? 0) * 1000);
  return {
    requests: times.length,
    seconds: (performance.now() - begun) / 1000,
    bytes,
    errors,
    median: quantile(0.5),
    p90: quantile(0.9),
    p99: quantile(0.99),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log(JSON.stringify(await send(JSON.parse(process.argv[2]))));
}
