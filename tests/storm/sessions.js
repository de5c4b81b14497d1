// The storm: many sessions refreshed by many tabs at once, with answers lost, retries, thieves and
// revocations, over a store that fails. What it blows on is given: workerd with its objects, or several
// processes over one database.

import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { test } from "node:test";
import { each, random, sleep } from "../random.js";
import { credentials, post, refresh, registerClient, registerLogin, startLogin } from "../sign-in.js";
import { History } from "./history.js";

/** @typedef {import("./history.js").Happening} Happening */

/**
 * A service that can have a storm. `url` and `users` are read anew for every request: each time they may
 * be another instance of the service.
 * @typedef {object} Storm
 * @property {URL} url
 * @property {import("../../pkg/index.d.ts").Administration} admin
 * @property {Pick<Awaited<ReturnType<typeof startLogin>>, "signIn">} users
 * @property {import("../sign-in.js").Client} auditor may introspect the tokens of `api://orders`
 * @property {string[]} log what was printed, events among it
 * @property {() => Promise<void>} begin from now on the store fails
 * @property {() => Promise<void>} end it fails no more
 */

export const SEED = Number(process.env.STORM_SEED ?? randomInt(2 ** 31));
/** Sessions that are busy at once. */
const AT_ONCE = 48;
/** Milliseconds after which a service that never answers is a failure of the test. */
const PATIENCE = 240_000;
/** What `fetch` says when nobody is there any more. */
const CLOSED = ["UND_ERR_SOCKET", "ECONNRESET", "ECONNREFUSED", "EPIPE"];
/** Seconds: longer than a storm. */
const LONG = 300;

/** What kinds of sessions there are, and how many of a hundred. */
const KINDS = [
  { name: "tabs", share: 55, grace: LONG, honest: true, play: playTabs },
  { name: "race", share: 10, grace: 0, honest: false, play: playRace },
  { name: "early thief", share: 10, grace: LONG, honest: false, play: playEarlyThief },
  { name: "late thief", share: 10, grace: 1, honest: false, play: playLateThief },
  { name: "leaver", share: 15, grace: LONG, honest: false, play: playLeaver },
];

/**
 * Who takes part: the login page, and an API that asks about tokens.
 * @param {import("../../pkg/index.d.ts").Administration} admin
 */
export async function registerAll(admin) {
  const login = await registerLogin(admin);
  const { clientId } = await admin.createApplication({ tenant: "demo", introspects: ["api://orders"] });
  const { secret } = await admin.addSecret({ tenant: "demo", clientId });
  return { login, auditor: { clientId, secret } };
}

/**
 * Long before workerd does, which is after 5 s: a request on a connection that is being closed fails. Node
 * has no other way to set it for its own `fetch` than to replace its dispatcher, once that is there.
 */
export function giveUpIdleConnections() {
  const dispatcher = Symbol.for("undici.globalDispatcher.1");
  /** @type {any} */
  const global = globalThis;
  global[dispatcher] = new global[dispatcher].constructor({ keepAliveTimeout: 1000 });
}

// What a client does.

/**
 * One request about a session, and what came of it.
 * @param {Storm} storm @param {History} history @param {Happening["act"]} act @param {string} token
 * @param {number} [patience] milliseconds after which the answer is not waited for any more
 * @returns {Promise<Happening>}
 */
async function ask({ url }, history, act, token, patience) {
  const { client, happenings } = history;
  const signal = patience === undefined ? undefined : AbortSignal.timeout(patience);
  /** @type {Happening} */
  const happening = { act, token, start: performance.now(), end: Infinity };
  happenings.push(happening);
  try {
    const response =
      act === "refresh"
        ? await refresh(url, client, token, signal)
        : await post(url, "revoke", { token, ...credentials(client) });
    const text = await response.text();
    const answer = text === "" ? {} : JSON.parse(text);
    happening.end = performance.now();
    happening.status = response.status;
    happening.error = answer.error;
    happening.retryAfter = response.headers.get("retry-after");
    happening.successor = answer.refresh_token;
    happening.access = answer.access_token;
  } catch (error) {
    if (!signal?.aborted && !isClosed(error)) throw error;
  }
  return happening;
}

/** Whether a kept-alive connection had been closed meanwhile: the answer is lost. @param {any} error */
const isClosed = (error) => CLOSED.includes(error.cause?.code);

/** A refresh, which is asked for again if its answer was lost. @param {Storm} storm @param {History} history @param {string} token */
async function answered(storm, history, token) {
  for (let tries = 0; ; tries += 1) {
    const happening = await ask(storm, history, "refresh", token);
    if (happening.status !== undefined || tries === 10) return happening;
  }
}

/**
 * The same until the service has decided.
 * @param {Storm} storm @param {History} history @param {Happening["act"]} act @param {string} token
 */
async function insist(storm, history, act, token) {
  for (const until = performance.now() + PATIENCE; performance.now() < until; ) {
    const happening = await ask(storm, history, act, token);
    if (happening.status !== undefined && happening.status !== 503) return happening;
    // Sooner than the answer says, so that the storm is one.
    await sleep(5);
  }
  throw new Error("the service never came back");
}

/** @typedef {ReturnType<typeof random>} Random */

/** @param {Random} dice */
const tabs = (dice) => dice.pick([1, 1, 2, 2, 4, 16]);

/**
 * Tabs that share a session refresh at once; some lose the answer and ask again with the same token.
 * Nobody uses the successor before everybody has it, save after the last round.
 * @param {Storm} storm @param {History} history @param {Random} dice
 */
async function playTabs(storm, history, dice) {
  let token = history.first.refresh_token;
  for (let rounds = 1 + dice.below(2); rounds > 0; rounds -= 1) {
    const answers = Array.from({ length: tabs(dice) }, async () => {
      await sleep(dice.below(10));
      // The one that goes away may leave its request behind, as long as nobody else comes after it.
      const leaves = rounds === 1 && dice.below(10) === 0;
      if (leaves) await ask(storm, history, "refresh", token, 1 + dice.below(10));
      if (dice.below(8) === 0) await ask(storm, history, "refresh", token);
      return insist(storm, history, "refresh", token);
    });
    const [{ successor }] = await Promise.all(answers);
    if (successor === undefined) return;
    token = successor;
  }
}

/**
 * No grace, and many at once: all but one are replays.
 * @param {Storm} storm @param {History} history @param {Random} dice
 */
async function playRace(storm, history, dice) {
  const token = history.first.refresh_token;
  const racers = Array.from({ length: 16 }, async () => {
    await sleep(dice.below(3));
    return ask(storm, history, "refresh", token);
  });
  await Promise.all(racers);
}

/**
 * A few refreshes, one after the other.
 * @param {Storm} storm @param {History} history @param {number} count
 */
async function chain(storm, history, count) {
  let token = history.first.refresh_token;
  for (let step = 0; step < count; step += 1) {
    const { successor } = await insist(storm, history, "refresh", token);
    if (successor === undefined) return;
    token = successor;
  }
}

/**
 * Uses a token that is two generations old, while the user is at it.
 * @param {Storm} storm @param {History} history @param {Random} dice
 */
async function playEarlyThief(storm, history, dice) {
  await chain(storm, history, 2 + dice.below(2));
  const { tokens } = history;
  const stolen = dice.pick(tokens.slice(0, -2));
  const newest = tokens[tokens.length - 1];
  const [theft] = await Promise.all([
    insist(storm, history, "refresh", stolen),
    insist(storm, history, "refresh", newest),
  ]);
  assert.equal(theft.status, 400, "a replay is refused");
}

/**
 * Uses the last token that was spent, once its grace is over.
 * @param {Storm} storm @param {History} history @param {Random} dice
 */
async function playLateThief(storm, history, dice) {
  await chain(storm, history, 1 + dice.below(2));
  return async () => {
    const stolen = history.tokens.at(-2);
    if (history.died < Infinity || stolen === undefined) return;
    const { end } = history.happenings.findLast(({ successor }) => successor !== undefined) ?? { end: 0 };
    await sleep(end + 2050 - performance.now());
    const { status } = await insist(storm, history, "refresh", stolen);
    assert.equal(status, 400, "a replay is refused");
  };
}

/**
 * Signs out in the middle of it, with whatever token is at hand.
 * @param {Storm} storm @param {History} history @param {Random} dice
 */
async function playLeaver(storm, history, dice) {
  await chain(storm, history, dice.below(2));
  const { tokens } = history;
  const current = tokens[tokens.length - 1];
  const others = Array.from({ length: tabs(dice) }, async () => {
    await sleep(dice.below(15));
    return insist(storm, history, "refresh", current);
  });
  await sleep(dice.below(15));
  await insist(storm, history, "revoke", dice.pick(tokens));
  await Promise.all(others);
}

// What must be so when it is over.

/**
 * Whether a token is said to be active.
 * @param {Storm} storm @param {import("../sign-in.js").Client} client @param {string} token
 * @returns {Promise<boolean>}
 */
async function isActive(storm, client, token) {
  const introspect = () => post(storm.url, "introspect", { token, ...credentials(client) });
  const response = await introspect().catch((error) => {
    if (isClosed(error)) return introspect();
    throw error;
  });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  const { active } = JSON.parse(text);
  if (!active) assert.equal(text, '{"active":false}', "requirement 36");
  return active;
}

/** @param {Storm} storm @param {History} history */
async function isDead(storm, history) {
  const { tokens, accessTokens } = history;
  for (const token of new Set([tokens[0], tokens[tokens.length - 1]])) {
    const { status } = await insist(storm, history, "refresh", token);
    assert.equal(status, 400, `${history.kind.name}: a token of a dead session is refused`);
  }
  const active = await isActive(storm, storm.auditor, accessTokens[accessTokens.length - 1]);
  assert.ok(!active, `${history.kind.name}: an access token of a dead session is inactive`);
}

/** There is no grace any more. @param {Storm} storm @param {History} history */
async function isAlive(storm, history) {
  const { client, tokens } = history;
  const newest = tokens[tokens.length - 1];
  if (client.secret !== undefined) {
    const active = [];
    for (const token of tokens) if (await isActive(storm, client, token)) active.push(token);
    assert.ok(active.length <= 1, "at most one generation is alive");
  }
  const { status, successor, access } = await insist(storm, history, "refresh", newest);
  assert.equal(status, 200, `${history.kind.name}: the session is there`);
  assert.ok(await isActive(storm, storm.auditor, String(access)));
  const replay = await insist(storm, history, "refresh", newest);
  assert.equal(replay.status, 400, "a replay is refused");
  assert.notEqual(successor, undefined);
}

/**
 * Declares the tests.
 * @param {() => Storm} started the storm, once the tests run
 * @param {number} sessions
 */
export function declareStorm(started, sessions) {
  for (const kind of /** @type {const} */ (["confidential", "public"])) {
    test(`r22 of 16 at once without grace exactly one is answered (${kind})`, async () => {
      const storm = started();
      const client = await registerClient(storm.admin, { grace: 0 }, kind);
      // A race with an answer that was lost, since its connection had been closed meanwhile, is run again.
      for (let [round, run] = [0, 0]; run < 5; round += 1) {
        assert.ok(round < 50, "answers are lost again and again");
        const tokens = await storm.users.signIn(client, `racer ${round}`);
        const history = new History({ name: "race", grace: 0, honest: false }, client, tokens);
        const race = Array.from({ length: 16 }, () =>
          ask(storm, history, "refresh", tokens.refresh_token),
        );
        const statuses = (await Promise.all(race)).map(({ status }) => status);
        if (statuses.includes(undefined)) continue;
        run += 1;
        assert.deepEqual(statuses.sort(), [200, ...Array.from({ length: 15 }, () => 400)]);
        history.check();
        // As documented: the losers' replays have ended the session.
        await isDead(storm, history);
      }
    });

    test(`r22 r23 of 16 at once with grace all have the same successor (${kind})`, async () => {
      const storm = started();
      const client = await registerClient(storm.admin, { grace: LONG }, kind);
      const tokens = await storm.users.signIn(client, "tabs");
      const history = new History({ name: "tabs", grace: LONG, honest: true }, client, tokens);
      let token = tokens.refresh_token;
      for (let round = 0; round < 5; round += 1) {
        const race = Array.from({ length: 16 }, () => answered(storm, history, token));
        const answers = await Promise.all(race);
        assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
        assert.equal(new Set(answers.map(({ successor }) => successor)).size, 1);
        assert.equal(new Set(answers.map(({ access }) => access)).size, 16, "jti never repeats");
        token = String(answers[0].successor);
      }
      history.check();
    });
  }

  test(`r19-r28 the storm: ${sessions} sessions`, async (context) => {
    try {
      await blow(started(), sessions, (line) => context.diagnostic(line));
    } catch (error) {
      const { message } = /** @type {Error} */ (error);
      throw new Error(`STORM_SEED=${SEED}: ${message}`, { cause: error });
    }
  });
}

/**
 * Lets it blow over sessions new to it, checks what happened, and gives the histories.
 * @param {Storm} storm @param {number} sessions @param {(line: string) => void} say
 */
export async function blow(storm, sessions, say) {
  const dice = random(SEED);
  const begun = performance.now();
  const passed = () => `${((performance.now() - begun) / 1000).toFixed(1)} s`;
  const { admin, users } = storm;
  const lot = KINDS.flatMap((kind) => Array.from({ length: kind.share }, () => kind));
  /** @type {Map<object, import("../sign-in.js").Client[]>} */
  const clients = new Map();
  for (const kind of KINDS) {
    const { grace } = kind;
    clients.set(kind, [
      await registerClient(admin, { grace }),
      await registerClient(admin, { grace }, "public"),
    ]);
  }
  const players = Array.from({ length: sessions }, (_, number) => {
    const kind = dice.pick(lot);
    const client = dice.pick(clients.get(kind) ?? []);
    // Some users have several sessions, which share an object.
    const subject = `user ${dice.below(10) === 0 ? dice.below(10) : number + 10}`;
    return { kind, client, subject, dice: random(SEED + number) };
  });
  /** @type {History[]} */
  const histories = [];
  await each(players, AT_ONCE, async ({ kind, client, subject }, at) => {
    histories[at] = new History(kind, client, await users.signIn(client, subject));
  });
  say(`${sessions} sessions opened: ${passed()}`);

  await storm.begin();
  /** @type {(void | (() => Promise<void>))[]} */
  const later = [];
  await each(players, AT_ONCE, async ({ kind, dice }, at) => {
    later[at] = await kind.play(storm, histories[at], dice);
  });
  await each(later, AT_ONCE, (play) => play?.());
  await storm.end();
  const asked = histories.flatMap(({ happenings }) => happenings);
  const count = (/** @type {number | undefined} */ status) =>
    asked.filter((happening) => happening.status === status).length;
  const [tokens, refused, failed, lost] = [200, 400, 503, undefined].map(count);
  say(`${asked.length} requests: ${tokens} answered, ${refused} refused, ${failed} failed, ${lost} lost: ${passed()}`);
  for (const history of histories) history.check();

  // From here on nobody has grace, also in the sessions that there are.
  for (const client of [...clients.values()].flat()) {
    const { clientId } = client;
    await admin.updateApplication({ tenant: "demo", clientId, refresh: { grace: 0 } });
  }
  await sleep(2500);
  const living = histories.filter(({ died, unsure }) => died === Infinity && !unsure);
  const unsure = histories.filter((history) => history.unsure);
  const dead = histories.filter(({ died }) => died < Infinity);
  assert.ok(living.length > 0 && dead.length > 0);
  await each(living, AT_ONCE, (history) => isAlive(storm, history));
  say(`${living.length} sessions alive, ${dead.length} dead, ${unsure.length} unsure: ${passed()}`);
  // Whichever it is, there is one answer at most, and then a replay.
  await each(unsure, AT_ONCE, async (history) => {
    const newest = history.tokens[history.tokens.length - 1];
    await insist(storm, history, "refresh", newest);
    await insist(storm, history, "refresh", newest);
  });
  // All of them are dead now, and stay it.
  await each(histories, AT_ONCE, (history) => isDead(storm, history));
  for (const history of histories) {
    // Honest no more: each has been replayed by now.
    history.kind = { ...history.kind, honest: false };
    history.check();
  }
  const failures = storm.log.filter((line) => line.includes('"kind":"failed"'));
  assert.deepEqual(failures, [], "nothing but the store has failed");
  say(`over: ${passed()}`);
  return histories;
}
