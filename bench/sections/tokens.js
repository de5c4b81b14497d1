// A token by client credentials: ours against the floors, and against what other people made.

import { join } from "node:path";
import { checkOf } from "../budgets.js";
import { hello, signFloor } from "../floors.js";
import { barsOf, budgetedFirst, compareBudgetedFirst, figuresOf, notesOf } from "../measure.js";
import { percent, ratioOf, startByStart, tableOf } from "../measure.js";
import { ourTokens } from "../ours.js";
import { described, peers, startPeers } from "../peers/index.js";

const OURS = "ours, ES256";
/** Each has a floor that signs with it. */
const OTHERS = /** @type {const} */ (["EdDSA", "RS256"]);
const QUIET = { bindings: { ISSUANCE_EVENTS: "false" } };

/** The peers that budgets are stated against. @type {Record<string, "hono" | "oidcProvider">} */
const BUDGETED = { "Hono and jose": "hono", "oidc-provider": "oidcProvider" };

/** @type {import("../report.js").Section} */
export const section = {
  name: "tokens",
  title: "Client credentials",
  async run(context) {
    const { folder } = context;
    const at = (/** @type {string} */ name) => join(folder, name);
    const asked = await peers();
    for (const wanted of Object.keys(BUDGETED)) {
      const found = asked.some(({ name, clientCredentials }) => name === wanted && clientCredentials);
      if (!found) throw new Error(`a budget is stated against ${wanted}, which is not there`);
    }
    const compared = asked.filter(({ name }) => name in BUDGETED);
    const uncompared = asked.filter((peer) => !compared.includes(peer));
    const budgeted = async (/** @type {number} */ start) => [
      await signFloor(at(`sign-${start}`)),
      await ourTokens(at(`ours-${start}`), OURS, "ES256"),
      ...(await startPeers(compared, "clientCredentials", at(`compared-${start}`))),
    ];
    const others = async () => {
      const contestants = [
        await signFloor(at("sign")),
        await hello(at("hello")),
        await ourTokens(at("quiet"), `${OURS}, without issuance events`, "ES256", QUIET),
        ...(await startPeers(uncompared, "clientCredentials", at("other"))),
      ];
      for (const algorithm of OTHERS) {
        contestants.push(await signFloor(at(`sign-${algorithm}`), algorithm));
        contestants.push(await ourTokens(at(algorithm), `ours, ${algorithm}`, algorithm));
      }
      return contestants;
    };
    const comparison = await compareBudgetedFirst(context, budgeted, others);
    const against = [comparison[0].name, ...compared.map((peer) => described(peer).name)];
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
        checkOf("sign", comparison[1].ratio),
        ...compared.map((peer) => {
          const more = peer.platform === "workerd" ? "" : ` on ${peer.platform}`;
          return checkOf(BUDGETED[peer.name], ratioOf(comparison, OURS, described(peer).name), more);
        }),
      ],
      plots: [barsOf("tokens", "CPU per token, client credentials", comparison)],
      figures: figuresOf(comparison),
      notes: [...notesOf(comparison), ...against.map((name) => startByStart(comparison, OURS, name))],
    };
  },
};
