//! Why an act was not carried out.

use std::fmt;

use crate::entropy::EntropyError;
use crate::error::Reason;
use crate::json::JsonError;
use crate::key::{SealError, SignerError};
use crate::store::{KeyError, StoreError};

/// Why an act was not carried out. Nothing was changed, except where the store failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdministrationError {
    /// A value is not what it should be.
    Invalid(String),
    /// What the act names is not there.
    NotFound(String),
    /// What the act would create is there already.
    Exists(String),
    /// It contradicts what is there: somebody else changed it in the meantime, or it is still needed.
    Conflict(String),
    /// Another version is stored than the one that the caller has seen: RFC 9110 section 13.1.1.
    Precondition,
    /// The caller may not do this.
    Forbidden(String),
    /// The idempotency key was used for another act.
    Repetition,
    /// The handle of an authorization is unknown here, of another tenant, or too old.
    Handle,
    /// The store, the signer or the entropy source failed.
    Failed(Reason),
}

pub(crate) type Done<T> = Result<T, AdministrationError>;

impl AdministrationError {
    /// A stable name for the kind of error.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid",
            Self::NotFound(_) => "not_found",
            Self::Exists(_) => "exists",
            Self::Conflict(_) => "conflict",
            Self::Precondition => "precondition_failed",
            Self::Forbidden(_) => "forbidden",
            Self::Repetition => "idempotency_mismatch",
            Self::Handle => "invalid_handle",
            Self::Failed(Reason::Storage(_)) => "store_unavailable",
            Self::Failed(Reason::NoGrants) => "no_grants",
            Self::Failed(_) => "failed",
        }
    }

    /// The HTTP status: RFC 9110 section 15.
    pub(crate) const fn status(&self) -> u16 {
        match self {
            Self::Invalid(_) | Self::Handle => 400,
            Self::Forbidden(_) => 403,
            Self::NotFound(_) => 404,
            Self::Exists(_) | Self::Conflict(_) => 409,
            Self::Precondition => 412,
            Self::Repetition => 422,
            Self::Failed(reason) => reason.wire().status,
        }
    }
}

impl fmt::Display for AdministrationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, then) = match self {
            Self::Invalid(why) | Self::Forbidden(why) | Self::Conflict(why) => (why.as_str(), ""),
            Self::NotFound(what) => (what.as_str(), " does not exist"),
            Self::Exists(what) => (what.as_str(), " exists already"),
            Self::Precondition => (
                "it was changed by someone else since you read it; read it again",
                "",
            ),
            Self::Repetition => (
                "the idempotency key was used for something else in the last 24 hours",
                "",
            ),
            Self::Handle => (
                "the handle of the authorization is not valid any more; let the user start again",
                "",
            ),
            Self::Failed(reason) => {
                f.write_str(reason.code())?;
                return reason
                    .detail()
                    .map_or(Ok(()), |detail| write!(f, ": {detail}"));
            }
        };
        f.write_str(what)?;
        f.write_str(then)
    }
}

impl std::error::Error for AdministrationError {}

pub(crate) fn invalid(why: &str) -> AdministrationError {
    AdministrationError::Invalid(why.to_owned())
}

pub(crate) fn missing(what: &str, name: &str) -> AdministrationError {
    AdministrationError::NotFound([what, " `", name, "`"].concat())
}

pub(crate) fn exists(what: &str, name: &str) -> AdministrationError {
    AdministrationError::Exists([what, " `", name, "`"].concat())
}

/// What an act may fail of beside its own reasons.
macro_rules! from_failure {
    ($($failure:ty),+) => {$(
        impl From<$failure> for AdministrationError {
            fn from(failure: $failure) -> Self {
                Self::Failed(failure.into())
            }
        }
    )+};
}

from_failure!(
    Reason,
    JsonError,
    StoreError,
    KeyError,
    SignerError,
    SealError,
    EntropyError
);
