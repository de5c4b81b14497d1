//! Forms: `application/x-www-form-urlencoded` as RFC 6749 appendix B profiles it.

use std::borrow::Cow;

use zeroize::{Zeroize, Zeroizing};

use crate::error::Reason;

/// The parameter that may be repeated: RFC 8707 section 2.
const REPEATABLE: &str = "resource";

/// Most parameters that a form may have. Unknown ones are ignored, but hundreds are an attack.
const MAX_PARAMETERS: usize = 100;

/// A parsed form. Names and values are pieces of what it was parsed from, unless something in them was encoded.
/// Values that had to be decoded are wiped when the form is dropped, since some of them are secrets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Form<'a> {
    parameters: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl Drop for Form<'_> {
    fn drop(&mut self) {
        for (_, value) in &mut self.parameters {
            if let Cow::Owned(decoded) = value {
                decoded.zeroize();
            }
        }
    }
}

impl<'a> Form<'a> {
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
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let mut form = Self::default();
        let mut rest = bytes;
        while !rest.is_empty() {
            let (name, value);
            (name, value, rest) = first(rest)?;
            if name.is_empty() && value.is_none() {
                continue;
            }
            let value = value.unwrap_or_default();
            let is_full = form.parameters.len() == MAX_PARAMETERS;
            let is_repeated = name != REPEATABLE && form.iter().any(|(known, _)| known == name);
            // Before anything is refused, so that it is wiped with the form.
            form.parameters.push((name, value));
            if is_repeated {
                let name = form.parameters.last().map(|(name, _)| quotable(name));
                return Err(Reason::RepeatedParameter(name.unwrap_or_default()));
            }
            if is_full {
                return Err(Reason::FormSyntax);
            }
        }
        Ok(form)
    }

    /// The value of a parameter; one that is empty counts as omitted (RFC 6749 section 3.2).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.parameters.iter().find(|(known, _)| known == name)?;
        (!value.is_empty()).then_some(&**value)
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
            .map(|(name, value)| (&**name, &**value))
    }
}

/// A parameter name as an event may quote it: a caller chose it.
fn quotable(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// The first parameter, decoded, and what comes after it. It is parted and searched for what is encoded in one
/// pass.
fn first(bytes: &[u8]) -> Result<Parameter<'_>, Reason> {
    let (mut equals, mut end) = (None, bytes.len());
    let mut is_plain = true;
    for (at, byte) in bytes.iter().enumerate() {
        if MEANS.get(usize::from(*byte)) != Some(&true) {
            continue;
        }
        match byte {
            b'=' if equals.is_none() => equals = Some(at),
            b'&' => {
                end = at;
                break;
            }
            byte if is_special(byte) => is_plain = false,
            _ => {}
        }
    }
    let (piece, rest) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
    let rest = rest.get(1..).unwrap_or_default();
    let of = |at| (piece.get(..at).unwrap_or_default(), piece.get(at + 1..));
    let (name, value) = equals.map_or((piece, None), of);
    if is_plain {
        let plain = |part| std::str::from_utf8(part).map_err(|_| Reason::FormSyntax);
        let value = value.map(plain).transpose()?;
        return Ok((Cow::Borrowed(plain(name)?), value.map(Cow::Borrowed), rest));
    }
    Ok((decode(name)?, value.map(decode).transpose()?, rest))
}

/// Its name, its value if it has one, and what comes after it.
type Parameter<'a> = (Cow<'a, str>, Option<Cow<'a, str>>, &'a [u8]);

/// The few bytes that mean something in a form. They are told from the others by a look-up, which takes the same
/// steps for each: nothing of a secret is told by time, and what a request takes can be counted exactly.
#[expect(
    clippy::indexing_slicing,
    reason = "at compile time, where a panic is an error"
)]
static MEANS: [bool; 256] = {
    let mut means = [false; 256];
    means[0] = true;
    means[b'%' as usize] = true;
    means[b'&' as usize] = true;
    means[b'+' as usize] = true;
    means[b'=' as usize] = true;
    means
};

/// Whether it stands for something else than itself, or must not be there.
fn is_special(byte: &u8) -> bool {
    matches!(byte, b'+' | b'%' | 0)
}

/// Decodes one name or value. What stands for itself is not copied.
pub(crate) fn decode(encoded: &[u8]) -> Result<Cow<'_, str>, Reason> {
    let Some(first) = encoded.iter().position(is_special) else {
        let plain = std::str::from_utf8(encoded);
        return plain.map(Cow::Borrowed).map_err(|_| Reason::FormSyntax);
    };
    // Its room is enough: no copy of it is left behind.
    let mut decoded = Zeroizing::new(Vec::with_capacity(encoded.len()));
    let mut rest = encoded;
    let mut next = Some(first);
    while let Some(at) = next {
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
        next = rest.iter().position(is_special);
    }
    decoded.extend_from_slice(rest);
    match String::from_utf8(std::mem::take(&mut decoded)) {
        Ok(decoded) => Ok(Cow::Owned(decoded)),
        Err(error) => {
            error.into_bytes().zeroize();
            Err(Reason::FormSyntax)
        }
    }
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
