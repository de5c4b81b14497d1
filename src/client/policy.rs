//! How long a session lasts, and whether a refresh token serves once or again and again.

use serde::Serialize;

use crate::json::{JsonError, Member, Members, Value, Writer, named};

/// What an application's refresh tokens are allowed: RFC 9700 section 4.14.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RefreshPolicy {
    /// Whether a refresh token is replaced by its use.
    pub mode: RefreshMode,
    /// Seconds within which a token that was just replaced gets the same successor again, for a client
    /// that lost the answer. 0 to 300; only with [`RefreshMode::Rotate`].
    pub grace: u32,
    /// Seconds without a refresh after which the session ends.
    pub idle: u32,
    /// Seconds after the sign-in at which the session ends, whatever happens.
    pub absolute: u32,
}

impl RefreshPolicy {
    /// Most seconds of grace.
    pub const MAX_GRACE: u32 = 300;
    /// Most seconds that a session lasts: five years.
    pub const MAX_ABSOLUTE: u32 = 5 * 365 * 86_400;

    /// What is wrong with it, if anything.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        if self.grace > Self::MAX_GRACE {
            Some("a grace window is 0 to 300 seconds")
        } else if !(60..=self.absolute).contains(&self.idle) {
            Some("the idle lifetime is 60 seconds or more, and not above the absolute one")
        } else if self.absolute > Self::MAX_ABSOLUTE {
            Some("the absolute lifetime is 157680000 seconds (five years) at most")
        } else {
            None
        }
    }
}

impl Default for RefreshPolicy {
    /// What the dialect does, with ten seconds of grace where that is rotation; 30 days idle, 90 days in all.
    fn default() -> Self {
        Self {
            mode: RefreshMode::Dialect,
            grace: 10,
            idle: 30 * 86_400,
            absolute: 90 * 86_400,
        }
    }
}

impl RefreshPolicy {
    /// Its members. All of them: who reads them may be of a version with other defaults.
    pub(crate) fn write(&self, out: &mut Writer) {
        out.text("mode", self.mode.name());
        out.number("grace", self.grace.into());
        out.number("idle", self.idle.into());
        out.number("absolute", self.absolute.into());
    }
}

impl Member for RefreshPolicy {
    fn read(value: Value<'_>) -> Result<Self, JsonError> {
        let mut members = Members::of(value)?;
        let default = Self::default();
        let policy = Self {
            mode: members.take_or_default("mode")?,
            grace: members.take::<Option<_>>("grace")?.unwrap_or(default.grace),
            idle: members.take::<Option<_>>("idle")?.unwrap_or(default.idle),
            absolute: members
                .take::<Option<_>>("absolute")?
                .unwrap_or(default.absolute),
        };
        members.finish()?;
        Ok(policy)
    }
}

/// Whether a refresh token is replaced by its use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum RefreshMode {
    /// Every refresh answers with a new token, and the old one is spent: OAuth 2.1 section 4.3.1.
    Rotate,
    /// The same token serves until the session ends. For confidential applications only.
    Reusable,
    /// What clients of the dialect expect: rotation at the standard's endpoints, one token at those of Entra
    /// and B2C.
    #[default]
    Dialect,
}

impl RefreshMode {
    const ALL: [Self; 3] = [Self::Rotate, Self::Reusable, Self::Dialect];

    const fn name(self) -> &'static str {
        match self {
            Self::Rotate => "rotate",
            Self::Reusable => "reusable",
            Self::Dialect => "dialect",
        }
    }
}

named!(RefreshMode, "`rotate`, `reusable` or `dialect`");
