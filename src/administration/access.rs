//! Who may do what: nobody hands out more than they hold.

use super::error::{AdministrationError, Done};
use crate::api::{ADMIN_API, ROLE_MANAGEMENT, RoleName};
use crate::client::{Application, ClientId};

/// Who asks for a change.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller(Option<(ClientId, Vec<RoleName>)>);

impl Caller {
    /// The operator, in process: whoever can call it may do everything.
    pub(crate) const OPERATOR: Self = Self(None);

    /// An application with an access token for the administration, and the roles that it holds now.
    pub(crate) fn application(client_id: ClientId, roles: Vec<RoleName>) -> Self {
        Self(Some((client_id, roles)))
    }

    /// The application, if it is one.
    pub(crate) fn client_id(&self) -> Option<&ClientId> {
        self.0.as_ref().map(|(client_id, _)| client_id)
    }

    /// Whether the caller holds the app role on the administration.
    pub(crate) fn holds(&self, role: &str) -> bool {
        let Self(Some((_, roles))) = self else {
            return true;
        };
        roles.iter().any(|held| held.as_str() == role)
    }

    /// Refuses a caller without the app role.
    pub(super) fn must_hold(&self, role: &str) -> Done<()> {
        if self.holds(role) {
            return Ok(());
        }
        Err(AdministrationError::Forbidden(format!(
            "this takes the app role `{role}`"
        )))
    }

    /// Refuses a caller that could act through this application with administrative roles that it does
    /// not hold itself: by giving it a secret, enabling it, or leading its users elsewhere.
    pub(super) fn must_outrank(&self, application: &Application) -> Done<()> {
        if self.holds(ROLE_MANAGEMENT) {
            return Ok(());
        }
        let theirs = application.assignments.iter();
        let mut theirs = theirs
            .filter(|assignment| assignment.api.as_str() == ADMIN_API)
            .flat_map(|assignment| &assignment.roles);
        match theirs.find(|role| !self.holds(role.as_str())) {
            None => Ok(()),
            Some(role) => Err(AdministrationError::Forbidden(format!(
                "the application holds `{role}`: to change it takes the same, or `{ROLE_MANAGEMENT}`"
            ))),
        }
    }
}
