//! The acts of administration as data: an object with one member, whose name is the act.
//!
//! The same acts are the routes of the administration API: path, query and body of a request are the
//! members of one (`endpoint::administration`). What each member means is in `docs/administration.md`.

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::api::{ApiUri, RoleName};
use crate::client::{ClientId, ClientKind, GrantType, RedirectUri, RefreshPolicy};
use crate::directory::{LoginUrl, TenantName};
use crate::grant::Id;
use crate::json::{self, JsonError, Member, Members, Value};
use crate::key::Algorithm;
use crate::time::UnixTime;

/// One act of administration. As JSON `{"createTenant": {"tenant": "demo"}}`, in camel case.
///
/// ```
/// use edgemint::administration::Command;
///
/// assert!(Command::parse(r#"{"createTenant":{"tenant":"demo"}}"#).is_ok());
/// let error = Command::parse(r#"{"createTenant":{"tenant":"Demo"}}"#).unwrap_err();
/// assert!(error.to_string().starts_with("createTenant: tenant: expected 1 to 63"));
/// ```
#[derive(Debug)]
pub struct Command {
    pub(super) tenant: TenantName,
    pub(super) act: Act,
    /// The versions that the caller knows, as in `If-Match`: RFC 9110 section 13.1.1.
    pub(super) condition: Option<String>,
    pub(super) repetition: Option<Repetition>,
}

/// What makes the same request the same act.
#[derive(Debug)]
pub(super) struct Repetition {
    /// The caller's key for it.
    pub(super) key: String,
    /// A hash of what is asked for.
    pub(super) fingerprint: [u8; 32],
}

/// What the headers of a request say beside its members; where an act has no use for it, it says
/// nothing.
#[derive(Debug, Default)]
pub(crate) struct Preconditions {
    pub(crate) if_match: Option<String>,
    pub(crate) idempotency_key: Option<String>,
}

/// The acts.
#[derive(Debug)]
pub(super) enum Act {
    CreateTenant(NewTenant),
    GetTenant,
    UpdateTenant(TenantChange),
    ListTenants(Range),
    Maintain,

    CreateApplication(NewApplication),
    ImportApplications(Vec<ImportedApplication>),
    GetApplication(ClientId),
    ListApplications(Range),
    UpdateApplication(ClientId, ApplicationChange),
    DeleteApplication(ClientId),
    AddSecret(ClientId, NewSecret),
    RemoveSecret(ClientId, String),
    AssignRoles(ClientId, ApiUri, Vec<RoleName>),
    SetRoles(ClientId, ApiUri, Vec<RoleName>),
    /// Without roles, all of them.
    RemoveRoles(ClientId, ApiUri, Option<Vec<RoleName>>),

    CreateApi(NewApi),
    GetApi(ApiUri),
    ListApis(Range),
    UpdateApi(ApiUri, ApiChange),
    DeleteApi(ApiUri),

    ListKeys,
    RotateKey(Option<Algorithm>, Option<UnixTime>),
    RemoveKey(String),
    ResealKeys,

    ListSessions(String),
    EndSession(String, Id),
    EndUserSessions(String),
    EndApplicationSessions(ClientId),
    EndTenantSessions,

    ListEvents(Range),
}

/// A tenant to make.
#[derive(Debug, Default)]
pub(super) struct NewTenant {
    pub(super) id: Option<String>,
    pub(super) settings: TenantChange,
    /// Whether to make an administrator in it, and the name of that application.
    pub(super) administrator: Option<Option<String>>,
}

/// What a tenant says of itself; what is not given stays.
#[derive(Debug, Clone, Default)]
pub(super) struct TenantChange {
    pub(super) display_name: Option<String>,
    pub(super) algorithm: Option<Algorithm>,
    pub(super) access_token_lifetime: Option<u32>,
    pub(super) login_url: Change<LoginUrl>,
    pub(super) entra: Option<bool>,
    pub(super) domains: Option<Vec<String>>,
    pub(super) policies: Option<Vec<String>>,
}

/// An application to register.
#[derive(Debug)]
pub(super) struct NewApplication {
    pub(super) client_id: Option<ClientId>,
    pub(super) kind: ClientKind,
    pub(super) settings: ApplicationChange,
}

/// What may be changed of an application; what is not given stays.
#[derive(Debug, Clone)]
pub(super) struct ApplicationChange {
    pub(super) display_name: Option<String>,
    pub(super) disabled: Option<bool>,
    pub(super) grant_types: Option<Vec<GrantType>>,
    pub(super) redirect_uris: Option<Vec<RedirectUri>>,
    pub(super) refresh: Option<RefreshPolicy>,
    pub(super) introspects: Option<Vec<ApiUri>>,
}

/// An application that comes with its secrets and roles.
#[derive(Debug)]
pub(super) struct ImportedApplication {
    pub(super) application: NewApplication,
    pub(super) secrets: Vec<NewSecret>,
    pub(super) assignments: Vec<NewAssignment>,
}

/// Roles to assign.
#[derive(Debug)]
pub(super) struct NewAssignment {
    pub(super) api: ApiUri,
    pub(super) roles: Vec<RoleName>,
}

/// A secret to add.
#[derive(Debug)]
pub(super) struct NewSecret {
    pub(super) display_name: Option<String>,
    /// One to keep; a random one otherwise.
    pub(super) secret: Option<Brought>,
    pub(super) starts: Option<UnixTime>,
    pub(super) ends: Option<UnixTime>,
}

/// A secret from elsewhere: wiped when dropped, and shown nowhere.
pub(super) struct Brought(pub(super) Zeroizing<String>);

impl fmt::Debug for Brought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Brought(..)")
    }
}

impl Member for Brought {
    fn read(value: Value<'_>) -> Result<Self, JsonError> {
        String::read(value).map(Zeroizing::new).map(Self)
    }
}

/// An API to register.
#[derive(Debug)]
pub(super) struct NewApi {
    pub(super) identifier: ApiUri,
    pub(super) settings: ApiChange,
}

/// What may be changed of an API; what is not given stays.
#[derive(Debug, Clone)]
pub(super) struct ApiChange {
    pub(super) display_name: Option<String>,
    pub(super) roles: Option<Vec<NewRole>>,
    pub(super) scopes: Option<Vec<NewRole>>,
    pub(super) assignment_required: Option<bool>,
    pub(super) algorithm: Change<Algorithm>,
    pub(super) access_token_lifetime: Change<u32>,
    pub(super) app_id: Option<String>,
    pub(super) requested_access_token_version: Change<u32>,
    pub(super) optional_claims: Option<Vec<String>>,
}

/// An app role, or a scope, to declare.
#[derive(Debug, Clone)]
pub(super) struct NewRole {
    pub(super) value: RoleName,
    pub(super) display_name: Option<String>,
}

/// What becomes of a member that need not be there: RFC 7396. Null takes it away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Change<T> {
    #[default]
    Keep,
    Unset,
    To(T),
}

impl<T: Clone> Change<T> {
    pub(super) fn apply(self, member: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Unset => *member = None,
            Self::To(value) => *member = Some(value),
        }
    }

    /// What it is to be from now on, if it is to be something.
    pub(super) fn value(&self) -> Option<T> {
        match self {
            Self::To(value) => Some(value.clone()),
            Self::Keep | Self::Unset => None,
        }
    }
}

impl<T: Member> Member for Change<T> {
    fn read(value: Value<'_>) -> Result<Self, JsonError> {
        match value {
            Value::Null => Ok(Self::Unset),
            value => T::read(value).map(Self::To),
        }
    }

    fn absent() -> Option<Self> {
        Some(Self::Keep)
    }
}

/// A page of a listing.
#[derive(Debug)]
pub(super) struct Range {
    pub(super) cursor: Option<String>,
    pub(super) limit: usize,
}

/// Entries of a page if nobody says otherwise.
const DEFAULT_LIMIT: u32 = 100;
/// Most entries of a page.
const MAX_LIMIT: u32 = 1_000;
/// The last second of the year 9999.
const MAX_TIME: u64 = 253_402_300_799;
/// Most applications that are imported at once.
const MAX_IMPORT: usize = 500;

impl Command {
    /// Reads a command.
    ///
    /// # Errors
    /// [`JsonError`] if the act is unknown, lacks a member, has one too many or a wrong value.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        json::read_named(text, |name, value| {
            let members = Members::of(value)?;
            Self::read(name, members, Preconditions::default(), text.as_bytes())
        })
    }

    /// Reads the members of the act of this name. `source` is the text that they are from.
    pub(crate) fn read(
        name: &str,
        mut members: Members<'_>,
        given: Preconditions,
        source: &[u8],
    ) -> Result<Self, JsonError> {
        let from = &mut members;
        let tenant = from.take("tenant")?;
        let act = Act::read(name, from)?;
        let condition = if act.is_conditional() {
            from.take::<Option<_>>("ifMatch")?.or(given.if_match)
        } else {
            None
        };
        let key: Option<String> = if act.is_creation() {
            from.take::<Option<_>>("idempotencyKey")?
                .or(given.idempotency_key)
        } else {
            None
        };
        members.finish()?;
        let well_formed = |key: &str| {
            (1..=128).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if key.as_ref().is_some_and(|key| !well_formed(key)) {
            return Err(JsonError::expected(
                "an idempotency key of 1 to 128 visible ASCII characters",
            ));
        }
        let repetition = key.map(|key| Repetition {
            key,
            fingerprint: Sha256::new_with_prefix(name)
                .chain_update(b"\0")
                .chain_update(source)
                .finalize()
                .into(),
        });
        Ok(Self {
            tenant,
            act,
            condition,
            repetition,
        })
    }
}

impl Act {
    fn read(name: &str, from: &mut Members<'_>) -> Result<Self, JsonError> {
        Ok(match name {
            "createTenant" => Self::CreateTenant(NewTenant {
                id: from.take("id")?,
                settings: TenantChange::read(from)?,
                administrator: from
                    .take::<Option<Administrator>>("administrator")?
                    .map(|administrator| administrator.display_name),
            }),
            "getTenant" => Self::GetTenant,
            "updateTenant" => Self::UpdateTenant(TenantChange::read(from)?),
            "listTenants" => Self::ListTenants(Range::read(from)?),
            "maintain" => Self::Maintain,
            "createApplication" => Self::CreateApplication(NewApplication::read(from)?),
            "importApplications" => {
                let applications: Vec<_> = from.take("applications")?;
                if applications.len() > MAX_IMPORT {
                    return Err(JsonError::expected("at most 500 applications at once"));
                }
                Self::ImportApplications(applications)
            }
            "getApplication" => Self::GetApplication(from.take("clientId")?),
            "listApplications" => Self::ListApplications(Range::read(from)?),
            "updateApplication" => {
                Self::UpdateApplication(from.take("clientId")?, ApplicationChange::read(from)?)
            }
            "deleteApplication" => Self::DeleteApplication(from.take("clientId")?),
            "addSecret" => Self::AddSecret(from.take("clientId")?, NewSecret::take(from)?),
            "removeSecret" => Self::RemoveSecret(from.take("clientId")?, from.take("keyId")?),
            "assignRoles" => Self::AssignRoles(
                from.take("clientId")?,
                from.take("api")?,
                from.take("roles")?,
            ),
            "setRoles" => Self::SetRoles(
                from.take("clientId")?,
                from.take("api")?,
                from.take("roles")?,
            ),
            "removeRoles" => Self::RemoveRoles(
                from.take("clientId")?,
                from.take("api")?,
                from.take("roles")?,
            ),
            "removeRole" => {
                let (id, api) = (from.take("clientId")?, from.take("api")?);
                Self::RemoveRoles(id, api, Some(vec![from.take("role")?]))
            }
            "createApi" => Self::CreateApi(NewApi {
                identifier: from.take("identifier")?,
                settings: ApiChange::read(from)?,
            }),
            "getApi" => Self::GetApi(from.take("identifier")?),
            "listApis" => Self::ListApis(Range::read(from)?),
            "updateApi" => Self::UpdateApi(from.take("identifier")?, ApiChange::read(from)?),
            "deleteApi" => Self::DeleteApi(from.take("identifier")?),
            "listKeys" => Self::ListKeys,
            "rotateKey" => Self::RotateKey(from.take("algorithm")?, moment(from, "starts")?),
            "removeKey" => Self::RemoveKey(from.take("kid")?),
            "resealKeys" => Self::ResealKeys,
            "listSessions" => Self::ListSessions(from.take("subject")?),
            "endSession" => Self::EndSession(from.take("subject")?, from.take("id")?),
            "endUserSessions" => Self::EndUserSessions(from.take("subject")?),
            "endApplicationSessions" => Self::EndApplicationSessions(from.take("clientId")?),
            "endTenantSessions" => Self::EndTenantSessions,
            "listEvents" => Self::ListEvents(Range::read(from)?),
            _ => return Err(JsonError::expected("the name of an act")),
        })
    }

    /// Whether it changes something whose version the caller may have seen.
    const fn is_conditional(&self) -> bool {
        matches!(
            self,
            Self::UpdateTenant(_)
                | Self::UpdateApplication(..)
                | Self::DeleteApplication(_)
                | Self::AddSecret(..)
                | Self::RemoveSecret(..)
                | Self::AssignRoles(..)
                | Self::SetRoles(..)
                | Self::RemoveRoles(..)
                | Self::UpdateApi(..)
                | Self::DeleteApi(_)
                | Self::RemoveKey(_)
                | Self::EndApplicationSessions(_)
                | Self::EndTenantSessions
        )
    }

    /// Whether it makes something new each time.
    const fn is_creation(&self) -> bool {
        matches!(
            self,
            Self::CreateTenant(_)
                | Self::CreateApplication(_)
                | Self::ImportApplications(_)
                | Self::AddSecret(..)
                | Self::CreateApi(_)
                | Self::RotateKey(..)
        )
    }
}

/// The application that is to administer a new tenant.
struct Administrator {
    display_name: Option<String>,
}

impl Member for Administrator {
    fn read(value: Value<'_>) -> Result<Self, JsonError> {
        whole(value, |from| {
            Ok(Self {
                display_name: from.take("displayName")?,
            })
        })
    }
}

/// Reads a time that a date can say: a larger one is a mistake, such as milliseconds, and JavaScript
/// could not read it back.
fn moment(from: &mut Members<'_>, name: &str) -> Result<Option<UnixTime>, JsonError> {
    let time: Option<UnixTime> = from.take(name)?;
    match time {
        Some(time) if time.secs() > MAX_TIME => {
            Err(JsonError::expected("seconds up to the year 9999"))
        }
        time => Ok(time),
    }
}

/// Reads an object all of whose members must be known.
fn whole<T>(
    value: Value<'_>,
    read: impl FnOnce(&mut Members<'_>) -> Result<T, JsonError>,
) -> Result<T, JsonError> {
    let mut members = Members::of(value)?;
    let done = read(&mut members)?;
    members.finish()?;
    Ok(done)
}

impl Range {
    fn read(from: &mut Members<'_>) -> Result<Self, JsonError> {
        let limit = from.take::<Option<u32>>("limit")?.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(JsonError::expected("a limit of 1 to 1000"));
        }
        Ok(Self {
            cursor: from.take("cursor")?,
            limit: limit as usize,
        })
    }
}

impl TenantChange {
    fn read(from: &mut Members<'_>) -> Result<Self, JsonError> {
        Ok(Self {
            display_name: from.take("displayName")?,
            algorithm: from.take("algorithm")?,
            access_token_lifetime: from.take("accessTokenLifetime")?,
            login_url: from.take("loginUrl")?,
            entra: from.take("entra")?,
            domains: from.take("domains")?,
            policies: from.take("policies")?,
        })
    }
}

impl ApplicationChange {
    /// The members that are given, each after a space.
    pub(super) fn names(&self) -> String {
        names(&[
            ("displayName", self.display_name.is_some()),
            ("disabled", self.disabled.is_some()),
            ("grantTypes", self.grant_types.is_some()),
            ("refresh", self.refresh.is_some()),
            ("introspects", self.introspects.is_some()),
            // Last: what they are is told next.
            ("redirectUris", self.redirect_uris.is_some()),
        ])
    }
}

impl ApiChange {
    /// The members that are given, each after a space.
    pub(super) fn names(&self) -> String {
        names(&[
            ("displayName", self.display_name.is_some()),
            ("roles", self.roles.is_some()),
            ("scopes", self.scopes.is_some()),
            ("assignmentRequired", self.assignment_required.is_some()),
            ("algorithm", self.algorithm != Change::Keep),
            (
                "accessTokenLifetime",
                self.access_token_lifetime != Change::Keep,
            ),
            ("appId", self.app_id.is_some()),
            (
                "requestedAccessTokenVersion",
                self.requested_access_token_version != Change::Keep,
            ),
            ("optionalClaims", self.optional_claims.is_some()),
        ])
    }
}

impl TenantChange {
    /// Whether something else is to be made ready first.
    pub(super) fn needs_more(&self) -> bool {
        self.algorithm.is_some()
            || self.entra.is_some()
            || self.domains.is_some()
            || self.policies.is_some()
    }

    /// The members that are given, each after a space.
    pub(super) fn names(&self) -> String {
        names(&[
            ("displayName", self.display_name.is_some()),
            ("algorithm", self.algorithm.is_some()),
            ("accessTokenLifetime", self.access_token_lifetime.is_some()),
            // Last: what it is is told next.
            ("loginUrl", self.login_url != Change::Keep),
            ("entra", self.entra.is_some()),
            ("domains", self.domains.is_some()),
            ("policies", self.policies.is_some()),
        ])
    }
}

fn names(members: &[(&str, bool)]) -> String {
    let given = members.iter().filter(|(_, is_given)| *is_given);
    given.flat_map(|(name, _)| [" ", name]).collect()
}

impl NewApplication {
    fn read(from: &mut Members<'_>) -> Result<Self, JsonError> {
        Ok(Self {
            client_id: from.take("clientId")?,
            kind: from.take_or_default("kind")?,
            settings: ApplicationChange::read(from)?,
        })
    }
}

impl ApplicationChange {
    fn read(from: &mut Members<'_>) -> Result<Self, JsonError> {
        Ok(Self {
            display_name: from.take("displayName")?,
            disabled: from.take("disabled")?,
            grant_types: from.take("grantTypes")?,
            redirect_uris: from.take("redirectUris")?,
            refresh: from.take("refresh")?,
            introspects: from.take("introspects")?,
        })
    }
}

impl Member for ImportedApplication {
    fn read(value: Value<'_>) -> Result<Self, JsonError> {
        whole(value, |from| {
            Ok(Self {
                application: NewApplication::read(from)?,
                secrets: from.take_or_default("secrets")?,
                assignments: from.take_or_default("assignments")?,
            })
        })
    }
}

impl Member for NewAssignment {
    fn read(value: Value<'_>) -> Result<Self, JsonError> {
        whole(value, |from| {
            Ok(Self {
                api: from.take("api")?,
                roles: from.take("roles")?,
            })
        })
    }
}

impl NewSecret {
    fn take(from: &mut Members<'_>) -> Result<Self, JsonError> {
        Ok(Self {
            display_name: from.take("displayName")?,
            secret: from.take("secret")?,
            starts: moment(from, "starts")?,
            ends: moment(from, "ends")?,
        })
    }
}

impl Member for NewSecret {
    fn read(value: Value<'_>) -> Result<Self, JsonError> {
        whole(value, Self::take)
    }
}

impl ApiChange {
    fn read(from: &mut Members<'_>) -> Result<Self, JsonError> {
        Ok(Self {
            display_name: from.take("displayName")?,
            roles: from.take("roles")?,
            scopes: from.take("scopes")?,
            assignment_required: from.take("assignmentRequired")?,
            algorithm: from.take("algorithm")?,
            access_token_lifetime: from.take("accessTokenLifetime")?,
            app_id: from.take("appId")?,
            requested_access_token_version: from.take("requestedAccessTokenVersion")?,
            optional_claims: from.take("optionalClaims")?,
        })
    }
}

impl Member for NewRole {
    fn read(value: Value<'_>) -> Result<Self, JsonError> {
        whole(value, |from| {
            Ok(Self {
                value: from.take("value")?,
                display_name: from.take("displayName")?,
            })
        })
    }
}
