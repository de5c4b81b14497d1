//! The access token that every grant ends in.

use std::rc::Rc;

use base64ct::{Base64UrlUnpadded, Encoding};

use crate::api::{Api, ApiUri, RoleName};
use crate::client::{Application, GrantType};
use crate::directory::{LoadedRing, Tenant, TenantName};
use crate::entropy;
use crate::error::Reason;
use crate::event::{Event, EventSink, Kind};
use crate::issuer::{Host, Issuer};
use crate::json::Object;
use crate::key::{Signer, TenantKeys};
use crate::time::UnixTime;
use crate::token::AccessToken;

/// An authenticated client, in its tenant.
#[derive(Clone, Copy)]
pub(crate) struct Party<'a> {
    pub(crate) tenant_name: &'a TenantName,
    pub(crate) tenant: &'a Tenant,
    pub(crate) client: &'a Application,
    /// The keys of the tenant.
    pub(crate) keys: &'a TenantKeys,
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
}

/// What an access token says beside what follows from party and API.
pub(crate) struct Content<'a> {
    pub(crate) subject: &'a str,
    /// App roles: for a client that acts for itself.
    pub(crate) roles: Option<&'a [RoleName]>,
    pub(crate) scope: &'a str,
    /// The grant that it comes from.
    pub(crate) session: Option<&'a str>,
    /// What the login page said of the user.
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
        let algorithm = api.algorithm.unwrap_or(self.tenant.algorithm);
        let lifetime = api
            .access_token_lifetime
            .unwrap_or(self.tenant.access_token_lifetime);
        let left = content.ends.map_or(u64::MAX, |ends| ends.since(now));
        let expires_in = u32::try_from(left).map_or(lifetime, |left| lifetime.min(left));
        let jti: [u8; 16] = entropy::bytes(issuer.host().entropy())?;
        let jti = Base64UrlUnpadded::encode_string(&jti);
        let token = AccessToken {
            iss: &issuer.identifier(self.tenant_name),
            sub: content.subject,
            aud: &api.identifier,
            client_id: &self.client.client_id,
            azp: &self.client.client_id,
            jti: &jti,
            roles: content.roles,
            scope: content.scope,
            tid: &self.tenant.id,
            sid: content.session,
            claims: content.claims,
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
            .signing_key(&ring, self.tenant_name, &api.algorithms(self.tenant), now)
            .await?;
        let unsigned = token.unsigned(key.algorithm, &key.kid, now, expires_in)?;
        let token = issuer.sign(&key, unsigned).await?;
        let events = issuer.host().events();
        if events.wants_issuances() {
            // Three words. By the last one an access token that turns up somewhere is traced.
            let words = [api.identifier.as_str(), content.grant_type.name(), &jti];
            let issued = Event::new(Kind::Done, "token_issued", Some(words.join(" ")), now);
            events.emit(issued.about(self.tenant_name, &self.client.client_id));
        }
        Ok((token, expires_in))
    }
}
