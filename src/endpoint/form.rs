//! Forms: `application/x-www-form-urlencoded` as RFC 6749 appendix B profiles it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use zeroize::Zeroizing;

use crate::error::Reason;

/// The parameter that may be repeated: RFC 8707 section 2.
const REPEATABLE: &str = "resource";

/// A parsed form. Values are wiped when it is dropped, since some of them are secrets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Form {
    parameters: BTreeMap<String, Vec<Zeroizing<String>>>,
}

impl Form {
    /// Parses a body or a query: total, in time linear but for the sorting of names.
    ///
    /// # Errors
    /// [`Reason::FormSyntax`] for broken percent-encoding, a NUL, or what is not UTF-8 once decoded;
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
        let mut parameters: BTreeMap<String, Vec<Zeroizing<String>>> = BTreeMap::new();
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
            match parameters.entry(name) {
                Entry::Vacant(vacant) => drop(vacant.insert(vec![value])),
                Entry::Occupied(mut known) if known.key() == REPEATABLE => {
                    known.get_mut().push(value);
                }
                Entry::Occupied(known) => {
                    return Err(Reason::RepeatedParameter(quotable(known.key())));
                }
            }
        }
        Ok(Self { parameters })
    }

    /// The value of a parameter; one that is empty counts as omitted (RFC 6749 section 3.2).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.parameters.get(name)?.first()?.as_str();
        (!value.is_empty()).then_some(value)
    }

    /// The `resource` parameters that are not empty.
    pub fn resources(&self) -> impl Iterator<Item = &str> {
        let values = self.parameters.get(REPEATABLE).into_iter().flatten();
        values
            .map(|value| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// Every name and value, the empty ones too, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters.iter().flat_map(|(name, values)| {
            values
                .iter()
                .map(move |value| (name.as_str(), value.as_str()))
        })
    }
}

/// A parameter name as an event may quote it: a caller chose it.
fn quotable(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// Decodes one name or value.
pub(crate) fn decode(encoded: &[u8]) -> Result<String, Reason> {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded.iter();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => match (rest.next().and_then(hex), rest.next().and_then(hex)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(Reason::FormSyntax),
            },
            other => *other,
        });
    }
    if decoded.contains(&0) {
        return Err(Reason::FormSyntax);
    }
    String::from_utf8(decoded).map_err(|_| Reason::FormSyntax)
}

fn hex(digit: &u8) -> Option<u8> {
    char::from(*digit)
        .to_digit(16)
        .and_then(|value| u8::try_from(value).ok())
}
