// The floors: the least that a worker can do, on the same workerd as ours.

import { randomBytes } from "node:crypto";
import { compactVerify, createRemoteJWKSet } from "jose";
import { tokenForm, refreshForm } from "./ours.js";
import { freePort, modulesFrom, startServer } from "./servers.js";

/** As long as the names and secrets of ours. */
const CLIENT = { clientId: "00000000-0000-4000-8000-000000000000", secret: `ems_${"x".repeat(49)}` };

/** @typedef {import("./measure.js").Contestant} Contestant */

/** A worker that does nothing. @param {string} folder @returns {Promise<Contestant>} */
export async function hello(folder) {
  const server = await startServer(folder, await freePort(), { modules: modulesFrom("bench/floors/hello.js") });
  return {
    name: "hello",
    server,
    method: "GET",
    url: `${server.origin}/demo/oauth2/token`,
    verify: async (answer) => {
      if (answer !== "hello") throw new Error(`\`${answer}\` is not \`hello\``);
    },
  };
}

/**
 * The body read, one signature, 700 bytes of an answer.
 * @param {string} folder
 * @param {import("../pkg/index.d.ts").Algorithm} [algorithm]
 * @returns {Promise<Contestant>}
 */
export async function signFloor(folder, algorithm = "ES256") {
  const modules = modulesFrom("bench/floors/sign.js");
  const server = await startServer(folder, await freePort(), { modules, bindings: { ALGORITHM: algorithm } });
  const keys = createRemoteJWKSet(new URL(server.origin));
  return {
    name: algorithm === "ES256" ? "sign floor" : `sign floor, ${algorithm}`,
    server,
    url: `${server.origin}/demo/oauth2/token`,
    body: tokenForm(CLIENT),
    verify: async (answer) => {
      await compactVerify(JSON.parse(answer).access_token, keys);
      // A signature of RSA is longer.
      about(answer, algorithm === "RS256" ? 956 : 700);
    },
  };
}

/**
 * One call of an object that compares and sets, one signature. Its refresh tokens start at version 0 of a new
 * object.
 * @param {string} folder
 * @returns {Promise<Contestant>}
 */
export async function objectFloor(folder) {
  const server = await startServer(folder, await freePort(), {
    modules: modulesFrom("bench/floors/object.js"),
    objects: { ROWS: "RowObject" },
  });
  const keys = createRemoteJWKSet(new URL(server.origin));
  const url = `${server.origin}/demo/oauth2/token`;
  return {
    name: "object floor",
    server,
    url,
    body: refreshForm(CLIENT),
    // As with ours, the object is there before its tokens are spent.
    tokens: async (count) => {
      const first = Array.from({ length: count }, () => `~${randomBytes(16).toString("hex")}~0~${"x".repeat(160)}`);
      return Promise.all(first.map(async (token) => (await spend(url, token)).refresh_token));
    },
    verify: async (answer) => {
      const { access_token, refresh_token } = JSON.parse(answer);
      await compactVerify(access_token, keys);
      if (!/^~\w+~2~/.test(refresh_token)) throw new Error(`${refresh_token} is not the next one`);
      about(answer, 900);
    },
  };
}

/** @param {string} url @param {string} token @returns {Promise<{ refresh_token: string }>} */
async function spend(url, token) {
  const response = await fetch(url, { method: "POST", body: `${refreshForm(CLIENT)}${token}` });
  if (!response.ok) throw new Error(`the object floor answers ${response.status}: ${await response.text()}`);
  return /** @type {Promise<any>} */ (response.json());
}

/** @param {string} answer @param {number} bytes */
function about({ length }, bytes) {
  if (Math.abs(length - bytes) > 50) throw new Error(`${length} bytes, not about ${bytes}`);
}
