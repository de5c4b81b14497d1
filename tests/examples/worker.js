// A Worker of the examples as its reader runs it: bundled by wrangler, with the bindings of its own
// wrangler.toml, in workerd.

import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Log, LogLevel, Miniflare } from "miniflare";
import { unstable_getMiniflareWorkerOptions as workerOptions } from "wrangler";

const run = promisify(execFile);

/**
 * @param {string} example its folder
 * @param {Record<string, string>} bindings variables and secrets
 * @param {number} [port] a free one by default
 */
export async function startExample(example, bindings, port = 0) {
  const folder = fileURLToPath(new URL(`../../examples/${example}/`, import.meta.url));
  const out = await mkdtemp(join(tmpdir(), "edgemint-example-"));
  const env = { ...process.env, WRANGLER_SEND_METRICS: "false", CI: "true" };
  await run("wrangler", ["deploy", "--dry-run", "--outdir", out], { cwd: folder, env });
  const config = workerOptions(join(folder, "wrangler.toml"));
  const { workerOptions: options } = config;
  /** @type {string[]} */
  const log = [];
  const miniflare = new Miniflare({
    ...options,
    bindings: { ...options.bindings, ...bindings },
    modules: true,
    modulesRoot: out,
    scriptPath: join(out, basename(/** @type {any} */ (config).main)),
    modulesRules: [
      { type: "ESModule", include: ["**/*.js"] },
      { type: "CompiledWasm", include: ["**/*.wasm"] },
    ],
    host: "127.0.0.1",
    port,
    log: new Log(LogLevel.NONE),
    /** @param {import("node:stream").Readable} stdout @param {import("node:stream").Readable} stderr */
    handleRuntimeStdio(stdout, stderr) {
      for (const stream of [stdout, stderr]) {
        stream.setEncoding("utf8").on("data", (text) => log.push(...text.split("\n").filter(Boolean)));
      }
    },
  });
  const url = await miniflare.ready;
  return {
    url,
    miniflare,
    /** The flags that it needs of workerd. */
    flags: options.compatibilityFlags,
    /** What it has printed. */
    log,
    async stop() {
      await miniflare.dispose();
      await rm(out, { recursive: true, force: true });
    },
  };
}
