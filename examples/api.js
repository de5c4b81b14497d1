// An API that asks for a token: node:http and jose, nothing of edgemint's own. Start the service with
// `cargo xtask dev`, then this one with `node examples/api.js`.
//
// RFC 6750 section 3 says how a request is refused: 401 with a bare challenge if it brings no token,
// 401 `invalid_token` if the token is no good, 403 `insufficient_scope` if it lacks the role.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRemoteJWKSet, jwtVerify } from "jose";

const { issuer, audience } = settings();
const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));

/** Which role each operation needs. @type {Record<string, string>} */
const ROLES = { GET: "Orders.Read.All", POST: "Orders.Write.All" };

const orders = [{ id: 1, item: "tea" }];

/** Codes by which jose says that the token is at fault; anything else is our own trouble. */
const BAD_TOKEN = /^ERR_(JWT_|JWS_|JWKS_NO_MATCHING|JWKS_MULTIPLE|JOSE_ALG_|JOSE_NOT_SUPPORTED)/;

/** From the environment, or as `cargo xtask dev` has written them. */
function settings() {
  const { ISSUER, AUDIENCE } = process.env;
  if (ISSUER && AUDIENCE) return { issuer: ISSUER, audience: AUDIENCE };
  const facts = new URL("../.edgemint/demo.json", import.meta.url);
  try {
    const { issuer, api } = JSON.parse(readFileSync(facts, "utf8"));
    return { issuer: ISSUER ?? issuer, audience: AUDIENCE ?? api };
  } catch {
    console.error("error: run `cargo xtask dev` first, or set ISSUER and AUDIENCE");
    process.exit(1);
  }
}

/**
 * @param {import("node:http").ServerResponse} response @param {number} status @param {unknown} body
 * @param {Record<string, string>} [headers]
 */
function answer(response, status, body, headers) {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

/** @param {import("node:http").ServerResponse} response @param {number} status @param {string} challenge */
function refuse(response, status, challenge) {
  answer(response, status, {}, { "www-authenticate": challenge });
}

/** The claims of a token that is good for this API; throws otherwise. @param {string} token */
async function verify(token) {
  const { payload } = await jwtVerify(token, keys, {
    issuer,
    audience,
    typ: "at+jwt",
    // As the tenant signs: ES256 unless it was told otherwise.
    algorithms: ["ES256"],
    requiredClaims: ["exp", "iat", "sub", "client_id", "jti"],
  });
  return payload;
}

const server = createServer(async (request, response) => {
  request.resume();
  const { pathname } = new URL(request.url ?? "/", "http://localhost");
  if (pathname !== "/orders") return answer(response, 404, {});
  const role = ROLES[request.method ?? ""];
  if (role === undefined) return answer(response, 405, {}, { allow: Object.keys(ROLES).join(", ") });

  const [scheme, token = ""] = (request.headers.authorization ?? "").split(" ");
  if (scheme.toLowerCase() !== "bearer") return refuse(response, 401, "Bearer");
  let claims;
  try {
    claims = await verify(token);
  } catch (error) {
    const { code = "" } = /** @type {{ code?: string }} */ (error);
    if (BAD_TOKEN.test(code)) return refuse(response, 401, 'Bearer error="invalid_token"');
    console.error(`the keys of ${issuer} could not be read: ${error}`);
    return answer(response, 503, {}, { "retry-after": "5" });
  }
  if (!Array.isArray(claims.roles) || !claims.roles.includes(role)) {
    const scope = `${audience}/${role}`;
    return refuse(response, 403, `Bearer error="insufficient_scope", scope="${scope}"`);
  }
  if (request.method === "POST") {
    orders.push({ id: orders.length + 1, item: "coffee" });
    return answer(response, 201, orders.at(-1));
  }
  return answer(response, 200, orders);
});

server.listen(Number(process.env.PORT ?? 8788), "127.0.0.1", () => {
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  console.log(`http://127.0.0.1:${port}/orders asks for a token; try: node examples/caller.js`);
});
