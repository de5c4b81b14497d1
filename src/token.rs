//! Access tokens: signed JWTs of the profile of RFC 9068, or of the shape that a dialect gives them.
//!
//! `jwt-compact` writes header and claims; the signature comes from a [`Signer`](crate::key::Signer),
//! which may be asynchronous. So the token is written first with an algorithm that signs nothing, and
//! the signature is put where it belongs once it is there.

use std::borrow::Cow;

use base64ct::{Base64UrlUnpadded, Encoding};
use chrono::{DateTime, Utc};
use jwt_compact::{AlgorithmExt, AlgorithmSignature, Claims, Header};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::api::RoleName;
use crate::client::ClientId;
use crate::dialect::{Field, Shape, TAKEN};
use crate::error::Reason;
use crate::json::Object;
use crate::key::Algorithm;
use crate::time::UnixTime;

/// Seconds that an access token lives if nobody says otherwise.
pub(crate) const DEFAULT_LIFETIME: u32 = 3_600;
/// Fewest seconds that an access token may live.
pub(crate) const MIN_LIFETIME: u64 = 60;
/// Most seconds that an access token may live.
pub(crate) const MAX_LIFETIME: u64 = 86_400;

/// An access token, of one shape or another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AccessToken<'a> {
    pub(crate) shape: &'static Shape,
    pub(crate) iss: &'a str,
    /// The user, or the client where no user is involved: RFC 9068 section 2.2.
    pub(crate) sub: &'a str,
    /// The API.
    pub(crate) aud: &'a str,
    pub(crate) client_id: &'a ClientId,
    /// Never repeats: 128 random bits.
    pub(crate) jti: &'a str,
    /// The app roles of a client that acts for itself.
    pub(crate) roles: Option<&'a [RoleName]>,
    pub(crate) scope: &'a str,
    /// The tenant's id.
    pub(crate) tid: &'a str,
    /// The grant that it comes from, if there is one.
    pub(crate) sid: Option<&'a str>,
    /// What the login page or the host added: none of the names of the shape.
    pub(crate) claims: Option<&'a Object>,
    /// What only the dialects say.
    pub(crate) realm: Option<&'a InRealm<'a>>,
}

/// What only an access token of Entra or B2C says.
#[derive(Debug)]
pub(crate) struct InRealm<'a> {
    pub(crate) oid: String,
    /// 0 for a public client, 1 for a secret, 2 for an assertion.
    pub(crate) proof: &'static str,
    pub(crate) policy: Option<&'a str>,
    /// What is granted, by its names.
    pub(crate) names: String,
    pub(crate) has_id_type: bool,
    pub(crate) opaque: [String; 2],
}

impl AccessToken<'_> {
    fn text(&self, field: Field) -> Option<&str> {
        let is_user = self.sid.is_some();
        Some(match field {
            Field::Issuer => self.iss,
            Field::Subject => self.sub,
            Field::Audience => self.aud,
            Field::Client => self.client_id.as_str(),
            Field::Unique => self.jti,
            Field::Scope => self.scope,
            Field::Tenant => self.tid,
            Field::Session => return self.sid,
            Field::Always(text) => text,
            Field::Roles => return None,
            Field::ObjectId => &self.realm?.oid,
            Field::Proof => self.realm?.proof,
            Field::Policy => return self.realm?.policy,
            Field::UserNames if !is_user => return None,
            Field::UserNames | Field::Names => {
                return self
                    .realm
                    .map(|realm| realm.names.as_str())
                    .filter(|names| !names.is_empty());
            }
            Field::IdType => {
                return self
                    .realm
                    .filter(|realm| realm.has_id_type && !is_user)
                    .map(|_| "app");
            }
            Field::Opaque => self.realm?.opaque.first()?,
            Field::OtherOpaque => self.realm?.opaque.last()?,
        })
    }
}

impl Serialize for AccessToken<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut claims = serializer.serialize_map(None)?;
        for (name, field) in self.shape.claims {
            match (field, self.roles) {
                (Field::Roles, Some(roles)) => claims.serialize_entry(name, roles)?,
                _ => {
                    if let Some(text) = self.text(*field) {
                        claims.serialize_entry(name, text)?;
                    }
                }
            }
        }
        for (name, value) in self.claims.into_iter().flat_map(Object::members) {
            // Who added it need not know which dialect the token is of.
            if self.realm.is_none() || !TAKEN.contains(&name.as_str()) {
                claims.serialize_entry(name, value)?;
            }
        }
        claims.end()
    }
}

/// What the header says beyond `typ`, `alg` and `kid`.
#[derive(Debug, Serialize)]
struct Extra<'a> {
    /// As tokens of version 1.0 have it, the key's id once more: not the hash of a certificate that RFC 7515
    /// section 4.1.7 means.
    #[serde(skip_serializing_if = "Option::is_none")]
    x5t: Option<&'a str>,
}

/// A token that lacks its signature only.
pub(crate) struct Unsigned(String);

impl AccessToken<'_> {
    /// Writes the token as far as the signature.
    pub(crate) fn unsigned(
        &self,
        algorithm: Algorithm,
        kid: &str,
        issued_at: UnixTime,
        lifetime: u32,
    ) -> Result<Unsigned, Reason> {
        let extra = Extra {
            x5t: self.shape.has_x5t.then_some(kid),
        };
        let header = Header::new(extra)
            .with_token_type(self.shape.typ)
            .with_key_id(kid);
        let mut claims = Claims::new(self);
        claims.issued_at = Some(date(issued_at)?);
        claims.not_before = claims.issued_at;
        claims.expiration = Some(date(issued_at.plus(u64::from(lifetime)))?);
        let token = SignedElsewhere(algorithm).token(&header, &claims, &());
        let mut token = token.map_err(|error| Reason::Internal(error.to_string()))?;
        // "header.claims." with the signature of no bytes after the last dot.
        token.pop();
        Ok(Unsigned(token))
    }
}

impl Unsigned {
    /// What is to be signed: RFC 7515 section 5.1.
    pub(crate) fn signing_input(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The compact serialisation: RFC 7515 section 7.1.
    pub(crate) fn with_signature(mut self, signature: &[u8]) -> String {
        self.0.push('.');
        self.0
            .push_str(&Base64UrlUnpadded::encode_string(signature));
        self.0
    }
}

fn date(time: UnixTime) -> Result<DateTime<Utc>, Reason> {
    let date = i64::try_from(time.secs())
        .ok()
        .and_then(|secs| DateTime::from_timestamp(secs, 0));
    date.ok_or(Reason::Internal("the clock is out of range".into()))
}

/// Names the algorithm and leaves the signature to somebody else.
struct SignedElsewhere(Algorithm);

struct NoSignature;

impl AlgorithmSignature for NoSignature {
    fn try_from_slice(_: &[u8]) -> anyhow::Result<Self> {
        Ok(Self)
    }

    fn as_bytes(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&[])
    }
}

impl jwt_compact::Algorithm for SignedElsewhere {
    type SigningKey = ();
    type VerifyingKey = ();
    type Signature = NoSignature;

    fn name(&self) -> Cow<'static, str> {
        Cow::Borrowed(self.0.name())
    }

    fn sign(&self, (): &(), _: &[u8]) -> NoSignature {
        NoSignature
    }

    /// Verifies nothing, so that this can never be used to accept a token.
    fn verify_signature(&self, _: &NoSignature, (): &(), _: &[u8]) -> bool {
        false
    }
}
