// The sign floor: the least that a worker can do to answer a token request. It reads the body,
// signs once with SubtleCrypto and answers 700 bytes. What ours does is measured against it.

import { HEADERS, jwks, sign } from "./signing.js";

export default {
  /** @param {Request} request @param {{ ALGORITHM?: import("./signing.js").Algorithm }} env */
  async fetch(request, { ALGORITHM }) {
    if (request.method === "GET") return jwks(ALGORITHM);
    await request.text();
    const body = `{"access_token":"${await sign(ALGORITHM)}","token_type":"Bearer","expires_in":3600}`;
    return new Response(body, { headers: HEADERS });
  },
};
