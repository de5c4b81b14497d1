//! What a token request asks for, and the token it gets: RFC 6749 section 4.

mod client_credentials;

use crate::api::{ApiUri, Scope, Target};
use crate::client::GrantType;
use crate::endpoint::form::Form;
use crate::error::Reason;

pub(crate) use client_credentials::{Ask, Issued};

/// A token request by its grant type. What it holds is well-formed; nothing downstream checks syntax
/// again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenRequest {
    /// RFC 6749 section 4.4.
    ClientCredentials(Target),
}

impl TokenRequest {
    /// Reads the grant of this type from a form.
    pub(crate) fn parse(grant_type: GrantType, form: &Form) -> Result<Self, Reason> {
        match grant_type {
            GrantType::ClientCredentials => Ok(Self::ClientCredentials(target(form)?)),
        }
    }
}

impl GrantType {
    /// The `grant_type` parameter.
    pub(crate) fn parse(form: &Form) -> Result<Self, Reason> {
        let name = form.get("grant_type").ok_or(Reason::GrantTypeMissing)?;
        let known = Self::ALL.into_iter().find(|known| known.name() == name);
        known.ok_or(Reason::GrantTypeUnknown)
    }
}

/// `scope` (RFC 6749 section 3.3) and `resource` (RFC 8707 section 2) together.
fn target(form: &Form) -> Result<Target, Reason> {
    let mut resource: Option<ApiUri> = None;
    for uri in form.resources() {
        let uri = ApiUri::new(uri).ok_or(Reason::ResourceSyntax)?;
        match &resource {
            Some(known) if *known != uri => return Err(Reason::SeveralResources),
            _ => resource = Some(uri),
        }
    }
    let scope = Scope::parse(form.get("scope").unwrap_or_default())?;
    Target::of(&scope, resource.as_ref())
}
