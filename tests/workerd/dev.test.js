// `cargo xtask dev` from where the build is done: the demo directory, its facts and its session, the
// commands that it prints, a second start, and one over TLS.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { startDev } from "../dev.js";
import { freePort } from "./world.js";

test("the demo is set up once, says its facts, and stops when its command is gone", async () => {
  const folder = await mkdtemp(join(tmpdir(), "edgemint-dev-"));
  const port = await freePort(4);
  /** Starts it, runs `act` on its facts and what it prints, and stops it. @param {(demo: any, printed: string) => Promise<void>} act */
  async function run(act, https = false) {
    const { demo, printed, stop } = await startDev({ folder, port, https });
    try {
      assert.ok(printed.includes(`-d client_id=${demo.client_id}`), printed);
      const before = printed.slice(0, printed.indexOf("is running at"));
      assert.ok(!before.includes('"kind":"done"'), `nothing but problems before it: ${before}`);
      await act(demo, printed);
    } finally {
      await stop();
    }
    for (const left of [port, port + 2, port + 3]) {
      await assert.rejects(fetch(`http://127.0.0.1:${left}/`), "nothing listens any more");
    }
  }
  /** @param {any} demo @param {string} scope */
  const ask = ({ token_endpoint, client_id, client_secret }, scope) => {
    const grant_type = "client_credentials";
    const body = new URLSearchParams({ grant_type, client_id, client_secret, scope });
    return fetch(token_endpoint, { method: "POST", body });
  };
  /** @param {any} demo @param {string} refresh_token @returns {Promise<any>} */
  const refresh = async (demo, refresh_token) => {
    const client_id = demo.confidential_client_id;
    const client_secret = demo.confidential_client_secret;
    const grant_type = "refresh_token";
    const body = new URLSearchParams({ grant_type, client_id, client_secret, refresh_token });
    const response = await fetch(demo.token_endpoint, { method: "POST", body });
    const answer = await response.json();
    assert.equal(response.status, 200, JSON.stringify(answer));
    return answer;
  };
  /** @param {string} token */
  const claimsOf = (token) => JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());
  try {
    /** @type {any} */
    let before;
    await run(async (demo, printed) => {
      const members = [
        ...["base_url", "issuer", "token_endpoint", "jwks_uri", "client_id", "client_secret"],
        ...["scope", "api", "authorization_endpoint", "public_client_id", "confidential_client_id"],
        ...["confidential_client_secret", "redirect_uri", "user_scope", "demo_user", "login_url"],
        ...["app_url", "revocation_endpoint", "introspection_endpoint", "refresh_token"],
        ...["refresh_token_client_id", "admin_client_id", "admin_client_secret", "admin_scope"],
        ...["tenant", "tenant_id", "domain", "entra_authority", "api_app_id", "api_v1", "b2c_policy"],
      ];
      assert.deepEqual(Object.keys(demo), members);
      before = demo;
      const told = join(folder, "state", "demo.json");
      assert.ok(printed.includes(told), "beside its state: another dev keeps its own");
      assert.equal(statSync(told).mode & 0o777, 0o600);
      const { scope } = /** @type {any} */ (await (await ask(demo, demo.scope)).json());
      assert.equal(scope, "api://orders/Orders.Read.All");
      assert.equal((await ask(demo, "api://orders/Orders.Write.All")).status, 400);
      assert.equal((await ask(demo, "api://invoices/Invoices.Read.All")).status, 400);
      assert.equal((await ask(demo, "api://invoices/.default")).status, 200, "it is registered");
      assert.equal((await fetch(demo.jwks_uri)).status, 200);

      const shell = async (/** @type {RegExp} */ commands) => {
        const [found] = commands.exec(printed) ?? assert.fail(`no ${commands} in ${printed}`);
        const { stdout } = await promisify(execFile)("sh", ["-ec", found]);
        return JSON.parse(stdout);
      };
      const first = await shell(/^ {2}curl .*\n.*\n.*grant_type=refresh_token[^]*?(?=\n\n)/m);
      assert.equal(first.scope, demo.user_scope);
      assert.equal(claimsOf(first.access_token).sub, demo.demo_user);
      before.refresh_token = (await refresh(demo, first.refresh_token)).refresh_token;
      assert.match(await (await fetch(demo.app_url)).text(), /href="\/signin"/);
      assert.ok(printed.includes(`Open ${demo.app_url} in a browser`), printed);

      const byHand = await shell(/^ {2}jar=[^]*?(?=\n\n)/m);
      assert.equal(byHand.scope, "api://orders/Orders.Read");
      assert.equal(claimsOf(byHand.access_token).name, "Ada Lovelace");
    });
    await run(async (demo) => {
      for (const name of Object.keys(before).filter((name) => name !== "refresh_token")) {
        assert.equal(demo[name], before[name], `${name} was kept`);
      }
      assert.equal((await ask(demo, demo.scope)).status, 200);
      assert.ok((await refresh(demo, demo.refresh_token)).access_token, "its own session");
      assert.ok(
        (await refresh(demo, before.refresh_token)).access_token,
        "the session from before",
      );
    });

    /** What another process makes of a request: it trusts what its environment says. @param {string} code @param {Record<string, string>} [told] */
    const elsewhere = async (code, told) => {
      const options = { env: { ...process.env, ...told } };
      const { stdout } = await promisify(execFile)(process.execPath, ["-e", code], options);
      return stdout;
    };
    /** @type {Buffer} */
    let certificate;
    await run(async (demo, printed) => {
      assert.equal(demo.base_url, `https://localhost:${port}`);
      assert.equal(demo.issuer, `${demo.base_url}/demo`);
      assert.equal(demo.certificate, join(folder, "state", "https-cert.pem"));
      assert.equal(demo.client_id, before.client_id, "it is the same directory");
      certificate = readFileSync(demo.certificate);
      const { subjectAltName, ca } = new X509Certificate(certificate);
      assert.equal(subjectAltName, "DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1");
      assert.equal(ca, false, "what trusts it trusts nothing more");
      assert.equal(statSync(join(folder, "state", "https-key.pem")).mode & 0o777, 0o600);

      const health = `fetch("${demo.base_url}/healthz")`;
      const trusting = { NODE_EXTRA_CA_CERTS: demo.certificate };
      const status = await elsewhere(`${health}.then(({ status }) => console.log(status))`, trusting);
      assert.equal(status, "200\n");
      const why = await elsewhere(`${health}.catch(({ cause }) => console.log(cause.code))`);
      assert.equal(why, "DEPTH_ZERO_SELF_SIGNED_CERT\n", "nobody trusts it unasked");

      const commands = [...printed.matchAll(/(?<=\n\n) {2}(?:curl |jar=)[^]*?(?=\n\n)/g)];
      assert.equal(commands.length, 5, printed);
      const trust = `export NODE_EXTRA_CA_CERTS='${demo.certificate}'`;
      assert.ok(printed.indexOf(trust) < printed.indexOf("Get a token"), "before what needs it");
      assert.ok(printed.includes(`/demo.onmicrosoft.com/${demo.b2c_policy}/oauth2/v2.0/token`), printed);
      for (const [command] of commands) {
        const { stdout } = await promisify(execFile)("sh", ["-ec", command]);
        const { iss } = claimsOf(JSON.parse(stdout).access_token);
        assert.ok(iss.startsWith(`${demo.base_url}/`), iss);
      }
    }, true);
    await run(async (demo) => {
      assert.deepEqual(readFileSync(demo.certificate), certificate, "it was kept");
    }, true);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
