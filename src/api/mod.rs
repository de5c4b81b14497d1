//! APIs: what an access token is for, and the app roles that an API exposes.

mod admin;
mod target;

use serde::Serialize;

use crate::directory::Tenant;
use crate::json::record;
use crate::key::Algorithm;
use crate::text::text_type;
use crate::time::UnixTime;

pub(crate) use admin::{
    ADMIN_API, API, APPLICATION, AUTHORIZATION, DIRECTORY, EVENT, KEY, ROLE_ASSIGNMENT,
    ROLE_MANAGEMENT, SESSION, SESSION_READ, TENANT, TENANT_CREATE, administration_api,
    administration_roles,
};
pub(crate) use target::{Granted, Scope, Target, insert, only_api, split};

text_type! {
    /// The identifier URI of an API: an absolute URI (RFC 3986 section 4.3) of at most 256 bytes,
    /// made of characters that a scope may hold (RFC 6749 section 3.3). Compared byte by byte.
    ApiUri,
    |text| text.len() <= 256
        && text.split_once(':').is_some_and(|(scheme, rest)| is_scheme(scheme) && !rest.is_empty())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(
            byte, b'"' | b'\\' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}' | b'#'
        )),
    "an absolute URI without fragment, such as `api://orders`, of at most 256 characters"
}

text_type! {
    /// The value of an app role or of a scope: what appears in the `roles` or the `scope` claim.
    RoleName,
    |text| (1..=120).contains(&text.len())
        && !text.starts_with('.')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric()
            || matches!(byte, b'.' | b'_' | b'-' | b':' | b'+' | b'~')),
    "1 to 120 letters, digits or `._-:+~`, not starting with a dot, such as `Orders.Read.All`"
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// A registered API.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Api {
    /// Its identifier URI: the `aud` of its tokens.
    pub identifier: ApiUri,
    /// A name for people.
    pub display_name: String,
    /// The app roles that it exposes, in ascending order of their values.
    pub roles: Vec<AppRole>,
    /// The scopes that an application may be granted on behalf of a user, in ascending order.
    pub scopes: Vec<ApiScope>,
    /// Whether an application without any role on this API is refused a token.
    pub assignment_required: bool,
    /// How its tokens are signed, if not as the tenant says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// How they were signed before, and are until the algorithm has a key that has started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub former_algorithm: Option<Algorithm>,
    /// Seconds that its tokens live, if not as the tenant says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_token_lifetime: Option<u32>,
    /// Its client id, as Entra and B2C name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_id: Option<String>,
    /// The version of its tokens from Entra's endpoints: 1, or 2 unless it is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requested_access_token_version: Option<u32>,
    /// Claims that its tokens from Entra's endpoints carry beyond the others: `idtyp`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub optional_claims: Vec<String>,
    /// When it was registered. Consent that is older was to another API of that name.
    pub created_at: UnixTime,
}

/// A permission that an API exposes to applications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AppRole {
    /// What appears in the `roles` claim.
    pub value: RoleName,
    /// A UUID that stays when the role is renamed.
    pub id: String,
    /// A name for people.
    pub display_name: String,
    /// When it was declared. Consent that is older was to another role of that name.
    pub created_at: UnixTime,
}

record!(Api {
    identifier = "identifier",
    display_name = "displayName",
    roles = "roles",
    assignment_required = "assignmentRequired",
    algorithm = "algorithm",
    former_algorithm = "formerAlgorithm",
    access_token_lifetime = "accessTokenLifetime",
    app_id = "appId",
    requested_access_token_version = "requestedAccessTokenVersion",
} default {
    optional_claims = "optionalClaims",
    scopes = "scopes",
    created_at = "createdAt",
});

record!(AppRole {
    value = "value",
    id = "id",
    display_name = "displayName",
} default {
    created_at = "createdAt",
});

/// A permission that a user grants an application on an API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiScope {
    /// What appears in the `scope` claim, after the API's identifier and a slash.
    pub value: RoleName,
    /// What the user is asked to consent to.
    pub display_name: String,
    /// When it was declared. Consent that is older was to another scope of that name.
    pub created_at: UnixTime,
}

record!(ApiScope {
    value = "value",
    display_name = "displayName",
} default {
    created_at = "createdAt",
});

impl Api {
    /// The algorithms that its tokens are signed with: the first that has a key which signs. Only the first
    /// is what is wished for; the others serve while a change of it is announced.
    pub(crate) fn algorithms(&self, tenant: &Tenant) -> [Option<Algorithm>; 4] {
        let own = self.algorithm.unwrap_or(tenant.algorithm);
        let [of_tenant, before] = tenant.algorithms();
        [Some(own), self.former_algorithm, of_tenant, before]
    }

    /// The scope of that value.
    #[must_use]
    pub fn scope(&self, value: &RoleName) -> Option<&ApiScope> {
        let at = self
            .scopes
            .binary_search_by(|scope| scope.value.cmp(value))
            .ok()?;
        self.scopes.get(at)
    }

    /// The role of that value.
    #[must_use]
    pub fn role(&self, value: &RoleName) -> Option<&AppRole> {
        let at = self
            .roles
            .binary_search_by(|role| role.value.cmp(value))
            .ok()?;
        self.roles.get(at)
    }
}

impl Assignment {
    /// Whether a role was granted, and is still the one that was: not one that was declared anew since.
    pub(crate) fn grants(&self, role: &RoleName, api: &Api) -> bool {
        let declared = api.role(role);
        declared.is_some_and(|declared| declared.created_at <= self.assigned_at)
    }
}

/// App roles that an application was granted on an API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Assignment {
    /// The API.
    pub api: ApiUri,
    /// The roles, in ascending order.
    pub roles: Vec<RoleName>,
    /// When they were granted last.
    pub assigned_at: UnixTime,
}

record!(Assignment {
    api = "api",
    roles = "roles",
} default {
    assigned_at = "assignedAt",
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_uri_is_absolute_and_has_no_fragment() {
        for good in [
            "api://orders",
            "https://api.example.com/v1/",
            "urn:edgemint:admin",
            "a:b",
        ] {
            assert!(ApiUri::new(good).is_some(), "{good}");
        }
        let long = format!("api://{}", "x".repeat(251));
        for bad in [
            "",
            "orders",
            ":x",
            "api:",
            "1a:b",
            "api://a b",
            "api://a#f",
            "api://\u{e9}",
        ] {
            assert!(ApiUri::new(bad).is_none(), "{bad}");
        }
        assert!(ApiUri::new(long).is_none());
    }

    #[test]
    fn a_role_name_cannot_be_mistaken_for_a_path_or_for_default() {
        assert!(RoleName::new("Orders.Read.All").is_some());
        for bad in ["", ".default", "a/b", "a b", "a\"b"] {
            assert!(RoleName::new(bad).is_none(), "{bad}");
        }
    }
}
