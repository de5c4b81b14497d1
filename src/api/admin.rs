//! Administration as an API of its own, in every tenant: its tokens are asked for, and its app roles are
//! assigned, like any other's.

use super::{Api, ApiUri, AppRole, RoleName};
use crate::error::Reason;
use crate::time::UnixTime;

/// The identifier URI of the administration of a tenant.
pub(crate) const ADMIN_API: &str = "urn:edgemint:admin";

/// May register and change APIs, with their app roles and scopes.
pub(crate) const API: &str = "Api.ReadWrite.All";
/// May register and change applications, and give them secrets.
pub(crate) const APPLICATION: &str = "Application.ReadWrite.All";
/// May sign users in: see what an authorization request asks for, and complete or deny it.
pub(crate) const AUTHORIZATION: &str = "Authorization.ReadWrite.All";
/// May read everything in the directory but events and sessions.
pub(crate) const DIRECTORY: &str = "Directory.Read.All";
/// May read who changed what.
pub(crate) const EVENT: &str = "Event.Read.All";
/// May rotate, remove and re-seal signing keys.
pub(crate) const KEY: &str = "Key.ReadWrite.All";
/// May grant app roles on every API but this one: admin consent.
pub(crate) const ROLE_ASSIGNMENT: &str = "RoleAssignment.ReadWrite.All";
/// May grant app roles on this API, and so make administrators.
pub(crate) const ROLE_MANAGEMENT: &str = "RoleManagement.ReadWrite.All";
/// May list users' sessions.
pub(crate) const SESSION_READ: &str = "Session.Read.All";
/// May list users' sessions and end them.
pub(crate) const SESSION: &str = "Session.ReadWrite.All";
/// May make other tenants, each with an administrator of its own.
pub(crate) const TENANT_CREATE: &str = "Tenant.Create.All";
/// May change what the tenant says of itself.
pub(crate) const TENANT: &str = "Tenant.ReadWrite.All";

/// Value, id and display name, in ascending order of the values.
const ROLES: [(&str, &str, &str); 12] = [
    (
        API,
        "0f2f0f0a-54a6-4c62-a1b8-0d8bb0f37d11",
        "Register and change APIs, app roles and scopes",
    ),
    (
        APPLICATION,
        "1c1f6f0e-7a52-4f9e-9a4b-3a3c9a2c5a02",
        "Register and change applications and their secrets",
    ),
    (
        AUTHORIZATION,
        "6a0f3f0e-3c53-4a5d-9d0c-6f5f3c1f7c01",
        "Complete and deny the authorization requests of users",
    ),
    (
        DIRECTORY,
        "2b7a1a52-93cb-4a07-8b0e-6b1f8a0f1e03",
        "Read applications, APIs, role assignments and keys",
    ),
    (
        EVENT,
        "3e0c7b44-7cf5-4d7b-8a55-1d2e4c5b6f04",
        "Read who changed what",
    ),
    (
        KEY,
        "4d9e2c31-0a6b-4f3e-b7c8-5e6f7a8b9c05",
        "Rotate, remove and re-seal signing keys",
    ),
    (
        ROLE_ASSIGNMENT,
        "5f8d3b2a-1c7e-4a6d-9e8f-7a6b5c4d3e06",
        "Grant app roles on the APIs of the tenant",
    ),
    (
        ROLE_MANAGEMENT,
        "70a1b2c3-d4e5-4f60-8172-93a4b5c6d707",
        "Grant app roles on the administration",
    ),
    (
        SESSION_READ,
        "81b2c3d4-e5f6-4071-9283-a4b5c6d7e808",
        "List the sessions of users",
    ),
    (
        SESSION,
        "92c3d4e5-f607-4182-a394-b5c6d7e8f909",
        "List and end the sessions of users",
    ),
    (
        TENANT_CREATE,
        "a3d4e5f6-0718-4293-b4a5-c6d7e8f90a0a",
        "Make other tenants",
    ),
    (
        TENANT,
        "b4e5f607-1829-43a4-85b6-d7e8f90a1b0b",
        "Change the settings of the tenant",
    ),
];

/// Every app role of the administration.
pub(crate) fn administration_roles() -> Result<Vec<RoleName>, Reason> {
    ROLES.iter().map(|(value, ..)| role(value)).collect()
}

fn role(value: &str) -> Result<RoleName, Reason> {
    RoleName::new(value).ok_or_else(misnamed)
}

fn misnamed() -> Reason {
    Reason::Internal("the administration API has a bad name".into())
}

/// The API as if it were registered.
pub(crate) fn administration_api() -> Result<Api, Reason> {
    let roles = ROLES.into_iter().map(|(value, id, display_name)| {
        Ok(AppRole {
            value: role(value)?,
            id: id.to_owned(),
            display_name: display_name.to_owned(),
            created_at: UnixTime::from_secs(0),
        })
    });
    Ok(Api {
        identifier: ApiUri::new(ADMIN_API).ok_or_else(misnamed)?,
        display_name: "edgemint administration".to_owned(),
        roles: roles.collect::<Result<_, Reason>>()?,
        scopes: Vec::new(),
        assignment_required: true,
        algorithm: None,
        former_algorithm: None,
        access_token_lifetime: None,
        app_id: None,
        requested_access_token_version: None,
        optional_claims: Vec::new(),
        created_at: UnixTime::from_secs(0),
    })
}
