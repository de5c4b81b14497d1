//! The core's traits, on operations that JavaScript performs.

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use super::exchange::{Answer, Exchange};
use super::json;
use crate::entropy::{Entropy, EntropyError};
use crate::event::{Event, EventSink, Issuance};
use crate::grant::{Command, GrantStore, Outcome, compare_and_set};
use crate::key::{Algorithm, Cipher, GeneratedKey, PublicKey, Signer, SignerError};
use crate::store::{
    Commit, Expected, Guarantees, Key, Page, Partition, Put, Store, StoreError, Version, Versioned,
    Write,
};
use crate::{Host, UnixTime};

#[wasm_bindgen]
extern "C" {
    /// What JavaScript provides: see `pkg/host.js`. An operation must not call back into wasm
    /// before it has returned, and must not throw.
    pub type JsHost;

    #[wasm_bindgen(method)]
    fn get(this: &JsHost, call: &JsValue, id: u32, store: u8, partition: &str, name: &str);

    #[wasm_bindgen(method)]
    fn put(
        this: &JsHost,
        call: &JsValue,
        id: u32,
        store: u8,
        partition: &str,
        name: &str,
        value: &str,
        expected: Option<&str>,
        expires_at: Option<f64>,
    );

    #[wasm_bindgen(method)]
    fn delete(
        this: &JsHost,
        call: &JsValue,
        id: u32,
        store: u8,
        partition: &str,
        name: &str,
        expected: Option<&str>,
    );

    /// Several writes: an array of them in JSON.
    #[wasm_bindgen(method)]
    fn commit(this: &JsHost, call: &JsValue, id: u32, store: u8, partition: &str, writes: &str);

    #[wasm_bindgen(method)]
    fn list(
        this: &JsHost,
        call: &JsValue,
        id: u32,
        store: u8,
        partition: &str,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
    );

    /// A step of a grant where it is stored: the command, and what came of it, are JSON.
    #[wasm_bindgen(method)]
    fn step(this: &JsHost, call: &JsValue, id: u32, partition: &str, name: &str, command: &str);

    #[wasm_bindgen(method)]
    fn generate(this: &JsHost, call: &JsValue, id: u32, algorithm: &str);

    #[wasm_bindgen(method, js_name = import)]
    fn import_key(this: &JsHost, call: &JsValue, id: u32, algorithm: &str, private: &[u8]);

    #[wasm_bindgen(method)]
    fn sign(this: &JsHost, call: &JsValue, id: u32, key: &JsValue, message: &[u8]);

    /// AES-256-GCM.
    #[wasm_bindgen(method)]
    fn encrypt(
        this: &JsHost,
        call: &JsValue,
        id: u32,
        key: &[u8],
        nonce: &[u8],
        context: &str,
        data: &[u8],
    );

    #[wasm_bindgen(method)]
    fn decrypt(
        this: &JsHost,
        call: &JsValue,
        id: u32,
        key: &[u8],
        nonce: &[u8],
        context: &str,
        data: &[u8],
    );

    /// Whether the signature is that of the public JWK.
    #[wasm_bindgen(method)]
    fn verify(
        this: &JsHost,
        call: &JsValue,
        id: u32,
        algorithm: &str,
        public: &str,
        message: &[u8],
        signature: &[u8],
    );

    /// Names and values of a header block, a line each.
    #[wasm_bindgen(method)]
    pub(super) fn headers(this: &JsHost, block: usize, lines: &str);

    #[wasm_bindgen(method)]
    pub(super) fn respond(
        this: &JsHost,
        call: &JsValue,
        status: u16,
        block: usize,
        body: &[u8],
        refresh: bool,
    );

    #[wasm_bindgen(method)]
    pub(super) fn done(this: &JsHost, call: &JsValue, outcome: &str);

    #[wasm_bindgen(method)]
    pub(super) fn refused(this: &JsHost, call: &JsValue, code: &str, message: &str);

    #[wasm_bindgen(method)]
    fn event(this: &JsHost, call: &JsValue, event: &str);

    /// The event of an access token, in UTF-8: there is one for each, and a text costs more to hand over.
    #[wasm_bindgen(method)]
    fn issued(this: &JsHost, call: &JsValue, event: &[u8]);

    /// Counts a failure of this name; answered by whether it was within the limit.
    #[wasm_bindgen(method)]
    fn limit(this: &JsHost, call: &JsValue, id: u32, claim: &str);

    /// Further claims of an access token: what it is for, in lines; answered by JSON.
    #[wasm_bindgen(method)]
    fn claims(this: &JsHost, call: &JsValue, id: u32, context: &str);
}

/// The core's surroundings in JavaScript.
pub(super) struct WasmHost {
    js: Rc<JsHost>,
    exchange: Rc<Exchange>,
    directory: WasmStore,
    grants: Option<WasmStore>,
    offers: Offers,
    pool: RefCell<Pool>,
}

/// One of the two stores: the first is the directory's, the second that of the grants.
pub(super) struct WasmStore {
    js: Rc<JsHost>,
    exchange: Rc<Exchange>,
    number: u8,
    promises: Promises,
}

/// What a store promises, and what it can do, as the bits of a number.
#[derive(Clone, Copy)]
pub(super) struct Promises(pub(super) u8);

impl Promises {
    /// It is there at all.
    const PRESENT: u8 = 1;
    const ATOMIC: u8 = 2;
    const READ_YOUR_WRITES: u8 = 4;
    /// It takes the steps of grants where it keeps them.
    const STEPS: u8 = 8;
    /// It makes several writes or none.
    const TRANSACTIONS: u8 = 16;

    fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }
}

/// What JavaScript offers beside the stores, as the bits of a number.
#[derive(Clone, Copy)]
pub(super) struct Offers(pub(super) u8);

impl Offers {
    /// Somebody listens to `token_issued`.
    const ISSUANCES: u8 = 1;
    /// There is a limiter of failures.
    const LIMITER: u8 = 2;
    /// There is a hook for further claims.
    const CLAIMS: u8 = 4;

    fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }
}

impl WasmHost {
    pub(super) fn new(
        js: &Rc<JsHost>,
        exchange: &Rc<Exchange>,
        [directory, grants]: [Promises; 2],
        offers: Offers,
    ) -> Self {
        let store = |number, promises| WasmStore {
            js: Rc::clone(js),
            exchange: Rc::clone(exchange),
            number,
            promises,
        };
        Self {
            js: Rc::clone(js),
            exchange: Rc::clone(exchange),
            directory: store(0, directory),
            grants: grants.has(Promises::PRESENT).then(|| store(1, grants)),
            offers,
            pool: RefCell::default(),
        }
    }
}

impl Host for WasmHost {
    const DIALECTS: bool = cfg!(feature = "dialects");

    type Store = WasmStore;
    type Grants = WasmStore;
    type Signer = Self;
    type Entropy = Self;
    type Events = Self;

    fn store(&self) -> &WasmStore {
        &self.directory
    }

    fn grants(&self) -> Option<&WasmStore> {
        self.grants.as_ref()
    }

    fn signer(&self) -> &Self {
        self
    }

    fn entropy(&self) -> &Self {
        self
    }

    fn events(&self) -> &Self {
        self
    }

    async fn limit(&self, claim: &str) -> Result<bool, String> {
        if !self.offers.has(Offers::LIMITER) {
            return Ok(true);
        }
        let begin = |call: &JsValue, id| self.js.limit(call, id, claim);
        match self.exchange.perform(begin).await {
            Answer::Verified(within) => Ok(within),
            other => Err(why(other)),
        }
    }

    fn has_claims(&self) -> bool {
        self.offers.has(Offers::CLAIMS)
    }

    async fn claims(&self, context: &str) -> Result<(UnixTime, String), String> {
        let begin = |call: &JsValue, id| self.js.claims(call, id, context);
        let mut claims = stepped(self.exchange.perform(begin).await).map_err(why)?;
        // The time comes after them: `{...}1795236000`.
        let end = claims.rfind('}').map_or(0, |last| last + 1);
        let now = claims.split_off(end).parse().unwrap_or_default();
        Ok((UnixTime::from_secs(now), claims))
    }
}

impl Entropy for WasmHost {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        self.pool.borrow_mut().fill(bytes)
    }
}

/// Bytes drawn from the host ahead of need: asking it for 16 bytes costs as much as the rest of a
/// request does in wasm. What has been handed out is wiped here.
#[derive(Default)]
struct Pool {
    drawn: Zeroizing<Vec<u8>>,
}

impl Pool {
    const SIZE: usize = 1_024;

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        if self.drawn.len() < bytes.len() {
            self.drawn.resize(Self::SIZE.max(bytes.len()), 0);
            getrandom::fill(&mut self.drawn).map_err(|_| {
                // Nothing half drawn is ever handed out.
                self.drawn.clear();
                EntropyError
            })?;
        }
        let rest = self.drawn.len() - bytes.len();
        for (to, from) in bytes.iter_mut().zip(self.drawn.iter_mut().skip(rest)) {
            *to = std::mem::take(from);
        }
        self.drawn.truncate(rest);
        Ok(())
    }
}

impl EventSink for WasmHost {
    fn emit(&self, event: Event) {
        self.js.event(&self.exchange.call(), &event.to_json());
    }

    fn issued(&self, issuance: &Issuance<'_>) {
        if self.offers.has(Offers::ISSUANCES) {
            let text = issuance.to_json();
            self.js.issued(&self.exchange.call(), text.as_bytes());
        }
    }
}

impl WasmStore {
    async fn perform<T>(
        &self,
        begin: impl FnOnce(&JsValue, u32) + Unpin,
        read: fn(Answer) -> Result<T, Answer>,
    ) -> Result<T, StoreError> {
        let answer = self.exchange.perform(begin).await;
        read(answer).map_err(|other| StoreError::Unavailable(why(other)))
    }
}

impl Store for WasmStore {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let begin = |call: &JsValue, id| {
            let (partition, name) = (key.partition().as_str(), key.name());
            self.js.get(call, id, self.number, partition, name);
        };
        self.perform(begin, found).await
    }

    async fn put(
        &self,
        key: &Key,
        value: &str,
        expected: Expected,
        expires_at: Option<UnixTime>,
    ) -> Result<Put, StoreError> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "exact for the next 285 million years"
        )]
        let expires_at = expires_at.map(|time| time.secs() as f64);
        let begin = |call: &JsValue, id| {
            let (partition, name) = (key.partition().as_str(), key.name());
            let (store, expected) = (self.number, version(&expected));
            self.js.put(
                call, id, store, partition, name, value, expected, expires_at,
            );
        };
        self.perform(begin, written).await
    }

    async fn delete(&self, key: &Key, expected: Expected) -> Result<Put, StoreError> {
        let begin = |call: &JsValue, id| {
            let (partition, name) = (key.partition().as_str(), key.name());
            let (store, expected) = (self.number, version(&expected));
            self.js.delete(call, id, store, partition, name, expected);
        };
        self.perform(begin, written).await
    }

    async fn commit(&self, partition: &Partition, writes: &[Write]) -> Result<Commit, StoreError> {
        // A store without transactions is given one write after another on the other side.
        let text = json(&writes);
        let begin = |call: &JsValue, id| {
            self.js
                .commit(call, id, self.number, partition.as_str(), &text);
        };
        self.perform(begin, committed).await
    }

    async fn list(
        &self,
        partition: &Partition,
        prefix: &str,
        cursor: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let begin = |call: &JsValue, id| {
            let partition = partition.as_str();
            self.js
                .list(call, id, self.number, partition, prefix, cursor, limit);
        };
        self.perform(begin, listed).await
    }

    fn guarantees(&self) -> Guarantees {
        Guarantees {
            atomic: self.promises.has(Promises::ATOMIC),
            read_your_writes: self.promises.has(Promises::READ_YOUR_WRITES),
            transactions: self.promises.has(Promises::TRANSACTIONS),
        }
    }
}

impl GrantStore for WasmStore {
    async fn step(
        &self,
        grant: &Key,
        user: &Key,
        command: &Command,
        now: UnixTime,
    ) -> Result<Outcome, StoreError> {
        if !self.promises.has(Promises::STEPS) {
            return compare_and_set(self, grant, user, command, now).await;
        }
        // It carries proofs and the key of this grant.
        let text = command.to_json();
        let begin = |call: &JsValue, id| {
            let (partition, name) = (grant.partition().as_str(), grant.name());
            self.js.step(call, id, partition, name, &text);
        };
        let outcome = self.perform(begin, stepped).await?;
        crate::json::read(&outcome).map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}

fn version(expected: &Expected) -> Option<&str> {
    match expected {
        Expected::Absent => None,
        Expected::Version(version) => Some(&version.0),
    }
}

// What an operation brought, if it is of the kind that was asked for.

fn found(answer: Answer) -> Result<Option<Versioned>, Answer> {
    match answer {
        Answer::Found(found) => Ok(found.map(|(value, version)| Versioned {
            value,
            version: Version(version),
        })),
        other => Err(other),
    }
}

fn written(answer: Answer) -> Result<Put, Answer> {
    match answer {
        Answer::Written(version) => Ok(version.map_or(Put::Conflict, |v| Put::Done(Version(v)))),
        other => Err(other),
    }
}

fn committed(answer: Answer) -> Result<Commit, Answer> {
    match answer {
        Answer::Committed(Ok(versions)) => {
            Ok(Commit::Done(versions.into_iter().map(Version).collect()))
        }
        Answer::Committed(Err(at)) => Ok(Commit::Conflict(at as usize)),
        other => Err(other),
    }
}

fn listed(answer: Answer) -> Result<Page, Answer> {
    match answer {
        Answer::Listed(names, cursor) => Ok(Page { names, cursor }),
        other => Err(other),
    }
}

fn stepped(answer: Answer) -> Result<String, Answer> {
    match answer {
        Answer::Stepped(outcome) => Ok(outcome),
        other => Err(other),
    }
}

/// Why an operation brought nothing that could be used.
fn why(outcome: Answer) -> String {
    match outcome {
        Answer::Failed(why) => why,
        _ => "the host answered another question".to_owned(),
    }
}

impl Cipher for WasmHost {
    async fn encrypt(
        &self,
        key: &[u8; 32],
        nonce: &[u8; 12],
        context: &str,
        plain: &[u8],
    ) -> Result<Vec<u8>, SignerError> {
        let begin = |call: &JsValue, id| {
            self.js.encrypt(call, id, key, nonce, context, plain);
        };
        bytes(self.exchange.perform(begin).await)
    }

    async fn decrypt(
        &self,
        key: &[u8; 32],
        nonce: &[u8; 12],
        context: &str,
        sealed: &[u8],
    ) -> Result<Vec<u8>, SignerError> {
        let begin = |call: &JsValue, id| {
            self.js.decrypt(call, id, key, nonce, context, sealed);
        };
        bytes(self.exchange.perform(begin).await)
    }
}

fn bytes(answer: Answer) -> Result<Vec<u8>, SignerError> {
    match answer {
        Answer::Bytes(bytes) => Ok(bytes),
        other => Err(SignerError::Failed(why(other))),
    }
}

impl Signer for WasmHost {
    /// A non-extractable `CryptoKey`.
    type Key = JsValue;

    async fn generate(&self, algorithm: Algorithm) -> Result<GeneratedKey, SignerError> {
        let begin = |call: &JsValue, id| self.js.generate(call, id, algorithm.name());
        let (private, public) = match self.exchange.perform(begin).await {
            Answer::Generated(private, public) => (private, public),
            other => return Err(SignerError::Failed(why(other))),
        };
        let private = Zeroizing::new(private);
        let public =
            PublicKey::from_jwk(&public).map_err(|error| SignerError::Failed(error.to_string()))?;
        Ok(GeneratedKey { private, public })
    }

    async fn import(&self, algorithm: Algorithm, private: &[u8]) -> Result<JsValue, SignerError> {
        let begin = |call: &JsValue, id| self.js.import_key(call, id, algorithm.name(), private);
        match self.exchange.perform(begin).await {
            Answer::Imported(key) => Ok(key),
            other => Err(SignerError::Failed(why(other))),
        }
    }

    async fn sign(&self, key: &JsValue, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let begin = |call: &JsValue, id| self.js.sign(call, id, key, message);
        bytes(self.exchange.perform(begin).await)
    }

    async fn verify(
        &self,
        public: &PublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> Result<bool, SignerError> {
        let (name, jwk) = (public.algorithm().name(), public.to_json());
        let begin = |call: &JsValue, id| {
            self.js.verify(call, id, name, &jwk, message, signature);
        };
        match self.exchange.perform(begin).await {
            Answer::Verified(valid) => Ok(valid),
            other => Err(SignerError::Failed(why(other))),
        }
    }
}
