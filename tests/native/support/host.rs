//! A simulated host: a store that can be made to fail, a clock that is set, entropy from a seed, a
//! signer that counts, a sink that records.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Poll;

use edgemint::event::{Event, EventSink, Issuance};
use edgemint::grant::GrantStore;
use edgemint::key::software::{SoftwareKey, SoftwareSigner};
use edgemint::key::{Algorithm, Cipher, GeneratedKey, PublicKey, Signer, SignerError};
use edgemint::store::{
    Commit, Expected, Guarantees, Key, MemoryStore, Page, Partition, Put, Store, StoreError,
    Versioned, Write,
};
use edgemint::{Entropy, EntropyError, Host, UnixTime};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::block_on;

/// The RSA key of RFC 7638 section 3.1: public, so it can sign nothing.
pub(crate) const RSA_JWK: &str = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB"}"#;

/// What several locations share: one store, one time.
pub(crate) struct Surroundings {
    pub(crate) clock: Clock,
    pub(crate) store: TestStore,
    /// Whether the store is for grants too, and not for client credentials only.
    pub(crate) has_grants: Cell<bool>,
    pub(crate) entropy: Seeded,
    pub(crate) signer: TestSigner,
    pub(crate) events: Recorder,
    pub(crate) limiter: Limiter,
    pub(crate) hook: ClaimsHook,
}

impl Default for Surroundings {
    fn default() -> Self {
        let clock = Clock::default();
        let entropy = Seeded::default();
        Self {
            store: TestStore::new(clock.clone()),
            has_grants: Cell::new(true),
            signer: TestSigner::new(entropy.clone()),
            events: Recorder::default(),
            limiter: Limiter::default(),
            hook: ClaimsHook::default(),
            entropy,
            clock,
        }
    }
}

/// The surroundings as an issuer's host.
pub(crate) struct TestHost(pub(crate) Rc<Surroundings>);

impl Host for TestHost {
    type Store = TestStore;
    type Grants = TestStore;
    type Signer = TestSigner;
    type Entropy = Seeded;
    type Events = Recorder;

    fn store(&self) -> &TestStore {
        &self.0.store
    }

    fn grants(&self) -> Option<&TestStore> {
        self.0.has_grants.get().then_some(&self.0.store)
    }

    fn signer(&self) -> &TestSigner {
        &self.0.signer
    }

    fn entropy(&self) -> &Seeded {
        &self.0.entropy
    }

    fn events(&self) -> &Recorder {
        &self.0.events
    }

    async fn limit(&self, claim: &str) -> Result<bool, String> {
        self.0.limiter.count(claim)
    }

    fn has_claims(&self) -> bool {
        self.0.hook.answer.borrow().is_some()
    }

    async fn claims(&self, context: &str) -> Result<(UnixTime, String), String> {
        let claims = self.0.hook.ask(context).await?;
        Ok((self.0.clock.now(), claims))
    }
}

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub(crate) struct Clock(Rc<Cell<u64>>);

impl Default for Clock {
    fn default() -> Self {
        Self(Rc::new(Cell::new(1_800_000_000)))
    }
}

impl Clock {
    pub(crate) fn now(&self) -> UnixTime {
        UnixTime::from_secs(self.0.get())
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.0.set(self.0.get() + seconds);
    }

    pub(crate) fn set(&self, moment: UnixTime) {
        self.0.set(moment.secs());
    }
}

/// How a write fails. A store that does not answer may have written all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PutFault {
    BeforeWriting,
    AfterWriting,
}

/// A memory store that counts its reads and fails when it is told to.
pub(crate) struct TestStore {
    pub(crate) memory: MemoryStore,
    reads: Cell<usize>,
    writes: Cell<usize>,
    /// What it says of itself; it is atomic all the same.
    promises_to_be_atomic: Cell<bool>,
    /// It keeps values after their time, as one that expires them by an alarm may.
    forgets_late: Cell<bool>,
    /// Every read fails.
    down: Cell<bool>,
    /// The read that fails, counted from the next one.
    failing_read: Cell<Option<usize>>,
    /// The write that fails, counted from the next one.
    failing_put: Cell<Option<(usize, PutFault)>>,
    /// Somebody else writes just before the next write.
    rival: Cell<bool>,
    /// What else happens just before the next transaction.
    meanwhile: Cell<Option<Interruption>>,
    /// What happens after so many more reads.
    behind: Cell<Option<(usize, Interruption)>>,
    /// It makes several writes one after another.
    lacks_transactions: Cell<bool>,
}

/// What somebody else does.
type Interruption = Box<dyn FnOnce()>;

/// What the failing store says; it must never reach a caller.
pub(crate) const STORE_DETAIL: &str = "connection to shard-17 refused";

impl TestStore {
    fn new(clock: Clock) -> Self {
        Self {
            memory: MemoryStore::new(move || clock.now()),
            reads: Cell::new(0),
            writes: Cell::new(0),
            promises_to_be_atomic: Cell::new(true),
            forgets_late: Cell::new(false),
            down: Cell::new(false),
            failing_read: Cell::new(None),
            failing_put: Cell::new(None),
            rival: Cell::new(false),
            meanwhile: Cell::default(),
            behind: Cell::default(),
            lacks_transactions: Cell::new(false),
        }
    }

    pub(crate) fn reads(&self) -> usize {
        self.reads.get()
    }

    pub(crate) fn writes(&self) -> usize {
        self.writes.get()
    }

    /// Makes this a store such as bare Cloudflare KV.
    pub(crate) fn promise_nothing(&self) {
        self.promises_to_be_atomic.set(false);
    }

    /// Keeps what is written from now on after its time.
    pub(crate) fn forget_late(&self) {
        self.forgets_late.set(true);
    }

    /// Makes every read fail, or none.
    pub(crate) fn set_down(&self, down: bool) {
        self.down.set(down);
    }

    /// Makes one read fail: the next one is number 0.
    pub(crate) fn fail_read(&self, number: usize) {
        self.failing_read.set(Some(number));
    }

    /// Takes the fault back. Returns whether it was still waiting for its read.
    pub(crate) fn cancel_failing_read(&self) -> bool {
        self.failing_read.take().is_some()
    }

    /// Makes one write fail: the next one is number 0.
    pub(crate) fn fail_put(&self, number: usize, fault: PutFault) {
        self.failing_put.set(Some((number, fault)));
    }

    /// Lets somebody else write the same key between the next command's read and its write.
    pub(crate) fn let_a_rival_write_first(&self) {
        self.rival.set(true);
    }

    /// Lets something else happen between the next command's reads and its writes.
    pub(crate) fn let_happen_first(&self, act: impl FnOnce() + 'static) {
        self.meanwhile.set(Some(Box::new(act)));
    }

    /// Lets something happen after this many more reads.
    pub(crate) fn let_happen_after_reads(&self, reads: usize, act: impl FnOnce() + 'static) {
        self.behind.set(Some((reads, Box::new(act))));
    }

    /// Takes the fault back. Returns whether it was still waiting for its write.
    pub(crate) fn cancel_failing_put(&self) -> bool {
        self.failing_put.take().is_some()
    }

    /// Makes this a store that cannot write several records as one.
    pub(crate) fn lose_transactions(&self) {
        self.lacks_transactions.set(true);
    }

    /// The text stored under a key.
    pub(crate) fn text(&self, key: &Key) -> String {
        block_on(self.memory.get(key)).unwrap().unwrap().value
    }

    /// Puts a record that is not there behind the service's back.
    pub(crate) fn create(&self, key: &Key, text: &str) {
        let put = block_on(self.memory.put(key, text, Expected::Absent, None));
        assert!(matches!(put, Ok(Put::Done(_))));
    }

    /// Overwrites a record behind the service's back.
    pub(crate) fn overwrite(&self, key: &Key, text: &str) {
        block_on(self.rewrite(key, |_| text.to_owned()));
    }

    /// A write that may be the one that fails. Nothing is written before it is awaited.
    async fn write<T>(
        &self,
        write: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let fault = self.failing_put.take();
        if let Some((number @ 1.., fault)) = fault {
            self.failing_put.set(Some((number - 1, fault)));
        }
        let refused = Err(StoreError::Unavailable(STORE_DETAIL.into()));
        match fault {
            Some((0, PutFault::BeforeWriting)) => refused,
            Some((0, PutFault::AfterWriting)) => {
                write.await?;
                refused
            }
            _ => write.await,
        }
    }

    /// What a store does that says nothing of transactions.
    async fn one_by_one(
        &self,
        partition: &Partition,
        writes: &[Write],
    ) -> Result<Commit, StoreError> {
        let mut versions = Vec::new();
        for write in writes {
            let key = Key::new(partition.clone(), write.name.clone()).unwrap();
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

    /// Writes whatever the version: `text` makes the new text from the one that is there.
    async fn rewrite(&self, key: &Key, text: impl FnOnce(Option<&str>) -> String) {
        let found = self.memory.get(key).await.unwrap();
        let text = text(found.as_ref().map(|found| found.value.as_str()));
        let expected = found.map_or(Expected::Absent, |found| Expected::Version(found.version));
        let put = self.memory.put(key, &text, expected, None).await.unwrap();
        assert!(matches!(put, Put::Done(_)));
    }
}

impl Store for TestStore {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        self.reads.set(self.reads.get() + 1);
        let number = self.failing_read.get();
        self.failing_read
            .set(number.and_then(|number| number.checked_sub(1)));
        if self.down.get() || number == Some(0) {
            return Err(StoreError::Unavailable(STORE_DETAIL.into()));
        }
        let found = self.memory.get(key).await;
        match self.behind.take() {
            Some((1, act)) => act(),
            Some((reads, act)) => self.behind.set(Some((reads - 1, act))),
            None => {}
        }
        found
    }

    async fn put(
        &self,
        key: &Key,
        value: &str,
        expected: Expected,
        expires_at: Option<UnixTime>,
    ) -> Result<Put, StoreError> {
        self.writes.set(self.writes.get() + 1);
        if self.rival.take() {
            // What is there again, or else the same as we are about to create.
            self.rewrite(key, |found| found.unwrap_or(value).to_owned())
                .await;
        }
        let expires_at = expires_at.filter(|_| !self.forgets_late.get());
        self.write(self.memory.put(key, value, expected, expires_at))
            .await
    }

    async fn delete(&self, key: &Key, expected: Expected) -> Result<Put, StoreError> {
        self.write(self.memory.delete(key, expected)).await
    }

    /// One write, as far as counting and failing go.
    async fn commit(&self, partition: &Partition, writes: &[Write]) -> Result<Commit, StoreError> {
        if let Some(act) = self.meanwhile.take() {
            act();
        }
        if self.lacks_transactions.get() {
            return self.one_by_one(partition, writes).await;
        }
        self.writes.set(self.writes.get() + 1);
        if let (Some(first), true) = (writes.first(), self.rival.take()) {
            let key = Key::new(partition.clone(), first.name.clone()).unwrap();
            let value = first.value.clone().unwrap_or_default();
            self.rewrite(&key, |found| found.map_or(value, str::to_owned))
                .await;
        }
        self.write(self.memory.commit(partition, writes)).await
    }

    async fn list(
        &self,
        partition: &Partition,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.memory.list(partition, prefix, cursor, limit).await
    }

    fn guarantees(&self) -> Guarantees {
        Guarantees {
            atomic: self.promises_to_be_atomic.get(),
            transactions: !self.lacks_transactions.get(),
            ..self.memory.guarantees()
        }
    }
}

impl GrantStore for TestStore {}

/// Entropy that repeats from run to run: SHA-256 of a counter. It remembers what it gave.
#[derive(Clone, Default)]
pub(crate) struct Seeded(Rc<Source>);

#[derive(Default)]
struct Source {
    counter: Cell<u64>,
    exhausted: Cell<bool>,
    drawn: RefCell<Vec<Vec<u8>>>,
}

impl Seeded {
    /// Makes every draw fail, or none.
    pub(crate) fn set_exhausted(&self, exhausted: bool) {
        self.0.exhausted.set(exhausted);
    }

    /// Everything that was drawn, draw by draw.
    pub(crate) fn drawn(&self) -> Vec<Vec<u8>> {
        self.0.drawn.borrow().clone()
    }
}

impl Entropy for Seeded {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        if self.0.exhausted.get() {
            return Err(EntropyError);
        }
        for chunk in bytes.chunks_mut(32) {
            let counter = self.0.counter.get();
            self.0.counter.set(counter + 1);
            let block = Sha256::digest(counter.to_be_bytes());
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        self.0.drawn.borrow_mut().push(bytes.to_vec());
        Ok(())
    }
}

/// The software signer, beside a stand-in for a host that knows RS256: the core does not care what
/// a signature is made of.
pub(crate) struct TestSigner {
    software: SoftwareSigner<Seeded>,
    knows_rsa: Cell<bool>,
    broken: Cell<bool>,
    imports: Cell<usize>,
    openings: Cell<usize>,
    private_keys: RefCell<Vec<Vec<u8>>>,
}

pub(crate) enum TestKey {
    Software(Box<SoftwareKey>),
    Rsa,
}

impl TestSigner {
    fn new(entropy: Seeded) -> Self {
        Self {
            software: SoftwareSigner::new(entropy),
            knows_rsa: Cell::new(false),
            broken: Cell::new(false),
            imports: Cell::new(0),
            openings: Cell::new(0),
            private_keys: RefCell::default(),
        }
    }

    /// Makes this a host with RS256.
    pub(crate) fn learn_rsa(&self) {
        self.knows_rsa.set(true);
    }

    /// Makes every signature fail, or none.
    pub(crate) fn set_broken(&self, broken: bool) {
        self.broken.set(broken);
    }

    /// How many private keys were imported.
    pub(crate) fn imports(&self) -> usize {
        self.imports.get()
    }

    /// How often something sealed was opened, or tried.
    pub(crate) fn openings(&self) -> usize {
        self.openings.get()
    }

    /// The private keys made so far: PKCS #8.
    pub(crate) fn private_keys(&self) -> Vec<Vec<u8>> {
        self.private_keys.borrow().clone()
    }
}

/// The stand-in for an RS256 signature over `message`.
pub(crate) fn rsa_stand_in(message: &[u8]) -> Vec<u8> {
    Sha256::digest(message).repeat(8)
}

impl Cipher for TestSigner {
    async fn encrypt(
        &self,
        key: &[u8; 32],
        nonce: &[u8; 12],
        context: &str,
        plain: &[u8],
    ) -> Result<Vec<u8>, SignerError> {
        self.software.encrypt(key, nonce, context, plain).await
    }

    async fn decrypt(
        &self,
        key: &[u8; 32],
        nonce: &[u8; 12],
        context: &str,
        sealed: &[u8],
    ) -> Result<Vec<u8>, SignerError> {
        self.openings.set(self.openings.get() + 1);
        self.software.decrypt(key, nonce, context, sealed).await
    }
}

impl Signer for TestSigner {
    type Key = TestKey;

    async fn generate(&self, algorithm: Algorithm) -> Result<GeneratedKey, SignerError> {
        let generated = if algorithm == Algorithm::Rs256 && self.knows_rsa.get() {
            GeneratedKey {
                private: b"a private RSA key".to_vec().into(),
                public: PublicKey::from_jwk(RSA_JWK).unwrap(),
            }
        } else {
            self.software.generate(algorithm).await?
        };
        self.private_keys
            .borrow_mut()
            .push(generated.private.to_vec());
        Ok(generated)
    }

    async fn import(&self, algorithm: Algorithm, private: &[u8]) -> Result<TestKey, SignerError> {
        self.imports.set(self.imports.get() + 1);
        if algorithm == Algorithm::Rs256 && self.knows_rsa.get() {
            assert_eq!(private, b"a private RSA key");
            return Ok(TestKey::Rsa);
        }
        let key = self.software.import(algorithm, private).await?;
        Ok(TestKey::Software(Box::new(key)))
    }

    async fn sign(&self, key: &TestKey, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        if self.broken.get() {
            return Err(SignerError::Failed("the key handle is gone".into()));
        }
        match key {
            TestKey::Software(key) => self.software.sign(key, message).await,
            TestKey::Rsa => Ok(rsa_stand_in(message)),
        }
    }

    async fn verify(
        &self,
        public: &PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, SignerError> {
        if self.broken.get() {
            return Err(SignerError::Failed("the key handle is gone".into()));
        }
        if public.algorithm() == Algorithm::Rs256 && self.knows_rsa.get() {
            return Ok(signature == rsa_stand_in(message));
        }
        self.software.verify(public, message, signature).await
    }
}

/// Remembers the events.
#[derive(Default)]
pub(crate) struct Recorder {
    events: RefCell<Vec<Event>>,
    ignores_issuances: Cell<bool>,
}

impl Recorder {
    pub(crate) fn take(&self) -> Vec<Event> {
        self.events.take()
    }

    /// From now on it does not want to hear of every access token.
    pub(crate) fn ignore_issuances(&self) {
        self.ignores_issuances.set(true);
    }

    /// Forgets what was heard since these were taken.
    pub(crate) fn restore(&self, events: Vec<Event>) {
        self.events.replace(events);
    }
}

impl EventSink for Recorder {
    fn emit(&self, event: Event) {
        self.events.borrow_mut().push(event);
    }

    fn issued(&self, issuance: &Issuance<'_>) {
        if !self.ignores_issuances.get() {
            self.emit(issuance.event());
        }
    }
}

/// Counts failures for every location. It remembers what it was asked.
pub(crate) struct Limiter {
    /// How many more it lets pass for each claim.
    limit: Cell<usize>,
    down: Cell<bool>,
    asked: RefCell<Vec<String>>,
}

impl Default for Limiter {
    fn default() -> Self {
        Self {
            limit: Cell::new(usize::MAX),
            down: Cell::default(),
            asked: RefCell::default(),
        }
    }
}

impl Limiter {
    /// Lets this many failures of a claim pass.
    pub(crate) fn set_limit(&self, failures: usize) {
        self.limit.set(failures);
    }

    /// Makes it answer nobody, or everybody again.
    pub(crate) fn set_down(&self, down: bool) {
        self.down.set(down);
    }

    /// The claims that it was asked for.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.borrow().clone()
    }

    fn count(&self, claim: &str) -> Result<bool, String> {
        if self.down.get() {
            return Err("the limiter is down".into());
        }
        let mut asked = self.asked.borrow_mut();
        asked.push(claim.to_owned());
        let count = asked.iter().filter(|known| *known == claim).count();
        Ok(count <= self.limit.get())
    }
}

/// Adds claims to access tokens, once it has an answer. It remembers what it was asked.
#[derive(Default)]
pub(crate) struct ClaimsHook {
    answer: RefCell<Option<Result<String, String>>>,
    /// How often it is looked at before it answers.
    delay: Cell<usize>,
    /// What else happens before its next answer.
    meanwhile: Cell<Option<Interruption>>,
    asked: RefCell<Vec<Value>>,
}

impl ClaimsHook {
    /// Answers from now on with this text.
    pub(crate) fn answer(&self, text: &str) {
        self.answer.replace(Some(Ok(text.to_owned())));
    }

    /// Fails from now on.
    pub(crate) fn fail(&self, why: &str) {
        self.answer.replace(Some(Err(why.to_owned())));
    }

    /// Takes its time from now on.
    pub(crate) fn delay(&self, looks: usize) {
        self.delay.set(looks);
    }

    /// Lets something else happen before the next answer.
    pub(crate) fn let_happen_first(&self, act: impl FnOnce() + 'static) {
        self.meanwhile.set(Some(Box::new(act)));
    }

    /// What it was asked since the last call.
    pub(crate) fn asked(&self) -> Vec<Value> {
        self.asked.take()
    }

    async fn ask(&self, context: &str) -> Result<String, String> {
        self.asked.borrow_mut().push(read_context(context));
        for _ in 0..self.delay.get() {
            let mut waited = false;
            std::future::poll_fn(|_| {
                if std::mem::replace(&mut waited, true) {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
        }
        if let Some(act) = self.meanwhile.take() {
            act();
        }
        self.answer.borrow().clone().expect("a hook")
    }
}

/// What `Host::claims` is given, by the names that JavaScript gives it.
fn read_context(context: &str) -> Value {
    let names = [
        "tenant",
        "clientId",
        "api",
        "grantType",
        "dialect",
        "policy",
        "scope",
        "subject",
        "claims",
    ];
    let lines: Vec<&str> = context.split('\n').collect();
    assert_eq!(lines.len(), names.len(), "{context}");
    let mut told = Value::Object(Map::new());
    for (name, line) in names
        .into_iter()
        .zip(lines)
        .filter(|(_, line)| !line.is_empty())
    {
        told[name] = match name {
            "claims" => serde_json::from_str(line).expect("JSON"),
            _ => line.into(),
        };
    }
    told
}
