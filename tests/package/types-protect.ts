// What the types of `edgemint/protect` promise, held by tsc: this file is compiled, not run.

import type { IncomingMessage } from "node:http";
import type { Request as WorkersRequest } from "@cloudflare/workers-types";
import { protect } from "edgemint/protect";
import type { Guard, ProtectErrorCode, Token } from "edgemint/protect";
import { ProtectError } from "edgemint/protect";
import { protect as expressGuard } from "edgemint/protect/express";
import { protect as fastifyGuard } from "edgemint/protect/fastify";
import { protect as honoGuard } from "edgemint/protect/hono";
import { expectTypeOf } from "expect-type";
import express from "express";
import Fastify from "fastify";
import { Hono } from "hono";

type Role = "Orders.Read.All" | "Orders.Write.All";
type Custom = { department?: string };
const options = { issuer: "https://auth.example.com/contoso", audience: "api://orders" };

// What a token says, whoever made the guard.
const plain = protect(options);
expectTypeOf(plain).toEqualTypeOf<Guard<{}, string>>();
const token = await plain(new Request("https://api.example.com/"));
expectTypeOf(token).toEqualTypeOf<Token>();
expectTypeOf(token.roles).toEqualTypeOf<string[]>();
expectTypeOf(token.scopes).toEqualTypeOf<string[]>();
expectTypeOf(token.client_id).toEqualTypeOf<string>();
expectTypeOf(token.exp).toEqualTypeOf<number>();
expectTypeOf(token.tid).toEqualTypeOf<string | undefined>();
// @ts-expect-error a claim that nobody has named
void token.department;

// A role in the options is no list of all roles.
expectTypeOf(protect({ ...options, roles: "Orders.Read.All" })).toEqualTypeOf<Guard<{}, string>>();

// Roles and claims that the API knows.
const guard = protect<Custom, Role>({ ...options, roles: { any: ["Orders.Read.All"] } });
const known = await guard.verify("...");
expectTypeOf(known.roles).toEqualTypeOf<Role[]>();
expectTypeOf(known.department).toEqualTypeOf<string | undefined>();
guard.with({ roles: ["Orders.Read.All", "Orders.Write.All"] });
guard.with({ roles: { all: ["Orders.Write.All"] }, scopes: "Orders.Read" });
// @ts-expect-error a role that the API does not have
guard.with({ roles: "Orders.Raed.All" });
// @ts-expect-error a role that the API does not have
protect<Custom, Role>({ ...options, roles: "Orders.Raed.All" });
// @ts-expect-error one or the other
guard.with({ roles: { any: ["Orders.Read.All"], all: ["Orders.Write.All"] } });

// @ts-expect-error who the issuer is has no default
protect({ audience: "api://orders" });
// @ts-expect-error a token for whatever API is not good enough
protect({ issuer: "https://auth.example.com/contoso" });
// @ts-expect-error symmetric algorithms are not for a public API
protect({ ...options, algorithms: ["HS256"] });

// What comes out of the environment may be missing, and is refused when it is.
const { CLIENT_ID: clientId, CLIENT_SECRET: clientSecret } = process.env;
protect({ ...options, introspection: { clientId, clientSecret } });
// @ts-expect-error a secret is needed
protect({ ...options, introspection: { clientId } });
// @ts-expect-error it is called `roles`
guard.with({ role: "Orders.Read.All" });
// @ts-expect-error a requirement is an object
guard.with("Orders.Read.All");

// Handlers keep what the platform passes.
const handler = guard.handler((request, token) => {
  expectTypeOf(request).toEqualTypeOf<Request>();
  expectTypeOf(token.roles).toEqualTypeOf<Role[]>();
  return new Response(request.url);
});
expectTypeOf(handler).toEqualTypeOf<(request: Request) => Promise<Response>>();
interface Env {
  DATABASE: string;
}
const worker = {
  fetch: guard.handler(async (request: WorkersRequest, token, env: Env) => {
    expectTypeOf(token.department).toEqualTypeOf<string | undefined>();
    return new Response(env.DATABASE + request.url);
  }),
};
expectTypeOf(worker.fetch).toEqualTypeOf<(request: WorkersRequest, env: Env) => Promise<Response>>();
// @ts-expect-error a handler answers
guard.handler(() => "text");

try {
  await guard(new Request("https://api.example.com/"));
} catch (error) {
  if (error instanceof ProtectError) {
    expectTypeOf(error.code).toEqualTypeOf<ProtectErrorCode>();
    expectTypeOf(error.toResponse()).toEqualTypeOf<Response>();
    switch (error.code) {
      case "no_token":
      case "unavailable":
        break;
      // @ts-expect-error the codes are a closed list
      case "no_such_code":
    }
  }
}
protect({ ...options, onRefusal: (_, request) => expectTypeOf(request).toEqualTypeOf<Request>() });

// Hono
const hono = honoGuard<Custom, Role>(options);
new Hono()
  .get("/orders", hono.with({ roles: "Orders.Read.All" }), (c) => {
    expectTypeOf(c.get("token")).toEqualTypeOf<Token<Custom, Role>>();
    expectTypeOf(c.var.token.roles).toEqualTypeOf<Role[]>();
    return c.json({});
  })
  .get("/open", (c) => c.json({}));
const chained = new Hono().use(hono).get("/orders/:id", (c) => {
  expectTypeOf(c.req.param("id")).toEqualTypeOf<string>();
  return c.json({ department: c.get("token").department });
});
void chained;
// @ts-expect-error a role that the API does not have
hono.with({ roles: "Orders.Raed.All" });

// Express
const app = express();
const middleware = expressGuard<Custom, Role>({
  ...options,
  onRefusal: (_, request) => expectTypeOf(request).toEqualTypeOf<IncomingMessage>(),
});
app.use(middleware);
app.use("/orders", middleware, express.json());
app.get("/orders/:id", middleware.with({ roles: "Orders.Read.All" }), (request, response) => {
  expectTypeOf(request.auth).toEqualTypeOf<Token | undefined>();
  expectTypeOf(request.params.id).toEqualTypeOf<string>();
  expectTypeOf(middleware.token(request)).toEqualTypeOf<Token<Custom, Role>>();
  response.json({});
});

// Fastify
const fastify = Fastify();
const hook = fastifyGuard<Custom, Role>(options);
fastify.addHook("onRequest", hook);
fastify.addHook("preHandler", hook);
fastify.get("/orders", { onRequest: hook.with({ roles: "Orders.Read.All" }) }, async (request) => {
  expectTypeOf(request.auth).toEqualTypeOf<Token | undefined>();
  expectTypeOf(hook.token(request)).toEqualTypeOf<Token<Custom, Role>>();
  return {};
});
fastify.get<{ Querystring: { page: string } }>("/pages", { onRequest: [hook] }, async (request) => {
  expectTypeOf(request.query.page).toEqualTypeOf<string>();
  return {};
});
