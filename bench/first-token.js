// The first token of a fresh Node process, and the CPU that it took, as a line of JSON. Run by
// sections/cold.js; on standard input is what there is: { options, entries, url, body }.
//
// The times are those of all threads, since V8 compiles and collects beside the main one.

import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";

const { options, entries, url, body } = JSON.parse(await text(process.stdin));
const bytes = readFileSync(new URL("../pkg/wasm/edgemint_bg.wasm", import.meta.url));

let before = process.cpuUsage();
/** Milliseconds of CPU since it was last called. */
function lap() {
  const { user, system } = process.cpuUsage(before);
  before = process.cpuUsage();
  return (user + system) / 1000;
}

// Node loads its own fetch and SubtleCrypto when they are first used, and what that leaves behind is collected
// now: `node --expose-gc`.
await platform();
globalThis.gc?.();
const ofPlatform = lap();
const { createIssuerFrom } = await import("../pkg/issuer.js");
const { memoryStore } = await import("../pkg/stores/memory.js");
const store = memoryStore({ entries });
const imported = lap();
const module = new WebAssembly.Module(bytes);
const compiled = lap();
// As pkg/node.js calls it, but for the module, which it would have compiled here.
const issuer = createIssuerFrom(module, { ...options, store, onEvent: () => {} }, async () => {
  throw new Error("a token needs no other module");
});
const instantiated = lap();
const headers = { "content-type": "application/x-www-form-urlencoded" };
const response = await issuer.fetch(new Request(url, { method: "POST", headers, body }));
const answer = await response.text();
const answered = lap();
if (response.status !== 200) throw new Error(answer);
console.log(JSON.stringify({ ofPlatform, imported, compiled, instantiated, answered, answer }));

/** A request that is read, a record that is opened, a key that is imported, a signature, a response. */
async function platform() {
  const request = new Request("http://localhost", { method: "POST", headers: { a: "b" }, body: "c" });
  const message = new Uint8Array(await request.arrayBuffer());
  const curve = { name: "ECDSA", namedCurve: "P-256" };
  const uses = /** @type {const} */ (["encrypt", "decrypt"]);
  const sealing = await crypto.subtle.importKey("raw", new Uint8Array(32), "AES-GCM", false, uses);
  const algorithm = { name: "AES-GCM", iv: new Uint8Array(12) };
  const sealed = await crypto.subtle.encrypt(algorithm, sealing, message);
  await crypto.subtle.decrypt(algorithm, sealing, sealed);
  const made = await crypto.subtle.generateKey(curve, true, ["sign", "verify"]);
  const { privateKey } = /** @type {CryptoKeyPair} */ (made);
  const exported = await crypto.subtle.exportKey("pkcs8", privateKey);
  const key = await crypto.subtle.importKey("pkcs8", exported, curve, false, ["sign"]);
  const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, key, message);
  await new Response(signature, { headers: new Headers({ a: "b" }) }).arrayBuffer();
}
