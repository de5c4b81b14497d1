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

use std::future::Future;
use std::pin::Pin;

use crate::directory::{Name, TenantName};
use crate::issuer::{Host, Issuer};
use crate::time::UnixTime;

pub(crate) use access::Caller;
pub use bootstrap::{BootstrapSecret, BootstrapSecretError};
use command::Act;
pub use command::Command;
pub(crate) use command::Preconditions;
pub use error::AdministrationError;
pub(crate) use error::{Done, invalid};
use keys::RingAct;
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

    /// Each act waits in a place of its own: one for all of them would be as large as all together.
    fn carry_out(&self, act: Act) -> Pin<Box<dyn Future<Output = Done<Reply>> + '_>> {
        match act {
            Act::CreateTenant(new) => Box::pin(self.create_tenant(new)),
            Act::GetTenant => Box::pin(self.get_tenant()),
            Act::UpdateTenant(change) => Box::pin(self.update_tenant(change)),
            Act::ListTenants(range) => Box::pin(self.list_tenants(range)),
            Act::Maintain => Box::pin(self.maintain_tenant()),
            Act::CreateApplication(new) => Box::pin(self.create_application(new)),
            Act::ImportApplications(applications) => Box::pin(self.import(applications)),
            Act::GetApplication(id) => Box::pin(self.get_application(id)),
            Act::ListApplications(range) => {
                let shown = |_: &str, text: &str| applications::shown(text);
                Box::pin(self.page(applications::PREFIX, range, shown))
            }
            Act::UpdateApplication(id, change) => Box::pin(self.update_application(id, change)),
            Act::DeleteApplication(id) => Box::pin(self.delete_application(id)),
            Act::AddSecret(id, new) => Box::pin(self.add_secret(id, new)),
            Act::RemoveSecret(id, key_id) => Box::pin(self.remove_secret(id, key_id)),
            Act::AssignRoles(id, api, roles) => Box::pin(self.assign_roles(id, api, roles, false)),
            Act::SetRoles(id, api, roles) => Box::pin(self.assign_roles(id, api, roles, true)),
            Act::RemoveRoles(id, api, roles) => Box::pin(self.remove_roles(id, api, roles)),
            Act::CreateApi(new) => Box::pin(self.create_api(new)),
            Act::GetApi(identifier) => Box::pin(self.get_api(identifier)),
            Act::ListApis(range) => {
                let shown = |_: &str, text: &str| apis::shown(text);
                Box::pin(self.page(apis::PREFIX, range, shown))
            }
            Act::UpdateApi(identifier, change) => Box::pin(self.update_api(identifier, change)),
            Act::DeleteApi(identifier) => Box::pin(self.delete_api(identifier)),
            Act::ListKeys => Box::pin(self.list_keys()),
            Act::RotateKey(algorithm, starts) => {
                Box::pin(self.change_ring(RingAct::Rotate(algorithm, starts)))
            }
            Act::RemoveKey(kid) => Box::pin(self.change_ring(RingAct::Remove(kid))),
            Act::ResealKeys => Box::pin(self.change_ring(RingAct::Reseal)),
            Act::ListSessions(subject) => Box::pin(self.list_sessions(subject)),
            Act::EndSession(subject, id) => Box::pin(self.end_session(subject, id)),
            Act::EndUserSessions(subject) => Box::pin(self.end_user_sessions(subject)),
            Act::EndApplicationSessions(id) => Box::pin(self.end_application_sessions(id)),
            Act::EndTenantSessions => Box::pin(self.end_tenant_sessions()),
            Act::ListEvents(range) => {
                Box::pin(self.page(records::EVENTS, range, records::shown_event))
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
