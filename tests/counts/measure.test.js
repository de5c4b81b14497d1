// What a measurement takes for its own fault, for the server's and for the machine's.

import assert from "node:assert/strict";
import test from "node:test";
import { load, startedOnce } from "../../bench/measure.js";

/** Milliseconds: more than the two seconds that count as one. */
const STANDSTILL = 2200;
const LATENCY = { seconds: 1, bytes: 1, median: 1, p90: 1, p99: 1 };
const SERVED = { ...LATENCY, requests: 1000, errors: 0 };
const CUT = { ...LATENCY, requests: 1000, errors: 32, cut: 32 };
const REFUSED = { ...LATENCY, requests: 1000, errors: 32, why: "32 of status" };

/** Nothing of this process goes on meanwhile. @param {number} milliseconds */
const standStill = (milliseconds) =>
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);

/**
 * Loads a server that these loads are all that is known of, in half a second of its CPU each.
 * @param {{ pause: number, outcome: import("../../bench/load.js").Outcome }[]} loads
 */
async function loaded(loads) {
  let cpu = 0;
  /** @type {string[]} */
  const told = [];
  const left = loads.slice();
  const server = { origin: "", pid: 0, memory: () => 0, cpu: () => cpu, stop: async () => {} };
  const run = await load(
    {
      name: "ours",
      server,
      url: "",
      verify: async () => {},
      load: async () => {
        const { pause, outcome } = left.shift() ?? assert.fail("it was loaded once too often");
        standStill(pause);
        cpu += 500_000;
        return outcome;
      },
    },
    1,
    32,
    (line) => told.push(line),
  );
  assert.equal(left.length, 0, "fewer loads than there are");
  return { run, told };
}

test("connections that a server closed as the machine stood still are no errors: it is loaded again", async () => {
  const { run, told } = await loaded([
    { pause: STANDSTILL, outcome: CUT },
    { pause: 0, outcome: SERVED },
  ]);
  assert.equal(run.cpu, 500);
  assert.equal(told.length, 1);
  assert.match(told[0], /^ours again: .*the clock went on by \d{4,} ms at once, 32 connections were closed$/);
});

test("connections that a server closed on a machine that went on are errors", async () => {
  await assert.rejects(loaded([{ pause: 0, outcome: CUT }]), /32 errors in 1000 requests/);
});

test("an answer that is missing is an error, whatever else the machine explains", async () => {
  const outcome = { ...CUT, errors: 33 };
  await assert.rejects(loaded([{ pause: STANDSTILL, outcome }]), /33 errors in 1000 requests/);
});

test("a server that closes connections in load after load is not measured", async () => {
  const loads = Array.from({ length: 5 }, () => ({ pause: STANDSTILL, outcome: CUT }));
  await assert.rejects(loaded(loads), /of ours, none of 5 loads could be counted/);
});

test("an answer that is an error is one, whether or not the machine stood still", async () => {
  const loads = [{ pause: STANDSTILL, outcome: REFUSED }];
  await assert.rejects(loaded(loads), /32 errors in 1000 requests: 32 of status/);
});

test("a load that nothing is wrong with counts, though the machine stood still in it", async () => {
  const { told } = await loaded([{ pause: STANDSTILL, outcome: SERVED }]);
  assert.deepEqual(told, []);
});

/**
 * What a contestant cost, by start and by round.
 * @param {number[][]} starts microseconds
 * @param {number} [noise] that its rounds tell
 * @returns {import("../../bench/measure.js").Measured}
 */
function cost(starts, noise = 0.01) {
  const figure = { value: 1, noise };
  const runs = starts.map((rounds) => rounds.map((cpu) => ({ ...SERVED, cpu })));
  return { name: "", cpu: figure, ratio: figure, perSecond: 1, latency: 1, starts: runs };
}

test("what was started once has at least the noise of starts that lie apart", () => {
  const floor = cost([
    [100, 100],
    [100, 100],
  ]);
  // A tenth to either side of their mean: a deviation of 0.1414 with one degree of freedom, Student's t 12.71.
  const several = [
    floor,
    cost([
      [90, 90],
      [110, 110],
    ]),
  ];
  const { noise } = startedOnce(cost([[100, 100]]), several).ratio;
  assert.ok(Math.abs(Number(noise) - 12.71 * 2 * 0.1) < 1e-9, `${noise}`);
  // Another one with the same starts is no more evidence.
  const { ratio } = startedOnce(cost([[100, 100]]), [...several, several[1]]);
  assert.ok(Math.abs(Number(ratio.noise) - 12.71 * 2 * 0.1) < 1e-9, `${ratio.noise}`);
});

test("what was started once keeps the noise of its rounds where that is more, or none is known", () => {
  const starts = [
    [100, 100],
    [101, 101],
    [99, 99],
  ];
  const several = [cost(starts), cost(starts)];
  assert.equal(startedOnce(cost([[80, 120]], 0.5), several).ratio.noise, 0.5);
  const single = { ...cost([[100]]), ratio: { value: 1, noise: null } };
  assert.equal(startedOnce(single, several).ratio.noise, null);
  // With --quick, nothing is known of starts.
  assert.equal(startedOnce(cost([[100]]), [cost([[100]]), cost([[100]])]).ratio.noise, 0.01);
});
