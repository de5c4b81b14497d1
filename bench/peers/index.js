// Other people's token services that ours is held against: one module of this folder for each.

import { readdirSync } from "node:fs";

/**
 * @typedef {object} Peer
 * @property {string} name
 * @property {string} version
 * @property {string} platform workerd, or Node with its version
 * @property {string} note what the comparison does not cover
 * @property {(folder: string) => Promise<import("../measure.js").Contestant>} [clientCredentials] `folder` is
 * in memory, its own, and not there yet
 * @property {(folder: string) => Promise<import("../measure.js").Contestant>} [refresh]
 */

/** @returns {Promise<Peer[]>} by the names of their modules, of which one may have several */
export async function peers() {
  const names = readdirSync(new URL(".", import.meta.url), { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".js") && entry.name !== "index.js")
    .map(({ name }) => name)
    .sort();
  const modules = await Promise.all(names.map((name) => import(`./${name}`)));
  return modules.flatMap(({ peer, others = [] }) => [peer, ...others]);
}

/** How a peer is called in tables. @param {Peer} peer */
export function described({ name, version, platform, note }) {
  return { name: `${name} ${version} on ${platform}`, note };
}

/**
 * Starts those that know a grant, one after another.
 * @param {Peer[]} chosen
 * @param {"clientCredentials" | "refresh"} grant
 * @param {string} folder the beginning of the names of theirs
 */
export async function startPeers(chosen, grant, folder) {
  const contestants = [];
  for (const [index, peer] of chosen.entries()) {
    const contestant = await peer[grant]?.(`${folder}-${index}`);
    if (contestant) contestants.push({ ...contestant, ...described(peer) });
  }
  return contestants;
}
