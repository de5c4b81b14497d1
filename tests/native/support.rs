//! The world that a test puts around an issuer, and the sentences that tests are made of.

mod flow;
mod host;
mod http;
mod jwt;
pub(crate) mod session;

use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use base64ct::{Base64UrlUnpadded, Encoding};
use edgemint::administration::{AdministrationError, Command};
use edgemint::event::Event;
use edgemint::key::{MasterKey, MasterKeys};
use edgemint::store::{Key, Partition};
use edgemint::{Config, Issuer};
use serde_json::{Value, json};

pub(crate) use flow::{
    App, BOTH, CALLBACK, CHALLENGE, Destination, LOGIN, READ, STATE, Tokens, VERIFIER,
};
pub(crate) use host::{
    Clock, PutFault, RSA_JWK, STORE_DETAIL, Seeded, Surroundings, TestHost, rsa_stand_in,
};
pub(crate) use http::{Answer, Call, is_description, percent_encode_all};
pub(crate) use jwt::{Token, thumbprint};

/// The origin that every issuer here is at.
pub(crate) const ORIGIN: &str = "https://auth.example.com";
/// Seconds that a record is cached in a world that says nothing else.
pub(crate) const TTL: u64 = 30;

/// One location: an issuer with a cache of its own, over surroundings that it may share with others.
pub(crate) struct World {
    pub(crate) issuer: Issuer<TestHost>,
    pub(crate) around: Rc<Surroundings>,
}

/// What most acts answer, as far as tests ask for it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) client_id: Option<String>,
    /// Of a secret, or of a signing key.
    pub(crate) key_id: Option<String>,
    pub(crate) secret: Option<String>,
    pub(crate) hint: Option<String>,
    pub(crate) ends: Option<u64>,
}

/// An application as its owner knows it.
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) key_id: String,
}

impl Client {
    /// A token request of this client by Basic authentication.
    pub(crate) fn asks(&self, scope: &str) -> Call {
        Call::token()
            .basic(&self.id, &self.secret)
            .with("scope", scope)
    }
}

impl World {
    /// Nothing is stored.
    pub(crate) fn empty() -> Self {
        Self::around(&Rc::default(), masters(1, None), config())
    }

    /// The tenant `demo` with a login page, with `api://orders` (roles `Orders.Read.All` and
    /// `Orders.Write.All`, scopes `Orders.Read` and `Orders.Write`) and `api://billing` (role
    /// `Billing.Read`, assignment required; scope `Bills.Read`).
    pub(crate) fn demo() -> Self {
        let world = Self::empty();
        world.administer(json!({"createTenant": {"tenant": "demo", "loginUrl": LOGIN}}));
        world.administer(json!({"createApi": {
            "tenant": "demo",
            "identifier": "api://orders",
            "roles": [{"value": "Orders.Read.All"}, {"value": "Orders.Write.All"}],
            "scopes": [
                {"value": "Orders.Write"},
                {"value": "Orders.Read", "displayName": "See your orders"},
            ],
        }}));
        world.administer(json!({"createApi": {
            "tenant": "demo",
            "identifier": "api://billing",
            "roles": [{"value": "Billing.Read"}],
            "scopes": [{"value": "Bills.Read"}],
            "assignmentRequired": true,
        }}));
        world
    }

    /// An issuer over these surroundings.
    pub(crate) fn around(around: &Rc<Surroundings>, masters: MasterKeys, config: Config) -> Self {
        Self {
            issuer: Issuer::new(TestHost(Rc::clone(around)), config, masters).unwrap(),
            around: Rc::clone(around),
        }
    }

    /// Another location over the same store: its cache is empty.
    pub(crate) fn elsewhere(&self) -> Self {
        self.elsewhere_with(masters(1, None))
    }

    /// Another location with other master keys.
    pub(crate) fn elsewhere_with(&self, masters: MasterKeys) -> Self {
        Self::around(&self.around, masters, config())
    }

    /// An application with one secret and these roles on `api://orders`.
    pub(crate) fn client(&self, roles: &[&str]) -> Client {
        let outcome = self.administer(json!({"createApplication": {"tenant": "demo"}}));
        let id = outcome.client_id.unwrap();
        self.assign(&id, "api://orders", roles);
        let secret = self.add_secret(&id, json!({}));
        Client { id, ..secret }
    }

    /// Grants roles on an API.
    pub(crate) fn assign(&self, client_id: &str, api: &str, roles: &[&str]) {
        self.administer(json!({"assignRoles": {
            "tenant": "demo", "clientId": client_id, "api": api, "roles": roles,
        }}));
    }

    /// Adds a secret; `members` are those of the command beside tenant and application.
    pub(crate) fn add_secret(&self, client_id: &str, mut members: Value) -> Client {
        let imported = members["secret"].as_str().map(str::to_owned);
        members["tenant"] = json!("demo");
        members["clientId"] = json!(client_id);
        let outcome = self.administer(json!({ "addSecret": members }));
        Client {
            id: client_id.to_owned(),
            secret: outcome.secret.or(imported).unwrap(),
            key_id: outcome.key_id.unwrap(),
        }
    }

    /// Carries out an act of administration that must succeed.
    #[track_caller]
    pub(crate) fn administer(&self, command: Value) -> Outcome {
        let text = command.to_string();
        self.try_administer(command)
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// Carries out an act of administration.
    #[track_caller]
    pub(crate) fn try_administer(&self, command: Value) -> Result<Outcome, AdministrationError> {
        let document = self.try_document(&command)?;
        let text = |name: &str| document[name].as_str().map(str::to_owned);
        Ok(Outcome {
            client_id: text("clientId"),
            key_id: text("keyId").or(text("kid")),
            secret: text("secret"),
            hint: text("hint"),
            ends: document["ends"].as_u64(),
        })
    }

    /// Carries out an act of administration that must succeed: what it answers.
    #[track_caller]
    pub(crate) fn document(&self, command: &Value) -> Value {
        self.try_document(command)
            .unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Carries out an act of administration: what it answers.
    #[track_caller]
    pub(crate) fn try_document(&self, command: &Value) -> Result<Value, AdministrationError> {
        let command = Command::parse(&command.to_string()).expect("a well-formed command");
        // What a test arranges is not what it listens to.
        let heard = self.around.events.take();
        let done = block_on(self.issuer.administer(command, self.around.clock.now()));
        self.around.events.restore(heard);
        Ok(serde_json::from_str(&done?).expect("JSON"))
    }

    /// Answers a request at the present moment.
    pub(crate) fn send(&self, call: &Call) -> Answer {
        let (request, now) = (call.request(), self.around.clock.now());
        // As the host does, which has the administration in a program of its own.
        let is_administration = request.path().contains("/admin/v1/")
            && !request.path().contains("/admin/v1/authorizations/");
        Answer(if is_administration {
            block_on(self.issuer.administer_request(&request, now))
        } else {
            block_on(self.issuer.handle(&request, now))
        })
    }

    /// Reads a public document.
    pub(crate) fn get(&self, target: &str) -> Answer {
        self.send(&Call::get(target))
    }

    /// Does what the host does after an answer is out.
    pub(crate) fn refresh(&self) {
        block_on(self.issuer.refresh(self.around.clock.now()));
    }

    /// The access token of an answer, its signature verified against the JWKS of this moment.
    #[track_caller]
    pub(crate) fn token(&self, answer: &Answer) -> Token {
        let answer = answer.accepted();
        let compact = answer["access_token"].as_str().unwrap();
        self.verify(compact)
            .expect("a token signed by a published key")
    }

    /// Verifies a token as an API does: by a key of the JWKS as it is now.
    pub(crate) fn verify(&self, compact: &str) -> Option<Token> {
        let jwks = self.get("/demo/.well-known/jwks.json").accepted();
        Token::verify(compact, jwks["keys"].as_array()?)
    }

    /// The key ids of the JWKS.
    pub(crate) fn published(&self) -> Vec<String> {
        let jwks = self.get("/demo/.well-known/jwks.json").accepted();
        let keys = jwks["keys"].as_array().unwrap();
        keys.iter()
            .map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    }

    /// The number of reads from the store that `act` causes.
    pub(crate) fn reads_during(&self, act: impl FnOnce()) -> usize {
        let before = self.around.store.reads();
        act();
        self.around.store.reads() - before
    }

    /// The events since the last call.
    pub(crate) fn events(&self) -> Vec<Event> {
        self.around.events.take()
    }
}

/// Waits for what never waits: nothing here is done by anybody else. Unlike that of an executor, it may be
/// called from within: what happens in the middle of an act is an act, too.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return done;
        }
    }
}

/// The configuration of a world that says nothing else.
pub(crate) fn config() -> Config {
    Config::new(ORIGIN).unwrap()
}

/// Master keys made of one repeated byte each.
pub(crate) fn masters(current: u8, previous: Option<u8>) -> MasterKeys {
    let key = |byte| MasterKey::parse(&Base64UrlUnpadded::encode_string(&[byte; 32])).unwrap();
    MasterKeys::new(key(current), previous.map(key))
}

/// A key of the tenant `demo`.
pub(crate) fn key(name: &str) -> Key {
    Key::new(Partition::new("directory/demo").unwrap(), name).unwrap()
}
