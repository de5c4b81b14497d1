// What the examples talk to: `edgemint serve` with a declared directory, as a process.

import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { createInterface } from "node:readline";
import { until } from "../until.js";

export const root = fileURLToPath(new URL("../../", import.meta.url));
export const secret = () => randomBytes(32).toString("base64url");

/**
 * A child that has printed its first line that matches.
 * @param {string[]} command @param {{ cwd: string, env: Record<string, string> }} options @param {RegExp} ready
 */
export async function start([program, ...args], { cwd, env }, ready) {
  const child = spawn(program, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  /** What it has printed. @type {string[]} */
  const lines = [];
  const said = createInterface(child.stdout);
  /** @type {Promise<string>} */
  const line = new Promise((resolve, reject) => {
    said.on("line", (text) => {
      lines.push(text);
      if (ready.test(text)) resolve(text);
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${program} ended with ${code}: ${lines.join("\n")}`)));
  });
  const stop = async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill();
    await ended;
  };
  process.once("exit", () => child.kill("SIGKILL"));
  return { child, lines, line: await line, stop };
}

/**
 * `edgemint serve --directory`.
 * @param {string} directory the file's path, from the project's root
 * @param {Record<string, string>} env
 */
export async function serve(directory, env) {
  const options = ["--directory", directory, "--port", "0", "--log", "requests"];
  const command = [process.execPath, "pkg/cli/main.js", "serve", ...options];
  const served = await start(command, { cwd: root, env }, /"reason":"started"/);
  const { url, tenant } = JSON.parse(served.line).edgemint;
  return {
    /** @type {string} */
    issuer: `${url}/${tenant}`,
    /** How often it was asked for a token, by its log, in which a request comes after those before it. */
    async asked() {
      const mark = `/${randomBytes(8).toString("hex")}`;
      await (await fetch(url + mark)).text();
      await until("the request in the log", () => served.lines.some((line) => line.includes(mark)));
      return served.lines.filter((line) => /"reason":"request".*\/oauth2\/token"/.test(line)).length;
    },
    stop: served.stop,
  };
}

/**
 * A token by client credentials.
 * @param {string} issuer @param {string} clientId @param {string} clientSecret
 * @returns {Promise<string>}
 */
export async function token(issuer, clientId, clientSecret, scope = "api://orders/.default") {
  const parameters = { client_id: clientId, client_secret: clientSecret, scope };
  const body = new URLSearchParams({ grant_type: "client_credentials", ...parameters });
  const response = await fetch(`${issuer}/oauth2/token`, { method: "POST", body });
  const answer = await response.json();
  if (!response.ok) throw new Error(JSON.stringify(answer));
  return answer.access_token;
}
