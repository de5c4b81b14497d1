// What the types promise, held by tsc: this file is compiled, not run.

import type {
  AnalyticsEngineDataset,
  DurableObjectNamespace,
  KVNamespace,
  RateLimit,
} from "@cloudflare/workers-types";
import { EdgemintError, createIssuer } from "edgemint";
import type { Issuer, Store } from "edgemint";
import { clientAddress, rateLimiter } from "edgemint/cloudflare";
import { analyticsEngine, everySink, logSink } from "edgemint/events";
import { directoryStore } from "edgemint/stores/directory";
import type { DirectoryObject } from "edgemint/stores/directory-object";
import { durableObjectStore } from "edgemint/stores/durable-object";
import type { GrantObject } from "edgemint/stores/durable-object";
import { kvStore } from "edgemint/stores/kv";
import { memoryStore } from "edgemint/stores/memory";

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
