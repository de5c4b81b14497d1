//! JSON that is written, a member at a time.

use serde::Serialize;

use super::{JsonError, Object, Value, plain_start};

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
            for (name, value) in object.members() {
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
