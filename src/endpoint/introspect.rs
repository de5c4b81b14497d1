//! `POST /{t}/oauth2/introspect`: RFC 7662.

use futures_util::future::join;

use super::Context;
use super::http::{Request, Response};
use crate::api::{ApiUri, RoleName};
use crate::client::ClientKind;
use crate::directory::{TenantName, parse};
use crate::error::Reason;
use crate::grant::{
    Grant, GrantToken, Party, Place, Purpose, User, epochs, policy, present, scope_text, terms,
};
use crate::issuer::{Host, Issuer};
use crate::json::Writer;
use crate::store::Store;
use crate::time::UnixTime;

/// What an active token says; the options are an access token's.
struct Token {
    iss: String,
    sub: String,
    client_id: String,
    scope: String,
    iat: UnixTime,
    exp: UnixTime,
    tid: String,
    token_type: Option<&'static str>,
    aud: Option<ApiUri>,
    jti: Option<String>,
    nbf: Option<UnixTime>,
    roles: Vec<RoleName>,
    sid: Option<String>,
}

/// Section 2.2. What is not active says nothing else: requirement 36.
fn told(token: Option<&Token>) -> String {
    Writer::object(512, |out| {
        out.bool("active", token.is_some());
        let Some(token) = token else {
            return;
        };
        out.text("iss", &token.iss);
        out.text("sub", &token.sub);
        out.text("client_id", &token.client_id);
        out.text("scope", &token.scope);
        out.number("iat", token.iat.secs());
        out.number("exp", token.exp.secs());
        out.text("tid", &token.tid);
        out.optional("token_type", token.token_type);
        out.optional("aud", token.aud.as_ref().map(ApiUri::as_str));
        out.optional("jti", token.jti.as_deref());
        if let Some(nbf) = token.nbf {
            out.number("nbf", nbf.secs());
        }
        if !token.roles.is_empty() {
            out.texts("roles", &token.roles);
        }
        out.optional("sid", token.sid.as_deref());
    })
}

impl<H: Host> Issuer<H> {
    pub(super) async fn introspect(
        &self,
        tenant: &TenantName,
        request: &Request<'_>,
        now: UnixTime,
        context: &mut Context,
    ) -> Result<Response, Reason> {
        let admitted = self.admit(tenant, request, now, context).await?;
        let party = admitted.party();
        if party.client.kind == ClientKind::Public {
            return Err(Reason::SecretMissing);
        }
        let text = admitted.form.get("token");
        let text = text.ok_or(Reason::ParameterMissing("token"))?;
        let token = match GrantToken::parse(Purpose::Refresh, text) {
            Some(token) => self.refresh_token(party, token, now).await?,
            None => self.access_token(party, text, now).await?,
        };
        Ok(Response::of_json(200, told(token.as_ref())).uncached())
    }

    /// A refresh token is told to its own client only, and is active if it would be honoured.
    async fn refresh_token(
        &self,
        party: Party<'_>,
        token: GrantToken,
        now: UnixTime,
    ) -> Result<Option<Token>, Reason> {
        let Ok((place, presented)) = present(party, token) else {
            return Ok(None);
        };
        let Some((grant, user_epoch)) = self.grant(&place).await? else {
            return Ok(None);
        };
        let terms = terms(party.tenant, party.client);
        if !terms.refreshable || !grant.honours(&presented, &terms, user_epoch, now) {
            return Ok(None);
        }
        Ok(Some(Token {
            iss: self.identifier(party.tenant_name),
            scope: scope_text(&grant.scopes),
            client_id: grant.client_id.to_string(),
            iat: grant.created_at,
            exp: grant.ends(&terms.policy),
            sub: grant.subject,
            tid: party.tenant.id.clone(),
            token_type: None,
            aud: None,
            jti: None,
            nbf: None,
            roles: Vec::new(),
            sid: None,
        }))
    }

    /// An access token is told to its client, and to applications that may introspect those of its API.
    async fn access_token(
        &self,
        party: Party<'_>,
        text: &str,
        now: UnixTime,
    ) -> Result<Option<Token>, Reason> {
        let claims = match self.verify(party.tenant_name, text, now).await {
            Ok(claims) => claims,
            Err(Reason::InvalidToken(_)) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let asker = party.client;
        if claims.client_id != asker.client_id && !asker.introspects.contains(&claims.aud) {
            return Ok(None);
        }
        let (store, directory) = (self.host().store(), self.directory());
        let owner = directory.application(store, party.tenant_name, &claims.client_id, now);
        let owner = owner.await?.filter(|owner| owner.owns(&claims));
        let Some(owner) = owner else {
            return Ok(None);
        };
        if let Some(session) = &claims.sid {
            let Some(place) = Place::of_session(party.tenant_name, session) else {
                return Ok(None);
            };
            let (policy, epochs) = (policy(&owner), epochs(party.tenant, &owner));
            let alive = self
                .grant(&place)
                .await?
                .is_some_and(|(grant, user_epoch)| {
                    grant.client_id == claims.client_id
                        && grant.is_live(&policy, epochs, user_epoch, now)
                });
            if !alive {
                return Ok(None);
            }
        }
        Ok(Some(Token {
            iss: claims.iss,
            sub: claims.sub,
            client_id: claims.client_id.to_string(),
            scope: claims.scope,
            iat: claims.iat,
            exp: claims.exp,
            tid: claims.tid,
            token_type: Some("Bearer"),
            aud: Some(claims.aud),
            jti: Some(claims.jti),
            nbf: Some(claims.nbf),
            roles: claims.roles,
            sid: claims.sid,
        }))
    }

    /// The grant at a place, and its user's epoch.
    async fn grant(&self, place: &Place) -> Result<Option<(Grant, u64)>, Reason> {
        // Without a store for grants, nothing of one is honoured.
        let Ok(grants) = self.grants() else {
            return Ok(None);
        };
        let (key, user) = (place.key()?, place.user_key()?);
        let (found, of_user) = join(grants.get(&key), grants.get(&user)).await;
        let (Some(found), of_user) = (found?, of_user?) else {
            return Ok(None);
        };
        let user_epoch = of_user
            .map(|found| parse::<User>(&user, &found.value))
            .transpose()?
            .unwrap_or_default()
            .epoch;
        Ok(Some((parse(&key, &found.value)?, user_epoch)))
    }
}
