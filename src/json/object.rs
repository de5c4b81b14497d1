//! Objects of any members.

use serde::{Serialize, Serializer};

use super::{JsonError, Member, Members, Value};

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
