// What requests cost on servers that are compared with one another: each loaded alone, in turn, in several rounds,
// so that whatever else the machine does meets all of them. The figure is the CPU time of the server's process by
// the operating system's account; the first contestant is the floor.
//
// V8 collects all of a worker's garbage once in some 20,000 requests, every two seconds of load, and a second with
// that in it costs a third more than one without: so a round takes several seconds, unless a section says why not.

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
 * @property {(line: string) => void} [tell] hears of each measurement as it is made
 * @property {boolean} [keep] the caller stops the servers
 *
 * @typedef {import("./load.js").Outcome & { cpu: number }} Run with CPU microseconds per request
 *
 * @typedef {object} Figure a median over rounds, or the mean of those of several starts, and its noise: the part
 * of it by which that of another such run may differ, in 19 of 20 cases; none is known of a single round
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
 * @property {Run[][]} starts by start of the process, one for each round
 *
 * @typedef {Measured[]} Comparison
 */

/** Refresh tokens for each connection: one is under way, and one is there when it comes back. */
const TOKENS_PER_CONNECTION = 2;

/** How often what has a budget is started anew, and measured in as many rounds as the others. */
const STARTS = 6;

/** @param {Pick<Plan, "rounds">} plan */
const startsOf = ({ rounds }) => (rounds > 1 ? STARTS : 1);

/** How it is measured, for the report. @param {Pick<Plan, "rounds" | "seconds" | "connections">} plan */
export const inRounds = ({ rounds, seconds, connections }) =>
  `${rounds} rounds of ${seconds} s, ${connections} connections`;

/** The same of `compareBudgetedFirst`. @param {Pick<Plan, "rounds" | "seconds" | "connections">} plan */
export const budgetedFirst = (plan) => `${inRounds(plan)}; what has a budget: ${startsOf(plan)} starts`;

/**
 * Warms every contestant up, loads each once in every round, in an order that turns around from round to
 * round, and asks each before and after for an answer that it verifies. Throws if any answer is an error.
 * @param {Plan} plan
 * @returns {Promise<Comparison>}
 */
export async function compare(plan) {
  const { contestants } = plan;
  try {
    const runs = await measure(plan);
    return measured(contestants.map(({ name, note }, at) => ({ name, note, starts: [runs[at]] })));
  } finally {
    if (!plan.keep) for (const { server } of contestants) await server.stop();
  }
}

/** @param {Pick<Measured, "name" | "note" | "starts">[]} all the floor first @returns {Comparison} */
function measured(all) {
  return all.map(({ name, note, starts }) => {
    const runs = starts.flat();
    return {
      name,
      note,
      starts,
      cpu: figureOf(starts.map((runs) => runs.map(({ cpu }) => cpu))),
      ratio: figureOf(ratios(starts, all[0].starts)),
      perSecond: median(runs.map(({ requests, seconds }) => requests / seconds)),
      latency: median(runs.map(({ median }) => median)),
    };
  });
}

/**
 * The same in two parts: what budgets are stated for is started anew several times, since processes of one
 * program differ in what they cost as rounds do; then the rest, against a floor of its own.
 * @param {Omit<Plan, "contestants">} plan
 * @param {(start: number) => Promise<Contestant[]>} budgeted starts them, the floor first
 * @param {() => Promise<Contestant[]>} others the same
 * @returns {Promise<Comparison>}
 */
export async function compareBudgetedFirst(plan, budgeted, others) {
  /** @type {Comparison[]} */
  const each = [];
  for (let start = 0; start < startsOf(plan); start += 1) {
    each.push(await compare({ ...plan, contestants: await budgeted(start) }));
  }
  const together = each[0].map(({ name, note }, at) => {
    return { name, note, starts: each.flatMap((comparison) => comparison[at].starts) };
  });
  const several = measured(together);
  const [, ...rest] = await compare({ ...plan, contestants: await others() });
  return [...several, ...rest.map((one) => startedOnce(one, several))];
}

/**
 * What was started once, with noise that allows for another start: by how far those of what was started several
 * times lie apart. Its ratios share the floor of their start, so they tell no more degrees of freedom than one does.
 * @param {Measured} one @param {Comparison} several the floor first
 * @returns {Measured}
 */
export function startedOnce(one, [floor, ...others]) {
  const freedom = floor.starts.length - 1;
  const { value, noise } = one.ratio;
  if (freedom === 0 || noise === null) return one;
  const variances = others.map(({ starts }) => {
    const medians = ratios(starts, floor.starts).map(median);
    return variance(medians) / mean(medians) ** 2;
  });
  const deviation = Math.sqrt(mean(variances));
  return { ...one, ratio: { value, noise: Math.max(noise, studentOf(freedom) * Math.SQRT2 * deviation) } };
}

/** @param {Plan} plan @returns {Promise<Run[][]>} by contestant, by round */
async function measure({ contestants, rounds, seconds, connections, warmUp, tell = () => {} }) {
  for (const contestant of contestants) {
    await check(contestant);
    if (warmUp > 0) await load(contestant, warmUp, connections, tell);
  }
  /** @type {Run[][]} */
  const runs = contestants.map(() => []);
  for (let round = 0; round < rounds; round += 1) {
    const order = [...contestants.keys()];
    for (const at of round % 2 ? order.toReversed() : order) {
      runs[at].push(await load(contestants[at], seconds, connections, tell));
    }
    const costs = contestants.map(({ name }, at) => `${name} ${runs[at][round].cpu.toFixed(0)}`);
    tell(`round ${round + 1}, us: ${costs.join(", ")}`);
  }
  for (const contestant of contestants) await check(contestant);
  return runs;
}

/** @param {Comparison} comparison @param {string} name @param {string} against */
function ratiosOf(comparison, name, against) {
  const [one, other] = [name, against].map((wanted) => {
    const found = comparison.find((measured) => measured.name === wanted);
    if (found === undefined) throw new Error(`${wanted} was not measured`);
    return found.starts;
  });
  return ratios(one, other);
}

/**
 * What one contestant costs against another one that is measured in the same rounds.
 * @param {Comparison} comparison @param {string} name @param {string} against
 */
export function ratioOf(comparison, name, against) {
  return figureOf(ratiosOf(comparison, name, against));
}

/**
 * The same start by start, for a reader.
 * @param {Comparison} comparison @param {string} name @param {string} against
 */
export function startByStart(comparison, name, against) {
  const told = ratiosOf(comparison, name, against).map((rounds) => median(rounds).toFixed(3));
  return `${name} against ${against}, start by start: ${told.join(", ")}.`;
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

/** How often a load is tried at most: a shared machine may stand still for most of one. */
const ATTEMPTS = 5;
/**
 * Milliseconds between two looks at the clock, here, from which on the machine stood still. workerd takes kept-alive
 * connections for abandoned then and closes them: a stop of three seconds was seen to close them all.
 */
const STANDSTILL = 2000;
/** Microseconds of CPU that a load takes at least: it is counted in steps of 10,000. */
const LEAST = 100_000;

/**
 * Loads one server, and tells what a request cost it.
 * @param {Contestant} contestant @param {number} seconds @param {number} connections
 * @param {(line: string) => void} [tell] hears of a load that has to be repeated
 * @returns {Promise<Run>}
 */
export async function load(contestant, seconds, connections, tell = () => {}) {
  const { name, server, url, method, headers, body, tokens: make } = contestant;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const tokens = await make?.(connections * TOKENS_PER_CONNECTION);
    const clock = watchClock();
    const before = server.cpu();
    const outcome = contestant.load
      ? await contestant.load(seconds, connections)
      : await runLoad({ url, method, headers, body, seconds, connections, tokens });
    const used = server.cpu() - before;
    const gap = clock();
    const { requests, errors, cut = 0, why = "" } = outcome;
    if (errors > (gap > STANDSTILL ? cut : 0)) {
      throw new Error(`${name}: ${errors} errors in ${requests} requests: ${why}`);
    }
    if (errors === 0 && requests > 0 && used >= LEAST) return { ...outcome, cpu: used / requests };
    const seen = `the clock went on by ${gap.toFixed(0)} ms at once, ${errors} connections were closed`;
    tell(`${name} again: ${requests} requests in ${(used / 1000).toFixed(0)} ms of CPU, ${seen}`);
  }
  throw new Error(`of ${name}, none of ${ATTEMPTS} loads could be counted`);
}

/** Looks at the clock again and again. @returns {() => number} ends it: the longest time between two looks, in ms */
function watchClock() {
  let [last, longest] = [performance.now(), 0];
  const look = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  };
  // Whatever becomes of the load, nothing waits for this one.
  const timer = setInterval(look, 100).unref();
  return () => {
    clearInterval(timer);
    look();
    return longest;
  };
}

/** Round by round. @param {Run[][]} starts @param {Run[][]} floor */
function ratios(starts, floor) {
  const isSame = starts.length === floor.length && starts.every((runs, at) => runs.length === floor[at].length);
  if (!isSame) throw new Error("they were not measured in the same rounds");
  return starts.map((runs, start) => runs.map(({ cpu }, round) => cpu / floor[start][round].cpu));
}

/** @param {number[]} values */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Student's t for 95 % by degrees of freedom, from one; 2 is near enough behind these. */
const STUDENT = [
  12.71, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.2, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.1, 2.09, 2.09,
];
/** A median's standard error against a mean's, for values that are spread normally. */
const OF_A_MEDIAN = Math.sqrt(Math.PI / 2);

/**
 * The median of several rounds with its noise.
 * @param {number[]} values
 * @returns {Figure}
 */
export function figure(values) {
  return noisy(values, median(values), OF_A_MEDIAN);
}

/**
 * The mean of the medians of several starts, of which each counts once: rounds of one process are no sample of others.
 * @param {number[][]} starts
 */
function figureOf(starts) {
  if (starts.length === 1) return figure(starts[0]);
  const medians = starts.map(median);
  return noisy(medians, mean(medians), 1);
}

/**
 * Two such values differ by root two of one's standard error.
 * @param {number[]} sample @param {number} value of it @param {number} efficiency its standard error against a mean's
 * @returns {Figure}
 */
function noisy(sample, value, efficiency) {
  const { length } = sample;
  // Nothing is a part of zero.
  if (length < 2 || value === 0) return { value, noise: null };
  const error = efficiency * Math.sqrt(variance(sample) / length);
  return { value, noise: (studentOf(length - 1) * Math.SQRT2 * error) / Math.abs(value) };
}

/** @param {number} freedom its degrees, at least one */
const studentOf = (freedom) => STUDENT[freedom - 1] ?? 2;

/** That of what a sample is of. @param {number[]} sample two values at least */
function variance(sample) {
  const middle = mean(sample);
  return sample.reduce((sum, one) => sum + (one - middle) ** 2, 0) / (sample.length - 1);
}

/** @param {number[]} values */
export function mean(values) {
  return values.reduce((sum, one) => sum + one, 0) / values.length;
}
