//! The step of a grant on its store: where the data lives, or by compare-and-set.

use futures_util::future::join;
use serde::Serialize;

use super::command::{Command, Outcome, Refusal};
use super::record::Grant;
use crate::json::{self, JsonError, record};
use crate::store::{Expected, Key, MemoryStore, Put, Store, StoreError, Version};
use crate::time::UnixTime;

/// Rounds after which a step gives up: each means that another one was stored in between.
const ROUNDS: usize = 64;

/// A [`Store`] that grants can live in: it must promise to be atomic.
///
/// # Security
/// An implementation of [`GrantStore::step`] must read both records, apply the command and store the
/// result as one transaction, and must report the outcome only once the result is durable.
#[expect(
    async_fn_in_trait,
    reason = "edge runtimes are single-threaded: futures are not `Send`"
)]
pub trait GrantStore: Store {
    /// Applies a command to the grant under `grant`, with the epoch of the record under `user`: both in
    /// the same partition.
    ///
    /// # Errors
    /// [`StoreError`] if the backend did not answer; the step may have been taken all the same.
    async fn step(
        &self,
        grant: &Key,
        user: &Key,
        command: &Command,
        now: UnixTime,
    ) -> Result<Outcome, StoreError> {
        compare_and_set(self, grant, user, command, now).await
    }
}

impl GrantStore for MemoryStore {}

impl<S: GrantStore + ?Sized> GrantStore for &S {
    async fn step(
        &self,
        grant: &Key,
        user: &Key,
        command: &Command,
        now: UnixTime,
    ) -> Result<Outcome, StoreError> {
        (**self).step(grant, user, command, now).await
    }
}

/// The step over a store that compares and sets: load, apply, put; on conflict once more.
pub(crate) async fn compare_and_set<S: Store + ?Sized>(
    store: &S,
    grant: &Key,
    user: &Key,
    command: &Command,
    now: UnixTime,
) -> Result<Outcome, StoreError> {
    for _ in 0..ROUNDS {
        let (step, version) = decide(store, grant, user, command, now).await?;
        let (Some((value, expires_at)), Some(version)) = (step.write, version) else {
            return Ok(step.outcome);
        };
        let expected = Expected::Version(version);
        match store.put(grant, &value, expected, Some(expires_at)).await? {
            Put::Done(_) => return Ok(step.outcome),
            Put::Conflict => {}
        }
    }
    Err(StoreError::Unavailable(
        "others kept writing the same grant".to_owned(),
    ))
}

/// What is to be done by what the store holds now, and the version of the grant that is there. Nothing is
/// done.
pub(crate) async fn decide<S: Store + ?Sized>(
    store: &S,
    grant: &Key,
    user: &Key,
    command: &Command,
    now: UnixTime,
) -> Result<(Step, Option<Version>), StoreError> {
    let (found, of_user) = join(store.get(grant), store.get(user)).await;
    let (found, of_user) = (found?, of_user?);
    let value = found.as_ref().map(|found| found.value.as_str());
    let user_value = of_user.as_ref().map(|found| found.value.as_str());
    let step = Step::take(value, user_value, command, now);
    Ok((step, found.map(|found| found.version)))
}

/// One step over the texts that a store holds.
#[derive(Debug)]
pub struct Step {
    /// What is to be stored, and until when.
    pub write: Option<(String, UnixTime)>,
    /// What came of the command.
    pub outcome: Outcome,
}

impl Step {
    /// Takes it: the texts of the grant's and the user's records, if they are there, and the command.
    #[must_use]
    pub fn take(grant: Option<&str>, user: Option<&str>, command: &Command, now: UnixTime) -> Self {
        Self::try_take(grant, user, command, now).unwrap_or(Self {
            write: None,
            outcome: Outcome::Refused(Refusal::Corrupt),
        })
    }

    fn try_take(
        grant: Option<&str>,
        user: Option<&str>,
        command: &Command,
        now: UnixTime,
    ) -> Result<Self, JsonError> {
        let Some(grant) = grant else {
            return Ok(Self {
                write: None,
                outcome: Outcome::Refused(Refusal::Unknown),
            });
        };
        let grant: Grant = json::read(grant)?;
        let transition = grant.apply(command, User::epoch(user)?, now);
        let changed = transition.changed.as_ref();
        Ok(Self {
            write: changed.map(|changed| (changed.to_json(), changed.expires_at)),
            outcome: transition.outcome,
        })
    }
}

/// The record of a user whose grants have all been revoked before. It stays.
#[derive(Debug, Default, Serialize)]
pub(crate) struct User {
    pub(crate) epoch: u64,
}

record!(User { epoch = "epoch" });

impl User {
    /// How often everything of the user has been revoked.
    pub(crate) fn epoch(text: Option<&str>) -> Result<u64, JsonError> {
        Ok(text
            .map(json::read::<Self>)
            .transpose()?
            .unwrap_or_default()
            .epoch)
    }
}
