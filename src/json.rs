//! JSON in: the records of a store, the acts of administration, the claims of a token.
//!
//! One parser reads every text into a value, and the members are taken from it by name. Derived
//! deserialisers would be a parser for each type: they were a quarter of the wasm. Nor is the value
//! `serde_json`'s own, whose trees and fractions nothing here needs (docs/decisions/0004).

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

use crate::time::UnixTime;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Value {
    #[default]
    Null,
    Bool(bool),
    Whole(u64),
    Negative(i64),
    /// Nothing here has a use for one: it is known that it is there, and no more.
    Fraction,
    Text(String),
    List(Vec<Self>),
    /// In the order of the text. Objects are short: a list is smaller and faster than a tree.
    Object(Vec<(String, Self)>),
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Whole(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(u64::try_from(value).map_or(Value::Negative(value), Value::Whole))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Fraction)
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = access.next_element()? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = access.next_entry()? {
            members.push(member);
        }
        Ok(Value::Object(members))
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
pub(crate) struct Members(Vec<(String, Value)>);

impl Members {
    pub(crate) fn of(value: Value) -> Result<Self, JsonError> {
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
    pub(crate) fn insert(&mut self, name: &str, value: Value) -> Result<(), JsonError> {
        if self.has(name) {
            return Err(JsonError::unknown(name));
        }
        self.0.push((name.to_owned(), value));
        Ok(())
    }

    /// Whether there is a member of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    /// Takes a member. One that is not there is its type's default, if the type has one.
    pub(crate) fn take<T: Member>(&mut self, name: &str) -> Result<T, JsonError> {
        match self.value(name) {
            Some(value) => T::read(value).map_err(|error| error.within(name)),
            None => T::absent().ok_or_else(|| JsonError::missing(name)),
        }
    }

    /// Of members of one name the last counts.
    pub(crate) fn value(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().rposition(|(known, _)| known == name)?;
        Some(self.0.swap_remove(at).1)
    }

    /// Takes a member that may be absent, and is its type's default then.
    pub(crate) fn take_or_default<T: Member + Default>(
        &mut self,
        name: &str,
    ) -> Result<T, JsonError> {
        Ok(self.take::<Option<T>>(name)?.unwrap_or_default())
    }

    /// Takes the only member, whatever its name.
    pub(crate) fn only(mut self) -> Result<(String, Value), JsonError> {
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
    read: impl FnOnce(&str, Value) -> Result<T, JsonError>,
) -> Result<T, JsonError> {
    let (name, value) = Members::of(parse(text)?)?.only()?;
    read(&name, value).map_err(|error| error.within(&name))
}

/// The value of a text, of any form.
pub(crate) fn parse(text: &str) -> Result<Value, JsonError> {
    // Of the parser's own error the place only: the text itself may hold a secret.
    let place = |error: serde_json::Error| {
        JsonError(format!(
            "unreadable at line {} column {}",
            error.line(),
            error.column()
        ))
    };
    serde_json::from_str(text).map_err(place)
}

/// A value as text.
pub(crate) fn write(value: &impl Serialize) -> Result<String, JsonError> {
    serde_json::to_string(value).map_err(|error| JsonError(error.to_string()))
}

/// What a JSON value can be read as.
pub(crate) trait Member: Sized {
    fn read(value: Value) -> Result<Self, JsonError>;

    /// What it is where its member is not there.
    fn absent() -> Option<Self> {
        None
    }
}

impl Member for Value {
    fn read(value: Value) -> Result<Self, JsonError> {
        Ok(value)
    }
}

/// An object of any members, to be written again as it was read. It holds no fractions: writing them
/// takes 10 KB of wasm, and no claim needs one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Object(Vec<(String, Value)>);

impl Object {
    /// How deep its values are nested.
    pub(crate) fn depth(&self) -> usize {
        let depths = self.0.iter().map(|(_, value)| depth(value));
        depths.max().unwrap_or(0)
    }

    /// Its members.
    pub(crate) fn members(&self) -> impl Iterator<Item = &(String, Value)> {
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
    fn read(value: Value) -> Result<Self, JsonError> {
        if has_fraction(&value) {
            return Err(JsonError::expected(
                "whole numbers; give a fraction as text",
            ));
        }
        let mut object = Self(Members::of(value)?.0);
        object.drop_repeated();
        Ok(object)
    }
}

fn depth(value: &Value) -> usize {
    let inner = match value {
        Value::List(values) => values.iter().map(depth).max(),
        Value::Object(members) => members.iter().map(|(_, value)| depth(value)).max(),
        _ => return 0,
    };
    1 + inner.unwrap_or(0)
}

fn has_fraction(value: &Value) -> bool {
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
pub(crate) struct Shown<'a>(pub(crate) Vec<(&'a str, Value)>);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Serialize for Value {
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
    fn read(value: Value) -> Result<Self, JsonError> {
        match value {
            Value::Text(text) => Ok(text),
            _ => Err(JsonError::expected("text")),
        }
    }
}

impl Member for bool {
    fn read(value: Value) -> Result<Self, JsonError> {
        match value {
            Value::Bool(value) => Ok(value),
            _ => Err(JsonError::expected("true or false")),
        }
    }
}

impl Member for u64 {
    fn read(value: Value) -> Result<Self, JsonError> {
        match value {
            Value::Whole(number) => Ok(number),
            _ => Err(JsonError::expected("a whole number, zero or more")),
        }
    }
}

impl Member for u32 {
    fn read(value: Value) -> Result<Self, JsonError> {
        let number = u64::read(value)?;
        Self::try_from(number).map_err(|_| JsonError::expected("a number below 4294967296"))
    }
}

impl Member for UnixTime {
    fn read(value: Value) -> Result<Self, JsonError> {
        u64::read(value).map(Self::from_secs)
    }
}

impl<T: Member> Member for Option<T> {
    fn read(value: Value) -> Result<Self, JsonError> {
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
    fn read(value: Value) -> Result<Self, JsonError> {
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
            fn read(value: $crate::json::Value) -> Result<Self, $crate::json::JsonError> {
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
            fn read(value: $crate::json::Value) -> Result<Self, $crate::json::JsonError> {
                let named = |name| matches!(&value, $crate::json::Value::Text(text) if text == name);
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
