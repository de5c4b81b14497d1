// @azure/identity as it is: `ClientSecretCredential` with an authority host of our own.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  ClientSecretCredential,
  CredentialUnavailableError,
  DefaultAzureCredential,
} from "@azure/identity";
import { NAMES, demo, part } from "./world.js";

const credential = (/** @type {string} */ tenant, secret = demo.client_secret, host = demo.base_url) =>
  new ClientSecretCredential(tenant, demo.client_id, secret, {
    authorityHost: host,
    disableInstanceDiscovery: true,
  });

describe("@azure/identity", () => {
  for (const tenant of [demo.tenant_id, ...NAMES]) {
    const called = tenant === demo.tenant_id ? "its id" : tenant;
    test(`it gets a token for the tenant by ${called}, and caches it`, async () => {
      const one = credential(tenant);
      const begun = Date.now();
      const got = await one.getToken(demo.scope);
      const taken = (Date.now() - begun) / 1000;
      assert.equal(got.tokenType, "Bearer");
      const claims = part(got.token, 1);
      assert.equal(claims.tid, demo.tenant_id);
      assert.equal(claims.azp, demo.client_id);
      assert.ok(Math.abs(got.expiresOnTimestamp / 1000 - claims.exp) < 10 + taken);
      assert.equal((await one.getToken(demo.scope)).token, got.token);
    });
  }

  test("DefaultAzureCredential gets one with what the environment says, and instance discovery off", async () => {
    const told = {
      AZURE_AUTHORITY_HOST: demo.base_url,
      AZURE_TENANT_ID: demo.tenant_id,
      AZURE_CLIENT_ID: demo.client_id,
      AZURE_CLIENT_SECRET: demo.client_secret,
    };
    Object.assign(process.env, told);
    try {
      const one = new DefaultAzureCredential({ disableInstanceDiscovery: true });
      assert.equal(part((await one.getToken(demo.scope)).token, 1).azp, demo.client_id);
    } finally {
      for (const name of Object.keys(told)) delete process.env[name];
    }
  });

  test("a wrong secret is AuthenticationRequiredError, caused by ServerError 7000215", async () => {
    const asked = credential(demo.tenant_id, `${demo.client_secret}x`).getToken(demo.scope);
    await assert.rejects(asked, (/** @type {any} */ error) => {
      assert.equal(error.name, "AuthenticationRequiredError");
      assert.match(error.message, /AADSTS7000215: Invalid client secret provided\./);
      const { name, errorCode, errorNo, status } = error.cause;
      assert.deepEqual([name, errorCode, errorNo, status], ["ServerError", "invalid_client", 7000215, 401]);
      return true;
    });
  });

  test("an unknown tenant is CredentialUnavailableError", async () => {
    await assert.rejects(credential("nobody").getToken(demo.scope), CredentialUnavailableError);
  });

  test("plain HTTP is refused by the client itself, hence --https", () => {
    const plain = () => credential(demo.tenant_id, undefined, "http://localhost:8787");
    assert.throws(plain, /https/);
  });
});
