//! JSON in: the records of a store, the acts of administration, the claims of a token.
//!
//! One parser reads every text into a value, and the members are taken from it by name. Derived
//! deserialisers would be a parser for each type: they were a quarter of the wasm
//! (docs/decisions/0004).

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Map;
pub(crate) use serde_json::Value;

use crate::time::UnixTime;

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

    pub(crate) fn within(self, name: &str) -> Self {
        Self([name, ": ", &self.0].concat())
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for JsonError {}

/// The members of an object, and how many of them have been taken. A member that was taken is null
/// afterwards: removing it would cost the wasm the map's whole rebalancing.
#[derive(Debug, Clone)]
pub(crate) struct Members {
    members: Map<String, Value>,
    taken: Vec<&'static str>,
}

impl Members {
    pub(crate) fn of(value: Value) -> Result<Self, JsonError> {
        match value {
            Value::Object(members) => Ok(Self {
                members,
                taken: Vec::new(),
            }),
            _ => Err(JsonError::expected("an object")),
        }
    }

    /// Takes a member. One that is not there is its type's default, if the type has one.
    pub(crate) fn take<T: Member>(&mut self, name: &'static str) -> Result<T, JsonError> {
        match self.value(name) {
            Some(value) => T::read(value).map_err(|error| error.within(name)),
            None => T::absent().ok_or_else(|| JsonError::missing(name)),
        }
    }

    fn value(&mut self, name: &'static str) -> Option<Value> {
        let value = self.members.get_mut(name)?;
        self.taken.push(name);
        Some(std::mem::take(value))
    }

    /// Takes a member that may be absent, and is its type's default then.
    pub(crate) fn take_or_default<T: Member + Default>(
        &mut self,
        name: &'static str,
    ) -> Result<T, JsonError> {
        Ok(self.take::<Option<T>>(name)?.unwrap_or_default())
    }

    /// Takes the only member, whatever its name.
    pub(crate) fn only(self) -> Result<(String, Value), JsonError> {
        let mut members = self.members.into_iter();
        match (members.next(), members.next()) {
            (Some(only), None) => Ok(only),
            _ => Err(JsonError::expected("an object with one member")),
        }
    }

    /// Refuses what nobody took.
    pub(crate) fn finish(&self) -> Result<(), JsonError> {
        let mut names = self.members.keys();
        let unknown = names.find(|name| !self.taken.contains(&name.as_str()));
        unknown.map_or(Ok(()), |name| Err(JsonError::unknown(name)))
    }
}

/// Reads a whole text.
pub(crate) fn read<T: Member>(text: &str) -> Result<T, JsonError> {
    T::read(parse(text)?)
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
    // `parse`, not `from_str`: the library's own instance, which is compiled for speed.
    text.parse().map_err(place)
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
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Object(Map<String, Value>);

impl Object {
    /// The names of its members.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl Member for Object {
    fn read(value: Value) -> Result<Self, JsonError> {
        if !is_whole(&value) {
            return Err(JsonError::expected(
                "whole numbers; give a fraction as text",
            ));
        }
        Members::of(value).map(|members| Self(members.members))
    }
}

fn is_whole(value: &Value) -> bool {
    match value {
        Value::Number(number) => !number.is_f64(),
        Value::Array(values) => values.iter().all(is_whole),
        Value::Object(members) => members.values().all(is_whole),
        _ => true,
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, Written(value))))
    }
}

/// A value without fractions.
struct Written<'a>(&'a Value);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(number), _) => serializer.serialize_u64(number),
                (_, Some(number)) => serializer.serialize_i64(number),
                (None, None) => serializer.serialize_unit(),
            },
            Value::String(text) => serializer.serialize_str(text),
            Value::Array(values) => serializer.collect_seq(values.iter().map(Written)),
            Value::Object(members) => {
                serializer.collect_map(members.iter().map(|(name, value)| (name, Written(value))))
            }
        }
    }
}

impl Member for String {
    fn read(value: Value) -> Result<Self, JsonError> {
        match value {
            Value::String(text) => Ok(text),
            _ => Err(JsonError::expected("text")),
        }
    }
}

impl Member for bool {
    fn read(value: Value) -> Result<Self, JsonError> {
        value
            .as_bool()
            .ok_or_else(|| JsonError::expected("true or false"))
    }
}

impl Member for u64 {
    fn read(value: Value) -> Result<Self, JsonError> {
        value
            .as_u64()
            .ok_or_else(|| JsonError::expected("a whole number, zero or more"))
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
            Value::Array(values) => values.into_iter().map(T::read).collect(),
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
                let known = Self::ALL.into_iter().find(|known| value == known.name());
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
