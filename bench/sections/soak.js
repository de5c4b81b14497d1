// Memory over a long run: a million tokens for more applications than the cache holds, with refusals of every
// kind among them. What grows for ever would show in the second half.

import { setTimeout as sleep } from "node:timers/promises";
import { check } from "../measure.js";
import { loadFromMany } from "../scale/load.js";
import { contestant, startStorage, startWorker, tokensFor } from "../scale/service.js";

/** Access tokens. */
const TOKENS = 1_000_000;
/** Applications: several times what the cache holds. */
const APPLICATIONS = 30_000;
/** Of which these are asked for most of the time. */
const BUSY = 1000;
/** Names that are nobody's, and addresses that they come from. */
const STRANGERS = 65_536;
const TENANT = "soak";
const JUNK = "%7B%22{}%22%3A=[]&grant_type&&=%00";
/** Of loads, one after another, and of samples of the memory. */
const [SECONDS, SAMPLED] = [10, 2];
/** Percent of what there is at half-time: V8's heap goes up and down by some. */
const GROWTH = 5;

/**
 * @typedef {object} Sample
 * @property {number} time milliseconds
 * @property {number} resident bytes of the process
 * @property {number} wasm bytes of its memory
 *
 * @typedef {object} Soaked
 * @property {Sample[]} samples
 * @property {[number, number][]} progress milliseconds, and how many tokens there were by then
 * @property {number} tokens
 * @property {number} refusals
 * @property {number} seconds of load
 * @property {number} latency the median of the last load in microseconds
 */

/** @type {import("../report.js").Section} */
export const section = {
  name: "soak",
  title: "Memory over a million tokens",
  async run(context) {
    const { folder } = context;
    const storage = await startStorage(folder, [{ tenant: TENANT, applications: APPLICATIONS }]);
    const server = await startWorker(folder, storage, { entry: "bench/soak/worker.js" });
    const { secret } = storage.directories;
    const granted = contestant("tokens", server, storage.directories, EVERY);
    try {
      await check(granted);
      const soaked = await soak(context, server, secret);
      await check(granted);
      return resultsOf(context, soaked);
    } finally {
      for (const one of [server, storage.kv]) await one.stop();
    }
  },
};

/**
 * Asks for tokens until there are enough of them.
 * @param {import("../report.js").Context} context
 * @param {import("../servers.js").Server} server
 * @param {string} secret
 * @returns {Promise<Soaked>}
 */
async function soak({ connections, quick, tell }, server, secret) {
  const wanted = quick ? TOKENS / 100 : TOKENS;
  const { granted, refused } = kindsOf(secret);
  const kinds = [...granted, ...refused];
  const part = shares(refused) / shares(kinds);
  const begun = performance.now();
  /** @type {Soaked} */
  const soaked = { samples: [], progress: [[begun, 0]], tokens: 0, refusals: 0, seconds: 0, latency: 0 };

  const sample = async () => {
    const wasm = Number(await (await fetch(`${server.origin}/bench/wasm-memory`)).text());
    soaked.samples.push({ time: performance.now(), resident: server.memory(), wasm });
  };
  let over = false;
  const sampling = (async () => {
    for (; !over; await sleep((quick ? SAMPLED / 10 : SAMPLED) * 1000)) await sample();
  })();
  // What it throws is thrown below: until then, nobody waits for it.
  const sampled = sampling.catch(() => {});
  try {
    while (soaked.tokens < wanted) {
      const outcome = await loadFromMany(server.origin, kinds, quick ? 1 : SECONDS, connections);
      const { requests, errors } = outcome;
      const expected = Math.round(requests * part);
      // The load ends somewhere in the round of kinds, and with requests under way.
      if (errors > 0 || requests === 0 || Math.abs(outcome.refused - expected) > 2 * connections) {
        const refusals = `${outcome.refused} refusals in ${requests} requests, not ${expected}`;
        throw new Error(`${errors} errors; ${refusals}`);
      }
      soaked.tokens += requests - outcome.refused;
      soaked.refusals += outcome.refused;
      soaked.seconds += outcome.seconds;
      soaked.latency = outcome.median;
      soaked.progress.push([performance.now(), soaked.tokens]);
      tell(`${soaked.tokens} tokens, ${soaked.refusals} refusals; ${megabytes(server.memory())} MB resident`);
    }
  } finally {
    over = true;
    await sampled;
  }
  await sampling;
  await sample();
  return soaked;
}

/**
 * @param {import("../report.js").Context} context @param {Soaked} soaked
 * @returns {import("../report.js").Results}
 */
function resultsOf({ connections, quick }, { samples, progress, tokens, refusals, seconds, latency }) {
  const issued = samples.map(({ time }) => interpolate(progress, time));
  const half = issued.findIndex((at) => at >= tokens / 2);
  const perSecond = Math.round((tokens + refusals) / seconds);
  /** By a fitted line. @param {string} what @param {"resident" | "wasm"} of */
  const check = (what, of) => {
    const line = fit(samples.slice(half).map((sample, at) => [issued[half + at], sample[of]]));
    const value = (100 * line.slope * (tokens / 2)) / line.at(tokens / 2);
    return { what, value, unit: "%", budget: GROWTH, aim: GROWTH, ok: value <= GROWTH };
  };
  /** @param {string} name @param {"resident" | "wasm"} of */
  const row = (name, of) => {
    const values = samples.map((sample) => sample[of]);
    const told = [values[0], values[half], values[values.length - 1], Math.max(...values)];
    return [name, ...told.map(megabytes)];
  };
  /** @param {"resident" | "wasm"} of */
  const points = (of) =>
    samples.map((sample, at) => {
      return /** @type {[number, number]} */ ([Math.round(issued[at]), Number(megabytes(sample[of]))]);
    });
  return {
    title: section.title,
    tables: [
      {
        caption: `${count(tokens)} tokens and ${count(refusals)} refusals`,
        columns: ["", "at the start", "at half-time", "at the end", "most"],
        rows: [row("process, MB resident", "resident"), row("wasm, MB", "wasm")],
      },
    ],
    // A short run is still filling its caches.
    checks: quick
      ? []
      : [
          check("memory: growth of the process over the second half", "resident"),
          check("memory: growth of the wasm over the second half", "wasm"),
        ],
    plots: [
      {
        name: "soak",
        title: "Memory over a long run",
        x: "tokens",
        y: "MB",
        kind: "lines",
        series: [
          { name: "process, resident", points: points("resident") },
          { name: "wasm", points: points("wasm") },
        ],
      },
    ],
    how: `one run, ${connections} connections, the memory read every ${SAMPLED} s`,
    notes: [
      `${seconds.toFixed(0)} s at ${connections} connections, ${perSecond} requests a second, median latency ` +
        `${latency} us at the end. Of ${count(APPLICATIONS)} applications, three times what the cache holds, ` +
        `${count(BUSY)} ask for 30 tokens of 34, any for the others.`,
      "Of 40 requests, 6 are refused: two wrong secrets, an unknown client, an unknown tenant, two forms that " +
        `make no sense. They come from up to ${count(STRANGERS)} addresses, and failures are counted for each.`,
      "What is resident is mostly V8's heap, which grows to what it is allowed, and the objects that are asked " +
        "for unknown names. The worker is the one that is deployed, with a path that tells the size of its " +
        "wasm memory.",
    ],
  };
}

/** @param {number} value */
const count = (value) => value.toLocaleString("en-US");
/** @param {number} bytes */
const megabytes = (bytes) => (bytes / 1e6).toFixed(1);
/** @param {import("../scale/load.js").Kind[]} kinds */
const shares = (kinds) => kinds.reduce((sum, { share = 1 }) => sum + share, 0);

/** Any application of the tenant. */
const EVERY = { tenant: TENANT, clientId: "app-{}", clients: APPLICATIONS };

/** @param {string} secret */
function kindsOf(secret) {
  const busy = { ...EVERY, clients: BUSY };
  const wrong = secret.split("").reverse().join("");
  const nobody = { clientId: "nobody-{}", clients: STRANGERS };
  const strange = { network: "192.0" };
  return {
    granted: [
      { ...tokensFor(busy, secret), share: 30, network: "10.0" },
      { ...tokensFor(EVERY, secret), share: 4, network: "10.1" },
    ],
    refused: [
      { ...tokensFor(busy, wrong), share: 2, ...strange },
      { ...tokensFor({ tenant: TENANT, ...nobody }, secret), ...strange },
      { ...tokensFor({ tenant: "nowhere-{}", ...nobody }, secret), ...strange },
      { path: `/${TENANT}/oauth2/token`, body: JUNK, clients: STRANGERS, share: 2, ...strange },
    ],
  };
}

/**
 * Between two points of a line that is given by points.
 * @param {[number, number][]} points @param {number} x
 */
function interpolate(points, x) {
  const next = points.findIndex(([at]) => at >= x);
  if (next === -1) return points[points.length - 1][1];
  if (next === 0) return points[0][1];
  const [[x0, y0], [x1, y1]] = [points[next - 1], points[next]];
  return y0 + ((y1 - y0) * (x - x0)) / (x1 - x0);
}

/** A line by least squares. @param {[number, number][]} points */
function fit(points) {
  const mean = (/** @type {number[]} */ values) =>
    values.reduce((sum, one) => sum + one, 0) / values.length;
  const [x, y] = [0, 1].map((which) => mean(points.map((point) => point[which])));
  const above = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0);
  const below = points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
  const slope = below === 0 ? 0 : above / below;
  return { slope, at: (/** @type {number} */ place) => y + slope * (place - x) };
}
