//! What a client or an API reads before it starts: server metadata (RFC 8414) and keys (RFC 7517).

use serde::Serialize;

use super::Context;
use super::http::Response;
use crate::client::GrantType;
use crate::directory::TenantName;
use crate::error::Reason;
use crate::issuer::{Host, Issuer};
use crate::key::{Algorithm, PublicKey};
use crate::time::UnixTime;

/// Seconds that the JWKS may be cached. A key is announced for longer than this before it signs.
const JWKS_MAX_AGE: u32 = 300;
/// Seconds that the metadata may be cached.
const METADATA_MAX_AGE: u32 = 3_600;

/// RFC 8414 section 2. It names what is there, and nothing else.
#[derive(Serialize)]
struct Metadata<'a> {
    issuer: &'a str,
    token_endpoint: String,
    jwks_uri: String,
    /// Required; there is no authorization endpoint yet.
    response_types_supported: [&'a str; 0],
    grant_types_supported: [&'a str; GrantType::ALL.len()],
    token_endpoint_auth_methods_supported: [&'a str; 2],
}

/// RFC 7517 section 5.
#[derive(Serialize)]
struct Jwks<'a> {
    keys: Vec<Jwk<'a>>,
}

/// RFC 7517 section 4.
#[derive(Serialize)]
struct Jwk<'a> {
    kid: &'a str,
    r#use: &'static str,
    alg: Algorithm,
    #[serde(flatten)]
    key: &'a PublicKey,
}

impl<H: Host> Issuer<H> {
    pub(super) async fn metadata(
        &self,
        tenant: &TenantName,
        now: UnixTime,
        context: &mut Context,
    ) -> Result<Response, Reason> {
        context.tenant = Some(tenant.to_string());
        let found = self
            .directory()
            .tenant(self.host().store(), tenant, now)
            .await?;
        found.ok_or(Reason::UnknownTenant)?;
        let issuer = self.identifier(tenant);
        let metadata = Metadata {
            token_endpoint: format!("{issuer}/oauth2/token"),
            jwks_uri: format!("{issuer}/.well-known/jwks.json"),
            issuer: &issuer,
            response_types_supported: [],
            grant_types_supported: GrantType::ALL.map(GrantType::name),
            token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post"],
        };
        Ok(Response::json(200, &metadata)?.public(METADATA_MAX_AGE))
    }

    pub(super) async fn jwks(
        &self,
        tenant: &TenantName,
        now: UnixTime,
        context: &mut Context,
    ) -> Result<Response, Reason> {
        context.tenant = Some(tenant.to_string());
        let loaded = self
            .directory()
            .ring(self.host().store(), tenant, now)
            .await?;
        let loaded = loaded.ok_or(Reason::UnknownTenant)?;
        let keys = loaded.ring.published(now).map(|key| Jwk {
            kid: key.kid(),
            r#use: "sig",
            alg: key.public().algorithm(),
            key: key.public(),
        });
        Ok(Response::json(
            200,
            &Jwks {
                keys: keys.collect(),
            },
        )?
        .public(JWKS_MAX_AGE))
    }
}
