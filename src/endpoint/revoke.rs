//! `POST /{t}/oauth2/revoke`: RFC 7009.

use super::Context;
use super::http::{Request, Response};
use crate::client::ClientId;
use crate::directory::TenantName;
use crate::error::Reason;
use crate::event::{Event, Kind};
use crate::grant::{Command, GrantToken, Outcome, Place, Purpose, Refusal, present, step};
use crate::issuer::{Host, Issuer};
use crate::time::UnixTime;

impl<H: Host> Issuer<H> {
    /// Whatever the token is, the answer is 200 once the client is known: what does not exist needs no
    /// revocation (section 2.2). The type hint is not needed: each kind of token tells itself.
    pub(super) async fn revoke(
        &self,
        tenant: &TenantName,
        request: &Request<'_>,
        now: UnixTime,
        context: &mut Context,
    ) -> Result<Response, Reason> {
        let admitted = self.admit(tenant, request, now, context).await?;
        let token = admitted.form.get("token");
        let token = token.ok_or(Reason::ParameterMissing("token"))?;
        if self.grants().is_err() {
            return Ok(Response::empty());
        }
        let (place, command) = match GrantToken::parse(Purpose::Refresh, token) {
            Some(token) => match present(admitted.party(), token) {
                Ok((place, presented)) => (place, Command::Revoke { presented }),
                Err(_) => return Ok(Response::empty()),
            },
            None => {
                let client_id = &admitted.party().client.client_id;
                match self.session_of(tenant, client_id, token, now).await? {
                    Some(place) => (place, Command::End {}),
                    None => return Ok(Response::empty()),
                }
            }
        };
        match step(self, &place, &command, now).await? {
            Outcome::Refused(refusal @ Refusal::Corrupt) => {
                Err(Reason::refused(refusal, &place, false))
            }
            Outcome::Done {} => {
                let detail = Some(place.key()?.to_string());
                self.report(
                    context,
                    Event::new(Kind::Done, "token_revoked", detail, now),
                );
                Ok(Response::empty())
            }
            _ => Ok(Response::empty()),
        }
    }

    /// The grant of an access token of this client. Access tokens that come from none cannot be revoked:
    /// section 2.2.1.
    async fn session_of(
        &self,
        tenant: &TenantName,
        client_id: &ClientId,
        token: &str,
        now: UnixTime,
    ) -> Result<Option<Place>, Reason> {
        let claims = match self.verify(tenant, token, now).await {
            Ok(claims) if claims.client_id == *client_id => claims,
            Ok(_) | Err(Reason::InvalidToken(_)) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let session = claims.sid.ok_or(Reason::TokenTypeUnsupported)?;
        Ok(Place::of_session(tenant, &session))
    }
}
