// docs/administration.md says what pkg/openapi.json says, which the native tests hold to the code.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { test } from "node:test";

/** @param {string} path from the project's root */
const read = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const text = read("docs/administration.md");
const openapi = JSON.parse(read("pkg/openapi.json"));

/** The cells of the table under a heading, without its head. @param {string} heading @returns {string[][]} */
function table(heading) {
  const [, section = ""] = text.split(`\n## ${heading}\n`);
  const [own] = section.split("\n## ");
  const rows = own.split("\n").filter((line) => line.startsWith("| "));
  return rows.slice(2).map((row) => row.split("|").slice(1, -1).map((cell) => cell.trim()));
}

/** What a cell has in backquotes. @param {string} cell */
const codes = (cell) => [...cell.matchAll(/`([^`]+)`/g)].map(([, code]) => code);

test("the table of routes is that of the OpenAPI document", () => {
  /** @type {string[][]} */
  const expected = [];
  for (const [path, methods] of Object.entries(openapi.paths)) {
    for (const [method, operation] of Object.entries(/** @type {Record<string, any>} */ (methods))) {
      const success = Object.keys(operation.responses).filter((status) => status.startsWith("2"));
      expected.push([
        method.toUpperCase(),
        path,
        operation.operationId,
        operation["x-app-roles"].toSorted().join(" "),
        success.join(" "),
      ]);
    }
  }
  const told = table("Routes").map(([method, path, act, roles, success]) => [
    method,
    codes(path).join(" "),
    codes(act).join(" "),
    codes(roles).toSorted().join(" "),
    success,
  ]);
  assert.deepEqual(told.toSorted(), expected.toSorted());
});

test("the table of app roles has every role of the administration", () => {
  const { scopes } = openapi.components.securitySchemes.administration.flows.clientCredentials;
  const roles = Object.keys(scopes).map((scope) => scope.replace("urn:edgemint:admin/", ""));
  const told = table("Who may do what").flatMap(([role]) => codes(role));
  assert.deepEqual(told.toSorted(), roles.toSorted());
});

test("the table of errors has every code of a problem", () => {
  const { code } = openapi.components.schemas.Problem.properties;
  const told = table("Errors").flatMap(([cell]) => codes(cell));
  const known = code.enum ?? openapi.components.schemas[code.$ref.split("/").at(-1)].enum;
  assert.deepEqual(told.toSorted(), known.toSorted());
});

test("the table of events has every event that the administration tells of", () => {
  const folder = "src/administration/";
  const sources = readdirSync(new URL(`../../${folder}`, import.meta.url));
  const source = sources.map((file) => read(folder + file)).join("\n");
  const told = table("Events").flatMap(([cell]) => codes(cell));
  const known = [...source.matchAll(/(?:tell|Happened::new)\(\s*"([a-z_]+)"/g)].map(([, one]) => one);
  assert.deepEqual(told.toSorted(), [...new Set(known)].toSorted());
});
