//! Administration as an API of its own, in every tenant: its tokens are asked for, and its app roles are
//! assigned, like any other's.

use super::{Api, ApiUri, AppRole, RoleName};
use crate::error::Reason;

/// The identifier URI of the administration of a tenant.
pub(crate) const ADMIN_API: &str = "urn:edgemint:admin";

/// May sign users in: see what an authorization request asks for, and complete or deny it.
pub(crate) const AUTHORIZATION: &str = "Authorization.ReadWrite.All";

/// Value, id and display name, in ascending order of the values.
const ROLES: [(&str, &str, &str); 1] = [(
    AUTHORIZATION,
    "6a0f3f0e-3c53-4a5d-9d0c-6f5f3c1f7c01",
    "Complete and deny the authorization requests of users",
)];

/// The API as if it were registered.
pub(crate) fn administration_api() -> Result<Api, Reason> {
    let named = || Reason::Internal("the administration API has a bad name".into());
    let roles = ROLES.into_iter().map(|(value, id, display_name)| {
        let value = RoleName::new(value).ok_or_else(named)?;
        Ok(AppRole {
            value,
            id: id.to_owned(),
            display_name: display_name.to_owned(),
        })
    });
    Ok(Api {
        identifier: ApiUri::new(ADMIN_API).ok_or_else(named)?,
        display_name: "edgemint administration".to_owned(),
        roles: roles.collect::<Result<_, Reason>>()?,
        scopes: Vec::new(),
        assignment_required: true,
        algorithm: None,
        access_token_lifetime: None,
    })
}
