//! Reads the directory, from memory where it can.
//!
//! Nothing is waited for on behalf of another request (edge runtimes forbid it): a request that finds
//! a record stale uses it, and reads it again after its answer is out, in [`DirectoryReader::refresh`].
//! Misses are not remembered, so what was just registered works at once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use serde::de::DeserializeOwned;

use super::cache::{Cache, Lookup};
use super::{Tenant, TenantName, api_key, application_key, ring_key, tenant_key};
use crate::api::{Api, ApiUri};
use crate::client::{Application, ClientId};
use crate::error::Reason;
use crate::key::KeyRing;
use crate::store::{Key, Store};
use crate::time::UnixTime;

/// How the directory is cached in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caching {
    /// Seconds within which a change is in force here.
    pub(crate) ttl: u64,
    /// Records of each kind that are held.
    pub(crate) capacity: usize,
}

/// A key ring with the private keys that have been imported so far.
pub(crate) struct LoadedRing<K> {
    pub(crate) ring: KeyRing,
    imported: RefCell<HashMap<String, Rc<K>>>,
}

impl<K> LoadedRing<K> {
    /// The imported private key, if this ring has been signed with before.
    pub(crate) fn imported(&self, kid: &str) -> Option<Rc<K>> {
        self.imported.borrow().get(kid).cloned()
    }

    /// Keeps an imported private key.
    pub(crate) fn keep(&self, kid: &str, key: Rc<K>) {
        self.imported.borrow_mut().insert(kid.to_owned(), key);
    }
}

pub(crate) struct DirectoryReader<K> {
    tenants: Cache<TenantName, Tenant>,
    rings: Cache<TenantName, LoadedRing<K>>,
    applications: Cache<(TenantName, ClientId), Application>,
    apis: Cache<(TenantName, ApiUri), Api>,
    stale: RefCell<Vec<Name>>,
}

/// A record by its kind and names.
#[derive(Debug, Clone)]
enum Name {
    Tenant(TenantName),
    Ring(TenantName),
    Application(TenantName, ClientId),
    Api(TenantName, ApiUri),
}

impl<K> DirectoryReader<K> {
    pub(crate) fn new(caching: Caching) -> Self {
        let Caching { ttl, capacity } = caching;
        Self {
            tenants: Cache::new(capacity, ttl),
            rings: Cache::new(capacity, ttl),
            applications: Cache::new(capacity, ttl),
            apis: Cache::new(capacity, ttl),
            stale: RefCell::default(),
        }
    }

    pub(crate) async fn tenant(
        &self,
        store: &impl Store,
        tenant: &TenantName,
        now: UnixTime,
    ) -> Result<Option<Rc<Tenant>>, Reason> {
        if let Some(found) = self.usable(&self.tenants, tenant, Name::Tenant, now) {
            return Ok(Some(found));
        }
        self.load_tenant(store, tenant, now).await
    }

    pub(crate) async fn ring(
        &self,
        store: &impl Store,
        tenant: &TenantName,
        now: UnixTime,
    ) -> Result<Option<Rc<LoadedRing<K>>>, Reason> {
        if let Some(found) = self.usable(&self.rings, tenant, Name::Ring, now) {
            return Ok(Some(found));
        }
        self.load_ring(store, tenant, now).await
    }

    pub(crate) async fn application(
        &self,
        store: &impl Store,
        tenant: &TenantName,
        client_id: &ClientId,
        now: UnixTime,
    ) -> Result<Option<Rc<Application>>, Reason> {
        let name = (tenant.clone(), client_id.clone());
        if let Some(found) = self.usable(
            &self.applications,
            &name,
            |name| Name::Application(name.0, name.1),
            now,
        ) {
            return Ok(Some(found));
        }
        self.load_application(store, name, now).await
    }

    pub(crate) async fn api(
        &self,
        store: &impl Store,
        tenant: &TenantName,
        uri: &ApiUri,
        now: UnixTime,
    ) -> Result<Option<Rc<Api>>, Reason> {
        let name = (tenant.clone(), uri.clone());
        if let Some(found) = self.usable(&self.apis, &name, |name| Name::Api(name.0, name.1), now) {
            return Ok(Some(found));
        }
        self.load_api(store, name, now).await
    }

    /// The record if memory holds it; one that is due to be read again is noted for `refresh`.
    fn usable<N: std::hash::Hash + Eq + Clone, T>(
        &self,
        cache: &Cache<N, T>,
        name: &N,
        as_name: impl FnOnce(N) -> Name,
        now: UnixTime,
    ) -> Option<Rc<T>> {
        match cache.get(name, now) {
            Lookup::Fresh(found) => Some(found),
            Lookup::Stale(found) => {
                self.stale.borrow_mut().push(as_name(name.clone()));
                Some(found)
            }
            Lookup::Miss => None,
        }
    }

    /// Whether some request used a record that is due to be read again.
    pub(crate) fn has_stale(&self) -> bool {
        !self.stale.borrow().is_empty()
    }

    /// Reads again what was used stale. A record that cannot be read now stays as it is and is asked
    /// for again; at the end of its time to live it is dropped, whatever the store does.
    pub(crate) async fn refresh(&self, store: &impl Store, now: UnixTime) -> Vec<Reason> {
        let due = self.stale.take();
        let mut failures = Vec::new();
        for name in due {
            let outcome = match name {
                Name::Tenant(tenant) => self.load_tenant(store, &tenant, now).await.map(drop),
                Name::Ring(tenant) => self.load_ring(store, &tenant, now).await.map(drop),
                Name::Application(tenant, client_id) => self
                    .load_application(store, (tenant, client_id), now)
                    .await
                    .map(drop),
                Name::Api(tenant, uri) => self.load_api(store, (tenant, uri), now).await.map(drop),
            };
            failures.extend(outcome.err());
        }
        failures
    }

    /// Forgets what a write here has changed.
    pub(crate) fn forget_tenant(&self, tenant: &TenantName) {
        self.tenants.remove(tenant);
        self.rings.remove(tenant);
    }

    pub(crate) fn forget_application(&self, tenant: &TenantName, client_id: &ClientId) {
        self.applications
            .remove(&(tenant.clone(), client_id.clone()));
    }

    pub(crate) fn forget_api(&self, tenant: &TenantName, uri: &ApiUri) {
        self.apis.remove(&(tenant.clone(), uri.clone()));
    }

    async fn load_tenant(
        &self,
        store: &impl Store,
        tenant: &TenantName,
        now: UnixTime,
    ) -> Result<Option<Rc<Tenant>>, Reason> {
        let found = read(store, &tenant_key(tenant)?).await?;
        Ok(remember(&self.tenants, tenant.clone(), found, now))
    }

    async fn load_ring(
        &self,
        store: &impl Store,
        tenant: &TenantName,
        now: UnixTime,
    ) -> Result<Option<Rc<LoadedRing<K>>>, Reason> {
        let ring: Option<KeyRing> = read(store, &ring_key(tenant)?).await?;
        // A key id is the key's own hash, so what was imported under it is still the same key.
        let before = self.rings.peek(tenant);
        let found = ring.map(|ring| {
            let imported = before
                .map(|before| before.imported.borrow().clone())
                .unwrap_or_default();
            LoadedRing {
                ring,
                imported: RefCell::new(imported),
            }
        });
        Ok(remember(&self.rings, tenant.clone(), found, now))
    }

    async fn load_application(
        &self,
        store: &impl Store,
        name: (TenantName, ClientId),
        now: UnixTime,
    ) -> Result<Option<Rc<Application>>, Reason> {
        let found = read(store, &application_key(&name.0, &name.1)?).await?;
        Ok(remember(&self.applications, name, found, now))
    }

    async fn load_api(
        &self,
        store: &impl Store,
        name: (TenantName, ApiUri),
        now: UnixTime,
    ) -> Result<Option<Rc<Api>>, Reason> {
        let found = read(store, &api_key(&name.0, &name.1)?).await?;
        Ok(remember(&self.apis, name, found, now))
    }
}

fn remember<N: std::hash::Hash + Eq + Clone, T>(
    cache: &Cache<N, T>,
    name: N,
    found: Option<T>,
    now: UnixTime,
) -> Option<Rc<T>> {
    match found {
        Some(found) => {
            let found = Rc::new(found);
            cache.insert(name, Rc::clone(&found), now);
            Some(found)
        }
        None => {
            cache.remove(&name);
            None
        }
    }
}

async fn read<T: DeserializeOwned>(store: &impl Store, key: &Key) -> Result<Option<T>, Reason> {
    let Some(found) = store.get(key).await? else {
        return Ok(None);
    };
    let parsed = serde_json::from_str(&found.value);
    parsed.map(Some).map_err(|error| corrupt(key, &error))
}

/// A record that cannot be understood. Only the place of the fault is told: the record may hold what
/// a log should not.
pub(super) fn corrupt(key: &Key, error: &serde_json::Error) -> Reason {
    let why = format!(
        "unreadable at line {} column {}",
        error.line(),
        error.column()
    );
    Reason::CorruptRecord {
        key: key.to_string(),
        why,
    }
}
