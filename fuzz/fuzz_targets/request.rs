//! A whole request through an issuer with a registered application: any input has an answer, and
//! without the secret there is no token.
//!
//! Run it with `cargo +nightly fuzz run request`, or on stable with
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run -s none request`.
//!
//! The first line of the input, split at tabs, is method, target, Content-Type and Authorization (the
//! last two may be missing); the rest is the body. The secret is out of the fuzzer's reach.
#![no_main]

use std::rc::Rc;

use edgemint::administration::Command;
use edgemint::endpoint::{Body, Request, Response};
use edgemint::event::{Event, EventSink};
use edgemint::key::software::SoftwareSigner;
use edgemint::key::{MasterKey, MasterKeys};
use edgemint::store::MemoryStore;
use edgemint::{Config, Entropy, EntropyError, Host, Issuer, UnixTime};
use futures_executor::block_on;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

fuzz_target!(|input: &[u8]| {
    thread_local! {
        // One issuer for all inputs: a request may change nothing.
        static SERVICE: Service = Service::new();
    }
    SERVICE.with(|service| service.answer(input));
});

struct Service {
    issuer: Issuer<FuzzHost>,
    secret: String,
}

impl Service {
    fn new() -> Self {
        let master = MasterKey::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
        let masters = MasterKeys::new(master.expect("a master key"), None);
        let config = Config::new("https://auth.example.com").expect("an origin");
        let issuer = Issuer::new(FuzzHost::new(), config, masters).expect("an atomic store");
        let administer = |command: &str| -> Value {
            let command = Command::parse(command).expect("a command");
            let done = block_on(issuer.administer(command, NOW)).expect("a change");
            serde_json::from_str(&done).expect("JSON")
        };
        administer(r#"{"createTenant":{"tenant":"demo"}}"#);
        administer(
            r#"{"createApi":{"tenant":"demo","identifier":"api://orders","roles":[{"value":"R"}]}}"#,
        );
        administer(r#"{"createApplication":{"tenant":"demo","clientId":"caller"}}"#);
        administer(
            r#"{"assignRoles":{"tenant":"demo","clientId":"caller","api":"api://orders","roles":["R"]}}"#,
        );
        let secret = administer(r#"{"addSecret":{"tenant":"demo","clientId":"caller"}}"#);
        let secret = secret["secret"].as_str().expect("a secret made here");
        let secret = secret.to_owned();
        Self { issuer, secret }
    }

    fn answer(&self, input: &[u8]) {
        let at = input.iter().position(|byte| *byte == b'\n');
        let (line, body) = input.split_at(at.unwrap_or(input.len()));
        let Ok(line) = std::str::from_utf8(line) else {
            return;
        };
        let mut parts = line.split('\t');
        let request = Request {
            method: parts.next().unwrap_or_default(),
            target: parts.next().unwrap_or_default(),
            content_type: parts.next(),
            authorization: parts.next(),
            address: parts.next(),
            body: Body::Whole(body.get(1..).unwrap_or_default()),
            ..Request::default()
        };
        let response = block_on(self.issuer.handle(&request, NOW));
        self.check(&request, &response);
    }

    fn check(&self, request: &Request<'_>, response: &Response) {
        let Response { status, body, .. } = response;
        // The store does not fail here, so neither 500 nor 503 is an answer.
        assert!(
            [200, 400, 401, 403, 404, 405, 413, 414, 415].contains(status),
            "{response:?}"
        );
        assert!(!body.contains(&self.secret), "{response:?}");
        if request.method == "HEAD" {
            assert!(body.is_empty(), "{response:?}");
            return;
        }
        // The authorization endpoint answers a person.
        if request.path().ends_with("/oauth2/authorize") && body.starts_with("<!doctype html>") {
            assert_ne!(*status, 200, "{response:?}");
            return;
        }
        let document: Value = serde_json::from_str(body).expect("a JSON body");
        if *status == 200 {
            // Without the secret only public documents are to be had.
            assert_eq!(request.method, "GET", "{response:?}");
            assert!(document.get("access_token").is_none(), "{response:?}");
        } else {
            assert!(document["error"].is_string(), "{response:?}");
        }
    }
}

struct FuzzHost {
    store: MemoryStore,
    signer: SoftwareSigner<Counter>,
    entropy: Counter,
    events: Ignored,
}

impl FuzzHost {
    fn new() -> Self {
        let entropy = Counter::default();
        Self {
            store: MemoryStore::new(|| NOW),
            signer: SoftwareSigner::new(entropy.clone()),
            entropy,
            events: Ignored,
        }
    }
}

impl Host for FuzzHost {
    type Store = MemoryStore;
    type Grants = MemoryStore;
    type Signer = SoftwareSigner<Counter>;
    type Entropy = Counter;
    type Events = Ignored;

    fn store(&self) -> &MemoryStore {
        &self.store
    }

    fn grants(&self) -> Option<&MemoryStore> {
        Some(&self.store)
    }

    fn signer(&self) -> &SoftwareSigner<Counter> {
        &self.signer
    }

    fn entropy(&self) -> &Counter {
        &self.entropy
    }

    fn events(&self) -> &Ignored {
        &self.events
    }
}

/// Entropy that repeats from run to run, so that a crash does too. It is no secret: the fuzzer does
/// not know how the client's secret is made of it.
#[derive(Clone, Default)]
struct Counter(Rc<std::cell::Cell<u64>>);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for byte in bytes {
            let count = self.0.get() + 1;
            self.0.set(count);
            // The finaliser of SplitMix64.
            let mut mixed = count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            *byte = (mixed >> 56) as u8;
        }
        Ok(())
    }
}

/// An event is made, serialised and dropped.
struct Ignored;

impl EventSink for Ignored {
    fn emit(&self, event: Event) {
        serde_json::to_string(&event).expect("an event is JSON");
    }
}
