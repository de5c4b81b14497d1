//! Tenants: made with a key ring and, where asked for, an administrator; changed.

use serde::Serialize;

use super::Administration;
use super::applications::{AddedSecret, MadeSecret, check_name};
use super::command::{
    ApplicationChange, Change, NewApplication, NewSecret, NewTenant, Range, TenantChange,
};
use super::error::{Done, exists, invalid, missing};
use super::keys::RingAct;
use super::records::{Reply, Transaction, document, version};
use super::{next_epoch, set};
use crate::api::{ADMIN_API, ApiUri, Assignment, administration_roles};
use crate::client::{Application, ClientKind, ClientSecret, GrantType};
use crate::dialect::{COMMON, is_domain, is_policy, is_uuid};
use crate::directory::{Name, Tenant, TenantName};
use crate::entropy;
use crate::error::Reason;
use crate::issuer::Host;
use crate::json;
use crate::key::{Algorithm, TenantKeys};
use crate::store::{Commit, Expected, Partition, Store, Write};
use crate::token::{DEFAULT_LIFETIME, MAX_LIFETIME, MIN_LIFETIME};

/// The partition of the names of all tenants: what is to be done for each of them starts here.
pub(super) const REGISTRY: &str = "tenants";
/// Most domains, and most policies, of a tenant.
const MAX_NAMES: usize = 50;
/// The name of an administrator's application, if nobody says otherwise.
const ADMINISTRATOR: &str = "Administrator";

/// What of a tenant is shown, beside its name.
const SHOWN: [&str; 9] = [
    "id",
    "displayName",
    "algorithm",
    "accessTokenLifetime",
    "loginUrl",
    "entra",
    "domains",
    "policies",
    "createdAt",
];

/// An application that administers a tenant, with its secret.
pub(super) struct Administrator {
    pub(super) application: Application,
    pub(super) secret: MadeSecret,
}

#[derive(Serialize)]
struct CreatedTenant<'a> {
    tenant: &'a str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    administrator: Option<AddedSecret<'a>>,
}

impl Administrator {
    /// What is shown of it, once.
    pub(super) fn shown<'a>(&'a self, tenant: Option<&'a str>) -> AddedSecret<'a> {
        let record = &self.secret.record;
        AddedSecret {
            tenant,
            client_id: &self.application.client_id,
            key_id: &record.key_id,
            display_name: &record.display_name,
            secret: self.secret.shown.as_ref().map(ClientSecret::expose),
            hint: &record.hint,
            starts: record.starts,
            ends: record.ends,
        }
    }
}

impl<H: Host> Administration<'_, H> {
    pub(super) async fn create_tenant(&self, new: NewTenant) -> Done<Reply> {
        // What the first segment of a path of Entra's could be taken for.
        let name = self.tenant.as_str();
        if is_uuid(name) || COMMON.contains(&name) {
            return Err(invalid("no tenant can have that name"));
        }
        let id = match new.id {
            None => entropy::uuid(self.issuer.host().entropy())?,
            Some(id) if is_uuid(&id) => id,
            Some(_) => return Err(invalid("an id is a UUID in lower case")),
        };
        let mut tenant = Tenant {
            id,
            display_name: self.tenant.to_string(),
            algorithm: Algorithm::default(),
            former_algorithm: None,
            access_token_lifetime: DEFAULT_LIFETIME,
            login_url: None,
            entra: false,
            domains: Vec::new(),
            policies: Vec::new(),
            epoch: 0,
            created_at: self.now,
        };
        change(&mut tenant, new.settings)?;
        let name = self.tenant_name();
        let taken = || exists("tenant", self.tenant.as_str());
        if self.load::<Tenant>(&name).await?.is_some() {
            return Err(taken());
        }
        // One that is older than these rules may have the form of an id for its name.
        if let Some(namesake) = TenantName::new(tenant.id.as_str()).map(Name::Tenant)
            && self.load::<Tenant>(&namesake).await?.is_some()
        {
            return Err(exists("tenant", &tenant.id));
        }
        // The ring first: a tenant that exists can sign. A ring left by an attempt that was cut short
        // is kept.
        let mut transaction = Transaction::default().tell("tenant_created", self.tenant.as_str());
        let mut at_hand = self.ring().await?;
        let algorithm = tenant.algorithm;
        self.ensure_key(&mut transaction, &mut at_hand, algorithm, self.now)
            .await?;
        // Whether or not they lead anywhere yet: nobody else is to have them.
        self.claim_names(&tenant).await?;
        if tenant.has_dialects() {
            let rs256 = Algorithm::Rs256;
            self.ensure_key(&mut transaction, &mut at_hand, rs256, self.now)
                .await?;
        }
        self.put_ring(&mut transaction, &at_hand)?;
        // Who makes a tenant from within another has no other way into it.
        let asked = new.administrator;
        let asked = asked.or(self.caller.client_id().map(|_| None));
        let administrator = match asked {
            None => None,
            Some(display_name) => {
                let keys = self.keys_of(&at_hand.ring).await?;
                Some(self.administrator(display_name, &keys)?)
            }
        };
        if let Some(Administrator { application, .. }) = &administrator {
            let name = Name::Application(self.tenant.clone(), application.client_id.clone());
            transaction.put(name, json::write(application)?, Expected::Absent)?;
            transaction = transaction.tell("administrator_created", application.client_id.as_str());
        }
        transaction.put(name, json::write(&tenant)?, Expected::Absent)?;
        self.register().await?;
        let reply = Reply {
            created: Some(self.tenant.to_string()),
            ..Reply::of(&CreatedTenant {
                tenant: self.tenant.as_str(),
                id: &tenant.id,
                administrator: administrator.as_ref().map(|made| made.shown(None)),
            })?
        };
        match self.commit(transaction, &reply).await? {
            None => Ok(reply),
            Some(_) => Err(taken()),
        }
    }

    /// The names of all tenants, whichever is asked.
    pub(super) async fn list_tenants(&self, range: Range) -> Done<Reply> {
        let shown = |name: &str, _: &str| Ok(json::write(&name)?);
        self.page_of(Partition::new(REGISTRY)?, "", range, shown)
            .await
    }

    /// Puts the tenant's name where all of them are listed. A name of a tenant that was never finished
    /// does no harm there.
    async fn register(&self) -> Done<()> {
        let write = Write {
            name: self.tenant.to_string(),
            value: Some("{}".to_owned()),
            expected: Expected::Absent,
            expires_at: None,
        };
        let registry = Partition::new(REGISTRY)?;
        match self.store().commit(&registry, &[write]).await? {
            Commit::Done(_) | Commit::Conflict(_) => Ok(()),
        }
    }

    /// An application that holds every app role of the administration.
    pub(super) fn administrator(
        &self,
        display_name: Option<String>,
        keys: &TenantKeys,
    ) -> Done<Administrator> {
        let mut application = self.application(NewApplication {
            client_id: None,
            kind: ClientKind::Confidential,
            settings: ApplicationChange {
                display_name: Some(display_name.unwrap_or_else(|| ADMINISTRATOR.to_owned())),
                disabled: None,
                grant_types: Some(vec![GrantType::ClientCredentials]),
                redirect_uris: None,
                refresh: None,
                introspects: None,
            },
        })?;
        let new = NewSecret {
            display_name: None,
            secret: None,
            starts: None,
            ends: None,
        };
        let secret = self.make_secret(&application.client_id, new, keys)?;
        application.secrets.push(secret.record.clone());
        let api = ApiUri::new(ADMIN_API);
        application.assignments.push(Assignment {
            api: api.ok_or(Reason::Internal("no administration".into()))?,
            roles: administration_roles()?,
            assigned_at: self.now,
        });
        Ok(Administrator {
            application,
            secret,
        })
    }

    pub(super) async fn get_tenant(&self) -> Done<Reply> {
        let found = self.load::<Tenant>(&self.tenant_name()).await?;
        let found = found.ok_or_else(|| missing("tenant", self.tenant.as_str()))?;
        self.reply_tenant(&found.text)
    }

    pub(super) async fn update_tenant(&self, settings: TenantChange) -> Done<Reply> {
        // The new algorithm takes over once its key has been announced for long enough; until then,
        // tokens are signed as before.
        let mut ring = None;
        if settings.needs_more() {
            // Nothing is announced for a change that is refused.
            let name = self.tenant_name();
            let mut found = self.load_known::<Tenant>(&name, "tenant").await?;
            let spoke = found.record.has_dialects();
            change(&mut found.record, settings.clone())?;
            if let Some(algorithm) = settings.algorithm {
                ring = Some(self.announce(algorithm).await?);
            }
            self.claim_names(&found.record).await?;
            if found.record.has_dialects() {
                self.announce(Algorithm::Rs256).await?;
                if !spoke {
                    self.give_app_ids(&found.record).await?;
                }
            }
        }
        let mut detail = [self.tenant.as_str(), ":", &settings.names()].concat();
        match &settings.login_url {
            Change::Keep => {}
            Change::Unset => detail.push_str(" (none)"),
            Change::To(url) => detail.push_str(&[" (", url.as_str(), ")"].concat()),
        }
        self.edit(
            &self.tenant_name(),
            "tenant",
            &mut |tenant: &mut Tenant| {
                if let (Some(ring), Some(wished)) = (&ring, settings.algorithm) {
                    let present = tenant.algorithms();
                    tenant.former_algorithm = self.former_algorithm(ring, &present, wished);
                }
                change(tenant, settings.clone())?;
                Ok(Transaction::default().tell("tenant_updated", detail.as_str()))
            },
            &|text| self.reply_tenant(text),
        )
        .await
    }

    /// Makes its id and its domains lead to the tenant.
    async fn claim_names(&self, tenant: &Tenant) -> Done<()> {
        for id in tenant.domains.iter().chain([&tenant.id]) {
            self.claim(id).await?;
        }
        Ok(())
    }

    /// What is due: of the key ring, and what tenants have today that one which is older has not.
    pub(super) async fn maintain_tenant(&self) -> Done<Reply> {
        let reply = self.change_ring(RingAct::Maintain).await?;
        let tenant = self.tenant_record().await?;
        self.claim_names(&tenant).await?;
        if tenant.has_dialects() {
            self.give_app_ids(&tenant).await?;
        }
        Ok(reply)
    }

    pub(super) async fn end_tenant_sessions(&self) -> Done<Reply> {
        self.edit(
            &self.tenant_name(),
            "tenant",
            &mut |tenant: &mut Tenant| {
                tenant.epoch = next_epoch(tenant.epoch, self.now);
                Ok(Transaction::default().tell("tenant_sessions_ended", self.tenant.as_str()))
            },
            &|_| Ok(Reply::default()),
        )
        .await
    }

    fn reply_tenant(&self, text: &str) -> Done<Reply> {
        Ok(Reply {
            body: Some(document(text, &SHOWN, &[("tenant", self.tenant.as_str())])?),
            version: Some(version(text)),
            created: None,
        })
    }
}

fn change(tenant: &mut Tenant, given: TenantChange) -> Done<()> {
    set(&mut tenant.display_name, given.display_name);
    set(&mut tenant.algorithm, given.algorithm);
    check_lifetime(given.access_token_lifetime)?;
    set(
        &mut tenant.access_token_lifetime,
        given.access_token_lifetime,
    );
    given.login_url.apply(&mut tenant.login_url);
    set(&mut tenant.entra, given.entra);
    set(&mut tenant.domains, given.domains);
    set(&mut tenant.policies, given.policies);
    let (domains, policies) = (&tenant.domains, &tenant.policies);
    if domains.len().max(policies.len()) > MAX_NAMES
        || !domains.iter().all(|domain| is_domain(domain))
        || !policies.iter().all(|policy| is_policy(policy))
    {
        return Err(invalid(
            "a tenant has at most 50 domains such as `contoso.com` and 50 policies such as `B2C_1_signin`",
        ));
    }
    check_name(&tenant.display_name)
}

pub(super) fn check_lifetime(seconds: Option<u32>) -> Done<()> {
    match seconds {
        Some(seconds) if !(MIN_LIFETIME..=MAX_LIFETIME).contains(&u64::from(seconds)) => {
            Err(invalid("an access token lives 60 to 86400 seconds"))
        }
        _ => Ok(()),
    }
}
