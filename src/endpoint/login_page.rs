//! `POST /{t}/admin/v1/authorizations/...`: a login page that is another program than the issuer asks
//! what is to be consented to, and completes or denies it.
//!
//! Guarded by access tokens of the administration API (RFC 6750).

use super::Context;
use super::admission::{bearer, is_of_type, whole};
use super::http::{MAX_BODY, Request, Response};
use crate::act::Act;
use crate::administration::AdministrationError;
use crate::api::{ADMIN_API, AUTHORIZATION};
use crate::directory::TenantName;
use crate::error::Reason;
use crate::event::{Event, Kind};
use crate::issuer::{Host, Issuer};
use crate::json;
use crate::time::UnixTime;

/// The last segment of a path, the act behind it, and the app role that it takes.
pub(super) const ACTS: [(&str, &str, &str); 3] = [
    ("inspect", "inspectAuthorization", AUTHORIZATION),
    ("complete", "completeAuthorization", AUTHORIZATION),
    ("deny", "denyAuthorization", AUTHORIZATION),
];

impl<H: Host> Issuer<H> {
    pub(super) async fn login_page(
        &self,
        tenant: &TenantName,
        (_, act, role): (&str, &str, &str),
        request: &Request<'_>,
        now: UnixTime,
        context: &mut Context,
    ) -> Result<Response, Reason> {
        context.tenant = Some(tenant.clone());
        let token = request.authorization.and_then(bearer);
        let claims = self
            .verify(tenant, token.ok_or(Reason::NoToken)?, now)
            .await?;
        context.client_id = Some(claims.client_id.clone());
        if claims.aud.as_str() != ADMIN_API {
            return Err(Reason::InvalidToken("for another API"));
        }
        if !claims.roles.iter().any(|held| held.as_str() == role) {
            return Err(Reason::RoleMissing);
        }
        // Who was disabled, or lost the role, since the token was made, signs nobody in any more.
        let (store, directory) = (self.host().store(), self.directory());
        let client = directory.application(store, tenant, &claims.client_id, now);
        let client = client.await?.filter(|client| client.owns(&claims));
        let assigned = client.as_ref().map(|client| client.administrative_roles());
        if !assigned.is_some_and(|roles| roles.iter().any(|held| held.as_str() == role)) {
            return Err(Reason::RoleMissing);
        }
        let is_json = |text| is_of_type(text, "application/json");
        if !request.content_type.is_some_and(is_json) {
            return Err(Reason::NotJson);
        }
        let body = whole(request, MAX_BODY)?;
        let text = std::str::from_utf8(body).map_err(|_| Reason::FormSyntax)?;
        let done = match json::parse(text).and_then(|value| Act::read(act, value)) {
            Ok(act) => self.act_within(act, Some(tenant), now).await,
            Err(error) => Err(AdministrationError::Invalid(error.to_string())),
        };
        match done {
            Ok(text) => Ok(Response::of_json(200, text).uncached()),
            Err(AdministrationError::Failed(reason)) => Err(reason),
            Err(error) => {
                let detail = Some(act.to_owned());
                let refused = Event::new(Kind::Refused, error.code(), detail, now);
                self.report(context, refused);
                Ok(Response::problem(&error))
            }
        }
    }
}
