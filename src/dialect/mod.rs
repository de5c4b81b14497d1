//! The dialects of Microsoft's token endpoints: Entra ID (v2.0 and v1.0) and Azure AD B2C.
//!
//! The URL picks the dialect; the standard one is not bent by it. What differs is data: the paths here, what
//! an access token and an answer say in `claims`, what goes wrong in `entra` and `b2c`. Where a row comes
//! from is in `docs/entra.md`.

mod b2c;
mod claims;
mod documents;
mod entra;
mod refusal;

use crate::api::Api;
use crate::client::ClientId;
use crate::directory::{Tenant, TenantName};
use crate::endpoint::form::Form;
use crate::entropy;

use claims::Member;
#[cfg(test)]
pub(crate) use claims::V1;
pub(crate) use claims::{Field, STANDARD, Shape, TAKEN};
pub(crate) use documents::app_id;
pub(crate) use refusal::Inquiry;

/// The contract that an endpoint's URL speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Dialect {
    #[default]
    Entra,
    /// Metadata and keys for tokens of version 1.0.
    EntraV1,
    B2c,
}

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Endpoint {
    #[default]
    Token,
    Authorize,
    Metadata,
    Jwks,
}

/// What follows the tenant, and the policy if there is one.
const PATHS: [(&str, Dialect, Endpoint); 6] = [
    ("oauth2/v2.0/token", Dialect::Entra, Endpoint::Token),
    ("oauth2/v2.0/authorize", Dialect::Entra, Endpoint::Authorize),
    (
        "v2.0/.well-known/openid-configuration",
        Dialect::Entra,
        Endpoint::Metadata,
    ),
    ("discovery/v2.0/keys", Dialect::Entra, Endpoint::Jwks),
    (
        ".well-known/openid-configuration",
        Dialect::EntraV1,
        Endpoint::Metadata,
    ),
    ("discovery/keys", Dialect::EntraV1, Endpoint::Jwks),
];

/// Tenants that are none: Microsoft finds out by the user who signs in.
pub(crate) const COMMON: [&str; 3] = ["common", "organizations", "consumers"];

/// What a path of these dialects names, in lower case as MSAL sends it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Asked {
    pub(crate) dialect: Dialect,
    pub(crate) endpoint: Endpoint,
    /// As written.
    pub(crate) tenant: String,
    /// None is empty.
    pub(crate) policy: String,
}

/// How a path may name a tenant. The three are told apart by their form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Handle {
    Name(TenantName),
    /// Its id or one of its domains: a record says whose.
    Alias(String),
}

impl Asked {
    /// Reads the segment of the tenant and what follows it.
    pub(crate) fn parse(tenant: &str, rest: &str, query: &str) -> Option<Self> {
        let (in_path, rest) = match rest.split_once('/') {
            Some((policy, rest)) if starts_as_policy(policy) => (policy, rest),
            _ => ("", rest),
        };
        let (_, dialect, endpoint) = PATHS.into_iter().find(|(path, ..)| *path == rest)?;
        let tenant = tenant.to_ascii_lowercase();
        // A name leads to the standard's document there.
        if rest.starts_with('.') && !is_alias(&tenant) {
            return None;
        }
        let query = Form::parse(query.as_bytes()).unwrap_or_default();
        let in_query = query.get("p").unwrap_or_default();
        let policy = if in_path.is_empty() {
            in_query
        } else {
            in_path
        };
        let is_b2c = !policy.is_empty();
        let contradicts = !in_query.is_empty() && !policy.eq_ignore_ascii_case(in_query);
        if contradicts || is_b2c && dialect == Dialect::EntraV1 {
            return None;
        }
        Some(Self {
            dialect: if is_b2c { Dialect::B2c } else { dialect },
            endpoint,
            tenant,
            policy: policy.to_ascii_lowercase(),
        })
    }

    /// The tenant that is named, if it can be one.
    pub(crate) fn handle(&self) -> Option<Handle> {
        let tenant = self.tenant.as_str();
        if is_uuid(tenant) || is_domain(tenant) {
            return Some(Handle::Alias(tenant.to_owned()));
        }
        let name = tenant.strip_suffix(".onmicrosoft.com").unwrap_or(tenant);
        TenantName::new(name).map(Handle::Name)
    }

    /// The tenant of that name, if the standard has a document of it at the same path.
    pub(crate) fn standard(&self) -> Option<TenantName> {
        let is_document = (self.dialect, self.endpoint) == (Dialect::EntraV1, Endpoint::Metadata);
        TenantName::new(self.tenant.as_str()).filter(|_| is_document)
    }
}

/// The part of a tenant that a URL of these dialects leads to. A session stays in the one that it was
/// opened in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Realm {
    pub(crate) dialect: Dialect,
    /// What a grant records of it: [`ENTRA`], or the policy in lower case.
    pub(crate) name: String,
    /// The policy as it is registered.
    pub(crate) policy: Option<String>,
    pub(crate) tenant_id: String,
    /// How the URL named the tenant.
    pub(crate) segment: String,
}

/// The realm of Entra's endpoints. No policy has that name.
const ENTRA: &str = "entra";

impl Realm {
    /// The realm that is asked for, if the tenant has it and is really the one that was named.
    pub(crate) fn of(asked: &Asked, tenant: &Tenant) -> Option<Self> {
        if let Handle::Alias(alias) = asked.handle()?
            && !tenant.is_called(&alias)
        {
            return None;
        }
        let (name, policy) = if asked.policy.is_empty() {
            if !tenant.entra {
                return None;
            }
            (ENTRA, None)
        } else {
            let known = tenant.policy(&asked.policy)?;
            (asked.policy.as_str(), Some(known.to_owned()))
        };
        Some(Self {
            dialect: asked.dialect,
            name: name.to_owned(),
            policy,
            tenant_id: tenant.id.clone(),
            segment: asked.tenant.clone(),
        })
    }

    /// What its tokens for an API look like.
    pub(crate) fn shape(&self, api: &Api) -> &'static Shape {
        match self.dialect {
            Dialect::B2c => &claims::B2C,
            _ if self.speaks_v1(api) => &claims::V1,
            _ => &claims::V2,
        }
    }

    /// Whether its tokens for an API are of version 1.0.
    pub(crate) fn speaks_v1(&self, api: &Api) -> bool {
        self.dialect != Dialect::B2c && api.requested_access_token_version == Some(1)
    }

    /// Its issuer identifier, or that of its tokens of version 1.0.
    pub(crate) fn issuer(&self, base_url: &str, is_v1: bool) -> String {
        if is_v1 {
            return [base_url, "/", &self.tenant_id, "/"].concat();
        }
        issuer_in(base_url, &self.tenant_id, &self.name)
    }

    /// What its answers say.
    fn members(&self) -> &'static [(&'static str, Member)] {
        match self.dialect {
            Dialect::B2c => claims::ANSWER_B2C,
            _ => claims::ANSWER_ENTRA,
        }
    }

    /// An id that follows from a name in this tenant.
    pub(crate) fn object_id(&self, kind: &str, name: &str) -> String {
        id_from(kind, &self.tenant_id, name)
    }
}

/// An id that follows from a name in a tenant.
fn id_from(kind: &str, tenant_id: &str, name: &str) -> String {
    let names = ["edgemint ", kind, "\0", tenant_id, "\0", name];
    entropy::uuid_of(&names.concat())
}

/// What a realm speaks, and the policy that is its name in lower case.
pub(crate) fn dialect_of(realm: &str) -> (&'static str, Option<&str>) {
    match realm {
        "" => ("standard", None),
        ENTRA => (ENTRA, None),
        policy => ("b2c", Some(policy)),
    }
}

/// The issuer identifier of a realm by its name.
pub(crate) fn issuer_in(base_url: &str, tenant_id: &str, realm: &str) -> String {
    // Of every policy the same: what B2C calls its default.
    let end = if realm == ENTRA { "" } else { "/" };
    [base_url, "/", tenant_id, "/v2.0", end].concat()
}

/// Whether a tenant is named by its id or a domain.
fn is_alias(tenant: &str) -> bool {
    tenant.contains('.') || is_uuid(tenant)
}

fn starts_as_policy(text: &str) -> bool {
    let start = text.get(..5);
    start.is_some_and(|start| start.eq_ignore_ascii_case("b2c_1"))
}

/// Whether it can be a domain of a tenant. `*.onmicrosoft.com` does without being told.
pub(crate) fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    // The last label of an address is a number.
    let (_, top) = text.rsplit_once('.').unwrap_or_default();
    text.len() <= 100
        && text.split('.').all(is_label)
        && top.starts_with(|first: char| first.is_ascii_lowercase())
        && !text.ends_with("onmicrosoft.com")
}

/// Whether it can be the name of a B2C user flow or custom policy.
pub(crate) fn is_policy(text: &str) -> bool {
    text.len() <= 64
        && starts_as_policy(text)
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Whether it is a UUID in lower case.
pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        })
}

/// A client id as it is registered: GUIDs are written in any letter case.
pub(crate) fn in_lower_case(id: ClientId) -> ClientId {
    let lower = id.as_str().to_ascii_lowercase();
    match ClientId::new(lower) {
        Some(lower) if is_uuid(lower.as_str()) => lower,
        _ => id,
    }
}
