//! What the operator hears of: refusals, failures, and what was issued and revoked; without any secret.

use serde::Serialize;

use crate::client::ClientId;
use crate::directory::TenantName;
use crate::error::Reason;
use crate::json::Writer;
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

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Done => "done",
        }
    }
}

impl Event {
    pub(crate) fn new(
        kind: Kind,
        reason: &'static str,
        detail: Option<String>,
        time: UnixTime,
    ) -> Self {
        Self {
            time,
            kind,
            reason,
            detail,
            tenant: None,
            client_id: None,
        }
    }

    /// As text: what is derived, in less code for the wasm.
    #[must_use]
    pub fn to_json(&self) -> String {
        Writer::object(384, |out| {
            out.number("time", self.time.secs());
            out.text("kind", self.kind.name());
            out.text("reason", self.reason);
            out.optional("detail", self.detail.as_deref());
            out.optional("tenant", self.tenant.as_deref());
            out.optional("clientId", self.client_id.as_deref());
        })
    }

    /// That something was not done, and why.
    pub(crate) fn of(reason: &Reason, time: UnixTime) -> Self {
        let kind = if reason.is_fault() {
            Kind::Failed
        } else {
            Kind::Refused
        };
        Self::new(kind, reason.code(), reason.detail(), time)
    }

    /// The same with whom it concerns.
    pub(crate) fn about(self, tenant: &TenantName, client_id: &ClientId) -> Self {
        Self {
            tenant: Some(tenant.to_string()),
            client_id: Some(client_id.to_string()),
            ..self
        }
    }
}

/// Where events go.
pub trait EventSink {
    /// Takes an event. It must not fail: the request has its answer already.
    fn emit(&self, event: Event);

    /// Whether it wants to hear of every access token, too: `token_issued`.
    fn wants_issuances(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_written_as_it_is_derived() {
        let time = UnixTime::from_secs(1_800_000_000);
        for kind in [Kind::Refused, Kind::Failed, Kind::Done] {
            let mut event = Event::new(kind, "store_unavailable", None, time);
            assert_eq!(event.to_json(), serde_json::to_string(&event).unwrap());
            event.detail = Some("\"quoted\" \\ é".into());
            event.tenant = Some("demo".into());
            event.client_id = Some("f3a1".into());
            assert_eq!(event.to_json(), serde_json::to_string(&event).unwrap());
        }
    }
}
