// The start in a Worker, over its Durable Objects: what came of it is the answer.

import { durableObjectStore } from "edgemint/stores/durable-object";
import { program } from "./program.js";

export { GrantObject } from "edgemint/stores/durable-object";

export default {
  /** @param {Request} _request @param {{ GRANTS: import("edgemint/stores/durable-object").GrantNamespace }} env */
  fetch: async (_request, env) => Response.json(await program(durableObjectStore(env.GRANTS))),
};
