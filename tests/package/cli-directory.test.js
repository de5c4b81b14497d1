// The directory file of the command line: how it is read, compared and written.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  apiCreation,
  compare,
  creation,
  missingSecrets,
  planList,
  undeclared,
} from "../../pkg/cli/directory/compare.js";
import { FileError, readDirectory } from "../../pkg/cli/directory/read.js";
import { diffLines } from "../../pkg/cli/directory/show.js";
import {
  apiItem,
  applicationItem,
  tenantItem,
  withoutLeftovers,
  yamlOf,
} from "../../pkg/cli/directory/write.js";

/** @param {string} text */
function problemsOf(text) {
  try {
    readDirectory(text, "d.yaml");
  } catch (error) {
    assert.ok(error instanceof FileError, `${error}`);
    assert.equal(error.exit, 2);
    return error.problems;
  }
  return assert.fail("it was taken");
}

const ADMIN_APPLICATION = {
  clientId: "7c2f4e1a-0d1b-4f7e-9a53-2b8f6f0a9c11",
  displayName: "Worker",
  kind: "confidential",
  disabled: false,
  grantTypes: ["refresh_token", "client_credentials"],
  redirectUris: ["https://b.example/cb?x=1", "https://a.example/cb"],
  refresh: { mode: "rotate", grace: 10, idle: 2592000, absolute: 7776000 },
  introspects: [],
  secrets: [{ keyId: "k", displayName: "one", hint: "abc", starts: 1, ends: 2 }],
  assignments: [
    { api: "api://orders", roles: ["Orders.Write.All", "Orders.Read.All"], assignedAt: 1 },
    { api: "api://a", roles: ["A"], assignedAt: 1 },
  ],
  createdAt: 1,
};
const API = {
  identifier: "api://orders",
  displayName: "Orders: all, of them # really",
  roles: [
    { value: "Orders.Write.All", id: "1", displayName: "Write" },
    { value: "Orders.Read.All", id: "2", displayName: "Read" },
  ],
  scopes: [],
  assignmentRequired: true,
  createdAt: 1,
};

test("a mistake in the file is told with its line and column", () => {
  const text = [
    "tenant:",
    "  displayname: X",
    "apis:",
    "  - identifier: api://a",
    "    roles: [A, A]",
    "  - displayName: no id",
    "applications:",
    "  - clientId: 123",
    "    grantTypes: [foo]",
    "  - clientId: a",
    "    assignments: { api://a: A }",
    "  - clientId: a",
  ].join("\n");
  assert.deepEqual(
    problemsOf(text).map((problem) => problem.split(" ")[0]),
    ["2:3", "5:16", "6:5", "8:15", "9:18", "11:29", "12:15"].map((place) => `d.yaml:${place}:`),
  );
});

test("a file that is not YAML is told with its line", () => {
  assert.match(problemsOf("apis: []\ntenant: [1\nx: 2\n")[0], /^d\.yaml:3:1: /);
  assert.match(
    problemsOf("- a\n")[0],
    /^d\.yaml:1:1: must have members: tenant, apis, applications/,
  );
});

test("JSON is read like YAML, with its lines", () => {
  assert.deepEqual(readDirectory('{"tenant":{"algorithm":"ES256"}}', "d"), {
    tenant: { algorithm: "ES256" },
  });
  assert.match(problemsOf('{\n "tenant": {\n  "x": 1 } }')[0], /^d\.yaml:3:3: unknown member `x`/);
});

test("a large file is read in parts as it would be as a whole", () => {
  const item = (/** @type {number} */ at) =>
    `  - clientId: app-${at}\n    # ${"a comment ".repeat(20)}\n    displayName: >-\n      - not an\n      item ${at}\n` +
    `    assignments:\n      api://orders:\n        - Orders.Read.All\n\n`;
  const items = Array.from({ length: 3500 }, (_, at) => item(at)).join("");
  const text = `apis:\n  - identifier: api://orders\napplications: # all of them\n\n${items}tenant:\n  displayName: X\n`;
  assert.ok(text.length > 1_000_000);
  const directory = readDirectory(text, "d.yaml");
  assert.equal(directory.applications?.length, 3500);
  assert.deepEqual(directory.applications?.[3499], {
    clientId: "app-3499",
    displayName: "- not an item 3499",
    assignments: { "api://orders": ["Orders.Read.All"] },
  });
  assert.deepEqual(directory.tenant, { displayName: "X" });
  assert.equal(directory.apis?.length, 1);

  const wrong = text.replace("clientId: app-3300\n", "clientID: app-3300\n");
  const line = text.slice(0, text.indexOf("app-3300\n")).split("\n").length;
  assert.deepEqual(
    problemsOf(wrong).map((problem) => problem.split(":")[1]),
    [`${line}`, `${line}`],
  );
  const twice = text.replace("clientId: app-3300\n", "clientId: app-3\n");
  assert.match(problemsOf(twice)[0], new RegExp(`^d.yaml:${line}:15: \`app-3\` is there twice`));
  assert.match(problemsOf(`${text}applications: []\n`)[0], /there twice/);
});

test("what is exported is read back as the same, and leaves nothing to do", async () => {
  const odd = [
    "true",
    "No",
    "12",
    "1e3",
    "",
    " a",
    "a ",
    "a: b",
    "a #b",
    "- a",
    "é\u2028\u0085",
    "{",
    "'",
    '"',
    "a,b",
    "~",
    "null",
    "x:",
    "@a",
    "%",
    "0x1f",
    "a\nb\tc",
    "*a",
    "&a",
    "!a",
    "|",
    "2027-01-31",
    "😀",
  ];
  const applications = [
    ADMIN_APPLICATION,
    ...odd.map((name, at) => ({
      ...ADMIN_APPLICATION,
      clientId: `${at}${name}`,
      displayName: `${name}x` === "x" ? "x" : name,
      assignments: [{ api: `urn:${name}`, roles: [name || "R"], assignedAt: 1 }],
    })),
  ];
  const tenant = {
    tenant: "t",
    id: "i",
    displayName: "T",
    algorithm: "ES256",
    accessTokenLifetime: 3600,
  };
  const items = {
    tenant: tenantItem(tenant),
    apis: [apiItem(API)],
    applications: applications.map(applicationItem),
  };
  const text = [...yamlOf(items, "# heading\n")].join("");
  const read = readDirectory(text, "d.yaml");
  assert.deepEqual(read, JSON.parse(JSON.stringify(items)));
  assert.equal(compare("tenant", read.tenant ?? {}, tenant), undefined);
  const pages = [{ items: applications.slice(0, 5) }, { items: applications.slice(5) }];
  const plan = await planList("application", read.applications ?? [], pages, { prune: true });
  assert.deepEqual(plan.steps, []);
  assert.equal(compare("api", read.apis?.[0] ?? {}, API), undefined);
  const other = { ...ADMIN_APPLICATION, assignments: [...ADMIN_APPLICATION.assignments].reverse() };
  assert.equal(JSON.stringify(applicationItem(other)), JSON.stringify(items.applications[0]));
});

test("only members that the file names are compared, and lists that are sets in any order", () => {
  const { clientId } = ADMIN_APPLICATION;
  assert.equal(compare("application", { clientId }, ADMIN_APPLICATION, true), undefined);
  const same = {
    clientId,
    grantTypes: ["client_credentials", "refresh_token"],
    refresh: { grace: 10 },
  };
  assert.equal(compare("application", same, ADMIN_APPLICATION), undefined);
  const update = compare(
    "application",
    { clientId, refresh: { idle: 5 }, disabled: true },
    ADMIN_APPLICATION,
  );
  assert.deepEqual(update?.patch, {
    disabled: true,
    refresh: { mode: "rotate", grace: 10, idle: 5, absolute: 7776000 },
  });
  assert.throws(() => compare("application", { clientId, kind: "public" }, ADMIN_APPLICATION), {
    exit: 2,
    message: /kind cannot change/,
  });
});

test("app roles that stay keep the names that the file does not say", () => {
  const update = compare(
    "api",
    { identifier: "api://orders", roles: [{ value: "Orders.Read.All" }, { value: "New" }] },
    API,
  );
  assert.deepEqual(update?.patch, {
    roles: [{ value: "Orders.Read.All", displayName: "Read" }, { value: "New" }],
  });
  assert.equal(compare("api", { algorithm: null }, API), undefined);
  assert.equal(compare("tenant", { entra: false }, {}), undefined, "it is shown only if it is true");
  assert.deepEqual(compare("tenant", { entra: true }, {})?.patch, { entra: true });
});

test("assignments on APIs that the file does not name go with --prune only", () => {
  const wanted = { assignments: { "api://orders": ["Orders.Read.All"], "api://new": ["N"] } };
  const kept = compare("application", wanted, ADMIN_APPLICATION);
  assert.deepEqual(kept?.assign, { "api://orders": ["Orders.Read.All"], "api://new": ["N"] });
  assert.deepEqual(kept?.unassign, []);
  assert.deepEqual(compare("application", wanted, ADMIN_APPLICATION, true)?.unassign, ["api://a"]);
});

test("what the file does not name goes with --prune, but never oneself nor the administration", async () => {
  const pages = [
    { items: ["self", "a", "b"].map((clientId) => ({ clientId, displayName: clientId })) },
  ];
  const wanted = [{ clientId: "a" }, { clientId: "c" }];
  const without = await planList("application", wanted, pages, { self: "self" });
  assert.deepEqual(
    without.steps.map(({ action, id }) => `${action} ${id}`),
    ["add c"],
  );
  assert.deepEqual(without.unlisted, ["application b"], "what --prune would remove");
  const pruned = await planList("application", wanted, pages, { prune: true, self: "self" });
  assert.deepEqual(
    pruned.steps.map(({ action, id }) => `${action} ${id}`),
    ["add c", "remove b"],
  );
  assert.equal(pruned.keptSelf, true);
  const apis = await planList("api", [], [{ items: [{ identifier: "urn:edgemint:admin" }] }], {
    prune: true,
  });
  assert.deepEqual(apis.steps, []);
});

test("an app role that its API does not declare is a mistake, with application, API and role", () => {
  const declared = new Map([["api://orders", new Set(["Orders.Read.All"])]]);
  /** @type {{ clientId: string, assignments?: Record<string, string[]> }[]} */
  const applications = [
    { clientId: "a", assignments: { "api://orders": ["Orders.Read.All"] } },
    { clientId: "b", assignments: { "api://orders": ["Orders.Read.All", "Bogus"], "api://x": ["X"] } },
    { clientId: "c" },
  ];
  assert.deepEqual(undeclared(applications, declared), [
    "application b: api://orders declares no app role Bogus",
    "application b: there is no API api://x",
  ]);
});

test("what is left of app roles and APIs that are gone is not exported", () => {
  const apis = new Map([["api://orders", { roles: new Set(["Orders.Read.All"]), createdAt: 1 }]]);
  const { application, gone } = withoutLeftovers(ADMIN_APPLICATION, apis);
  assert.deepEqual(applicationItem(application).assignments, {
    "api://orders": ["Orders.Read.All"],
  });
  const { clientId } = ADMIN_APPLICATION;
  assert.deepEqual(gone, [
    `Orders.Write.All on api://orders of ${clientId}`,
    `A on api://a of ${clientId}`,
  ]);
  const later = new Map([["api://orders", { roles: new Set(["Orders.Read.All"]), createdAt: 2 }]]);
  const earlier = withoutLeftovers(ADMIN_APPLICATION, later).application;
  assert.deepEqual(earlier.assignments, [], "consent to an API is not consent to the next of its name");
});

test("a secret comes from the environment, for a new application only", () => {
  const { applications } = readDirectory(
    "applications:\n  - { clientId: a, secretFromEnv: A }\n  - clientId: b\n    secrets: [{ displayName: x, fromEnv: B, ends: 2027-01-31 }]\n",
    "d.yaml",
  );
  const steps = (applications ?? []).map((wanted) => {
    return /** @type {any} */ ({ action: "add", kind: "application", id: wanted.clientId, wanted });
  });
  assert.deepEqual(missingSecrets(steps, { A: "x" }), ["B"]);
  assert.deepEqual(missingSecrets([{ ...steps[1], action: "change" }], {}), []);
  assert.deepEqual(
    steps.map(({ wanted }) => creation(wanted, { A: "sa", B: "sb" })),
    [
      { clientId: "a", secrets: [{ secret: "sa" }] },
      { clientId: "b", secrets: [{ displayName: "x", ends: 1801353600, secret: "sb" }] },
    ],
  );
  assert.ok(![...diffLines(steps)].join().includes("sa"));
  assert.deepEqual(apiCreation({ identifier: "x", algorithm: null }), { identifier: "x" });
});

test("the difference shows every change, and the first of very many", () => {
  const update = compare(
    "application",
    { displayName: "New", grantTypes: ["client_credentials"] },
    ADMIN_APPLICATION,
  );
  const step = /** @type {any} */ ({ action: "change", kind: "application", id: "x", update });
  assert.deepEqual(
    [...diffLines([step])],
    ["~ application x", "    ~ displayName: Worker -> New", "    ~ grantTypes: -refresh_token"],
  );
  const many = Array.from({ length: 30 }, (_, at) => {
    return /** @type {any} */ ({
      action: "add",
      kind: "api",
      id: `${at}`,
      wanted: { identifier: `${at}` },
    });
  });
  assert.equal([...diffLines(many)].at(-1), "+ and 10 more apis; see all of them with --full");
  assert.equal([...diffLines(many)].length, 21);
  assert.equal([...diffLines(many, true)].length, 30);
});
