//! `POST /{t}/oauth2/token`: the token endpoint of RFC 6749 section 3.2.
//!
//! Checks are made in this order: method, content type, size, form syntax and duplicates; the tenant;
//! client authentication; grant type known; grant type allowed for this client; target and scope.

use futures_util::future::join3;
use serde::Serialize;

use super::Context;
use super::form::Form;
use super::http::{Body, MAX_BODY, Request, Response};
use crate::client::{Application, ClientKind, Credentials, GrantType, authenticate};
use crate::directory::TenantName;
use crate::error::Reason;
use crate::grant::{Ask, Issued, TokenRequest};
use crate::issuer::{Host, Issuer};
use crate::time::UnixTime;

/// Parameters that a URL must not carry: RFC 6749 section 2.3.1 and OAuth 2.1 section 3.2. What is in
/// a URL ends up in logs.
const BODY_ONLY: [&str; 12] = [
    "assertion",
    "client_assertion",
    "client_assertion_type",
    "client_id",
    "client_secret",
    "code",
    "code_verifier",
    "grant_type",
    "password",
    "refresh_token",
    "resource",
    "scope",
];

/// A token request that has been read: who says it, and the form. What is wrong with the grant is told
/// only to a client that has authenticated, and costs nothing before.
struct Submission {
    credentials: Credentials,
    form: Form,
}

/// RFC 6749 section 5.1.
#[derive(Serialize)]
struct TokenResponse<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u32,
    scope: &'a str,
}

impl Submission {
    /// Total and without I/O: whatever is refused here costs no look-up.
    fn parse(request: &Request<'_>) -> Result<Self, Reason> {
        if !request.content_type.is_some_and(is_form) {
            return Err(Reason::ContentType);
        }
        let body = match request.body {
            Body::Whole(body) if body.len() <= MAX_BODY => body,
            Body::Whole(_) | Body::TooLarge => return Err(Reason::BodyTooLarge),
            Body::Unreadable => return Err(Reason::BodyUnreadable),
        };
        let form = Form::parse(body)?;
        let query = Form::parse(request.query().as_bytes())?;
        if let Some((name, _)) = query.iter().find(|(name, _)| BODY_ONLY.contains(name)) {
            return Err(Reason::ParameterInUrl(name.to_owned()));
        }
        let credentials = Credentials::parse(request.authorization, &form)?;
        Ok(Self { credentials, form })
    }
}

impl<H: Host> Issuer<H> {
    pub(super) async fn token(
        &self,
        tenant_name: &TenantName,
        request: &Request<'_>,
        now: UnixTime,
        context: &mut Context,
    ) -> Result<Response, Reason> {
        context.tenant = Some(tenant_name.as_str().to_owned());
        let submission = Submission::parse(request)?;
        let client_id = &submission.credentials.client_id;
        let (store, directory) = (self.host().store(), self.directory());
        let (tenant, application, ring) = join3(
            directory.tenant(store, tenant_name, now),
            directory.application(store, tenant_name, client_id, now),
            directory.ring(store, tenant_name, now),
        )
        .await;
        let tenant = tenant?.ok_or(Reason::UnknownTenant)?;
        let application = application?;
        // Only a registered id is told: clients have sent their secret in its place.
        context.client_id = application
            .as_ref()
            .map(|known| known.client_id.to_string());
        let client = authenticate(
            &submission.credentials,
            application.as_deref(),
            tenant_name,
            self.masters(),
            now,
        )?;
        let form = &submission.form;
        let grant_type = GrantType::parse(form)?;
        allow(client, grant_type)?;
        let issued = match &TokenRequest::parse(grant_type, form)? {
            TokenRequest::ClientCredentials(target) => {
                let by_resource = form.resources().next().is_some();
                let ask = Ask {
                    tenant_name,
                    tenant: &tenant,
                    client,
                    target,
                    by_resource,
                };
                ask.issue(self, ring?, now).await?
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
    };
    Ok(Response::json(200, &response)?.uncached())
}

/// RFC 6749 section 3.2 and RFC 9110 section 8.3: type and charset in any letter case; only UTF-8.
fn is_form(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded")
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
                value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
}

#[cfg(test)]
mod tests {
    use super::is_form;

    #[test]
    fn a_form_is_declared_in_any_letter_case_and_in_utf_8() {
        for good in [
            "application/x-www-form-urlencoded",
            "Application/X-WWW-Form-URLencoded;charset=utf-8",
            "application/x-www-form-urlencoded ; Charset=\"UTF-8\"; x=y",
        ] {
            assert!(is_form(good), "{good}");
        }
        for bad in [
            "",
            "application/json",
            "application/x-www-form-urlencoded-not",
            "application/x-www-form-urlencoded; charset=utf-16",
            "multipart/form-data; boundary=application/x-www-form-urlencoded",
        ] {
            assert!(!is_form(bad), "{bad}");
        }
    }
}
