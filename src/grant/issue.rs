//! The access token that every grant ends in.

use std::rc::Rc;

use crate::api::{Api, ApiUri, RoleName};
use crate::base64url;
use crate::client::{Application, GrantType};
use crate::dialect::{Realm, STANDARD};
use crate::directory::{LoadedRing, Tenant, TenantName};
use crate::entropy;
use crate::error::Reason;
use crate::event::{EventSink, Issuance};
use crate::issuer::{Host, Issuer};
use crate::json::Object;
use crate::key::{Algorithm, Signer, TenantKeys};
use crate::time::UnixTime;
use crate::token::{AccessToken, InRealm};

/// An authenticated client, in its tenant.
#[derive(Clone, Copy)]
pub(crate) struct Party<'a> {
    pub(crate) tenant_name: &'a TenantName,
    pub(crate) tenant: &'a Tenant,
    pub(crate) client: &'a Application,
    /// The keys of the tenant.
    pub(crate) keys: &'a TenantKeys,
    /// Where the request has come in, if not at the standard's endpoints.
    pub(crate) realm: Option<&'a Realm>,
    /// Whether the client has proved who it is, in place of only saying so.
    pub(crate) has_proof: bool,
}

/// Tokens and what is said beside them.
pub(crate) struct Issued {
    pub(crate) access_token: String,
    /// Seconds.
    pub(crate) expires_in: u32,
    pub(crate) scope: String,
    pub(crate) refresh_token: Option<String>,
    /// Seconds.
    pub(crate) refresh_token_expires_in: Option<u64>,
    /// What the access token is for.
    pub(crate) api: Rc<Api>,
}

/// What an access token says beside what follows from party and API.
pub(crate) struct Content<'a> {
    pub(crate) subject: &'a str,
    /// App roles: for a client that acts for itself.
    pub(crate) roles: Option<&'a [RoleName]>,
    pub(crate) scope: &'a str,
    /// What is granted, by its names.
    pub(crate) names: &'a [RoleName],
    /// The grant that it comes from.
    pub(crate) session: Option<&'a str>,
    /// What it says beyond edgemint's own claims.
    pub(crate) claims: Option<&'a Object>,
    /// What it was asked for with; for the event.
    pub(crate) grant_type: GrantType,
    /// It lives no longer than this.
    pub(crate) ends: Option<UnixTime>,
}

/// A tenant's key ring as it was read for this request.
pub(crate) type Ring<H> = Rc<LoadedRing<<<H as Host>::Signer as Signer>::Key>>;

impl Party<'_> {
    /// The API of that identifier; `by_resource` says that the request named it by `resource`, which has
    /// an error of its own: RFC 8707 section 2.
    pub(crate) async fn api<H: Host>(
        &self,
        issuer: &Issuer<H>,
        uri: &ApiUri,
        by_resource: bool,
        now: UnixTime,
    ) -> Result<Rc<Api>, Reason> {
        let store = issuer.host().store();
        let found = issuer.directory().api(store, self.tenant_name, uri, now);
        found.await?.ok_or_else(|| {
            if by_resource {
                Reason::UnknownResource(uri.to_string())
            } else {
                Reason::UnknownApi(uri.to_string())
            }
        })
    }

    /// What a token of Entra or B2C says beyond the others.
    fn in_realm<'a>(
        &self,
        realm: &'a Realm,
        api: &Api,
        content: &Content<'_>,
        opaque: [u8; 32],
    ) -> InRealm<'a> {
        let opaque = opaque.split_at(16);
        let names: Vec<&str> = content.names.iter().map(RoleName::as_str).collect();
        // A user is never taken for an application, whatever the two are called.
        let kind = if content.roles.is_some() {
            "application"
        } else {
            "user"
        };
        InRealm {
            oid: realm.object_id(kind, content.subject),
            proof: if self.has_proof { "1" } else { "0" },
            policy: realm.policy.as_deref(),
            names: names.join(" "),
            has_id_type: api.optional_claims.iter().any(|claim| claim == "idtyp"),
            opaque: [opaque.0, opaque.1].map(base64url::encode),
        }
    }

    /// Signs an access token for the API, with the key of its algorithm or, while that has none that
    /// signs, with another of the tenant. Returns it with the seconds that it lives.
    pub(crate) async fn mint<H: Host>(
        &self,
        issuer: &Issuer<H>,
        mut ring: Ring<H>,
        api: &Api,
        content: &Content<'_>,
        now: UnixTime,
    ) -> Result<(String, u32), Reason> {
        // Microsoft's clients and validators know no other.
        let realm = if H::DIALECTS { self.realm } else { None };
        let (algorithm, wished) = match realm {
            Some(_) => (Algorithm::Rs256, [Some(Algorithm::Rs256), None, None, None]),
            None => (
                api.algorithm.unwrap_or(self.tenant.algorithm),
                api.algorithms(self.tenant),
            ),
        };
        let lifetime = api
            .access_token_lifetime
            .unwrap_or(self.tenant.access_token_lifetime);
        let left = content.ends.map_or(u64::MAX, |ends| ends.since(now));
        let expires_in = u32::try_from(left).map_or(lifetime, |left| lifetime.min(left));
        let jti: [u8; 16] = entropy::bytes(issuer.host().entropy())?;
        let jti = base64url::encode(&jti);
        let issuer_id = issuer.identifier(self.tenant_name);
        let token = AccessToken {
            shape: &STANDARD,
            iss: &issuer_id,
            sub: content.subject,
            aud: api.identifier.as_str(),
            client_id: &self.client.client_id,
            jti: &jti,
            roles: content.roles,
            scope: content.scope,
            tid: &self.tenant.id,
            sid: content.session,
            claims: content.claims,
            realm: None,
        };
        if !ring.ring.has(algorithm) {
            // The API may be newer than the ring that is cached here, and its first key with it.
            let store = issuer.host().store();
            let read = issuer
                .directory()
                .ring_again(store, self.tenant_name, now)
                .await?;
            ring = read.ok_or(Reason::NoSigningKey(algorithm.name()))?;
        }
        let key = issuer
            .signing_key(&ring, self.tenant_name, &wished, now)
            .await?;
        let unsigned = match realm {
            None => token.unsigned(&key.header, now, expires_in),
            Some(_) if !H::DIALECTS || key.algorithm != algorithm => {
                return Err(Reason::NoSigningKey(algorithm.name()));
            }
            Some(realm) => {
                let entropy = issuer.host().entropy();
                let in_realm = self.in_realm(realm, api, content, entropy::bytes(entropy)?);
                let is_v1 = realm.speaks_v1(api);
                let (iss, app_id) = (realm.issuer(issuer.base_url(), is_v1), realm.app_id(api));
                let token = AccessToken {
                    shape: realm.shape(api),
                    iss: &iss,
                    sub: content.roles.map_or(token.sub, |_| &in_realm.oid),
                    aud: if is_v1 { token.aud } else { &app_id },
                    roles: token.roles.filter(|roles| !roles.is_empty()),
                    realm: Some(&in_realm),
                    ..token
                };
                let header = token.shape.header(key.algorithm, &key.kid);
                token.unsigned(&header, now, expires_in)
            }
        };
        let token = issuer.sign(&key, unsigned).await?;
        issuer.host().events().issued(&Issuance {
            time: now,
            tenant: self.tenant_name,
            client_id: &self.client.client_id,
            api: &api.identifier,
            grant_type: content.grant_type,
            jti: &jti,
        });
        Ok((token, expires_in))
    }
}
