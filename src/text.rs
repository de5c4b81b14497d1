//! Names that have been checked once and are well-formed ever after.

/// Whether there is a control character in it.
pub(crate) fn has_control(text: &str) -> bool {
    // Most texts are ASCII, and are not decoded for it.
    let is_visible = |byte| matches!(byte, b' '..=b'~');
    !text.bytes().all(is_visible) && text.contains(char::is_control)
}

/// Declares a text type whose values satisfy `$valid`, with its conversions and its error text. A clone is no
/// copy: names are in every key that is looked up.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $valid:expr, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        #[serde(transparent)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// What a well-formed value is, for a person who gave another one.
            pub const EXPECTED: &str = $expected;

            /// The text as this type, or `None` if it is not well-formed.
            #[must_use]
            pub fn new(text: impl AsRef<str>) -> Option<Self> {
                let text = text.as_ref();
                let valid: fn(&str) -> bool = $valid;
                valid(text).then(|| Self(text.into()))
            }

            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&self.0, f)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl $crate::json::Member for $name {
            fn read(value: $crate::json::Value<'_>) -> Result<Self, $crate::json::JsonError> {
                let $crate::json::Value::Text(text) = value else {
                    return Err($crate::json::JsonError::expected("text"));
                };
                Self::new(text).ok_or_else(|| $crate::json::JsonError::expected($expected))
            }
        }
    };
}

pub(crate) use text_type;
