// What happened to a grant in a storm, and whether that may be: the checker knows nothing of how the
// service works, only what it promises (design section 3, docs/refresh-tokens.md).

import assert from "node:assert/strict";

/**
 * Something that was asked of the service. `start` and `end` are milliseconds of one clock: what ended
 * before another started was known to whoever asked the other.
 * @typedef {object} Happening
 * @property {"refresh" | "revoke"} act
 * @property {string} token the refresh token that was presented
 * @property {number} start
 * @property {number} end Infinity if the answer was lost
 * @property {number} [status]
 * @property {string} [error] as the answer says
 * @property {string | null} [retryAfter]
 * @property {string} [successor] the refresh token in the answer
 * @property {string} [access] the access token in the answer
 */

/** Which generation of its grant a token is: design section 3. @param {string} token */
export function generation(token) {
  // Version, route and grant are before it: 1, 16 and 16 bytes.
  return Buffer.from(token.slice("emr_".length), "base64url").readUInt32BE(33);
}

/** A grant, and all that was asked of it. */
export class History {
  /** @type {Happening[]} */
  happenings = [];

  /**
   * @param {{ name: string, grace: number, honest: boolean }} kind `honest`: nobody ever presented a
   * token that was spent for good, or gave one back
   * @param {import("../sign-in.js").Client} client
   * @param {import("../sign-in.js").Tokens} tokens what the sign-in brought
   */
  constructor(kind, client, tokens) {
    this.kind = kind;
    this.client = client;
    this.first = tokens;
  }

  /** Every refresh token that was ever answered, the oldest first. */
  get tokens() {
    const known = new Set([this.first.refresh_token]);
    for (const { successor } of this.happenings) if (successor !== undefined) known.add(successor);
    return [...known].sort((a, b) => generation(a) - generation(b));
  }

  /** Access tokens that were answered. */
  get accessTokens() {
    const answered = this.happenings.map(({ access }) => access);
    return [this.first.access_token, ...answered.filter((token) => token !== undefined)];
  }

  /** When it was known to be dead; Infinity if it never was. */
  get died() {
    const ends = this.happenings.filter(
      ({ act, status }) => status === 400 || (act === "revoke" && status === 200),
    );
    return Math.min(Infinity, ...ends.map(({ end }) => end));
  }

  /**
   * Whether nobody knows if it lives: without grace, a step that was taken and whose answer was lost cannot
   * be told from a replay, and asking again ends the session (docs/refresh-tokens.md). What was lost may also
   * be the answer to a replay, which has ended it.
   */
  get unsure() {
    return this.kind.grace === 0 && this.died === Infinity && this.happenings.some(
      ({ status }) => status === undefined || status === 503,
    );
  }

  /** Throws if anything happened that may not. */
  check() {
    const { died } = this;
    /** When each generation was first in somebody's hands. @type {Map<number, number>} */
    const known = new Map([[0, 0]]);
    /** What each generation was answered with. @type {Map<number, string>} */
    const successors = new Map();
    for (const { successor, end } of this.happenings) {
      if (successor === undefined) continue;
      const made = generation(successor);
      known.set(made, Math.min(end, known.get(made) ?? Infinity));
    }
    for (const happening of this.happenings) {
      const { act, token, start, status, error, retryAfter, successor } = happening;
      if (status === undefined) continue;
      const told = JSON.stringify({ ...happening, access: undefined });
      if (status === 503) {
        assert.match(String(retryAfter), /^[1-9]\d*$/, `a 503 says when to come back: ${told}`);
        assert.equal(error, "temporarily_unavailable", told);
        continue;
      }
      if (act === "revoke") {
        assert.equal(status, 200, `a revocation is answered 200 or 503: ${told}`);
        continue;
      }
      const presented = generation(token);
      if (status === 400) {
        assert.equal(error, "invalid_grant", `refused as documented: ${told}`);
        assert.ok(!this.kind.honest, `an honest client was logged out: ${told}`);
        continue;
      }
      assert.equal(status, 200, `an answer that is not documented: ${told}`);
      assert.ok(successor !== undefined, `rotation answers with a token: ${told}`);
      assert.equal(generation(successor), presented + 1, `the successor is the next one: ${told}`);
      const before = successors.get(presented);
      assert.ok(before === undefined || before === successor, `two successors of one: ${told}`);
      if (before !== undefined) {
        assert.ok(this.kind.grace > 0, `a token was spent twice without any grace: ${told}`);
      }
      successors.set(presented, successor);
      assert.ok(start < died, `a dead grant was revived: ${told}`);
      assert.ok(start < this.#spent(presented, known), `a spent token was honoured: ${told}`);
    }
  }

  /**
   * From when on a generation must not be honoured any more.
   * @param {number} presented @param {Map<number, number>} known
   */
  #spent(presented, known) {
    const replaced = known.get(presented + 1) ?? Infinity;
    const older = Math.min(
      Infinity,
      ...[...known].filter(([made]) => made > presented + 1).map(([, at]) => at),
    );
    // The service counts whole seconds: up to one more has passed in truth.
    const graceEnd = this.kind.grace === 0 ? replaced : replaced + (this.kind.grace + 1) * 1000;
    return Math.min(older, graceEnd);
  }
}
