// Other people's token services that ours is held against: one module of this folder for each.

import { readdirSync } from "node:fs";

/**
 * @typedef {object} Peer
 * @property {string} name
 * @property {string} version
 * @property {"workerd" | "Node"} platform
 * @property {string} note what the comparison does not cover
 * @property {(folder: string) => Promise<import("../measure.js").Contestant>} [clientCredentials] `folder` is
 * in memory, its own, and not there yet
 * @property {(folder: string) => Promise<import("../measure.js").Contestant>} [refresh]
 */

/** @returns {Promise<Peer[]>} by the names of their modules */
export async function peers() {
  const names = readdirSync(new URL(".", import.meta.url), { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".js") && entry.name !== "index.js")
    .map(({ name }) => name)
    .sort();
  const modules = await Promise.all(names.map((name) => import(`./${name}`)));
  return modules.map(({ peer }) => peer);
}
