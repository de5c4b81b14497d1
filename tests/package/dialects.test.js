// The dialects of Microsoft in the package: who loads their module, and what names a tenant where several
// ask for it at once.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { createIssuer } from "edgemint";
import { memoryStore } from "edgemint/stores/memory";
import { compare } from "../../pkg/cli/directory/compare.js";
import { createIssuerFrom } from "../../pkg/issuer.js";
import { certificateIn } from "../../pkg/serve/certificate.js";
import { MASTER_KEY } from "../workerd/world.js";

const baseUrl = "https://auth.example.com";
const GUID = "12345678-1234-4123-8123-123456789012";

/** @param {string} name */
const compiled = (name) =>
  new WebAssembly.Module(readFileSync(new URL(`../../pkg/wasm/${name}_bg.wasm`, import.meta.url)));

/** An issuer that tells which parts it has loaded. */
function issuer() {
  /** @type {string[]} */
  const loaded = [];
  const options = { baseUrl, masterKey: MASTER_KEY, store: memoryStore(), onEvent() {} };
  const { admin, fetch } = createIssuerFrom(compiled("edgemint"), options, async (part) => {
    loaded.push(part);
    const { wasm } = await import(`../../pkg/${part}.js`);
    return { wasm, module: compiled(part) };
  });
  return { admin, fetch, loaded };
}

test("no path of the standard's loads the dialects", async () => {
  const { fetch, loaded } = issuer();
  const paths = ["token-endpoint", "metadata", "grants"].flatMap((file) => {
    const text = readFileSync(new URL(`../vectors/${file}.json`, import.meta.url), "utf8");
    return JSON.parse(text).cases.map((/** @type {any} */ { request }) => request.target);
  });
  paths.push(
    "/healthz",
    "/favicon.ico",
    "/robots.txt",
    "/robots.txt/x",
    "/.well-known/oauth-authorization-server/demo",
    "/.well-known/oauth-authorization-server/v2.0/x",
    "/.well-known/discovery/x",
    "/demo/.well-known/openid-configuration",
    "/demo/.well-known/openid-configuration?x=/v2.0/",
    "/demo/oauth2/authorize?redirect_uri=https://app.example/v2.0/cb",
    "/demo/oauth2/token?x=/discovery/keys",
    "/demo/oauth2/introspect",
    "/demo/oauth2/revoke",
    "/demo/admin/v1/authorizations/inspect",
    `/${GUID}/oauth2/token`,
    `/${GUID}/oauth2/authorize`,
    `/${GUID}/.well-known/jwks.json`,
  );
  assert.ok(paths.length > 50);
  for (const path of paths) {
    for (const method of ["GET", "POST"]) {
      await (await fetch(new Request(baseUrl + path, { method }))).text();
      assert.ok(!loaded.includes("dialects"), path);
    }
  }
});

test("each path of the dialects' reaches them", async () => {
  const rest = [
    "oauth2/v2.0/token",
    "oauth2/v2.0/authorize",
    "v2.0/.well-known/openid-configuration",
    "discovery/v2.0/keys",
  ];
  const named = [...rest, ".well-known/openid-configuration", "discovery/keys"];
  const paths = [
    ...rest.flatMap((path) => [`/demo/${path}`, `/demo/B2C_1_x/${path}`, `/demo/${path}?p=b2c_1_x`]),
    ...named.flatMap((path) => [`/${GUID}/${path}`, `/contoso.com/${path}`, `/CONTOSO.com/${path}?x=1`]),
    `/${GUID.toUpperCase()}/.well-known/openid-configuration`,
    "/common/oauth2/v2.0/token",
  ];
  for (const path of paths) {
    const { fetch, loaded } = issuer();
    const response = await fetch(new Request(baseUrl + path));
    assert.deepEqual(loaded, ["dialects"], path);
    assert.notEqual(response.status, 500);
  }
});

test("of several tenants that are made at once with one domain, one has it", async () => {
  const { admin } = createIssuer({ baseUrl, masterKey: MASTER_KEY, store: memoryStore(), onEvent() {} });
  const domains = ["race.example"];
  for (const entra of [true, false]) {
    const made = await Promise.allSettled(
      Array.from({ length: 6 }, (_, n) => admin.createTenant({ tenant: `race${n}${entra}`, entra, domains })),
    );
    const refused = made.flatMap((one) => (one.status === "rejected" ? [one.reason.code] : []));
    // The first round has it for good.
    assert.deepEqual(refused, Array(entra ? 5 : 6).fill("exists"));
  }
});

test("a public application that follows the dialect is stored so, and applying it again changes nothing", async () => {
  const { admin } = createIssuer({ baseUrl, masterKey: MASTER_KEY, store: memoryStore(), onEvent() {} });
  await admin.createTenant({ tenant: "demo" });
  const refresh = { mode: /** @type {const} */ ("dialect") };
  const { clientId } = await admin.createApplication({ tenant: "demo", kind: "public", refresh });
  const stored = await admin.getApplication({ tenant: "demo", clientId });
  assert.equal(stored.refresh.mode, "dialect");
  assert.equal(compare("application", { clientId, kind: "public", refresh }, stored), undefined);
});

test("the key of the certificate is the owner's to read, whatever was in its place", async () => {
  const folder = mkdtempSync(join(tmpdir(), "edgemint-"));
  try {
    writeFileSync(join(folder, "https-key.pem"), "old", { mode: 0o644 });
    const { key } = await certificateIn(folder);
    assert.equal(statSync(key).mode & 0o777, 0o600);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
