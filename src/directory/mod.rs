//! The directory of a tenant: read on every request, written rarely.

mod cache;
mod reader;

use serde::Serialize;

use crate::api::ApiUri;
use crate::client::{ClientId, RedirectUri};
use crate::json::record;
use crate::key::Algorithm;
use crate::store::{Key, KeyError, Partition};
use crate::text::text_type;
use crate::time::UnixTime;

pub(crate) use reader::parse;
pub(crate) use reader::{Caching, DirectoryReader, LoadedRing};

/// The name of the record that says whose id or domain it is.
const ALIAS: &str = "alias";

text_type! {
    /// A tenant's name: the first segment of its paths.
    TenantName,
    |text| (1..=63).contains(&text.len())
        && !text.starts_with('-')
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
    "1 to 63 lower-case letters, digits or hyphens, not starting with a hyphen"
}

text_type! {
    /// The address of a login page: `https`, or `http` on this machine, without a fragment.
    LoginUrl,
    |text| (text.starts_with("https:") || text.starts_with("http:"))
        && RedirectUri::new(text).is_some(),
    "an `https` URL without fragment (or `http` on localhost)"
}

/// An isolated directory: its own issuer, keys, applications and APIs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tenant {
    /// A UUID: the `tid` of its tokens.
    pub id: String,
    /// A name for people.
    pub display_name: String,
    /// How its tokens are signed, unless an API says otherwise.
    pub algorithm: Algorithm,
    /// How they were signed before, and are until that algorithm has a key that has started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub former_algorithm: Option<Algorithm>,
    /// Seconds that its access tokens live, unless an API says otherwise.
    pub access_token_lifetime: u32,
    /// The host's page that signs users in: authorization requests are handed to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub login_url: Option<LoginUrl>,
    /// Whether Entra's endpoints are here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub entra: bool,
    /// Domains that name it in URLs of Entra and B2C.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<String>,
    /// The policies that B2C's endpoints are here for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
    /// Grants that were born in an earlier epoch are revoked.
    pub epoch: u64,
    /// When it was made.
    pub created_at: UnixTime,
}

record!(Tenant {
    id = "id",
    display_name = "displayName",
    algorithm = "algorithm",
    former_algorithm = "formerAlgorithm",
    access_token_lifetime = "accessTokenLifetime",
    login_url = "loginUrl",
} default {
    entra = "entra",
    domains = "domains",
    policies = "policies",
    epoch = "epoch",
    created_at = "createdAt",
});

impl Tenant {
    /// The algorithms that tokens are signed with: the first that has a key which signs.
    pub(crate) fn algorithms(&self) -> [Option<Algorithm>; 2] {
        [Some(self.algorithm), self.former_algorithm]
    }

    /// Whether this is its id or one of its domains.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.id == name || self.domains.iter().any(|domain| domain == name)
    }

    /// The policy of that name, as it is registered.
    pub(crate) fn policy(&self, name: &str) -> Option<&str> {
        let mut known = self.policies.iter();
        let known = known.find(|known| known.eq_ignore_ascii_case(name));
        known.map(String::as_str)
    }

    /// Whether any endpoint of Entra or B2C is here.
    pub(crate) fn has_dialects(&self) -> bool {
        self.entra || !self.policies.is_empty()
    }
}

/// A record of the directory, by its kind and names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Name {
    Tenant(TenantName),
    /// The tenant's key ring.
    Ring(TenantName),
    Application(TenantName, ClientId),
    Api(TenantName, ApiUri),
    /// The tenant of an id or a domain.
    Alias(String),
    /// The API of a client id.
    AppId(TenantName, String),
}

/// What another name stands for: a text in JSON. It leads nowhere unless what it leads to has that name, too.
pub(crate) type Alias = String;

impl Name {
    /// What it is called: the tenant, the `client_id` or the identifier URI.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Tenant(tenant) | Self::Ring(tenant) => tenant.as_str(),
            Self::Application(_, id) => id.as_str(),
            Self::Api(_, uri) => uri.as_str(),
            Self::Alias(id) | Self::AppId(_, id) => id,
        }
    }

    /// The record that lives there, if any does: the reverse of [`Name::key`].
    pub(crate) fn parse(partition: &str, name: &str) -> Option<Self> {
        let tenant = partition.strip_prefix("directory/")?;
        if name == ALIAS {
            return Some(Self::Alias(tenant.to_owned()));
        }
        let tenant = TenantName::new(tenant)?;
        if let Some(id) = name.strip_prefix("application/") {
            return ClientId::new(id).map(|id| Self::Application(tenant, id));
        }
        if let Some(uri) = name.strip_prefix("api/") {
            return ApiUri::new(uri).map(|uri| Self::Api(tenant, uri));
        }
        if let Some(id) = name.strip_prefix("appid/") {
            return Some(Self::AppId(tenant, id.to_owned()));
        }
        match name {
            "tenant" => Some(Self::Tenant(tenant)),
            "keys" => Some(Self::Ring(tenant)),
            _ => None,
        }
    }

    /// Where the record lives in the store: one partition a tenant.
    pub(crate) fn key(&self) -> Result<Key, KeyError> {
        let (tenant, name) = match self {
            Self::Alias(of) => (of.as_str(), ALIAS.to_owned()),
            Self::Tenant(tenant) => (tenant.as_str(), "tenant".to_owned()),
            Self::Ring(tenant) => (tenant.as_str(), "keys".to_owned()),
            Self::Application(tenant, id) => (tenant.as_str(), format!("application/{id}")),
            Self::Api(tenant, uri) => (tenant.as_str(), format!("api/{uri}")),
            Self::AppId(tenant, id) => (tenant.as_str(), format!("appid/{id}")),
        };
        Key::new(Partition::new(format!("directory/{tenant}"))?, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_found_by_its_key() {
        let demo = TenantName::new("demo").unwrap();
        for name in [
            Name::Tenant(demo.clone()),
            Name::Ring(demo.clone()),
            Name::Application(demo.clone(), ClientId::new("api/x").unwrap()),
            Name::Api(demo.clone(), ApiUri::new("api://orders").unwrap()),
            Name::AppId(demo, "00000003-0000-0000-c000-000000000000".to_owned()),
            Name::Alias("contoso.com".to_owned()),
        ] {
            let key = name.key().unwrap();
            assert_eq!(
                Name::parse(key.partition().as_str(), key.name()),
                Some(name)
            );
        }
        for (partition, name) in [
            ("grants/demo/x", "user"),
            ("directory/demo", "other"),
            ("directory/Demo", "tenant"),
            ("directory/demo", "application/"),
        ] {
            assert_eq!(Name::parse(partition, name), None, "{partition}:{name}");
        }
    }
}
