//! Tokens of the worker, verified by `jsonwebtoken` from the JWKS that the worker serves.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;
use std::str::FromStr;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::Value;

/// What the worker issued: see `serve.js`.
fn issued() -> Vec<Value> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mut serve = Command::new("node");
    let output = serve
        .arg("tests/interop/serve.js")
        .current_dir(root)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn r39_r42_jsonwebtoken_verifies_es256_eddsa_and_rs256() {
    let issued = issued();
    assert_eq!(issued.len(), 3);
    for case in issued {
        let token = case["token"].as_str().unwrap();
        let header = decode_header(token).unwrap();
        assert_eq!(header.typ.as_deref(), Some("at+jwt"));
        let algorithm = Algorithm::from_str(case["algorithm"].as_str().unwrap()).unwrap();
        let keys: JwkSet = serde_json::from_value(case["jwks"].clone()).unwrap();
        let key = keys.find(header.kid.as_deref().unwrap()).unwrap();
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&["api://orders"]);
        validation.set_issuer(&[format!(
            "https://auth.example.com/{}",
            case["tenant"].as_str().unwrap()
        )]);
        validation.set_required_spec_claims(&["exp", "nbf", "aud", "iss", "sub"]);
        let key = DecodingKey::from_jwk(key).unwrap();
        let claims = decode::<Value>(token, &key, &validation).unwrap().claims;
        assert_eq!(claims["roles"][0], "Orders.Read.All");

        // The same token with one claim altered is refused.
        let mut parts: Vec<&str> = token.split('.').collect();
        let altered = parts[1].chars().rev().collect::<String>();
        parts[1] = &altered;
        assert!(decode::<Value>(parts.join("."), &key, &validation).is_err());
    }
}
