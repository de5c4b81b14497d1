//! Writes the directory: what an administrator does, as commands.
//!
//! Each command is one conditional write to one record (creating a tenant is two, and may be repeated
//! if it was cut short between them), so nothing is half done and two administrators cannot overwrite
//! each other unnoticed.

use std::fmt;

use serde::Serialize;

use super::command::{AdministrationError, Command, NewRole, Outcome};
use super::reader::parse;
use super::{DirectoryReader, Name, Tenant, TenantName};
use crate::api::{
    ADMIN_API, Api, ApiScope, ApiUri, AppRole, Assignment, RoleName, administration_api, insert,
};
use crate::client::{
    Application, ClientId, ClientKind, ClientSecret, GrantType, MIN_IMPORTED, PREFIX, RefreshMode,
    SecretRecord,
};
use crate::entropy::{self, Entropy};
use crate::error::Reason;
use crate::issuer::MAX_CACHE_TTL;
use crate::json::{self, Member};
use crate::key::{Algorithm, KeyRing, MasterKeys, Signer, SigningKey};
use crate::store::{Expected, Key, Put, Store};
use crate::time::UnixTime;
use crate::token::{DEFAULT_LIFETIME, MAX_LIFETIME, MIN_LIFETIME};

/// Seconds that a secret is valid if nobody says otherwise: 180 days.
const SECRET_VALIDITY: u64 = 180 * 86_400;
/// Seconds that a new key is announced if nobody says otherwise: longer than a verifier caches the
/// JWKS (300 s) and than a location caches the ring ([`MAX_CACHE_TTL`]), together.
const ANNOUNCEMENT: u64 = 2 * MAX_CACHE_TTL;
/// Most secrets that an application may have at once.
const MAX_SECRETS: usize = 20;

/// What administration works with.
pub(crate) struct Administration<'a, S, G: Signer, E> {
    pub(crate) store: &'a S,
    pub(crate) signer: &'a G,
    pub(crate) entropy: &'a E,
    pub(crate) masters: &'a MasterKeys,
    pub(crate) reader: &'a DirectoryReader<G::Key>,
}

type Done<T = Outcome> = Result<T, AdministrationError>;

impl<S: Store, G: Signer, E: Entropy> Administration<'_, S, G, E> {
    /// Carries out one command.
    pub(crate) async fn run(&self, command: Command, now: UnixTime) -> Done {
        match command {
            Command::CreateTenant {
                tenant,
                display_name,
                id,
                algorithm,
                access_token_lifetime,
                login_url,
            } => {
                let lifetime = lifetime(access_token_lifetime)?.unwrap_or(DEFAULT_LIFETIME);
                let record = Tenant {
                    id: self.id(id)?,
                    display_name: display_name.unwrap_or_else(|| tenant.to_string()),
                    algorithm,
                    access_token_lifetime: lifetime,
                    login_url,
                    epoch: 0,
                };
                self.create_tenant(&tenant, &record, now).await
            }
            Command::UpdateTenant {
                tenant,
                display_name,
                access_token_lifetime,
                login_url,
            } => {
                let lifetime = lifetime(access_token_lifetime)?;
                self.update_tenant(
                    &tenant,
                    Box::new(|record: &mut Tenant| {
                        set(&mut record.display_name, display_name);
                        set(&mut record.access_token_lifetime, lifetime);
                        record.login_url = login_url.or(record.login_url.take());
                    }),
                )
                .await
            }
            Command::EndTenantSessions { tenant } => {
                self.update_tenant(
                    &tenant,
                    Box::new(|record: &mut Tenant| {
                        record.epoch = next_epoch(record.epoch, now);
                    }),
                )
                .await
            }
            Command::CreateApi {
                tenant,
                identifier,
                display_name,
                roles,
                scopes,
                assignment_required,
                algorithm,
                access_token_lifetime,
            } => {
                if identifier.as_str() == ADMIN_API {
                    return Err(exists("API", &identifier));
                }
                let record = Api {
                    display_name: display_name.unwrap_or_else(|| identifier.to_string()),
                    identifier,
                    roles: self.declare(roles)?,
                    scopes: declare_scopes(scopes)?,
                    assignment_required,
                    algorithm,
                    access_token_lifetime: lifetime(access_token_lifetime)?,
                };
                self.create_api(&tenant, &record, now).await
            }
            Command::CreateApplication {
                tenant,
                client_id,
                display_name,
                kind,
                grant_types,
                redirect_uris,
                refresh,
                introspects,
            } => {
                let client_id = self.client_id(client_id)?;
                let grant_types = grant_types
                    .unwrap_or_else(|| default_grant_types(kind, !redirect_uris.is_empty()));
                let record = Application {
                    display_name: display_name.unwrap_or_else(|| client_id.to_string()),
                    client_id,
                    disabled: false,
                    kind,
                    grant_types,
                    secrets: Vec::new(),
                    assignments: Vec::new(),
                    redirect_uris,
                    refresh,
                    introspects,
                    epoch: 0,
                };
                check(&record)?;
                self.create_application(&tenant, record).await
            }
            Command::UpdateApplication {
                tenant,
                client_id,
                display_name,
                grant_types,
                redirect_uris,
                refresh,
                introspects,
            } => {
                self.update_application(
                    &tenant,
                    &client_id,
                    Box::new(|application: &mut Application| {
                        set(&mut application.display_name, display_name);
                        set(&mut application.grant_types, grant_types);
                        set(&mut application.redirect_uris, redirect_uris);
                        set(&mut application.refresh, refresh);
                        set(&mut application.introspects, introspects);
                        check(application)?;
                        Ok(Outcome::default())
                    }),
                )
                .await
            }
            Command::EndApplicationSessions { tenant, client_id } => {
                self.update_application(
                    &tenant,
                    &client_id,
                    Box::new(|application: &mut Application| {
                        application.epoch = next_epoch(application.epoch, now);
                        Ok(Outcome::default())
                    }),
                )
                .await
            }
            Command::SetApplicationDisabled {
                tenant,
                client_id,
                disabled,
            } => {
                self.update_application(
                    &tenant,
                    &client_id,
                    Box::new(|application: &mut Application| {
                        application.disabled = disabled;
                        Ok(Outcome::default())
                    }),
                )
                .await
            }
            Command::AddSecret {
                tenant,
                client_id,
                display_name,
                secret,
                starts,
                ends,
            } => {
                let (secret, shown) = self.secret(secret)?;
                let starts = starts.unwrap_or(now);
                let ends = ends.unwrap_or(starts.plus(SECRET_VALIDITY));
                if ends <= starts {
                    return Err(invalid("a secret must end after it starts"));
                }
                let key_id = entropy::uuid(self.entropy)?;
                let name = display_name.unwrap_or_else(|| key_id.clone());
                let ring = self.reader.ring(self.store, &tenant, now).await?;
                let ring = ring.ok_or_else(|| missing("tenant", &tenant))?;
                let keys = ring.tenant_keys(&tenant, self.masters, self.signer).await?;
                let owner = (&tenant, &client_id);
                let record = SecretRecord::new(&secret, key_id, name, starts..ends, owner, &keys);
                let record = record.ok_or(Reason::Internal("no hash of the secret".into()))?;
                self.add_secret(&tenant, &client_id, record, shown).await
            }
            Command::RemoveSecret {
                tenant,
                client_id,
                key_id,
            } => {
                self.update_application(
                    &tenant,
                    &client_id,
                    Box::new(|application: &mut Application| {
                        let before = application.secrets.len();
                        application.secrets.retain(|secret| secret.key_id != key_id);
                        if application.secrets.len() == before {
                            return Err(missing("secret", &key_id));
                        }
                        Ok(Outcome::default())
                    }),
                )
                .await
            }
            Command::AssignRoles {
                tenant,
                client_id,
                api,
                roles,
            } => self.assign(&tenant, &client_id, api, roles).await,
            Command::RemoveRoles {
                tenant,
                client_id,
                api,
                roles,
            } => {
                self.update_application(
                    &tenant,
                    &client_id,
                    Box::new(|application: &mut Application| {
                        let assignments = &mut application.assignments;
                        let Some(assigned) = assignments.iter_mut().find(|known| known.api == api)
                        else {
                            return Err(missing("an assignment on", &api));
                        };
                        assigned.roles.retain(|role| !roles.contains(role));
                        assignments.retain(|known| known.api != api || !known.roles.is_empty());
                        Ok(Outcome::default())
                    }),
                )
                .await
            }
            Command::RotateKey {
                tenant,
                algorithm,
                starts,
            } => {
                self.tenant(&tenant).await?;
                let kid = self.add_key(&tenant, algorithm, starts, now).await?;
                Ok(Outcome {
                    key_id: Some(kid),
                    ..Outcome::default()
                })
            }
            Command::ResealKeys { tenant } => self.reseal(&tenant).await,
        }
    }

    async fn create_tenant(&self, name: &TenantName, record: &Tenant, now: UnixTime) -> Done {
        let key = Name::Tenant(name.clone()).key()?;
        if self.store.get(&key).await?.is_some() {
            return Err(exists("tenant", name));
        }
        // The ring first: a tenant that exists can sign. A ring left by an attempt that was cut short
        // is kept.
        self.ensure_key(name, record.algorithm, now).await?;
        self.write(&key, text(record), Expected::Absent, exists("tenant", name))
            .await?;
        self.reader.forget(&Name::Tenant(name.clone()));
        Ok(Outcome::default())
    }

    async fn create_api(&self, tenant: &TenantName, record: &Api, now: UnixTime) -> Done {
        self.tenant(tenant).await?;
        if let Some(algorithm) = record.algorithm {
            self.ensure_key(tenant, algorithm, now).await?;
        }
        let key = Name::Api(tenant.clone(), record.identifier.clone()).key()?;
        let taken = exists("API", &record.identifier);
        self.write(&key, text(record), Expected::Absent, taken)
            .await?;
        self.reader
            .forget(&Name::Api(tenant.clone(), record.identifier.clone()));
        Ok(Outcome::default())
    }

    async fn create_application(&self, tenant: &TenantName, record: Application) -> Done {
        self.tenant(tenant).await?;
        let key = Name::Application(tenant.clone(), record.client_id.clone()).key()?;
        let taken = exists("application", &record.client_id);
        self.write(&key, text(&record), Expected::Absent, taken)
            .await?;
        self.reader
            .forget(&Name::Application(tenant.clone(), record.client_id.clone()));
        Ok(Outcome {
            client_id: Some(record.client_id),
            ..Outcome::default()
        })
    }

    async fn add_secret(
        &self,
        tenant: &TenantName,
        client_id: &ClientId,
        record: SecretRecord,
        shown: Option<ClientSecret>,
    ) -> Done {
        self.update_application(
            tenant,
            client_id,
            Box::new(|application: &mut Application| {
                if application.kind == ClientKind::Public {
                    return Err(invalid("a public application cannot keep a secret"));
                }
                if application.secrets.len() >= MAX_SECRETS {
                    return Err(invalid(
                        "an application has 20 secrets at most; remove one first",
                    ));
                }
                let outcome = Outcome {
                    client_id: Some(client_id.clone()),
                    key_id: Some(record.key_id.clone()),
                    secret: shown.map(|secret| secret.expose().to_owned()),
                    hint: Some(record.hint.clone()),
                    ends: Some(record.ends),
                };
                application.secrets.push(record);
                Ok(outcome)
            }),
        )
        .await
    }

    async fn assign(
        &self,
        tenant: &TenantName,
        client_id: &ClientId,
        api: ApiUri,
        roles: Vec<RoleName>,
    ) -> Done {
        let declared = if api.as_str() == ADMIN_API {
            Some(administration_api()?)
        } else {
            let key = Name::Api(tenant.clone(), api.clone()).key()?;
            self.load::<Api>(&key).await?.map(|(api, _)| api)
        };
        let Some(declared) = declared else {
            return Err(missing("API", &api));
        };
        if let Some(unknown) = roles.iter().find(|role| declared.role(role).is_none()) {
            return Err(missing(&format!("app role of `{api}`,"), unknown));
        }
        self.update_application(
            tenant,
            client_id,
            Box::new(|application: &mut Application| {
                let assignments = &mut application.assignments;
                if !assignments.iter().any(|known| known.api == api) {
                    assignments.push(Assignment {
                        api: api.clone(),
                        roles: Vec::new(),
                    });
                }
                if let Some(assignment) = assignments.iter_mut().find(|known| known.api == api) {
                    roles
                        .into_iter()
                        .for_each(|role| insert(&mut assignment.roles, role));
                }
                Ok(Outcome::default())
            }),
        )
        .await
    }

    /// Reads a tenant, changes it, and writes it if nobody else did in between.
    async fn update_tenant(
        &self,
        name: &TenantName,
        change: Box<dyn FnOnce(&mut Tenant) + '_>,
    ) -> Done {
        let key = Name::Tenant(name.clone()).key()?;
        let Some((mut record, version)) = self.load::<Tenant>(&key).await? else {
            return Err(missing("tenant", name));
        };
        change(&mut record);
        let stale = AdministrationError::Conflict(format!("tenant `{name}`"));
        self.write(&key, text(&record), version, stale).await?;
        self.reader.forget(&Name::Tenant(name.clone()));
        Ok(Outcome::default())
    }

    /// Reads an application, changes it, and writes it if nobody else did in between.
    async fn update_application(
        &self,
        tenant: &TenantName,
        client_id: &ClientId,
        change: Box<dyn FnOnce(&mut Application) -> Done + '_>,
    ) -> Done {
        let key = Name::Application(tenant.clone(), client_id.clone()).key()?;
        let Some((mut application, version)) = self.load::<Application>(&key).await? else {
            return Err(missing("application", client_id));
        };
        let outcome = change(&mut application)?;
        let stale = AdministrationError::Conflict(format!("application `{client_id}`"));
        self.write(&key, text(&application), version, stale).await?;
        self.reader
            .forget(&Name::Application(tenant.clone(), client_id.clone()));
        Ok(outcome)
    }

    async fn tenant(&self, name: &TenantName) -> Done<Tenant> {
        let found = self.load(&Name::Tenant(name.clone()).key()?).await?;
        found
            .map(|(tenant, _)| tenant)
            .ok_or_else(|| missing("tenant", name))
    }

    /// Makes sure that the ring can sign with `algorithm`.
    async fn ensure_key(
        &self,
        tenant: &TenantName,
        algorithm: Algorithm,
        now: UnixTime,
    ) -> Done<()> {
        let key = Name::Ring(tenant.clone()).key()?;
        let mut attempts = 2;
        loop {
            let found = self.load::<KeyRing>(&key).await?;
            if found.is_some_and(|(ring, _)| ring.active(algorithm, now).is_some()) {
                return Ok(());
            }
            attempts -= 1;
            match self.add_key(tenant, algorithm, Some(now), now).await {
                // Somebody else made the ring in between, and its secret and key are the tenant's.
                Err(AdministrationError::Conflict(_)) if attempts > 0 => {}
                done => return done.map(drop),
            }
        }
    }

    async fn reseal(&self, tenant: &TenantName) -> Done {
        let name = Name::Ring(tenant.clone());
        let key = name.key()?;
        let Some((mut ring, version)) = self.load::<KeyRing>(&key).await? else {
            return Err(missing("tenant", tenant));
        };
        let resealed = ring.reseal(tenant.as_str(), self.masters, self.signer, self.entropy);
        if resealed.await? {
            let stale = AdministrationError::Conflict(format!("the key ring of `{tenant}`"));
            self.write(&key, text(&ring), version, stale).await?;
            self.reader.forget(&name);
        }
        Ok(Outcome::default())
    }

    async fn add_key(
        &self,
        tenant: &TenantName,
        algorithm: Algorithm,
        starts: Option<UnixTime>,
        now: UnixTime,
    ) -> Done<String> {
        let key = Name::Ring(tenant.clone()).key()?;
        let generated = self.signer.generate(algorithm).await?;
        let (mut ring, version) = match self.load(&key).await? {
            Some(found) => found,
            None => {
                let (cipher, entropy) = (self.signer, self.entropy);
                let ring = KeyRing::new(tenant.as_str(), self.masters, cipher, entropy).await?;
                (ring, Expected::Absent)
            }
        };
        // The first key of an algorithm signs at once: nobody holds a JWKS that lacks it for long, and
        // there is nothing else to sign with.
        let announced = ring
            .active(algorithm, now)
            .map_or(now, |_| now.plus(ANNOUNCEMENT));
        let starts = starts.unwrap_or(announced).max(now);
        let key_pair = SigningKey::seal(
            tenant.as_str(),
            generated,
            starts,
            self.masters,
            self.signer,
            self.entropy,
        )
        .await?;
        let kid = key_pair.kid().to_owned();
        ring.add(key_pair, now);
        let stale = AdministrationError::Conflict(format!("the key ring of `{tenant}`"));
        self.write(&key, text(&ring), version, stale).await?;
        self.reader.forget(&Name::Ring(tenant.clone()));
        Ok(kid)
    }

    async fn load<T: Member>(&self, key: &Key) -> Done<Option<(T, Expected)>> {
        let Some(found) = self.store.get(key).await? else {
            return Ok(None);
        };
        let record = parse(key, &found.value)?;
        Ok(Some((record, Expected::Version(found.version))))
    }

    async fn write(
        &self,
        key: &Key,
        value: Done<String>,
        expected: Expected,
        refused: AdministrationError,
    ) -> Done<()> {
        match self.store.put(key, &value?, expected, None).await? {
            Put::Done(_) => Ok(()),
            Put::Conflict => Err(refused),
        }
    }

    fn id(&self, given: Option<String>) -> Done<String> {
        match given {
            None => Ok(entropy::uuid(self.entropy)?),
            Some(id) if is_uuid(&id) => Ok(id),
            Some(_) => Err(invalid("an id is a UUID in lower case")),
        }
    }

    fn client_id(&self, given: Option<ClientId>) -> Done<ClientId> {
        let made = || Some(ClientId::new(entropy::uuid(self.entropy).ok()?));
        given
            .or_else(|| made().flatten())
            .ok_or(Reason::Entropy.into())
    }

    /// The secret to store, and the one to show if it was made here.
    fn secret(&self, given: Option<String>) -> Done<(ClientSecret, Option<ClientSecret>)> {
        let Some(text) = given else {
            let secret = ClientSecret::generate(self.entropy)?;
            return Ok((secret.clone(), Some(secret)));
        };
        // A form carries no NUL, and nobody means another control character.
        if text.chars().count() < MIN_IMPORTED || text.contains(char::is_control) {
            return Err(invalid(
                "an imported secret has at least 32 characters, and no control character",
            ));
        }
        let secret = ClientSecret::new(text).ok_or_else(|| {
            invalid(&format!(
                "an imported secret has at most 1024 bytes and does not start with {PREFIX}"
            ))
        })?;
        Ok((secret, None))
    }

    fn declare(&self, roles: Vec<NewRole>) -> Done<Vec<AppRole>> {
        let mut declared: Vec<AppRole> = Vec::new();
        for NewRole {
            value,
            display_name,
        } in roles
        {
            let Err(at) = declared.binary_search_by(|role| role.value.cmp(&value)) else {
                return Err(invalid(&format!("app role `{value}` is declared twice")));
            };
            let id = entropy::uuid(self.entropy)?;
            let display_name = display_name.unwrap_or_else(|| value.to_string());
            declared.insert(
                at,
                AppRole {
                    value,
                    id,
                    display_name,
                },
            );
        }
        Ok(declared)
    }
}

fn text(record: &impl Serialize) -> Done<String> {
    Ok(json::write(record)?)
}

/// Higher than any before, also than one that this location has not heard of yet.
fn next_epoch(epoch: u64, now: UnixTime) -> u64 {
    now.secs().max(epoch.saturating_add(1))
}

/// Changes what is given.
fn set<T>(member: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *member = given;
    }
}

/// What an application is for, as its kind and redirection URIs tell.
fn default_grant_types(kind: ClientKind, redirects: bool) -> Vec<GrantType> {
    let own = (kind == ClientKind::Confidential).then_some(GrantType::ClientCredentials);
    let users = (redirects || kind == ClientKind::Public)
        .then_some([GrantType::AuthorizationCode, GrantType::RefreshToken]);
    users.into_iter().flatten().chain(own).collect()
}

/// What must hold of an application as a whole.
fn check(application: &Application) -> Done<()> {
    if let Some(fault) = application.refresh.fault() {
        return Err(invalid(fault));
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

fn declare_scopes(scopes: Vec<NewRole>) -> Done<Vec<ApiScope>> {
    let mut declared: Vec<ApiScope> = Vec::new();
    for NewRole {
        value,
        display_name,
    } in scopes
    {
        let Err(at) = declared.binary_search_by(|scope| scope.value.cmp(&value)) else {
            return Err(invalid(&format!("scope `{value}` is declared twice")));
        };
        let display_name = display_name.unwrap_or_else(|| value.to_string());
        declared.insert(
            at,
            ApiScope {
                value,
                display_name,
            },
        );
    }
    Ok(declared)
}

fn lifetime(seconds: Option<u32>) -> Done<Option<u32>> {
    match seconds {
        Some(seconds) if !(MIN_LIFETIME..=MAX_LIFETIME).contains(&u64::from(seconds)) => {
            Err(invalid("an access token lives 60 to 86400 seconds"))
        }
        seconds => Ok(seconds),
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        })
}

pub(crate) fn invalid(why: &str) -> AdministrationError {
    AdministrationError::Invalid(why.to_owned())
}

fn missing(what: &str, name: &impl fmt::Display) -> AdministrationError {
    AdministrationError::NotFound(format!("{what} `{name}`"))
}

fn exists(what: &str, name: &impl fmt::Display) -> AdministrationError {
    AdministrationError::Exists(format!("{what} `{name}`"))
}
