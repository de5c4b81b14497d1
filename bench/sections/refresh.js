// Refreshing with rotation: each refresh token is spent once.

import { join } from "node:path";
import { checkOf } from "../budgets.js";
import { objectFloor } from "../floors.js";
import { barsOf, budgetedFirst, compareBudgetedFirst, figuresOf, notesOf, startByStart, tableOf } from "../measure.js";
import { ourSessions } from "../ours.js";
import { peers, startPeers } from "../peers/index.js";

const OURS = "ours, ES256";

/** @type {import("../report.js").Section} */
export const section = {
  name: "refresh",
  title: "Refresh with rotation",
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
      notes: [...notesOf(comparison), startByStart(comparison, OURS, comparison[0].name)],
    };
  },
};
