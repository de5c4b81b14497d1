//! A bounded cache of records, with the age of each.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::Hash;

use crate::time::UnixTime;

/// What a look-up found.
pub(crate) enum Lookup<T> {
    /// Young enough to be used as it is.
    Fresh(T),
    /// May be used once more while it is read again.
    Stale(T),
    /// Not there, or too old.
    Miss,
}

/// Two generations of entries: a hit moves an entry to the young one; when that is full, it becomes
/// the old one and the former old one is forgotten. What is used stays, at constant cost and without
/// a list to maintain.
pub(crate) struct Cache<K, T> {
    young: RefCell<HashMap<K, Entry<T>>>,
    old: RefCell<HashMap<K, Entry<T>>>,
    half: usize,
    /// Seconds an entry may be used at all.
    ttl: u64,
}

struct Entry<T> {
    value: T,
    read_at: UnixTime,
    refreshing_since: Option<UnixTime>,
}

impl<T: Clone> Entry<T> {
    fn look(&mut self, now: UnixTime, ttl: u64) -> Lookup<T> {
        let age = now.since(self.read_at);
        if age >= ttl {
            return Lookup::Miss;
        }
        let value = self.value.clone();
        let refreshing = self
            .refreshing_since
            .is_some_and(|since| now.since(since) < REFRESH_PATIENCE);
        if age * 2 < ttl || refreshing {
            return Lookup::Fresh(value);
        }
        self.refreshing_since = Some(now);
        Lookup::Stale(value)
    }
}

/// A refresh that was begun this many seconds ago and brought nothing was lost with its request.
const REFRESH_PATIENCE: u64 = 5;

impl<K: Hash + Eq, T: Clone> Cache<K, T> {
    /// Holds at most `capacity` entries, none longer than `ttl` seconds.
    pub(crate) fn new(capacity: usize, ttl: u64) -> Self {
        Self {
            young: RefCell::default(),
            old: RefCell::default(),
            half: (capacity / 2).max(1),
            ttl,
        }
    }

    /// Finds an entry. In the second half of its life it is reported stale to one caller, who is to
    /// read it again, so that nobody waits and nothing older than the TTL is ever used.
    pub(crate) fn get(&self, key: &K, now: UnixTime) -> Lookup<T> {
        // The young one first, and once: hashing the name is most of what a hit costs.
        if let Some(entry) = self.young.borrow_mut().get_mut(key) {
            return entry.look(now, self.ttl);
        }
        let found = self.old.borrow_mut().remove_entry(key);
        let Some((key, mut entry)) = found else {
            return Lookup::Miss;
        };
        let looked = entry.look(now, self.ttl);
        self.put(key, entry);
        looked
    }

    /// The entry whatever its age.
    pub(crate) fn peek(&self, key: &K) -> Option<T> {
        let young = self.young.borrow();
        let old = self.old.borrow();
        young
            .get(key)
            .or(old.get(key))
            .map(|entry| entry.value.clone())
    }

    /// Remembers what was read at `read_at`.
    pub(crate) fn insert(&self, key: K, value: T, read_at: UnixTime) {
        self.old.borrow_mut().remove(&key);
        self.put(
            key,
            Entry {
                value,
                read_at,
                refreshing_since: None,
            },
        );
    }

    /// Forgets an entry: it was removed or changed here.
    pub(crate) fn remove(&self, key: &K) {
        self.young.borrow_mut().remove(key);
        self.old.borrow_mut().remove(key);
    }

    fn put(&self, key: K, entry: Entry<T>) {
        let mut young = self.young.borrow_mut();
        if young.len() >= self.half && !young.contains_key(&key) {
            // The tables stay: if each generation grew one anew, the memory between would be in pieces.
            std::mem::swap(&mut *self.old.borrow_mut(), &mut *young);
            young.clear();
        }
        young.insert(key, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> UnixTime {
        UnixTime::from_secs(secs)
    }

    fn state(cache: &Cache<u32, &'static str>, key: u32, now: u64) -> &'static str {
        match cache.get(&key, at(now)) {
            Lookup::Fresh(_) => "fresh",
            Lookup::Stale(_) => "stale",
            Lookup::Miss => "miss",
        }
    }

    #[test]
    fn an_entry_is_fresh_then_stale_for_one_reader_then_gone() {
        let cache = Cache::new(8, 30);
        cache.insert(1, "v", at(100));
        assert_eq!(state(&cache, 1, 114), "fresh");
        assert_eq!(state(&cache, 1, 115), "stale");
        assert_eq!(
            state(&cache, 1, 116),
            "fresh",
            "someone else is reading it already"
        );
        assert_eq!(state(&cache, 1, 120), "stale", "the refresh was lost");
        assert_eq!(state(&cache, 1, 129), "stale");
        assert_eq!(state(&cache, 1, 130), "miss");
    }

    #[test]
    fn a_clock_that_goes_back_does_not_lengthen_a_life_beyond_the_ttl() {
        let cache = Cache::new(8, 30);
        cache.insert(1, "v", at(100));
        assert_eq!(state(&cache, 1, 90), "fresh");
        assert_eq!(state(&cache, 1, 130), "miss");
    }

    #[test]
    fn it_never_holds_more_than_its_capacity_and_keeps_what_is_used() {
        let cache = Cache::new(10, 30);
        for key in 0..1_000 {
            cache.insert(key, "v", at(100));
            assert_eq!(state(&cache, 0, 100), "fresh", "after {key} others");
            assert!(cache.young.borrow().len() + cache.old.borrow().len() <= 10);
        }
        assert_eq!(state(&cache, 500, 100), "miss");
    }

    #[test]
    fn a_ttl_of_zero_caches_nothing() {
        let cache = Cache::new(8, 0);
        cache.insert(1, "v", at(100));
        assert_eq!(state(&cache, 1, 100), "miss");
    }
}
