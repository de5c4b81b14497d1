//! Applications: registered, changed, removed; their secrets, and the app roles they are granted.

use serde::Serialize;

use super::Administration;
use super::command::{ApplicationChange, ImportedApplication, NewApplication, NewSecret};
use super::error::{AdministrationError, Done, exists, invalid, missing};
use super::records::{Reply, Transaction, document, version};
use super::{next_epoch, set};
use crate::api::{
    ADMIN_API, Api, ApiUri, Assignment, ROLE_ASSIGNMENT, ROLE_MANAGEMENT, RoleName,
    administration_api, insert,
};
use crate::client::{
    Application, ClientId, ClientKind, ClientSecret, GrantType, MIN_IMPORTED, PREFIX as MADE_HERE,
    RedirectUri, RefreshMode, RefreshPolicy, SecretRecord,
};
use crate::dialect::is_uuid;
use crate::directory::Name;
use crate::entropy;
use crate::error::Reason;
use crate::issuer::Host;
use crate::json;
use crate::key::TenantKeys;
use crate::store::Expected;
use crate::text::has_control;
use crate::time::UnixTime;

/// How the names of their records start.
pub(super) const PREFIX: &str = "application/";
/// Seconds that a secret is valid if nobody says otherwise: 180 days.
const SECRET_VALIDITY: u64 = 180 * 86_400;
/// Most secrets that an application may have at once.
const MAX_SECRETS: usize = 20;
/// Most APIs that an application may have roles on, and most entries of each of its lists.
const MAX_ENTRIES: usize = 1_000;
/// Most secrets and assignments of an import: each is told of by an event of its own.
const MAX_IMPORTED: usize = 5_000;
/// Most bytes of the redirection URIs that an event names.
const MAX_TOLD: usize = 2_000;
/// Most characters of a name for people.
const MAX_NAME: usize = 256;

/// What of an application is shown.
const SHOWN: [&str; 11] = [
    "clientId",
    "displayName",
    "kind",
    "disabled",
    "grantTypes",
    "redirectUris",
    "refresh",
    "introspects",
    "secrets",
    "assignments",
    "createdAt",
];

/// An application as a document.
pub(super) fn shown(text: &str) -> Done<String> {
    document(text, &SHOWN, &[])
}

/// A secret that was added.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AddedSecret<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tenant: Option<&'a str>,
    pub(super) client_id: &'a ClientId,
    pub(super) key_id: &'a str,
    pub(super) display_name: &'a str,
    /// Made here: shown now and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<&'a str>,
    pub(super) hint: &'a str,
    pub(super) starts: UnixTime,
    pub(super) ends: UnixTime,
}

/// What an import made.
#[derive(Serialize)]
struct Imported<'a> {
    items: Vec<ImportedId<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ImportedId<'a> {
    client_id: &'a ClientId,
}

/// A secret to store, and the one to show if it was made here.
pub(super) struct MadeSecret {
    pub(super) record: SecretRecord,
    pub(super) shown: Option<ClientSecret>,
}

impl<H: Host> Administration<'_, H> {
    fn application_name(&self, id: &ClientId) -> Name {
        Name::Application(self.tenant.clone(), id.clone())
    }

    pub(super) async fn create_application(&self, new: NewApplication) -> Done<Reply> {
        self.tenant_record().await?;
        let application = self.application(new)?;
        let text = json::write(&application)?;
        let id = application.client_id;
        let reply = Reply {
            body: Some(shown(&text)?),
            version: Some(version(&text)),
            created: Some(id.to_string()),
        };
        let mut transaction = Transaction::default().tell("application_created", id.as_str());
        transaction.put(self.application_name(&id), text, Expected::Absent)?;
        match self.commit(transaction, &reply).await? {
            None => Ok(reply),
            Some(_) => Err(exists("application", id.as_str())),
        }
    }

    /// All of them, or none.
    pub(super) async fn import(&self, applications: Vec<ImportedApplication>) -> Done<Reply> {
        self.tenant_record().await?;
        let keys = self.tenant_keys().await?;
        let mut known: Vec<Api> = Vec::new();
        let mut transaction = Transaction::default();
        let mut ids = Vec::with_capacity(applications.len());
        let mut entries = 0;
        for imported in applications {
            let mut application = self.application(imported.application)?;
            let id = application.client_id.clone();
            transaction = transaction.tell("application_created", id.as_str());
            entries += imported.secrets.len() + imported.assignments.len();
            if entries > MAX_IMPORTED {
                return Err(invalid(
                    "an import brings 5000 secrets and assignments at most; make several of it",
                ));
            }
            for new in imported.secrets {
                if new.secret.is_none() {
                    return Err(invalid("an imported application brings its secrets along"));
                }
                let made = self.make_secret(&id, new, &keys)?;
                let detail = [id.as_str(), ": ", &made.record.key_id].concat();
                transaction = transaction.tell("secret_added", detail);
                add(&mut application, made.record)?;
            }
            for assignment in imported.assignments {
                if !known.iter().any(|api| api.identifier == assignment.api) {
                    known.push(self.declared(&assignment.api).await?);
                }
                let api = known.iter().find(|api| api.identifier == assignment.api);
                let api = api.ok_or_else(|| missing("API", assignment.api.as_str()))?;
                self.must_assign(&assignment.api)?;
                assign(&mut application, api, &assignment.roles, true, self.now)?;
                let roles = detail(&id, &assignment.api, &assignment.roles);
                transaction = transaction.tell("roles_assigned", roles);
            }
            check(&application)?;
            let text = json::write(&application)?;
            if ids.contains(&id) {
                let why = ["application `", id.as_str(), "` is in the import twice"].concat();
                return Err(invalid(&why));
            }
            transaction.put(self.application_name(&id), text, Expected::Absent)?;
            ids.push(id);
        }
        let items = ids.iter().map(|client_id| ImportedId { client_id });
        let reply = Reply::of(&Imported {
            items: items.collect(),
        })?;
        match self.commit(transaction, &reply).await? {
            None => Ok(reply),
            Some(at) => {
                let taken = ids.get(at).map_or("", |id| id.as_str());
                Err(exists("application", taken))
            }
        }
    }

    /// An application as it is registered.
    pub(super) fn application(&self, new: NewApplication) -> Done<Application> {
        let client_id = match new.client_id {
            Some(id) => {
                self.may_choose(&id)?;
                id
            }
            None => self.random_id()?,
        };
        let redirects = new.settings.redirect_uris.as_ref();
        let redirects = redirects.is_some_and(|uris| !uris.is_empty());
        let mut application = Application {
            display_name: client_id.to_string(),
            client_id,
            disabled: false,
            kind: new.kind,
            grant_types: default_grant_types(new.kind, redirects),
            secrets: Vec::new(),
            assignments: Vec::new(),
            redirect_uris: Vec::new(),
            refresh: RefreshPolicy {
                // What a public client holds rotates in every dialect.
                mode: match new.kind {
                    ClientKind::Public => RefreshMode::Rotate,
                    ClientKind::Confidential => RefreshMode::Dialect,
                },
                ..RefreshPolicy::default()
            },
            introspects: Vec::new(),
            // The sessions of one that had this id before are not this one's.
            epoch: self.now.secs(),
            created_at: self.now,
        };
        change(&mut application, new.settings)?;
        Ok(application)
    }

    /// A client's own tokens have its id as their subject. Whoever chooses one could choose that of a user:
    /// RFC 9700 section 4.15.
    fn may_choose(&self, id: &ClientId) -> Done<()> {
        if is_uuid(id.as_str()) || self.caller.holds(ROLE_MANAGEMENT) {
            return Ok(());
        }
        Err(AdministrationError::Forbidden(
            [
                "a client id that is no UUID could be taken for a user's, since it is the `sub` of its \
                 tokens: to choose it takes `",
                ROLE_MANAGEMENT,
                "`",
            ]
            .concat(),
        ))
    }

    pub(super) fn random_id(&self) -> Done<ClientId> {
        let id = entropy::uuid(self.issuer.host().entropy())?;
        ClientId::new(id).ok_or_else(|| Reason::Entropy.into())
    }

    pub(super) async fn get_application(&self, id: ClientId) -> Done<Reply> {
        let id = &id;
        let found = self.load::<Application>(&self.application_name(id)).await?;
        let found = found.ok_or_else(|| missing("application", id.as_str()))?;
        reply(&found.text)
    }

    pub(super) async fn update_application(
        &self,
        id: ClientId,
        settings: ApplicationChange,
    ) -> Done<Reply> {
        let id = &id;
        self.edit_application(
            id,
            &mut |application| {
                self.caller.must_outrank(application)?;
                let mut detail = [id.as_str(), ":", &settings.names()].concat();
                if let Some(uris) = &settings.redirect_uris {
                    tell_uris(&mut detail, uris, &application.redirect_uris);
                }
                change(application, settings.clone())?;
                Ok(Transaction::default().tell("application_updated", detail))
            },
            &reply,
        )
        .await
    }

    pub(super) async fn delete_application(&self, id: ClientId) -> Done<Reply> {
        let id = &id;
        let name = self.application_name(id);
        self.remove(&name, "application", &|application: &Application| {
            self.caller.must_outrank(application)?;
            Ok(Transaction::default().tell("application_deleted", id.as_str()))
        })
        .await
    }

    pub(super) async fn end_application_sessions(&self, id: ClientId) -> Done<Reply> {
        let id = &id;
        self.edit_application(
            id,
            &mut |application| {
                application.epoch = next_epoch(application.epoch, self.now);
                Ok(Transaction::default().tell("application_sessions_ended", id.as_str()))
            },
            &|_| Ok(Reply::default()),
        )
        .await
    }

    pub(super) async fn add_secret(&self, id: ClientId, new: NewSecret) -> Done<Reply> {
        let id = &id;
        let keys = self.tenant_keys().await?;
        let made = self.make_secret(id, new, &keys)?;
        let record = &made.record;
        let answer = Reply::of(&AddedSecret {
            tenant: None,
            client_id: id,
            key_id: &record.key_id,
            display_name: &record.display_name,
            secret: made.shown.as_ref().map(ClientSecret::expose),
            hint: &record.hint,
            starts: record.starts,
            ends: record.ends,
        })?;
        let detail = [id.as_str(), ": ", &record.key_id].concat();
        self.edit_application(
            id,
            &mut |application| {
                self.caller.must_outrank(application)?;
                add(application, record.clone())?;
                Ok(Transaction::default().tell("secret_added", detail.as_str()))
            },
            &|text| {
                Ok(Reply {
                    version: Some(version(text)),
                    ..answer.clone()
                })
            },
        )
        .await
    }

    pub(super) async fn remove_secret(&self, id: ClientId, key_id: String) -> Done<Reply> {
        let (id, key_id) = (&id, key_id.as_str());
        let detail = [id.as_str(), ": ", key_id].concat();
        self.edit_application(
            id,
            &mut |application| {
                self.caller.must_outrank(application)?;
                let before = application.secrets.len();
                application.secrets.retain(|secret| secret.key_id != key_id);
                if application.secrets.len() == before {
                    return Err(missing("secret", key_id));
                }
                Ok(Transaction::default().tell("secret_removed", detail.as_str()))
            },
            &|_| Ok(Reply::default()),
        )
        .await
    }

    /// Grants app roles: those given beside what is there, or only them.
    pub(super) async fn assign_roles(
        &self,
        id: ClientId,
        api: ApiUri,
        roles: Vec<RoleName>,
        only: bool,
    ) -> Done<Reply> {
        let (id, api, roles) = (&id, &api, roles.as_slice());
        self.must_assign(api)?;
        let declared = self.declared(api).await?;
        self.edit_application(
            id,
            &mut |application| {
                let before = application.assigned(api.as_str(), declared.created_at);
                let (known, gone) = if only {
                    (before, told(id, api, before, roles))
                } else {
                    (&[][..], None)
                };
                let new = told(id, api, roles, known);
                let mut transaction = Transaction::default();
                if new.is_some() || gone.is_none() {
                    // The same again is consent once more.
                    let new = new.unwrap_or_else(|| detail(id, api, roles));
                    transaction = transaction.tell("roles_assigned", new);
                }
                if let Some(gone) = gone {
                    transaction = transaction.tell("roles_removed", gone);
                }
                assign(application, &declared, roles, only, self.now)?;
                Ok(transaction)
            },
            &reply,
        )
        .await
    }

    /// Takes app roles away; without any left, the API itself.
    pub(super) async fn remove_roles(
        &self,
        id: ClientId,
        api: ApiUri,
        roles: Option<Vec<RoleName>>,
    ) -> Done<Reply> {
        let (id, api, roles) = (&id, &api, roles.as_deref());
        self.must_assign(api)?;
        self.edit_application(
            id,
            &mut |application| {
                let assignments = &mut application.assignments;
                let known = assignments.iter_mut().find(|known| known.api == *api);
                let assigned = known.ok_or_else(|| missing("an assignment on", api.as_str()))?;
                let goes = |role: &RoleName| roles.is_none_or(|roles| roles.contains(role));
                let before = assigned.roles.clone();
                assigned.roles.retain(|role| !goes(role));
                let gone = told(id, api, &before, &assigned.roles);
                if let (Some([role, ..]), None) = (roles, &gone) {
                    let what = ["an assignment on `", api.as_str(), "` of"].concat();
                    return Err(missing(&what, role.as_str()));
                }
                let gone = gone.unwrap_or_else(|| detail(id, api, &[]));
                assignments.retain(|known| known.api != *api || !known.roles.is_empty());
                Ok(Transaction::default().tell("roles_removed", gone))
            },
            &|_| Ok(Reply::default()),
        )
        .await
    }

    /// Consent to the administration makes administrators: it takes a role of its own.
    fn must_assign(&self, api: &ApiUri) -> Done<()> {
        self.caller.must_hold(if api.as_str() == ADMIN_API {
            ROLE_MANAGEMENT
        } else {
            ROLE_ASSIGNMENT
        })
    }

    async fn declared(&self, api: &ApiUri) -> Done<Api> {
        if api.as_str() == ADMIN_API {
            return Ok(administration_api()?);
        }
        let name = Name::Api(self.tenant.clone(), api.clone());
        let found = self.load(&name).await?;
        found
            .map(|found| found.record)
            .ok_or_else(|| missing("API", api.as_str()))
    }

    async fn edit_application(
        &self,
        id: &ClientId,
        change: &mut dyn FnMut(&mut Application) -> Done<Transaction>,
        reply: &dyn Fn(&str) -> Done<Reply>,
    ) -> Done<Reply> {
        self.edit(&self.application_name(id), "application", change, reply)
            .await
    }

    /// The secret to store, hashed for its application.
    pub(super) fn make_secret(
        &self,
        id: &ClientId,
        new: NewSecret,
        keys: &TenantKeys,
    ) -> Done<MadeSecret> {
        let entropy = self.issuer.host().entropy();
        let (secret, shown) = match new.secret {
            None => {
                let secret = ClientSecret::generate(entropy)?;
                (secret.clone(), Some(secret))
            }
            Some(brought) => {
                let text = brought.0.as_str();
                // A form carries no NUL, and nobody means another control character.
                if text.chars().count() < MIN_IMPORTED || has_control(text) {
                    return Err(invalid(
                        "an imported secret has at least 32 characters, and no control character",
                    ));
                }
                let secret = ClientSecret::new(text.to_owned()).ok_or_else(|| {
                    invalid(&format!(
                        "an imported secret has at most 1024 bytes and does not start with {MADE_HERE}"
                    ))
                })?;
                (secret, None)
            }
        };
        let starts = new.starts.unwrap_or(self.now);
        let ends = new.ends.unwrap_or(starts.plus(SECRET_VALIDITY));
        if ends <= starts {
            return Err(invalid("a secret must end after it starts"));
        }
        let key_id = entropy::uuid(entropy)?;
        let name = new.display_name.unwrap_or_else(|| key_id.clone());
        check_name(&name)?;
        let owner = (&self.tenant, id);
        let record = SecretRecord::new(&secret, key_id, name, starts..ends, owner, keys);
        let record = record.ok_or(Reason::Internal("no hash of the secret".into()))?;
        Ok(MadeSecret { record, shown })
    }
}

fn reply(text: &str) -> Done<Reply> {
    Ok(Reply {
        body: Some(shown(text)?),
        version: Some(version(text)),
        created: None,
    })
}

/// What an event says of roles.
fn detail(id: &ClientId, api: &ApiUri, roles: &[RoleName]) -> String {
    told(id, api, roles, &[]).unwrap_or_else(|| [id.as_str(), " on ", api.as_str(), ":"].concat())
}

/// The same of those that are not among the others, if there are any.
fn told(id: &ClientId, api: &ApiUri, roles: &[RoleName], others: &[RoleName]) -> Option<String> {
    let mut detail = [id.as_str(), " on ", api.as_str(), ":"].concat();
    let before = detail.len();
    for role in roles {
        if !others.contains(role) {
            detail.push(' ');
            detail.push_str(role.as_str());
        }
    }
    (detail.len() > before).then_some(detail)
}

/// The redirection URIs from now on, the new ones first, as far as there is room.
fn tell_uris(detail: &mut String, uris: &[RedirectUri], before: &[RedirectUri]) {
    detail.push_str(" (");
    let start = detail.len();
    for is_known in [false, true] {
        for uri in uris {
            if before.contains(uri) != is_known || detail.ends_with("...") {
                continue;
            }
            if detail.len() > start {
                detail.push(' ');
            }
            let has_room = detail.len() - start + uri.as_str().len() <= MAX_TOLD;
            detail.push_str(if has_room { uri.as_str() } else { "..." });
        }
    }
    detail.push_str(if uris.is_empty() { "none)" } else { ")" });
}

fn add(application: &mut Application, secret: SecretRecord) -> Done<()> {
    if application.kind == ClientKind::Public {
        return Err(invalid("a public application cannot keep a secret"));
    }
    if application.secrets.len() >= MAX_SECRETS {
        return Err(invalid(
            "an application has 20 secrets at most; remove one first",
        ));
    }
    application.secrets.push(secret);
    Ok(())
}

fn assign(
    application: &mut Application,
    api: &Api,
    roles: &[RoleName],
    only: bool,
    now: UnixTime,
) -> Done<()> {
    if let Some(unknown) = roles.iter().find(|role| api.role(role).is_none()) {
        let what = ["app role of `", api.identifier.as_str(), "`,"].concat();
        return Err(missing(&what, unknown.as_str()));
    }
    let assignments = &mut application.assignments;
    // What was consented to on an API of that name that is gone is not consent to this one.
    let is_stale = |known: &Assignment| known.assigned_at < api.created_at;
    assignments.retain(|known| known.api != api.identifier || !(only || is_stale(known)));
    if !assignments.iter().any(|known| known.api == api.identifier) {
        if assignments.len() >= MAX_ENTRIES {
            return Err(invalid("an application has roles on 1000 APIs at most"));
        }
        assignments.push(Assignment {
            api: api.identifier.clone(),
            roles: Vec::new(),
            assigned_at: now,
        });
    }
    let known = assignments
        .iter_mut()
        .find(|known| known.api == api.identifier);
    if let Some(assignment) = known {
        // Nor to a role of that name that was declared since.
        let mut held = std::mem::take(&mut assignment.roles);
        held.retain(|role| assignment.grants(role, api));
        assignment.roles = held;
        for role in roles {
            insert(&mut assignment.roles, role.clone());
        }
        assignment.assigned_at = now;
    }
    Ok(())
}

fn change(application: &mut Application, given: ApplicationChange) -> Done<()> {
    set(&mut application.display_name, given.display_name);
    set(&mut application.disabled, given.disabled);
    set(&mut application.grant_types, given.grant_types);
    set(&mut application.redirect_uris, given.redirect_uris);
    set(&mut application.refresh, given.refresh);
    set(&mut application.introspects, given.introspects);
    check(application)
}

/// What an application is for, as its kind and redirection URIs tell.
fn default_grant_types(kind: ClientKind, redirects: bool) -> Vec<GrantType> {
    let own = (kind == ClientKind::Confidential).then_some(GrantType::ClientCredentials);
    let users = (redirects || kind == ClientKind::Public)
        .then_some([GrantType::AuthorizationCode, GrantType::RefreshToken]);
    users.into_iter().flatten().chain(own).collect()
}

/// A name for people: whatever they write, as long as a page can show it.
pub(super) fn check_name(name: &str) -> Done<()> {
    if name.is_empty() || name.chars().count() > MAX_NAME || has_control(name) {
        return Err(invalid(
            "a display name is 1 to 256 characters, none of them a control character",
        ));
    }
    Ok(())
}

/// What must hold of an application as a whole.
fn check(application: &Application) -> Done<()> {
    check_name(&application.display_name)?;
    if let Some(fault) = application.refresh.fault() {
        return Err(invalid(fault));
    }
    let entries = application
        .redirect_uris
        .len()
        .max(application.introspects.len());
    if entries > MAX_ENTRIES {
        return Err(invalid("a list has 1000 entries at most"));
    }
    if application.grant_types.len() > GrantType::ALL.len() {
        return Err(invalid("a grant type is listed once"));
    }
    if application.kind == ClientKind::Public {
        if application.refresh.mode == RefreshMode::Reusable {
            let why = "reusable refresh tokens are for confidential applications";
            return Err(invalid(why));
        }
        if !application.introspects.is_empty() {
            return Err(invalid("a public application cannot introspect"));
        }
    }
    Ok(())
}
