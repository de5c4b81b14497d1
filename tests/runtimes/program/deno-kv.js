import { denoKvStore } from "edgemint/stores/deno-kv";

/** @param {string} path */
export async function open(path) {
  /** @type {any} */
  const { Deno } = globalThis;
  return denoKvStore(await Deno.openKv(path));
}
