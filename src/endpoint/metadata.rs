//! What a client or an API reads before it starts: server metadata (RFC 8414) and keys (RFC 7517).

use super::Context;
use super::http::Response;
use crate::client::GrantType;
use crate::dialect::Dialect;
use crate::directory::TenantName;
use crate::error::Reason;
use crate::issuer::{Host, Issuer};
use crate::json::Writer;
use crate::key::{Algorithm, SigningKey};
use crate::time::UnixTime;

/// Seconds that the JWKS may be cached. A key is announced for longer than this before it signs.
const JWKS_MAX_AGE: u32 = 300;
/// Seconds that the metadata may be cached.
const METADATA_MAX_AGE: u32 = 3_600;

/// How a client may say who it is; the last one is for those that cannot prove it.
const METHODS: [&str; 3] = ["client_secret_basic", "client_secret_post", "none"];
/// How a client may prove it.
const PROOFS: [&str; 2] = ["client_secret_basic", "client_secret_post"];

impl<H: Host> Issuer<H> {
    pub(super) async fn metadata(
        &self,
        tenant: &TenantName,
        now: UnixTime,
        context: &mut Context,
    ) -> Result<Response, Reason> {
        context.tenant = Some(tenant.clone());
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
        let grant_types = GrantType::ALL.into_iter();
        let grant_types: Vec<_> = grant_types
            .filter(|known| users || *known == GrantType::ClientCredentials)
            .map(GrantType::name)
            .collect();
        // RFC 8414 section 2. It names what is there, and nothing else.
        let metadata = Writer::object(1_024, |out| {
            out.text("issuer", &issuer);
            if users {
                out.text("authorization_endpoint", &endpoint("authorize"));
            }
            out.text("token_endpoint", &endpoint("token"));
            out.text("revocation_endpoint", &endpoint("revoke"));
            out.text("introspection_endpoint", &endpoint("introspect"));
            out.text("jwks_uri", &[&issuer, "/.well-known/jwks.json"].concat());
            out.texts("response_types_supported", only(&["code"]));
            out.texts("response_modes_supported", only(&["query"]));
            out.texts("grant_types_supported", &grant_types);
            out.texts("token_endpoint_auth_methods_supported", methods);
            out.texts("revocation_endpoint_auth_methods_supported", methods);
            out.texts("introspection_endpoint_auth_methods_supported", &PROOFS);
            // RFC 7636 section 6.2.
            out.texts("code_challenge_methods_supported", only(&["S256"]));
            // RFC 9207 section 3.
            out.bool("authorization_response_iss_parameter_supported", users);
        });
        Ok(Response::of_json(200, metadata).public(METADATA_MAX_AGE))
    }

    pub(super) async fn jwks(
        &self,
        tenant: &TenantName,
        now: UnixTime,
        context: &mut Context,
    ) -> Result<Response, Reason> {
        context.tenant = Some(tenant.clone());
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
        let keys: Vec<_> = keys.filter(is_used).collect();
        // RFC 7517 sections 4 and 5.
        let jwks = Writer::object(1_024, |out| {
            out.list("keys", &keys, |out, key| {
                out.entry(|out| {
                    out.optional("issuer", issuer.as_deref());
                    out.text("kid", key.kid());
                    out.text("use", "sig");
                    out.text("alg", key.public().algorithm().name());
                    key.public().write(out);
                });
            });
        });
        let mut response = Response::of_json(200, jwks);
        if realm.is_some() {
            response = Response::of_dialect(200, response.body);
        }
        Ok(response.public(JWKS_MAX_AGE))
    }
}
