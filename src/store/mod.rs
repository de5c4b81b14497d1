//! Versioned key-value storage: the one thing edgemint asks of a database.
//!
//! A backend implements [`Store`], says in [`Guarantees`] what it promises, and shows that it keeps
//! the promise by passing [`contract`].

pub mod contract;
mod memory;

use std::fmt;

use serde::Serialize;

use crate::text::has_control;
use crate::time::UnixTime;

pub use memory::MemoryStore;

/// The unit of coordination: all keys of a partition live together (one Durable Object, one Redis
/// hash slot, one Deno KV prefix).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(String);

impl Partition {
    /// Longest partition name, in bytes.
    pub const MAX_BYTES: usize = 128;

    /// The partition of this name: 1 to 128 bytes without control characters or `:`, which stores
    /// use to separate the partition from the name.
    ///
    /// # Errors
    /// [`KeyError`] if the name is not of that form.
    pub fn new(name: impl Into<String>) -> Result<Self, KeyError> {
        let name = name.into();
        if is_text(&name, Self::MAX_BYTES) && !name.contains(':') {
            Ok(Self(name))
        } else {
            Err(KeyError)
        }
    }

    /// The name, as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a value lives.
///
/// ```
/// use edgemint::store::{Key, Partition};
///
/// let key = Key::new(Partition::new("directory/demo")?, "api/api://orders")?;
/// assert_eq!(key.to_string(), "directory/demo:api/api://orders");
/// # Ok::<(), edgemint::store::KeyError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    partition: Partition,
    name: String,
}

impl Key {
    /// Longest name within a partition, in bytes.
    pub const MAX_NAME_BYTES: usize = 320;

    /// The key `name` in `partition`: 1 to 320 bytes without control characters. Together with the
    /// partition it fits the 512 bytes that Cloudflare KV allows.
    ///
    /// # Errors
    /// [`KeyError`] if the name is not of that form.
    pub fn new(partition: Partition, name: impl Into<String>) -> Result<Self, KeyError> {
        let name = name.into();
        if is_text(&name, Self::MAX_NAME_BYTES) {
            Ok(Self { partition, name })
        } else {
            Err(KeyError)
        }
    }

    /// The partition.
    #[must_use]
    pub fn partition(&self) -> &Partition {
        &self.partition
    }

    /// The name within the partition.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.partition.0, self.name)
    }
}

fn is_text(text: &str, max_bytes: usize) -> bool {
    !text.is_empty() && text.len() <= max_bytes && !has_control(text)
}

/// A partition or key name that no store could hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyError;

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a store key is empty, too long or holds a control character")
    }
}

impl std::error::Error for KeyError {}

/// Which state of a value was read; opaque, made by the store, never used twice for one key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Version(pub String);

/// A value and the version it was read at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// JSON text.
    pub value: String,
    /// What a later [`Store::put`] names to say "nobody wrote in between".
    pub version: Version,
}

/// The state a write requires to find.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Expected {
    /// Nothing is stored under the key, or it has expired.
    Absent,
    /// Exactly this version is stored.
    Version(Version),
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// Written; the version that is stored now. (A deletion reports the version that it removed,
    /// or an empty one if there was nothing.)
    Done(Version),
    /// Not written: the store held something else than was expected.
    Conflict,
}

/// One of the writes of a [`Store::commit`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Write {
    /// The name within the partition.
    pub name: String,
    /// JSON text; `None` removes what is there.
    pub value: Option<String>,
    /// What must be there for the whole to be written.
    pub expected: Expected,
    /// From then on, what was written is gone.
    pub expires_at: Option<UnixTime>,
}

/// What became of several writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Commit {
    /// Written; the versions that are stored now, or were removed, in the order of the writes.
    Done(Vec<Version>),
    /// The store held something else than the write of this index expected, the first of those. With
    /// [`Guarantees::transactions`], nothing was written; without, those before it were.
    Conflict(usize),
}

/// The most names that a page may hold.
pub const MAX_PAGE: usize = 1_000;

/// One page of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// Names within the partition, in ascending order of their UTF-8 bytes.
    pub names: Vec<String>,
    /// Pass it to the next [`Store::list`]; `None` on the last page.
    pub cursor: Option<String>,
}

/// What a backend promises. Nothing is assumed beyond it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Guarantees {
    /// Of several writers that expect the same version, exactly one succeeds.
    pub atomic: bool,
    /// A read that starts after a write has been acknowledged sees it, from wherever it is made.
    pub read_your_writes: bool,
    /// The writes of a [`Store::commit`] are all made or none, and nobody sees some of them.
    pub transactions: bool,
}

/// A storage operation that did not get an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// The backend failed or could not be reached; the write may or may not have happened. The text
    /// is for the operator and never reaches a caller.
    Unavailable(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(why) => write!(f, "the store did not answer: {why}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// Versioned key-value storage. Values are JSON text, so that an operator can read them.
///
/// # Security
/// An implementation that reports [`Guarantees::atomic`] and lets two writers with the same
/// [`Expected`] succeed makes single-use tokens spendable twice. One that returns a value after its
/// `expires_at` lengthens the life of what was stored. One that promises transactions and writes half of
/// them leaves rights that nobody meant to grant. Run [`contract`] against it.
#[expect(
    async_fn_in_trait,
    reason = "edge runtimes are single-threaded: futures are not `Send`"
)]
pub trait Store {
    /// The value under `key`, unless there is none or it has expired.
    ///
    /// # Errors
    /// [`StoreError`] if the backend did not answer. "No value" is not an error.
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError>;

    /// Writes `value` if the stored version is `expected`. From `expires_at` on it is gone.
    ///
    /// # Errors
    /// [`StoreError`] if the backend did not answer; the write may have happened all the same.
    async fn put(
        &self,
        key: &Key,
        value: &str,
        expected: Expected,
        expires_at: Option<UnixTime>,
    ) -> Result<Put, StoreError>;

    /// Removes the value if the stored version is `expected`.
    ///
    /// # Errors
    /// [`StoreError`] if the backend did not answer; the removal may have happened all the same.
    async fn delete(&self, key: &Key, expected: Expected) -> Result<Put, StoreError>;

    /// Makes several writes in one partition. A store that promises [`Guarantees::transactions`] makes
    /// all of them or none, whoever else writes; any other makes one after another, and stops at the
    /// first conflict. Names must differ from each other: each expectation is of what was there before.
    ///
    /// # Errors
    /// [`StoreError`] if the backend did not answer; the writes may have happened all the same.
    async fn commit(&self, partition: &Partition, writes: &[Write]) -> Result<Commit, StoreError> {
        let mut versions = Vec::with_capacity(writes.len());
        for write in writes {
            let Ok(key) = Key::new(partition.clone(), write.name.clone()) else {
                return Err(StoreError::Unavailable(KeyError.to_string()));
            };
            let expected = write.expected.clone();
            let put = match &write.value {
                Some(value) => self.put(&key, value, expected, write.expires_at).await?,
                None => self.delete(&key, expected).await?,
            };
            match put {
                Put::Done(version) => versions.push(version),
                Put::Conflict => return Ok(Commit::Conflict(versions.len())),
            }
        }
        Ok(Commit::Done(versions))
    }

    /// The names in `partition` that start with `prefix`, a page of at most `limit` at a time: 1 to
    /// [`MAX_PAGE`]. A name that is there from the first page to the last is listed exactly once,
    /// whatever is written in between.
    ///
    /// # Errors
    /// [`StoreError`] if the backend did not answer.
    async fn list(
        &self,
        partition: &Partition,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError>;

    /// What this backend promises.
    fn guarantees(&self) -> Guarantees;
}

impl<S: Store + ?Sized> Store for &S {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        (**self).get(key).await
    }

    async fn put(
        &self,
        key: &Key,
        value: &str,
        expected: Expected,
        expires_at: Option<UnixTime>,
    ) -> Result<Put, StoreError> {
        (**self).put(key, value, expected, expires_at).await
    }

    async fn delete(&self, key: &Key, expected: Expected) -> Result<Put, StoreError> {
        (**self).delete(key, expected).await
    }

    async fn commit(&self, partition: &Partition, writes: &[Write]) -> Result<Commit, StoreError> {
        (**self).commit(partition, writes).await
    }

    async fn list(
        &self,
        partition: &Partition,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        (**self).list(partition, prefix, cursor, limit).await
    }

    fn guarantees(&self) -> Guarantees {
        (**self).guarantees()
    }
}
