//! What the operator hears of: refusals, failures, and what was issued and revoked; without any secret.

use serde::Serialize;

use crate::api::ApiUri;
use crate::client::{ClientId, GrantType};
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

/// An access token that was issued.
#[derive(Debug, Clone, Copy)]
pub struct Issuance<'a> {
    /// When.
    pub time: UnixTime,
    /// Whose it is.
    pub tenant: &'a TenantName,
    /// Who got it.
    pub client_id: &'a ClientId,
    /// The API that it is for.
    pub api: &'a ApiUri,
    /// What it was asked for with.
    pub grant_type: GrantType,
    /// Its `jti`. By that, an access token that turns up somewhere is traced.
    pub jti: &'a str,
}

impl Issuance<'_> {
    const REASON: &'static str = "token_issued";

    /// As an event: `token_issued`.
    #[must_use]
    pub fn event(&self) -> Event {
        let detail = self.words().join(" ");
        let event = Event::new(Kind::Done, Self::REASON, Some(detail), self.time);
        event.about(self.tenant, self.client_id)
    }

    /// The text of that event.
    #[must_use]
    pub fn to_json(&self) -> String {
        Writer::object(384, |out| {
            out.number("time", self.time.secs());
            out.text("kind", Kind::Done.name());
            out.text("reason", Self::REASON);
            out.words("detail", &self.words());
            out.text("tenant", self.tenant.as_str());
            out.text("clientId", self.client_id.as_str());
        })
    }

    fn words(&self) -> [&str; 3] {
        [self.api.as_str(), self.grant_type.name(), self.jti]
    }
}

/// Where events go.
pub trait EventSink {
    /// Takes an event. It must not fail: the request has its answer already.
    fn emit(&self, event: Event);

    /// Takes the event of an access token. There is one for each, which not everybody wants to hear of.
    fn issued(&self, issuance: &Issuance<'_>) {
        self.emit(issuance.event());
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

    #[test]
    fn an_issuance_is_written_as_its_event_is() {
        let issuance = Issuance {
            time: UnixTime::from_secs(1_800_000_000),
            tenant: &TenantName::new("demo").unwrap(),
            client_id: &ClientId::new("\"quoted\" \\ é").unwrap(),
            api: &ApiUri::new("api://orders").unwrap(),
            grant_type: GrantType::ClientCredentials,
            jti: "j",
        };
        assert_eq!(issuance.to_json(), issuance.event().to_json());
        let detail = issuance.event().detail;
        assert_eq!(detail.as_deref(), Some("api://orders client_credentials j"));
    }
}
