//! What the endpoints that clients call have in common: the form is read, and the client authenticated
//! (RFC 6749 sections 2.3 and 3.2).
//!
//! Checks are made in this order: content type, size, form syntax and duplicates; the tenant; client
//! authentication. Whatever is refused before the tenant costs no look-up.

use std::rc::Rc;

use futures_util::future::join3;

use super::Context;
use super::form::Form;
use super::http::{Body, MAX_BODY, Request};
use crate::client::{Application, Claim, Credentials, authenticate};
use crate::dialect::{Realm, in_lower_case};
use crate::directory::{Tenant, TenantName};
use crate::entropy;
use crate::error::Reason;
use crate::event::{Event, EventSink, Kind};
use crate::grant::{Party, Ring};
use crate::issuer::{Host, Issuer};
use crate::key::TenantKeys;
use crate::time::UnixTime;

/// Parameters that a URL must not carry: RFC 6749 section 2.3.1 and OAuth 2.1 section 3.2. What is in
/// a URL ends up in logs.
const BODY_ONLY: [&str; 14] = [
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
    "token",
    "token_type_hint",
];

/// A request of an authenticated client.
pub(super) struct Admitted<'a, H: Host> {
    pub(super) form: Form<'a>,
    pub(super) ring: Ring<H>,
    keys: Rc<TenantKeys>,
    tenant_name: &'a TenantName,
    tenant: Rc<Tenant>,
    client: Rc<Application>,
    realm: Option<Rc<Realm>>,
    has_proof: bool,
}

impl<H: Host> Admitted<'_, H> {
    pub(super) fn party(&self) -> Party<'_> {
        Party {
            tenant_name: self.tenant_name,
            tenant: &self.tenant,
            client: &self.client,
            keys: &self.keys,
            realm: self.realm.as_deref(),
            has_proof: self.has_proof,
        }
    }
}

impl<H: Host> Issuer<H> {
    pub(super) async fn admit<'a>(
        &self,
        tenant_name: &'a TenantName,
        request: &Request<'a>,
        now: UnixTime,
        context: &mut Context,
    ) -> Result<Admitted<'a, H>, Reason> {
        context.tenant = Some(tenant_name.clone());
        let form = form(request)?;
        let mut credentials = Credentials::parse(request.authorization, &form)?;
        if H::DIALECTS && context.realm.is_some() {
            credentials.client_id = in_lower_case(credentials.client_id);
        }
        let client_id = &credentials.client_id;
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
        context.client_id = application.as_ref().map(|known| known.client_id.clone());
        if H::DIALECTS
            && let Some(inquiry) = &mut context.inquiry
        {
            inquiry.name_client(client_id.as_str(), application.as_deref());
        }
        // Before it matters who asks, so that a ring that does not open tells nothing of clients.
        let none = Reason::NoSigningKey(tenant.algorithm.name());
        let ring = ring?.ok_or(none)?;
        let keys = self.tenant_keys(&ring, tenant_name).await?;
        let claim = || Claim::new(tenant_name, client_id, request.address);
        let budget = self.budget();
        // Where no address is known, guesses are those of the client itself for all we know: the secret
        // is always compared, so that nobody is locked out by somebody else's.
        let counts = credentials.has_secret();
        if counts
            && request.address.is_some()
            && !budget.is_quiet(now)
            && let Some(left) = budget.spent(&claim(), now)
        {
            return Err(Reason::TooManyFailures(left));
        }
        let authenticated = authenticate(
            &credentials,
            application.as_deref(),
            tenant_name,
            &keys,
            now,
        );
        match authenticated {
            Ok(_) => {}
            // Nothing is awaited from the check to the count: parallel guesses are counted one by one.
            Err(reason) if counts => return Err(self.count(claim(), reason, now).await),
            Err(reason) => return Err(reason),
        }
        Ok(Admitted {
            form,
            ring,
            keys,
            tenant_name,
            tenant,
            client: application.ok_or(Reason::UnknownClient)?,
            realm: context.realm.clone(),
            has_proof: counts,
        })
    }
}

impl<H: Host> Issuer<H> {
    /// Counts a failed authentication. Returns what to answer it with: the same for every client id,
    /// whether or not it is registered.
    async fn count(&self, claim: Claim, reason: Reason, now: UnixTime) -> Reason {
        let budget = self.budget();
        if let Some(left) = budget.spent(&claim, now) {
            return Reason::TooManyFailures(left);
        }
        budget.fail(&claim, now, || {
            let salt = entropy::bytes(self.host().entropy());
            salt.map_or(0, u64::from_be_bytes)
        });
        match self.host().limit(&claim.name()).await {
            Ok(true) => reason,
            Ok(false) => Reason::TooManyFailures(budget.spend(&claim, now)),
            Err(why) => {
                let failed = Event::new(Kind::Failed, "rate_limiter", Some(why), now);
                self.host().events().emit(failed);
                reason
            }
        }
    }
}

/// Total and without I/O.
fn form<'a>(request: &Request<'a>) -> Result<Form<'a>, Reason> {
    if !request.content_type.is_some_and(is_form) {
        return Err(Reason::ContentType);
    }
    let form = Form::parse(whole(request, MAX_BODY)?)?;
    let query = Form::parse(request.query().as_bytes())?;
    match query.iter().find(|(name, _)| BODY_ONLY.contains(name)) {
        Some((name, _)) => Err(Reason::ParameterInUrl(name.to_owned())),
        None => Ok(form),
    }
}

/// The body, if it is there and has at most `limit` bytes.
pub(super) fn whole<'a>(request: &Request<'a>, limit: usize) -> Result<&'a [u8], Reason> {
    match request.body {
        Body::Whole(body) if body.len() <= limit => Ok(body),
        Body::Whole(_) | Body::TooLarge => Err(Reason::BodyTooLarge),
        Body::Unreadable => Err(Reason::BodyUnreadable),
    }
}

/// The token of an `Authorization` header: RFC 6750 section 2.1.
pub(super) fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

/// RFC 6749 section 3.2 and RFC 9110 section 8.3: type and charset in any letter case; only UTF-8.
fn is_form(content_type: &str) -> bool {
    const FORM: &str = "application/x-www-form-urlencoded";
    // As nearly all clients write it.
    content_type == FORM || is_of_type(content_type, FORM)
}

/// Whether the content is of this media type, in UTF-8.
pub(super) fn is_of_type(content_type: &str, expected: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let media_type = parts.next().unwrap_or_default();
    media_type.eq_ignore_ascii_case(expected)
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
