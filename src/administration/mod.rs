//! What an administrator does: registers applications and APIs, declares app roles, gives consent, adds
//! and retires secrets, rotates keys, looks at what happened.
//!
//! | file | what it answers for |
//! | --- | --- |
//! | `command` | the acts as data |
//! | `access` | who may do what |
//! | `records` | reading and writing: versions, transactions, events, repetitions |
//! | `tenants`, `applications`, `apis`, `keys`, `sessions` | the acts, by what they change |
//! | `bootstrap` | the first administrator |
//! | `error` | why an act is refused |
//!
//! `endpoint::administration` is the HTTP of it.

mod access;
mod apis;
mod applications;
mod bootstrap;
mod command;
mod error;
mod keys;
mod records;
mod sessions;
mod tenants;

use crate::directory::{Name, TenantName};
use crate::issuer::{Host, Issuer};
use crate::store::Partition;
use crate::time::UnixTime;

pub(crate) use access::Caller;
pub use bootstrap::{BootstrapSecret, BootstrapSecretError};
use command::Act;
pub use command::Command;
pub(crate) use command::Preconditions;
pub use error::AdministrationError;
pub(crate) use error::{Done, invalid};
pub(crate) use records::Reply;

/// One act at work.
pub(crate) struct Administration<'a, H: Host> {
    issuer: &'a Issuer<H>,
    tenant: TenantName,
    caller: &'a Caller,
    condition: Option<String>,
    repetition: Option<command::Repetition>,
    now: UnixTime,
}

impl<H: Host> Issuer<H> {
    /// Carries out an act of administration; what came of it is JSON. Whoever may call this is the
    /// operator: nothing is checked here.
    ///
    /// # Errors
    /// [`AdministrationError`]; nothing was changed then, except where the store failed.
    pub async fn administer(
        &self,
        command: Command,
        now: UnixTime,
    ) -> Result<String, AdministrationError> {
        let reply = self.administer_as(&Caller::OPERATOR, command, now).await?;
        Ok(reply.body.unwrap_or_else(|| "{}".to_owned()))
    }

    /// The same on behalf of a caller, whose access token has been checked.
    pub(crate) async fn administer_as(
        &self,
        caller: &Caller,
        command: Command,
        now: UnixTime,
    ) -> Done<Reply> {
        let Command {
            tenant,
            act,
            condition,
            repetition,
        } = command;
        let administration = Administration {
            issuer: self,
            tenant,
            caller,
            condition,
            repetition,
            now,
        };
        administration.run(act).await
    }
}

impl<H: Host> Administration<'_, H> {
    async fn run(&self, act: Act) -> Done<Reply> {
        let Some(repetition) = &self.repetition else {
            return self.carry_out(act).await;
        };
        if let Some(reply) = self.repeated(repetition).await? {
            return Ok(reply);
        }
        match self.carry_out(act).await {
            // The same request, at the same time, was first.
            Err(error) => self.repeated(repetition).await?.ok_or(error),
            done => done,
        }
    }

    async fn carry_out(&self, act: Act) -> Done<Reply> {
        match act {
            Act::CreateTenant(new) => self.create_tenant(new).await,
            Act::GetTenant => self.get_tenant().await,
            Act::UpdateTenant(change) => self.update_tenant(change).await,
            Act::ListTenants(range) => {
                let registry = Partition::new(tenants::REGISTRY)?;
                self.page_of(registry, "", &range, |name, _| Ok(format!("{name:?}")))
                    .await
            }
            Act::Maintain => self.maintain().await,
            Act::CreateApplication(new) => self.create_application(new).await,
            Act::ImportApplications(applications) => self.import(applications).await,
            Act::GetApplication(id) => self.get_application(&id).await,
            Act::ListApplications(range) => {
                self.page(applications::PREFIX, &range, |_, text| {
                    applications::shown(text)
                })
                .await
            }
            Act::UpdateApplication(id, change) => self.update_application(&id, change).await,
            Act::DeleteApplication(id) => self.delete_application(&id).await,
            Act::AddSecret(id, new) => self.add_secret(&id, new).await,
            Act::RemoveSecret(id, key_id) => self.remove_secret(&id, &key_id).await,
            Act::AssignRoles(id, api, roles) => self.assign_roles(&id, &api, &roles, false).await,
            Act::SetRoles(id, api, roles) => self.assign_roles(&id, &api, &roles, true).await,
            Act::RemoveRoles(id, api, roles) => {
                self.remove_roles(&id, &api, roles.as_deref()).await
            }
            Act::CreateApi(new) => self.create_api(new).await,
            Act::GetApi(identifier) => self.get_api(&identifier).await,
            Act::ListApis(range) => {
                self.page(apis::PREFIX, &range, |_, text| apis::shown(text))
                    .await
            }
            Act::UpdateApi(identifier, change) => self.update_api(&identifier, change).await,
            Act::DeleteApi(identifier) => self.delete_api(&identifier).await,
            Act::ListKeys => self.list_keys().await,
            Act::RotateKey(algorithm, starts) => self.rotate_key(algorithm, starts).await,
            Act::RemoveKey(kid) => self.remove_key(&kid).await,
            Act::ResealKeys => self.reseal_keys().await,
            Act::ListSessions(subject) => self.list_sessions(&subject).await,
            Act::EndSession(subject, id) => self.end_session(&subject, id).await,
            Act::EndUserSessions(subject) => self.end_user_sessions(&subject).await,
            Act::EndApplicationSessions(id) => self.end_application_sessions(&id).await,
            Act::EndTenantSessions => self.end_tenant_sessions().await,
            Act::ListEvents(range) => {
                self.page(records::EVENTS, &range, |id, text| {
                    // The id first, then the event as it was told.
                    let rest = text.strip_prefix('{').unwrap_or(text);
                    Ok(format!("{{\"id\":{id:?},{rest}"))
                })
                .await
            }
        }
    }

    fn tenant_name(&self) -> Name {
        Name::Tenant(self.tenant.clone())
    }

    /// Whoever mistypes the tenant is told.
    async fn tenant_record(&self) -> Done<crate::directory::Tenant> {
        let found = self.load(&self.tenant_name()).await?;
        found
            .map(|found| found.record)
            .ok_or_else(|| error::missing("tenant", self.tenant.as_str()))
    }
}

/// Changes what is given.
fn set<T>(member: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *member = given;
    }
}

/// Higher than any before, also than one that this location has not heard of yet.
fn next_epoch(epoch: u64, now: UnixTime) -> u64 {
    now.secs().max(epoch.saturating_add(1))
}
