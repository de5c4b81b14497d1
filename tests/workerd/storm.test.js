// The storm in workerd with real (miniflare's) Durable Objects, twice: with the step taken inside the
// object, and by compare-and-set.
//
//   STORM_SEED=1 node --test tests/workerd/storm.test.js

import { after, before, describe } from "node:test";
import { startLogin } from "../sign-in.js";
import { declareStorm, giveUpIdleConnections, registerAll } from "../storm/sessions.js";
import { startWorker } from "./world.js";

/** Shares of the store's calls. */
const FAULTS = { before: 0.05, after: 0.05, slow: 0.1 };
const CALM = { before: 0, after: 0, slow: 0 };

/** @param {"step" | "loop"} way */
async function startStorm(way) {
  const bindings = { WAY: way, CACHE_TTL: "1" };
  const worker = await startWorker({ entry: "tests/workerd/storm.js", bindings });
  const { login, auditor } = await registerAll(worker.admin);
  const users = await startLogin(worker.url, login);
  giveUpIdleConnections();
  const blow = async (/** @type {typeof CALM} */ faults) => {
    await fetch(new URL("/faults", worker.url), { method: "POST", body: JSON.stringify(faults) });
  };
  return { ...worker, auditor, users, begin: () => blow(FAULTS), end: () => blow(CALM) };
}

for (const [way, sessions] of /** @type {const} */ ([
  ["step", Number(process.env.STORM_SESSIONS ?? 1000)],
  ["loop", Number(process.env.STORM_SESSIONS ?? 300)],
])) {
  describe(way === "step" ? "with the step inside the object" : "with compare-and-set", () => {
    /** @type {Awaited<ReturnType<typeof startStorm>>} */
    let storm;
    before(async () => {
      storm = await startStorm(way);
    });
    after(() => storm.stop());
    declareStorm(() => storm, sessions);
  });
}
