//! A user's session at the token endpoint: the code exchanged, the refresh token used (RFC 6749 sections
//! 4.1.3 and 6).

use std::rc::Rc;

use super::claims::{Asked, ask};
use super::command::{Binding, Command, Epochs, Issue, Outcome, Presented, Terms};
use super::issue::{Content, Issued, Party, Ring};
use super::record::Grant;
use super::store::{GrantStore, decide};
use super::token::{GrantToken, Place, Purpose};
use crate::api::{Api, Granted, Target};
use crate::client::{Application, ClientKind, GrantType, RefreshMode, RefreshPolicy};
use crate::directory::{Tenant, parse};
use crate::error::Reason;
use crate::issuer::{Host, Issuer};
use crate::store::Store;
use crate::time::UnixTime;
use crate::token::MAX_LIFETIME;

/// A code or a refresh token, and what it is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub(crate) token: GrantToken,
    pub(crate) target: Target,
    /// With a code: what it is bound to.
    pub(crate) binding: Option<Binding>,
}

impl Exchange {
    /// Takes the step, and signs the access token for it.
    pub(crate) async fn issue<H: Host>(
        self,
        issuer: &Issuer<H>,
        party: Party<'_>,
        by_resource: bool,
        ring: Ring<H>,
        mut now: UnixTime,
    ) -> Result<Issued, Reason> {
        let Self {
            token,
            target,
            binding,
        } = self;
        let seal = token.seal;
        let (place, presented) = present(party, token)?;
        let (grant_type, once) = match binding {
            Some(_) => (GrantType::AuthorizationCode, true),
            None => (GrantType::RefreshToken, party.client.refresh.grace == 0),
        };
        let has_claims = issuer.host().has_claims();
        let mut known = if has_claims {
            None
        } else {
            known_api(issuer, party, &place, &target, once, now).await?
        };
        let terms = Terms {
            api: target.api,
            scopes: target.roles,
            realm: party
                .realm
                .map_or_else(String::new, |realm| realm.name.clone()),
            ..terms(party.tenant, party.client)
        };
        let command = match binding {
            Some(binding) => Command::Redeem {
                presented,
                terms,
                binding,
            },
            None => Command::Refresh { presented, terms },
        };
        // With a hook the step is rehearsed first: what is asked before it, and fails, has spent nothing.
        let mut rehearsing = has_claims;
        let mut added = None;
        let (issue, api, granted, scope) = loop {
            let mut issue = match try_step(issuer, &place, &command, rehearsing, now).await? {
                Outcome::Issue(issue) => issue,
                // It is left to the step, which may have a replay to answer.
                _ if rehearsing => {
                    rehearsing = false;
                    continue;
                }
                Outcome::Refused(refusal) => {
                    return Err(Reason::refused(refusal, &place, by_resource));
                }
                Outcome::Done {} => return Err(Reason::Internal("a step without an issue".into())),
            };
            let api = match known.take() {
                Some(api) if api.identifier == issue.api => api,
                _ => party.api(issuer, &issue.api, by_resource, now).await?,
            };
            let granted = still_granted(&mut issue, &api)?;
            let scope = granted.scope(&issue.api);
            if has_claims && added.is_none() {
                let asked = Asked {
                    api: &issue.api,
                    grant_type,
                    scope: &scope,
                    user: Some((&issue.subject, &issue.claims)),
                };
                let (answered, claims) = ask(issuer, party, &asked).await?;
                // The hook has taken its time: a grace window starts when the token is replaced.
                now = now.max(answered);
                added = Some(claims);
            }
            if !rehearsing {
                break (issue, api, granted, scope);
            }
            known = Some(api);
            rehearsing = false;
        };
        issuer.saw_api(&party.client.client_id, &issue.api);
        let mut claims = issue.claims;
        if let Some(added) = added {
            claims.extend(added);
        }
        let content = Content {
            subject: &issue.subject,
            roles: None,
            scope: &scope,
            names: &granted.roles,
            session: Some(&place.session()),
            claims: Some(&claims),
            grant_type,
            ends: Some(issue.ends),
        };
        let (access_token, expires_in) = party.mint(issuer, ring, &api, &content, now).await?;
        let refresh_token = issue.refresh.as_ref().map(|next| {
            let (generation, proof) = (next.generation, &next.proof);
            GrantToken::text(Purpose::Refresh, &place, generation, proof, seal)
        });
        // Where the grant is kept, the next second may have begun.
        let lifetime = u64::from(party.client.refresh.idle);
        let left = |expires: UnixTime| expires.since(now).min(lifetime);
        Ok(Issued {
            access_token,
            expires_in,
            scope,
            refresh_token,
            refresh_token_expires_in: issue.refresh.map(|next| left(next.expires)),
            api,
        })
    }
}

/// The scopes of a step that the API still has. What was consented to on an API, or as a scope, of that name
/// that is gone is not consent to this one.
fn still_granted(issue: &mut Issue, api: &Api) -> Result<Granted, Reason> {
    let since = issue.since;
    let mut scopes = std::mem::take(&mut issue.scopes);
    scopes.retain(|scope| {
        let declared = api.scope(scope);
        since >= api.created_at && declared.is_some_and(|declared| since >= declared.created_at)
    });
    if scopes.is_empty() {
        return Err(Reason::ScopeWithdrawn);
    }
    Ok(Granted { roles: scopes })
}

/// The API that the access token will be for, read before the step: a read that fails after it would cost
/// the client its successor. It is named by the request, or the one that the application's sessions were
/// last for; else the grant is asked first, and always where the token serves only `once`.
async fn known_api<H: Host>(
    issuer: &Issuer<H>,
    party: Party<'_>,
    place: &Place,
    target: &Target,
    once: bool,
    now: UnixTime,
) -> Result<Option<Rc<Api>>, Reason> {
    let mut uri = target.api.clone();
    if uri.is_none() && !once {
        uri = issuer.last_api(&party.client.client_id);
    }
    if uri.is_none() {
        let key = place.key()?;
        if let Some(found) = issuer.grants()?.get(&key).await? {
            let grant: Grant = parse(&key, &found.value)?;
            uri = grant.scopes.into_iter().next().map(|first| first.api);
        }
    }
    let Some(uri) = uri else {
        return Ok(None);
    };
    let store = issuer.host().store();
    let api = issuer.directory().api(store, party.tenant_name, &uri, now);
    api.await
}

/// Finds the grant of a token, which must have been made here.
pub(crate) fn present(party: Party<'_>, token: GrantToken) -> Result<(Place, Presented), Reason> {
    let (place, key) = token
        .locate(party.tenant_name, party.keys)
        .ok_or(Reason::GrantTokenMalformed)?;
    let presented = Presented {
        key,
        proof: token.proof,
        generation: token.generation,
        client_id: party.client.client_id.clone(),
    };
    Ok((place, presented))
}

/// One step on the store of the grants.
pub(crate) async fn step<H: Host>(
    issuer: &Issuer<H>,
    place: &Place,
    command: &Command,
    now: UnixTime,
) -> Result<Outcome, Reason> {
    try_step(issuer, place, command, false, now).await
}

/// The same, or what would come of it.
async fn try_step<H: Host>(
    issuer: &Issuer<H>,
    place: &Place,
    command: &Command,
    rehearsing: bool,
    now: UnixTime,
) -> Result<Outcome, Reason> {
    let grants = issuer.grants()?;
    let (grant, user) = place.keys()?;
    if rehearsing {
        let (step, _) = decide(grants, &grant, &user, command, now).await?;
        return Ok(step.outcome);
    }
    Ok(grants.step(&grant, &user, command, now).await?)
}

/// What the directory says of the sessions of this application now.
pub(crate) fn terms(tenant: &Tenant, client: &Application) -> Terms {
    Terms {
        refreshable: client.grant_types.contains(&GrantType::RefreshToken),
        policy: policy(client),
        epochs: epochs(tenant, client),
        api: None,
        scopes: None,
        realm: String::new(),
    }
}

pub(crate) fn epochs(tenant: &Tenant, client: &Application) -> Epochs {
    Epochs {
        tenant: tenant.epoch,
        application: client.epoch,
    }
}

pub(crate) fn policy(client: &Application) -> RefreshPolicy {
    let mut policy = client.refresh;
    // OAuth 2.1 section 4.3.1: a token that a public client keeps must not serve a thief for long.
    if client.kind == ClientKind::Public {
        policy.mode = RefreshMode::Rotate;
    }
    // Without refresh tokens there is a session for as long as access tokens of it may live.
    if !client.grant_types.contains(&GrantType::RefreshToken) {
        policy.idle = u32::try_from(MAX_LIFETIME).unwrap_or(u32::MAX);
        policy.absolute = policy.idle;
    }
    policy
}
