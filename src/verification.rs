//! Access tokens that come back: to introspection, to revocation, to administration.
//!
//! Only tokens made here are accepted, so the key ring is the whole of the trust: the key names the
//! algorithm, whatever the header says.

use crate::api::{ApiUri, RoleName};
use crate::base64url;
use crate::client::ClientId;
use crate::directory::TenantName;
use crate::error::Reason;
use crate::issuer::{Host, Issuer};
use crate::json::{self, Member, record};
use crate::key::Signer;
use crate::time::UnixTime;

/// Seconds by which the clocks of two locations may differ.
const SKEW: u64 = 60;

/// What a verified access token says.
#[derive(Debug, Clone)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) sub: String,
    pub(crate) aud: ApiUri,
    pub(crate) client_id: ClientId,
    pub(crate) exp: UnixTime,
    pub(crate) nbf: UnixTime,
    pub(crate) iat: UnixTime,
    pub(crate) jti: String,
    pub(crate) scope: String,
    pub(crate) tid: String,
    pub(crate) sid: Option<String>,
    pub(crate) roles: Vec<RoleName>,
}

record!(Claims {
    iss = "iss",
    sub = "sub",
    aud = "aud",
    client_id = "client_id",
    exp = "exp",
    nbf = "nbf",
    iat = "iat",
    jti = "jti",
    scope = "scope",
    tid = "tid",
    sid = "sid",
} default {
    roles = "roles",
});

/// RFC 7515 section 4.1, RFC 9068 section 2.1.
struct Header {
    typ: String,
    alg: String,
    kid: String,
}

record!(Header { typ = "typ", alg = "alg", kid = "kid" });

impl<H: Host> Issuer<H> {
    /// The claims of an access token of this tenant whose signature and time are good: RFC 9068 section 4.
    pub(crate) async fn verify(
        &self,
        tenant: &TenantName,
        token: &str,
        now: UnixTime,
    ) -> Result<Claims, Reason> {
        let invalid = |why| move || Reason::InvalidToken(why);
        let malformed = invalid("malformed");
        let (message, signature) = token.rsplit_once('.').ok_or_else(&malformed)?;
        let (header, claims) = message.split_once('.').ok_or_else(&malformed)?;
        let header: Header = decode(header).ok_or_else(&malformed)?;
        let claims: Claims = decode(claims).ok_or_else(&malformed)?;
        let signature = base64url::decode(signature).ok_or_else(malformed)?;
        if header.typ != "at+jwt" {
            return Err(Reason::InvalidToken("not an access token"));
        }
        let loaded = self.directory().ring(self.host().store(), tenant, now);
        let loaded = loaded.await?.ok_or(Reason::UnknownTenant)?;
        let key = loaded
            .ring
            .published(now)
            .find(|key| key.kid() == header.kid);
        let public = key.ok_or_else(invalid("unknown key"))?.public();
        if public.algorithm().name() != header.alg {
            return Err(Reason::InvalidToken("another algorithm than its key's"));
        }
        let signer = self.host().signer();
        if !signer
            .verify(public, message.as_bytes(), &signature)
            .await?
        {
            return Err(Reason::InvalidToken("wrong signature"));
        }
        if claims.iss != self.identifier(tenant) {
            return Err(Reason::InvalidToken("another issuer's"));
        }
        if now >= claims.exp {
            return Err(Reason::InvalidToken("expired"));
        }
        if claims.nbf > now.plus(SKEW) {
            return Err(Reason::InvalidToken("not valid yet"));
        }
        Ok(claims)
    }
}

fn decode<T: Member>(part: &str) -> Option<T> {
    let bytes = base64url::decode(part)?;
    json::read(std::str::from_utf8(&bytes).ok()?).ok()
}
