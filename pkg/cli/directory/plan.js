// Reads what there is and finds what is to be done.

import { base, pathOf } from "../client.js";
import { CliError, EXIT } from "../errors.js";
import { compare, missingSecrets, planList } from "./compare.js";

/**
 * @typedef {import("../client.js").Client} Client
 * @typedef {import("./compare.js").Step} Step
 * @typedef {{ steps: Step[], unlisted: number, keptSelf: boolean }} Plan
 */

/**
 * @param {Client} client @param {import("./schema.js").Directory} directory
 * @param {{ prune?: boolean }} options @param {Record<string, string | undefined>} env
 * @param {(read: number) => void} progress
 * @returns {Promise<Plan>}
 */
export async function plan(client, directory, { prune = false }, env, progress) {
  /** @type {Plan} */
  const found = { steps: [], unlisted: 0, keptSelf: false };
  if (directory.tenant !== undefined) {
    const { body } = await client.request("GET", "/tenant");
    const update = compare("tenant", directory.tenant, body);
    const id = client.profile.tenant;
    if (update !== undefined) {
      found.steps.push({ action: "change", kind: "tenant", id, wanted: directory.tenant, update });
    }
  }
  const self = client.profile.clientId;
  for (const [kind, wanted, path] of /** @type {const} */ ([
    ["api", directory.apis, "/apis"],
    ["application", directory.applications, "/applications"],
  ])) {
    if (wanted === undefined) continue;
    const list = await planList(kind, wanted, counting(client.pages(path), progress), {
      prune,
      self,
    });
    found.steps.push(...list.steps);
    found.unlisted += list.unlisted;
    found.keptSelf ||= list.keptSelf;
  }
  const missing = missingSecrets(found.steps, env);
  if (missing.length > 0) {
    throw new CliError(
      `${missing.slice(0, 5).join(", ")} not set, and new applications have their secrets there`,
      {
        exit: EXIT.usage,
        hint: "Set them in the environment",
      },
    );
  }
  return found;
}

/**
 * @template {{ items: any[] }} T
 * @param {AsyncIterable<T>} pages
 * @param {(read: number) => void} progress
 */
async function* counting(pages, progress) {
  let read = 0;
  for await (const page of pages) {
    read += page.items.length;
    progress(read);
    yield page;
  }
}

/** Where a thing is. @param {Pick<Step, "kind" | "id">} step */
export const placeOf = ({ kind, id }) =>
  kind === "tenant"
    ? "/tenant"
    : kind === "api"
      ? `/apis${pathOf(id)}`
      : `/applications${pathOf(id)}`;

/** What a file is for, in its first lines. @param {Client} client */
export const heading = (client) =>
  `# The directory of ${base(client.profile)}, without its secrets.\n` +
  "# Change it, see what would be done with `edgemint apply -f FILE --dry-run`, and apply it.\n";
