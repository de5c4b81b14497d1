// Refreshing with rotation: each refresh token is spent once.
//
// A load falls into one of two states, and stays there for seconds: its requests go through the server in step
// with each other, or one after the other, when every step of a request finds the processor's caches cold and each
// answer wakes the client. The second costs twice as much, as much as a single connection does. So there are many
// short rounds, whose median is of the first state unless most of a start's were of the other; that is told, and
// what the ratio is over all rounds (docs/decisions/0015).

import { join } from "node:path";
import { checkOf } from "../budgets.js";
import { objectFloor } from "../floors.js";
import { barsOf, budgetedFirst, compareBudgetedFirst, figuresOf, mean, median, notesOf } from "../measure.js";
import { startByStart, tableOf } from "../measure.js";
import { ourSessions } from "../ours.js";
import { peers, startPeers } from "../peers/index.js";

const OURS = "ours, ES256";

/** @type {import("../report.js").Section} */
export const section = {
  name: "refresh",
  title: "Refresh with rotation",
  rounds: { rounds: 12, seconds: 2 },
  async run(context) {
    const at = (/** @type {string} */ name) => join(context.folder, name);
    const budgeted = async (/** @type {number} */ start) => [
      await objectFloor(at(`floor-${start}`)),
      await ourSessions(at(`ours-${start}`), OURS),
    ];
    const others = async () => [
      await objectFloor(at("floor")),
      ...(await startPeers(await peers(), "refresh", at("peer"))),
    ];
    const comparison = await compareBudgetedFirst(context, budgeted, others);
    return {
      title: section.title,
      how: budgetedFirst(context),
      tables: [tableOf("A refresh, its token rotated", comparison, "the object floor")],
      checks: [checkOf("refresh", comparison[1].ratio)],
      plots: [barsOf("refresh", "CPU per refresh with rotation", comparison)],
      figures: figuresOf(comparison),
      notes: [...notesOf(comparison), startByStart(comparison, OURS, comparison[0].name), outOfStep(comparison)],
    };
  },
};

/** A round out of step costs at least so many times the median of the cheapest start. */
const OUT_OF_STEP = 1.25;

/** How many rounds were, of what has a budget, for a reader. @param {import("../measure.js").Comparison} comparison */
function outOfStep(comparison) {
  const [floor, ours] = comparison.slice(0, 2).map(({ name, starts }) => {
    const rounds = starts.map((runs) => runs.map(({ cpu }) => cpu));
    const medians = rounds.map(median);
    const usual = Math.min(...medians);
    const isOut = (/** @type {number} */ cpu) => cpu > OUT_OF_STEP * usual;
    const all = rounds.flat();
    return {
      told: `${name} ${all.filter(isOut).length} of ${all.length}`,
      starts: medians.filter(isOut).length,
      mean: mean(all),
    };
  });
  return (
    `rounds out of step, a quarter dearer than the median of the cheapest start: ${floor.told}, ${ours.told}; ` +
    `medians of starts: ${floor.starts} and ${ours.starts}; ` +
    `the ratio of the means of all rounds: ${(ours.mean / floor.mean).toFixed(3)}`
  );
}
