// One of several processes that count on one key of one store, in Node or Deno:
// racer.js redis|upstash|deno-kv ADDRESS PARTITION TIMES
// It says "ready", waits for a line, adds one TIMES times over, and says what it counted.

import process from "node:process";

const [kind, address, partition, times] = process.argv.slice(2);
const { store, close } = await open();
process.stdout.write("ready\n");
await new Promise((resolve) => process.stdin.once("data", resolve));
const counted = [];
while (counted.length < Number(times)) {
  const found = await store.get(partition, "count");
  const next = Number(found?.value ?? 0) + 1;
  const version = await store.put(partition, "count", `${next}`, found?.version ?? null, null);
  if (version !== null) counted.push(next);
}
process.stdout.write(`${JSON.stringify(counted)}\n`);
await close();
process.exit();

/** @returns {Promise<{ store: import("../../pkg/index.d.ts").Store, close: () => unknown }>} */
async function open() {
  if (kind === "deno-kv") {
    const { denoKvStore } = await import("../../pkg/stores/deno-kv.js");
    const kv = await /** @type {any} */ (globalThis).Deno.openKv(address);
    return { store: denoKvStore(kv), close: () => kv.close() };
  }
  if (kind === "upstash") {
    const { Redis } = await import("@upstash/redis");
    const { upstashStore } = await import("../../pkg/stores/upstash.js");
    return { store: upstashStore(new Redis({ url: address, token: "secret" })), close: () => {} };
  }
  const { createClient } = await import("redis");
  const { redisStore } = await import("../../pkg/stores/redis.js");
  const client = createClient({ url: address });
  client.on("error", console.error);
  await client.connect();
  return { store: redisStore(client, { timeout: 60_000 }), close: () => client.close() };
}
