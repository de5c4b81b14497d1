// The object floor: the least that a worker can do to rotate a refresh token. It reads the body, calls
// a Durable Object once, which compares and sets a version in SQLite, signs once with SubtleCrypto and
// answers 900 bytes. What ours does is measured against it.
//
// Its refresh token is `~object~version~` and padding: each is good once, and brings its successor.

import { DurableObject } from "cloudflare:workers";
import { HEADERS, jwks, sign } from "./signing.js";

/** About as many bytes as a grant's record, and as a refresh token. */
const VALUE = JSON.stringify({ pad: "x".repeat(590) });
const PADDING = "x".repeat(160);

/** The only row. */
const ID = 1;
const CREATE =
  "CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, value TEXT, version INTEGER)";
const INSERT = "INSERT OR IGNORE INTO rows VALUES (?, ?, 0)";
const READ = "SELECT value, version FROM rows WHERE id = ?";
const UPDATE = "UPDATE rows SET value = ?, version = ? WHERE id = ? AND version = ?";

export class RowObject extends DurableObject {
  /**
   * @param {import("@cloudflare/workers-types").DurableObjectState} ctx
   * @param {unknown} env
   */
  constructor(ctx, env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec(CREATE);
    this.sql.exec(INSERT, ID, VALUE);
  }

  /**
   * The next token, or nothing if this one is not the last.
   * @param {string} object
   * @param {number} version
   */
  rotate(object, version) {
    const [[value, stored]] = this.sql.exec(READ, ID).raw();
    if (stored !== version) return "";
    this.sql.exec(UPDATE, value, version + 1, ID, version);
    return `~${object}~${version + 1}~${PADDING}`;
  }
}

export default {
  /** @param {Request} request @param {{ ROWS: any }} env */
  async fetch(request, env) {
    if (request.method === "GET") return jwks();
    const [, object, version] = (await request.text()).split("~");
    const next = await env.ROWS.getByName(object).rotate(object, Number(version));
    if (next === "") return new Response("not the last one", { status: 400 });
    const signed = `"access_token":"${await sign()}","token_type":"Bearer","expires_in":3600`;
    return new Response(`{${signed},"refresh_token":"${next}"}`, { headers: HEADERS });
  },
};
