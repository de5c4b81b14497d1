//! The only room that knows JavaScript.
//!
//! No Rust future becomes a promise. [`Engine::start`] polls the request's future itself; where it has
//! to wait, it has handed a host operation (read this key, sign these bytes) to the [`JsHost`] as
//! plain values. JavaScript performs it and resumes the engine with the result, until the answer
//! comes out. So every call into wasm is synchronous, a trap cannot leave a promise hanging, and a
//! request whose data is cached costs two calls and one signature promise.
//!
//! It makes three modules, by the cargo features `tokens`, `dialects` and `administration`: the token
//! service, the same with Entra's and B2C's dialects, and the administration, which neither has in it. All
//! have an `Engine` of the same shape; what differs is in `tokens`, `administration` and
//! `Host::DIALECTS`. With all features it is the token service's.

#[cfg(all(feature = "administration", not(feature = "tokens")))]
mod administration;
#[cfg(feature = "contract")]
mod contract;
mod exchange;
mod host;
#[cfg(feature = "tokens")]
mod tokens;

#[cfg(not(any(feature = "tokens", feature = "administration")))]
compile_error!("choose what the wasm is: the feature `tokens` or `administration`");

use std::borrow::Cow;
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};

use serde::Serialize;
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use crate::administration::AdministrationError;
use crate::endpoint::{Body, Request};
use crate::key::{MasterKey, MasterKeys};
use crate::{Config, Issuer, UnixTime};

#[cfg(all(feature = "administration", not(feature = "tokens")))]
use administration as plane;
use exchange::{Answer, Exchange};
pub use host::JsHost;
use host::{Offers, Promises, WasmHost};
#[cfg(feature = "tokens")]
use tokens as plane;
#[cfg(feature = "tokens")]
pub use tokens::step;

/// Seconds after which a request that was not resumed is given up: its client went away and the runtime
/// cancelled what it waited for, or the store took that long.
const PATIENCE: u64 = 120;

/// An error with a stable code, as JavaScript receives it.
fn refusal(code: &str, message: impl ToString) -> String {
    format!("{code}\n{}", message.to_string())
}

/// One issuer and its requests in flight.
#[wasm_bindgen]
pub struct Engine {
    issuer: Rc<Issuer<WasmHost>>,
    host: Rc<JsHost>,
    exchange: Rc<Exchange>,
    blocks: Rc<HeaderBlocks>,
    /// The oldest first. Few are in flight at once: a list is smaller and faster than a map.
    tasks: RefCell<Vec<Task>>,
}

/// The header blocks that responses have had so far. JavaScript is told each once, and only its number
/// from then on: decoding text is the dearest crossing there is.
#[derive(Default)]
struct HeaderBlocks(RefCell<Vec<Headers>>);

type Headers = Vec<(&'static str, Cow<'static, str>)>;

impl HeaderBlocks {
    /// More than there are kinds of responses; a block beyond it takes the place of the last one.
    const MOST: usize = 64;

    fn number(&self, headers: &Headers, host: &JsHost) -> usize {
        let mut blocks = self.0.borrow_mut();
        // Nearly all of them are constants, and need not be compared byte by byte.
        let same = |a: &str, b: &str| std::ptr::eq(a, b) || a == b;
        let is_same = |known: &Headers| {
            known.len() == headers.len()
                && known
                    .iter()
                    .zip(headers)
                    .all(|(known, new)| same(known.0, new.0) && same(&known.1, &new.1))
        };
        if let Some(known) = blocks.iter().position(is_same) {
            return known;
        }
        // An address or a version is never the same twice, and seconds to wait seldom: they take no place,
        // and push nothing out.
        let passes = |name| {
            matches!(
                name,
                "location" | "etag" | "retry-after" | "x-ms-request-id"
            )
        };
        let is_new = headers.iter().any(|(name, _)| passes(*name));
        if is_new {
            host.headers(Self::MOST, &lines(headers));
            return Self::MOST;
        }
        blocks.truncate(Self::MOST - 1);
        blocks.push(headers.clone());
        let number = blocks.len() - 1;
        host.headers(number, &lines(headers));
        number
    }
}

/// Names and values, a line each.
fn lines(headers: &Headers) -> String {
    let lines = headers
        .iter()
        .flat_map(|(name, value)| [*name, value.as_ref()]);
    lines.collect::<Vec<_>>().join("\n")
}

struct Task {
    id: u32,
    future: Pin<Box<dyn Future<Output = ()>>>,
    /// The JavaScript object that is to be told the answer.
    call: Rc<JsValue>,
    started: UnixTime,
}

#[wasm_bindgen]
impl Engine {
    /// An issuer over the operations of `host`: the options of `createIssuer`, and what its stores
    /// promise, as `Promises` counts it, and what else it offers, as `Offers` does.
    ///
    /// # Errors
    /// A code and a message, a line each, if an option is not what it should be.
    #[expect(
        clippy::too_many_arguments,
        reason = "an options object costs 3 KB of gzipped wasm"
    )]
    #[wasm_bindgen(constructor)]
    pub fn new(
        host: JsHost,
        base_url: &str,
        master_key: String,
        previous_master_key: Option<String>,
        cache_ttl: Option<u32>,
        cache_capacity: Option<usize>,
        directory: u8,
        grants: u8,
        offers: u8,
        bootstrap_secret: Option<String>,
    ) -> Result<Self, String> {
        let mut config = Config::new(base_url).map_err(|error| refusal(error.code(), error))?;
        if let Some(seconds) = cache_ttl {
            config = config
                .cache_ttl(u64::from(seconds))
                .map_err(|error| refusal(error.code(), error))?;
        }
        if let Some(records) = cache_capacity {
            config = config.cache_capacity(records);
        }
        let parse = |text: String| {
            let text = Zeroizing::new(text);
            MasterKey::parse(&text).map_err(|error| refusal("invalid_master_key", error))
        };
        let previous = previous_master_key.map(parse).transpose()?;
        let masters = MasterKeys::new(parse(master_key)?, previous);
        let exchange = Rc::new(Exchange::default());
        let host = Rc::new(host);
        let promises = [directory, grants].map(Promises);
        let surroundings = WasmHost::new(&host, &exchange, promises, Offers(offers));
        let issuer = Issuer::new(surroundings, config, masters);
        let issuer = issuer.map_err(|error| refusal(error.code(), error))?;
        let issuer = Rc::new(plane::complete(issuer, bootstrap_secret)?);
        Ok(Self {
            issuer,
            host,
            exchange,
            blocks: Rc::default(),
            tasks: RefCell::default(),
        })
    }

    /// Bytes of the largest body that is worth reading.
    #[wasm_bindgen(js_name = maxBody)]
    pub fn max_body() -> usize {
        plane::MAX_BODY
    }

    /// Starts a request. `text` is method, URL, content type, authorization, the client's address, for the
    /// administration `If-Match` and `Idempotency-Key`, after an equals sign if the header is there, and
    /// `client-request-id`, where the URL is one of Microsoft's: a line each, and after these eight the
    /// body: all of it in UTF-8, since JavaScript writes that faster than its glue writes a text. It is the
    /// whole body unless `broken` says that it was too large (1) or broke off (2); `now` is in seconds. The
    /// answer goes to `call` through [`JsHost`], now or after a resumption.
    pub fn start(&self, call: JsValue, text: Vec<u8>, broken: u8, now: f64) {
        let now = seconds(now);
        let text = Zeroizing::new(text);
        let blocks = Rc::clone(&self.blocks);
        let call = Rc::new(call);
        let (issuer, host, answered) = self.handles(&call);
        self.spawn(call, now, async move {
            let mut rest = text.as_slice();
            // Each line is short: it takes less time to look at its bytes than to set up a search.
            let mut line = || {
                let end = rest.iter().position(|byte| *byte == b'\n');
                let (line, after) = rest.split_at(end.unwrap_or(rest.len()));
                rest = after.get(1..).unwrap_or_default();
                // It is nothing else: a `TextEncoder` wrote it.
                str::from_utf8(line).unwrap_or_default()
            };
            let given = |text: &&str| !text.is_empty();
            let request = Request {
                method: line(),
                target: target(line()),
                content_type: Some(line()).filter(given),
                authorization: Some(line()).filter(given),
                address: Some(line()).filter(given),
                if_match: line().strip_prefix('='),
                idempotency_key: line().strip_prefix('='),
                correlation: Some(line()).filter(given),
                body: match broken {
                    0 => Body::Whole(rest),
                    1 => Body::TooLarge,
                    _ => Body::Unreadable,
                },
            };
            let response = plane::answer(&issuer, &request, now).await;
            let block = blocks.number(&response.headers, &host);
            let refresh = issuer.is_refresh_due();
            let body = response.body.as_bytes();
            host.respond(&answered, response.status, block, body, refresh);
        });
    }

    /// Starts an act, in JSON. What came of it goes to `call`.
    pub fn act(&self, call: JsValue, act: String, now: f64) {
        let now = seconds(now);
        let call = Rc::new(call);
        let (issuer, host, answered) = self.handles(&call);
        // It may hold a secret that is brought from elsewhere.
        let act = Zeroizing::new(act);
        let act = plane::Act::parse(&act);
        self.spawn(call, now, async move {
            let done = match act {
                Ok(act) => plane::act(&issuer, act, now).await,
                Err(error) => Err(AdministrationError::Invalid(error.to_string())),
            };
            match done {
                Ok(outcome) => host.done(&answered, &outcome),
                Err(error) => host.refused(&answered, error.code(), &error.to_string()),
            }
        });
    }

    /// Goes on with what waited for operation `id`, a read: the value and version found, if any.
    /// False, here as in the other resumptions, if nothing waits for it any more.
    #[wasm_bindgen(js_name = resumeFound)]
    pub fn resume_found(&self, id: u32, value: Option<String>, version: Option<String>) -> bool {
        self.settle(id, Answer::Found(value.zip(version)))
    }

    /// The same for a write: the new version, unless something else was stored.
    #[wasm_bindgen(js_name = resumeWritten)]
    pub fn resume_written(&self, id: u32, version: Option<String>) -> bool {
        self.settle(id, Answer::Written(version))
    }

    /// The same for several writes: the new versions, or the index of the first that met something else.
    #[wasm_bindgen(js_name = resumeCommitted)]
    pub fn resume_committed(&self, id: u32, versions: Vec<String>, conflict: Option<u32>) -> bool {
        self.settle(id, Answer::Committed(conflict.map_or(Ok(versions), Err)))
    }

    /// The same for a listing.
    #[wasm_bindgen(js_name = resumeListed)]
    pub fn resume_listed(&self, id: u32, names: Vec<String>, cursor: Option<String>) -> bool {
        self.settle(id, Answer::Listed(names, cursor))
    }

    /// The same for a new key pair: PKCS #8, and a JWK in JSON.
    #[wasm_bindgen(js_name = resumeGenerated)]
    pub fn resume_generated(&self, id: u32, private: Vec<u8>, public: String) -> bool {
        self.settle(id, Answer::Generated(private, public))
    }

    /// The same for an imported key.
    #[wasm_bindgen(js_name = resumeImported)]
    pub fn resume_imported(&self, id: u32, key: JsValue) -> bool {
        self.settle(id, Answer::Imported(key))
    }

    /// The same for a signature, or what was encrypted or decrypted.
    #[wasm_bindgen(js_name = resumeBytes)]
    pub fn resume_bytes(&self, id: u32, bytes: Vec<u8>) -> bool {
        self.settle(id, Answer::Bytes(bytes))
    }

    /// The same for a step of a grant, and for the claims of a token: what came of it, in JSON.
    #[wasm_bindgen(js_name = resumeStepped)]
    pub fn resume_stepped(&self, id: u32, outcome: String) -> bool {
        self.settle(id, Answer::Stepped(outcome))
    }

    /// The same for a verification.
    #[wasm_bindgen(js_name = resumeVerified)]
    pub fn resume_verified(&self, id: u32, valid: bool) -> bool {
        self.settle(id, Answer::Verified(valid))
    }

    /// The same for an operation that failed. `why` is for the operator.
    pub fn fail(&self, id: u32, why: String) -> bool {
        self.settle(id, Answer::Failed(why))
    }
}

impl Engine {
    /// What a task holds on to. (A `JsValue` is cloned by a call into JavaScript, an `Rc` is not.)
    fn handles(&self, call: &Rc<JsValue>) -> (Rc<Issuer<WasmHost>>, Rc<JsHost>, Rc<JsValue>) {
        (
            Rc::clone(&self.issuer),
            Rc::clone(&self.host),
            Rc::clone(call),
        )
    }

    fn spawn(&self, call: Rc<JsValue>, now: UnixTime, future: impl Future<Output = ()> + 'static) {
        let id = self.exchange.next_id();
        let task = Task {
            id,
            future: Box::pin(future),
            call,
            started: now,
        };
        self.give_up(now);
        self.poll(task);
    }

    /// Whether anything still waited for the operation. What was given up does not: its call is lost.
    fn settle(&self, operation: u32, outcome: Answer) -> bool {
        let Some(id) = self.exchange.settle(operation, outcome) else {
            return false;
        };
        let mut tasks = self.tasks.borrow_mut();
        let found = tasks.binary_search_by_key(&id, |task| task.id);
        let task = found.map(|at| tasks.remove(at));
        drop(tasks);
        task.map(|task| self.poll(task)).is_ok()
    }

    fn poll(&self, mut task: Task) {
        self.exchange.enter(task.id, Rc::clone(&task.call));
        // Nothing in the core asks to be woken: a task goes on when its operation is resumed.
        let polled = task
            .future
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        if polled.is_pending() {
            let mut tasks = self.tasks.borrow_mut();
            let at = tasks.partition_point(|other| other.id < task.id);
            tasks.insert(at, task);
        }
    }

    /// Drops the oldest request if nobody waits for it any more: at most one a call, which keeps up.
    fn give_up(&self, now: UnixTime) {
        let mut tasks = self.tasks.borrow_mut();
        let is_lost = |task: &Task| now.since(task.started) > PATIENCE;
        let lost = tasks.first().is_some_and(is_lost).then(|| tasks.remove(0));
        drop(tasks);
        drop(lost);
    }
}

/// The request target of a URL: what follows the authority, without the fragment.
fn target(url: &str) -> &str {
    let after_scheme = url.split_once(':').map_or(url, |(_, rest)| rest);
    let after_scheme = after_scheme.strip_prefix("//").unwrap_or(after_scheme);
    let target = after_scheme
        .find('/')
        .and_then(|slash| after_scheme.get(slash..));
    let target = target.unwrap_or("/");
    target.split_once('#').map_or(target, |(target, _)| target)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and a clock before 1970 or beyond 2^64 is no clock"
)]
fn seconds(now: f64) -> UnixTime {
    UnixTime::from_secs(now as u64)
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
