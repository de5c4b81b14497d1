// A body means the same, whether its length is declared or not.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { createIssuer } from "edgemint";
import { memoryStore } from "edgemint/stores/memory";
import { MASTER_KEY, register } from "../workerd/world.js";

/** @type {import("edgemint").Issuer} */
let issuer;
/** @type {string} */
let form;

before(async () => {
  const baseUrl = "https://auth.example.com";
  issuer = createIssuer({ baseUrl, masterKey: MASTER_KEY, store: memoryStore(), onEvent() {} });
  const { clientId, secret, scope } = await register(issuer.admin);
  const grant = { grant_type: "client_credentials", client_id: clientId, client_secret: secret, scope };
  form = new URLSearchParams(grant).toString();
});

const bytes = (/** @type {(string | number[])[]} */ ...parts) =>
  Buffer.concat(parts.map((part) => Buffer.from(/** @type {any} */ (part))));

/** @param {Buffer} body @param {boolean} declared @param {string} type */
async function post(body, declared, type) {
  const headers = new Headers({ "content-type": type });
  if (declared) headers.set("content-length", `${body.length}`);
  const url = "https://auth.example.com/demo/oauth2/token";
  const response = await issuer.fetch(new Request(url, { method: "POST", headers, body: new Uint8Array(body) }));
  const { error = "none" } = await response.json();
  return `${response.status} ${error}`;
}

const FORM = "application/x-www-form-urlencoded";

for (const [what, body, answer] of /** @type {[string, () => Buffer, string][]} */ ([
  ["as it should be", () => bytes(form), "200 none"],
  ["with a parameter in raw UTF-8, which no client need send", () => bytes(form, "&x=é\u{1f600}"), "200 none"],
  ["with a byte order mark, which is a part of the first name", () => bytes([0xef, 0xbb, 0xbf], form), "400 invalid_request"],
  ["with bytes that are no UTF-8", () => bytes(form, "&x=", [0xff]), "400 invalid_request"],
  ["with a character cut off at its end", () => bytes(form, "&x=", [0xe2, 0x82]), "400 invalid_request"],
  ["that is empty", () => bytes(""), "401 invalid_client"],
  ["that is too long", () => bytes(form, `&x=${"y".repeat(1 << 20)}`), "413 invalid_request"],
])) {
  test(`r02 a form ${what} is answered alike, however it is framed and typed`, async () => {
    for (const declared of [true, false]) {
      for (const type of [FORM, `${FORM}; charset=utf-8`, FORM.toUpperCase()]) {
        assert.equal(await post(body(), declared, type), answer, `${declared} ${type}`);
      }
    }
  });
}
