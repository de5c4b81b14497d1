// What requests cost on servers that are compared with one another: each loaded alone, in turn, in several
// rounds, so that whatever else the machine does meets all of them. The figure is the CPU time of the server's
// process by the operating system's account; the first contestant, or the one that is named, is the floor.

import { headersOf, runLoad } from "./load.js";

/**
 * @typedef {object} Contestant
 * @property {string} name
 * @property {import("./servers.js").Server} server
 * @property {string} url
 * @property {"GET" | "POST"} [method] POST unless it is said
 * @property {Record<string, string>} [headers] beside the content type of a form
 * @property {string} [body]
 * @property {(count: number) => Promise<string[]>} [tokens] new refresh tokens, to be put behind the body:
 * each is spent once, and the next one is read from the answer's `refresh_token`
 * @property {(seconds: number, connections: number) => Promise<import("./load.js").Outcome>} [load] another
 * load than this one request again and again
 * @property {(answer: string) => Promise<void>} verify throws unless it is what it should be
 * @property {string} [note] what a reader of the table must know of it
 *
 * @typedef {object} Plan
 * @property {Contestant[]} contestants in an order in which neighbours are those most compared
 * @property {number} rounds
 * @property {number} seconds of load in a round, for each
 * @property {number} connections
 * @property {number} warmUp seconds of load before the first round
 * @property {number} [floor] which contestant the others are held against; the first one
 * @property {(line: string) => void} [tell] hears of each measurement as it is made
 * @property {boolean} [keep] the caller stops the servers
 *
 * @typedef {import("./load.js").Outcome & { cpu: number }} Run with CPU microseconds per request
 *
 * @typedef {object} Figure a median over rounds, and its noise: the part of it by which the median of
 * another such run may differ, in 19 of 20 cases; none is known of a single round
 * @property {number} value
 * @property {number | null} noise
 *
 * @typedef {object} Measured
 * @property {string} name
 * @property {string} [note]
 * @property {Figure} cpu microseconds per request
 * @property {Figure} ratio of its CPU to the floor's in the same round
 * @property {number} perSecond requests
 * @property {number} latency in microseconds, the median
 * @property {Run[]} runs one for each round
 *
 * @typedef {Measured[]} Comparison
 */

/** Refresh tokens for each connection: one is under way, and one is there when it comes back. */
const TOKENS_PER_CONNECTION = 2;

/** How many rounds there are of what has a budget, for each of the others. */
const OFTEN = 3;

/** How it is measured, for the report. @param {Pick<Plan, "rounds" | "seconds" | "connections">} plan */
export const budgetedFirst = ({ rounds, seconds, connections }) =>
  `${rounds * OFTEN} rounds of ${seconds} s of what has a budget, ${rounds} of the rest, ${connections} connections`;

/**
 * Warms every contestant up, loads each once in every round, in an order that turns around from round to
 * round, and asks each before and after for an answer that it verifies. Throws if any answer is an error.
 * @param {Plan} plan
 * @returns {Promise<Comparison>}
 */
export async function compare(plan) {
  const { contestants, floor = 0 } = plan;
  try {
    const runs = await measure(plan);
    return contestants.map(({ name, note }, at) => ({
      name,
      note,
      cpu: figure(runs[at].map(({ cpu }) => cpu)),
      ratio: figure(ratios(runs[at], runs[floor])),
      perSecond: median(runs[at].map(({ requests, seconds }) => requests / seconds)),
      latency: median(runs[at].map(({ median }) => median)),
      runs: runs[at],
    }));
  } finally {
    if (!plan.keep) for (const { server } of contestants) await server.stop();
  }
}

/**
 * The same in two parts, so that what budgets are stated for is measured more often than the rest: those that come
 * first, in more rounds, and then the floor once more with the others.
 * @param {Plan} plan
 * @param {number} budgeted how many come first, the floor among them
 * @returns {Promise<Comparison>}
 */
export async function compareBudgetedFirst(plan, budgeted) {
  const { contestants, rounds, floor = 0 } = plan;
  try {
    const first = contestants.slice(0, budgeted);
    const often = await compare({ ...plan, contestants: first, rounds: rounds * OFTEN, keep: true });
    const others = [contestants[floor], ...contestants.slice(budgeted)];
    const rest = await compare({ ...plan, contestants: others, floor: 0, keep: true });
    return [...often, ...rest.slice(1)];
  } finally {
    for (const { server } of contestants) await server.stop();
  }
}

/** @param {Plan} plan @returns {Promise<Run[][]>} by contestant, by round */
async function measure({ contestants, rounds, seconds, connections, warmUp, tell = () => {} }) {
  for (const contestant of contestants) {
    await check(contestant);
    if (warmUp > 0) await load(contestant, warmUp, connections);
  }
  /** @type {Run[][]} */
  const runs = contestants.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    const order = [...contestants.keys()];
    for (const at of round % 2 ? order.toReversed() : order) {
      const run = await load(contestants[at], seconds, connections);
      runs[at].push(run);
      const perSecond = (run.requests / run.seconds).toFixed(0);
      tell(`round ${round + 1}: ${contestants[at].name}, ${run.cpu.toFixed(1)} us, ${perSecond}/s`);
    }
  }
  for (const contestant of contestants) await check(contestant);
  return runs;
}

/**
 * What one contestant costs against another one that is not the floor.
 * @param {Comparison} comparison
 * @param {string} name
 * @param {string} against
 */
export function ratioOf(comparison, name, against) {
  const [one, other] = [name, against].map((wanted) => {
    const found = comparison.find((measured) => measured.name === wanted);
    if (found === undefined) throw new Error(`${wanted} was not measured`);
    return found.runs;
  });
  return figure(ratios(one, other));
}

/**
 * A comparison as a table.
 * @param {string} caption
 * @param {Comparison} comparison
 * @param {string} [floor] what the ratio is against, for its column
 * @returns {import("./report.js").Table}
 */
export function tableOf(caption, comparison, floor = comparison[0].name) {
  return {
    caption,
    columns: ["", "CPU us/request", `against ${floor}`, "noise", "requests/s", "median latency us"],
    rows: comparison.map(({ name, cpu, ratio, perSecond, latency }) => [
      name,
      cpu.value.toFixed(1),
      ratio.value.toFixed(3),
      // The floor's own is none.
      ratio.noise === 0 ? "" : percent(ratio.noise),
      perSecond.toFixed(0),
      latency.toFixed(0),
    ]),
  };
}

/** How often the median bar the longest one may be: beyond it, the others cannot be told apart. */
const LONGEST = 5;

/**
 * What a comparison cost, as bars.
 * @param {string} name @param {string} title @param {Comparison} comparison
 * @returns {import("./report.js").Plot}
 */
export function barsOf(name, title, comparison) {
  const longest = LONGEST * median(comparison.map(({ cpu }) => cpu.value));
  const drawn = comparison.filter(({ cpu }) => cpu.value <= longest);
  const longer = comparison
    .filter((measured) => !drawn.includes(measured))
    .map(({ name, cpu }) => `not drawn: ${name}, ${cpu.value.toFixed(0)}`);
  return {
    name,
    title,
    subtitle: longer,
    x: "",
    y: "CPU us per request",
    kind: "bars",
    series: [
      { name: "CPU", points: drawn.map(({ name, cpu }) => [name, Number(cpu.value.toFixed(1))]) },
    ],
  };
}

/** What a second run is held against: all ratios but the floor's own. @param {Comparison} comparison */
export function figuresOf(comparison) {
  const others = comparison.filter(({ ratio }) => ratio.value !== 1);
  return others.map(({ name, ratio }) => ({ what: `${name}, ratio`, ...ratio }));
}

/** @param {Comparison} comparison @returns {string[]} what its contestants' notes say */
export function notesOf(comparison) {
  return comparison.flatMap(({ name, note }) => (note === undefined ? [] : [`${name}: ${note}`]));
}

/** A part of one, for people. @param {number | null} noise */
export function percent(noise) {
  return noise === null ? "" : `±${(noise * 100).toFixed(1)} %`;
}

/** One answer, as any client asks for it. @param {Contestant} contestant */
export async function check(contestant) {
  const { name, url, method = "POST", body = "", tokens, verify } = contestant;
  const token = (await tokens?.(1)) ?? "";
  const sent = method === "GET" ? undefined : `${body}${token}`;
  const response = await fetch(url, { method, headers: headersOf(contestant), body: sent });
  const answer = await response.text();
  if (response.status !== 200) throw new Error(`${name} answers ${response.status}: ${answer}`);
  await verify(answer);
}

/**
 * Loads one server, and tells what a request cost it.
 * @param {Contestant} contestant @param {number} seconds @param {number} connections
 * @returns {Promise<Run>}
 */
export async function load(contestant, seconds, connections) {
  const { name, server, url, method, headers, body, tokens: make } = contestant;
  const tokens = await make?.(connections * TOKENS_PER_CONNECTION);
  const before = server.cpu();
  const outcome = contestant.load
    ? await contestant.load(seconds, connections)
    : await runLoad({ url, method, headers, body, seconds, connections, tokens });
  const cpu = (server.cpu() - before) / outcome.requests;
  if (outcome.errors > 0 || outcome.requests === 0) {
    throw new Error(`${name}: ${outcome.errors} errors in ${outcome.requests} requests`);
  }
  return { ...outcome, cpu };
}

/** Round by round. @param {Run[]} runs @param {Run[]} floor */
function ratios(runs, floor) {
  if (runs.length !== floor.length) throw new Error("they were not measured in the same rounds");
  return runs.map(({ cpu }, round) => cpu / floor[round].cpu);
}

/** @param {number[]} values */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Student's t for 95 % by degrees of freedom, from one; 2 is near enough behind these. */
const STUDENT = [12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23];
/** A median's standard error against a mean's, for values that are spread normally. */
const OF_A_MEDIAN = Math.sqrt(Math.PI / 2);

/**
 * The median of several rounds with its noise. Two such medians differ by root two of one's standard error.
 * @param {number[]} values
 * @returns {Figure}
 */
export function figure(values) {
  const value = median(values);
  const { length } = values;
  // Nothing is a part of zero.
  if (length < 2 || value === 0) return { value, noise: null };
  const mean = values.reduce((sum, one) => sum + one) / length;
  const squares = values.reduce((sum, one) => sum + (one - mean) ** 2, 0);
  const error = (OF_A_MEDIAN * Math.sqrt(squares / (length - 1))) / Math.sqrt(length);
  return { value, noise: ((STUDENT[length - 2] ?? 2) * Math.SQRT2 * error) / Math.abs(value) };
}
