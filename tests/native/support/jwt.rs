//! Reads and verifies tokens as an API does, with the curves' own libraries and not with the one
//! that wrote them.

use base64ct::{Base64UrlUnpadded, Encoding};
use ed25519_dalek::Verifier as _;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// A verified access token.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub(crate) compact: String,
    pub(crate) header: Value,
    pub(crate) claims: Value,
}

impl Token {
    /// The token, if its signature is by the key of the JWKS that its header names.
    pub(crate) fn verify(compact: &str, keys: &[Value]) -> Option<Self> {
        let token = Self::read(compact);
        let key = keys.iter().find(|key| key["kid"] == token.header["kid"])?;
        assert_eq!(key["alg"], token.header["alg"]);
        let (input, signature) = compact.rsplit_once('.')?;
        let signature = decode(signature);
        let input = input.as_bytes();
        let valid = match token.header["alg"].as_str()? {
            "ES256" => {
                let (x, y) = (member(key, "x"), member(key, "y"));
                let point = [&[4], x.as_slice(), y.as_slice()].concat();
                let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).ok()?;
                let signature = p256::ecdsa::Signature::from_slice(&signature).ok()?;
                key.verify(input, &signature).is_ok()
            }
            "EdDSA" => {
                let x = member(key, "x").try_into().ok()?;
                let key = ed25519_dalek::VerifyingKey::from_bytes(&x).ok()?;
                let signature = ed25519_dalek::Signature::from_slice(&signature).ok()?;
                key.verify_strict(input, &signature).is_ok()
            }
            _ => false,
        };
        valid.then_some(token)
    }

    /// The token without regard to its signature.
    pub(crate) fn read(compact: &str) -> Self {
        let parts: Vec<&str> = compact.split('.').collect();
        assert_eq!(parts.len(), 3, "three parts: {compact}");
        let json = |part| serde_json::from_slice(&decode(part)).expect("JSON");
        Self {
            compact: compact.to_owned(),
            header: json(parts[0]),
            claims: json(parts[1]),
        }
    }

    pub(crate) fn kid(&self) -> &str {
        self.header["kid"].as_str().expect("a key id")
    }

    /// A claim that is a number of seconds.
    pub(crate) fn seconds(&self, claim: &str) -> u64 {
        self.claims[claim].as_u64().expect("a number of seconds")
    }
}

/// The thumbprint of RFC 7638, computed from a JWK of the JWKS.
pub(crate) fn thumbprint(jwk: &Value) -> String {
    let required: &[&str] = match jwk["kty"].as_str() {
        Some("EC") => &["crv", "kty", "x", "y"],
        Some("OKP") => &["crv", "kty", "x"],
        Some("RSA") => &["e", "kty", "n"],
        other => panic!("no key type that we know: {other:?}"),
    };
    let members: Vec<String> = required
        .iter()
        .map(|name| format!("\"{name}\":{}", jwk[*name]))
        .collect();
    let json = format!("{{{}}}", members.join(","));
    Base64UrlUnpadded::encode_string(&Sha256::digest(json))
}

fn member(key: &Value, name: &str) -> Vec<u8> {
    decode(key[name].as_str().expect("a text"))
}

fn decode(text: &str) -> Vec<u8> {
    Base64UrlUnpadded::decode_vec(text).expect("base64url without padding")
}
