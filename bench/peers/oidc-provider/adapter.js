// Where oidc-provider keeps its models here: in memory. Its own memory adapter is for development: it
// holds 1000 entries, and at each refresh goes through all tokens of the grant; this one does neither.

/** @typedef {{ consumed?: number, grantId?: string, uid?: string, userCode?: string }} Payload */

/** One for each model. */
export class MemoryAdapter {
  /** @type {Map<string, Payload>} */
  #entries = new Map();

  /** @param {string} id */
  async find(id) {
    return this.#entries.get(id);
  }

  /** @param {string} id @param {Payload} payload */
  async upsert(id, payload) {
    this.#entries.set(id, payload);
  }

  /** @param {string} id */
  async consume(id) {
    const payload = this.#entries.get(id);
    if (payload !== undefined) payload.consumed = Math.floor(Date.now() / 1000);
  }

  /** @param {string} id */
  async destroy(id) {
    this.#entries.delete(id);
  }

  /**
   * It is for a replayed token, which is rare: so that a refresh needs no index.
   * @param {string} grantId
   */
  async revokeByGrantId(grantId) {
    for (const [id, payload] of this.#entries) {
      if (payload.grantId === grantId) this.#entries.delete(id);
    }
  }

  /** @param {string} uid */
  async findByUid(uid) {
    return this.#entries.values().find((payload) => payload.uid === uid);
  }

  /** @param {string} userCode */
  async findByUserCode(userCode) {
    return this.#entries.values().find((payload) => payload.userCode === userCode);
  }
}
