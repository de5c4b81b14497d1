//! A simulated host: one clock for everything, tasks that wait by it, and a store each of whose
//! operations takes its time and may fail. The same seed gives the same run.

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use edgemint::grant::{Command, GrantStore, Outcome};
use edgemint::store::{
    self, Commit, Expected, Guarantees, Key, MemoryStore, Page, Partition, Put, Store, StoreError,
    Versioned,
};
use edgemint::{Host, UnixTime};

use crate::support::{STORE_DETAIL, Seeded, Surroundings, TestHost};

type Signer = <TestHost as Host>::Signer;
type Events = <TestHost as Host>::Events;
type Task = Pin<Box<dyn Future<Output = ()>>>;

/// `SplitMix64`: small, and the same everywhere.
pub(crate) struct Random(Cell<u64>);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Cell::new(seed))
    }

    fn next(&self) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// From `low` to `high`, both included.
    pub(crate) fn range(&self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    /// True that many times in a thousand.
    pub(crate) fn chance(&self, in_thousand: u64) -> bool {
        self.next() % 1_000 < in_thousand
    }
}

/// The clock, and what waits for it.
pub(crate) struct Simulation {
    pub(crate) around: Surroundings,
    pub(crate) random: Random,
    start: u64,
    now: Cell<u64>,
    tasks: RefCell<BTreeMap<u64, Task>>,
    started: Cell<u64>,
    current: Cell<u64>,
    timers: RefCell<BinaryHeap<Reverse<(u64, u64, u64)>>>,
    timers_set: Cell<u64>,
    ticks: Cell<u64>,
}

impl Simulation {
    pub(crate) fn new(seed: u64) -> Rc<Self> {
        let around = Surroundings::default();
        around.signer.learn_rsa();
        Rc::new(Self {
            start: around.clock.now().secs() * 1_000,
            around,
            random: Random::new(seed),
            now: Cell::new(0),
            tasks: RefCell::default(),
            started: Cell::new(0),
            current: Cell::new(0),
            timers: RefCell::default(),
            timers_set: Cell::new(0),
            ticks: Cell::new(0),
        })
    }

    /// A number that grows with everything that is recorded: what happened before what.
    pub(crate) fn tick(&self) -> u64 {
        let tick = self.ticks.get() + 1;
        self.ticks.set(tick);
        tick
    }

    /// Milliseconds since the start.
    pub(crate) fn millis(&self) -> u64 {
        self.now.get()
    }

    /// What a host reads from its clock.
    pub(crate) fn now(&self) -> UnixTime {
        self.around.clock.now()
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let id = self.started.get() + 1;
        self.started.set(id);
        self.tasks.borrow_mut().insert(id, Box::pin(task));
        self.wake(id, self.millis());
    }

    /// The task that is running.
    fn current(&self) -> u64 {
        self.current.get()
    }

    fn wake(&self, task: u64, at: u64) {
        let number = self.timers_set.get();
        self.timers_set.set(number + 1);
        self.timers.borrow_mut().push(Reverse((at, number, task)));
    }

    pub(crate) async fn sleep(&self, millis: u64) {
        let until = self.millis() + millis;
        self.wake(self.current(), until);
        poll_fn(|_| self.due(until)).await;
    }

    fn due(&self, until: u64) -> Poll<()> {
        if self.millis() >= until {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    /// Lets time pass until nothing waits any more.
    pub(crate) fn run(&self) {
        let mut context = Context::from_waker(Waker::noop());
        while let Some(Reverse((at, _, id))) = { self.timers.borrow_mut().pop() } {
            self.now.set(at);
            let seconds = (self.start + at) / 1_000;
            self.around.clock.set(UnixTime::from_secs(seconds));
            let Some(mut task) = ({ self.tasks.borrow_mut().remove(&id) }) else {
                continue;
            };
            self.current.set(id);
            if task.as_mut().poll(&mut context).is_pending() {
                self.tasks.borrow_mut().insert(id, task);
            }
        }
        assert!(self.tasks.borrow().is_empty(), "a task waits for nothing");
    }
}

/// An answer on its way to whoever waits for it.
pub(crate) struct Slot<T> {
    value: RefCell<Option<T>>,
    waiting: Cell<Option<u64>>,
}

impl<T> Slot<T> {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            value: RefCell::new(None),
            waiting: Cell::new(None),
        })
    }

    pub(crate) fn fill(&self, simulation: &Simulation, value: T) {
        *self.value.borrow_mut() = Some(value);
        if let Some(task) = self.waiting.take() {
            simulation.wake(task, simulation.millis());
        }
    }

    /// What is put in, if it comes before that many milliseconds have passed.
    pub(crate) async fn wait(&self, simulation: &Simulation, patience: u64) -> Option<T> {
        let until = simulation.millis() + patience;
        simulation.wake(simulation.current(), until);
        self.waiting.set(Some(simulation.current()));
        poll_fn(|_| match self.value.borrow_mut().take() {
            Some(value) => Poll::Ready(Some(value)),
            None => simulation.due(until).map(|()| None),
        })
        .await
    }
}

/// How a step is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Load, apply, put; on conflict once more.
    CompareAndSet,
    /// Where the data is, in one operation.
    AtTheData,
}

/// How often, in a thousand, an operation fails or is slow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Faults {
    pub(crate) before: u64,
    pub(crate) after: u64,
    pub(crate) slow: u64,
}

/// What a record of the grants was set to, and when.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(crate) tick: u64,
    pub(crate) key: Key,
    pub(crate) text: String,
}

/// The data itself, and what was ever written to it.
pub(crate) struct Data {
    pub(crate) memory: MemoryStore,
    pub(crate) writes: RefCell<Vec<Write>>,
}

/// A store at a distance. Two of them may hold the same data: the one that never fails is for looking.
#[derive(Clone)]
pub(crate) struct Remote {
    pub(crate) simulation: Rc<Simulation>,
    pub(crate) data: Rc<Data>,
    pub(crate) way: Way,
    /// None for one that answers at once.
    pub(crate) faults: Option<Faults>,
}

/// The data without a distance: an operation on it is never seen half done.
struct Local<'a>(&'a Simulation, &'a Data);

impl Remote {
    /// One operation: the way there, the act, the way back. It may fail on either.
    async fn operation<T>(
        &self,
        act: impl AsyncFnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let Some(faults) = self.faults else {
            return act().await;
        };
        let random = &self.simulation.random;
        let delay = || {
            if random.chance(faults.slow) {
                random.range(200, 2_000)
            } else {
                random.range(0, 15)
            }
        };
        let failure = || Err(StoreError::Unavailable(STORE_DETAIL.into()));
        self.simulation.sleep(delay()).await;
        if random.chance(faults.before) {
            return failure();
        }
        let result = act().await;
        self.simulation.sleep(delay()).await;
        if random.chance(faults.after) {
            return failure();
        }
        result
    }

    fn local(&self) -> Local<'_> {
        Local(&self.simulation, &self.data)
    }
}

impl Store for Remote {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.operation(async || self.local().get(key).await).await
    }

    async fn put(
        &self,
        key: &Key,
        value: &str,
        expected: Expected,
        expires_at: Option<UnixTime>,
    ) -> Result<Put, StoreError> {
        let act = async || self.local().put(key, value, expected, expires_at).await;
        self.operation(act).await
    }

    async fn delete(&self, key: &Key, expected: Expected) -> Result<Put, StoreError> {
        let act = async || self.local().delete(key, expected).await;
        self.operation(act).await
    }

    async fn commit(
        &self,
        partition: &Partition,
        writes: &[store::Write],
    ) -> Result<Commit, StoreError> {
        let act = async || self.local().commit(partition, writes).await;
        self.operation(act).await
    }

    async fn list(
        &self,
        partition: &Partition,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let act = async || self.local().list(partition, prefix, cursor, limit).await;
        self.operation(act).await
    }

    fn guarantees(&self) -> Guarantees {
        self.data.memory.guarantees()
    }
}

impl GrantStore for Remote {
    async fn step(
        &self,
        grant: &Key,
        user: &Key,
        command: &Command,
        now: UnixTime,
    ) -> Result<Outcome, StoreError> {
        match self.way {
            Way::CompareAndSet => Distant(self).step(grant, user, command, now).await,
            Way::AtTheData => {
                let act = async || self.local().step(grant, user, command, now).await;
                self.operation(act).await
            }
        }
    }
}

/// The same store with the step as it is by default.
struct Distant<'a>(&'a Remote);

/// Both hand every operation on; how they take a step is the default.
macro_rules! hand_on {
    ($type:ty, |$store:ident| $inner:expr, $written:expr) => {
        impl Store for $type {
            async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
                let $store = self;
                $inner.get(key).await
            }

            async fn put(
                &self,
                key: &Key,
                value: &str,
                expected: Expected,
                expires_at: Option<UnixTime>,
            ) -> Result<Put, StoreError> {
                let $store = self;
                let put = $inner.put(key, value, expected, expires_at).await?;
                if let Put::Done(_) = put {
                    $written($store, key, value);
                }
                Ok(put)
            }

            async fn delete(&self, key: &Key, expected: Expected) -> Result<Put, StoreError> {
                let $store = self;
                $inner.delete(key, expected).await
            }

            async fn commit(
                &self,
                partition: &Partition,
                writes: &[store::Write],
            ) -> Result<Commit, StoreError> {
                let $store = self;
                let commit = $inner.commit(partition, writes).await?;
                if let Commit::Done(_) = commit {
                    for write in writes {
                        let key = Key::new(partition.clone(), write.name.clone()).unwrap();
                        if let Some(value) = &write.value {
                            $written($store, &key, value);
                        }
                    }
                }
                Ok(commit)
            }

            async fn list(
                &self,
                partition: &Partition,
                prefix: &str,
                cursor: Option<&str>,
                limit: usize,
            ) -> Result<Page, StoreError> {
                let $store = self;
                $inner.list(partition, prefix, cursor, limit).await
            }

            fn guarantees(&self) -> Guarantees {
                let $store = self;
                $inner.guarantees()
            }
        }

        impl GrantStore for $type {}
    };
}

hand_on!(
    Distant<'_>,
    |store| store.0,
    |_: &Self, _: &Key, _: &str| {}
);

hand_on!(
    Local<'_>,
    |store| store.1.memory,
    |Local(simulation, data): &Self, key: &Key, text: &str| {
        if key.partition().as_str().starts_with("grants/") {
            data.writes.borrow_mut().push(Write {
                tick: simulation.tick(),
                key: key.clone(),
                text: text.to_owned(),
            });
        }
    }
);

/// A location: it shares clock and data with the others, and has a cache of its own.
pub(crate) struct Location(pub(crate) Remote);

impl Host for Location {
    type Store = Remote;
    type Grants = Remote;
    type Signer = Signer;
    type Entropy = Seeded;
    type Events = Events;

    fn store(&self) -> &Remote {
        &self.0
    }

    fn grants(&self) -> Option<&Remote> {
        Some(&self.0)
    }

    fn signer(&self) -> &Signer {
        &self.0.simulation.around.signer
    }

    fn entropy(&self) -> &Seeded {
        &self.0.simulation.around.entropy
    }

    fn events(&self) -> &Events {
        &self.0.simulation.around.events
    }
}
