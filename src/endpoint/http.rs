//! A request and a response as plain values.

use std::borrow::Cow;

use crate::administration::AdministrationError;
use crate::error::Reason;
use crate::json::Writer;

/// Bytes of the largest body that the token service reads: 16 KiB.
pub const MAX_BODY: usize = 16 * 1_024;

/// Bytes of the largest body that the administration reads: 1 MiB.
pub const MAX_ADMINISTRATION_BODY: usize = 1_024 * 1_024;

/// Seconds after which a caller may try again.
const RETRY_AFTER: &str = "1";

/// What of an HTTP request the service looks at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request<'a> {
    /// The method, in upper case as it is sent.
    pub method: &'a str,
    /// Path and query, as sent: the request target of RFC 9112 section 3.2.1.
    pub target: &'a str,
    /// The `Content-Type` header.
    pub content_type: Option<&'a str>,
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// Where it comes from, if the host knows: an IP address that the client could not make up.
    pub address: Option<&'a str>,
    /// The `If-Match` header: RFC 9110 section 13.1.1.
    pub if_match: Option<&'a str>,
    /// The `Idempotency-Key` header.
    pub idempotency_key: Option<&'a str>,
    /// What the client calls the request: the `client-request-id` header, which only the dialects of Entra and
    /// B2C look at.
    pub correlation: Option<&'a str>,
    /// The body.
    pub body: Body<'a>,
}

/// The body of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'a> {
    /// The whole body. It may hold secrets, which whoever has it wipes: a form only borrows from it.
    Whole(&'a [u8]),
    /// It is larger than [`MAX_BODY`] or [`MAX_ADMINISTRATION_BODY`], so the host did not read it.
    TooLarge,
    /// It broke off.
    Unreadable,
}

impl Default for Body<'_> {
    /// Nothing was sent.
    fn default() -> Self {
        Self::Whole(&[])
    }
}

impl<'a> Request<'a> {
    /// The target up to the question mark.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.target
            .split_once('?')
            .map_or(self.target, |(path, _)| path)
    }

    /// The target after the question mark.
    #[must_use]
    pub fn query(&self) -> &'a str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }
}

/// An HTTP response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case, and values.
    pub headers: Vec<(&'static str, Cow<'static, str>)>,
    /// UTF-8 text.
    pub body: String,
}

impl Response {
    /// A JSON document.
    pub(crate) fn of_json(status: u16, body: String) -> Self {
        let mut headers = Vec::with_capacity(4);
        headers.push(("content-type", Cow::Borrowed("application/json")));
        Self {
            status,
            headers,
            body,
        }
    }

    /// A JSON document as Entra and B2C declare it.
    pub(crate) fn of_dialect(status: u16, body: String) -> Self {
        let mut response = Self::of_json(status, body);
        response.headers.clear();
        response.with("content-type", "application/json; charset=utf-8")
    }

    /// There is nothing to say: RFC 7009 section 2.2.
    pub(crate) fn empty() -> Self {
        let (headers, body) = (Vec::new(), String::new());
        let status = 200;
        Self {
            status,
            headers,
            body,
        }
        .uncached()
    }

    /// Sends a browser elsewhere; what is in the address is told to nobody else.
    pub(crate) fn redirect(location: String) -> Self {
        Self {
            status: 302,
            ..Self::empty()
        }
        .with("location", location)
        .with("referrer-policy", "no-referrer")
    }

    /// What a person sees if there is nobody to send the browser to.
    pub(crate) fn page(reason: &Reason) -> Self {
        let wire = reason.wire();
        // Fixed texts that need no escaping.
        let body = format!(
            include_str!("refusal.html"),
            error = wire.error,
            description = wire.description
        );
        let headers = vec![
            ("content-type", Cow::Borrowed("text/html; charset=utf-8")),
            (
                "content-security-policy",
                Cow::Borrowed(
                    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
                ),
            ),
        ];
        let status = match wire.status {
            // There is no way to authenticate here.
            401 => 400,
            status => status,
        };
        let response = Self {
            status,
            headers,
            body,
        }
        .uncached();
        response.hint(reason)
    }

    /// The same with one more header.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Kept by nobody: RFC 6749 section 5.1.
    pub(crate) fn uncached(self) -> Self {
        self.with("cache-control", "no-store")
            .with("pragma", "no-cache")
    }

    /// A public document: any page may read it, any cache may keep it for `max_age` seconds.
    pub(crate) fn public(self, max_age: u32) -> Self {
        self.with("cache-control", format!("public, max-age={max_age}"))
            .with("access-control-allow-origin", "*")
    }

    /// The error response for a reason: RFC 6749 section 5.2.
    pub(crate) fn refusal(reason: &Reason) -> Self {
        let wire = reason.wire();
        // The descriptions are fixed texts of the characters that section 5.2 allows, and need no
        // escaping; a test holds them to it.
        let body = format!(
            r#"{{"error":"{}","error_description":"{}"}}"#,
            wire.error, wire.description
        );
        let response = Self::of_json(wire.status, body).uncached();
        response.hint(reason).challenge(reason)
    }

    /// What went wrong in the administration: RFC 9457.
    pub(crate) fn problem(error: &AdministrationError) -> Self {
        let (status, code, detail) = match error {
            AdministrationError::Failed(reason) => {
                let wire = reason.wire();
                let description = match reason {
                    Reason::BodyTooLarge => "the body is too large",
                    _ => wire.description,
                };
                (wire.status, wire.error, description.to_owned())
            }
            error => (error.status(), error.code(), error.to_string()),
        };
        let title = match status {
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            409 => "Conflict",
            412 => "Precondition Failed",
            413 => "Content Too Large",
            415 => "Unsupported Media Type",
            422 => "Unprocessable Content",
            429 => "Too Many Requests",
            503 => "Service Unavailable",
            _ => "Internal Server Error",
        };
        // RFC 9457 section 3, with a stable `code`.
        let body = Writer::object(256, |out| {
            out.text("type", "about:blank");
            out.text("title", title);
            out.number("status", status.into());
            out.text("detail", &detail);
            out.text("code", code);
        });
        let mut response = Self::of_json(status, body);
        response.headers.clear();
        let response = response
            .with("content-type", "application/problem+json")
            .uncached();
        match error {
            AdministrationError::Failed(reason) => response.hint(reason).challenge(reason),
            _ => response,
        }
    }

    /// How to come back with what was missing: RFC 6750 section 3.
    fn challenge(self, reason: &Reason) -> Self {
        let challenge = match reason {
            // Who brought nothing is not told of an error.
            Reason::NoToken => "Bearer",
            Reason::InvalidToken(_) => r#"Bearer error="invalid_token""#,
            Reason::RoleMissing => r#"Bearer error="insufficient_scope""#,
            _ if reason.wire().status == 401 => r#"Basic realm="edgemint", charset="UTF-8""#,
            _ => return self,
        };
        self.with("www-authenticate", challenge)
    }

    /// What the caller may do about it.
    pub(crate) fn hint(self, reason: &Reason) -> Self {
        match reason {
            Reason::Method(allowed) => self.with("allow", allowed.clone()),
            Reason::Storage(_) | Reason::ClaimsHook(_) => self.with("retry-after", RETRY_AFTER),
            Reason::TooManyFailures(left) => self.with("retry-after", left.max(&1).to_string()),
            _ => self,
        }
    }
}
