//! The memory store keeps the contract of every store, and the contract notices one that does not.

use edgemint::UnixTime;
use edgemint::store::contract::{self, Surroundings};
use edgemint::store::{
    Commit, Expected, Guarantees, Key, MAX_PAGE, MemoryStore, Page, Partition, Put, Store,
    StoreError, Version, Versioned, Write,
};
use futures_executor::block_on;

use crate::support::Clock;

impl Surroundings for Clock {
    fn now(&self) -> UnixTime {
        Self::now(self)
    }

    async fn pass(&self, seconds: u64) {
        Self::pass(self, seconds);
    }
}

fn memory() -> (MemoryStore, Clock) {
    let clock = Clock::default();
    let store = MemoryStore::new({
        let clock = clock.clone();
        move || clock.now()
    });
    (store, clock)
}

#[test]
fn the_memory_store_keeps_the_contract() {
    let (store, clock) = memory();
    let passed = block_on(contract::run(&store, &clock, "first")).unwrap();
    assert_eq!(passed.len(), 14, "every check ran: {passed:?}");
    let again = block_on(contract::run(&store, &clock, "second")).unwrap();
    assert_eq!(again, passed, "also on a store that holds data");
}

/// A store with one flaw.
struct Flawed {
    memory: MemoryStore,
    flaw: Flaw,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    /// The last writer wins.
    IgnoresVersions,
    /// Nothing expires.
    NeverExpires,
    /// Every page of a listing is the first one.
    ForgetsTheCursor,
    /// A listing shows the whole partition.
    IgnoresThePrefix,
    /// A deletion is acknowledged and not done.
    KeepsWhatIsDeleted,
    /// A listing is as long as it likes.
    IgnoresTheLimit,
    /// A conflict stops a commit half way.
    CommitsInPart,
    /// What a commit wrote stays.
    CommitsForEver,
    /// Versions of a commit are not those that are stored.
    InventsVersions,
}

impl Store for Flawed {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.memory.get(key).await
    }

    async fn put(
        &self,
        key: &Key,
        value: &str,
        expected: Expected,
        expires_at: Option<UnixTime>,
    ) -> Result<Put, StoreError> {
        let expected = match (self.flaw, self.memory.get(key).await?) {
            (Flaw::IgnoresVersions, Some(found)) => Expected::Version(found.version),
            (Flaw::IgnoresVersions, None) => Expected::Absent,
            _ => expected,
        };
        let expires_at = expires_at.filter(|_| self.flaw != Flaw::NeverExpires);
        self.memory.put(key, value, expected, expires_at).await
    }

    async fn delete(&self, key: &Key, expected: Expected) -> Result<Put, StoreError> {
        match (self.flaw, self.memory.get(key).await?) {
            (Flaw::KeepsWhatIsDeleted, Some(found))
                if expected == Expected::Version(found.version.clone()) =>
            {
                Ok(Put::Done(found.version))
            }
            _ => self.memory.delete(key, expected).await,
        }
    }

    async fn commit(&self, partition: &Partition, writes: &[Write]) -> Result<Commit, StoreError> {
        let mut writes = writes.to_vec();
        match self.flaw {
            Flaw::CommitsInPart => {
                let found = self.memory.commit(partition, &writes).await?;
                if let Commit::Conflict(at) = found {
                    self.memory.commit(partition, &writes[..at]).await?;
                }
                return Ok(found);
            }
            Flaw::CommitsForEver => writes.iter_mut().for_each(|write| write.expires_at = None),
            _ => {}
        }
        let committed = self.memory.commit(partition, &writes).await?;
        Ok(match (self.flaw, committed) {
            (Flaw::InventsVersions, Commit::Done(versions)) => {
                Commit::Done(vec![Version("invented".into()); versions.len()])
            }
            (_, committed) => committed,
        })
    }

    async fn list(
        &self,
        partition: &Partition,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let cursor = cursor.filter(|_| self.flaw != Flaw::ForgetsTheCursor);
        let prefix = match self.flaw {
            Flaw::IgnoresThePrefix => "",
            _ => prefix,
        };
        let limit = match self.flaw {
            Flaw::IgnoresTheLimit => MAX_PAGE,
            _ => limit,
        };
        self.memory.list(partition, prefix, cursor, limit).await
    }

    fn guarantees(&self) -> Guarantees {
        self.memory.guarantees()
    }
}

#[test]
fn a_store_with_a_flaw_breaks_the_contract() {
    for (flaw, check) in [
        (Flaw::IgnoresVersions, "a version is required to overwrite"),
        (Flaw::NeverExpires, "what has expired is gone"),
        (
            Flaw::ForgetsTheCursor,
            "a listing survives writes between pages",
        ),
        (Flaw::IgnoresThePrefix, "partitions and prefixes keep apart"),
        // It is noticed as soon as the suite deletes anything.
        (
            Flaw::KeepsWhatIsDeleted,
            "a version is required to overwrite",
        ),
        (Flaw::IgnoresTheLimit, "a listing keeps to its limit"),
        (Flaw::CommitsInPart, "a commit in conflict writes nothing"),
        (Flaw::CommitsForEver, "a commit writes and removes"),
        (Flaw::InventsVersions, "a commit writes and removes"),
    ] {
        let (memory, clock) = memory();
        let store = Flawed { memory, flaw };
        let breach = block_on(contract::run(&store, &clock, "flawed")).expect_err("a breach");
        assert_eq!(breach.check, check, "{flaw:?}: {breach}");
    }
}
