//! Grants: what a token request asks for, and the tokens for it (RFC 6749 sections 4 and 6).
//!
//! | file | what it answers for |
//! | --- | --- |
//! | `client_credentials` | a client's own token |
//! | `authorization` | a user's consent: from the authorization request to the code |
//! | `session` | the code exchanged, the refresh token used |
//! | `record`, `command` | the state machine of a grant, and what may be done to it |
//! | `store` | a step of it on a store |
//! | `token` | the form of codes and refresh tokens |
//! | `sessions` | a user's sessions listed and ended |
//! | `issue` | the access token that each ends in |
//! | `claims` | what it says beyond edgemint's own claims |

mod authorization;
mod claims;
mod client_credentials;
mod command;
mod issue;
mod record;
mod session;
mod sessions;
mod store;
mod token;

use crate::api::{ApiUri, Scope, Target};
use crate::client::GrantType;
use crate::endpoint::form::Form;
use crate::error::Reason;

pub use command::{Binding, Command, Epochs, Issue, Outcome, Presented, Refusal, Successor, Terms};
pub use record::{Grant, GrantedScopes, Revocation, State, Transition};
pub use store::{GrantStore, Step};
pub use token::{Id, Secret};

pub(crate) use authorization::{
    AuthorizationRequest, Completion, HANDLE_LIFETIME, Redirection, with_query,
};
pub(crate) use client_credentials::issue as issue_to_client;
pub(crate) use issue::{Issued, Party, Ring};
pub(crate) use session::{Exchange, epochs, policy, present, step, terms};
pub(crate) use sessions::scope_text;
pub(crate) use store::User;
#[cfg(target_arch = "wasm32")]
pub(crate) use store::compare_and_set;
pub(crate) use token::{GrantToken, Place, Purpose};

/// A token request by its grant type. What it holds is well-formed; nothing downstream checks syntax
/// again.
#[derive(Debug, Clone)]
pub(crate) enum TokenRequest {
    /// RFC 6749 section 4.4.
    ClientCredentials(Target),
    /// RFC 6749 sections 4.1.3 and 6.
    Exchange(Exchange),
}

impl TokenRequest {
    /// Reads the grant of this type from a form. `asked` is its target where a dialect has its own way to
    /// name one.
    pub(crate) fn parse(
        grant_type: GrantType,
        form: &Form<'_>,
        asked: Option<Target>,
    ) -> Result<Self, Reason> {
        let exchange = |purpose, name, binding, asked: Option<Target>| {
            let text = form.get(name).ok_or(Reason::ParameterMissing(name))?;
            let token = GrantToken::parse(purpose, text).ok_or(Reason::GrantTokenMalformed)?;
            let target = asked.map_or_else(|| target(form), Ok)?;
            Ok(Self::Exchange(Exchange {
                token,
                target,
                binding,
            }))
        };
        match grant_type {
            GrantType::ClientCredentials => {
                let target = asked.map_or_else(|| target(form), Ok)?;
                Ok(Self::ClientCredentials(target))
            }
            GrantType::RefreshToken => exchange(Purpose::Refresh, "refresh_token", None, asked),
            GrantType::AuthorizationCode => {
                let missing = Reason::ParameterMissing("code_verifier");
                let verifier = form.get("code_verifier").ok_or(missing)?;
                if !is_verifier(verifier) {
                    return Err(Reason::Verifier);
                }
                let binding = Binding {
                    redirect_uri: form.get("redirect_uri").map(str::to_owned),
                    verifier: verifier.to_owned(),
                };
                exchange(Purpose::Code, "code", Some(binding), asked)
            }
        }
    }
}

/// RFC 7636 section 4.1.
fn is_verifier(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

impl GrantType {
    /// The `grant_type` parameter.
    pub(crate) fn parse(form: &Form<'_>) -> Result<Self, Reason> {
        let name = form.get("grant_type").ok_or(Reason::GrantTypeMissing)?;
        let known = Self::ALL.into_iter().find(|known| known.name() == name);
        known.ok_or(Reason::GrantTypeUnknown)
    }
}

/// `scope` (RFC 6749 section 3.3) and `resource` (RFC 8707 section 2) together.
fn target(form: &Form<'_>) -> Result<Target, Reason> {
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
