// docs/entra.md: its code and commands, run as a reader would run them, and its tables of errors.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { ConfidentialClientApplication } from "@azure/msal-node";
import { Client } from "../../pkg/cli/client.js";
import { pkce } from "../../worker/demo.js";
import { admin, create, demo, part, signIn } from "./world.js";

const run = promisify(execFile);
const here = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));
const root = here("../../");
const read = (/** @type {string} */ path) => readFileSync(join(root, path), "utf8");
const guide = read("docs/entra.md");

/** Where packages are found as a reader finds them: Microsoft's, and edgemint. */
const scratch = mkdtempSync(join(here("node_modules"), ".guide-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

/** The only snippet of a language that contains `mark`. @param {string} language @param {string} mark */
function snippet(language, mark) {
  const all = guide.matchAll(new RegExp(`^( *)\`\`\`${language}\\n(.*?)^ *\`\`\`$`, "gms"));
  const found = [...all].filter(([, , code]) => code.includes(mark));
  assert.equal(found.length, 1, `there is one snippet with ${mark}`);
  const [[, indent, code]] = found;
  return code.replaceAll(new RegExp(`^${indent}`, "gm"), "");
}

/** A snippet as a file, for this worker. @param {string} name @param {string} code */
function file(name, code) {
  const path = join(scratch, name);
  const { host } = new URL(demo.base_url);
  writeFileSync(path, code.replaceAll("localhost:8787", host));
  return path;
}

/** What a new shell would have in its environment, and what the guide says to set. */
const { NODE_TEST_CONTEXT: _, ...environment } = process.env;
const told = {
  ...environment,
  NODE_EXTRA_CA_CERTS: demo.certificate,
  TENANT_ID: demo.tenant_id,
  CLIENT_ID: demo.client_id,
  CLIENT_SECRET: demo.client_secret,
};

/** A command of the guide as it is run from here. @param {string} commands */
const typed = (commands) =>
  commands.replaceAll(/^edgemint/gm, `'${process.execPath}' '${join(root, "pkg/cli/main.js")}'`);

/** What holds once the worker's memory has run out. @param {() => Promise<void>} holds */
async function eventually(holds) {
  const end = Date.now() + 150_000;
  for (;;) {
    try {
      return await holds();
    } catch (error) {
      if (Date.now() > end) throw error;
      await sleep(250);
    }
  }
}

/** @param {string} output */
function isToken(output) {
  const [token] = /eyJ[\w-]+\.[\w-]+\.[\w-]+/.exec(output) ?? [];
  assert.ok(token, output);
  const { roles, ver } = part(token, 1);
  assert.deepEqual([roles, ver], [["Orders.Read.All"], "2.0"]);
}

describe("docs/entra.md", () => {
  test("its curl gets a token", async () => {
    const command = snippet("sh", "curl")
      .replace("https://localhost:8787", demo.base_url)
      .replace(".edgemint/state/https-cert.pem", demo.certificate);
    const { stdout } = await run("sh", ["-ec", command], { env: told });
    isToken(stdout);
    const shown = JSON.parse(snippet("json", "ext_expires_in"));
    assert.deepEqual(Object.keys(JSON.parse(stdout)), Object.keys(shown));
  });

  for (const [what, name] of [
    ["knownAuthorities: [\"localhost:8787\"]", "msal.mjs"],
    ["authorityHost: \"https://localhost:8787\"", "identity.mjs"],
  ]) {
    test(`its code in ${name} gets a token, with NODE_EXTRA_CA_CERTS alone`, async () => {
      const { stdout } = await run(process.execPath, [file(name, snippet("js", what))], { env: told });
      isToken(stdout);
    });
  }

  test("its API verifies a token and asks for the role", async () => {
    Object.assign(process.env, { TENANT_ID: demo.tenant_id, API_APP_ID: demo.api_app_id });
    const path = file("verify.mjs", snippet("js", "createRemoteJWKSet"));
    const { authorize } = await import(pathToFileURL(path).href);
    const answer = await fetch(`${demo.entra_authority}/oauth2/v2.0/token`, {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "client_credentials",
        client_id: demo.client_id,
        client_secret: demo.client_secret,
        scope: demo.scope,
      }),
    });
    const { access_token } = /** @type {any} */ (await answer.json());
    assert.equal((await authorize(access_token, "Orders.Read.All")).azp, demo.client_id);
    await assert.rejects(authorize(access_token, "Orders.Write.All"), /Orders\.Write\.All/);
  });

  test("its stand-in in process serves the tests that use it", async () => {
    file("standin.js", snippet("js", "// standin.js"));
    writeFileSync(join(scratch, "package.json"), '{ "type": "module" }');
    const path = file("orders.test.js", snippet("js", "a token is cached"));
    const options = ["--test", "--test-reporter=tap", path];
    const { stdout } = await run(process.execPath, options, { env: environment });
    assert.match(stdout, /^# pass 3$/m);
    const credential = file("credential.js", snippet("js", "sendRequest"));
    isToken((await run(process.execPath, [credential], { env: environment })).stdout);
  });

  test("its sessions go on without MSAL's accounts", async () => {
    const path = file("session.mjs", snippet("js", "function session"));
    const { redeem, refresh } = await import(pathToFileURL(path).href);
    const { confidential_client_id: clientId, confidential_client_secret: clientSecret } = demo;
    const { host } = new URL(demo.base_url);
    const authority = `${demo.base_url}/${demo.tenant}`;
    const configuration = { auth: { clientId, clientSecret, authority, knownAuthorities: [host] } };
    const client = new ConfidentialClientApplication(configuration);
    const scopes = [`${demo.api}/Orders.Read`];
    const { verifier, challenge } = pkce();
    const asked = { scopes, redirectUri: demo.redirect_uri };
    const pkceOf = { codeChallenge: challenge, codeChallengeMethod: "S256" };
    const code = await signIn(await client.getAuthCodeUrl({ ...asked, ...pkceOf }), scopes);
    const first = await redeem(configuration, { ...asked, code, codeVerifier: verifier });
    assert.equal(part(first.accessToken, 1).sub, demo.demo_user);
    const next = await refresh(configuration, { refreshToken: first.refreshToken, scopes });
    assert.equal(part(next.accessToken, 1).sub, demo.demo_user);
    assert.notEqual(next.accessToken, first.accessToken);
    assert.ok(next.refreshToken && next.expiresOn > new Date());
  });

  test("its console tells apart why MSAL gets no metadata", async () => {
    await create("/tenants", { tenant: "plain" });
    const steps = snippet("console", "CURL_CA_BUNDLE")
      .split(/^\$ /m)
      .slice(1)
      .map((step) => [step.slice(0, step.indexOf("\n")), step.slice(step.indexOf("\n") + 1)]);
    // One shell, as the reader's: a variable that is set stays set.
    const script = steps
      .map(([command]) => `echo '$'; ${command}; echo`)
      .join("\n")
      .replaceAll("https://localhost:8787", demo.base_url)
      .replaceAll(".edgemint/state/https-cert.pem", demo.certificate);
    const { stdout } = await run("sh", ["-c", script], { env: environment });
    const seen = stdout.split(/^\$\n/m).slice(1);
    assert.deepEqual(
      seen.map((output) => output.trim()),
      steps.map(([, output]) => output.trim()),
    );
  });

  test("its commands turn the dialects on, and the key that they announce need not be waited for", async () => {
    const made = await create("/tenants", { tenant: "later" });
    const { clientId, secret } = made.administrator;
    const env = {
      ...told,
      EDGEMINT_URL: demo.base_url,
      EDGEMINT_TENANT: "later",
      EDGEMINT_CLIENT_ID: clientId,
      EDGEMINT_CLIENT_SECRET: secret,
    };
    const { stderr } = await run("sh", ["-ec", typed("edgemint tenant update --entra")], { env });
    const command = snippet("sh", "--starts 0").trim();
    assert.ok(stderr.includes(`To have one sign at once: ${command}\n`), stderr);
    const profile = { url: demo.base_url, tenant: "later", clientId, clientSecret: secret };
    const later = new Client(profile, () => {});
    /** @param {string} path @param {object} body @returns {Promise<any>} */
    const add = async (path, body) =>
      (await later.request("POST", path, { body, creates: true })).body;
    await add("/apis", { identifier: "api://later" });
    const { clientId: id } = await add("/applications", {});
    const app = { clientId: id, secret: (await add(`/applications/${id}/secrets`, {})).secret };
    /** @returns {Promise<any>} */
    const asked = async () => {
      const answer = await fetch(`${demo.base_url}/later/oauth2/v2.0/token`, {
        method: "POST",
        body: new URLSearchParams({
          grant_type: "client_credentials",
          client_id: app.clientId,
          client_secret: app.secret,
          scope: "api://later/.default",
        }),
      });
      return answer.json();
    };
    await eventually(async () => assert.deepEqual((await asked()).error_codes, [50000]));
    await run("sh", ["-ec", typed(command)], { env });
    await eventually(async () => assert.ok((await asked()).access_token));
  });

  test("its commands turn the dialects on, in the demo tenant, too", async () => {
    const commands = typed(snippet("sh", "--entra"));
    await run("sh", ["-ec", commands], { env: { ...told, ...administrator } });
    const { body } = await admin.request("GET", "/tenant");
    const { entra, domains, policies } = /** @type {any} */ (body);
    assert.deepEqual([entra, domains, policies], [true, ["login.contoso.com"], ["B2C_1_signin"]]);
  });

  test("its directory is applied, with the secret that callers have", async () => {
    const path = file("directory.yaml", snippet("yaml", "fromEnv"));
    const secret = "fq~8Q~0123456789abcdefghijklmnopqrstuvwx";
    const env = { ...told, ...administrator, ORDER_WORKER_SECRET: secret };
    const apply = [join(root, "pkg/cli/main.js"), "apply", "-f", path, "--yes"];
    const { stdout } = await run(process.execPath, apply, { env });
    const again = await run(process.execPath, [...apply, "--dry-run"], { env });
    assert.match(again.stdout + again.stderr, /Nothing to do/);
    const answer = await fetch(`${demo.entra_authority}/oauth2/v2.0/token`, {
      method: "POST",
      body: new URLSearchParams({
        grant_type: "client_credentials",
        client_id: "535fb089-9ff3-47b6-9bfb-4f1264799865",
        client_secret: secret,
        scope: "api://billing/.default",
      }),
    });
    const body = /** @type {any} */ (await answer.json());
    assert.equal(answer.status, 200, `${stdout}${JSON.stringify(body)}`);
    const { aud, ver, roles } = part(body.access_token, 1);
    assert.deepEqual([aud, ver, roles], ["api://billing", "1.0", ["Invoices.Read.All"]]);
  });

  for (const [heading, source] of [
    ["Errors of Entra ID", "src/dialect/entra.rs"],
    ["Errors of B2C", "src/dialect/b2c.rs"],
  ]) {
    test(`${heading}: the table has what ${source} has`, () => {
      const [section] = guide.split(`## ${heading}\n`)[1].split("\n## ");
      const rows = [...section.matchAll(/^\| (\d+) \| (\d+) \| `(\w+)` \|/gm)];
      const shown = rows.map(([, code, status, error]) => `${code} ${status} ${error}`);
      const made = read(source).matchAll(/row\(\s*([\d_]+),\s*(\d+),\s*"(\w+)"/g);
      const known = [...made].map(([, code, status, error]) =>
        [code.replaceAll("_", ""), status, error].join(" "),
      );
      assert.deepEqual(shown.toSorted(), known.toSorted());
    });
  }
});

test("no error has a word by which MSAL would send the user to a login page", () => {
  // Its own test for them is not exported: msal-common, InteractionRequiredAuthError.
  const word = /interaction_required|consent_required|login_required|bad_token|ui_not_allowed|interrupted_user/;
  for (const source of ["src/dialect/entra.rs", "src/dialect/b2c.rs"]) {
    const rows = [...read(source).matchAll(/row\(\s*[\d_]+,\s*\d+,\s*("(?:\w+)",\s*"(?:\\.|[^"])*")/gs)];
    assert.ok(rows.length > 15, source);
    for (const [, said] of rows) assert.doesNotMatch(said, word);
  }
});

/** Who the command line is. */
const administrator = {
  EDGEMINT_URL: demo.base_url,
  EDGEMINT_TENANT: demo.tenant,
  EDGEMINT_CLIENT_ID: demo.admin_client_id,
  EDGEMINT_CLIENT_SECRET: demo.admin_client_secret,
};
