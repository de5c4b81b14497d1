//! Applications: registered OAuth clients, their secrets, and how they prove who they are.

mod authentication;
mod budget;
mod policy;
mod redirect;
mod secret;

use serde::Serialize;

use crate::api::{ADMIN_API, Api, ApiUri, Assignment, RoleName};
use crate::json::{named, record};
use crate::text::{has_control, text_type};
use crate::time::UnixTime;
use crate::verification::Claims;

pub(crate) use authentication::{Credentials, authenticate};
pub(crate) use budget::{Budget, Claim};
pub use policy::{RefreshMode, RefreshPolicy};
pub use redirect::RedirectUri;
pub use secret::{ClientSecret, SecretRecord};
pub(crate) use secret::{MIN_IMPORTED, PREFIX};

text_type! {
    /// A `client_id`: a lower-case UUID, or any text that was imported, of at most 256 bytes and
    /// without control characters.
    ClientId,
    |text| (1..=256).contains(&text.len()) && !has_control(text),
    "1 to 256 bytes of text without control characters"
}

/// A registered application.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    /// Its `client_id`.
    pub client_id: ClientId,
    /// A name for people.
    pub display_name: String,
    /// A disabled application gets no token.
    pub disabled: bool,
    /// Whether it can keep a secret: RFC 6749 section 2.1.
    pub kind: ClientKind,
    /// What it may use at the token endpoint.
    pub grant_types: Vec<GrantType>,
    /// Its secrets; several may be valid at once, so that one can be replaced without an outage.
    pub secrets: Vec<SecretRecord>,
    /// The app roles that an administrator granted it, one entry an API.
    pub assignments: Vec<Assignment>,
    /// Where the answer to an authorization request may go: RFC 6749 section 3.1.2.
    pub redirect_uris: Vec<RedirectUri>,
    /// How long the sessions of its users last.
    pub refresh: RefreshPolicy,
    /// The APIs whose access tokens it may introspect, beside its own tokens.
    pub introspects: Vec<ApiUri>,
    /// Grants that were born in an earlier epoch are revoked.
    pub epoch: u64,
    /// When it was registered.
    pub created_at: UnixTime,
}

record!(Application {
    client_id = "clientId",
    display_name = "displayName",
    disabled = "disabled",
    kind = "kind",
    grant_types = "grantTypes",
    secrets = "secrets",
    assignments = "assignments",
} default {
    redirect_uris = "redirectUris",
    refresh = "refresh",
    introspects = "introspects",
    epoch = "epoch",
    created_at = "createdAt",
});

impl Application {
    /// What it was granted on an API. What was granted on one of that name that is gone is not granted
    /// on this one.
    pub(crate) fn assignment_on(&self, api: &Api) -> Option<&Assignment> {
        self.assignment(api.identifier.as_str(), api.created_at)
    }

    /// Whether an access token is still this application's: it is enabled, and no other of this id had the
    /// token before it was registered.
    pub(crate) fn owns(&self, token: &Claims) -> bool {
        !self.disabled && token.iat >= self.created_at
    }

    /// The roles that it was granted on the administration.
    pub(crate) fn administrative_roles(&self) -> &[RoleName] {
        self.assigned(ADMIN_API, UnixTime::from_secs(0))
    }

    /// The roles that it was granted on an API that has been there since then.
    pub(crate) fn assigned(&self, api: &str, since: UnixTime) -> &[RoleName] {
        let assignment = self.assignment(api, since);
        assignment.map_or(&[], |assignment| &assignment.roles)
    }

    fn assignment(&self, api: &str, since: UnixTime) -> Option<&Assignment> {
        let mut assignments = self.assignments.iter();
        let assignment = assignments.find(|assignment| assignment.api.as_str() == api);
        assignment.filter(|assignment| assignment.assigned_at >= since)
    }
}

/// Whether a client can keep a secret: RFC 6749 section 2.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum ClientKind {
    /// It can, and authenticates with it.
    #[default]
    Confidential,
    /// It cannot: a browser or native application.
    Public,
}

impl ClientKind {
    const ALL: [Self; 2] = [Self::Confidential, Self::Public];

    const fn name(self) -> &'static str {
        match self {
            Self::Confidential => "confidential",
            Self::Public => "public",
        }
    }
}

named!(ClientKind, "`confidential` or `public`");

/// A way to ask for a token: the `grant_type` parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// RFC 6749 section 4.1.
    AuthorizationCode,
    /// RFC 6749 section 4.4.
    ClientCredentials,
    /// RFC 6749 section 6.
    RefreshToken,
}

impl GrantType {
    /// Every grant type that the token endpoint accepts.
    pub const ALL: [Self; 3] = [
        Self::AuthorizationCode,
        Self::ClientCredentials,
        Self::RefreshToken,
    ];

    /// The value of the parameter.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::ClientCredentials => "client_credentials",
            Self::RefreshToken => "refresh_token",
        }
    }
}

named!(GrantType, "a grant type such as `client_credentials`");
