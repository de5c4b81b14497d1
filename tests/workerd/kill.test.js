// Requirement 49: the runtime is killed in the middle of it, and started again on the same state. What it
// had acknowledged is there; what was spent stays spent.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startKillable as start } from "./killable.js";
import { each, random, sleep } from "../random.js";
import { refresh, registerClient, registerLogin, startLogin, startWorker } from "./world.js";

const ROUNDS = 4;
const SESSIONS = 60;
/** Milliseconds of storm before the end comes, at most, once it is one. */
const LONGEST = 450;

/**
 * A session: its user refreshes one time after the other.
 * @typedef {object} Session
 * @property {import("../sign-in.js").Client} client
 * @property {string[]} acknowledged refresh tokens, the newest last
 * @property {boolean} unsure whether a request with the newest one was not answered
 */

test("r49 r27 what was acknowledged before a SIGKILL is there, and nothing spent works again", async () => {
  const dice = random(49);
  const state = await mkdtemp(join(tmpdir(), "edgemint-kill-"));
  let world = await startWorker({ state });
  const login = await registerLogin(world.admin);
  const lasting = await registerClient(world.admin, { grace: 300 });
  const strict = await registerClient(world.admin, { grace: 0 }, "public");
  const users = await startLogin(world.url, login);
  /** @type {Session[]} */
  const sessions = [];
  const numbers = Array.from({ length: SESSIONS }, (_, number) => number);
  await each(numbers, 16, async (number) => {
    const client = number % 2 === 0 ? lasting : strict;
    const { refresh_token } = await users.signIn(client, `user ${number}`);
    sessions[number] = { client, acknowledged: [refresh_token], unsure: false };
  });
  await world.stop();

  let runtime = await start(state);
  let rotations = 0;
  try {
    // A round in which every request was answered is no kill in mid-storm: another one.
    for (let [round, struck] = [0, 0]; struck < ROUNDS; round += 1) {
      assert.ok(round < 10 * ROUNDS, "it was killed in mid-storm");
      const enough = rotations + SESSIONS / 4;
      let killed = false;
      const storm = each(sessions, sessions.length, async (session) => {
        while (!killed && !session.unsure) {
          const token = /** @type {string} */ (session.acknowledged.at(-1));
          session.unsure = true;
          try {
            const response = await refresh(runtime.url, session.client, token);
            const answer = /** @type {any} */ (await response.json());
            assert.equal(response.status, 200, JSON.stringify(answer));
            session.acknowledged.push(answer.refresh_token);
            session.unsure = false;
            rotations += 1;
          } catch (error) {
            if (!killed) throw error;
          }
        }
      });
      const blown = async () => {
        while (rotations <= enough && !killed) await sleep(5);
        await sleep(dice.below(LONGEST));
      };
      await Promise.race([storm, blown()]).finally(() => (killed = true));
      await runtime.kill();
      await storm;
      if (sessions.some(({ unsure }) => unsure)) struck += 1;

      runtime = await start(state);
      const { url } = runtime;
      await each(sessions, 16, async (session, number) => {
        const { client, acknowledged, unsure } = session;
        const newest = /** @type {string} */ (acknowledged.at(-1));
        const response = await refresh(url, client, newest);
        const answer = /** @type {any} */ (await response.json());
        const told = `round ${round}, session ${number}: ${JSON.stringify(answer)}`;
        session.unsure = false;
        if (client === strict && unsure && response.status === 400) {
          // The step was taken and its answer died with the process; without grace that is a replay,
          // and the user signs in again.
          assert.equal(answer.error, "invalid_grant", told);
          sessions[number] = { client, acknowledged: [await signIn(url, client)], unsure: false };
        } else {
          assert.equal(response.status, 200, told);
          acknowledged.push(answer.refresh_token);
        }
      });
      // A third of them meet a thief: no spent token works, and the attempt ends the session.
      await each(sessions, 16, async ({ client, acknowledged }, number) => {
        const oldest = acknowledged.length - (client === strict ? 1 : 2);
        if (number % 3 !== round % 3 || oldest < 1) return;
        const replay = await refresh(url, client, acknowledged[dice.below(oldest)]);
        assert.equal(replay.status, 400, `round ${round}, session ${number}: a spent token works`);
        const dead = await refresh(url, client, /** @type {string} */ (acknowledged.at(-1)));
        assert.equal(dead.status, 400, `round ${round}, session ${number}: a replay ends it`);
        const tokens = [await signIn(url, client)];
        sessions[number] = { client, acknowledged: tokens, unsure: false };
      });
    }
  } finally {
    await runtime.kill();
    await rm(state, { recursive: true, force: true });
  }
  assert.ok(rotations > ROUNDS * SESSIONS / 4, `only ${rotations} rotations before the kills`);

  /** @param {URL} url @param {import("../sign-in.js").Client} client */
  async function signIn(url, client) {
    const again = await startLogin(url, login);
    return (await again.signIn(client, `user ${dice.below(1000)}`)).refresh_token;
  }
});
