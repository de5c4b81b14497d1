// openauth with a provider of our own that knows applications by their secrets: openauth leaves this to
// providers. It makes the keys itself.

import { issuer } from "@openauthjs/openauth";
import { createSubjects } from "@openauthjs/openauth/subject";
import { secretMatches } from "../shared/secret.js";
import { mapStorage } from "./storage.js";

/**
 * @typedef {object} Directory
 * @property {{ id: string, secretHash: string, claims: Record<string, unknown> }[]} clients
 * @property {number} refreshLifetime in seconds
 *
 * @typedef {{ subject: string, claims: Record<string, unknown> }} Application
 */

// It logs every request, and has no setting for it.
console.log = () => {};

/** @type {ReturnType<typeof create> | undefined} */
let app;

export default {
  /** @param {Request} request @param {{ DIRECTORY: string }} env in JSON */
  fetch(request, env) {
    app ??= create(JSON.parse(env.DIRECTORY));
    return app.fetch(request, env);
  },
};

/** @param {Directory} directory */
function create({ clients, refreshLifetime }) {
  const registered = new Map(
    clients.map(({ id, secretHash, claims }) => [
      id,
      { secretHash: Uint8Array.fromBase64(secretHash), claims },
    ]),
  );

  /** @type {import("@openauthjs/openauth/provider/provider").Provider<Application>} */
  const applications = {
    type: "applications",
    init() {},
    async client({ clientID, clientSecret, params }) {
      const client = registered.get(clientID);
      const same = await secretMatches(clientSecret, client?.secretHash);
      if (client === undefined || !same) throw new Error("invalid client");
      return { subject: params.user ?? clientID, claims: client.claims };
    },
  };

  return issuer({
    storage: mapStorage(),
    subjects: createSubjects({ application: anything() }),
    providers: { applications },
    ttl: { access: 3600, refresh: refreshLifetime, reuse: 0 },
    success: (context, { subject, claims }) => context.subject("application", claims, { subject }),
  });
}

/** A schema that takes what it is given: all of it is made here. */
function anything() {
  /** @param {unknown} value */
  const validate = (value) => ({ value: /** @type {Record<string, unknown>} */ (value) });
  return { "~standard": { version: /** @type {const} */ (1), vendor: "edgemint", validate } };
}
