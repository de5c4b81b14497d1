// Reads what there is and finds what is to be done.

import { base, pathOf } from "../client.js";
import { CliError, EXIT } from "../errors.js";
import { ADMIN_API, adminRoles } from "./administration.js";
import { compare, missingSecrets, planList, undeclared, unfitSecrets } from "./compare.js";

/**
 * @typedef {import("../client.js").Client} Client
 * @typedef {import("./compare.js").Step} Step
 * @typedef {{ steps: Step[], unlisted: string[], keptSelf: boolean }} Plan
 */

/**
 * @param {Client} client @param {import("./schema.js").Directory} directory
 * @param {{ prune?: boolean }} options @param {Record<string, string | undefined>} env
 * @param {(read: number) => void} progress
 * @returns {Promise<Plan>}
 */
export async function plan(client, directory, { prune = false }, env, progress) {
  /** @type {Plan} */
  const found = { steps: [], unlisted: [], keptSelf: false };
  if (directory.tenant !== undefined) {
    const { body } = await client.request("GET", "/tenant");
    checkTenant(directory.tenant, body);
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
    for (const one of list.unlisted) found.unlisted.push(one);
    found.keptSelf ||= list.keptSelf;
  }
  await checkRoles(client, directory, prune);
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
  const unfit = unfitSecrets(found.steps, env);
  if (unfit.length > 0) {
    throw new CliError(
      `${unfit.slice(0, TOLD).join(", ")}: a secret has at least 32 characters, and no control character`,
      { exit: EXIT.usage, code: "invalid", hint: "Make one with `openssl rand -hex 32`" },
    );
  }
  return found;
}

/**
 * A file that says whose it is is not applied to another tenant.
 * @param {Record<string, any>} wanted @param {Record<string, any>} current
 */
function checkTenant({ name, id }, current) {
  for (const [said, is] of [
    [name, current.tenant],
    [id, current.id],
  ]) {
    if (said === undefined || said === is) continue;
    throw new CliError(`the file is for the tenant ${said}, and this is ${is}`, {
      exit: EXIT.usage,
      code: "file",
      hint: "Use its profile, or take `name` and `id` out of the file. Nothing was changed",
    });
  }
}

/** So many mistakes are told. */
const TOLD = 5;

/**
 * Refuses assignments of app roles that will not be there: the service would, in the middle of it.
 * @param {Client} client @param {import("./schema.js").Directory} directory @param {boolean} prune
 */
async function checkRoles(client, { apis, applications }, prune) {
  const assigning = (applications ?? []).filter(({ assignments }) => assignments !== undefined);
  if (!assigning.some(({ assignments }) => Object.keys(assignments ?? {}).length > 0)) return;
  const values = (/** @type {any[] | undefined} */ roles) =>
    new Set((roles ?? []).map(({ value }) => value));
  const named = new Map((apis ?? []).map((one) => [one.identifier, one]));
  /** @type {Map<string, Set<string>>} */
  const declared = new Map();
  for await (const { items } of client.pages("/apis")) {
    for (const { identifier, roles } of items) {
      if (prune && apis !== undefined && !named.has(identifier)) continue;
      declared.set(identifier, values(roles));
    }
  }
  for (const [identifier, { roles }] of named) {
    // Roles of which the file says nothing stay as they are.
    if (roles !== undefined || !declared.has(identifier)) declared.set(identifier, values(roles));
  }
  declared.set(ADMIN_API, values(adminRoles()));
  const wrong = undeclared(assigning, declared);
  if (wrong.length === 0) return;
  const more = wrong.length > TOLD ? `; and ${wrong.length - TOLD} more` : "";
  throw new CliError(`the file is not right: ${wrong.slice(0, TOLD).join("; ")}${more}`, {
    exit: EXIT.usage,
    code: "file",
    hint: "Let the API declare the role, or take it out of the assignments. Nothing was changed",
  });
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
