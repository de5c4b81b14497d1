// How the program (program/) is started on each runtime, in a project that has the package installed.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, readFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { build } from "esbuild";
import { Miniflare } from "miniflare";
import { root, run } from "../installed.js";
import { startBrowser } from "../workerd/browser.js";

/** @typedef {import("./program/program.js").Result} Result */

const PROGRAM = "tests/runtimes/program";
/** Milliseconds after which a runtime that says nothing is a failure. */
const PATIENCE = 900_000;

const installed = (/** @type {string} */ path) => join(root, "tests/runtimes/node_modules", path);
/** What is called by a path, or by name. @type {Record<string, string[]>} */
export const COMMANDS = {
  node20: [installed("node20/bin/node"), "--no-warnings"],
  node22: [installed("node22/bin/node"), "--no-warnings"],
  node24: [join(root, "node_modules/.bin/node"), "--no-warnings"],
  deno: [installed(".bin/deno"), "run", "--quiet", "--no-prompt", "--no-check"],
  bun: [installed(".bin/bun"), "run"],
};

/** Brings the program into a project. @param {string} folder */
export async function copyProgram(folder) {
  for (const path of [PROGRAM, "tests/vectors", "tests/vectors.js", "tests/sign-in.js"]) {
    await cp(join(root, path), join(folder, path), { recursive: true });
  }
}

/**
 * Runs it on a command line.
 * @param {string} folder the project's @param {string[]} command @param {string[]} parameters
 * @returns {Promise<any>}
 */
export const onCommandLine = (folder, command, parameters) =>
  told(folder, [...command, join(folder, PROGRAM, "command.js"), ...parameters]);

/**
 * Runs it in Bun, bundled by Bun, where nothing of the package is.
 * @param {string} folder the project's @returns {Promise<Result[]>}
 */
export async function bundledByBun(folder) {
  const out = await mkdtemp(join(tmpdir(), "edgemint-bundle-"));
  try {
    const [bun] = COMMANDS.bun;
    const entry = join(folder, PROGRAM, "alone.js");
    await run(bun, ["build", entry, "--target", "bun", "--outdir", out], { cwd: folder });
    return await told(tmpdir(), [bun, "run", join(out, "alone.js")]);
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

/**
 * What a program prints, as JSON.
 * @param {string} folder where it runs @param {string[]} command
 * @returns {Promise<any>}
 */
async function told(folder, [program, ...words]) {
  const child = spawn(program, words, {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
    timeout: PATIENCE,
  });
  let printed = "";
  child.stdout.setEncoding("utf8").on("data", (text) => (printed += text));
  const [code, signal] = await once(child, "close");
  if (code !== 0) throw new Error(`ended with ${code ?? signal}: ${printed}`);
  return JSON.parse(printed);
}

/**
 * Runs it in workerd, as wrangler bundles it.
 * @param {string} folder the project's @returns {Promise<Result[]>}
 */
export async function inWorkerd(folder) {
  const text = await readFile(join(root, "wrangler.toml"), "utf8");
  const [, compatibilityDate] = /compatibility_date = "(.+)"/.exec(text) ?? [];
  const objects = { bindings: [{ name: "GRANTS", class_name: "GrantObject" }] };
  const settings = {
    name: "runtimes",
    main: `${PROGRAM}/worker.js`,
    compatibility_date: compatibilityDate,
    durable_objects: objects,
    migrations: [{ tag: "v1", new_sqlite_classes: ["GrantObject"] }],
  };
  await writeFile(join(folder, "wrangler.json"), JSON.stringify(settings));
  const out = join(folder, "worker");
  await run("wrangler", ["deploy", "--dry-run", "--outdir", out], {
    cwd: folder,
    env: { ...process.env, WRANGLER_SEND_METRICS: "false", CI: "true" },
  });
  const miniflare = new Miniflare({
    compatibilityDate,
    modules: true,
    modulesRoot: out,
    scriptPath: join(out, "worker.js"),
    modulesRules: [
      { type: "ESModule", include: ["**/*.js"] },
      { type: "CompiledWasm", include: ["**/*.wasm"] },
    ],
    durableObjects: { GRANTS: { className: "GrantObject", useSQLite: true } },
  });
  try {
    const response = await miniflare.dispatchFetch("http://localhost/");
    const answer = await response.text();
    if (!response.ok) throw new Error(answer);
    return JSON.parse(answer);
  } finally {
    await miniflare.dispose();
  }
}

/**
 * Bundles the page's program as a site does that uses esbuild: it keeps the addresses of the wasm, whose
 * files are copied beside the bundle.
 * @param {string} folder the project's
 */
async function bundle(folder) {
  const outdir = join(folder, "bundled");
  await build({
    absWorkingDir: folder,
    entryPoints: [`${PROGRAM}/page.js`],
    bundle: true,
    splitting: true,
    format: "esm",
    outdir,
    logLevel: "error",
  });
  const wasm = join(folder, "node_modules/edgemint/wasm");
  for (const file of await readdir(wasm)) {
    if (file.endsWith(".wasm")) await cp(join(wasm, file), join(outdir, "wasm", file));
  }
}

/** @type {Record<string, string>} */
const TYPES = { ".js": "text/javascript", ".json": "application/json", ".wasm": "application/wasm" };

/**
 * Where a browser finds the entries without a bundler: an import map.
 * @param {string} folder the project's @param {string} address of the package
 */
async function importMap(folder, address) {
  const { exports } = JSON.parse(await readFile(join(folder, "node_modules/edgemint/package.json"), "utf8"));
  /** @type {Record<string, string>} */
  const imports = {};
  for (const [entry, target] of Object.entries(exports)) {
    const file = target.browser ?? target.default;
    if (file !== undefined) imports[`edgemint${entry.slice(1)}`] = address + file.slice(1);
  }
  return JSON.stringify({ imports });
}

/** What a browser can be asked to do. @typedef {"unbundled" | "bundled" | "absent"} Page */

/**
 * Starts headless Chromium, and a server of the project's files for it.
 * @param {string} folder the project's
 */
export async function startChromium(folder) {
  await bundle(folder);
  /** Files under /flaky/ that were asked for, in vain: each is there the second time. @type {Set<string>} */
  const refused = new Set();
  /** @type {PromiseWithResolvers<any>} */
  let results;

  /** @param {URL} url */
  async function page({ searchParams }) {
    const act = searchParams.get("act");
    const at = act === "absent" ? "/flaky/node_modules/edgemint" : "/node_modules/edgemint";
    const map = act === "bundled" ? "{}" : await importMap(folder, at);
    const script = act === "bundled" ? "/bundled/page.js" : `/${PROGRAM}/page.js`;
    return `<!doctype html><script type="importmap">${map}</script><script type="module" src="${script}"></script>`;
  }

  const server = createServer(async (request, response) => {
    const url = new URL(request.url ?? "/", "http://localhost");
    const { pathname } = url;
    try {
      if (pathname === "/results") {
        let body = "";
        for await (const chunk of request.setEncoding("utf8")) body += chunk;
        response.end();
        results.resolve(JSON.parse(body));
      } else if (pathname === "/page") {
        response.setHeader("content-type", "text/html").end(await page(url));
      } else if (/^\/flaky\/.*\.wasm$/.test(pathname) && !refused.has(pathname)) {
        refused.add(pathname);
        response.writeHead(404).end();
      } else {
        const file = await readFile(join(folder, pathname.replace("/flaky/", "/")));
        response.setHeader("content-type", TYPES[extname(pathname)] ?? "text/plain").end(file);
      }
    } catch {
      response.writeHead(404).end();
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  const browser = await startBrowser();
  return {
    /** What came of a page. @param {Page} act @returns {Promise<any>} */
    async show(act) {
      results = Promise.withResolvers();
      const late = setTimeout(async () => {
        const said = await browser.console().catch(() => []);
        results.reject(new Error(`the page said nothing: ${said.map(({ message }) => message).join("\n")}`));
      }, PATIENCE);
      await browser.open(`http://localhost:${port}/page?act=${act}`);
      return results.promise.finally(() => clearTimeout(late));
    },
    async stop() {
      await browser.stop();
      server.close();
      server.closeAllConnections();
    },
  };
}

/**
 * Takes the files of the wasm away from a project's package.
 * @param {string} folder
 */
export async function takeAway(folder) {
  const wasm = join(folder, "node_modules/edgemint/wasm");
  for (const name of ["edgemint", "administration"]) {
    const file = join(wasm, `${name}_bg.wasm`);
    await rename(file, `${file}.away`);
  }
  return wasm;
}

/** A folder for what a store keeps. @param {string} folder */
export const stateIn = (folder) => mkdtemp(join(folder, "state-"));
