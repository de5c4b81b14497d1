//! The parser: RFC 8259's grammar, and nothing more lenient.

use std::borrow::Cow;

use super::{JsonError, Value, plain_start};

/// The value of a text, of any form.
pub(crate) fn parse(text: &str) -> Result<Value<'_>, JsonError> {
    let mut parser = Parser {
        text,
        at: 0,
        room: Parser::DEPTH,
    };
    parser.whole().ok_or_else(|| unreadable(text, parser.at))
}

/// The place only: the text itself may hold a secret.
fn unreadable(text: &str, at: usize) -> JsonError {
    let bytes = text.as_bytes();
    let before = bytes.get(..at).unwrap_or(bytes);
    let line = before.split(|byte| *byte == b'\n');
    let column = line.clone().next_back().unwrap_or_default().len();
    // The byte that is wrong, unless there is none.
    let column = column + usize::from(at < bytes.len());
    JsonError(format!(
        "unreadable at line {} column {column}",
        line.count()
    ))
}

/// Where it stops short, `at` says how far it came.
struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// How many lists and objects may still be opened within each other.
    room: u8,
}

impl<'a> Parser<'a> {
    /// As deep as a text may be nested.
    const DEPTH: u8 = 127;

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// The next byte that is no white space.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        match self.text.as_bytes().get(self.at) {
            Some(b' ' | b'\n' | b'\r' | b'\t') => self.past_space(),
            next => next.copied(),
        }
    }

    fn past_space(&mut self) -> Option<u8> {
        let is_space = |byte: &&u8| matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
        self.at += self.rest().iter().take_while(is_space).count();
        self.rest().first().copied()
    }

    /// Goes past this byte, if it is the next one.
    fn eat(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// The text that ends here, from this place on.
    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// The whole text as one value.
    fn whole(&mut self) -> Option<Value<'a>> {
        let value = self.value()?;
        self.peek().is_none().then_some(value)
    }

    fn value(&mut self) -> Option<Value<'a>> {
        match self.peek()? {
            b'"' => self.string().map(Value::Text),
            b'{' => {
                let mut members = Vec::new();
                self.each(b'}', |parser| {
                    if parser.peek() != Some(b'"') {
                        return None;
                    }
                    let name = parser.string()?;
                    if !parser.eat(b':') {
                        return None;
                    }
                    let value = parser.value()?;
                    if members.is_empty() {
                        members.reserve_exact(8);
                    }
                    members.push((name, value));
                    Some(())
                })?;
                Some(Value::Object(members))
            }
            b'[' => {
                let mut values = Vec::new();
                self.each(b']', |parser| {
                    values.push(parser.value()?);
                    Some(())
                })?;
                Some(Value::List(values))
            }
            b'-' | b'0'..=b'9' => self.number(),
            b'n' => self.literal("null", Value::Null),
            b't' => self.literal("true", Value::Bool(true)),
            b'f' => self.literal("false", Value::Bool(false)),
            _ => None,
        }
    }

    fn literal(&mut self, name: &str, value: Value<'a>) -> Option<Value<'a>> {
        let is_there = self.rest().starts_with(name.as_bytes());
        self.at += if is_there { name.len() } else { 0 };
        is_there.then_some(value)
    }

    /// What is between the brackets, an entry at a time.
    fn each(&mut self, close: u8, mut entry: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.at += 1;
        self.room = self.room.checked_sub(1)?;
        if !self.eat(close) {
            loop {
                entry(self)?;
                let next = self.peek()?;
                if next != close && next != b',' {
                    return None;
                }
                self.at += 1;
                if next == close {
                    break;
                }
            }
        }
        self.room += 1;
        Some(())
    }

    fn string(&mut self) -> Option<Cow<'a, str>> {
        self.at += 1;
        let plain = self.plain();
        if self.rest().first() == Some(&b'"') {
            self.at += 1;
            return Some(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        loop {
            let [first, second, ..] = *self.rest() else {
                return None;
            };
            // Nothing else that is not plain may stand in a text: what is below the space must be escaped.
            if first != b'\\' {
                return None;
            }
            self.at += 2;
            text.push(match second {
                b'"' | b'\\' | b'/' => char::from(second),
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                b'u' => self.unicode()?,
                _ => return None,
            });
            text.push_str(self.plain());
            if self.rest().first() == Some(&b'"') {
                break;
            }
        }
        self.at += 1;
        Some(Cow::Owned(text))
    }

    /// What stands for itself in a text.
    fn plain(&mut self) -> &'a str {
        let start = self.at;
        let rest = self.rest();
        self.at += plain_start(rest);
        self.since(start)
    }

    /// A character by its number; by two of them, if it is one that UTF-16 has two for.
    fn unicode(&mut self) -> Option<char> {
        let mut code = self.hex()?;
        if let 0xd800..0xdc00 = code {
            if !self.rest().starts_with(b"\\u") {
                return None;
            }
            self.at += 2;
            let low = self.hex()?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
            code = 0x1_0000 + ((code - 0xd800) << 10) + low;
        }
        char::from_u32(code)
    }

    fn hex(&mut self) -> Option<u32> {
        let mut code = 0;
        for byte in self.rest().first_chunk::<4>()? {
            code = code * 16 + char::from(*byte).to_digit(16)?;
        }
        self.at += 4;
        Some(code)
    }

    /// The digits that come next: there is one at least.
    fn digits(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest();
        let is_digit = |byte: &&u8| byte.is_ascii_digit();
        let (digits, _) = rest.split_at_checked(rest.iter().take_while(is_digit).count())?;
        self.at += digits.len();
        (!digits.is_empty()).then_some(digits)
    }

    fn number(&mut self) -> Option<Value<'a>> {
        let is_negative = self.rest().first() == Some(&b'-');
        self.at += usize::from(is_negative);
        let digits = self.digits()?;
        if let [b'0', _, ..] = digits {
            return None;
        }
        let mut is_fraction = false;
        if self.rest().first() == Some(&b'.') {
            self.at += 1;
            self.digits()?;
            is_fraction = true;
        }
        if let [b'e' | b'E', rest @ ..] = self.rest() {
            self.at += if let [b'+' | b'-', ..] = rest { 2 } else { 1 };
            self.digits()?;
            is_fraction = true;
        }
        if is_fraction {
            return Some(Value::Fraction);
        }
        // `checked_mul` multiplies in 128 bits, which wasm does by hand.
        let whole = digits.iter().try_fold(0, |whole, digit| {
            let digit = u64::from(digit - b'0');
            let most = u64::MAX / 10;
            let fits = whole < most || (whole == most && digit <= u64::MAX % 10);
            fits.then(|| whole * 10 + digit)
        });
        Some(match whole {
            Some(whole) if !is_negative => Value::Whole(whole),
            Some(whole) if whole > 0 => {
                let negative = 0_i64.checked_sub_unsigned(whole);
                negative.map_or(Value::Fraction, Value::Negative)
            }
            // Minus nothing, and what no integer here holds.
            _ => Value::Fraction,
        })
    }
}
