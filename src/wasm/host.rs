//! The core's traits, on operations that JavaScript performs.

use std::cell::RefCell;
use std::rc::Rc;

use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use super::exchange::{Exchange, Outcome};
use super::json;
use crate::entropy::{Entropy, EntropyError};
use crate::event::{Event, EventSink};
use crate::key::{Algorithm, GeneratedKey, PublicKey, Signer, SignerError};
use crate::store::{
    Expected, Guarantees, Key, Page, Partition, Put, Store, StoreError, Version, Versioned,
};
use crate::{Host, UnixTime};

#[wasm_bindgen]
extern "C" {
    /// What JavaScript provides: see `pkg/driver.js`. An operation must not call back into wasm
    /// before it has returned, and must not throw.
    pub type JsHost;

    #[wasm_bindgen(method)]
    fn get(this: &JsHost, call: &JsValue, id: u32, partition: &str, name: &str);

    #[wasm_bindgen(method)]
    fn put(
        this: &JsHost,
        call: &JsValue,
        id: u32,
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
        partition: &str,
        name: &str,
        expected: Option<&str>,
    );

    #[wasm_bindgen(method)]
    fn list(
        this: &JsHost,
        call: &JsValue,
        id: u32,
        partition: &str,
        prefix: &str,
        cursor: Option<&str>,
    );

    #[wasm_bindgen(method)]
    fn generate(this: &JsHost, call: &JsValue, id: u32, algorithm: &str);

    #[wasm_bindgen(method, js_name = import)]
    fn import_key(this: &JsHost, call: &JsValue, id: u32, algorithm: &str, private: &[u8]);

    #[wasm_bindgen(method)]
    fn sign(this: &JsHost, call: &JsValue, id: u32, key: &JsValue, message: &[u8]);

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
    fn event(this: &JsHost, event: &str);
}

/// The core's surroundings in JavaScript.
pub(super) struct WasmHost {
    js: Rc<JsHost>,
    exchange: Rc<Exchange>,
    guarantees: Guarantees,
    pool: RefCell<Pool>,
}

impl WasmHost {
    pub(super) fn new(js: Rc<JsHost>, exchange: Rc<Exchange>, guarantees: Guarantees) -> Self {
        Self {
            js,
            exchange,
            guarantees,
            pool: RefCell::default(),
        }
    }
}

impl Host for WasmHost {
    type Store = Self;
    type Signer = Self;
    type Entropy = Self;
    type Events = Self;

    fn store(&self) -> &Self {
        self
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
        self.js.event(&json(&event));
    }
}

impl Store for WasmHost {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, StoreError> {
        let begin = |call: &JsValue, id| {
            self.js.get(call, id, key.partition().as_str(), key.name());
        };
        match self.exchange.perform(begin).await {
            Outcome::Found(found) => Ok(found.map(|(value, version)| Versioned {
                value,
                version: Version(version),
            })),
            other => Err(StoreError::Unavailable(why(other))),
        }
    }

    async fn put(
        &self,
        key: &Key,
        value: &str,
        expected: Expected,
        expires_at: Option<UnixTime>,
    ) -> Result<Put, StoreError> {
        let (partition, name) = (key.partition().as_str(), key.name());
        #[expect(
            clippy::cast_precision_loss,
            reason = "exact for the next 285 million years"
        )]
        let expires_at = expires_at.map(|time| time.secs() as f64);
        let begin = |call: &JsValue, id| {
            self.js.put(
                call,
                id,
                partition,
                name,
                value,
                version(&expected),
                expires_at,
            );
        };
        written(self.exchange.perform(begin).await)
    }

    async fn delete(&self, key: &Key, expected: Expected) -> Result<Put, StoreError> {
        let begin = |call: &JsValue, id| {
            let (partition, name) = (key.partition().as_str(), key.name());
            self.js
                .delete(call, id, partition, name, version(&expected));
        };
        written(self.exchange.perform(begin).await)
    }

    async fn list(
        &self,
        partition: &Partition,
        prefix: &str,
        cursor: Option<&str>,
    ) -> Result<Page, StoreError> {
        let begin = |call: &JsValue, id| {
            self.js.list(call, id, partition.as_str(), prefix, cursor);
        };
        match self.exchange.perform(begin).await {
            Outcome::Listed(names, cursor) => Ok(Page { names, cursor }),
            other => Err(StoreError::Unavailable(why(other))),
        }
    }

    fn guarantees(&self) -> Guarantees {
        self.guarantees
    }
}

fn version(expected: &Expected) -> Option<&str> {
    match expected {
        Expected::Absent => None,
        Expected::Version(version) => Some(&version.0),
    }
}

/// The new version, or nothing on a conflict.
fn written(outcome: Outcome) -> Result<Put, StoreError> {
    match outcome {
        Outcome::Written(version) => Ok(version.map_or(Put::Conflict, |v| Put::Done(Version(v)))),
        other => Err(StoreError::Unavailable(why(other))),
    }
}

/// Why an operation brought nothing that could be used.
fn why(outcome: Outcome) -> String {
    match outcome {
        Outcome::Failed(why) => why,
        _ => "the host answered another question".to_owned(),
    }
}

impl Signer for WasmHost {
    /// A non-extractable `CryptoKey`.
    type Key = JsValue;

    async fn generate(&self, algorithm: Algorithm) -> Result<GeneratedKey, SignerError> {
        let begin = |call: &JsValue, id| self.js.generate(call, id, algorithm.name());
        let (private, public) = match self.exchange.perform(begin).await {
            Outcome::Generated(private, public) => (private, public),
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
            Outcome::Imported(key) => Ok(key),
            other => Err(SignerError::Failed(why(other))),
        }
    }

    async fn sign(&self, key: &JsValue, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let begin = |call: &JsValue, id| self.js.sign(call, id, key, message);
        match self.exchange.perform(begin).await {
            Outcome::Signed(signature) => Ok(signature),
            other => Err(SignerError::Failed(why(other))),
        }
    }
}
