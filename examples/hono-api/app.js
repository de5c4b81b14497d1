// An API by Hono that asks for a token, the same on every runtime: worker.js and server.js start it.

import { Hono } from "hono";
import { protect } from "edgemint/protect/hono";

/** @param {{ issuer: string, audience: string }} options whose tokens, and for which API */
export function ordersApi({ issuer, audience }) {
  const guard = protect({
    issuer,
    audience,
    // What the caller is not told.
    onRefusal: ({ code, message }) => console.error(`${code}: ${message}`),
  });
  const orders = [{ id: 1, item: "tea", by: "the house" }];

  return new Hono()
    .get("/healthz", (c) => c.text("ok"))
    // A service with the app role, or a user who has consented to the scope.
    .get("/orders", guard.with({ roles: "Orders.Read.All", scopes: "Orders.Read" }), (c) => c.json(orders))
    .post("/orders", guard.with({ roles: "Orders.Write.All" }), async (c) => {
      const { item } = await c.req.json().catch(() => ({}));
      if (typeof item !== "string") return c.json({ error: "`item` is missing" }, 400);
      const order = { id: orders.length + 1, item, by: c.get("token").client_id };
      orders.push(order);
      return c.json(order, 201);
    });
}
