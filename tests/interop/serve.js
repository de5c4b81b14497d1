// Starts the worker, gets a token for each algorithm, and prints tokens and keys as the worker serves
// them: what an API in another language receives.

import { register, startWorker, tokenRequest } from "../workerd/world.js";

const worker = await startWorker();
const issued = [];
for (const algorithm of /** @type {const} */ (["ES256", "EdDSA", "RS256"])) {
  const tenant = algorithm.toLowerCase();
  const { clientId, secret, scope } = await register(worker.admin, { tenant, algorithm });
  const parameters = { client_id: clientId, client_secret: secret, scope };
  const response = await worker.fetch(tokenRequest(parameters, `/${tenant}/oauth2/token`));
  const { access_token: token } = /** @type {any} */ (await response.json());
  const keys = await fetch(new URL(`/${tenant}/.well-known/jwks.json`, worker.url));
  issued.push({ algorithm, tenant, token, jwks: await keys.json() });
}
console.log(JSON.stringify(issued));
await worker.stop();
