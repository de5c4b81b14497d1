//! What a login page does beside the token endpoint, as data: an object with one member, whose name is
//! the act.

use crate::administration::AdministrationError;
use crate::directory::TenantName;
use crate::grant::Completion;
use crate::issuer::{Host, Issuer};
use crate::json::{self, JsonError, Members, Object, Value};
use crate::time::UnixTime;

/// One act. As JSON `{"denyAuthorization": {"handle": "..."}}`, in camel case.
#[derive(Debug, Clone)]
pub struct Act(Kind);

#[derive(Debug, Clone)]
enum Kind {
    /// What the login page shows for a handle.
    Inspect { handle: String },
    /// The user has signed in and consented.
    Complete {
        handle: String,
        completion: Completion,
    },
    /// There will be no code.
    Deny {
        handle: String,
        error: Option<String>,
    },
}

impl Act {
    /// Reads an act.
    ///
    /// # Errors
    /// [`JsonError`] if the act is unknown, lacks a member, has one too many or a wrong value.
    ///
    /// ```
    /// use edgemint::Act;
    ///
    /// assert!(Act::parse(r#"{"denyAuthorization":{"handle":"x"}}"#).is_ok());
    /// assert!(Act::parse(r#"{"denyAuthorization":{}}"#).is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        json::read_named(text, Self::read)
    }

    /// Reads the members of the act of this name.
    pub(crate) fn read(name: &str, value: Value<'_>) -> Result<Self, JsonError> {
        let mut members = Members::of(value)?;
        let act = &mut members;
        let kind = match name {
            "inspectAuthorization" => Kind::Inspect {
                handle: act.take("handle")?,
            },
            "completeAuthorization" => Kind::Complete {
                handle: act.take("handle")?,
                completion: Completion {
                    subject: act.take("subject")?,
                    scopes: act.take("scopes")?,
                    claims: act.take::<Option<Object>>("claims")?,
                },
            },
            "denyAuthorization" => Kind::Deny {
                handle: act.take("handle")?,
                error: act.take("error")?,
            },
            _ => return Err(JsonError::expected("the name of an act")),
        };
        members.finish()?;
        Ok(Self(kind))
    }
}

impl<H: Host> Issuer<H> {
    /// Carries out an act; what came of it is JSON. Whoever may call this is a login page: nothing is
    /// checked here.
    ///
    /// # Errors
    /// [`AdministrationError`]; nothing was changed then, except where the store failed.
    pub async fn act(&self, act: Act, now: UnixTime) -> Result<String, AdministrationError> {
        self.act_within(act, None, now).await
    }

    /// The same for a login page that serves one tenant only.
    pub(crate) async fn act_within(
        &self,
        Act(kind): Act,
        within: Option<&TenantName>,
        now: UnixTime,
    ) -> Result<String, AdministrationError> {
        match kind {
            Kind::Inspect { handle } => self.inspect_authorization(&handle, within, now).await,
            Kind::Complete { handle, completion } => {
                self.complete_authorization(&handle, completion, within, now)
                    .await
            }
            Kind::Deny { handle, error } => {
                self.deny_authorization(&handle, error.as_deref(), within, now)
                    .await
            }
        }
    }
}
