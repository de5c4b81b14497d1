//! What both of the crates are tested with: the service that `world.js` has started, and its people.

use std::time::Duration;
use std::{env, fs};

use oauth2::reqwest::Certificate;
use oauth2::reqwest::blocking::{Client, ClientBuilder};
use oauth2::reqwest::redirect::Policy;
use serde::Deserialize;
use serde_json::{Map, Value};

/// A variable of the environment, which `rust.js` sets.
///
/// # Panics
///
/// If it is not there.
pub fn of_environment(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: see tests/clients/rust.js"))
}

/// The URL of an endpoint of the tenant's.
pub fn endpoint(name: &str) -> String {
    format!("{}/oauth2/{name}", of_environment("ISSUER"))
}

/// A client for HTTP that trusts the service's certificate.
fn trusting() -> ClientBuilder {
    let certificate = fs::read(of_environment("SSL_CERT_FILE")).unwrap();
    Client::builder()
        // A machine that does something else besides is no reason to fail.
        .timeout(Duration::from_secs(120))
        .add_root_certificate(Certificate::from_pem(&certificate).unwrap())
}

/// The client for HTTP as both crates want it: it follows no redirect.
///
/// # Panics
///
/// If there can be none.
pub fn http() -> Client {
    trusting().redirect(Policy::none()).build().unwrap()
}

/// What the authorization endpoint tells the application.
#[derive(Deserialize)]
pub struct Arrived {
    /// RFC 6749 section 4.1.2.
    pub code: String,
    /// What the application sent.
    pub state: String,
    /// RFC 9207 section 2.
    pub iss: String,
}

/// Where a browser arrives in which the user is signed in, and agrees.
///
/// # Panics
///
/// If it arrives elsewhere, or without a code.
pub fn browse(start: &str) -> Arrived {
    let browser = trusting().build().unwrap();
    let answer = browser.get(start).send().unwrap();
    let url = answer.url();
    assert!(
        url.as_str().starts_with(&of_environment("REDIRECT_URI")),
        "{url}"
    );
    let told = url.query_pairs().into_owned();
    let told: Map<String, Value> = told.map(|(name, value)| (name, value.into())).collect();
    serde_json::from_value(told.into()).unwrap()
}

/// Whom the API takes the token's bearer for.
///
/// # Panics
///
/// If it refuses the token.
pub fn known_to_the_api(token: &str) -> String {
    let request = http().get(of_environment("API")).bearer_auth(token);
    let answer = request.send().unwrap().error_for_status().unwrap();
    let told: Value = serde_json::from_str(&answer.text().unwrap()).unwrap();
    told["sub"].as_str().unwrap().to_owned()
}
