//! The store that lives in this process: exact, atomic, gone with it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::{
    Commit, Expected, Guarantees, Key, KeyError, MAX_PAGE, Page, Partition, Put, Store, StoreError,
    Version, Versioned, Write,
};
use crate::time::UnixTime;

/// A [`Store`] in memory, for tests and single-process use. It expires values by the clock that it
/// was given.
///
/// ```
/// use edgemint::{UnixTime, store::{Expected, Key, MemoryStore, Partition, Put, Store}};
///
/// # futures_executor::block_on(async {
/// let store = MemoryStore::new(|| UnixTime::from_secs(1_700_000_000));
/// let key = Key::new(Partition::new("directory/demo").unwrap(), "tenant").unwrap();
/// assert!(matches!(store.put(&key, "{}", Expected::Absent, None).await, Ok(Put::Done(_))));
/// assert!(matches!(store.put(&key, "{}", Expected::Absent, None).await, Ok(Put::Conflict)));
/// # });
/// ```
pub struct MemoryStore {
    entries: RefCell<BTreeMap<Key, Entry>>,
    writes: Cell<u64>,
    clock: Box<dyn Fn() -> UnixTime>,
}

struct Entry {
    value: String,
    version: u64,
    expires_at: Option<UnixTime>,
}

impl MemoryStore {
    /// An empty store; `clock` tells it when a value has expired.
    pub fn new(clock: impl Fn() -> UnixTime + 'static) -> Self {
        Self {
            entries: RefCell::default(),
            writes: Cell::new(0),
            clock: Box::new(clock),
        }
    }

    /// Every live key and value: what a thief of the store would hold.
    #[must_use]
    pub fn dump(&self) -> Vec<(Key, String)> {
        let now = (self.clock)();
        let entries = self.entries.borrow();
        let live = entries.iter().filter(|(_, entry)| entry.is_live(now));
        live.map(|(key, entry)| (key.clone(), entry.value.clone()))
            .collect()
    }

    /// Whether `expected` describes what is there now.
    fn holds(&self, key: &Key, expected: &Expected) -> bool {
        let now = (self.clock)();
        let entries = self.entries.borrow();
        let stored = entries
            .get(key)
            .filter(|entry| entry.is_live(now))
            .map(|entry| entry.version);
        match (expected, stored) {
            (Expected::Absent, None) => true,
            (Expected::Version(version), Some(stored)) => version.0 == stored.to_string(),
            _ => false,
        }
    }

    fn insert(&self, key: Key, value: String, expires_at: Option<UnixTime>) -> Version {
        let version = self.writes.get() + 1;
        self.writes.set(version);
        let entry = Entry {
            value,
            version,
            expires_at,
        };
        self.entries.borrow_mut().insert(key, entry);
        Version(version.to_string())
    }

    /// The version that was removed; an empty one if there was nothing that lived.
    fn remove(&self, key: &Key) -> Version {
        let now = (self.clock)();
        let removed = self.entries.borrow_mut().remove(key);
        let removed = removed.filter(|entry| entry.is_live(now));
        let version = removed.map(|entry| entry.version.to_string());
        Version(version.unwrap_or_default())
    }
}

impl Entry {
    fn is_live(&self, now: UnixTime) -> bool {
        self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

impl Store for MemoryStore {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let now = (self.clock)();
        let entries = self.entries.borrow();
        Ok(entries
            .get(key)
            .filter(|entry| entry.is_live(now))
            .map(|entry| Versioned {
                value: entry.value.clone(),
                version: Version(entry.version.to_string()),
            }))
    }

    async fn put(
        &self,
        key: &Key,
        value: &str,
        expected: Expected,
        expires_at: Option<UnixTime>,
    ) -> Result<Put, StoreError> {
        if !self.holds(key, &expected) {
            return Ok(Put::Conflict);
        }
        Ok(Put::Done(self.insert(
            key.clone(),
            value.to_owned(),
            expires_at,
        )))
    }

    async fn delete(&self, key: &Key, expected: Expected) -> Result<Put, StoreError> {
        if !self.holds(key, &expected) {
            return Ok(Put::Conflict);
        }
        Ok(Put::Done(self.remove(key)))
    }

    async fn commit(&self, partition: &Partition, writes: &[Write]) -> Result<Commit, StoreError> {
        let key = |write: &Write| Key::new(partition.clone(), write.name.clone());
        let keys = writes
            .iter()
            .map(key)
            .collect::<Result<Vec<Key>, KeyError>>();
        let keys = keys.map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let mut checks = keys.iter().zip(writes);
        if let Some(at) = checks.position(|(key, write)| !self.holds(key, &write.expected)) {
            return Ok(Commit::Conflict(at));
        }
        let versions = keys
            .into_iter()
            .zip(writes)
            .map(|(key, write)| match &write.value {
                Some(value) => self.insert(key, value.clone(), write.expires_at),
                None => self.remove(&key),
            });
        Ok(Commit::Done(versions.collect()))
    }

    async fn list(
        &self,
        partition: &Partition,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let now = (self.clock)();
        let entries = self.entries.borrow();
        let limit = limit.clamp(1, MAX_PAGE);
        // The cursor is the last name listed, so writes between two pages move nothing.
        let mut names: Vec<String> = entries
            .iter()
            .filter(|(key, entry)| key.partition() == partition && entry.is_live(now))
            .map(|(key, _)| key.name())
            .filter(|name| name.starts_with(prefix) && cursor.is_none_or(|last| *name > last))
            .take(limit + 1)
            .map(str::to_owned)
            .collect();
        let more = names.len() > limit;
        names.truncate(limit);
        let cursor = names.last().filter(|_| more).cloned();
        Ok(Page { names, cursor })
    }

    fn guarantees(&self) -> Guarantees {
        Guarantees {
            atomic: true,
            read_your_writes: true,
            transactions: true,
        }
    }
}
