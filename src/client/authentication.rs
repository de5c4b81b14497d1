//! Client authentication: RFC 6749 section 2.3, RFC 7617 for Basic.

use zeroize::Zeroizing;

use super::secret::PresentedSecret;
use super::{Application, ClientId, ClientKind, ClientSecret};
use crate::base64url;
use crate::directory::TenantName;
use crate::endpoint::form::{self, Form};
use crate::error::Reason;
use crate::key::TenantKeys;
use crate::time::UnixTime;

/// Who a request says it is from, and the proof. Well-formed; not yet checked.
#[derive(Debug)]
pub(crate) struct Credentials {
    pub(crate) client_id: ClientId,
    /// None for a public client: it says who it is, and proves nothing.
    secret: Option<ClientSecret>,
}

impl Credentials {
    /// Reads the credentials from the header or the body.
    ///
    /// RFC 6749 section 2.3: "The client MUST NOT use more than one authentication method in each
    /// request."
    pub(crate) fn parse(authorization: Option<&str>, form: &Form<'_>) -> Result<Self, Reason> {
        let in_header = authorization.is_some();
        let secret = form.get("client_secret");
        let assertion = form
            .get("client_assertion")
            .or(form.get("client_assertion_type"));
        let mechanisms = [in_header, secret.is_some(), assertion.is_some()];
        if mechanisms.iter().filter(|used| **used).count() > 1 {
            return Err(Reason::SeveralAuthenticationMethods);
        }
        if assertion.is_some() {
            return Err(Reason::AssertionUnsupported);
        }
        let Some(header) = authorization else {
            let client_id = form.get("client_id").ok_or(Reason::NoCredentials)?;
            return Self::new(client_id, secret);
        };
        let credentials = Self::basic(header)?;
        match form.get("client_id") {
            Some(other) if other != credentials.client_id.as_str() => Err(Reason::ClientIdMismatch),
            _ => Ok(credentials),
        }
    }

    /// RFC 6749 section 2.3.1: id and secret are form-encoded, then joined and sent as in RFC 7617.
    fn basic(header: &str) -> Result<Self, Reason> {
        let (scheme, encoded) = header.split_once(' ').unwrap_or((header, ""));
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(Reason::AuthorizationScheme);
        }
        let pair = base64url::decode_standard(encoded.trim()).ok_or(Reason::AuthorizationSyntax)?;
        let pair = Zeroizing::new(pair);
        let colon = pair
            .iter()
            .position(|byte| *byte == b':')
            .ok_or(Reason::AuthorizationSyntax)?;
        let (id, secret) = pair
            .split_at_checked(colon)
            .ok_or(Reason::AuthorizationSyntax)?;
        let syntax = |_| Reason::AuthorizationSyntax;
        let secret = form::decode(secret.get(1..).unwrap_or_default()).map_err(syntax)?;
        let secret = Zeroizing::new(secret.into_owned());
        if secret.is_empty() {
            return Err(Reason::SecretMissing);
        }
        Self::new(&form::decode(id).map_err(syntax)?, Some(&secret))
    }

    /// Whether it proves anything, or tries to.
    pub(crate) fn has_secret(&self) -> bool {
        self.secret.is_some()
    }

    fn new(client_id: &str, secret: Option<&str>) -> Result<Self, Reason> {
        let secret = secret
            .map(|secret| ClientSecret::new(secret.to_owned()).ok_or(Reason::SecretMalformed))
            .transpose()?;
        let client_id = ClientId::new(client_id).ok_or(Reason::ClientIdMalformed)?;
        Ok(Self { client_id, secret })
    }
}

/// Checks the proof against the application that the store holds under that id, if any.
///
/// The secret is hashed whether or not the application exists, and compared in constant time with
/// every secret of it that is valid now.
pub(crate) fn authenticate<'a>(
    credentials: &Credentials,
    application: Option<&'a Application>,
    tenant: &TenantName,
    keys: &TenantKeys,
    now: UnixTime,
) -> Result<&'a Application, Reason> {
    let Some(secret) = &credentials.secret else {
        // RFC 6749 section 2.3: a public client is identified only.
        return match application {
            Some(public) if public.kind == ClientKind::Public && public.disabled => {
                Err(Reason::ClientDisabled)
            }
            Some(public) if public.kind == ClientKind::Public => Ok(public),
            _ => Err(Reason::SecretMissing),
        };
    };
    let owner = (tenant, &credentials.client_id);
    let presented = PresentedSecret::hash(secret, owner, keys).ok_or(Reason::SecretMalformed)?;
    let application = application.ok_or(Reason::UnknownClient)?;
    let (mut valid, mut lapsed) = (false, false);
    for secret in &application.secrets {
        let matches = bool::from(secret.matches(&presented));
        if secret.is_valid_at(now) {
            valid |= matches;
        } else {
            lapsed |= matches;
        }
    }
    match (valid, lapsed) {
        (true, _) if application.disabled => Err(Reason::ClientDisabled),
        (true, _) => Ok(application),
        (false, true) => Err(Reason::SecretLapsed),
        (false, false) => Err(Reason::WrongSecret),
    }
}
