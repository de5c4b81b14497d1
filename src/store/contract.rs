//! What every [`Store`] must do, as a suite that every adapter runs.
//!
//! Each check starts from keys that nobody used before, so the suite can run against a store that
//! already holds data, and twice against the same one. It checks what the store promises in its
//! [`Guarantees`](super::Guarantees) and nothing more.

use std::fmt;
use std::future::Future;

use futures_util::future::join_all;

use super::{Commit, Expected, Key, MAX_PAGE, Partition, Put, Store, StoreError, Version, Write};
use crate::time::UnixTime;

/// Writers that race for one key. [`join_all`] polls up to 30 futures directly, without wakers,
/// which is how edgemint's own drivers work.
const WRITERS: usize = 24;
/// More names than any store returns in one page (Cloudflare KV: 1,000).
const MANY: usize = 1_005;

/// The world around the store under test.
#[expect(
    async_fn_in_trait,
    reason = "edge runtimes are single-threaded: futures are not `Send`"
)]
pub trait Surroundings {
    /// What the store takes for the present.
    fn now(&self) -> UnixTime;

    /// Lets this many seconds pass, by waiting or by moving a simulated clock.
    async fn pass(&self, seconds: u64);
}

/// A promise that the store did not keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The check that failed.
    pub check: &'static str,
    /// What was seen.
    pub why: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check, self.why)
    }
}

impl std::error::Error for Breach {}

type Check = Result<(), String>;

/// Runs the whole suite in the partitions `contract/{run}/...`, and reports the names of the checks
/// that ran. `run` keeps runs apart: pass something never used on this store.
///
/// # Errors
/// The first [`Breach`].
///
/// ```
/// use std::{cell::Cell, rc::Rc};
/// use edgemint::{UnixTime, store::{MemoryStore, contract::{self, Surroundings}}};
///
/// struct Simulated(Rc<Cell<u64>>);
/// impl Surroundings for Simulated {
///     fn now(&self) -> UnixTime { UnixTime::from_secs(self.0.get()) }
///     async fn pass(&self, seconds: u64) { self.0.set(self.0.get() + seconds) }
/// }
///
/// let clock = Rc::new(Cell::new(1_700_000_000));
/// let store = MemoryStore::new({
///     let clock = clock.clone();
///     move || UnixTime::from_secs(clock.get())
/// });
/// let passed = futures_executor::block_on(contract::run(&store, &Simulated(clock), "doc"))?;
/// assert!(passed.contains(&"one of many creators wins"));
/// # Ok::<(), contract::Breach>(())
/// ```
pub async fn run(
    store: &impl Store,
    surroundings: &impl Surroundings,
    run: &str,
) -> Result<Vec<&'static str>, Breach> {
    let suite = Suite {
        store,
        surroundings,
        run,
    };
    let guarantees = store.guarantees();
    let mut passed = Vec::new();
    passed.push(report("what is written is read back", suite.round_trip()).await?);
    passed.push(report("a version is required to overwrite", suite.versions()).await?);
    passed.push(report("deletion asks for the version too", suite.deletion()).await?);
    passed.push(report("what has expired is gone", suite.expiry()).await?);
    passed.push(report("partitions and prefixes keep apart", suite.separation()).await?);
    passed.push(report("a listing survives writes between pages", suite.listing()).await?);
    passed.push(report("a listing keeps to its limit", suite.limit()).await?);
    passed.push(report("a commit writes and removes", suite.commit()).await?);
    passed.push(report("a commit names its conflict", suite.conflicts()).await?);
    if guarantees.transactions {
        let nothing = suite.nothing();
        passed.push(report("a commit in conflict writes nothing", nothing).await?);
        passed.push(report("overlapping commits do not mix", suite.overlap()).await?);
    }
    if guarantees.atomic {
        passed.push(report("one of many creators wins", suite.creators()).await?);
        passed.push(report("one of many updaters wins", suite.updaters()).await?);
    }
    if guarantees.read_your_writes {
        passed.push(report("a write is seen at once", suite.read_your_writes()).await?);
    }
    Ok(passed)
}

async fn report(
    check: &'static str,
    outcome: impl Future<Output = Check>,
) -> Result<&'static str, Breach> {
    match outcome.await {
        Ok(()) => Ok(check),
        Err(why) => Err(Breach { check, why }),
    }
}

struct Suite<'a, S, W> {
    store: &'a S,
    surroundings: &'a W,
    run: &'a str,
}

/// Seconds that a value is given to live: as few as the store is quick enough for, since the suite waits for its end.
const LIVES: [u64; 4] = [2, 8, 32, 128];
const TOO_SLOW: &str = "a value expired before it could be read, however long it was given";

impl<S: Store, W: Surroundings> Suite<'_, S, W> {
    fn partition(&self, check: &str) -> Result<Partition, String> {
        Partition::new(format!("contract/{}/{check}", self.run)).map_err(|error| error.to_string())
    }

    fn key(&self, check: &str, name: &str) -> Result<Key, String> {
        Key::new(self.partition(check)?, name).map_err(|error| error.to_string())
    }

    async fn create(&self, key: &Key, value: &str) -> Result<Version, String> {
        done(self.store.put(key, value, Expected::Absent, None).await)
    }

    async fn value(&self, key: &Key) -> Result<Option<String>, String> {
        let found = self
            .store
            .get(key)
            .await
            .map_err(|error| error.to_string())?;
        Ok(found.map(|found| found.value))
    }

    async fn round_trip(&self) -> Check {
        let value = "{\"text\":\"quote \\\" newline \\n euro \u{20ac} \u{1f511}\",\"n\":1}";
        let large = format!("\"{}\"", "x".repeat(100_000));
        // Names are any text: URIs, separators of the store's own, non-ASCII.
        for name in ["plain", "api/api://orders/", "a:b/c%2Fd e", "\u{20ac}"] {
            let key = self.key("round-trip", name)?;
            same(&self.value(&key).await?, &None, "before the first write")?;
            let version = self.create(&key, value).await?;
            let found = self
                .store
                .get(&key)
                .await
                .map_err(|error| error.to_string())?;
            let found = found.ok_or("the value was not there after the write")?;
            same(&found.value, &value.to_owned(), "after the first write")?;
            same(
                &found.version,
                &version,
                "the version read and the one written",
            )?;
            done(
                self.store
                    .put(&key, &large, Expected::Version(version), None)
                    .await,
            )?;
            same(
                &self.value(&key).await?,
                &Some(large.clone()),
                "after the second write",
            )?;
        }
        Ok(())
    }

    async fn versions(&self) -> Check {
        let key = self.key("versions", "record")?;
        let invented = Expected::Version(Version("1".into()));
        conflict(
            self.store.put(&key, "0", invented, None).await,
            "an update of nothing",
        )?;
        let first = self.create(&key, "1").await?;
        conflict(
            self.store.put(&key, "2", Expected::Absent, None).await,
            "a second creation",
        )?;
        let second = done(
            self.store
                .put(&key, "3", Expected::Version(first.clone()), None)
                .await,
        )?;
        let stale = self
            .store
            .put(&key, "4", Expected::Version(first), None)
            .await;
        conflict(stale, "an update that read the version before last")?;
        same(
            &self.value(&key).await?,
            &Some("3".into()),
            "what the refused updates left",
        )?;
        // A version is never used twice: a deletion and a new creation must not bring it back.
        done(
            self.store
                .delete(&key, Expected::Version(second.clone()))
                .await,
        )?;
        self.create(&key, "5").await?;
        let revived = self
            .store
            .put(&key, "6", Expected::Version(second), None)
            .await;
        conflict(revived, "an update that read the record's former life")
    }

    async fn deletion(&self) -> Check {
        let key = self.key("deletion", "record")?;
        done(self.store.delete(&key, Expected::Absent).await)?;
        let version = self.create(&key, "1").await?;
        conflict(
            self.store.delete(&key, Expected::Absent).await,
            "deleting as if absent",
        )?;
        let other = Expected::Version(Version("0".into()));
        conflict(
            self.store.delete(&key, other).await,
            "deleting another version",
        )?;
        same(
            &self.value(&key).await?,
            &Some("1".into()),
            "what the refused deletions left",
        )?;
        done(
            self.store
                .delete(&key, Expected::Version(version.clone()))
                .await,
        )?;
        same(&self.value(&key).await?, &None, "after the deletion")?;
        let again = self.store.delete(&key, Expected::Version(version)).await;
        conflict(again, "deleting a second time")
    }

    async fn expiry(&self) -> Check {
        let long = self.key("expiry", "long")?;
        let tomorrow = self.surroundings.now().plus(86_400);
        done(
            self.store
                .put(&long, "1", Expected::Absent, Some(tomorrow))
                .await,
        )?;
        let (short, life) = self.short_lived().await?;
        self.surroundings.pass(life + 1).await;
        same(&self.value(&short).await?, &None, "after the expiry")?;
        same(
            &self.value(&long).await?,
            &Some("1".into()),
            "a value with a day to live",
        )?;
        let listed = self.all_names("expiry", "").await?;
        same(
            &listed,
            &vec!["long".to_owned()],
            "the listing after the expiry",
        )?;
        self.create(&short, "2").await.map(drop)
    }

    async fn separation(&self) -> Check {
        for (check, name) in [("apart", "a/1"), ("apart", "a/2"), ("apart", "b/1")] {
            self.create(&self.key(check, name)?, "1").await?;
        }
        // A partition whose name starts with another's is still another partition.
        self.create(&self.key("apart2", "a/3")?, "1").await?;
        same(
            &self.all_names("apart", "a/").await?,
            &vec!["a/1".to_owned(), "a/2".to_owned()],
            "the listing by prefix",
        )?;
        same(
            &self.all_names("apart2", "").await?,
            &vec!["a/3".to_owned()],
            "the other partition",
        )
    }

    async fn listing(&self) -> Check {
        let name = |n: usize| format!("name/{n:05}");
        for n in 0..MANY {
            self.create(&self.key("listing", &name(n))?, "1").await?;
        }
        let partition = self.partition("listing")?;
        let mut names: Vec<String> = Vec::new();
        let mut cursor: Option<String> = None;
        let mut pages = 0;
        loop {
            let page = self
                .store
                .list(&partition, "name/", cursor.as_deref(), MAX_PAGE)
                .await;
            let page = page.map_err(|error| error.to_string())?;
            names.extend(page.names);
            pages += 1;
            // Between the pages: one more at the front, one more at the end.
            self.create(&self.key("listing", &format!("name/!{pages:05}"))?, "1")
                .await?;
            self.create(&self.key("listing", &format!("name/z{pages:05}"))?, "1")
                .await?;
            cursor = page.cursor;
            if cursor.is_none() || pages > MANY {
                break;
            }
        }
        let old: Vec<String> = (0..MANY).map(name).collect();
        names.retain(|listed| old.binary_search(listed).is_ok());
        same(
            &names.len(),
            &old.len(),
            "how many of the names that were there were listed",
        )?;
        same(&names, &old, "the names and their order")
    }

    async fn limit(&self) -> Check {
        let partition = self.partition("limit")?;
        let wanted: Vec<String> = (0..7).map(|n| format!("name/{n}")).collect();
        for name in wanted.iter().map(String::as_str).chain(["other"]) {
            self.create(&self.key("limit", name)?, "1").await?;
        }
        for limit in [1, 3, 7, MAX_PAGE] {
            let mut names: Vec<String> = Vec::new();
            let mut cursor: Option<String> = None;
            // A store may show fewer than it was asked for; an empty last page is not forbidden.
            for _ in 0..wanted.len() + 2 {
                let page = self
                    .store
                    .list(&partition, "name/", cursor.as_deref(), limit)
                    .await;
                let page = page.map_err(|error| error.to_string())?;
                if page.names.len() > limit {
                    return Err(format!("a page of {limit} holds {}", page.names.len()));
                }
                names.extend(page.names);
                cursor = page.cursor;
                if cursor.is_none() {
                    break;
                }
            }
            same(&names, &wanted, "the names, page by page")?;
        }
        Ok(())
    }

    /// Writes a value that expires, which is there before: its key, and the seconds that it was given.
    async fn short_lived(&self) -> Result<(Key, u64), String> {
        for life in LIVES {
            let short = self.key("expiry", &format!("short/{life}"))?;
            let end = self.surroundings.now().plus(life);
            done(
                self.store
                    .put(&short, "1", Expected::Absent, Some(end))
                    .await,
            )?;
            let found = self.value(&short).await?;
            if self.surroundings.now() < end {
                same(&found, &Some("1".into()), "before the expiry")?;
                return Ok((short, life));
            }
        }
        Err(TOO_SLOW.into())
    }

    async fn commit(&self) -> Check {
        for life in LIVES {
            let Some(short) = self.commit_for(life).await? else {
                continue;
            };
            self.surroundings.pass(life + 1).await;
            same(&self.value(&short).await?, &None, "after the expiry")?;
            // What has expired is absent to a commit, too.
            let again = [write(&short, Some("2"), Expected::Absent)];
            return committed(self.committing("commit", &again).await?).map(drop);
        }
        Err(TOO_SLOW.into())
    }

    /// A commit of every kind of write, one of which lives for so many seconds: its key, if it was read in time.
    async fn commit_for(&self, life: u64) -> Result<Option<Key>, String> {
        const CHECK: &str = "commit";
        let key = |name: &str| self.key(CHECK, &format!("{name}/{life}"));
        let (changed, removed) = (key("changed")?, key("removed")?);
        let (created, short) = (key("created")?, key("short")?);
        let (first, second) = (
            self.create(&changed, "1").await?,
            self.create(&removed, "1").await?,
        );
        let soon = self.surroundings.now().plus(life);
        let writes = [
            write(&changed, Some("2"), Expected::Version(first)),
            write(&removed, None, Expected::Version(second.clone())),
            write(&created, Some("\"\u{20ac} \\n\""), Expected::Absent),
            Write {
                expires_at: Some(soon),
                ..write(&short, Some("1"), Expected::Absent)
            },
            write(&key("never")?, None, Expected::Absent),
        ];
        let versions = committed(self.committing(CHECK, &writes).await?)?;
        same(&versions.len(), &writes.len(), "a version for each write")?;
        for (key, (write, version)) in [&changed, &removed, &created, &short]
            .into_iter()
            .zip(writes.iter().zip(&versions))
        {
            let found = self.store.get(key).await;
            let found = found.map_err(|error| error.to_string())?;
            if write.expires_at.is_some() && self.surroundings.now() >= soon {
                return Ok(None);
            }
            let (value, stored) = match found {
                Some(found) => (Some(found.value), found.version),
                // Of a removal, the version that was removed is told.
                None => (None, second.clone()),
            };
            same(&value, &write.value, "what a commit wrote")?;
            same(version, &stored, "the version told and the one stored")?;
        }
        Ok(Some(short))
    }

    async fn conflicts(&self) -> Check {
        const CHECK: &str = "conflicts";
        let (there, absent) = (self.key(CHECK, "there")?, self.key(CHECK, "absent")?);
        let version = Expected::Version(self.create(&there, "1").await?);
        let stale = Expected::Version(Version("0".into()));
        let fine = write(&self.key(CHECK, "fine")?, None, Expected::Absent);
        for (conflict, what) in [
            (write(&there, Some("2"), Expected::Absent), "a creation"),
            (write(&there, Some("2"), stale.clone()), "an update"),
            (write(&there, None, Expected::Absent), "a removal as absent"),
            (write(&there, None, stale.clone()), "a removal"),
            (write(&absent, Some("2"), version), "an update of nothing"),
            (write(&absent, None, stale), "a removal of nothing"),
        ] {
            for at in 0..3 {
                let mut writes = vec![fine.clone(); at];
                for (n, write) in writes.iter_mut().enumerate() {
                    write.name = format!("fine{n}");
                }
                writes.push(conflict.clone());
                // A second conflict is not the one that is told of.
                writes.push(Write {
                    name: "second".into(),
                    expected: Expected::Version(Version("0".into())),
                    ..fine.clone()
                });
                let outcome = self.committing(CHECK, &writes).await?;
                same(&outcome, &Commit::Conflict(at), what)?;
            }
        }
        same(
            &self.value(&there).await?,
            &Some("1".into()),
            "what the refused commits left",
        )
    }

    async fn nothing(&self) -> Check {
        const CHECK: &str = "nothing";
        let (kept, new) = (self.key(CHECK, "kept")?, self.key(CHECK, "new")?);
        let version = Expected::Version(self.create(&kept, "1").await?);
        let writes = [
            write(&new, Some("2"), Expected::Absent),
            write(&kept, None, version),
            write(&self.key(CHECK, "other")?, Some("2"), Expected::Absent),
            write(
                &self.key(CHECK, "missing")?,
                Some("2"),
                Expected::Version(Version("0".into())),
            ),
        ];
        let outcome = self.committing(CHECK, &writes).await?;
        same(&outcome, &Commit::Conflict(3), "what came of it")?;
        same(&self.value(&new).await?, &None, "the write before it")?;
        same(
            &self.all_names(CHECK, "").await?,
            &vec!["kept".to_owned()],
            "all that is there",
        )
    }

    /// Every writer wants its own place and the next one's: of two neighbours, one is in the way.
    async fn overlap(&self) -> Check {
        const CHECK: &str = "overlap";
        let key = |n: usize| self.key(CHECK, &format!("place{}", n % WRITERS));
        for round in 0..4 {
            let mut commits = Vec::new();
            for n in 0..WRITERS {
                let mut writes = Vec::new();
                for key in [key(n)?, key(n + 1)?] {
                    let found = self.store.get(&key).await;
                    let found = found.map_err(|error| error.to_string())?;
                    let expected =
                        found.map_or(Expected::Absent, |found| Expected::Version(found.version));
                    writes.push(write(&key, Some(&format!("{round}-{n}")), expected));
                }
                commits.push(writes);
            }
            let outcomes = join_all(commits.iter().map(|writes| self.committing(CHECK, writes)));
            let mut winners = 0;
            for (n, outcome) in outcomes.await.into_iter().enumerate() {
                let mine = Some(format!("{round}-{n}"));
                let places = (self.value(&key(n)?).await?, self.value(&key(n + 1)?).await?);
                let count = usize::from(places.0 == mine) + usize::from(places.1 == mine);
                match outcome? {
                    Commit::Done(_) => {
                        winners += 1;
                        same(&count, &2, "the places of a commit that was made")?;
                    }
                    Commit::Conflict(_) => {
                        same(&count, &0, "the places of a commit that was refused")?;
                    }
                }
            }
            // Not more than every other one; and none is refused without another in its way.
            if !(WRITERS.div_ceil(3)..=WRITERS / 2).contains(&winners) {
                return Err(format!(
                    "{winners} of {WRITERS} overlapping commits made it"
                ));
            }
        }
        Ok(())
    }

    async fn creators(&self) -> Check {
        let key = self.key("creators", "record")?;
        let writes: Vec<String> = (0..WRITERS).map(|n| n.to_string()).collect();
        let puts = writes
            .iter()
            .map(|value| self.store.put(&key, value, Expected::Absent, None));
        one_winner(join_all(puts).await)
    }

    async fn updaters(&self) -> Check {
        let key = self.key("updaters", "record")?;
        let mut version = self.create(&key, "start").await?;
        for round in 0..4 {
            let writes: Vec<String> = (0..WRITERS).map(|n| format!("{round}-{n}")).collect();
            let puts = writes.iter().map(|value| {
                self.store
                    .put(&key, value, Expected::Version(version.clone()), None)
            });
            one_winner(join_all(puts).await)?;
            let found = self
                .store
                .get(&key)
                .await
                .map_err(|error| error.to_string())?;
            version = found.ok_or("the record was gone after an update")?.version;
        }
        Ok(())
    }

    async fn read_your_writes(&self) -> Check {
        let key = self.key("read-your-writes", "record")?;
        let mut version = self.create(&key, "0").await?;
        for n in 1..20 {
            let value = n.to_string();
            version = done(
                self.store
                    .put(&key, &value, Expected::Version(version), None)
                    .await,
            )?;
            same(
                &self.value(&key).await?,
                &Some(value),
                "the read after the write",
            )?;
        }
        Ok(())
    }

    async fn committing(&self, check: &str, writes: &[Write]) -> Result<Commit, String> {
        let outcome = self.store.commit(&self.partition(check)?, writes).await;
        outcome.map_err(|error| error.to_string())
    }

    async fn all_names(&self, check: &str, prefix: &str) -> Result<Vec<String>, String> {
        let partition = self.partition(check)?;
        let page = self.store.list(&partition, prefix, None, MAX_PAGE).await;
        page.map(|page| page.names)
            .map_err(|error| error.to_string())
    }
}

fn done(outcome: Result<Put, StoreError>) -> Result<Version, String> {
    match outcome {
        Ok(Put::Done(version)) => Ok(version),
        Ok(Put::Conflict) => Err("a write was refused although its condition held".into()),
        Err(error) => Err(error.to_string()),
    }
}

fn committed(outcome: Commit) -> Result<Vec<Version>, String> {
    match outcome {
        Commit::Done(versions) => Ok(versions),
        Commit::Conflict(at) => Err(format!("write {at} of a commit met no such thing")),
    }
}

fn write(key: &Key, value: Option<&str>, expected: Expected) -> Write {
    Write {
        name: key.name().to_owned(),
        value: value.map(str::to_owned),
        expected,
        expires_at: None,
    }
}

fn conflict(outcome: Result<Put, StoreError>, what: &str) -> Check {
    match outcome {
        Ok(Put::Conflict) => Ok(()),
        Ok(Put::Done(_)) => Err(format!("{what} was accepted")),
        Err(error) => Err(error.to_string()),
    }
}

fn one_winner(outcomes: Vec<Result<Put, StoreError>>) -> Check {
    let mut winners = 0;
    for outcome in outcomes {
        match outcome {
            Ok(Put::Done(_)) => winners += 1,
            Ok(Put::Conflict) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
    if winners == 1 {
        Ok(())
    } else {
        Err(format!("{winners} of {WRITERS} writers succeeded"))
    }
}

fn same<T: PartialEq + fmt::Debug>(seen: &T, wanted: &T, what: &str) -> Check {
    if seen == wanted {
        return Ok(());
    }
    let mut text = format!("{what}: expected {wanted:?}, saw {seen:?}");
    if let Some((cut, _)) = text.char_indices().nth(400) {
        text.truncate(cut);
    }
    Err(text)
}
