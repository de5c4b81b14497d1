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
    epoch = "epoch",
    created_at = "createdAt",
});

impl Tenant {
    /// The algorithms that tokens are signed with: the first that has a key which signs.
    pub(crate) fn algorithms(&self) -> [Option<Algorithm>; 2] {
        [Some(self.algorithm), self.former_algorithm]
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
}

impl Name {
    /// What it is called: the tenant, the `client_id` or the identifier URI.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Tenant(tenant) | Self::Ring(tenant) => tenant.as_str(),
            Self::Application(_, id) => id.as_str(),
            Self::Api(_, uri) => uri.as_str(),
        }
    }

    /// The record that lives there, if any does: the reverse of [`Name::key`].
    pub(crate) fn parse(partition: &str, name: &str) -> Option<Self> {
        let tenant = TenantName::new(partition.strip_prefix("directory/")?)?;
        if let Some(id) = name.strip_prefix("application/") {
            return ClientId::new(id).map(|id| Self::Application(tenant, id));
        }
        if let Some(uri) = name.strip_prefix("api/") {
            return ApiUri::new(uri).map(|uri| Self::Api(tenant, uri));
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
            Self::Tenant(tenant) => (tenant, "tenant".to_owned()),
            Self::Ring(tenant) => (tenant, "keys".to_owned()),
            Self::Application(tenant, id) => (tenant, format!("application/{id}")),
            Self::Api(tenant, uri) => (tenant, format!("api/{uri}")),
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
            Name::Api(demo, ApiUri::new("api://orders").unwrap()),
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
