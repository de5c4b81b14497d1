//! JSON: the records of a store, the acts of administration, the claims of a token, the answers.
//!
//! One parser reads every text into a value, and the members are taken from it by name. Derived
//! deserialisers would be a parser for each type: they were a quarter of the wasm. Nor is parser or value
//! `serde_json`'s own, whose copies, trees and fractions nothing here needs (docs/decisions/0004): the value
//! borrows from the text. What requests have written goes through [`Writer`].

mod object;
mod parser;
mod writer;

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};

pub(crate) use object::Object;
pub(crate) use parser::parse;
pub(crate) use writer::{Writer, write};

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

/// Why a text is not what it should be. It names the member, never its value, which may be secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError(String);

impl JsonError {
    /// The value is of another form than this.
    // Not put into each of the many that call it, nor are the others: a first token compiles those.
    #[cold]
    #[inline(never)]
    pub(crate) fn expected(form: &str) -> Self {
        Self(["expected ", form].concat())
    }

    #[cold]
    #[inline(never)]
    fn missing(name: &str) -> Self {
        Self(["missing member `", name, "`"].concat())
    }

    #[cold]
    #[inline(never)]
    fn unknown(name: &str) -> Self {
        // The caller chose the name: no more of it than a person would write.
        let name: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
        Self(["unknown member `", &name, "`"].concat())
    }

    /// What it says.
    pub(crate) fn into_text(self) -> String {
        self.0
    }

    #[cold]
    #[inline(never)]
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
    // Not put into each of a hundred that call it: a first token compiles them.
    #[inline(never)]
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
            let object = Writer::object(0, |out| out.value("", &value));
            // Alone, since serde_json reads no text that is nested a level deeper.
            let again = object.strip_prefix(r#"{"":"#).unwrap();
            let again = again.strip_suffix('}').unwrap();
            let again: serde_json::Value = serde_json::from_str(again).unwrap();
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
