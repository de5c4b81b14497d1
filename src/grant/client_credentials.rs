//! The client credentials grant: RFC 6749 section 4.4. It never yields a refresh token.

use std::rc::Rc;

use base64ct::{Base64UrlUnpadded, Encoding};

use crate::api::{ApiUri, Target, only_api};
use crate::client::Application;
use crate::directory::{LoadedRing, Tenant, TenantName};
use crate::entropy;
use crate::error::Reason;
use crate::issuer::{Host, Issuer};
use crate::key::Signer;
use crate::time::UnixTime;
use crate::token::AccessToken;

/// An authenticated client's request.
pub(crate) struct Ask<'a> {
    pub(crate) tenant_name: &'a TenantName,
    pub(crate) tenant: &'a Tenant,
    pub(crate) client: &'a Application,
    pub(crate) target: &'a Target,
    /// Whether the API was named by `resource`, which has an error of its own: RFC 8707 section 2.
    pub(crate) by_resource: bool,
}

/// A token and what is said beside it.
pub(crate) struct Issued {
    pub(crate) access_token: String,
    /// Seconds.
    pub(crate) expires_in: u32,
    pub(crate) scope: String,
}

impl Ask<'_> {
    /// Decides what the client gets, and signs it.
    pub(crate) async fn issue<H: Host>(
        &self,
        issuer: &Issuer<H>,
        ring: Option<Rc<LoadedRing<<H::Signer as Signer>::Key>>>,
        now: UnixTime,
    ) -> Result<Issued, Reason> {
        let uri = match &self.target.api {
            Some(uri) => uri,
            None => only_api(&self.client.assignments)?,
        };
        let api = issuer
            .directory()
            .api(issuer.host().store(), self.tenant_name, uri, now)
            .await?;
        let api = api.ok_or_else(|| self.unknown(uri))?;
        let granted = self.target.grant(&api, self.client.roles_on(uri))?;
        let scope = granted.scope(uri);
        let algorithm = api.algorithm.unwrap_or(self.tenant.algorithm);
        let expires_in = api
            .access_token_lifetime
            .unwrap_or(self.tenant.access_token_lifetime);
        let jti: [u8; 16] = entropy::bytes(issuer.host().entropy())?;
        let token = AccessToken {
            iss: &issuer.identifier(self.tenant_name),
            sub: &self.client.client_id,
            aud: &api.identifier,
            client_id: &self.client.client_id,
            azp: &self.client.client_id,
            jti: &Base64UrlUnpadded::encode_string(&jti),
            roles: &granted.roles,
            scope: &scope,
            tid: &self.tenant.id,
        };
        let none = Reason::NoSigningKey(algorithm.name());
        let mut ring = ring.ok_or(none.clone())?;
        if ring.ring.active(algorithm, now).is_none() {
            // The API may be newer than the ring that is cached here, and its first key with it.
            let store = issuer.host().store();
            let read = issuer
                .directory()
                .ring_again(store, self.tenant_name, now)
                .await?;
            ring = read.ok_or(none)?;
        }
        let key = issuer
            .signing_key(&ring, self.tenant_name, algorithm, now)
            .await?;
        let unsigned = token.unsigned(algorithm, &key.kid, now, expires_in)?;
        let access_token = issuer.sign(&key, unsigned).await?;
        Ok(Issued {
            access_token,
            expires_in,
            scope,
        })
    }

    fn unknown(&self, uri: &ApiUri) -> Reason {
        if self.by_resource {
            Reason::UnknownResource(uri.to_string())
        } else {
            Reason::UnknownApi(uri.to_string())
        }
    }
}
