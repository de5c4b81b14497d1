// A token by client credentials: ours against the floors, and against what other people made.

import { join } from "node:path";
import { checkOf } from "../budgets.js";
import { hello, signFloor } from "../floors.js";
import { barsOf, budgetedFirst, compareBudgetedFirst, figuresOf, notesOf, percent, ratioOf, tableOf } from "../measure.js";
import { ourTokens } from "../ours.js";
import { peers } from "../peers/index.js";

const OURS = "ours, ES256";
/** Each has a floor that signs with it. */
const OTHERS = /** @type {const} */ (["EdDSA", "RS256"]);
/** Whether every token is an event, whatever the worker that is deployed does. */
const EVENTS = "bench/events-worker.js";

/** The peers that budgets are stated against. @type {Record<string, "hono" | "oidcProvider">} */
const BUDGETED = { "Hono and jose": "hono", "oidc-provider": "oidcProvider" };

/** @type {import("../report.js").Section} */
export const section = {
  name: "tokens",
  title: "Client credentials",
  async run(context) {
    const { folder } = context;
    const at = (/** @type {string} */ name) => join(folder, name);
    const contestants = [
      await hello(at("hello")),
      await signFloor(at("sign")),
      await ourTokens(at("ours"), OURS, "ES256"),
    ];
    // Those of the budgets come first.
    const asked = await peers();
    for (const wanted of Object.keys(BUDGETED)) {
      const found = asked.some(({ name, clientCredentials }) => name === wanted && clientCredentials);
      if (!found) throw new Error(`a budget is stated against ${wanted}, which is not there`);
    }
    contestants.push(...(await eventful(at)));
    const budgeted = asked.filter(({ name }) => name in BUDGETED);
    const others = asked.filter((peer) => !budgeted.includes(peer));
    let first = contestants.length;
    for (const [index, peer] of [...budgeted, ...others].entries()) {
      const contestant = await peer.clientCredentials?.(at(`peer-${index}`));
      if (contestant) contestants.push({ ...contestant, ...described(peer) });
      if (index < budgeted.length) first = contestants.length;
    }
    for (const algorithm of OTHERS) {
      contestants.push(await signFloor(at(`sign-${algorithm}`), algorithm));
      contestants.push(await ourTokens(at(algorithm), `ours, ${algorithm}`, algorithm));
    }
    const comparison = await compareBudgetedFirst({ ...context, contestants, floor: 1 }, first);
    return {
      title: section.title,
      how: budgetedFirst(context),
      tables: [
        tableOf("An access token by client credentials, warm", comparison, "the sign floor"),
        {
          caption: "The other algorithms against floors that sign with them",
          columns: ["", "against its floor", "noise"],
          rows: OTHERS.map((algorithm) => {
            const ratio = ratioOf(comparison, `ours, ${algorithm}`, `sign floor, ${algorithm}`);
            return [`ours, ${algorithm}`, ratio.value.toFixed(3), percent(ratio.noise)];
          }),
        },
      ],
      checks: [
        checkOf("sign", comparison[2].ratio),
        ...budgeted.map((peer) =>
          checkOf(BUDGETED[peer.name], ratioOf(comparison, OURS, described(peer).name)),
        ),
      ],
      plots: [barsOf("tokens", "CPU per token, client credentials", comparison)],
      figures: figuresOf(comparison),
      notes: [...notesOf(comparison), betweenProcesses(comparison)],
    };
  },
};

/** What it makes that the processes are others. @param {import("../measure.js").Comparison} comparison */
function betweenProcesses(comparison) {
  const same = `${OURS}, ${DEPLOYED}`;
  const { value, noise } = ratioOf(comparison, same, OURS);
  const known = noise === null ? "" : ` (${percent(noise)} from round to round)`;
  return (
    `\`${OURS}\` and \`${same}\` do the same in processes of their own. They lie ` +
    `${percent(Math.abs(value - 1)).slice(1)} apart${known}: as much may separate processes add to the noise ` +
    "that is stated, which is that of the rounds."
  );
}

/** Of the two ways, what the worker does that is deployed. */
const DEPLOYED = "with issuance events";

/**
 * One of the two is what the worker does that is deployed: how far those lie apart is what processes add.
 * @param {(name: string) => string} at
 */
async function eventful(at) {
  const ways = { [DEPLOYED]: "yes", "without issuance events": "no" };
  const contestants = [];
  for (const [way, ISSUANCE_EVENTS] of Object.entries(ways)) {
    const setting = { entry: EVENTS, bindings: { ISSUANCE_EVENTS } };
    contestants.push(await ourTokens(at(`events-${ISSUANCE_EVENTS}`), `${OURS}, ${way}`, "ES256", setting));
  }
  return contestants;
}

/** How a peer is called in tables. @param {import("../peers/index.js").Peer} peer */
export function described({ name, version, platform, note }) {
  return { name: `${name} ${version} on ${platform}`, note };
}
