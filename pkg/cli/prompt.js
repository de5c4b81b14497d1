// Asks the user: a yes, or a secret that does not show. Questions go to standard error.

import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { CliError, EXIT, usage } from "./errors.js";

/** Whether there is someone to ask. */
export const canAsk = () => process.stdin.isTTY === true && process.stderr.isTTY === true;

/** @param {string} question @param {boolean} [hidden] @returns {Promise<string>} */
function ask(question, hidden = false) {
  let shown = true;
  const output = new Writable({
    write(chunk, _encoding, done) {
      if (shown) process.stderr.write(chunk);
      done();
    },
  });
  const lines = createInterface({ input: process.stdin, output, terminal: true });
  return new Promise((resolve, reject) => {
    let answered = false;
    lines.once("SIGINT", () => lines.close());
    lines.once("close", () => {
      if (hidden || !answered) process.stderr.write("\n");
      if (!answered) reject(new CliError("nothing was done", { exit: EXIT.interrupted }));
    });
    lines.question(question, (answer) => {
      answered = true;
      lines.close();
      resolve(answer);
    });
    shown = !hidden;
  });
}

/**
 * Has the user agree to what cannot be undone.
 * @param {string} question @param {boolean | undefined} yes what `--yes` says
 */
export async function confirm(question, yes) {
  if (yes) return;
  if (!canAsk()) {
    throw usage("this asks before it goes on, and there is no terminal to ask at", "Agree with --yes");
  }
  const answer = await ask(`${question} [y/N] `);
  if (!/^y(es)?$/i.test(answer.trim())) throw new CliError("nothing was done");
}

/**
 * A secret: from the environment, typed unseen, or a line of standard input. Never an argument,
 * which other users of the machine see and the shell remembers.
 * @param {string} question @param {string | undefined} given from the environment
 */
export async function askSecret(question, given) {
  const secret = given || (canAsk() ? await ask(`${question}: `, true) : await firstLine());
  if (secret.trim() === "") throw usage("the secret is empty");
  return secret.trim();
}

async function firstLine() {
  let text = "";
  process.stdin.setEncoding("utf8");
  for await (const chunk of process.stdin) {
    text += chunk;
    if (text.includes("\n") || text.length > 65536) break;
  }
  return text.split("\n", 1)[0] ?? "";
}
