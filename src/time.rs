//! Time as the protocol counts it: whole seconds since 1970 (RFC 7519 section 2, `NumericDate`).
//!
//! The core never reads a clock. The host reads it once per request and passes the moment in, so a
//! request sees one consistent "now" and a test can move it.

use serde::Serialize;

/// A moment: seconds since 1970-01-01T00:00:00Z, without leap seconds.
///
/// ```
/// use edgemint::UnixTime;
///
/// let issued = UnixTime::from_secs(1_700_000_000);
/// assert_eq!(issued.plus(3_600).secs(), 1_700_003_600);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Default)]
#[serde(transparent)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The moment that lies `secs` seconds after the epoch.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs)
    }

    /// Seconds since the epoch.
    #[must_use]
    pub const fn secs(self) -> u64 {
        self.0
    }

    /// The moment `seconds` later; the end of time rather than an overflow.
    #[must_use]
    pub const fn plus(self, seconds: u64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Seconds from `earlier` to this moment; zero if `earlier` is in fact later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}
