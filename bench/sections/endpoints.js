// What else is asked often: introspection, the keys, the metadata.

import { join } from "node:path";
import { hello } from "../floors.js";
import { barsOf, compare, figuresOf, notesOf, tableOf } from "../measure.js";
import { API, TENANT, sessions, signIns, startService, tokenForm } from "../ours.js";

/** One for machines, beside that of users. */
const REPORTS = "api://reports";

/** @type {import("../report.js").Section} */
export const section = {
  name: "endpoints",
  title: "Introspection, keys, metadata",
  async run(context) {
    const { server, issuer, registered } = await startService(join(context.folder, "ours"), directory);
    const [{ access_token, refresh_token }] = await signIns(server, registered, 1);
    const form = tokenForm(registered.machine, REPORTS);
    const granted = await fetch(`${issuer}/oauth2/token`, { method: "POST", body: new URLSearchParams(form) });
    const { access_token: machine } = /** @type {any} */ (await granted.json());

    /** @param {string} name @param {string} token @param {import("../ours.js").Client} client */
    const introspection = (name, token, { clientId, secret = "" }) => ({
      name: `introspection of ${name}`,
      server,
      url: `${issuer}/oauth2/introspect`,
      body: new URLSearchParams({ token, client_id: clientId, client_secret: secret }).toString(),
      verify: async (/** @type {string} */ answer) => {
        if (JSON.parse(answer).active !== true) throw new Error(`not active: ${answer}`);
      },
    });
    /** @param {string} name @param {string} path @param {(document: any) => boolean} holds */
    const document = (name, path, holds) => ({
      name,
      server,
      method: /** @type {const} */ ("GET"),
      url: `${issuer}/.well-known/${path}`,
      verify: async (/** @type {string} */ answer) => {
        if (!holds(JSON.parse(answer))) throw new Error(`${name}: ${answer}`);
      },
    });
    const { auditor, client } = registered;
    const contestants = [
      await hello(join(context.folder, "hello")),
      document("keys", "jwks.json", ({ keys }) => keys[0].kty === "EC"),
      document("metadata", "openid-configuration", (found) => found.issuer === issuer),
      introspection("a machine's access token", machine, auditor),
      introspection("a user's access token", access_token, auditor),
      introspection("a refresh token", refresh_token, client),
    ];
    const comparison = await compare({ ...context, contestants });
    return {
      title: section.title,
      tables: [tableOf("Requests that sign nothing", comparison, "hello")],
      checks: [],
      plots: [barsOf("endpoints", "CPU per request that signs nothing", comparison)],
      figures: figuresOf(comparison),
      notes: [
        ...notesOf(comparison),
        "Introspection verifies one signature of an access token, and asks the object of the session, if it " +
          "has one, whether it lives.",
      ],
    };
  },
};

/** @param {import("../ours.js").Administration} admin */
async function directory(admin) {
  const registered = await sessions(admin);
  const tenant = TENANT;
  const roles = ["Reports.Read.All"];
  await admin.createApi({ tenant, identifier: REPORTS, roles: roles.map((value) => ({ value })) });
  const machine = await application({});
  await admin.assignRoles({ tenant, clientId: machine.clientId, api: REPORTS, roles });
  return { ...registered, machine, auditor: await application({ introspects: [API, REPORTS] }) };

  /** @param {{ introspects?: string[] }} more */
  async function application(more) {
    const { clientId } = await admin.createApplication({ tenant, ...more });
    return { clientId, secret: (await admin.addSecret({ tenant, clientId })).secret };
  }
}
