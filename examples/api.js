// An API that asks for a token: edgemint/protect in front of node:http, by the entry for Express, which needs
// no Express. Start the service with `cargo xtask dev`, then this one with `node examples/api.js`.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { protect } from "edgemint/protect/express";

const guard = protect({
  ...settings(),
  // What the caller is not told.
  onRefusal: ({ code, message }) => console.error(`${code}: ${message}`),
});

/** Which role each operation needs. @type {Record<string, typeof guard>} */
const GUARDS = {
  GET: guard.with({ roles: "Orders.Read.All" }),
  POST: guard.with({ roles: "Orders.Write.All" }),
};

const orders = [{ id: 1, item: "tea" }];

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

const server = createServer((request, response) => {
  request.resume();
  const { pathname } = new URL(request.url ?? "/", "http://localhost");
  if (pathname !== "/orders") return answer(response, 404, {});
  const guard = GUARDS[request.method ?? ""];
  if (guard === undefined) return answer(response, 405, {}, { allow: Object.keys(GUARDS).join(", ") });
  guard(request, response, () => {
    if (request.method === "GET") return answer(response, 200, orders);
    orders.push({ id: orders.length + 1, item: "coffee" });
    answer(response, 201, orders.at(-1));
  });
});

server.listen(Number(process.env.PORT ?? 8788), "127.0.0.1", () => {
  const { port } = /** @type {import("node:net").AddressInfo} */ (server.address());
  console.log(`http://127.0.0.1:${port}/orders asks for a token; try: node examples/caller.js`);
});
