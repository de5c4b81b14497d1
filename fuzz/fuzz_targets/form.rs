//! The parser of forms: any bytes have an answer, and what is accepted says the same in the most
//! cautious spelling.
//!
//! Run it with `cargo +nightly fuzz run form`, or on stable with
//! `RUSTC_BOOTSTRAP=1 cargo fuzz run -s none form`.
#![no_main]

use std::fmt::Write as _;

use edgemint::endpoint::form::Form;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(form) = Form::parse(bytes) else {
        return;
    };
    let mut spelled = String::new();
    for (name, value) in form.iter() {
        let separator = if spelled.is_empty() { "" } else { "&" };
        spelled.push_str(separator);
        percent_encode_all(&mut spelled, name);
        spelled.push('=');
        percent_encode_all(&mut spelled, value);
    }
    assert_eq!(Form::parse(spelled.as_bytes()), Ok(form));
});

/// Writes every byte in percent-encoding.
fn percent_encode_all(to: &mut String, text: &str) {
    for byte in text.bytes() {
        write!(to, "%{byte:02X}").expect("a String takes everything");
    }
}
