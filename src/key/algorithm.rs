//! Signature algorithms and public keys: RFC 7518 section 3.1, RFC 8037, RFC 7517, RFC 7638.

use std::fmt;

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::base64url;
use crate::json::{self, JsonError, Member, Value, Writer, named, record};

/// How access tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Default)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256: RFC 7518 section 3.4. The default.
    #[default]
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519: RFC 8037 section 3.1.
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256 and a key of 2,048 bits: RFC 7518 section 3.3. For verifiers
    /// that know nothing else.
    #[serde(rename = "RS256")]
    Rs256,
}

impl Algorithm {
    /// Every algorithm, the default first.
    pub const ALL: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];

    /// The value of the `alg` header parameter.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }
}

named!(Algorithm, "`ES256`, `EdDSA` or `RS256`");

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The public half of a signing key. It cannot hold private parts: it has no members for them, and a
/// JWK that brings some is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PublicKey {
    jwk: Jwk,
    #[serde(skip)]
    algorithm: Algorithm,
}

impl Member for PublicKey {
    fn read(value: Value<'_>) -> Result<Self, JsonError> {
        let jwk = Jwk::read(value)?;
        let public = Self::try_from(jwk);
        public.map_err(|_| JsonError::expected("a public JWK"))
    }
}

/// The members of the public JWKs that are known here: RFC 7518 section 6, RFC 8037 section 2. Not
/// `jwt-compact`'s own type, which doubled the code for JSON in the wasm: docs/decisions/0001.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Jwk {
    kty: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<String>,
    /// Read to be refused: the private part of every kind of key.
    #[serde(skip_serializing)]
    d: Option<Value<'static>>,
}

record!(Jwk {
    kty = "kty",
    crv = "crv",
    x = "x",
    y = "y",
    n = "n",
    e = "e",
    d = "d",
});

impl PublicKey {
    /// Reads a public JWK (RFC 7517) and derives the algorithm from its type and curve, since
    /// runtimes disagree about the `alg` that they export.
    ///
    /// # Errors
    /// [`PublicKeyError`] if it is not a JWK, holds private parts, or is of a type or curve that no
    /// [`Algorithm`] uses.
    pub fn from_jwk(json: &str) -> Result<Self, PublicKeyError> {
        json::read(json).map_err(|_| PublicKeyError)
    }

    /// Writes its members.
    pub(crate) fn write(&self, out: &mut Writer) {
        let jwk = &self.jwk;
        out.text("kty", &jwk.kty);
        let optional = [
            ("crv", &jwk.crv),
            ("x", &jwk.x),
            ("y", &jwk.y),
            ("n", &jwk.n),
            ("e", &jwk.e),
        ];
        for (name, value) in optional {
            out.optional(name, value.as_deref());
        }
    }

    /// The JWK, as text.
    #[must_use]
    pub fn to_json(&self) -> String {
        Writer::object(512, |out| self.write(out))
    }

    /// The algorithm that this key is for.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key id: its JWK thumbprint (RFC 7638) with SHA-256, in base64url.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        // RFC 7638 section 3: the required members in lexicographic order, without white space. They
        // are base64url and registered names, so nothing needs escaping.
        let member = |name: &str, value: &Option<String>| {
            value
                .as_deref()
                .map(|value| format!("\"{name}\":\"{value}\""))
                .into_iter()
        };
        let Jwk {
            kty,
            crv,
            x,
            y,
            n,
            e,
            ..
        } = &self.jwk;
        let members: Vec<String> = member("crv", crv)
            .chain(member("e", e))
            .chain(member("kty", &Some(kty.clone())))
            .chain(member("n", n))
            .chain(member("x", x))
            .chain(member("y", y))
            .collect();
        let json = format!("{{{}}}", members.join(","));
        base64url::encode(&Sha256::digest(json))
    }
}

impl TryFrom<Jwk> for PublicKey {
    type Error = PublicKeyError;

    fn try_from(jwk: Jwk) -> Result<Self, PublicKeyError> {
        let long = |member: &Option<String>, least: usize, most: usize| {
            let length = member.as_deref().map(|text| bytes(text).len());
            length.is_some_and(|length| (least..=most).contains(&length))
        };
        let algorithm = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            _ if jwk.d.is_some() => return Err(PublicKeyError),
            ("EC", Some("P-256")) if long(&jwk.x, 32, 32) && long(&jwk.y, 32, 32) => {
                Algorithm::Es256
            }
            ("OKP", Some("Ed25519")) if long(&jwk.x, 32, 32) => Algorithm::EdDsa,
            // RFC 7518 section 3.3: 2,048 bits or more.
            ("RSA", None) if long(&jwk.n, 256, 1_024) && long(&jwk.e, 1, 8) => Algorithm::Rs256,
            _ => return Err(PublicKeyError),
        };
        Ok(Self { jwk, algorithm })
    }
}

/// The bytes of a base64url member; none if it is not one.
fn bytes(member: &str) -> Vec<u8> {
    base64url::decode(member).unwrap_or_default()
}

/// Not a public key that edgemint signs with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKeyError;

impl fmt::Display for PublicKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the public JWK of a P-256, Ed25519 or RSA key of 2,048 bits or more")
    }
}

impl std::error::Error for PublicKeyError {}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7638 section 3.1 and RFC 8037 appendix A.3: the specifications' own thumbprints.
    const RSA: &str = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
    const ED25519: &str =
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

    #[test]
    fn a_thumbprint_is_the_one_of_the_specification() {
        let rsa = PublicKey::from_jwk(RSA).unwrap();
        assert_eq!(
            rsa.thumbprint(),
            "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
        );
        assert_eq!(rsa.algorithm(), Algorithm::Rs256);
        let ed25519 = PublicKey::from_jwk(ED25519).unwrap();
        assert_eq!(
            ed25519.thumbprint(),
            "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
        );
        assert_eq!(ed25519.algorithm(), Algorithm::EdDsa);
    }

    #[test]
    fn a_key_with_private_parts_or_of_another_kind_is_refused() {
        let private = ED25519.replace(
            '}',
            r#","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}"#,
        );
        let other_curve = ED25519.replace("Ed25519", "X25519");
        let symmetric = r#"{"kty":"oct","k":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}"#;
        let short = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZg","e":"AQAB"}"#;
        for jwk in [
            private.as_str(),
            other_curve.as_str(),
            symmetric,
            short,
            "{}",
            "",
        ] {
            assert_eq!(PublicKey::from_jwk(jwk), Err(PublicKeyError), "{jwk}");
        }
    }
}
