// What the types promise, held by tsc: this file is compiled, not run.

import type {
  AnalyticsEngineDataset,
  DurableObjectNamespace,
  KVNamespace,
  RateLimit,
} from "@cloudflare/workers-types";
import { EdgemintError, createIssuer } from "edgemint";
import type { Administration, EdgemintErrorCode, Issuer, IssuerOptions, Page, Store } from "edgemint";
import { clientAddress, rateLimiter } from "edgemint/cloudflare";
import { analyticsEngine, everySink, logSink } from "edgemint/events";
import { directoryStore } from "edgemint/stores/directory";
import type { DirectoryObject } from "edgemint/stores/directory-object";
import { durableObjectStore } from "edgemint/stores/durable-object";
import type { GrantObject } from "edgemint/stores/durable-object";
import { kvStore } from "edgemint/stores/kv";
import { memoryStore } from "edgemint/stores/memory";
import { expectTypeOf } from "expect-type";

declare const namespace: KVNamespace;
declare const objects: DurableObjectNamespace<GrantObject>;
declare const tenants: DurableObjectNamespace<DirectoryObject>;

// The platform's own bindings fit.
const store: Store = kvStore(namespace, { cacheTtl: 60 });
const directory: Store = directoryStore({ kv: namespace, objects: tenants });
const grants: Store = durableObjectStore(objects);
const outcome: string = await durableObjectStore(objects.jurisdiction("eu")).step("p", "n", "{}");
const issuer: Issuer = createIssuer({ baseUrl: "https://a.example", masterKey: "", store });

declare const dataset: AnalyticsEngineDataset;
declare const failures: RateLimit;
createIssuer({
  baseUrl: "https://a.example",
  masterKey: "",
  store,
  onEvent: everySink(logSink, analyticsEngine(dataset), ({ location = "nowhere" }) => void location),
  issuanceEvents: false,
  clientAddress,
  rateLimit: rateLimiter(failures),
});
// What comes out of the environment may be missing, and is refused when it is.
createIssuer({
  baseUrl: "https://a.example",
  masterKey: process.env.MASTER_KEY,
  previousMasterKey: process.env.PREVIOUS_MASTER_KEY,
  bootstrapSecret: process.env.BOOTSTRAP_SECRET,
  store,
});
// @ts-expect-error a master key is required
createIssuer({ baseUrl: "https://a.example", store });
// What the claims hook is told depends on the grant.
createIssuer({
  baseUrl: "https://a.example",
  masterKey: "",
  store,
  claimsTimeout: 500,
  async claims({ grantType, roles, subject, scopes, claims, api, dialect, signal }) {
    if (grantType === "client_credentials") {
      const all: string[] = roles;
      const nobody: undefined = subject;
      return { all, nobody };
    }
    const user: string = subject;
    // @ts-expect-error app roles are an application's
    const none: string[] = roles;
    const { name } = claims;
    signal.throwIfAborted();
    return { user, none, name, scopes, api, isMicrosofts: dialect !== "standard" };
  },
});
// @ts-expect-error claims are an object
createIssuer({ baseUrl: "https://a.example", masterKey: "", store, claims: () => "admin" });
// @ts-expect-error whether it was within the limit is not optional
createIssuer({ baseUrl: "https://a.example", masterKey: "", store, rateLimit: async () => {} });

// A new secret may be absent: an imported one is never shown again.
const added = await issuer.admin.addSecret({ tenant: "demo", clientId: "a" });
const secret: string | undefined = added.secret;
// @ts-expect-error a secret is not always there
const always: string = added.secret;

// All tenants are listed without naming one.
await issuer.admin.listTenants();
// @ts-expect-error an algorithm is one of three
await issuer.admin.createTenant({ tenant: "demo", algorithm: "HS256" });
// @ts-expect-error a store is required
createIssuer({ baseUrl: "https://a.example", masterKey: "" });

try {
  const response: Response = await issuer.fetch(new Request("https://a.example/"));
  void response;
} catch (error) {
  if (error instanceof EdgemintError) {
    switch (error.code) {
      case "missing_master_key":
      case "store_unavailable":
        break;
      // @ts-expect-error the codes are a closed list
      case "no_such_code":
    }
  }
}

const entries: [string, string][] = memoryStore().entries();
void [secret, always, entries, directory, grants, outcome];

// A caught error is narrowed by its class, then by its code.
declare const thrown: unknown;
if (thrown instanceof EdgemintError) {
  expectTypeOf(thrown.code).toEqualTypeOf<EdgemintErrorCode>();
  expectTypeOf(thrown.name).toEqualTypeOf<"EdgemintError">();
  expectTypeOf(thrown).toExtend<Error>();
  if (thrown.code === "wasm_unavailable") expectTypeOf(thrown.code).toEqualTypeOf<"wasm_unavailable">();
  const status = { not_found: 404, exists: 409 } as const;
  if (thrown.code === "not_found" || thrown.code === "exists") {
    expectTypeOf(status[thrown.code]).toEqualTypeOf<404 | 409>();
  }
  // @ts-expect-error not every code has one here
  void status[thrown.code];
  // @ts-expect-error a code is what it is
  thrown.code = "failed";
}
new EdgemintError("failed", "why", { cause: thrown });
// @ts-expect-error the codes are a closed list
new EdgemintError("whatever", "why");

// What an act takes, and what comes of it.
type Taken<Act extends keyof Administration> = Parameters<Administration[Act]>[0];
type Given<Act extends keyof Administration> = Awaited<ReturnType<Administration[Act]>>;
expectTypeOf(issuer.admin).toEqualTypeOf<Administration>();
expectTypeOf<Given<"listTenants">>().toEqualTypeOf<Page<string>>();
expectTypeOf<Given<"addSecret">["secret"]>().toEqualTypeOf<string | undefined>();
expectTypeOf<Taken<"createTenant">["algorithm"]>().toEqualTypeOf<"ES256" | "EdDSA" | "RS256" | undefined>();
expectTypeOf<{ tenant: string; clientId: string; ifMatch: string }>().toExtend<Taken<"updateApplication">>();
expectTypeOf<{ tenant: string }>().not.toExtend<Taken<"getApplication">>();
expectTypeOf<Given<"listApplications">["items"][number]["secrets"][number]>().not.toHaveProperty("secret");
// Nothing of it is `any`.
expectTypeOf<Given<keyof Administration>>().not.toBeAny();
expectTypeOf<Taken<keyof Administration>>().not.toBeAny();

// `fetch` is what a platform calls, with its context or without; it needs no `this`.
expectTypeOf(issuer.fetch).toBeCallableWith(new Request("https://a.example/"));
expectTypeOf(issuer.fetch).parameters.toEqualTypeOf<
  [request: Request, context?: { waitUntil(promise: Promise<unknown>): void }]
>();
expectTypeOf(issuer.fetch).returns.toEqualTypeOf<Promise<Response>>();
expectTypeOf<IssuerOptions["grants"]>().toEqualTypeOf<Store | false | undefined>();
