//! The package and the signers in a browser: run by wasm-bindgen-test in headless Chromium.
//!
//! The test runner serves the project's folder, so what is tested is `pkg/` itself with the wasm that
//! ships, driven by the same JavaScript as everywhere.
#![cfg(target_arch = "wasm32")]
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod host;

use edgemint::endpoint::{Body, Request};
use edgemint::{Issuer, UnixTime};
use host::Software;
use serde_json::Value;
use wasm_bindgen::prelude::*;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen(inline_js = r#"
const load = () => Promise.all([
  import("/pkg/web.js"), import("/pkg/stores/memory.js"), import("/tests/vectors.js"),
  import("/node_modules/jose/dist/webapi/index.js"),
]);
const json = async (path) => (await fetch(path)).json();

export async function runVectors(file) {
  const [{ createIssuer }, { memoryStore }, { run, setUp }] = await load();
  const directory = await json("/tests/vectors/directory.json");
  const { cases } = await json(`/tests/vectors/${file}.json`);
  const { baseUrl } = directory;
  const issuer = createIssuer({ baseUrl, store: memoryStore(), masterKey: "A".repeat(43), onEvent() {} });
  await setUp(issuer.admin, directory);
  const failures = [];
  for (const vector of cases) {
    await run(issuer.fetch, baseUrl, vector)
      .catch((error) => failures.push(`${vector.name}: ${error.message}`));
  }
  return JSON.stringify({ cases: cases.length, failures });
}

export async function issueInPackage(algorithm, masterKey) {
  const [{ createIssuer }, { memoryStore }] = await load();
  const store = memoryStore();
  const baseUrl = "https://auth.example.com";
  const issuer = createIssuer({ baseUrl, store, masterKey });
  const secret = "a-secret-of-at-least-32-characters";
  await issuer.admin.createTenant({ tenant: "demo", algorithm });
  await issuer.admin.createApi({ tenant: "demo", identifier: "api://orders" });
  await issuer.admin.createApplication({ tenant: "demo", clientId: "app" });
  await issuer.admin.addSecret({ tenant: "demo", clientId: "app", secret, starts: 1 , ends: 4000000000 });
  const form = `grant_type=client_credentials&client_id=app&client_secret=${secret}&resource=api%3A%2F%2Forders`;
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const response = await issuer.fetch(new Request(`${baseUrl}/demo/oauth2/token`, { method: "POST", headers, body: form }));
  const { access_token } = await response.json();
  const keys = await issuer.fetch(new Request(`${baseUrl}/demo/.well-known/jwks.json`));
  return JSON.stringify({ entries: store.entries(), form, token: access_token, jwks: await keys.json() });
}

export async function verify(token, jwks) {
  const [, , , { createLocalJWKSet, jwtVerify }] = await load();
  const verified = await jwtVerify(token, createLocalJWKSet(JSON.parse(jwks)), {
    issuer: "https://auth.example.com/demo", audience: "api://orders", typ: "at+jwt",
  });
  return JSON.stringify(verified.protectedHeader);
}
"#)]
extern "C" {
    #[wasm_bindgen(catch, js_name = runVectors)]
    async fn run_vectors(file: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_name = issueInPackage)]
    async fn issue_in_package(algorithm: &str, master_key: &str) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch)]
    async fn verify(token: &str, jwks: &str) -> Result<JsValue, JsValue>;
}

fn parse(json: JsValue) -> Value {
    serde_json::from_str(&json.as_string().expect("text")).unwrap()
}

async fn vectors(file: &str) {
    let outcome = parse(run_vectors(file).await.unwrap());
    assert!(outcome["cases"].as_u64() > Some(5), "{outcome}");
    assert_eq!(outcome["failures"], Value::Array(Vec::new()));
}

#[wasm_bindgen_test]
async fn the_token_endpoint_answers_as_the_vectors_say() {
    vectors("token-endpoint").await;
}

#[wasm_bindgen_test]
async fn metadata_and_keys_are_as_the_vectors_say() {
    vectors("metadata").await;
}

#[wasm_bindgen_test]
async fn es256_signers_in_software_and_in_subtle_crypto_are_interchangeable() {
    interchangeable("ES256").await;
}

#[wasm_bindgen_test]
async fn eddsa_signers_in_software_and_in_subtle_crypto_are_interchangeable() {
    interchangeable("EdDSA").await;
}

#[wasm_bindgen_test]
async fn an_rs256_token_of_subtle_crypto_verifies() {
    let issued = parse(issue_in_package("RS256", &"A".repeat(43)).await.unwrap());
    let token = issued["token"].as_str().unwrap();
    let header = parse(verify(token, &issued["jwks"].to_string()).await.unwrap());
    assert_eq!(header["alg"], "RS256");
}

/// The package signs with SubtleCrypto; a second issuer over the same directory signs in software,
/// with the very key that SubtleCrypto generated. Each one's token verifies under the other's JWKS.
async fn interchangeable(algorithm: &str) {
    let master_key = "A".repeat(43);
    let issued = parse(issue_in_package(algorithm, &master_key).await.unwrap());
    let software: Issuer<Software> = host::issuer(&issued["entries"], &master_key).await;
    let now = UnixTime::from_secs((js_now() / 1_000.0) as u64);

    let ask = Request {
        method: "POST",
        target: "/demo/oauth2/token",
        content_type: Some("application/x-www-form-urlencoded"),
        authorization: None,
        body: Body::Whole(issued["form"].as_str().unwrap().as_bytes()),
        ..Request::default()
    };
    let answer = software.handle(&ask, now).await;
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    let token = answer["access_token"]
        .as_str()
        .expect("a token signed in software");
    let read = Request {
        method: "GET",
        target: "/demo/.well-known/jwks.json",
        ..ask
    };
    let jwks = software.handle(&read, now).await.body;

    let header = parse(verify(token, &issued["jwks"].to_string()).await.unwrap());
    assert_eq!(header["alg"], algorithm);
    let other = parse(
        verify(issued["token"].as_str().unwrap(), &jwks)
            .await
            .unwrap(),
    );
    assert_eq!(other["kid"], header["kid"]);
    host::verify_in_software(issued["token"].as_str().unwrap(), &jwks);
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = Date, js_name = now)]
    fn js_now() -> f64;
}
