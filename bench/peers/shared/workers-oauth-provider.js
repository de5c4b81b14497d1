// What both of its peers have in common: they differ in the KV that it is over.

import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { bundle } from "../../servers.js";
import { ROLES, SCOPES, post, refreshForm, rotation, versionOf } from "./client.js";

export const version = versionOf("@cloudflare/workers-oauth-provider");

export const NOTE =
  "no token is signed: an access token is a random string too, to be looked up in KV by whoever gets it; a " +
  "refresh reads KV twice and writes it twice; KV has no compare-and-set, so the refresh token before the " +
  "current one stays good, and a replayed older one revokes nothing";

/** Its modules and what they are bound to. @param {string} origin */
export async function provider(origin) {
  const path = fileURLToPath(new URL("../workers-oauth-provider/worker.js", import.meta.url));
  const claims = { roles: ROLES, tid: randomUUID() };
  const settings = { issuer: origin, scopes: SCOPES, claims };
  return { modules: await bundle(path), bindings: { SETTINGS: JSON.stringify(settings) } };
}

/**
 * @param {string} name
 * @param {import("../../servers.js").Server} server
 * @param {string} note
 */
export async function contestant(name, server, note) {
  const { origin } = server;
  /** @type {{ id: string, secret: string }} */
  const client = await post(`${origin}/bench/client`, "");
  const { id, secret } = client;
  const { tokens, verifyRotated } = rotation((count) =>
    post(`${origin}/bench/refresh-tokens?client=${id}&secret=${secret}&count=${count}`, ""),
  );
  return {
    name,
    server,
    url: `${origin}/oauth/token`,
    body: refreshForm(client),
    tokens,
    verify: async (/** @type {string} */ answer) => {
      verifyRotated(answer);
      const headers = { authorization: `Bearer ${JSON.parse(answer).access_token}` };
      const known = await (await fetch(`${origin}/bench/token`, { headers })).json();
      if (known?.clientId !== id || `${known.props.roles}` !== `${ROLES}`) {
        throw new Error(`the access token is ${JSON.stringify(known)}`);
      }
    },
    note,
  };
}
