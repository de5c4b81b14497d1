// The storm over the databases that people have: two processes of the service on one of them, over calls
// that are lost and late; then again while the database is killed, or one of the processes is.
//
//   STORM_SEED=1 node --test tests/stores/storm.test.js

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { createIssuer } from "../../pkg/node.js";
import { sleep } from "../random.js";
import { credentials, post, startLogin } from "../sign-in.js";
import { SEED, blow, declareStorm, giveUpIdleConnections, registerAll } from "../storm/sessions.js";
import { MASTER_KEY, openStore } from "./open.js";
import { startPostgres, startRedis } from "./servers.js";

const SESSIONS = Number(process.env.STORM_SESSIONS ?? 300);
/** Shares of the store's calls. */
const FAULTS = { before: 0.05, after: 0.05, slow: 0.1 };
const CALM = { before: 0, after: 0, slow: 0 };
/** Milliseconds that the database, or one of the processes, is gone for. */
const GONE = 400;
/** Milliseconds that all are there, in between. */
const THERE = 1200;

/**
 * A database: its name for {@link openStore}, and how it is killed and started again, if it is a server.
 * @typedef {{ name: string, kill?: () => Promise<void>, restart?: () => Promise<void>, stop(): Promise<void> }} Database
 */

/** @param {import("./servers.js").Server} server @returns {Database} */
const served = ({ url, kill, restart, stop }) => ({ name: url, kill, restart, stop });

/** @type {Record<string, () => Promise<Database>>} */
const DATABASES = {
  async SQLite() {
    const folder = await mkdtemp(join(tmpdir(), "edgemint-storm-"));
    const stop = () => rm(folder, { recursive: true, force: true });
    return { name: `sqlite:${join(folder, "edgemint.db")}`, stop };
  },
  Redis: async () => served(await startRedis()),
  PostgreSQL: async () => served(await startPostgres()),
};

/** A process of the service. @param {string} name of the store @param {string[]} log takes what it prints */
async function startProcess(name, log) {
  const host = fileURLToPath(new URL("host.js", import.meta.url));
  const child = spawn(process.execPath, [host, name], { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface(child.stdout);
  const [line] = await Promise.race([
    once(lines, "line"),
    once(child, "exit").then(() => {
      throw new Error("the service did not start");
    }),
  ]);
  lines.on("line", (said) => log.push(said));
  return {
    url: new URL(JSON.parse(line).url),
    async kill() {
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    },
  };
}

/** @param {Database} database */
async function startStorm(database) {
  /** @type {string[]} */
  const log = [];
  const { store, close } = await openStore(database.name);
  const { admin } = createIssuer({
    baseUrl: "https://auth.example.com",
    masterKey: MASTER_KEY,
    store,
    onEvent() {},
  });
  const { login, auditor } = await registerAll(admin);
  const processes = [await startProcess(database.name, log), await startProcess(database.name, log)];
  const users = [await startLogin(processes[0].url, login), await startLogin(processes[1].url, login)];
  giveUpIdleConnections();
  let turn = 0;

  /** @param {typeof CALM} faults */
  const blowing = async (faults) => {
    for (const { url } of processes) {
      await fetch(new URL("/faults", url), { method: "POST", body: JSON.stringify(faults) });
    }
  };

  return {
    admin,
    auditor,
    log,
    /** One process after the other. */
    get url() {
      return processes[(turn += 1) % 2].url;
    },
    users: {
      signIn: (/** @type {Parameters<typeof users[0]["signIn"]>} */ ...user) =>
        users[(turn += 1) % 2].signIn(...user),
    },
    begin: () => blowing(FAULTS),
    end: () => blowing(CALM),
    /** Without notice. Who asks meanwhile is answered 503, or by the other process. */
    async outage() {
      if (database.kill !== undefined) {
        await database.kill();
        await sleep(GONE);
        await database.restart?.();
      } else {
        const gone = processes[0];
        // Nobody is sent there any more, as a proxy would see to it.
        processes[0] = processes[1];
        await gone.kill();
        await sleep(GONE);
        processes[0] = await startProcess(database.name, log);
      }
    },
    /** Until every process has found the database again. */
    async settle() {
      for (const { url } of processes) {
        for (;;) {
          const asked = post(url, "introspect", { token: "none", ...credentials(auditor) });
          // A connection that was closed meanwhile is no answer either.
          const status = await asked.then((answer) => answer.status, () => 503);
          if (status === 200) break;
          assert.equal(status, 503);
          await sleep(50);
        }
      }
      while (!(await store.get("a", "b").then(() => true, () => false))) await sleep(50);
    },
    async stop() {
      for (const each of new Set(processes)) await each.kill();
      await close();
    },
  };
}

for (const [name, start] of Object.entries(DATABASES)) {
  describe(`two processes on one ${name}`, () => {
    /** @type {Database} */
    let database;
    /** @type {Awaited<ReturnType<typeof startStorm>>} */
    let storm;
    before(async () => {
      database = await start();
      storm = await startStorm(database);
    });
    after(async () => {
      await storm?.stop();
      await database?.stop();
    });

    declareStorm(() => storm, SESSIONS);

    const what = name === "SQLite" ? "one of the processes" : "the database";
    test(`r27 r28 r49 the storm while ${what} is killed, again and again`, async (context) => {
      let outages = 0;
      let over = false;
      /** @type {Promise<void>} */
      let outage = Promise.resolve();
      const begin = async () => {
        outage = (async () => {
          do {
            await sleep(THERE / 4);
            await storm.outage();
            outages += 1;
            await sleep(THERE);
          } while (!over);
        })();
      };
      const end = async () => {
        over = true;
        await outage;
        await storm.settle();
      };
      const { admin, users, auditor, log } = storm;
      const outaged = {
        admin, users, auditor, log, begin, end,
        get url() {
          return storm.url;
        },
      };
      try {
        const histories = await blow(outaged, SESSIONS, (line) => context.diagnostic(line));
        const failed = histories.flatMap(({ happenings }) => happenings).filter(
          ({ status }) => status === 503 || status === undefined,
        );
        context.diagnostic(`${outages} outages, ${failed.length} requests without an answer or 503`);
        assert.ok(failed.length > 0, "somebody met an outage");
      } catch (error) {
        const { message } = /** @type {Error} */ (error);
        throw new Error(`STORM_SEED=${SEED}: ${message}`, { cause: error });
      } finally {
        over = true;
        await outage;
      }
    });
  });
}
