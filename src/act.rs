//! What an administrator or a login page does beside the token endpoint, as data: an object with one
//! member, whose name is the act.

use crate::directory::{AdministrationError, Command, TenantName};
use crate::grant::{Completion, Id};
use crate::issuer::{Host, Issuer};
use crate::json::{self, JsonError, Members, Object, Value};
use crate::time::UnixTime;

/// One act. As JSON `{"createTenant": {"tenant": "demo"}}`, in camel case.
#[derive(Debug, Clone)]
pub struct Act(Kind);

#[derive(Debug, Clone)]
enum Kind {
    /// Changes the directory.
    Directory(Command),
    /// What the login page shows for a handle.
    InspectAuthorization {
        handle: String,
    },
    /// The user has signed in and consented.
    CompleteAuthorization {
        handle: String,
        completion: Completion,
    },
    /// There will be no code.
    DenyAuthorization {
        handle: String,
        error: Option<String>,
    },
    ListSessions {
        tenant: TenantName,
        subject: String,
    },
    EndSession {
        tenant: TenantName,
        subject: String,
        id: Id,
    },
    EndUserSessions {
        tenant: TenantName,
        subject: String,
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
    /// let act = r#"{"listSessions":{"tenant":"demo","subject":"ada"}}"#;
    /// assert!(Act::parse(act).is_ok());
    /// assert!(Act::parse(r#"{"listSessions":{"tenant":"demo"}}"#).is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        json::read_named(text, Self::read)
    }

    /// Reads the members of the act of this name.
    pub(crate) fn read(name: &str, value: Value) -> Result<Self, JsonError> {
        let mut members = Members::of(value)?;
        let act = &mut members;
        let kind = match name {
            "inspectAuthorization" => Kind::InspectAuthorization {
                handle: act.take("handle")?,
            },
            "completeAuthorization" => Kind::CompleteAuthorization {
                handle: act.take("handle")?,
                completion: Completion {
                    subject: act.take("subject")?,
                    scopes: act.take("scopes")?,
                    claims: act.take::<Option<Object>>("claims")?,
                },
            },
            "denyAuthorization" => Kind::DenyAuthorization {
                handle: act.take("handle")?,
                error: act.take("error")?,
            },
            "listSessions" => Kind::ListSessions {
                tenant: act.take("tenant")?,
                subject: act.take("subject")?,
            },
            "endSession" => Kind::EndSession {
                tenant: act.take("tenant")?,
                subject: act.take("subject")?,
                id: act.take("id")?,
            },
            "endUserSessions" => Kind::EndUserSessions {
                tenant: act.take("tenant")?,
                subject: act.take("subject")?,
            },
            _ => return Command::read(name, members).map(|command| Self(Kind::Directory(command))),
        };
        members.finish()?;
        Ok(Self(kind))
    }
}

impl<H: Host> Issuer<H> {
    /// Carries out an act; what came of it is JSON. Whoever may call this is an administrator: nothing
    /// is checked here.
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
        let nothing = || Ok("{}".to_owned());
        match kind {
            Kind::Directory(command) => {
                let outcome = self.administer(command, now).await?;
                Ok(json::write(&outcome)?)
            }
            Kind::InspectAuthorization { handle } => {
                self.inspect_authorization(&handle, within, now).await
            }
            Kind::CompleteAuthorization { handle, completion } => {
                self.complete_authorization(&handle, completion, within, now)
                    .await
            }
            Kind::DenyAuthorization { handle, error } => {
                self.deny_authorization(&handle, error.as_deref(), within, now)
                    .await
            }
            Kind::ListSessions { tenant, subject } => {
                self.list_sessions(&tenant, &subject, now).await
            }
            Kind::EndSession {
                tenant,
                subject,
                id,
            } => {
                self.end_session(&tenant, &subject, id, now).await?;
                nothing()
            }
            Kind::EndUserSessions { tenant, subject } => {
                self.end_user_sessions(&tenant, &subject, now).await?;
                nothing()
            }
        }
    }
}
