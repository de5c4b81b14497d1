// `--directory`: the tenant of a file, in memory. The file is compared and carried out as `edgemint apply`
// does it, but in process: nobody administers it over HTTP unless the file says so.

import { createRequire } from "node:module";
import { readFileSync, rmSync } from "node:fs";
import { carryOut, naming } from "../cli/directory/carry-out.js";
import { plan } from "../cli/directory/plan.js";
import { readDirectory } from "../cli/directory/read.js";
import { CliError, EXIT, fileReason, usage } from "../cli/errors.js";
import { replaceFile } from "./files.js";
import { textOf } from "./settings.js";

/**
 * @typedef {import("../cli/directory/schema.js").Directory} Directory
 * @typedef {import("../index.d.ts").Issuer} Issuer
 * @typedef {{ clientId: string, secret: string }} Made a secret that was made, of an application
 */

/** The file, checked. @param {string} path @returns {Directory} */
export const readFile = (path) => readDirectory(textOf("--directory", path), path);

/** @param {Directory} directory @param {string | undefined} option @returns {string} */
export function nameOf({ tenant }, option) {
  const name = option ?? tenant?.name;
  if (name === undefined) {
    throw usage(
      "the tenant has no name",
      "Say it in the file, as `name` of `tenant`, or by --tenant NAME",
    );
  }
  return name;
}

/** The tenant of a file in an issuer. */
export class ServedDirectory {
  #issuer;
  #client;
  #copy;
  /** Those that were made, by application. @type {Map<string, string>} */
  #secrets = new Map();

  /**
   * @param {Issuer} issuer @param {string} tenant
   * @param {() => Issuer} copy makes an issuer of all that this one has at the moment
   */
  constructor(issuer, tenant, copy) {
    this.#issuer = issuer;
    this.#copy = copy;
    this.tenant = tenant;
    this.#client = new InProcess(issuer, tenant);
  }

  /** Makes the tenant. @param {Directory} directory @returns {Promise<Made[]>} */
  async create(directory) {
    const { name, ...settings } = directory.tenant ?? {};
    const { tenant } = this;
    const made = told(this.#issuer.admin.createTenant({ ...settings, tenant }));
    await naming({ kind: "tenant", id: tenant }, made);
    return this.update(directory, false);
  }

  /**
   * Makes it as the file says, or changes nothing: what the service refuses of it is found on a copy.
   * @param {Directory} directory
   * @returns {Promise<Made[]>}
   */
  async reload(directory) {
    try {
      await new ServedDirectory(this.#copy(), this.tenant, this.#copy).update(directory);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      // Those of the copy.
      const message = error.message.replace(/; \d+ of \d+ changes were made$/, "");
      const { exit, code } = error;
      throw Object.assign(new CliError(message, { exit, code }), { problems: /** @type {any} */ (error).problems });
    }
    return this.update(directory);
  }

  /**
   * Makes it as the file says, and nothing else.
   * @param {Directory} directory
   * @param {boolean} [remains] whether it goes on serving if that fails
   * @returns {Promise<Made[]>} the secrets of applications that the file has none for, and that had none
   */
  async update({ tenant, apis = [], applications = [] }, remains = true) {
    const client = /** @type {any} */ (this.#client);
    // What the option says goes before what the file says.
    const settings = { ...tenant, name: undefined };
    const wanted = { tenant: settings, apis, applications };
    const options = { prune: true, env: process.env, remains };
    const { steps } = await plan(client, wanted, options, process.env, () => {});
    await carryOut(client, steps, options, () => {});
    const made = [];
    for (const { kind, action, id } of steps) {
      if (kind === "application" && action === "remove") this.#secrets.delete(id);
    }
    const declared = new Set(
      applications.filter(({ secrets = [] }) => secrets.length > 0).map(({ clientId }) => clientId),
    );
    // Also one that was made when something after it failed.
    for (const { clientId, kind, secrets } of await this.#all("/applications")) {
      if (kind === "public" || secrets.length > 0 || declared.has(clientId)) continue;
      const act = { tenant: this.tenant, clientId, displayName: "serve" };
      const { secret } = await told(this.#issuer.admin.addSecret(act));
      made.push({ clientId, secret: /** @type {string} */ (secret) });
      this.#secrets.set(clientId, /** @type {string} */ (secret));
    }
    return made;
  }

  /** @param {string} path @returns {Promise<any[]>} */
  async #all(path) {
    const items = [];
    for await (const page of this.#client.pages(path)) items.push(...page.items);
    return items;
  }

  /**
   * What a client has to know, as `cargo xtask dev` tells it of its demo.
   * @param {string} baseUrl @param {string} [certificate] its path
   */
  async facts(baseUrl, certificate) {
    const { tenant } = this;
    const { id } = await this.#issuer.admin.getTenant({ tenant });
    const issuer = `${baseUrl}/${tenant}`;
    const paths = ["/apis", "/applications"];
    const [apis, applications] = await Promise.all(paths.map((path) => this.#all(path)));
    return {
      base_url: baseUrl,
      tenant,
      tenant_id: id,
      issuer,
      token_endpoint: `${issuer}/oauth2/token`,
      jwks_uri: `${issuer}/.well-known/jwks.json`,
      entra_authority: `${baseUrl}/${id}`,
      ...(certificate !== undefined && { certificate }),
      apis: apis.map(({ identifier, appId }) => ({ identifier, app_id: appId })),
      applications: applications.map(({ clientId }) => ({
        client_id: clientId,
        client_secret: this.#secrets.get(clientId),
      })),
    };
  }
}

/**
 * Writes the facts at once, so that who waits for the file never reads half of it.
 * @param {string} path @param {object} facts
 * @returns {() => void} removes them: secrets are in there, and who waits for the next start must not find them
 */
export function writeFacts(path, facts) {
  const text = `${JSON.stringify(facts, null, 2)}\n`;
  try {
    replaceFile(path, text, 0o600);
  } catch (error) {
    throw new CliError(`cannot write ${path}: ${fileReason(error)}`);
  }
  return () => {
    try {
      // Another process may have put its own there.
      if (readFileSync(path, "utf8") === text) rmSync(path);
    } catch {
      // Someone else has removed it.
    }
  };
}

/** What answers an act: the routes of the administration API, of which each operation is an act. */
function routes() {
  // Node 20 warns of JSON modules.
  const { paths } = createRequire(import.meta.url)("../openapi.json");
  return Object.entries(paths).flatMap(([path, operations]) =>
    Object.entries(operations)
      .filter(([, { operationId }]) => operationId !== undefined)
      .map(([method, { operationId }]) => ({
        method: method.toUpperCase(),
        segments: path.split("/"),
        act: operationId,
      })),
  );
}

/** The administration API as `apply` uses it, without HTTP: an act has the members of its request. */
class InProcess {
  #admin;
  #routes = routes();

  /** @param {Issuer} issuer @param {string} tenant */
  constructor(issuer, tenant) {
    this.#admin = /** @type {any} */ (issuer.admin);
    this.profile = { tenant, url: "" };
  }

  /**
   * @param {string} method @param {string} path
   * @param {import("../cli/client.js").Ask} [ask]
   * @returns {Promise<{ status: number, body: any, etag: string | undefined }>}
   */
  async request(method, path, { body, ifMatch, query } = {}) {
    const segments = path.split("/");
    for (const route of this.#routes) {
      if (route.method !== method || route.segments.length !== segments.length) continue;
      /** @type {Record<string, string>} */
      const named = {};
      const fits = route.segments.every((segment, at) => {
        const [, name] = /^\{(.*)\}$/.exec(segment) ?? [];
        if (name !== undefined) named[name] = decodeURIComponent(segments[at]);
        return name !== undefined || segment === segments[at];
      });
      if (!fits) continue;
      const { tenant } = this.profile;
      const act = { ...body, ...query, ...named, tenant, ifMatch };
      const answer = await told(this.#admin[route.act](act));
      return { status: 200, body: answer, etag: answer?.version };
    }
    throw new Error(`no act is ${method} ${path}`);
  }

  /** @param {string} path @returns {AsyncGenerator<{ items: any[], next?: string }, void, void>} */
  async *pages(path) {
    /** @type {string | undefined} */
    let cursor;
    do {
      const { body } = await this.request("GET", path, { query: { limit: 1000, cursor } });
      yield body;
      cursor = body.next;
    } while (cursor !== undefined);
  }
}

/** What an act refuses, as the command tells it. @template T @param {Promise<T>} act @returns {Promise<T>} */
async function told(act) {
  try {
    return await act;
  } catch (error) {
    const { code, message } = /** @type {import("../index.d.ts").EdgemintError} */ (error);
    if (code === undefined) throw error;
    throw new CliError(message, { exit: EXIT.usage, code });
  }
}
