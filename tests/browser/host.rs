//! A host in software, in the browser.

use base64ct::{Base64UrlUnpadded, Encoding};
use edgemint::event::{Event, EventSink, Kind};
use edgemint::key::software::SoftwareSigner;
use edgemint::key::{MasterKey, MasterKeys};
use edgemint::store::{Expected, Key, MemoryStore, Partition, Store};
use edgemint::{Config, Entropy, EntropyError, Host, Issuer, UnixTime};
use jwt_compact::alg::{Ed25519, Es256};
use jwt_compact::jwk::JsonWebKey;
use jwt_compact::{Algorithm, AlgorithmExt, UntrustedToken};
use serde_json::Value;

pub(crate) struct Software {
    store: MemoryStore,
    signer: SoftwareSigner<Random>,
}

pub(crate) struct Random;

impl Entropy for Random {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        getrandom::fill(bytes).map_err(|_| EntropyError)
    }
}

impl EventSink for Random {
    fn emit(&self, event: Event) {
        // What was done is told too; anything else is a failure here.
        if event.kind != Kind::Done {
            panic_on(&event);
        }
    }
}

#[expect(clippy::panic, reason = "a test fails by panicking")]
fn panic_on(event: &Event) {
    panic!("the issuer reported {event:?}");
}

impl Host for Software {
    type Store = MemoryStore;
    type Grants = MemoryStore;
    type Signer = SoftwareSigner<Random>;
    type Entropy = Random;
    type Events = Random;

    fn store(&self) -> &MemoryStore {
        &self.store
    }

    fn grants(&self) -> Option<&MemoryStore> {
        Some(&self.store)
    }

    fn signer(&self) -> &SoftwareSigner<Random> {
        &self.signer
    }

    fn entropy(&self) -> &Random {
        &Random
    }

    fn events(&self) -> &Random {
        &Random
    }
}

/// An issuer over a directory that another one has set up.
pub(crate) async fn issuer(entries: &Value, master_key: &str) -> Issuer<Software> {
    let store = MemoryStore::new(|| UnixTime::from_secs(0));
    for entry in entries.as_array().unwrap() {
        let (partition, name) = entry[0].as_str().unwrap().split_once(':').unwrap();
        let key = Key::new(Partition::new(partition).unwrap(), name).unwrap();
        let value = entry[1].as_str().unwrap();
        store
            .put(&key, value, Expected::Absent, None)
            .await
            .unwrap();
    }
    let host = Software {
        store,
        signer: SoftwareSigner::new(Random),
    };
    let masters = MasterKeys::new(MasterKey::parse(master_key).unwrap(), None);
    Issuer::new(
        host,
        Config::new("https://auth.example.com").unwrap(),
        masters,
    )
    .unwrap()
}

/// Verifies a token with `jwt-compact`.
pub(crate) fn verify_in_software(token: &str, jwks: &str) {
    let jwks: Value = serde_json::from_str(jwks).unwrap();
    let token = UntrustedToken::new(token).unwrap();
    let jwk: JsonWebKey<'static> = serde_json::from_value(jwks["keys"][0].clone()).unwrap();
    match token.algorithm() {
        "ES256" => check(&Es256, (&jwk).try_into().unwrap(), &token),
        _ => check(&Ed25519, (&jwk).try_into().unwrap(), &token),
    }
    assert!(Base64UrlUnpadded::decode_vec(jwks["keys"][0]["kid"].as_str().unwrap()).is_ok());
}

fn check<A: Algorithm>(algorithm: &A, key: A::VerifyingKey, token: &UntrustedToken<'_>) {
    algorithm.validator::<Value>(&key).validate(token).unwrap();
}
