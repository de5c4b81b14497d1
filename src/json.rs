//! JSON: the records of a store, the acts of administration, the claims of a token, the answers.
//!
//! One parser reads every text into a value, and the members are taken from it by name. Derived
//! deserialisers would be a parser for each type: they were a quarter of the wasm. Nor is parser or value
//! `serde_json`'s own, whose copies, trees and fractions nothing here needs (docs/decisions/0004): the value
//! borrows from the text. What requests have written goes through [`Writer`].

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};

use crate::time::UnixTime;

/// A JSON value. Its texts are the text's own that it was read from, where nothing is escaped there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Value<'a> {
    #[default]
    Null,
    Bool(bool),
    Whole(u64),
    Negative(i64),
    /// Nothing here has a use for one: it is known that it is there, and no more.
    Fraction,
    Text(Cow<'a, str>),
    List(Vec<Self>),
    /// In the order of the text. Objects are short: a list is smaller and faster than a tree.
    Object(Vec<(Cow<'a, str>, Self)>),
}

impl Value<'_> {
    /// The same, of no text.
    fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(value),
            Self::Whole(number) => Value::Whole(number),
            Self::Negative(number) => Value::Negative(number),
            Self::Fraction => Value::Fraction,
            Self::Text(text) => Value::Text(text.into_owned().into()),
            Self::List(values) => Value::List(values.into_iter().map(Value::into_owned).collect()),
            Self::Object(members) => {
                let members = members.into_iter();
                let owned =
                    members.map(|(name, value)| (name.into_owned().into(), value.into_owned()));
                Value::Object(owned.collect())
            }
        }
    }
}

/// Reads RFC 8259's grammar, and nothing more lenient. Where it stops short, `at` says how far it came.
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

/// Why a text is not what it should be. It names the member, never its value, which may be secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError(String);

impl JsonError {
    /// The value is of another form than this.
    pub(crate) fn expected(form: &str) -> Self {
        Self(["expected ", form].concat())
    }

    fn missing(name: &str) -> Self {
        Self(["missing member `", name, "`"].concat())
    }

    fn unknown(name: &str) -> Self {
        // The caller chose the name: no more of it than a person would write.
        let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
        Self(["unknown member `", &name, "`"].concat())
    }

    /// What it says.
    pub(crate) fn into_text(self) -> String {
        self.0
    }

    fn within(self, name: &str) -> Self {
        Self([name, ": ", &self.0].concat())
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for JsonError {}

/// The members of an object that have not been taken yet.
#[derive(Debug, Clone)]
pub(crate) struct Members<'a>(Vec<(Cow<'a, str>, Value<'a>)>);

impl<'a> Members<'a> {
    pub(crate) fn of(value: Value<'a>) -> Result<Self, JsonError> {
        match value {
            Value::Object(members) => Ok(Self(members)),
            _ => Err(JsonError::expected("an object")),
        }
    }

    /// No members at all.
    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    /// Adds a member, unless there is one of that name.
    pub(crate) fn insert(&mut self, name: Cow<'a, str>, value: Value<'a>) -> Result<(), JsonError> {
        if self.has(&name) {
            return Err(JsonError::unknown(&name));
        }
        self.0.push((name, value));
        Ok(())
    }

    /// Whether there is a member of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| **known == *name)
    }

    /// Takes a member. One that is not there is its type's default, if the type has one.
    pub(crate) fn take<T: Member>(&mut self, name: &str) -> Result<T, JsonError> {
        match self.value(name) {
            Some(value) => T::read(value).map_err(|error| error.within(name)),
            None => T::absent().ok_or_else(|| JsonError::missing(name)),
        }
    }

    /// Of members of one name the last counts.
    pub(crate) fn value(&mut self, name: &str) -> Option<Value<'a>> {
        let at = self.0.iter().rposition(|(known, _)| **known == *name)?;
        // In their order: of those that are left, the last must go on to count.
        Some(self.0.remove(at).1)
    }

    /// Takes a member that may be absent, and is its type's default then.
    pub(crate) fn take_or_default<T: Member + Default>(
        &mut self,
        name: &str,
    ) -> Result<T, JsonError> {
        Ok(self.take::<Option<T>>(name)?.unwrap_or_default())
    }

    /// Takes the only member, whatever its name.
    pub(crate) fn only(mut self) -> Result<(Cow<'a, str>, Value<'a>), JsonError> {
        match (self.0.pop(), self.0.is_empty()) {
            (Some(only), true) => Ok(only),
            _ => Err(JsonError::expected("an object with one member")),
        }
    }

    /// Refuses what nobody took.
    pub(crate) fn finish(&self) -> Result<(), JsonError> {
        let unknown = self.0.first();
        unknown.map_or(Ok(()), |(name, _)| Err(JsonError::unknown(name)))
    }
}

/// Reads a whole text.
pub(crate) fn read<T: Member>(text: &str) -> Result<T, JsonError> {
    T::read(parse(text)?)
}

/// Reads a text that is an object with one member, by the name of that member.
pub(crate) fn read_named<T>(
    text: &str,
    read: impl FnOnce(&str, Value<'_>) -> Result<T, JsonError>,
) -> Result<T, JsonError> {
    let (name, value) = Members::of(parse(text)?)?.only()?;
    read(&name, value).map_err(|error| error.within(&name))
}

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

/// A value as text.
pub(crate) fn write(value: &impl Serialize) -> Result<String, JsonError> {
    serde_json::to_string(value).map_err(|error| JsonError(error.to_string()))
}

/// JSON that is written a member at a time: what every refresh writes. What serde derives for it is more
/// code, and slower.
pub(crate) struct Writer(String);

impl Writer {
    /// An object, in a text of about so many bytes.
    pub(crate) fn object(bytes: usize, members: impl FnOnce(&mut Self)) -> String {
        let mut writer = Self(String::with_capacity(bytes));
        writer.braced(members);
        writer.0
    }

    fn braced(&mut self, members: impl FnOnce(&mut Self)) {
        self.0.push('{');
        members(self);
        self.0.push('}');
    }

    /// What parts an entry from the one before, if there is one.
    fn part(&mut self) {
        if !matches!(self.0.as_bytes().last(), Some(b'{' | b'[')) {
            self.0.push(',');
        }
    }

    /// A name of ours, in which nothing is to be escaped.
    fn name(&mut self, name: &'static str) {
        debug_assert_eq!(plain_start(name.as_bytes()), name.len(), "{name}");
        self.part();
        self.0.push('"');
        self.0.push_str(name);
        self.0.push_str("\":");
    }

    /// A name that came from elsewhere.
    fn foreign_name(&mut self, name: &str) {
        self.part();
        self.push_text(name);
        self.0.push(':');
    }

    /// A member that is an object.
    pub(crate) fn nested(&mut self, name: &'static str, members: impl FnOnce(&mut Self)) {
        self.name(name);
        self.braced(members);
    }

    /// A member that is text.
    pub(crate) fn text(&mut self, name: &'static str, text: &str) {
        self.name(name);
        self.push_text(text);
    }

    /// The same for a text in which nothing is to be escaped, such as a token.
    pub(crate) fn plain(&mut self, name: &'static str, text: &str) {
        debug_assert_eq!(plain_start(text.as_bytes()), text.len(), "{name}");
        self.name(name);
        self.0.push('"');
        self.0.push_str(text);
        self.0.push('"');
    }

    /// The same for a text of words, with a space between each two.
    pub(crate) fn words(&mut self, name: &'static str, words: &[&str]) {
        self.name(name);
        self.0.push('"');
        for (at, word) in words.iter().enumerate() {
            if at > 0 {
                self.0.push(' ');
            }
            self.push_escaped(word);
        }
        self.0.push('"');
    }

    /// The same, if there is a text.
    pub(crate) fn optional(&mut self, name: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    /// A member that is a number.
    pub(crate) fn number(&mut self, name: &'static str, number: u64) {
        self.name(name);
        self.push_number(number);
    }

    /// A member that is true or false.
    pub(crate) fn bool(&mut self, name: &'static str, value: bool) {
        self.name(name);
        self.0.push_str(if value { "true" } else { "false" });
    }

    /// A member that is a list, an entry a call of `entry`.
    pub(crate) fn list<T>(
        &mut self,
        name: &'static str,
        entries: &[T],
        mut entry: impl FnMut(&mut Self, &T),
    ) {
        self.name(name);
        self.0.push('[');
        for one in entries {
            self.part();
            entry(self, one);
        }
        self.0.push(']');
    }

    /// A member that is a list of texts.
    pub(crate) fn texts<T: AsRef<str>>(&mut self, name: &'static str, texts: &[T]) {
        self.list(name, texts, |out, text| out.push_text(text.as_ref()));
    }

    /// A member of any value.
    pub(crate) fn value(&mut self, name: &str, value: &Value<'_>) {
        self.foreign_name(name);
        self.push(value);
    }

    /// A member of these members.
    pub(crate) fn members(&mut self, name: &'static str, object: &Object) {
        self.nested(name, |out| {
            for (name, value) in &object.0 {
                out.value(name, value);
            }
        });
    }

    /// An entry of a list that is an object.
    pub(crate) fn entry(&mut self, members: impl FnOnce(&mut Self)) {
        self.braced(members);
    }

    fn push(&mut self, value: &Value<'_>) {
        match value {
            Value::Null | Value::Fraction => self.0.push_str("null"),
            Value::Bool(value) => self.0.push_str(if *value { "true" } else { "false" }),
            Value::Whole(number) => self.push_number(*number),
            Value::Negative(number) => {
                self.0.push('-');
                self.push_number(number.unsigned_abs());
            }
            Value::Text(text) => self.push_text(text),
            Value::List(values) => {
                self.0.push('[');
                for value in values {
                    self.part();
                    self.push(value);
                }
                self.0.push(']');
            }
            Value::Object(members) => self.braced(|out| {
                for (name, value) in members {
                    out.value(name, value);
                }
            }),
        }
    }

    fn push_text(&mut self, text: &str) {
        self.0.push('"');
        self.push_escaped(text);
        self.0.push('"');
    }

    fn push_escaped(&mut self, text: &str) {
        let mut rest = text;
        // What stands for itself is copied at once.
        while let Some((plain, special)) = rest.split_at_checked(plain_start(rest.as_bytes())) {
            self.0.push_str(plain);
            let mut chars = special.chars();
            let Some(char) = chars.next() else { break };
            if char < ' ' {
                let digit = |of: u32| char::from_digit(of, 16).unwrap_or_default();
                let code = u32::from(char);
                self.0.push_str("\\u00");
                self.0.push(digit(code >> 4));
                self.0.push(digit(code & 15));
            } else {
                self.0.push('\\');
                self.0.push(char);
            }
            rest = chars.as_str();
        }
    }

    fn push_number(&mut self, number: u64) {
        const PLACES: usize = 9;
        const BEYOND: u64 = 1_000_000_000;
        // What 32 bits can say, as times can for long, is divided faster.
        if let Ok(number) = u32::try_from(number) {
            self.push_digits(number, 1);
        } else {
            self.push_number(number / BEYOND);
            let rest = u32::try_from(number % BEYOND);
            self.push_digits(rest.unwrap_or_default(), PLACES);
        }
    }

    /// At least so many digits.
    fn push_digits(&mut self, mut number: u32, least: usize) {
        let mut digits = [b'0'; 10];
        let mut used = 0;
        for digit in digits.iter_mut().rev() {
            *digit += u8::try_from(number % 10).unwrap_or_default();
            number /= 10;
            used += 1;
            if number == 0 && used >= least {
                break;
            }
        }
        let (_, digits) = digits.split_at(digits.len() - used);
        self.0
            .push_str(std::str::from_utf8(digits).unwrap_or_default());
    }
}

/// How many bytes of a text stand for themselves, before the first that does not: eight at a time.
fn plain_start(text: &[u8]) -> usize {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // The highest bit of each byte that is zero; above the first of them, of others too.
    let zeros = |word: u64| word.wrapping_sub(EACH) & !word;
    let mut plain = 0;
    let mut rest = text;
    while let Some((word, later)) = rest.split_first_chunk() {
        let word = u64::from_le_bytes(*word);
        let below_space = word.wrapping_sub(EACH * 0x20) & !word;
        let quote = zeros(word ^ (EACH * 0x22));
        let backslash = zeros(word ^ (EACH * 0x5c));
        let found = (below_space | quote | backslash) & (EACH << 7);
        if found != 0 {
            return plain + (found.trailing_zeros() >> 3) as usize;
        }
        plain += 8;
        rest = later;
    }
    let is_plain = |byte: &&u8| **byte >= b' ' && **byte != b'"' && **byte != b'\\';
    plain + rest.iter().take_while(is_plain).count()
}

/// What a JSON value can be read as.
pub(crate) trait Member: Sized {
    fn read(value: Value<'_>) -> Result<Self, JsonError>;

    /// What it is where its member is not there.
    fn absent() -> Option<Self> {
        None
    }
}

impl Member for Value<'static> {
    fn read(value: Value<'_>) -> Result<Self, JsonError> {
        Ok(value.into_owned())
    }
}

/// An object of any members, to be written again as it was read. It holds no fractions: writing them
/// takes 10 KB of wasm, and no claim needs one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Object(Vec<(String, Value<'static>)>);

impl Object {
    /// How deep its values are nested.
    pub(crate) fn depth(&self) -> usize {
        let depths = self.0.iter().map(|(_, value)| depth(value));
        depths.max().unwrap_or(0)
    }

    /// Its members.
    pub(crate) fn members(&self) -> impl Iterator<Item = &(String, Value<'static>)> {
        self.0.iter()
    }

    /// Takes over the members of another object, which count where both have one of a name.
    pub(crate) fn extend(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
        self.drop_repeated();
    }

    /// Of members of one name the last counts.
    fn drop_repeated(&mut self) {
        let mut at = 0;
        while let Some((name, _)) = self.0.get(at) {
            if self.names().skip(at + 1).any(|later| later == name) {
                self.0.remove(at);
            } else {
                at += 1;
            }
        }
    }

    /// The names of its members.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

impl Member for Object {
    fn read(value: Value<'_>) -> Result<Self, JsonError> {
        if has_fraction(&value) {
            return Err(JsonError::expected(
                "whole numbers; give a fraction as text",
            ));
        }
        let members = Members::of(value)?.0.into_iter();
        let owned = members.map(|(name, value)| (name.into_owned(), value.into_owned()));
        let mut object = Self(owned.collect());
        object.drop_repeated();
        Ok(object)
    }
}

fn depth(value: &Value<'_>) -> usize {
    let inner = match value {
        Value::List(values) => values.iter().map(depth).max(),
        Value::Object(members) => members.iter().map(|(_, value)| depth(value)).max(),
        _ => return 0,
    };
    1 + inner.unwrap_or(0)
}

fn has_fraction(value: &Value<'_>) -> bool {
    match value {
        Value::Fraction => true,
        Value::List(values) => values.iter().any(has_fraction),
        Value::Object(members) => members.iter().any(|(_, value)| has_fraction(value)),
        _ => false,
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// Members to be written as an object, in this order.
pub(crate) struct Shown<'a>(pub(crate) Vec<(&'a str, Value<'a>)>);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null | Self::Fraction => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Whole(number) => serializer.serialize_u64(*number),
            Self::Negative(number) => serializer.serialize_i64(*number),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(values) => serializer.collect_seq(values),
            Self::Object(members) => {
                serializer.collect_map(members.iter().map(|(name, value)| (name, value)))
            }
        }
    }
}

impl Member for String {
    fn read(value: Value<'_>) -> Result<Self, JsonError> {
        match value {
            Value::Text(text) => Ok(text.into_owned()),
            _ => Err(JsonError::expected("text")),
        }
    }
}

impl Member for bool {
    fn read(value: Value<'_>) -> Result<Self, JsonError> {
        match value {
            Value::Bool(value) => Ok(value),
            _ => Err(JsonError::expected("true or false")),
        }
    }
}

impl Member for u64 {
    fn read(value: Value<'_>) -> Result<Self, JsonError> {
        match value {
            Value::Whole(number) => Ok(number),
            _ => Err(JsonError::expected("a whole number, zero or more")),
        }
    }
}

impl Member for u32 {
    fn read(value: Value<'_>) -> Result<Self, JsonError> {
        let number = u64::read(value)?;
        Self::try_from(number).map_err(|_| JsonError::expected("a number below 4294967296"))
    }
}

impl Member for UnixTime {
    fn read(value: Value<'_>) -> Result<Self, JsonError> {
        u64::read(value).map(Self::from_secs)
    }
}

impl<T: Member> Member for Option<T> {
    fn read(value: Value<'_>) -> Result<Self, JsonError> {
        match value {
            Value::Null => Ok(None),
            value => T::read(value).map(Some),
        }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Member> Member for Vec<T> {
    fn read(value: Value<'_>) -> Result<Self, JsonError> {
        match value {
            Value::List(values) => values.into_iter().map(T::read).collect(),
            _ => Err(JsonError::expected("a list")),
        }
    }
}

/// Reads a struct by its members. Further ones are left alone: a newer version may have written them.
/// Those under `default` may be absent: an older version did not write them.
macro_rules! record {
    ($type:ty { $($field:ident = $name:literal),+ $(,)? }
        $(default { $($later:ident = $later_name:literal),+ $(,)? })?) => {
        impl $crate::json::Member for $type {
            fn read(value: $crate::json::Value<'_>) -> Result<Self, $crate::json::JsonError> {
                let mut members = $crate::json::Members::of(value)?;
                Ok(Self {
                    $($field: members.take($name)?,)+
                    $($($later: members.take_or_default($later_name)?,)+)?
                })
            }
        }
    };
}

/// Reads an enum by the names of its values: `ALL` and `name()`.
macro_rules! named {
    ($type:ty, $expected:literal) => {
        impl $crate::json::Member for $type {
            fn read(value: $crate::json::Value<'_>) -> Result<Self, $crate::json::JsonError> {
                let named = |name| matches!(&value, $crate::json::Value::Text(text) if *text == name);
                let known = Self::ALL.into_iter().find(|known| named(known.name()));
                known.ok_or_else(|| $crate::json::JsonError::expected($expected))
            }
        }
    };
}

pub(crate) use {named, record};

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Sample {
        text: String,
        number: Option<u32>,
        list: Vec<bool>,
    }

    record!(Sample { text = "text", number = "number" } default { list = "list" });

    #[test]
    fn a_record_is_read_by_its_members_and_ignores_others() {
        let sample = read::<Sample>(r#"{"text":"a\"b","list":[true],"later":{}}"#);
        let expected = Sample {
            text: "a\"b".into(),
            number: None,
            list: vec![true],
        };
        assert_eq!(sample, Ok(expected));
    }

    /// Shows a value as serde_json would have read it; fractions aside, which nobody looks at.
    fn shown(value: &Value<'_>) -> serde_json::Value {
        match value {
            Value::Null => serde_json::Value::Null,
            Value::Fraction => 0.5.into(),
            Value::Bool(value) => (*value).into(),
            Value::Whole(number) => (*number).into(),
            Value::Negative(number) => (*number).into(),
            Value::Text(text) => text.to_string().into(),
            Value::List(values) => values.iter().map(shown).collect(),
            Value::Object(members) => members
                .iter()
                .map(|(name, value)| (name.to_string(), shown(value)))
                .collect(),
        }
    }

    fn without_fractions(value: serde_json::Value) -> serde_json::Value {
        match value {
            serde_json::Value::Number(number) if number.is_f64() => 0.5.into(),
            serde_json::Value::Array(values) => values.into_iter().map(without_fractions).collect(),
            serde_json::Value::Object(members) => members
                .into_iter()
                .map(|(name, value)| (name, without_fractions(value)))
                .collect(),
            value => value,
        }
    }

    /// Both parsers, and what is written, say the same.
    fn agree(text: &str) {
        let theirs = match serde_json::from_str::<serde_json::Value>(text) {
            // Larger than any fraction that a processor knows: nobody looks at that one either.
            Err(error) if error.to_string().starts_with("number out of range") => return,
            theirs => theirs.ok().map(without_fractions),
        };
        let ours = parse(text);
        assert_eq!(ours.as_ref().ok().map(shown), theirs, "{text:?}");
        if let Ok(value) = ours {
            let mut writer = Writer(String::new());
            writer.push(&value);
            let again: serde_json::Value = serde_json::from_str(&writer.0).unwrap();
            let written = serde_json::to_value(&value).unwrap();
            assert_eq!(again, written, "{text:?}");
        }
    }

    #[test]
    fn what_is_json_is_what_serde_json_takes_for_it() {
        for text in [
            "",
            " ",
            "null",
            "nul",
            "nullx",
            " true ",
            "false,",
            "True",
            "\u{feff}1",
            "1 2",
            "-",
            "0",
            "-0",
            "00",
            "01",
            "-01",
            "1.",
            ".5",
            "1.5",
            "-1.5e3",
            "1e5",
            "1E+05",
            "1e",
            "1e+",
            "0e0",
            "18446744073709551615",
            "18446744073709551616",
            "-9223372036854775808",
            "-9223372036854775809",
            "99999999999999999999999",
            "+1",
            "0x1",
            "NaN",
            "1_0",
            r#""""#,
            r#"""#,
            r#""a"#,
            r#""a\"#,
            r#""a\""#,
            r#""\u00e9\ud83d\ude00""#,
            r#""\ud83d""#,
            r#""\ude00""#,
            r#""\ud83d\u0041""#,
            r#""\ud83dx""#,
            r#""\u12""#,
            r#""\u+123""#,
            r#""\x41""#,
            r#""\b\f\n\r\t\/\\\"""#,
            r#""\u0000""#,
            "\"\u{7f}\u{80}é😀\"",
            "\"\t\"",
            "\"\n\"",
            "\"a\u{1}\"",
            "\"\\\u{1}\"",
            r#""\u000""#,
            r#""a\nb\nc""#,
            "[]",
            "[ ]",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1,2]",
            "[",
            "]",
            "[1",
            "[1,",
            "[[],{}]",
            "{}",
            "{ }",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{,}"#,
            r#"{a:1}"#,
            r#"{"a":1 "b":2}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"\u0061":1}"#,
            r#"{"a" : [ 1 , { "b" : null } ] }"#,
            r#"{1:2}"#,
            "\r\n\t {\r\n\t \"a\"\r\n\t :\r\n\t 1\r\n\t }\r\n\t ",
            "\u{b}1",
            "\u{a0}1",
            "//\n1",
            "'a'",
        ] {
            agree(text);
        }
    }

    #[test]
    fn a_text_is_nested_so_deep_and_no_deeper() {
        for depth in [126, 127, 128, 100_000] {
            let lists = ["[".repeat(depth), "]".repeat(depth)].concat();
            agree(&lists);
            assert_eq!(parse(&lists).is_ok(), depth < 128, "{depth}");
            agree(&"[".repeat(depth));
            agree(&[r#"{"a":"#.repeat(depth), "1".into(), "}".repeat(depth)].concat());
        }
        // As many beside each other as one likes.
        agree(&["[", &"[{}],".repeat(1_000), "1]"].concat());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_as_serde_json_reads_it(
            pieces in proptest::collection::vec(proptest::sample::select(vec![
                "{", "}", "[", "]", ":", ",", "\"", "\"a\"", "\"a\":", "1", "0", "-", ".", "e", "E+",
                "true", "null", " ", "\n", "\\", "\\u", "d83d", "\\ude00", "00e9", "\\n", "é", "\u{1}",
            ]), 0..12),
        ) {
            agree(&pieces.concat());
        }

        #[test]
        fn any_value_comes_back_from_its_text(text in ".{0,20}", number: i64, whole: u64) {
            let value = serde_json::json!({ &text: [text, { "a": number, "b": [whole, null, true] }] });
            agree(&value.to_string());
            agree(&serde_json::to_string_pretty(&value).unwrap());
        }
    }

    #[test]
    fn an_error_says_where_the_text_breaks_off() {
        for (text, place) in [
            ("", "line 1 column 0"),
            ("x", "line 1 column 1"),
            ("{\n  \"a\": x}", "line 2 column 8"),
            ("[1,\n2,\n", "line 3 column 0"),
        ] {
            let seen = parse(text).unwrap_err().to_string();
            assert_eq!(seen, ["unreadable at ", place].concat(), "{text:?}");
        }
    }

    #[test]
    fn of_members_of_one_name_the_last_counts_whatever_was_taken_before() {
        let value = parse(r#"{"a":0,"b":1,"x":1,"c":2,"x":2}"#).unwrap();
        let mut members = Members::of(value).unwrap();
        for (name, expected) in [("a", 0_u64), ("b", 1), ("x", 2), ("c", 2), ("x", 1)] {
            assert_eq!(members.take::<u64>(name), Ok(expected), "{name}");
        }
    }

    #[test]
    fn an_error_names_the_place_and_never_the_value() {
        for (text, error) in [
            ("{", "unreadable at line 1 column 1"),
            ("[]", "expected an object"),
            ("{}", "missing member `text`"),
            (r#"{"text":7}"#, "text: expected text"),
            (
                r#"{"text":"hunter2","number":-1}"#,
                "number: expected a whole number, zero or more",
            ),
            (
                r#"{"text":"hunter2","number":4294967296}"#,
                "number: expected a number below 4294967296",
            ),
            (
                r#"{"text":"hunter2","list":["hunter2"]}"#,
                "list: expected true or false",
            ),
        ] {
            let seen = read::<Sample>(text).unwrap_err().to_string();
            assert_eq!(seen, error, "{text}");
        }
    }
}
