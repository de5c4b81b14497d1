//! Redirection endpoints: RFC 6749 section 3.1.2, RFC 8252 section 7.

use crate::issuer::is_port;
use crate::text::text_type;

text_type! {
    /// A redirection URI: absolute, without fragment, at most 1,024 bytes; `https`, `http` on this
    /// machine's loopback, or an application's own scheme with a dot in it (RFC 8252 section 7.1).
    RedirectUri,
    |text| text.len() <= 1_024
        && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\<>^`{|}#".contains(&byte))
        && is_allowed(text),
    "an `https` URI without fragment (or `http` on localhost, or a scheme such as `com.example.app`)"
}

/// Other schemes could be made to run in a browser (`javascript:`) or belong to somebody else.
fn is_allowed(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let authority = rest
        .strip_prefix("//")
        .and_then(|rest| rest.split(['/', '?']).next())
        .unwrap_or_default();
    // Who is shown before an `@` is not who is asked.
    match scheme {
        "https" => !authority.is_empty() && !authority.contains('@'),
        "http" => is_loopback(authority) || host(authority) == "localhost",
        _ => {
            scheme.contains('.')
                && scheme.starts_with(|first: char| first.is_ascii_lowercase())
                && scheme
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b))
                && !rest.is_empty()
        }
    }
}

impl RedirectUri {
    /// Whether this registered URI is the one asked for: byte by byte (RFC 9700 section 2.1), save that a
    /// native application may listen on any port of the loopback address (RFC 8252 section 7.3).
    pub(crate) fn admits(&self, asked: &Self) -> bool {
        self == asked
            || matches!(
                (without_port(self.as_str()), without_port(asked.as_str())),
                (Some(registered), Some(asked)) if registered == asked
            )
    }
}

/// A loopback URI around its port; `None` for any other URI.
fn without_port(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("http://")?;
    let (authority, path) = rest.split_at_checked(rest.find(['/', '?']).unwrap_or(rest.len()))?;
    is_loopback(authority).then_some((host(authority), path))
}

fn is_loopback(authority: &str) -> bool {
    ["127.0.0.1", "[::1]"].contains(&host(authority))
}

/// The authority without a well-formed port.
fn host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if is_port(port) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_uri_leads_to_the_application_and_nowhere_else() {
        for good in [
            "https://app.example.com/callback?x=1",
            "http://localhost:3000/cb",
            "http://127.0.0.1/cb",
            "http://[::1]:8080",
            "com.example.app:/cb",
        ] {
            assert!(RedirectUri::new(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "/cb",
            "https:///cb",
            "https://app.example.com/cb#f",
            "https://user@app.example.com/",
            "http://app.example.com/cb",
            "http://localhost.example.com/cb",
            "http://localhost:x/cb",
            "http://127.0.0.1@evil.example/",
            "http://localhost:+80/cb",
            "javascript:alert(1)",
            "data:text/html,x",
            "myapp:/cb",
            "https://app.example.com/a b",
        ] {
            assert!(RedirectUri::new(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn only_the_port_of_a_loopback_address_may_differ() {
        let admits = |registered: &str, asked: &str| {
            let uri = |text: &str| RedirectUri::new(text).unwrap();
            uri(registered).admits(&uri(asked))
        };
        assert!(admits("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"));
        assert!(admits("http://[::1]:1/cb", "http://[::1]:2/cb"));
        assert!(!admits("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb2"));
        assert!(!admits("http://127.0.0.1/cb", "http://[::1]/cb"));
        assert!(!admits("http://localhost/cb", "http://localhost:1/cb"));
        assert!(!admits("https://a.example/cb", "https://a.example:8443/cb"));
        assert!(!admits("https://a.example/cb", "https://a.example/cb/"));
        assert!(!admits("https://a.example/cb", "https://A.example/cb"));
    }
}
