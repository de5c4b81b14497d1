// What a cron trigger does elsewhere: the rounds of what is due.

import timers from "node:timers";

/** Milliseconds between two rounds, and until the first one. */
const [ROUND, FIRST_ROUND] = [60 * 60 * 1000, 60 * 1000];

/**
 * What is due from time to time, of every tenant: new signing keys, and what a master key that was
 * replaced has sealed. Where several processes do it, one of them writes.
 * @param {Pick<import("../index.d.ts").Issuer, "admin">} issuer
 * @param {typeof import("./log.js").tellLog} tell told what failed: the next round tries it again
 * @returns {() => void} ends it
 */
export function maintaining({ admin }, tell) {
  let isStopped = false;
  const round = async () => {
    /** @type {string | undefined} */
    let cursor;
    do {
      const page = await admin.listTenants({ cursor, limit: 1000 });
      for (const tenant of page.items) {
        if (isStopped) return;
        await admin.maintain({ tenant }).catch((error) => {
          // The name of a tenant that was never finished.
          if (error.code === "not_found") return;
          tell("failed", "maintenance", { tenant, detail: String(error) });
        });
      }
      cursor = page.next;
    } while (cursor !== undefined);
  };
  const begin = () =>
    void round().catch((error) => tell("failed", "maintenance", { detail: String(error) }));
  const first = timers.setTimeout(begin, FIRST_ROUND).unref();
  const every = timers.setInterval(begin, ROUND).unref();
  return () => {
    isStopped = true;
    timers.clearTimeout(first);
    timers.clearInterval(every);
  };
}
