//! What a client or an API reads before it starts: server metadata (RFC 8414) and keys (RFC 7517).

use serde::Serialize;

use super::Context;
use super::http::Response;
use crate::client::GrantType;
use crate::dialect::Dialect;
use crate::directory::TenantName;
use crate::error::Reason;
use crate::issuer::{Host, Issuer};
use crate::key::{Algorithm, PublicKey, SigningKey};
use crate::time::UnixTime;

/// Seconds that the JWKS may be cached. A key is announced for longer than this before it signs.
const JWKS_MAX_AGE: u32 = 300;
/// Seconds that the metadata may be cached.
const METADATA_MAX_AGE: u32 = 3_600;

/// RFC 8414 section 2. It names what is there, and nothing else.
#[derive(Serialize)]
struct Metadata<'a> {
    issuer: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    authorization_endpoint: Option<String>,
    token_endpoint: String,
    revocation_endpoint: String,
    introspection_endpoint: String,
    jwks_uri: String,
    response_types_supported: &'a [&'a str],
    response_modes_supported: &'a [&'a str],
    grant_types_supported: Vec<&'a str>,
    token_endpoint_auth_methods_supported: &'a [&'a str],
    revocation_endpoint_auth_methods_supported: &'a [&'a str],
    introspection_endpoint_auth_methods_supported: &'a [&'a str],
    /// RFC 7636 section 6.2.
    code_challenge_methods_supported: &'a [&'a str],
    /// RFC 9207 section 3.
    authorization_response_iss_parameter_supported: bool,
}

/// How a client may say who it is; the last one is for those that cannot prove it.
const METHODS: [&str; 3] = ["client_secret_basic", "client_secret_post", "none"];
/// How a client may prove it.
const PROOFS: [&str; 2] = ["client_secret_basic", "client_secret_post"];

/// RFC 7517 section 5.
#[derive(Serialize)]
struct Jwks<'a> {
    keys: Vec<Jwk<'a>>,
}

/// RFC 7517 section 4.
#[derive(Serialize)]
struct Jwk<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<&'a str>,
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
        if H::DIALECTS
            && let Some(realm) = &context.realm
        {
            let body = realm.metadata(self.base_url());
            return Ok(Response::of_dialect(200, body).public(METADATA_MAX_AGE));
        }
        let found = self
            .directory()
            .tenant(self.host().store(), tenant, now)
            .await?;
        found.ok_or(Reason::UnknownTenant)?;
        let issuer = self.identifier(tenant);
        let endpoint = |name: &str| [&issuer, "/oauth2/", name].concat();
        // Without a store for grants there are client credentials only.
        let users = self.grants().is_ok();
        let only = |list: &'static [&'static str]| if users { list } else { &[] };
        let methods: &[&str] = if users { &METHODS } else { &PROOFS };
        let metadata = Metadata {
            authorization_endpoint: users.then(|| endpoint("authorize")),
            token_endpoint: endpoint("token"),
            revocation_endpoint: endpoint("revoke"),
            introspection_endpoint: endpoint("introspect"),
            jwks_uri: [&issuer, "/.well-known/jwks.json"].concat(),
            issuer: &issuer,
            response_types_supported: only(&["code"]),
            response_modes_supported: only(&["query"]),
            grant_types_supported: GrantType::ALL
                .into_iter()
                .filter(|known| users || *known == GrantType::ClientCredentials)
                .map(GrantType::name)
                .collect(),
            token_endpoint_auth_methods_supported: methods,
            revocation_endpoint_auth_methods_supported: methods,
            introspection_endpoint_auth_methods_supported: &PROOFS,
            code_challenge_methods_supported: only(&["S256"]),
            authorization_response_iss_parameter_supported: users,
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
        let realm = if H::DIALECTS {
            context.realm.as_deref()
        } else {
            None
        };
        // As Entra has it, for keys of its v2.0 only; there is none at B2C.
        let issuer = realm.filter(|realm| realm.dialect == Dialect::Entra);
        let issuer = issuer.map(|realm| realm.issuer(self.base_url(), false));
        let keys = loaded.ring.published(now);
        // Nothing else signs there, and validators take the list for what may.
        let is_used =
            |key: &&SigningKey| realm.is_none() || key.public().algorithm() == Algorithm::Rs256;
        let keys = keys.filter(is_used).map(|key| Jwk {
            issuer: issuer.as_deref(),
            kid: key.kid(),
            r#use: "sig",
            alg: key.public().algorithm(),
            key: key.public(),
        });
        let jwks = Jwks {
            keys: keys.collect(),
        };
        let mut response = Response::json(200, &jwks)?;
        if realm.is_some() {
            response = Response::of_dialect(200, response.body);
        }
        Ok(response.public(JWKS_MAX_AGE))
    }
}
