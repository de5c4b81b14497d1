// workers-oauth-provider by Cloudflare, over the KV that miniflare simulates on workerd.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Log, LogLevel, Miniflare } from "miniflare";
import { compatibilityDate, cpuTime, freePort, known, residentMemory, workerds } from "../servers.js";
import { NOTE, contestant, provider, version } from "./shared/workers-oauth-provider.js";

/** @type {import("./index.js").Peer} */
export const peer = {
  name: "workers-oauth-provider over miniflare's KV",
  version,
  platform: "workerd",
  note:
    "over miniflare's KV, a simulator on a Durable Object that costs more than any peer on it, and is in the " +
    `same process; ${NOTE}`,

  async refresh(folder) {
    mkdirSync(folder, { recursive: true });
    const port = await freePort();
    const { modules, bindings } = await provider(`http://127.0.0.1:${port}`);
    const before = workerds();
    const miniflare = new Miniflare({
      log: new Log(LogLevel.NONE),
      compatibilityDate,
      modulesRoot: "/",
      modules: Object.values(modules).map((path) => ({ type: "ESModule", path })),
      bindings,
      kvNamespaces: ["OAUTH_KV"],
      kvPersist: join(folder, "kv"),
      // Past the worker that miniflare has in front of this one.
      unsafeDirectSockets: [{ host: "127.0.0.1", port }],
      /** @param {import("node:stream").Readable} stdout @param {import("node:stream").Readable} stderr */
      handleRuntimeStdio(stdout, stderr) {
        stdout.resume();
        stderr.resume();
      },
    });
    await miniflare.ready;
    const pid = workerds().find((one) => !before.includes(one));
    if (pid === undefined) throw new Error("no workerd was started");
    const server = known({
      origin: `http://127.0.0.1:${port}`,
      pid,
      cpu: () => cpuTime(pid),
      memory: () => residentMemory(pid),
      stop: () => miniflare.dispose(),
    });
    return contestant(this.name, server, this.note);
  },
};
