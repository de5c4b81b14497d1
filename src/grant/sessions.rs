//! A user's sessions: listed, ended one by one, or all at once.

use serde::Serialize;

use super::authorization::check_subject;
use super::command::{Command, Outcome, Refusal};
use super::record::{Grant, GrantedScopes};
use super::session::{epochs, policy, step};
use super::store::User;
use super::token::{GRANTS, Id, Place, user_key};
use crate::administration::AdministrationError;
use crate::api::RoleName;
use crate::client::ClientId;
use crate::directory::{TenantName, parse};
use crate::error::Reason;
use crate::event::{Event, EventSink};
use crate::issuer::{Host, Issuer};
use crate::json;
use crate::store::{Expected, Key, MAX_PAGE, Put, Store};
use crate::time::UnixTime;

/// Rounds after which ending everything gives up.
const ROUNDS: usize = 16;

#[derive(Serialize)]
struct Sessions {
    items: Vec<Session>,
}

/// One session, as an administrator or its user sees it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Session {
    id: Id,
    client_id: ClientId,
    client_name: String,
    scopes: Vec<String>,
    created_at: UnixTime,
    used_at: UnixTime,
    expires_at: UnixTime,
}

type Done<T = String> = Result<T, AdministrationError>;

impl<H: Host> Issuer<H> {
    /// The sessions of a user that are alive, the newest first.
    pub(crate) async fn list_sessions(
        &self,
        tenant_name: &TenantName,
        subject: &str,
        now: UnixTime,
    ) -> Done {
        check_subject(subject)?;
        let grants = self.grants()?;
        let (store, directory) = (self.host().store(), self.directory());
        let tenant = directory.tenant(store, tenant_name, now).await?;
        let tenant = tenant.ok_or_else(|| unknown_tenant(tenant_name))?;
        let user = user_key(tenant_name, subject)?;
        let found = grants.get(&user).await?;
        let user_epoch = epoch(&user, found.as_ref().map(|found| found.value.as_str()))?;
        let mut sessions = Vec::new();
        let mut cursor = None;
        loop {
            let page = grants
                .list(user.partition(), GRANTS, cursor.as_deref(), MAX_PAGE)
                .await?;
            for name in page.names {
                let key = Key::new(user.partition().clone(), name.clone())?;
                let id = name.strip_prefix(GRANTS).and_then(Id::parse);
                let (Some(found), Some(id)) = (grants.get(&key).await?, id) else {
                    continue;
                };
                // One that cannot be read must not hide the others.
                let grant = match parse::<Grant>(&key, &found.value) {
                    Ok(grant) => grant,
                    Err(reason) => {
                        self.host().events().emit(Event::of(&reason, now));
                        continue;
                    }
                };
                let client = directory.application(store, tenant_name, &grant.client_id, now);
                let Some(client) = client.await? else {
                    continue;
                };
                let (policy, epochs) = (policy(&client), epochs(&tenant, &client));
                if grant.is_live(&policy, epochs, user_epoch, now) {
                    // In its place: a list of sessions is short, and sorting is long.
                    let newer = |known: &Session| known.created_at > grant.created_at;
                    let at = sessions.partition_point(newer);
                    let session = Session {
                        id,
                        client_id: grant.client_id,
                        client_name: client.display_name.clone(),
                        scopes: names(&grant.scopes),
                        created_at: grant.created_at,
                        used_at: grant.used_at,
                        expires_at: grant.expires_at,
                    };
                    sessions.insert(at, session);
                }
            }
            cursor = page.cursor;
            if cursor.is_none() {
                break;
            }
        }
        Ok(json::write(&Sessions { items: sessions })?)
    }

    /// Ends one session of a user.
    pub(crate) async fn end_session(
        &self,
        tenant: &TenantName,
        subject: &str,
        id: Id,
        now: UnixTime,
    ) -> Done<()> {
        check_subject(subject)?;
        let place = Place::new(tenant, subject, id);
        match step(self, &place, &Command::End {}, now).await? {
            Outcome::Refused(Refusal::Unknown) => {
                Err(AdministrationError::NotFound(format!("session `{id}`")))
            }
            Outcome::Refused(refusal) => Err(Reason::refused(refusal, &place, false).into()),
            _ => Ok(()),
        }
    }

    /// Ends every session of a user: one write, however many there are.
    pub(crate) async fn end_user_sessions(
        &self,
        tenant: &TenantName,
        subject: &str,
        now: UnixTime,
    ) -> Done<()> {
        check_subject(subject)?;
        let grants = self.grants()?;
        // Whoever mistypes the tenant must not believe that the sessions are ended.
        let known = self.directory().tenant(self.host().store(), tenant, now);
        known.await?.ok_or_else(|| unknown_tenant(tenant))?;
        let key = user_key(tenant, subject)?;
        for _ in 0..ROUNDS {
            let found = grants.get(&key).await?;
            let epoch = epoch(&key, found.as_ref().map(|found| found.value.as_str()))?;
            let text = json::write(&User { epoch: epoch + 1 })?;
            let expected = found.map_or(Expected::Absent, |found| Expected::Version(found.version));
            if let Put::Done(_) = grants.put(&key, &text, expected, None).await? {
                return Ok(());
            }
        }
        Err(AdministrationError::Conflict(format!(
            "the user `{subject}`"
        )))
    }
}

fn epoch(key: &Key, text: Option<&str>) -> Result<u64, Reason> {
    User::epoch(text).map_err(|error| Reason::CorruptRecord {
        key: key.to_string(),
        why: error.to_string(),
    })
}

fn unknown_tenant(name: &TenantName) -> AdministrationError {
    AdministrationError::NotFound(format!("tenant `{name}`"))
}

/// Each scope in full, as in the `scope` parameter.
pub(crate) fn scope_text(scopes: &[GrantedScopes]) -> String {
    names(scopes).join(" ")
}

/// Each scope in full.
fn names(scopes: &[GrantedScopes]) -> Vec<String> {
    let of = |granted: &GrantedScopes| {
        let api = granted.api.clone();
        let full = move |scope: &RoleName| [api.as_str(), "/", scope.as_str()].concat();
        granted.scopes.iter().map(full).collect::<Vec<_>>()
    };
    scopes.iter().flat_map(of).collect()
}
