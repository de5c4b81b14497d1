//! `POST /{t}/oauth2/token`: the token endpoint of RFC 6749 section 3.2.
//!
//! After the client has been admitted, checks are made in this order: grant type known; grant type
//! allowed for this client; target and scope.

use std::rc::Rc;

use super::form::Form;
use super::http::{Request, Response};
use super::{Apart, Context};
use crate::api::{ADMIN_API, ApiUri, Scope, Target};
use crate::client::{Application, ClientKind, GrantType};
use crate::dialect::{Realm, is_uuid};
use crate::directory::{Name, TenantName};
use crate::error::Reason;
use crate::grant::{Issued, Party, TokenRequest, issue_to_client};
use crate::issuer::{Host, Issuer};
use crate::json::Writer;
use crate::time::UnixTime;

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
        let realm = if H::DIALECTS { party.realm } else { None };
        let asked = match realm {
            None => None,
            Some(realm) => {
                let asked = self.target_in(realm, party, grant_type, form, now, context);
                Some(Apart::new(asked).await?)
            }
        };
        let issued = match TokenRequest::parse(grant_type, form, asked)? {
            TokenRequest::ClientCredentials(target) => {
                issue_to_client(self, party, &target, by_resource, ring, now).await?
            }
            TokenRequest::Exchange(exchange) => {
                let issuing = exchange.issue(self, party, by_resource, ring, now);
                Apart::new(issuing).await?
            }
        };
        match realm {
            Some(realm) if H::DIALECTS => {
                let answer = realm.answer(&issued, grant_type, now);
                Ok(Response::of_dialect(200, answer).uncached())
            }
            _ => Ok(respond(&issued)),
        }
    }

    /// What a request in a dialect asks for: one API by its identifier or its client id, with `.default`, and
    /// for users with scopes in its place. OpenID Connect's are let pass.
    async fn target_in(
        &self,
        realm: &Realm,
        party: Party<'_>,
        grant_type: GrantType,
        form: &Form<'_>,
        now: UnixTime,
        context: &mut Context,
    ) -> Result<Target, Reason> {
        if form.resources().next().is_some() {
            return Err(Reason::UnknownResource("resource".to_owned()));
        }
        let scope = Scope::parse(form.get("scope").unwrap_or_default())?;
        let for_itself = grant_type == GrantType::ClientCredentials;
        let Some((named, roles)) = scope.of_one_api(for_itself)? else {
            if for_itself {
                return Err(Reason::ParameterMissing("scope"));
            }
            return Ok(Target {
                api: None,
                roles: None,
            });
        };
        let unknown = || Reason::UnknownApi(named.to_owned());
        let app_id = named.to_ascii_lowercase();
        let is_app_id = is_uuid(&app_id);
        let uri = if is_app_id {
            let name = Name::AppId(party.tenant_name.clone(), app_id.clone());
            let found = self.directory().alias(self.host().store(), name, now);
            found.await?.and_then(ApiUri::new)
        } else {
            // The administration goes by the standard's tokens only.
            ApiUri::new(named).filter(|uri| uri.as_str() != ADMIN_API)
        };
        let uri = uri.ok_or_else(unknown)?;
        let api = party.api(self, &uri, false, now).await?;
        let id = realm.app_id(&api);
        if is_app_id && id != app_id {
            return Err(unknown());
        }
        if let Some(inquiry) = &mut context.inquiry {
            inquiry.api = id;
            inquiry.api_name.clone_from(&api.display_name);
        }
        let api = Some(uri);
        Ok(Target { api, roles })
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

/// RFC 6749 section 5.1. The lifetime of the refresh token is named as B2C and others name it.
fn respond(issued: &Issued) -> Response {
    let bytes = issued.access_token.len() + issued.scope.len() + 320;
    let body = Writer::object(bytes, |out| {
        out.plain("access_token", &issued.access_token);
        out.plain("token_type", "Bearer");
        out.number("expires_in", issued.expires_in.into());
        out.text("scope", &issued.scope);
        out.optional("refresh_token", issued.refresh_token.as_deref());
        if let Some(seconds) = issued.refresh_token_expires_in {
            out.number("refresh_token_expires_in", seconds);
        }
    });
    Response::of_json(200, body).uncached()
}
