// What an installed package does whose wasm cannot be loaded, and what once it can be: the same on every
// runtime that looks for the files while it runs.

import { EdgemintError, createIssuer } from "edgemint";
import { memoryStore } from "edgemint/stores/memory";

/** Tries, until it is otherwise. @template T @param {() => Promise<T>} act @returns {Promise<T | string>} */
async function patiently(act) {
  for (let wait = 0; wait < 100; wait += 1) {
    try {
      return await act();
    } catch (thrown) {
      if (!(thrown instanceof EdgemintError)) throw thrown;
      if (thrown.code !== "wasm_unavailable") return thrown.code;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return "it stays away";
}

/**
 * What is thrown while the file is away, and what comes of it once it is back.
 * @template T
 * @param {string} file @param {(file: string) => unknown} restore @param {() => Promise<T>} act
 */
async function around(file, restore, act) {
  /** @type {{ code?: string, message?: string, cause?: boolean }} */
  let thrown = {};
  await act().catch(({ code, message, cause }) => {
    thrown = { code, message, cause: cause !== undefined };
  });
  await restore(file);
  return { thrown, then: await patiently(act) };
}

/** @param {(file: string) => unknown} restore brings a file of the wasm back */
export async function absent(restore) {
  const options = { baseUrl: "http://localhost", masterKey: "A".repeat(43), store: memoryStore() };
  const create = async () => createIssuer({ ...options, onEvent() {} });
  const tokens = await around("edgemint_bg.wasm", restore, create);
  if (typeof tokens.then === "string") return { tokens };
  const { admin } = tokens.then;
  const administration = await around("administration_bg.wasm", restore, () => admin.listTenants());
  return { tokens: { ...tokens, then: "an issuer" }, administration };
}
