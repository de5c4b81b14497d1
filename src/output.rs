//! What is written for every token: text in JSON, and base64url.
//!
//! Each is written where it belongs, at the end of what is there already: the packages that do the same
//! cost more than a hash of it (docs/decisions/0014).

use crate::json;

/// RFC 4648 section 5.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// An object that is being written, in the order of its members.
pub(crate) struct Members(String);

impl Members {
    /// One without members, which has room for `bytes`.
    pub(crate) fn with_capacity(bytes: usize) -> Self {
        Self(String::with_capacity(bytes))
    }

    /// A member that is text. The name needs no escaping.
    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.name(name);
        push_text(&mut self.0, value);
    }

    /// A member that is a whole number.
    pub(crate) fn number(&mut self, name: &str, value: u64) {
        self.written(name, &value.to_string());
    }

    /// A member that is a list of texts.
    pub(crate) fn list<'a>(&mut self, name: &str, values: impl Iterator<Item = &'a str>) {
        self.name(name);
        let mut between = '[';
        for value in values {
            self.0.push(between);
            push_text(&mut self.0, value);
            between = ',';
        }
        self.0.push_str(if between == '[' { "[]" } else { "]" });
    }

    /// A member whose name somebody else chose, and whose value is JSON already.
    pub(crate) fn added(&mut self, name: &str, value: &str) {
        self.0.push_str(if self.0.is_empty() { "{" } else { "," });
        push_text(&mut self.0, name);
        self.0.push(':');
        self.0.push_str(value);
    }

    /// A member whose value is JSON already.
    fn written(&mut self, name: &str, value: &str) {
        self.name(name);
        self.0.push_str(value);
    }

    fn name(&mut self, name: &str) {
        self.0
            .push_str(if self.0.is_empty() { "{\"" } else { ",\"" });
        self.0.push_str(name);
        self.0.push_str("\":");
    }

    /// The whole object, which has a member at least.
    pub(crate) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

/// Text in JSON: RFC 8259 section 7.
pub(crate) fn push_text(out: &mut String, text: &str) {
    if is_plain(text.as_bytes()) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        // Text can always be written.
        out.push_str(&json::write(&text).unwrap_or_default());
    }
}

/// Whether nothing of it has to be escaped. It looks at eight bytes at a time, as the top bits of a word.
fn is_plain(text: &[u8]) -> bool {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    // Exact as to whether any byte is below the limit, which is all that is asked.
    let below = |word: u64, limit: u64| word.wrapping_sub(EACH * limit) & !word;
    let (words, rest) = text.as_chunks::<8>();
    let found = words.iter().fold(0, |found, word| {
        let word = u64::from_ne_bytes(*word);
        let quote = below(word ^ (EACH * u64::from(b'"')), 1);
        let backslash = below(word ^ (EACH * u64::from(b'\\')), 1);
        found | below(word, 0x20) | quote | backslash
    });
    found & (EACH << 7) == 0
        && rest
            .iter()
            .all(|byte| *byte >= 0x20 && *byte != b'"' && *byte != b'\\')
}

/// How much base64url makes of so many bytes.
pub(crate) const fn base64url_len(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

/// Base64url without padding: RFC 4648 section 5. It looks the characters up, by what is encoded: not for
/// secrets.
pub(crate) fn push_base64url(out: &mut Vec<u8>, bytes: &[u8]) {
    let character = |group: u32, shift: u32| {
        let at = (group >> shift) & 63;
        ALPHABET.get(at as usize).copied().unwrap_or_default()
    };
    let start = out.len();
    out.resize(start + base64url_len(bytes.len()), 0);
    let (_, to) = out.split_at_mut(start);
    let (groups, rest) = bytes.as_chunks::<3>();
    let (to, last) = to.as_chunks_mut::<4>();
    for (&[a, b, c], to) in groups.iter().zip(to) {
        let group = u32::from_be_bytes([0, a, b, c]);
        *to = [18, 12, 6, 0].map(|shift| character(group, shift));
    }
    let mut group = [0; 4];
    let (_, ahead) = group.split_at_mut(1);
    ahead
        .iter_mut()
        .zip(rest)
        .for_each(|(to, byte)| *to = *byte);
    let group = u32::from_be_bytes(group);
    for (shift, to) in [18, 12, 6].into_iter().zip(last) {
        *to = character(group, shift);
    }
}

#[cfg(test)]
mod tests {
    use base64ct::{Base64UrlUnpadded, Encoding};
    use proptest::prelude::*;

    use super::*;

    fn base64url(bytes: &[u8]) -> String {
        let mut out = b"before.".to_vec();
        push_base64url(&mut out, bytes);
        String::from_utf8(out.split_off(7)).unwrap()
    }

    #[test]
    fn every_character_of_base64url_is_written_at_every_place() {
        for high in 0..=255 {
            for low in 0..=255 {
                for bytes in [
                    &[high, low][..],
                    &[low, high, low],
                    &[high, low, low, high, low, high, high],
                ] {
                    assert_eq!(base64url(bytes), Base64UrlUnpadded::encode_string(bytes));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn base64url_is_that_of_base64ct(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let encoded = base64url(&bytes);
            prop_assert_eq!(encoded.len(), base64url_len(bytes.len()));
            prop_assert_eq!(encoded, Base64UrlUnpadded::encode_string(&bytes));
        }

        #[test]
        fn text_is_escaped_as_serde_json_escapes_it(text in any::<String>()) {
            let mut written = String::new();
            push_text(&mut written, &text);
            prop_assert_eq!(written, serde_json::to_string(&text).unwrap());
        }
    }

    #[test]
    fn every_character_that_json_escapes_is_escaped_at_every_place() {
        for code in 0..0x300 {
            let character = char::from_u32(code).unwrap();
            for before in 0..16 {
                let text = format!("{:before$}{character}{:9}", "", "");
                let mut written = String::new();
                push_text(&mut written, &text);
                assert_eq!(written, serde_json::to_string(&text).unwrap(), "{code:x}");
            }
        }
    }

    #[test]
    fn an_object_is_written_in_the_order_of_its_members() {
        let mut object = Members::with_capacity(64);
        object.text("a", "x\"y");
        object.number("b", u64::MAX);
        object.list("c", [].into_iter());
        object.list("d", ["1", "2\n"].into_iter());
        object.added("e\"", "null");
        assert_eq!(
            object.end(),
            r#"{"a":"x\"y","b":18446744073709551615,"c":[],"d":["1","2\n"],"e\"":null}"#
        );
    }
}
