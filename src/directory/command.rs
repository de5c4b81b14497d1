//! The acts of administration, what they bring about, and why they are refused.

use std::fmt;

use serde::Serialize;

use super::{LoginUrl, TenantName};
use crate::api::{ApiUri, RoleName};
use crate::client::{ClientId, ClientKind, GrantType, RedirectUri, RefreshPolicy};
use crate::entropy::EntropyError;
use crate::error::Reason;
use crate::json::{self, JsonError, Member, Members, Value};
use crate::key::{Algorithm, SealError, SignerError};
use crate::store::{KeyError, StoreError};
use crate::time::UnixTime;

/// One act of administration. As JSON an object with one member: the name of the act, and in it the
/// act's own members, all in camel case.
#[derive(Debug, Clone)]
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
        algorithm: Algorithm,
        /// Seconds, 60 to 86,400; 3,600 by default.
        access_token_lifetime: Option<u32>,
        /// The page that signs users in.
        login_url: Option<LoginUrl>,
    },
    /// Changes what a tenant says of itself; what is not given stays.
    UpdateTenant {
        /// The tenant.
        tenant: TenantName,
        /// A name for people.
        display_name: Option<String>,
        /// Seconds, 60 to 86,400.
        access_token_lifetime: Option<u32>,
        /// The page that signs users in.
        login_url: Option<LoginUrl>,
    },
    /// Registers an API. If it asks for an algorithm that the tenant has no key for, one is made.
    CreateApi {
        /// Of this tenant.
        tenant: TenantName,
        /// Its identifier URI.
        identifier: ApiUri,
        /// A name for people.
        display_name: Option<String>,
        /// The app roles that it exposes to applications.
        roles: Vec<NewRole>,
        /// The scopes that it exposes to users.
        scopes: Vec<NewRole>,
        /// Whether an application without any role is refused a token.
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
        kind: ClientKind,
        /// What it may use at the token endpoint. By default a public application, and one with
        /// redirection URIs, may use codes and refresh tokens; a confidential one its own credentials.
        grant_types: Option<Vec<GrantType>>,
        /// Where answers to its authorization requests may go.
        redirect_uris: Vec<RedirectUri>,
        /// How long the sessions of its users last.
        refresh: RefreshPolicy,
        /// The APIs whose access tokens it may introspect.
        introspects: Vec<ApiUri>,
    },
    /// Changes an application; what is not given stays.
    UpdateApplication {
        /// In this tenant.
        tenant: TenantName,
        /// The application.
        client_id: ClientId,
        /// A name for people.
        display_name: Option<String>,
        /// What it may use at the token endpoint.
        grant_types: Option<Vec<GrantType>>,
        /// Where answers to its authorization requests may go.
        redirect_uris: Option<Vec<RedirectUri>>,
        /// How long the sessions of its users last. It holds for those that there are, too.
        refresh: Option<RefreshPolicy>,
        /// The APIs whose access tokens it may introspect.
        introspects: Option<Vec<ApiUri>>,
    },
    /// Ends every session of every user of an application.
    EndApplicationSessions {
        /// In this tenant.
        tenant: TenantName,
        /// The application.
        client_id: ClientId,
    },
    /// Ends every session of a tenant.
    EndTenantSessions {
        /// The tenant.
        tenant: TenantName,
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
    /// Seals under the current master key what is sealed in the tenant's key ring under the previous one.
    ResealKeys {
        /// Of this tenant.
        tenant: TenantName,
    },
}

/// An app role, or a scope, to declare.
#[derive(Debug, Clone)]
pub struct NewRole {
    /// What appears in the `roles` or the `scope` claim.
    pub value: RoleName,
    /// A name for people.
    pub display_name: Option<String>,
}

impl Command {
    /// Reads a command: an object with one member, as described above.
    ///
    /// # Errors
    /// [`JsonError`] if the act is unknown, lacks a member, has one too many or a wrong value.
    ///
    /// ```
    /// use edgemint::directory::Command;
    ///
    /// assert!(Command::parse(r#"{"createTenant":{"tenant":"demo"}}"#).is_ok());
    /// let error = Command::parse(r#"{"createTenant":{"tenant":"Demo"}}"#).unwrap_err();
    /// assert!(error.to_string().starts_with("createTenant: tenant: expected 1 to 63"));
    /// ```
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        json::read_named(text, |name, value| Self::read(name, Members::of(value)?))
    }

    /// Reads the command of this name.
    pub(crate) fn read(name: &str, mut members: Members) -> Result<Self, JsonError> {
        let act = &mut members;
        let command = match name {
            "createTenant" => Self::CreateTenant {
                tenant: act.take("tenant")?,
                display_name: act.take("displayName")?,
                id: act.take("id")?,
                algorithm: act.take_or_default("algorithm")?,
                access_token_lifetime: act.take("accessTokenLifetime")?,
                login_url: act.take("loginUrl")?,
            },
            "updateTenant" => Self::UpdateTenant {
                tenant: act.take("tenant")?,
                display_name: act.take("displayName")?,
                access_token_lifetime: act.take("accessTokenLifetime")?,
                login_url: act.take("loginUrl")?,
            },
            "createApi" => Self::CreateApi {
                tenant: act.take("tenant")?,
                identifier: act.take("identifier")?,
                display_name: act.take("displayName")?,
                roles: act.take_or_default("roles")?,
                scopes: act.take_or_default("scopes")?,
                assignment_required: act.take_or_default("assignmentRequired")?,
                algorithm: act.take("algorithm")?,
                access_token_lifetime: act.take("accessTokenLifetime")?,
            },
            "createApplication" => Self::CreateApplication {
                tenant: act.take("tenant")?,
                client_id: act.take("clientId")?,
                display_name: act.take("displayName")?,
                kind: act.take_or_default("kind")?,
                grant_types: act.take("grantTypes")?,
                redirect_uris: act.take_or_default("redirectUris")?,
                refresh: act.take_or_default("refresh")?,
                introspects: act.take_or_default("introspects")?,
            },
            "updateApplication" => Self::UpdateApplication {
                tenant: act.take("tenant")?,
                client_id: act.take("clientId")?,
                display_name: act.take("displayName")?,
                grant_types: act.take("grantTypes")?,
                redirect_uris: act.take("redirectUris")?,
                refresh: act.take("refresh")?,
                introspects: act.take("introspects")?,
            },
            "endApplicationSessions" => Self::EndApplicationSessions {
                tenant: act.take("tenant")?,
                client_id: act.take("clientId")?,
            },
            "endTenantSessions" => Self::EndTenantSessions {
                tenant: act.take("tenant")?,
            },
            "setApplicationDisabled" => Self::SetApplicationDisabled {
                tenant: act.take("tenant")?,
                client_id: act.take("clientId")?,
                disabled: act.take("disabled")?,
            },
            "addSecret" => Self::AddSecret {
                tenant: act.take("tenant")?,
                client_id: act.take("clientId")?,
                display_name: act.take("displayName")?,
                secret: act.take("secret")?,
                starts: act.take("starts")?,
                ends: act.take("ends")?,
            },
            "removeSecret" => Self::RemoveSecret {
                tenant: act.take("tenant")?,
                client_id: act.take("clientId")?,
                key_id: act.take("keyId")?,
            },
            "assignRoles" => Self::AssignRoles {
                tenant: act.take("tenant")?,
                client_id: act.take("clientId")?,
                api: act.take("api")?,
                roles: act.take("roles")?,
            },
            "removeRoles" => Self::RemoveRoles {
                tenant: act.take("tenant")?,
                client_id: act.take("clientId")?,
                api: act.take("api")?,
                roles: act.take("roles")?,
            },
            "rotateKey" => Self::RotateKey {
                tenant: act.take("tenant")?,
                algorithm: act.take("algorithm")?,
                starts: act.take("starts")?,
            },
            "resealKeys" => Self::ResealKeys {
                tenant: act.take("tenant")?,
            },
            _ => return Err(JsonError::expected("the name of an act")),
        };
        members.finish()?;
        Ok(command)
    }
}

impl Member for NewRole {
    fn read(value: Value) -> Result<Self, JsonError> {
        let mut members = Members::of(value)?;
        let role = Self {
            value: members.take("value")?,
            display_name: members.take("displayName")?,
        };
        members.finish()?;
        Ok(role)
    }
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
    /// The handle of an authorization is unknown here, of another tenant, or too old.
    Handle,
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
            Self::Handle => "invalid_handle",
            Self::Failed(Reason::Storage(_)) => "store_unavailable",
            Self::Failed(Reason::NoGrants) => "no_grants",
            Self::Failed(_) => "failed",
        }
    }
}

impl AdministrationError {
    /// The HTTP status: RFC 9110 section 15.
    pub(crate) const fn status(&self) -> u16 {
        match self {
            Self::Invalid(_) | Self::Handle => 400,
            Self::NotFound(_) => 404,
            Self::Exists(_) | Self::Conflict(_) => 409,
            Self::Failed(reason) => reason.wire().status,
        }
    }
}

impl fmt::Display for AdministrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(why) => f.write_str(why),
            Self::NotFound(what) => write!(f, "{what} does not exist"),
            Self::Exists(what) => write!(f, "{what} exists already"),
            Self::Conflict(what) => {
                write!(
                    f,
                    "{what} was changed by someone else in the meantime; try again"
                )
            }
            Self::Handle => f.write_str(
                "the handle of the authorization is not valid any more; let the user start again",
            ),
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
    JsonError,
    StoreError,
    KeyError,
    SignerError,
    SealError,
    EntropyError
);
