//! Requests as a client makes them, and what it can say of an answer.

use std::fmt::Write as _;

use base64ct::{Base64, Encoding};
use edgemint::endpoint::{Body, Request, Response};
use serde_json::Value;

/// A request under construction: by default what a token request needs to be.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    method: String,
    target: String,
    content_type: Option<String>,
    authorization: Option<String>,
    if_match: Option<String>,
    idempotency_key: Option<String>,
    address: Option<String>,
    correlation: Option<String>,
    form: Vec<(String, String)>,
    raw_body: Option<Sent>,
    encoded: Vec<u8>,
}

/// A body that is not the form's.
#[derive(Debug, Clone)]
enum Sent {
    Bytes,
    TooLarge,
    Unreadable,
}

impl Call {
    /// A client credentials request to the tenant `demo` without any credentials.
    pub(crate) fn token() -> Self {
        Self::form("/demo/oauth2/token").with("grant_type", "client_credentials")
    }

    /// An empty form to an endpoint.
    pub(crate) fn form(target: &str) -> Self {
        Self::get(target)
            .method("POST")
            .content_type(Some("application/x-www-form-urlencoded"))
    }

    /// A GET without a body.
    pub(crate) fn get(target: &str) -> Self {
        Self {
            method: "GET".into(),
            target: target.into(),
            content_type: None,
            authorization: None,
            if_match: None,
            idempotency_key: None,
            address: None,
            correlation: None,
            form: Vec::new(),
            raw_body: None,
            encoded: Vec::new(),
        }
    }

    pub(crate) fn method(mut self, method: &str) -> Self {
        method.clone_into(&mut self.method);
        self
    }

    pub(crate) fn target(mut self, target: &str) -> Self {
        target.clone_into(&mut self.target);
        self
    }

    pub(crate) fn content_type(mut self, content_type: Option<&str>) -> Self {
        self.content_type = content_type.map(str::to_owned);
        self
    }

    /// Adds a parameter, also one that is there already.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.form.push((name.to_owned(), value.to_owned()));
        self.encode()
    }

    /// Removes a parameter.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.form.retain(|(known, _)| known != name);
        self.encode()
    }

    /// RFC 6749 section 2.3.1: id and secret form-encoded, in the body.
    pub(crate) fn post(self, id: &str, secret: &str) -> Self {
        self.with("client_id", id).with("client_secret", secret)
    }

    /// RFC 6749 section 2.3.1: id and secret form-encoded, then as RFC 7617 says.
    pub(crate) fn basic(self, id: &str, secret: &str) -> Self {
        let pair = format!("{}:{}", percent_encode(id), percent_encode(secret));
        let header = format!("Basic {}", Base64::encode_string(pair.as_bytes()));
        self.authorization(&header)
    }

    pub(crate) fn authorization(mut self, header: &str) -> Self {
        self.authorization = Some(header.to_owned());
        self
    }

    /// Comes from this address.
    pub(crate) fn from(mut self, address: &str) -> Self {
        self.address = Some(address.to_owned());
        self
    }

    /// Calls the request by this name.
    pub(crate) fn correlation(mut self, id: &str) -> Self {
        self.correlation = Some(id.to_owned());
        self
    }

    /// Sends these bytes in place of the form.
    pub(crate) fn body(mut self, bytes: &[u8]) -> Self {
        self.raw_body = Some(Sent::Bytes);
        self.encoded = bytes.to_vec();
        self
    }

    /// Sends a JSON document.
    pub(crate) fn json(self, document: &Value) -> Self {
        self.content_type(Some("application/json"))
            .body(document.to_string().as_bytes())
    }

    /// RFC 6750 section 2.1.
    pub(crate) fn bearer(self, token: &str) -> Self {
        self.authorization(&format!("Bearer {token}"))
    }

    pub(crate) fn if_match(mut self, tag: &str) -> Self {
        self.if_match = Some(tag.to_owned());
        self
    }

    pub(crate) fn idempotency_key(mut self, key: &str) -> Self {
        self.idempotency_key = Some(key.to_owned());
        self
    }

    /// The host did not read the body since it is too large.
    pub(crate) fn body_too_large(mut self) -> Self {
        self.raw_body = Some(Sent::TooLarge);
        self
    }

    /// The connection broke off.
    pub(crate) fn body_unreadable(mut self) -> Self {
        self.raw_body = Some(Sent::Unreadable);
        self
    }

    /// The form as it is sent.
    pub(crate) fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    pub(crate) fn request(&self) -> Request<'_> {
        Request {
            method: &self.method,
            target: &self.target,
            content_type: self.content_type.as_deref(),
            authorization: self.authorization.as_deref(),
            if_match: self.if_match.as_deref(),
            idempotency_key: self.idempotency_key.as_deref(),
            address: self.address.as_deref(),
            correlation: self.correlation.as_deref(),
            body: match self.raw_body {
                None | Some(Sent::Bytes) => Body::Whole(&self.encoded),
                Some(Sent::TooLarge) => Body::TooLarge,
                Some(Sent::Unreadable) => Body::Unreadable,
            },
        }
    }

    fn encode(mut self) -> Self {
        let pairs = self.form.iter();
        let pairs = pairs
            .map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value)));
        self.encoded = pairs.collect::<Vec<_>>().join("&").into_bytes();
        self
    }
}

/// RFC 6749 appendix B, as most libraries write it: a space is a plus.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            b'-' | b'.' | b'_' => encoded.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => encoded.push(char::from(byte)),
            byte => write!(encoded, "%{byte:02X}").unwrap(),
        }
    }
    encoded
}

/// The most cautious spelling: every byte in percent-encoding.
pub(crate) fn percent_encode_all(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        write!(encoded, "%{byte:02x}").unwrap();
        encoded
    })
}

/// Whether a text has only the characters of an `error_description`: RFC 6749 section 5.2.
pub(crate) fn is_description(text: &str) -> bool {
    text.bytes()
        .all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer(pub(crate) Response);

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.0.status
    }

    /// The only header of that name.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.0.headers.iter().filter(|(known, _)| *known == name);
        let value = found.next().map(|(_, value)| value.as_ref());
        assert!(found.next().is_none(), "{name} is sent twice: {self:?}");
        value
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_str(&self.0.body).expect("a JSON body")
    }

    /// The document of an answer that must be a success.
    #[track_caller]
    pub(crate) fn accepted(&self) -> Value {
        assert_eq!(self.status(), 200, "{self:?}");
        self.json()
    }

    /// Checks that this is a problem document (RFC 9457) with this code. Returns what it says of it.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> String {
        let document: Value = serde_json::from_str(&self.0.body).expect("a problem document");
        let seen = (self.status(), document["code"].as_str());
        assert_eq!(seen, (status, Some(code)), "{self:?}");
        assert_eq!(document["status"], status);
        assert_eq!(document["type"], "about:blank");
        assert!(document["title"].is_string(), "{document}");
        let content_type = self.header("content-type");
        assert_eq!(content_type, Some("application/problem+json"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        document["detail"].as_str().expect("a text").to_owned()
    }

    /// Checks that this is an error of RFC 6749 section 5.2, whole and with nothing beside it.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, error: &str) {
        assert_eq!(self.status(), status, "{self:?}");
        let body = self.json();
        let members = body.as_object().expect("an object");
        assert_eq!(members["error"], error, "{self:?}");
        let description = members["error_description"].as_str().expect("a text");
        assert!(is_description(description), "{description:?}");
        assert_eq!(members.len(), 2, "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert_eq!(self.header("pragma"), Some("no-cache"));
    }

    /// Whether a text is anywhere in the answer.
    pub(crate) fn mentions(&self, text: &str) -> bool {
        self.0.body.contains(text) || self.0.headers.iter().any(|(_, value)| value.contains(text))
    }
}
