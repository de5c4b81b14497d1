//! `POST /{t}/oauth2/token`: the token endpoint of RFC 6749 section 3.2.
//!
//! After the client has been admitted, checks are made in this order: grant type known; grant type
//! allowed for this client; target and scope.

use std::rc::Rc;

use serde::Serialize;

use super::Context;
use super::http::{Request, Response};
use crate::client::{Application, ClientKind, GrantType};
use crate::directory::TenantName;
use crate::error::Reason;
use crate::grant::{Issued, TokenRequest, issue_to_client};
use crate::issuer::{Host, Issuer};
use crate::time::UnixTime;

/// RFC 6749 section 5.1. The lifetime of the refresh token is named as B2C and others name it.
#[derive(Serialize)]
struct TokenResponse<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u32,
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token_expires_in: Option<u64>,
}

impl<H: Host> Issuer<H> {
    pub(super) async fn token(
        &self,
        tenant_name: &TenantName,
        request: &Request<'_>,
        now: UnixTime,
        context: &mut Context,
    ) -> Result<Response, Reason> {
        let admitted = self.admit(tenant_name, request, now, context).await?;
        let (form, party) = (&admitted.form, admitted.party());
        let ring = Rc::clone(&admitted.ring);
        let grant_type = GrantType::parse(form)?;
        if grant_type != GrantType::ClientCredentials && self.grants().is_err() {
            return Err(Reason::GrantTypeUnknown);
        }
        allow(party.client, grant_type)?;
        let by_resource = form.resources().next().is_some();
        let issued = match TokenRequest::parse(grant_type, form)? {
            TokenRequest::ClientCredentials(target) => {
                issue_to_client(self, party, &target, by_resource, ring, now).await?
            }
            TokenRequest::Exchange(exchange) => {
                exchange.issue(self, party, by_resource, ring, now).await?
            }
        };
        respond(&issued)
    }
}

/// Whether this client may use this grant type.
fn allow(client: &Application, grant_type: GrantType) -> Result<(), Reason> {
    if !client.grant_types.contains(&grant_type) {
        return Err(Reason::GrantTypeNotAllowed(grant_type));
    }
    // RFC 6749 section 4.4: "MUST only be used by confidential clients".
    if grant_type == GrantType::ClientCredentials && client.kind == ClientKind::Public {
        return Err(Reason::PublicClient);
    }
    Ok(())
}

fn respond(issued: &Issued) -> Result<Response, Reason> {
    let response = TokenResponse {
        access_token: &issued.access_token,
        token_type: "Bearer",
        expires_in: issued.expires_in,
        scope: &issued.scope,
        refresh_token: issued.refresh_token.as_deref(),
        refresh_token_expires_in: issued.refresh_token_expires_in,
    };
    Ok(Response::json(200, &response)?.uncached())
}
