//! The reader of JSON: a record is readable if serde_json would read it, and not otherwise.
//!
//! Run it with `cargo +nightly fuzz run json`, or on stable with
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run -s none json`.
//!
//! The input is a member of a stored grant that this version does not know, which ends at once.
#![no_main]

use edgemint::UnixTime;
use edgemint::grant::{Command, Outcome, Step};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

const GRANT: &str = concat!(
    r#""clientId":"f3a1c9e2-0b7d-4c56-9e21-7d2f0c8a4b13","subject":"ada","scopes":[],"claims":{},"#,
    r#""createdAt":1,"usedAt":1,"expiresAt":2,"state":{"pending":{}},"code":{"challenge":"","#,
    r#""expiresAt":2},"salt":"AAECAwQFBgcICQoLDA0ODw","epochs":{"tenant":0,"application":0},"#,
    r#""userEpoch":0,"realm":""}"#,
);

fuzz_target!(|member: &str| {
    // First: of members of one name the last counts.
    let text = ["{\"later\":", member, ",", GRANT].concat();
    let step = Step::take(Some(&text), None, &Command::End {}, UnixTime::from_secs(1));
    let is_read = matches!(step.outcome, Outcome::Done {});
    match serde_json::from_str::<Value>(&text) {
        Ok(_) => assert!(is_read, "{text}"),
        // Digits without end are no number to serde_json.
        Err(error) if error.to_string().starts_with("number out of range") => {}
        Err(_) => assert!(!is_read, "{text}"),
    }
});
