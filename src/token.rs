//! Access tokens: signed JWTs of the profile of RFC 9068.
//!
//! `jwt-compact` writes header and claims; the signature comes from a [`Signer`](crate::key::Signer),
//! which may be asynchronous. So the token is written first with an algorithm that signs nothing, and
//! the signature is put where it belongs once it is there.

use std::borrow::Cow;

use base64ct::{Base64UrlUnpadded, Encoding};
use chrono::{DateTime, Utc};
use jwt_compact::{AlgorithmExt, AlgorithmSignature, Claims, Header};
use serde::Serialize;

use crate::api::{ApiUri, RoleName};
use crate::client::ClientId;
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

/// The claims of an access token: RFC 9068 section 2.2, `azp` of OpenID Connect Core section 2, and
/// the tenant's `tid` and the app `roles` as Entra names them.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct AccessToken<'a> {
    /// The issuer: `https://HOST/{t}`.
    pub(crate) iss: &'a str,
    /// The user, or the client where no user is involved: RFC 9068 section 2.2.
    pub(crate) sub: &'a str,
    /// The API.
    pub(crate) aud: &'a ApiUri,
    pub(crate) client_id: &'a ClientId,
    pub(crate) azp: &'a ClientId,
    /// Never repeats: 128 random bits.
    pub(crate) jti: &'a str,
    /// The app roles of a client that acts for itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) roles: Option<&'a [RoleName]>,
    pub(crate) scope: &'a str,
    /// The tenant's id.
    pub(crate) tid: &'a str,
    /// The grant that it comes from, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sid: Option<&'a str>,
    /// What the login page said of the user: none of the names above.
    #[serde(flatten)]
    pub(crate) claims: Option<&'a Object>,
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
        let header = Header::empty().with_token_type("at+jwt").with_key_id(kid);
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
