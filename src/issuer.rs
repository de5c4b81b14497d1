//! The service: a host, a configuration and a directory reader, and what the endpoints share.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::rc::Rc;

use crate::administration::BootstrapSecret;
use crate::api::ApiUri;
use crate::client::{Budget, ClientId};
use crate::dialect::{STANDARD, issuer_in};
use crate::directory::{Caching, DirectoryReader, LoadedRing, Name, TenantName};
use crate::entropy::Entropy;
use crate::error::Reason;
use crate::event::{Event, EventSink};
use crate::grant::GrantStore;
use crate::key::{Algorithm, MasterKeys, Signer, TenantKeys};
use crate::store::Store;
use crate::time::UnixTime;
use crate::token::Unsigned;

/// Most seconds that a record may be cached. A retired signing key stays published, and a new one is
/// announced, for longer than any location can be behind.
pub(crate) const MAX_CACHE_TTL: u64 = 3_600;

/// Applications of which it is remembered which API their sessions are for.
const LAST_APIS: usize = 64;

/// What surrounds the core.
pub trait Host {
    /// Where the directory lives.
    type Store: Store;
    /// Where the grants of users live.
    type Grants: GrantStore;
    /// Who performs private-key operations.
    type Signer: Signer;
    /// Where randomness comes from.
    type Entropy: Entropy;
    /// Where events go.
    type Events: EventSink;

    /// Whether the endpoints of Entra and B2C are in the program: what it does not call, the linker leaves out.
    const DIALECTS: bool = true;

    /// The store.
    fn store(&self) -> &Self::Store;
    /// The store of the grants, unless the service is for client credentials only.
    fn grants(&self) -> Option<&Self::Grants>;
    /// The signer.
    fn signer(&self) -> &Self::Signer;
    /// The entropy source.
    fn entropy(&self) -> &Self::Entropy;
    /// The event sink.
    fn events(&self) -> &Self::Events;

    /// Counts one more failed client authentication where other instances of the service count theirs,
    /// if the host has such a limiter. `claim` names who failed and tells nothing of it. Returns whether
    /// that was within the limit.
    ///
    /// # Errors
    /// The reason, for the operator, if the limiter did not answer.
    fn limit(&self, claim: &str) -> impl Future<Output = Result<bool, String>> {
        let _ = claim;
        std::future::ready(Ok(true))
    }

    /// Whether there is a hook to ask for further claims of access tokens.
    fn has_claims(&self) -> bool {
        false
    }

    /// Asks it, before an access token is signed and before anything that is used once is spent: the time when
    /// it answers, since it may take its own, and the claims to add, an object in JSON. `context` says what the token is for, a line each: tenant, client id,
    /// identifier of the API, grant type, dialect (`standard`, `entra` or `b2c`), B2C's policy, scope, and of a
    /// user the subject, and the login page's claims in JSON. What there is not is empty.
    ///
    /// # Errors
    /// The reason, for the operator: the request is answered 503 and may be repeated.
    fn claims(&self, context: &str) -> impl Future<Output = Result<(UnixTime, String), String>> {
        let _ = context;
        std::future::ready(Ok((UnixTime::default(), "{}".to_owned())))
    }
}

/// How the service is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    base_url: String,
    cache_ttl: u64,
    cache_capacity: usize,
}

impl Config {
    /// The service at `base_url`: scheme, host and port, such as `https://auth.example.com`. Every
    /// issuer identifier starts with it; it is never taken from a request.
    ///
    /// Records are cached for at most 30 seconds, 10,000 of them.
    ///
    /// # Errors
    /// [`ConfigError::BaseUrl`] if it is anything but an `https` origin; `http` is accepted for this machine's
    /// loopback addresses only (RFC 8414 section 2 requires `https`).
    ///
    /// ```
    /// use edgemint::Config;
    ///
    /// assert!(Config::new("https://auth.example.com").is_ok());
    /// assert!(Config::new("http://localhost:8787").is_ok());
    /// assert!(Config::new("http://auth.example.com").is_err());
    /// assert!(Config::new("https://auth.example.com/path").is_err());
    /// ```
    pub fn new(base_url: &str) -> Result<Self, ConfigError> {
        let base_url = base_url.strip_suffix('/').unwrap_or(base_url);
        let (scheme, rest) = base_url.split_once(':').ok_or(ConfigError::BaseUrl)?;
        let authority = rest.strip_prefix("//").ok_or(ConfigError::BaseUrl)?;
        let port = |rest: &str| rest.strip_prefix(':').is_none_or(is_port);
        let well_formed = match authority.strip_prefix('[') {
            Some(rest) => rest.split_once(']').is_some_and(|(ip, rest)| {
                ip.bytes()
                    .all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte))
                    && (rest.is_empty() || rest.starts_with(':'))
                    && port(rest)
            }),
            None => {
                let (host, rest) = authority
                    .split_at_checked(authority.find(':').unwrap_or(authority.len()))
                    .ok_or(ConfigError::BaseUrl)?;
                !host.is_empty()
                    && host
                        .bytes()
                        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
                    && port(rest)
            }
        };
        let loopback = ["localhost", "127.0.0.1", "[::1]"].into_iter().any(|name| {
            authority
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        });
        if !well_formed || !(scheme == "https" || scheme == "http" && loopback) {
            return Err(ConfigError::BaseUrl);
        }
        Ok(Self {
            base_url: base_url.to_owned(),
            cache_ttl: 30,
            cache_capacity: 10_000,
        })
    }

    /// Caches records for at most this many seconds: how long a change may take to be in force in
    /// every location. Zero reads the store on every request.
    ///
    /// # Errors
    /// [`ConfigError::CacheTtl`] above 3,600: key rotation relies on it.
    pub fn cache_ttl(self, seconds: u64) -> Result<Self, ConfigError> {
        if seconds > MAX_CACHE_TTL {
            return Err(ConfigError::CacheTtl);
        }
        Ok(Self {
            cache_ttl: seconds,
            ..self
        })
    }

    /// Caches at most this many records.
    #[must_use]
    pub fn cache_capacity(self, records: usize) -> Self {
        Self {
            cache_capacity: records,
            ..self
        }
    }
}

/// A port number in its one spelling.
pub(crate) fn is_port(text: &str) -> bool {
    text.parse::<u16>()
        .is_ok_and(|port| port.to_string() == text)
}

/// The configuration cannot be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConfigError {
    /// The base URL is not an origin that edgemint may serve.
    BaseUrl,
    /// Records would be cached for too long.
    CacheTtl,
    /// The grants would live in a store that is not atomic.
    GrantStore,
}

impl ConfigError {
    /// A stable name for the kind of error.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::BaseUrl => "invalid_base_url",
            Self::CacheTtl => "invalid_options",
            Self::GrantStore => "store_not_atomic",
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BaseUrl => {
                "the base URL must be an origin such as `https://auth.example.com`, in lower case \
                 and without a path; `http` is allowed for localhost only"
            }
            Self::GrantStore => {
                "the store of the grants does not promise atomic writes, so a refresh token could be \
                 spent twice; give `grants` a store that does, such as Durable Objects, or `false` for \
                 client credentials only"
            }
            Self::CacheTtl => "records may be cached for 3600 seconds at most",
        })
    }
}

impl std::error::Error for ConfigError {}

/// A token service for any number of tenants.
pub struct Issuer<H: Host> {
    host: H,
    config: Config,
    masters: MasterKeys,
    directory: DirectoryReader<<H::Signer as Signer>::Key>,
    budget: Budget,
    /// The API that an application's last session here was for, the newest last.
    last_apis: RefCell<Vec<(ClientId, ApiUri)>>,
    bootstrap_secret: Option<BootstrapSecret>,
    last_number: Cell<u32>,
}

/// A private key that has been unsealed and imported, and its id.
pub(crate) struct ActiveKey<K> {
    pub(crate) kid: String,
    pub(crate) algorithm: Algorithm,
    /// Of the standard's tokens.
    pub(crate) header: Vec<u8>,
    private: K,
}

impl<H: Host> Issuer<H> {
    /// A service on this host.
    ///
    /// # Errors
    /// [`ConfigError::GrantStore`] if the grants are to live in a store that does not promise to be
    /// atomic: refresh tokens could be spent twice.
    pub fn new(host: H, config: Config, masters: MasterKeys) -> Result<Self, ConfigError> {
        if host
            .grants()
            .is_some_and(|grants| !grants.guarantees().atomic)
        {
            return Err(ConfigError::GrantStore);
        }
        let caching = Caching {
            ttl: config.cache_ttl,
            capacity: config.cache_capacity,
        };
        Ok(Self {
            host,
            config,
            masters,
            directory: DirectoryReader::new(caching),
            budget: Budget::default(),
            last_apis: RefCell::default(),
            bootstrap_secret: None,
            last_number: Cell::new(0),
        })
    }

    /// The API that sessions of this application were last seen to be for.
    pub(crate) fn last_api(&self, client: &ClientId) -> Option<ApiUri> {
        let apis = self.last_apis.borrow();
        let last = apis.iter().find(|(known, _)| known == client);
        last.map(|(_, api)| api.clone())
    }

    /// Remembers it.
    pub(crate) fn saw_api(&self, client: &ClientId, api: &ApiUri) {
        let mut apis = self.last_apis.borrow_mut();
        if let Some((_, last)) = apis.iter_mut().find(|(known, _)| known == client) {
            if last != api {
                last.clone_from(api);
            }
            return;
        }
        if apis.len() >= LAST_APIS {
            apis.remove(0);
        }
        apis.push((client.clone(), api.clone()));
    }

    /// The store of the grants.
    pub(crate) fn grants(&self) -> Result<&H::Grants, Reason> {
        self.host.grants().ok_or(Reason::NoGrants)
    }

    /// What surrounds the service.
    pub fn host(&self) -> &H {
        &self.host
    }

    /// Makes the first administrator possible: whoever presents this secret to the administration API.
    #[must_use]
    pub fn with_bootstrap_secret(self, secret: Option<BootstrapSecret>) -> Self {
        Self {
            bootstrap_secret: secret,
            ..self
        }
    }

    pub(crate) fn bootstrap_secret(&self) -> Option<&BootstrapSecret> {
        self.bootstrap_secret.as_ref()
    }

    /// A number higher than the one before, for what happens within one second.
    pub(crate) fn next_number(&self) -> u32 {
        let number = self.last_number.get().wrapping_add(1);
        self.last_number.set(number);
        number
    }

    /// Whether [`Issuer::refresh`] has something to do.
    pub fn is_refresh_due(&self) -> bool {
        self.directory.has_stale()
    }

    /// Reads again the records that are about to go out of date. Call it after the answer is out.
    pub async fn refresh(&self, now: UnixTime) {
        for reason in self.directory.refresh(self.host.store(), now).await {
            self.host.events().emit(Event::of(&reason, now));
        }
    }

    /// Forgets the record under this key, which somebody else has changed: the administration beside this
    /// service, in the same process.
    pub fn forget(&self, partition: &str, name: &str) {
        if let Some(name) = Name::parse(partition, name) {
            self.directory.forget(&name);
        }
    }

    pub(crate) fn directory(&self) -> &DirectoryReader<<H::Signer as Signer>::Key> {
        &self.directory
    }

    /// How often clients have failed to authenticate.
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    pub(crate) fn masters(&self) -> &MasterKeys {
        &self.masters
    }

    /// What every issuer identifier starts with.
    pub(crate) fn base_url(&self) -> &str {
        &self.config.base_url
    }

    /// The issuer identifier of a tenant: RFC 8414 section 2.
    pub(crate) fn identifier(&self, tenant: &TenantName) -> String {
        // Once a request: joining does without the machinery of formatting.
        [self.config.base_url.as_str(), "/", tenant.as_str()].concat()
    }

    /// The issuer identifier of one of its realms, the standard one being without a name.
    pub(crate) fn identifier_in(&self, tenant: &TenantName, id: &str, realm: &str) -> String {
        if realm.is_empty() {
            return self.identifier(tenant);
        }
        issuer_in(self.base_url(), id, realm)
    }

    /// The working keys of a tenant, unsealed on their first use.
    pub(crate) async fn tenant_keys(
        &self,
        loaded: &LoadedRing<<H::Signer as Signer>::Key>,
        tenant: &TenantName,
    ) -> Result<Rc<TenantKeys>, Reason> {
        let keys = loaded.tenant_keys(tenant, &self.masters, self.host.signer());
        Ok(keys.await?)
    }

    /// The key that signs now, of the first of these algorithms that has one, unsealed and imported on its
    /// first use.
    pub(crate) async fn signing_key(
        &self,
        loaded: &LoadedRing<<H::Signer as Signer>::Key>,
        tenant: &TenantName,
        preferred: &[Option<Algorithm>],
        now: UnixTime,
    ) -> Result<Rc<ActiveKey<<H::Signer as Signer>::Key>>, Reason> {
        let Some(key) = loaded.ring.signing_by(preferred, now) else {
            let wished = preferred.iter().flatten().next();
            return Err(Reason::NoSigningKey(wished.map_or("", |one| one.name())));
        };
        if let Some(imported) = loaded.imported(key.kid()) {
            return Ok(imported);
        }
        let (algorithm, kid) = (key.public().algorithm(), key.kid());
        let signer = self.host.signer();
        let unsealed = key.unseal(tenant.as_str(), &self.masters, signer).await?;
        let imported = Rc::new(ActiveKey {
            kid: kid.to_owned(),
            algorithm,
            header: STANDARD.header(algorithm, kid),
            private: signer.import(algorithm, &unsealed).await?,
        });
        loaded.keep(Rc::clone(&imported));
        Ok(imported)
    }

    /// Puts the signature to a token.
    pub(crate) async fn sign(
        &self,
        key: &ActiveKey<<H::Signer as Signer>::Key>,
        unsigned: Unsigned,
    ) -> Result<String, Reason> {
        let signature = self
            .host
            .signer()
            .sign(&key.private, unsigned.signing_input())
            .await?;
        unsigned.with_signature(&signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_an_origin() {
        let good = [
            "https://a.example",
            "https://a.example:8443",
            "http://127.0.0.1:1",
            "http://[::1]:8787",
        ];
        for url in good {
            assert!(Config::new(url).is_ok(), "{url}");
            assert_eq!(Config::new(&format!("{url}/")), Config::new(url), "{url}");
        }
        let bad = [
            "",
            "a.example",
            "https://",
            "ftp://a.example",
            "https://A.example",
            "https://a/b",
            "https://a?b",
            "https://a#b",
            "https://u@a",
            "https://a:x",
            "https://a:0443",
            "http://localhost.example",
            "http://127.0.0.1.example",
            "https://[::1",
            "https://a:",
        ];
        for url in bad {
            assert_eq!(Config::new(url), Err(ConfigError::BaseUrl), "{url}");
        }
    }
}
