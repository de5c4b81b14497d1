// What is done in process is what the administration API does: the types in pkg/acts.d.ts and
// pkg/index.d.ts, the methods of an issuer, and pkg/openapi.json, which the native tests hold to the code. That
// the tables here are the types' is for tsc to find out.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { createIssuer } from "edgemint";
import { memoryStore } from "edgemint/stores/memory";
import { MASTER_KEY } from "../workerd/world.js";

/** @typedef {import("edgemint").Issuer} Issuer */
/** @template T @typedef {Record<keyof Required<T>, string>} Names */
/** @template T @typedef {Record<keyof Required<T>, number>} Members */

const openapi = JSON.parse(readFileSync(new URL("../../pkg/openapi.json", import.meta.url), "utf8"));
const issuer = createIssuer({
  baseUrl: "https://auth.example.com",
  masterKey: MASTER_KEY,
  store: memoryStore(),
});

/** The operation of each method that has one. */
const METHODS = {
  /** @satisfies {Names<Issuer["admin"]>} */
  admin: {
    createTenant: "createTenant",
    getTenant: "getTenant",
    updateTenant: "updateTenant",
    listTenants: "",
    maintain: "",
    createApplication: "createApplication",
    importApplications: "importApplications",
    getApplication: "getApplication",
    listApplications: "listApplications",
    updateApplication: "updateApplication",
    deleteApplication: "deleteApplication",
    addSecret: "addSecret",
    removeSecret: "removeSecret",
    assignRoles: "assignRoles",
    setRoles: "setRoles",
    removeRoles: "removeRoles",
    removeRole: "removeRole",
    createApi: "createApi",
    getApi: "getApi",
    listApis: "listApis",
    updateApi: "updateApi",
    deleteApi: "deleteApi",
    listKeys: "listKeys",
    rotateKey: "rotateKey",
    removeKey: "removeKey",
    resealKeys: "resealKeys",
    listEvents: "listEvents",
  },
  /** @satisfies {Names<Issuer["authorization"]>} */
  authorization: {
    inspect: "inspectAuthorization",
    complete: "completeAuthorization",
    deny: "denyAuthorization",
  },
  /** @satisfies {Names<Issuer["sessions"]>} */
  sessions: {
    list: "listSessions",
    end: "endSession",
    endUser: "endUserSessions",
    endApplication: "endApplicationSessions",
    endTenant: "endTenantSessions",
  },
};

test("an issuer has the methods that its types say", () => {
  for (const [part, methods] of Object.entries(METHODS)) {
    const there = issuer[/** @type {keyof typeof METHODS} */ (part)];
    assert.deepEqual(Object.keys(there).toSorted(), Object.keys(methods).toSorted());
  }
});

test("every operation of the administration API is there in process, but for the one without an administrator", () => {
  const operations = Object.values(openapi.paths).flatMap((methods) =>
    Object.values(/** @type {Record<string, any>} */ (methods)).map(({ operationId }) => operationId),
  );
  const known = Object.values(METHODS).flatMap((methods) => Object.values(methods));
  const inProcess = known.filter((name) => name !== "");
  // In process, `createTenant` makes the first administrator, and whoever calls it is the operator.
  assert.deepEqual([...inProcess, "bootstrap"].toSorted(), operations.toSorted());
});

/**
 * @typedef {import("edgemint").NewApplication} NewApplication
 * @typedef {import("edgemint").TenantSettings} TenantSettings
 * @typedef {Parameters<Issuer["admin"]["importApplications"]>[0]["applications"][number]} Imported
 * @typedef {Awaited<ReturnType<Issuer["sessions"]["list"]>>["items"][number]} Session
 * @typedef {Parameters<Issuer["admin"]["createTenant"]>[0]} NewTenant
 * @typedef {Parameters<Issuer["admin"]["createApi"]>[0]} NewApi
 */

const TENANT = /** @satisfies {Members<TenantSettings>} */ ({
  displayName: 1,
  algorithm: 1,
  accessTokenLifetime: 1,
  loginUrl: 1,
  entra: 1,
  domains: 1,
  policies: 1,
});
const APPLICATION = /** @satisfies {Members<import("edgemint").ApplicationSettings>} */ ({
  displayName: 1,
  disabled: 1,
  grantTypes: 1,
  redirectUris: 1,
  refresh: 1,
  introspects: 1,
});
const SECRET = /** @satisfies {Members<import("edgemint").NewSecret>} */ ({
  displayName: 1,
  secret: 1,
  starts: 1,
  ends: 1,
});
const API = /** @satisfies {Members<import("edgemint").ApiSettings>} */ ({
  displayName: 1,
  roles: 1,
  scopes: 1,
  assignmentRequired: 1,
  algorithm: 1,
  accessTokenLifetime: 1,
  appId: 1,
  requestedAccessTokenVersion: 1,
  optionalClaims: 1,
});
const ENTITY = { createdAt: 1, version: 1 };
const SECRET_INFO = /** @satisfies {Members<import("edgemint").SecretInfo>} */ ({
  keyId: 1,
  displayName: 1,
  hint: 1,
  starts: 1,
  ends: 1,
});

/** The members of each schema, by the type that is its own. */
const SCHEMAS = /**
 * @satisfies {{
 *   NewRefresh: Members<import("edgemint").RefreshPolicy>,
 *   NewApplication: Members<NewApplication>,
 *   ApplicationChange: Members<import("edgemint").ApplicationSettings>,
 *   ImportedApplication: Members<Imported>,
 *   NewSecret: Members<import("edgemint").NewSecret>,
 *   NewApi: Members<Omit<NewApi, "tenant" | "idempotencyKey">>,
 *   ApiChange: Members<import("edgemint").ApiSettings>,
 *   TenantChange: Members<TenantSettings>,
 *   NewTenant: Members<Omit<NewTenant, "idempotencyKey">>,
 *   Application: Members<import("edgemint").Application>,
 *   Secret: Members<import("edgemint").SecretInfo>,
 *   AddedSecret: Members<import("edgemint").AddedSecret> & { tenant: number },
 *   Assignment: Members<import("edgemint").Application["assignments"][number]>,
 *   Api: Members<import("edgemint").Api>,
 *   Tenant: Members<import("edgemint").Tenant>,
 *   CreatedTenant: Members<Awaited<ReturnType<Issuer["admin"]["createTenant"]>>>,
 *   Key: Members<import("edgemint").Key>,
 *   Keys: Members<Awaited<ReturnType<Issuer["admin"]["listKeys"]>>>,
 *   Session: Members<Session>,
 *   Event: Members<import("edgemint").AdministrativeEvent>,
 *   Redirection: Members<Awaited<ReturnType<Issuer["authorization"]["deny"]>>>,
 *   Inspection: Members<import("edgemint").AuthorizationRequest>,
 * }}
 */ ({
  NewRefresh: { mode: 1, grace: 1, idle: 1, absolute: 1 },
  NewApplication: { clientId: 1, kind: 1, ...APPLICATION },
  ApplicationChange: APPLICATION,
  ImportedApplication: { clientId: 1, kind: 1, ...APPLICATION, secrets: 1, assignments: 1 },
  NewSecret: SECRET,
  NewApi: { identifier: 1, ...API },
  ApiChange: API,
  TenantChange: TENANT,
  NewTenant: { tenant: 1, id: 1, administrator: 1, ...TENANT },
  Application: { clientId: 1, kind: 1, ...APPLICATION, secrets: 1, assignments: 1, ...ENTITY },
  Secret: SECRET_INFO,
  // The tenant is told by `bootstrap` only.
  AddedSecret: { tenant: 1, clientId: 1, secret: 1, ...SECRET_INFO },
  Assignment: { api: 1, roles: 1, assignedAt: 1 },
  Api: { identifier: 1, ...API, ...ENTITY },
  Tenant: { tenant: 1, id: 1, ...TENANT, ...ENTITY },
  CreatedTenant: { tenant: 1, id: 1, administrator: 1 },
  Key: { kid: 1, algorithm: 1, state: 1, starts: 1, master: 1 },
  Keys: { items: 1, master: 1, sealedUnder: 1 },
  Session: { id: 1, clientId: 1, clientName: 1, scopes: 1, createdAt: 1, usedAt: 1, expiresAt: 1 },
  Event: { id: 1, time: 1, kind: 1, reason: 1, detail: 1, tenant: 1, clientId: 1 },
  Redirection: { redirectTo: 1 },
  Inspection: {
    tenant: 1,
    clientId: 1,
    clientName: 1,
    redirectUri: 1,
    scopes: 1,
    loginHint: 1,
    prompt: 1,
    dialect: 1,
    policy: 1,
    expires: 1,
  },
});

test("the documents of the administration API have the members that the types say", () => {
  for (const [name, members] of Object.entries(SCHEMAS)) {
    const documented = Object.keys(openapi.components.schemas[name].properties);
    assert.deepEqual(documented.toSorted(), Object.keys(members).toSorted(), name);
  }
});
