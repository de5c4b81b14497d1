// What events of issuance cost: microseconds of CPU of the main thread for a client credentials request
// through `createIssuer` in this process (ES256 by SubtleCrypto, memory store, warm), by what listens. The
// ways alternate, in an order of their own each round. Run it with its standard output to /dev/null.

import { createIssuer } from "edgemint";
import { memoryStore } from "edgemint/stores/memory";
import { MASTER_KEY, register, tokenRequest } from "../tests/workerd/world.js";

const REQUESTS = 250;
const ROUNDS = 200;

let heard = 0;
/** @type {Record<string, Partial<import("edgemint").IssuerOptions>>} */
const ways = {
  none: { issuanceEvents: false },
  callback: { onEvent: () => void (heard += 1) },
  log: {},
};

const store = memoryStore();
const shared = { baseUrl: "https://auth.example.com", masterKey: MASTER_KEY, store };
const { clientId, secret, scope } = await register(createIssuer(shared).admin);
const rounds = Object.entries(ways).map(([name, options]) => ({
  name,
  issuer: createIssuer({ ...shared, ...options }),
  costs: /** @type {number[]} */ ([]),
}));

for (let round = -2; round < ROUNDS; round += 1) {
  for (const { issuer, costs } of rounds.toSorted(() => Math.random() - 0.5)) {
    const requests = Array.from({ length: REQUESTS }, () =>
      tokenRequest({ client_id: clientId, client_secret: secret, scope }),
    );
    const before = process.threadCpuUsage();
    for (const request of requests) {
      const response = await issuer.fetch(request);
      if (response.status !== 200) throw new Error(await response.text());
    }
    const { user, system } = process.threadCpuUsage(before);
    if (round >= 0) costs.push((user + system) / REQUESTS);
  }
}
const [base] = rounds;
const median = (/** @type {number[]} */ numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
for (const { name, costs } of rounds) {
  // Paired by round, so that what the machine does beside it falls out.
  const more = median(costs.map((cost, round) => cost - base.costs[round]));
  console.error(`${name.padEnd(10)} ${median(costs).toFixed(1)} us, ${more.toFixed(1)} us more than none`);
}
console.error(`${heard} heard`);
