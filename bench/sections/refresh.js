// Refreshing with rotation: each refresh token is spent once.

import { join } from "node:path";
import { checkOf } from "../budgets.js";
import { objectFloor } from "../floors.js";
import { barsOf, budgetedFirst, compareBudgetedFirst, figuresOf, notesOf, tableOf } from "../measure.js";
import { ourSessions } from "../ours.js";
import { peers } from "../peers/index.js";
import { described } from "./tokens.js";

/** @type {import("../report.js").Section} */
export const section = {
  name: "refresh",
  title: "Refresh with rotation",
  async run(context) {
    const at = (/** @type {string} */ name) => join(context.folder, name);
    const contestants = [await objectFloor(at("floor")), await ourSessions(at("ours"), "ours, ES256")];
    for (const [index, peer] of (await peers()).entries()) {
      const contestant = await peer.refresh?.(at(`peer-${index}`));
      if (contestant) contestants.push({ ...contestant, ...described(peer) });
    }
    const comparison = await compareBudgetedFirst({ ...context, contestants }, 2);
    return {
      title: section.title,
      how: budgetedFirst(context),
      tables: [tableOf("A refresh, its token rotated", comparison, "the object floor")],
      checks: [checkOf("refresh", comparison[1].ratio)],
      plots: [barsOf("refresh", "CPU per refresh with rotation", comparison)],
      figures: figuresOf(comparison),
      notes: notesOf(comparison),
    };
  },
};
