//! The acts of administration, what they bring about, and why they are refused.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::TenantName;
use crate::api::{ApiUri, RoleName};
use crate::client::{ClientId, ClientKind, GrantType};
use crate::entropy::EntropyError;
use crate::error::Reason;
use crate::key::{Algorithm, SealError, SignerError};
use crate::store::{KeyError, StoreError};
use crate::time::UnixTime;

/// One act of administration. As JSON an object with one member: the name of the act, and in it the
/// act's own members, all in camel case.
#[derive(Debug, Clone, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Command {
    /// Makes a tenant with a signing key. Repeating it finishes what was cut short.
    CreateTenant {
        /// The first segment of the tenant's paths.
        tenant: TenantName,
        /// A name for people.
        display_name: Option<String>,
        /// A UUID to keep; a random one otherwise.
        id: Option<String>,
        /// How its tokens are signed.
        #[serde(default)]
        algorithm: Algorithm,
        /// Seconds, 60 to 86,400; 3,600 by default.
        access_token_lifetime: Option<u32>,
    },
    /// Registers an API. If it asks for an algorithm that the tenant has no key for, one is made.
    CreateApi {
        /// Of this tenant.
        tenant: TenantName,
        /// Its identifier URI.
        identifier: ApiUri,
        /// A name for people.
        display_name: Option<String>,
        /// The app roles that it exposes.
        #[serde(default)]
        roles: Vec<NewRole>,
        /// Whether an application without any role is refused a token.
        #[serde(default)]
        assignment_required: bool,
        /// How its tokens are signed, if not as the tenant says.
        algorithm: Option<Algorithm>,
        /// Seconds, 60 to 86,400, if not as the tenant says.
        access_token_lifetime: Option<u32>,
    },
    /// Registers an application.
    CreateApplication {
        /// In this tenant.
        tenant: TenantName,
        /// An id to keep; a random UUID otherwise.
        client_id: Option<ClientId>,
        /// A name for people.
        display_name: Option<String>,
        /// Whether it can keep a secret.
        #[serde(default)]
        kind: ClientKind,
        /// What it may use at the token endpoint: client credentials by default.
        grant_types: Option<Vec<GrantType>>,
    },
    /// Disables an application, or enables it again.
    SetApplicationDisabled {
        /// In this tenant.
        tenant: TenantName,
        /// The application.
        client_id: ClientId,
        /// Whether it is to get no more tokens.
        disabled: bool,
    },
    /// Adds a secret; it is shown in the answer and never again.
    AddSecret {
        /// In this tenant.
        tenant: TenantName,
        /// The application.
        client_id: ClientId,
        /// A name for people.
        display_name: Option<String>,
        /// A secret to keep, of at least 32 characters; a random one otherwise.
        secret: Option<String>,
        /// From when it is accepted: now by default.
        starts: Option<UnixTime>,
        /// Until when: 180 days after its start by default.
        ends: Option<UnixTime>,
    },
    /// Removes a secret.
    RemoveSecret {
        /// In this tenant.
        tenant: TenantName,
        /// The application.
        client_id: ClientId,
        /// The secret's key id.
        key_id: String,
    },
    /// Grants app roles to an application: admin consent.
    AssignRoles {
        /// In this tenant.
        tenant: TenantName,
        /// The application.
        client_id: ClientId,
        /// The API that declares the roles.
        api: ApiUri,
        /// The roles, each declared by the API. None at all registers the API with the application
        /// without a role.
        roles: Vec<RoleName>,
    },
    /// Takes app roles away from an application.
    RemoveRoles {
        /// In this tenant.
        tenant: TenantName,
        /// The application.
        client_id: ClientId,
        /// The API.
        api: ApiUri,
        /// The roles; without any left, the API itself is removed from the application.
        roles: Vec<RoleName>,
    },
    /// Makes a new signing key, which takes over at `starts`.
    RotateKey {
        /// In this tenant.
        tenant: TenantName,
        /// Of this algorithm.
        algorithm: Algorithm,
        /// When it starts to sign; until then it is announced in the JWKS. By default after two
        /// hours, when every cached JWKS has it. A start that has passed is now: for emergencies.
        starts: Option<UnixTime>,
    },
}

/// An app role to declare.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewRole {
    /// What appears in the `roles` claim.
    pub value: RoleName,
    /// A name for people.
    pub display_name: Option<String>,
}

/// What a command brought about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The application's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<ClientId>,
    /// The key id of a secret, or of a signing key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// A secret made here: shown now and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The first characters of the secret, to tell it from others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// When the secret ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<UnixTime>,
}

/// Why a command was not carried out. Nothing was changed, except where the store failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdministrationError {
    /// A value is not what it should be.
    Invalid(String),
    /// What the command names is not there.
    NotFound(String),
    /// What the command would create is there already.
    Exists(String),
    /// Somebody else changed the record in the meantime: read it again.
    Conflict(String),
    /// The store, the signer or the entropy source failed.
    Failed(Reason),
}

impl AdministrationError {
    /// A stable name for the kind of error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid",
            Self::NotFound(_) => "not_found",
            Self::Exists(_) => "exists",
            Self::Conflict(_) => "conflict",
            Self::Failed(Reason::Storage(_)) => "store_unavailable",
            Self::Failed(_) => "failed",
        }
    }
}

impl fmt::Display for AdministrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(why) => f.write_str(why),
            Self::NotFound(what) => write!(f, "{what} does not exist; create it first"),
            Self::Exists(what) => write!(f, "{what} exists already"),
            Self::Conflict(what) => {
                write!(
                    f,
                    "{what} was changed by someone else in the meantime; try again"
                )
            }
            Self::Failed(reason) => {
                f.write_str(reason.code())?;
                reason
                    .detail()
                    .map_or(Ok(()), |detail| write!(f, ": {detail}"))
            }
        }
    }
}

impl std::error::Error for AdministrationError {}

/// What a command may fail of beside its own reasons.
macro_rules! from_failure {
    ($($failure:ty),+) => {$(
        impl From<$failure> for AdministrationError {
            fn from(failure: $failure) -> Self {
                Self::Failed(failure.into())
            }
        }
    )+};
}

from_failure!(
    Reason,
    StoreError,
    KeyError,
    SignerError,
    SealError,
    EntropyError
);
