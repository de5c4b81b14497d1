//! The store that lives in this process: exact, atomic, gone with it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use super::{
    Expected, Guarantees, Key, Page, Partition, Put, Store, StoreError, Version, Versioned,
};
use crate::time::UnixTime;

const PAGE: usize = 1_000;

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

    /// The version stored under `key`, if `expected` describes what is there now.
    fn check(&self, key: &Key, expected: &Expected) -> Result<Option<u64>, ()> {
        let now = (self.clock)();
        let entries = self.entries.borrow();
        let stored = entries
            .get(key)
            .filter(|entry| entry.is_live(now))
            .map(|entry| entry.version);
        let matches = match (expected, stored) {
            (Expected::Absent, None) => true,
            (Expected::Version(version), Some(stored)) => version.0 == stored.to_string(),
            _ => false,
        };
        if matches { Ok(stored) } else { Err(()) }
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
        if self.check(key, &expected).is_err() {
            return Ok(Put::Conflict);
        }
        let version = self.writes.get() + 1;
        self.writes.set(version);
        let entry = Entry {
            value: value.to_owned(),
            version,
            expires_at,
        };
        self.entries.borrow_mut().insert(key.clone(), entry);
        Ok(Put::Done(Version(version.to_string())))
    }

    async fn delete(&self, key: &Key, expected: Expected) -> Result<Put, StoreError> {
        let Ok(stored) = self.check(key, &expected) else {
            return Ok(Put::Conflict);
        };
        self.entries.borrow_mut().remove(key);
        Ok(Put::Done(Version(
            stored
                .map(|version| version.to_string())
                .unwrap_or_default(),
        )))
    }

    async fn list(
        &self,
        partition: &Partition,
        prefix: &str,
        cursor: Option<&str>,
    ) -> Result<Page, StoreError> {
        let now = (self.clock)();
        let entries = self.entries.borrow();
        // The cursor is the last name listed, so writes between two pages move nothing.
        let mut names: Vec<String> = entries
            .iter()
            .filter(|(key, entry)| key.partition() == partition && entry.is_live(now))
            .map(|(key, _)| key.name())
            .filter(|name| name.starts_with(prefix) && cursor.is_none_or(|last| *name > last))
            .take(PAGE + 1)
            .map(str::to_owned)
            .collect();
        let more = names.len() > PAGE;
        names.truncate(PAGE);
        let cursor = names.last().filter(|_| more).cloned();
        Ok(Page { names, cursor })
    }

    fn guarantees(&self) -> Guarantees {
        Guarantees {
            atomic: true,
            read_your_writes: true,
        }
    }
}
