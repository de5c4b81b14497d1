//! What the operator hears of: refusals and failures, with the reason and without any secret.

use serde::Serialize;

use crate::error::Reason;
use crate::time::UnixTime;

/// Something that happened, for the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When: seconds since 1970.
    pub time: UnixTime,
    /// `refused` if the caller is at fault, `failed` if this side is, `done` if neither.
    pub kind: Kind,
    /// A stable code: see [`Reason::code`].
    pub reason: &'static str,
    /// More about it. It may quote the request, never a credential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The tenant that was addressed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// The registered client that the request says it is from; a claim, until it has authenticated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
}

/// Whose fault it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The request was at fault.
    Refused,
    /// The service was at fault: look at it.
    Failed,
    /// Something was done that an operator may want to know of.
    Done,
}

impl Event {
    /// Something that was done, and what it was done to.
    pub(crate) fn done(reason: &'static str, detail: String, time: UnixTime) -> Self {
        Self {
            time,
            kind: Kind::Done,
            reason,
            detail: Some(detail),
            tenant: None,
            client_id: None,
        }
    }

    pub(crate) fn of(reason: &Reason, time: UnixTime) -> Self {
        let kind = if reason.is_fault() {
            Kind::Failed
        } else {
            Kind::Refused
        };
        let detail = reason.detail();
        Self {
            time,
            kind,
            reason: reason.code(),
            detail,
            tenant: None,
            client_id: None,
        }
    }
}

/// Where events go.
pub trait EventSink {
    /// Takes an event. It must not fail: the request has its answer already.
    fn emit(&self, event: Event);
}
