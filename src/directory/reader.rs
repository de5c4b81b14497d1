//! Reads the directory, from memory where it can.
//!
//! Nothing is waited for on behalf of another request (edge runtimes forbid it): a request that finds
//! a record stale uses it, and reads it again after its answer is out, in [`DirectoryReader::refresh`].
//! Misses are not remembered, so what was just registered works at once.

use std::cell::RefCell;
use std::rc::Rc;

use super::cache::{Cache, Lookup};
use super::{Alias, Name, Tenant, TenantName};
use crate::api::{ADMIN_API, Api, ApiUri, administration_api};
use crate::client::{Application, ClientId};
use crate::error::Reason;
use crate::issuer::ActiveKey;
use crate::json::{self, Member};
use crate::key::{Cipher, KeyRing, MasterKeys, SealError, TenantKeys};
use crate::store::{Key, Store};
use crate::time::UnixTime;

/// How the directory is cached in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caching {
    /// Seconds within which a change is in force here.
    pub(crate) ttl: u64,
    /// Records that are held.
    pub(crate) capacity: usize,
}

/// A key ring with what of it has been unsealed so far.
pub(crate) struct LoadedRing<K> {
    pub(crate) ring: KeyRing,
    keys: RefCell<Option<Rc<TenantKeys>>>,
    imported: RefCell<Vec<Rc<ActiveKey<K>>>>,
}

impl<K> LoadedRing<K> {
    /// The working keys of the tenant, unsealed on their first use.
    pub(crate) async fn tenant_keys(
        &self,
        tenant: &TenantName,
        masters: &MasterKeys,
        cipher: &impl Cipher,
    ) -> Result<Rc<TenantKeys>, SealError> {
        if let Some(keys) = &*self.keys.borrow() {
            return Ok(Rc::clone(keys));
        }
        let opened = self.ring.tenant_keys(tenant.as_str(), masters, cipher);
        let keys = Rc::new(opened.await?);
        self.keys.replace(Some(Rc::clone(&keys)));
        Ok(keys)
    }

    /// The imported private key, if this ring has been signed with before.
    pub(crate) fn imported(&self, kid: &str) -> Option<Rc<ActiveKey<K>>> {
        let imported = self.imported.borrow();
        imported.iter().find(|key| key.kid == kid).map(Rc::clone)
    }

    /// A ring as it was read. What was unsealed of the one `before` and is the same in it is kept: an id, of
    /// a key or of the secret, is made from what it names.
    fn new(ring: KeyRing, before: Option<&Self>) -> Self {
        let same = before.filter(|before| before.ring.secret().id() == ring.secret().id());
        Self {
            keys: RefCell::new(same.and_then(|before| before.keys.borrow().clone())),
            imported: before.map_or_else(RefCell::default, |before| before.imported.clone()),
            ring,
        }
    }

    /// Keeps an imported private key.
    pub(crate) fn keep(&self, key: Rc<ActiveKey<K>>) {
        self.imported.borrow_mut().push(key);
    }
}

/// A record, parsed.
enum Record<K> {
    Tenant(Rc<Tenant>),
    Ring(Rc<LoadedRing<K>>),
    Application(Rc<Application>),
    Api(Rc<Api>),
    Alias(Alias),
}

impl<K> Clone for Record<K> {
    fn clone(&self) -> Self {
        match self {
            Self::Tenant(tenant) => Self::Tenant(Rc::clone(tenant)),
            Self::Ring(ring) => Self::Ring(Rc::clone(ring)),
            Self::Application(application) => Self::Application(Rc::clone(application)),
            Self::Api(api) => Self::Api(Rc::clone(api)),
            Self::Alias(alias) => Self::Alias(alias.clone()),
        }
    }
}

/// A record is of the kind that its name says; another kind counts as none.
impl<K> Record<K> {
    fn tenant(self) -> Option<Rc<Tenant>> {
        if let Self::Tenant(found) = self {
            Some(found)
        } else {
            None
        }
    }

    fn ring(self) -> Option<Rc<LoadedRing<K>>> {
        if let Self::Ring(found) = self {
            Some(found)
        } else {
            None
        }
    }

    fn application(self) -> Option<Rc<Application>> {
        if let Self::Application(found) = self {
            Some(found)
        } else {
            None
        }
    }

    fn api(self) -> Option<Rc<Api>> {
        if let Self::Api(found) = self {
            Some(found)
        } else {
            None
        }
    }
}

pub(crate) struct DirectoryReader<K> {
    records: Cache<Name, Record<K>>,
    stale: RefCell<Vec<Name>>,
}

impl<K> DirectoryReader<K> {
    pub(crate) fn new(Caching { ttl, capacity }: Caching) -> Self {
        Self {
            records: Cache::new(capacity, ttl),
            stale: RefCell::default(),
        }
    }

    pub(crate) async fn tenant(
        &self,
        store: &impl Store,
        tenant: &TenantName,
        now: UnixTime,
    ) -> Result<Option<Rc<Tenant>>, Reason> {
        let name = Name::Tenant(tenant.clone());
        Ok(self.read(store, name, now).await?.and_then(Record::tenant))
    }

    pub(crate) async fn ring(
        &self,
        store: &impl Store,
        tenant: &TenantName,
        now: UnixTime,
    ) -> Result<Option<Rc<LoadedRing<K>>>, Reason> {
        let name = Name::Ring(tenant.clone());
        Ok(self.read(store, name, now).await?.and_then(Record::ring))
    }

    /// The ring as it is stored now, whatever is cached.
    pub(crate) async fn ring_again(
        &self,
        store: &impl Store,
        tenant: &TenantName,
        now: UnixTime,
    ) -> Result<Option<Rc<LoadedRing<K>>>, Reason> {
        let name = Name::Ring(tenant.clone());
        Ok(self.load(store, name, now).await?.and_then(Record::ring))
    }

    pub(crate) async fn application(
        &self,
        store: &impl Store,
        tenant: &TenantName,
        client_id: &ClientId,
        now: UnixTime,
    ) -> Result<Option<Rc<Application>>, Reason> {
        let name = Name::Application(tenant.clone(), client_id.clone());
        Ok(self
            .read(store, name, now)
            .await?
            .and_then(Record::application))
    }

    pub(crate) async fn api(
        &self,
        store: &impl Store,
        tenant: &TenantName,
        uri: &ApiUri,
        now: UnixTime,
    ) -> Result<Option<Rc<Api>>, Reason> {
        if uri.as_str() == ADMIN_API {
            return administration_api().map(|api| Some(Rc::new(api)));
        }
        let name = Name::Api(tenant.clone(), uri.clone());
        Ok(self.read(store, name, now).await?.and_then(Record::api))
    }

    /// What another name stands for.
    pub(crate) async fn alias(
        &self,
        store: &impl Store,
        name: Name,
        now: UnixTime,
    ) -> Result<Option<Alias>, Reason> {
        let found = self.read(store, name, now).await?;
        Ok(found.and_then(|record| match record {
            Record::Alias(alias) => Some(alias),
            _ => None,
        }))
    }

    /// Whether some request used a record that is due to be read again.
    pub(crate) fn has_stale(&self) -> bool {
        !self.stale.borrow().is_empty()
    }

    /// Reads again what was used stale. A record that cannot be read now stays as it is and is asked
    /// for again; at the end of its time to live it is dropped, whatever the store does.
    pub(crate) async fn refresh(&self, store: &impl Store, now: UnixTime) -> Vec<Reason> {
        let mut failures = Vec::new();
        for name in self.stale.take() {
            failures.extend(self.load(store, name, now).await.err());
        }
        failures
    }

    /// Forgets what a write here has changed.
    pub(crate) fn forget(&self, name: &Name) {
        self.records.remove(name);
    }

    async fn read(
        &self,
        store: &impl Store,
        name: Name,
        now: UnixTime,
    ) -> Result<Option<Record<K>>, Reason> {
        match self.records.get(&name, now) {
            Lookup::Fresh(found) => Ok(Some(found)),
            Lookup::Stale(found) => {
                self.stale.borrow_mut().push(name);
                Ok(Some(found))
            }
            Lookup::Miss => self.load(store, name, now).await,
        }
    }

    async fn load(
        &self,
        store: &impl Store,
        name: Name,
        now: UnixTime,
    ) -> Result<Option<Record<K>>, Reason> {
        let key = name.key()?;
        let Some(found) = store.get(&key).await? else {
            self.records.remove(&name);
            return Ok(None);
        };
        let record = match &name {
            Name::Tenant(_) => Record::Tenant(Rc::new(parse(&key, &found.value)?)),
            Name::Ring(_) => {
                let ring = parse(&key, &found.value)?;
                let before = self.records.peek(&name).and_then(Record::ring);
                Record::Ring(Rc::new(LoadedRing::new(ring, before.as_deref())))
            }
            Name::Application(..) => Record::Application(Rc::new(parse(&key, &found.value)?)),
            Name::Api(..) => Record::Api(Rc::new(parse(&key, &found.value)?)),
            Name::Alias(_) | Name::AppId(..) => Record::Alias(parse(&key, &found.value)?),
        };
        self.records.insert(name, record.clone(), now);
        Ok(Some(record))
    }
}

/// Understands a record.
pub(crate) fn parse<T: Member>(key: &Key, value: &str) -> Result<T, Reason> {
    json::read(value).map_err(|error| Reason::CorruptRecord {
        key: key.to_string(),
        why: error.to_string(),
    })
}
