//! APIs: registered with their app roles and scopes, changed, removed.

use super::Administration;
use super::applications::check_name;
use super::command::{ApiChange, Change, NewApi, NewRole, Range};
use super::error::{Done, exists, invalid, missing};
use super::keys::ANNOUNCEMENT;
use super::records::{Found, Reply, Transaction, document, version};
use super::set;
use super::tenants::check_lifetime;
use crate::api::{ADMIN_API, Api, ApiScope, ApiUri, AppRole};
use crate::dialect::{app_id, is_uuid};
use crate::directory::{Name, Tenant};
use crate::entropy;
use crate::issuer::Host;
use crate::json;
use crate::store::{Expected, Store};

/// How the names of their records start.
pub(super) const PREFIX: &str = "api/";
/// Most app roles, and most scopes, of an API.
const MAX_ROLES: usize = 5_000;
/// APIs that are looked at a page, whether they have a client id.
const GIVEN: usize = 100;

/// What of an API is shown.
const SHOWN: [&str; 11] = [
    "identifier",
    "displayName",
    "roles",
    "scopes",
    "assignmentRequired",
    "algorithm",
    "accessTokenLifetime",
    "appId",
    "requestedAccessTokenVersion",
    "optionalClaims",
    "createdAt",
];

/// The record that leads from a client id to an API.
type Led = (Name, String);

/// An API as a document.
pub(super) fn shown(text: &str) -> Done<String> {
    document(text, &SHOWN, &[])
}

fn reply(text: &str) -> Done<Reply> {
    Ok(Reply {
        body: Some(shown(text)?),
        version: Some(version(text)),
        created: None,
    })
}

impl<H: Host> Administration<'_, H> {
    fn api_name(&self, identifier: &ApiUri) -> Name {
        Name::Api(self.tenant.clone(), identifier.clone())
    }

    pub(super) async fn create_api(
        &self,
        NewApi {
            identifier,
            settings,
        }: NewApi,
    ) -> Done<Reply> {
        let tenant = self.tenant_record().await?;
        if identifier.as_str() == ADMIN_API {
            return Err(exists("API", identifier.as_str()));
        }
        let mut api = Api {
            display_name: identifier.to_string(),
            identifier,
            roles: Vec::new(),
            scopes: Vec::new(),
            assignment_required: false,
            algorithm: None,
            former_algorithm: None,
            access_token_lifetime: None,
            app_id: None,
            requested_access_token_version: None,
            optional_claims: Vec::new(),
            created_at: self.now,
        };
        self.change_api(&mut api, settings)?;
        if tenant.has_dialects() && api.app_id.is_none() {
            api.app_id = Some(entropy::uuid(self.issuer.host().entropy())?);
        }
        let led = self.app_id_free(&api).await?;
        let identifier = api.identifier.clone();
        // Nobody has its tokens yet: the first key of an algorithm may sign at once. But where another
        // algorithm is still being announced, tokens of other APIs would be signed with it, too.
        let mut transaction = Transaction::default().tell("api_created", identifier.as_str());
        if let Some(algorithm) = api.algorithm {
            let mut at_hand = self.ring().await?;
            let starts = if at_hand.ring.is_settled(self.now) {
                self.now
            } else {
                self.now.plus(ANNOUNCEMENT)
            };
            self.ensure_key(&mut transaction, &mut at_hand, algorithm, starts)
                .await?;
            self.put_ring(&mut transaction, &at_hand)?;
        }
        self.lead(&mut transaction, led)?;
        let at = transaction.writes.len();
        let text = json::write(&api)?;
        let reply = Reply {
            created: Some(identifier.to_string()),
            ..reply(&text)?
        };
        let name = self.api_name(&identifier);
        transaction.put(name.clone(), text, Expected::Absent)?;
        match self.commit(transaction, &reply).await? {
            None => Ok(reply),
            Some(conflict) if conflict < at => Err(self.busy("API", &name)),
            Some(_) => Err(exists("API", identifier.as_str())),
        }
    }

    pub(super) async fn get_api(&self, identifier: ApiUri) -> Done<Reply> {
        let identifier = &identifier;
        let found = self.load::<Api>(&self.api_name(identifier)).await?;
        reply(
            &found
                .ok_or_else(|| missing("API", identifier.as_str()))?
                .text,
        )
    }

    /// Roles and scopes that stay keep their ids. What is declared no more is in no new token.
    pub(super) async fn update_api(&self, identifier: ApiUri, settings: ApiChange) -> Done<Reply> {
        let identifier = &identifier;
        let (mut at_hand, mut led) = (None, None);
        if settings.algorithm != Change::Keep || settings.app_id.is_some() {
            // Nothing is announced for a change that is refused.
            let name = self.api_name(identifier);
            let mut found = self.load_known::<Api>(&name, "API").await?;
            self.change_api(&mut found.record, settings.clone())?;
            led = self.app_id_free(&found.record).await?;
            if settings.algorithm != Change::Keep {
                let tenant = self.tenant_record().await?;
                let algorithm = settings.algorithm.value().unwrap_or(tenant.algorithm);
                at_hand = Some((self.announce(algorithm).await?, tenant));
            }
        }
        let detail = [identifier.as_str(), ":", &settings.names()].concat();
        self.edit(
            &self.api_name(identifier),
            "API",
            &mut |api: &mut Api| {
                let mut former = api.former_algorithm;
                if let Some((ring, tenant)) = &at_hand {
                    let wished = settings.algorithm.value().unwrap_or(tenant.algorithm);
                    former = self.former_algorithm(ring, &api.algorithms(tenant), wished);
                }
                self.change_api(api, settings.clone())?;
                api.former_algorithm = former;
                let mut transaction = Transaction::default().tell("api_updated", detail.as_str());
                self.lead(&mut transaction, led.clone())?;
                Ok(transaction)
            },
            &reply,
        )
        .await
    }

    pub(super) async fn delete_api(&self, identifier: ApiUri) -> Done<Reply> {
        let identifier = &identifier;
        self.remove(&self.api_name(identifier), "API", &|_: &Api| {
            Ok(Transaction::default().tell("api_deleted", identifier.as_str()))
        })
        .await
    }

    /// What is to lead from its client id to the API, where nothing does yet. It never led to another one:
    /// tokens that say so may still be about.
    async fn app_id_free(&self, api: &Api) -> Done<Option<Led>> {
        let Some(id) = &api.app_id else {
            return Ok(None);
        };
        let name = Name::AppId(self.tenant.clone(), id.clone());
        let text = json::write(&api.identifier)?;
        match self.store().get(&name.key()?).await? {
            None => Ok(Some((name, text))),
            Some(found) if found.value == text => Ok(None),
            Some(_) => Err(exists("another API of the appId", id)),
        }
    }

    fn lead(&self, transaction: &mut Transaction, led: Option<Led>) -> Done<()> {
        match led {
            None => Ok(()),
            Some((name, text)) => transaction.put(name, text, Expected::Absent),
        }
    }

    /// Gives the client id that follows from its names to each API that was made before the tenant spoke
    /// Entra or B2C: its tokens say it already.
    pub(super) async fn give_app_ids(&self, tenant: &Tenant) -> Done<()> {
        let mut range = Range {
            cursor: None,
            limit: GIVEN,
        };
        loop {
            let mut older = Vec::new();
            let see = &mut |_: &str, text: &str| {
                let api: Api = json::read(text)?;
                if api.app_id.is_none() {
                    older.push(api.identifier);
                }
                Ok(())
            };
            let cursor = self.each(self.partition()?, PREFIX, range, see).await?;
            for identifier in older {
                let name = self.api_name(&identifier);
                let Some(Found {
                    record, expected, ..
                }) = self.load::<Api>(&name).await?
                else {
                    continue;
                };
                let mut api: Api = record;
                api.app_id = Some(app_id(&tenant.id, &api));
                let mut transaction = Transaction::default();
                let led = self.app_id_free(&api).await?;
                self.lead(&mut transaction, led)?;
                transaction.put(name, json::write(&api)?, expected)?;
                // If somebody else has changed it, it is done next time.
                let writes = &transaction.writes;
                self.store().commit(&self.partition()?, writes).await?;
            }
            if cursor.is_none() {
                return Ok(());
            }
            range = Range {
                cursor,
                limit: GIVEN,
            };
        }
    }

    fn change_api(&self, api: &mut Api, given: ApiChange) -> Done<()> {
        set(&mut api.display_name, given.display_name);
        check_name(&api.display_name)?;
        if let Some(roles) = given.roles {
            api.roles = self.declare_roles(&api.roles, roles)?;
        }
        if let Some(scopes) = given.scopes {
            let known = std::mem::take(&mut api.scopes);
            api.scopes = declared("scope", scopes)?
                .into_iter()
                .map(|(value, display_name)| {
                    let before = known.iter().find(|scope| scope.value == value);
                    ApiScope {
                        value,
                        display_name,
                        created_at: before.map_or(self.now, |scope| scope.created_at),
                    }
                })
                .collect();
        }
        set(&mut api.assignment_required, given.assignment_required);
        given.algorithm.apply(&mut api.algorithm);
        given
            .access_token_lifetime
            .apply(&mut api.access_token_lifetime);
        if let Some(id) = given.app_id {
            // Those of version 8 follow from an API's names.
            let is_new = api.app_id.as_ref() != Some(&id);
            if !is_uuid(&id) || is_new && id.get(14..15) == Some("8") {
                return Err(invalid(
                    "an appId is a UUID in lower case, not of version 8",
                ));
            }
            api.app_id = Some(id);
        }
        given
            .requested_access_token_version
            .apply(&mut api.requested_access_token_version);
        set(&mut api.optional_claims, given.optional_claims);
        if !matches!(api.requested_access_token_version, None | Some(1 | 2))
            || api.optional_claims.iter().any(|claim| claim != "idtyp")
        {
            return Err(invalid(
                "tokens are of version 1 or 2, and the one optional claim is `idtyp`",
            ));
        }
        check_lifetime(api.access_token_lifetime)
    }

    fn declare_roles(&self, known: &[AppRole], roles: Vec<NewRole>) -> Done<Vec<AppRole>> {
        let roles = declared("app role", roles)?.into_iter();
        let roles = roles.map(|(value, display_name)| {
            let before = known.iter().find(|role| role.value == value);
            let (id, created_at) = match before {
                Some(role) => (role.id.clone(), role.created_at),
                None => (entropy::uuid(self.issuer.host().entropy())?, self.now),
            };
            Ok(AppRole {
                value,
                id,
                display_name,
                created_at,
            })
        });
        roles.collect()
    }
}

/// Values in ascending order, each once, with their names for people.
fn declared(what: &str, roles: Vec<NewRole>) -> Done<Vec<(crate::api::RoleName, String)>> {
    if roles.len() > MAX_ROLES {
        return Err(invalid("an API has 5000 app roles and 5000 scopes at most"));
    }
    let mut declared = Vec::with_capacity(roles.len());
    for NewRole {
        value,
        display_name,
    } in roles
    {
        let display_name = display_name.unwrap_or_else(|| value.to_string());
        check_name(&display_name)?;
        declared.push((value, display_name));
    }
    declared.sort();
    let twice = declared.windows(2).find_map(|pair| match pair {
        [(a, _), (b, _)] if a == b => Some(a),
        _ => None,
    });
    match twice {
        None => Ok(declared),
        Some(value) => {
            let why = [what, " `", value.as_str(), "` is declared twice"].concat();
            Err(invalid(&why))
        }
    }
}
