//! Forms: `application/x-www-form-urlencoded` as RFC 6749 appendix B profiles it.

use zeroize::Zeroizing;

use crate::error::Reason;

/// The parameter that may be repeated: RFC 8707 section 2.
const REPEATABLE: &str = "resource";

/// Most parameters that a form may have. Unknown ones are ignored, but hundreds are an attack.
const MAX_PARAMETERS: usize = 100;

/// A parsed form. Values are wiped when it is dropped, since some of them are secrets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Form {
    parameters: Vec<(String, Zeroizing<String>)>,
}

impl Form {
    /// Parses a body or a query. Total: there is an answer to any bytes.
    ///
    /// # Errors
    /// [`Reason::FormSyntax`] for broken percent-encoding, a NUL, what is not UTF-8 once decoded, or
    /// more than 100 parameters;
    /// [`Reason::RepeatedParameter`] (RFC 6749 section 3.2).
    ///
    /// ```
    /// use edgemint::endpoint::form::Form;
    ///
    /// let form = Form::parse(b"scope=api%3A%2F%2Forders%2F.default&state=")?;
    /// assert_eq!(form.get("scope"), Some("api://orders/.default"));
    /// assert_eq!(form.get("state"), None); // an empty value counts as omitted
    /// assert!(Form::parse(b"a=1&a=2").is_err());
    /// # Ok::<(), edgemint::error::Reason>(())
    /// ```
    pub fn parse(bytes: &[u8]) -> Result<Self, Reason> {
        let mut parameters: Vec<(String, Zeroizing<String>)> = Vec::new();
        for piece in bytes
            .split(|byte| *byte == b'&')
            .filter(|piece| !piece.is_empty())
        {
            let (name, value) = match piece.iter().position(|byte| *byte == b'=') {
                Some(at) => (piece.get(..at), piece.get(at + 1..)),
                None => (Some(piece), None),
            };
            let name = decode(name.unwrap_or_default())?;
            let value = Zeroizing::new(decode(value.unwrap_or_default())?);
            if name != REPEATABLE && parameters.iter().any(|(known, _)| *known == name) {
                return Err(Reason::RepeatedParameter(quotable(&name)));
            }
            if parameters.len() == MAX_PARAMETERS {
                return Err(Reason::FormSyntax);
            }
            parameters.push((name, value));
        }
        Ok(Self { parameters })
    }

    /// The value of a parameter; one that is empty counts as omitted (RFC 6749 section 3.2).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.parameters.iter().find(|(known, _)| known == name)?;
        (!value.is_empty()).then_some(value.as_str())
    }

    /// The `resource` parameters that are not empty.
    pub fn resources(&self) -> impl Iterator<Item = &str> {
        let named = self
            .iter()
            .filter(|(name, value)| *name == REPEATABLE && !value.is_empty());
        named.map(|(_, value)| value)
    }

    /// Every name and value, the empty ones too, in the order given.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// A parameter name as an event may quote it: a caller chose it.
fn quotable(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// Decodes one name or value.
pub(crate) fn decode(encoded: &[u8]) -> Result<String, Reason> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    // Most of it stands for itself, and is copied at once.
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'+' | b'%' | 0)) {
        let (plain, special) = rest.split_at(at);
        decoded.extend_from_slice(plain);
        rest = match special {
            [b'+', after @ ..] => {
                decoded.push(b' ');
                after
            }
            [b'%', high, low, after @ ..] => match (hex(*high), hex(*low)) {
                (Some(0), Some(0)) => return Err(Reason::FormSyntax),
                (Some(high), Some(low)) => {
                    decoded.push(high << 4 | low);
                    after
                }
                _ => return Err(Reason::FormSyntax),
            },
            _ => return Err(Reason::FormSyntax),
        };
    }
    decoded.extend_from_slice(rest);
    String::from_utf8(decoded).map_err(|_| Reason::FormSyntax)
}

/// Percent-encodes a value for a query: all but the unreserved characters of RFC 3986 section 2.3.
pub(crate) fn encode(value: &str, to: &mut String) {
    const DIGITS: [char; 16] = [
        '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F',
    ];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            to.push(char::from(byte));
        } else {
            to.extend(['%', digit(byte >> 4), digit(byte & 0xf)]);
        }
    }
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}
