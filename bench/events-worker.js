// The worker, with issuance events or without, as its binding says. It reads what the deployed one reads.

import { directoryStore } from "../pkg/stores/directory.js";
import { durableObjectStore } from "../pkg/stores/durable-object.js";
import { createIssuer } from "../pkg/workerd.js";

export { DirectoryObject } from "../pkg/stores/directory-object.js";
export { GrantObject } from "../pkg/stores/durable-object.js";

/** @type {import("../pkg/index.d.ts").Issuer | undefined} */
let issuer;

export default {
  /** @param {Request} request @param {any} env @param {any} context */
  fetch(request, env, context) {
    issuer ??= createIssuer({
      baseUrl: env.BASE_URL,
      masterKey: env.MASTER_KEY,
      store: directoryStore({ kv: env.DIRECTORY, objects: env.TENANTS }),
      grants: durableObjectStore(env.GRANTS),
      administration: false,
      issuanceEvents: env.ISSUANCE_EVENTS === "yes",
    });
    return issuer.fetch(request, context);
  },
};
