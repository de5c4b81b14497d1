//! A user's consent, from the authorization request to the code: RFC 6749 section 4.1.
//!
//! edgemint holds no passwords. The request is sealed into a handle, which goes to the host's login
//! page by way of the browser; the page brings it back with the user that it has authenticated, and
//! what that user consented to. Nothing is stored before.

use std::rc::Rc;

use serde::Serialize;

use super::claims::check as check_claims;
use super::record::{CODE_LIFETIME, Consent, Grant, GrantedScopes};
use super::session::epochs;
use super::store::User;
use super::token::{GrantToken, Id, Place, Purpose, derive};
use crate::administration::{AdministrationError, invalid};
use crate::api::{ApiUri, RoleName, Scope, split};
use crate::client::{Application, ClientId, GrantType, RedirectUri};
use crate::dialect::dialect_of;
use crate::directory::{Tenant, TenantName};
use crate::endpoint::form::encode;
use crate::entropy;
use crate::error::Reason;
use crate::event::{Event, EventSink, Kind};
use crate::issuer::{Host, Issuer};
use crate::json::{self, Object, record};
use crate::key::{Seal, Sealed};
use crate::store::{Expected, Put, Store};
use crate::text::has_control;
use crate::time::UnixTime;

/// Seconds that a user may take to sign in.
pub(crate) const HANDLE_LIFETIME: u64 = 900;
/// What a handle is sealed for.
const CONTEXT: &str = "edgemint authorization request";

/// What a login page may answer instead of a user: RFC 6749 section 4.1.2.1 and OpenID Connect Core
/// section 3.1.2.6.
const DENIALS: [&str; 7] = [
    "access_denied",
    "login_required",
    "consent_required",
    "interaction_required",
    "account_selection_required",
    "server_error",
    "temporarily_unavailable",
];

/// An authorization request that was found good.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuthorizationRequest {
    pub(crate) tenant: TenantName,
    pub(crate) client_id: ClientId,
    pub(crate) redirect_uri: RedirectUri,
    /// Whether the request named it: the token request must name it too then.
    pub(crate) redirect_named: bool,
    pub(crate) scopes: Vec<GrantedScopes>,
    pub(crate) state: Option<String>,
    pub(crate) challenge: String,
    pub(crate) login_hint: Option<String>,
    pub(crate) prompt: Option<String>,
    /// The realm that it was made in.
    pub(crate) realm: String,
    pub(crate) expires: UnixTime,
}

record!(AuthorizationRequest {
    tenant = "tenant",
    client_id = "clientId",
    redirect_uri = "redirectUri",
    redirect_named = "redirectNamed",
    scopes = "scopes",
    state = "state",
    challenge = "challenge",
    login_hint = "loginHint",
    prompt = "prompt",
    expires = "expires",
} default {
    realm = "realm",
});

/// An answer to an authorization request: where the browser goes with it.
pub(crate) struct Redirection<'a> {
    pub(crate) uri: &'a str,
    pub(crate) state: Option<&'a str>,
}

impl Redirection<'_> {
    /// The URI with these parameters, `state` (RFC 6749 section 4.1.2) and `iss` (RFC 9207).
    pub(crate) fn to(&self, parameters: &[(&str, &str)], issuer: &str) -> String {
        let state = self.state.map(|state| ("state", state));
        let all = parameters
            .iter()
            .copied()
            .chain(state)
            .chain([("iss", issuer)]);
        with_query(self.uri, all)
    }
}

/// Adds parameters to a URI that has no fragment.
pub(crate) fn with_query<'a>(
    uri: &str,
    parameters: impl Iterator<Item = (&'a str, &'a str)>,
) -> String {
    let mut uri = uri.to_owned();
    for (name, value) in parameters {
        let separator = match uri.find('?') {
            None => "?",
            Some(_) if uri.ends_with(['?', '&']) => "",
            Some(_) => "&",
        };
        uri.push_str(separator);
        uri.push_str(name);
        uri.push('=');
        encode(value, &mut uri);
    }
    uri
}

/// What a login page shows.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Inspection<'a> {
    tenant: &'a TenantName,
    client_id: &'a ClientId,
    client_name: &'a str,
    redirect_uri: &'a RedirectUri,
    scopes: Vec<AskedScope>,
    #[serde(skip_serializing_if = "Option::is_none")]
    login_hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt: Option<&'a str>,
    dialect: &'static str,
    /// The user flow of B2C that was asked for, which nobody but the page can apply.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a str>,
    expires: UnixTime,
}

/// One line of a consent page.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AskedScope {
    scope: String,
    display_name: String,
    api: String,
    api_name: String,
}

/// Where to send the browser.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answered {
    redirect_to: String,
}

/// What the user consented to, as the login page says it.
#[derive(Debug, Clone)]
pub(crate) struct Completion {
    pub(crate) subject: String,
    pub(crate) scopes: Option<Vec<String>>,
    pub(crate) claims: Option<Object>,
}

type Done<T = String> = Result<T, AdministrationError>;

impl<H: Host> Issuer<H> {
    /// The handle under which the login page is asked.
    pub(crate) async fn handle_of(&self, request: &AuthorizationRequest) -> Result<String, Reason> {
        let text = json::write(request)?;
        let host = self.host();
        let master = self.masters().current();
        let sealed = master.seal(
            Seal::Handle,
            text.as_bytes(),
            CONTEXT,
            host.signer(),
            host.entropy(),
        );
        let sealed = sealed.await?;
        Ok(sealed.compact())
    }

    /// What the login page shows the user. `within` is the tenant that the caller administers, if it is
    /// not all of them.
    pub(crate) async fn inspect_authorization(
        &self,
        handle: &str,
        within: Option<&TenantName>,
        now: UnixTime,
    ) -> Done {
        let request = self.open(handle, within, now).await?;
        let (tenant, client) = self.asking(&request, now).await?;
        let (dialect, policy) = dialect_of(&request.realm);
        let mut scopes = Vec::new();
        for granted in &request.scopes {
            let store = self.host().store();
            let api = self
                .directory()
                .api(store, &request.tenant, &granted.api, now);
            let api = api
                .await?
                .ok_or_else(|| Reason::UnknownApi(granted.api.to_string()))?;
            scopes.extend(granted.scopes.iter().map(|scope| {
                AskedScope {
                    scope: [api.identifier.as_str(), "/", scope.as_str()].concat(),
                    display_name: api
                        .scope(scope)
                        .map_or_else(|| scope.to_string(), |known| known.display_name.clone()),
                    api: api.identifier.to_string(),
                    api_name: api.display_name.clone(),
                }
            }));
        }
        Ok(json::write(&Inspection {
            tenant: &request.tenant,
            client_id: &request.client_id,
            client_name: &client.display_name,
            redirect_uri: &request.redirect_uri,
            scopes,
            login_hint: request.login_hint.as_deref(),
            prompt: request.prompt.as_deref(),
            dialect,
            // As it is registered, like the token's.
            policy: policy.map(|asked| tenant.policy(asked).unwrap_or(asked)),
            expires: request.expires,
        })?)
    }

    /// Opens a grant for the user, and answers with where to send the browser: back to the
    /// application, with a code.
    pub(crate) async fn complete_authorization(
        &self,
        handle: &str,
        completion: Completion,
        within: Option<&TenantName>,
        now: UnixTime,
    ) -> Done {
        let request = self.open(handle, within, now).await?;
        let (tenant, client) = self.asking(&request, now).await?;
        let Completion {
            subject,
            scopes,
            claims,
        } = completion;
        check_subject(&subject)?;
        // RFC 9068 section 5: a user must not be taken for an application.
        if let Some(id) = ClientId::new(subject.as_str()) {
            let (store, directory) = (self.host().store(), self.directory());
            let namesake = directory.application(store, &request.tenant, &id, now);
            if namesake.await?.is_some() {
                return Err(invalid(
                    "a subject must not be the client_id of an application",
                ));
            }
        }
        let consented = consented(request.scopes, scopes)?;
        let claims = claims.unwrap_or_default();
        check_claims(&claims).map_err(|why| invalid(&why))?;
        let grants = self.grants()?;
        let entropy = self.host().entropy();
        let place = Place::new(&request.tenant, &subject, Id::new(entropy::bytes(entropy)?));
        let user = grants.get(&place.user_key()?).await?;
        let user_epoch = User::epoch(user.as_ref().map(|user| user.value.as_str()))?;
        let back = Redirection {
            uri: request.redirect_uri.as_str(),
            state: request.state.as_deref(),
        };
        let consent = Consent {
            client_id: request.client_id,
            subject,
            scopes: consented,
            claims,
            redirect_uri: request.redirect_named.then(|| back.uri.to_owned()),
            challenge: request.challenge,
            realm: request.realm.clone(),
        };
        let salt = Id::new(entropy::bytes(entropy)?);
        let grant = Grant::open(consent, salt, epochs(&tenant, &client), user_epoch, now);
        let (store, directory) = (self.host().store(), self.directory());
        let ring = directory.ring(store, &request.tenant, now).await?;
        let ring = ring.ok_or(Reason::NoSigningKey(tenant.algorithm.name()))?;
        let keys = self.tenant_keys(&ring, &request.tenant).await?;
        let code = derive(&place, &keys).and_then(|(key, seal)| {
            let proof = grant.code_proof(&key)?;
            Some(GrantToken::text(Purpose::Code, &place, 0, &proof, seal))
        });
        let code = code.ok_or(Reason::Internal("no proof of the code".into()))?;
        let text = grant.to_json();
        let expires = Some(now.plus(CODE_LIFETIME));
        let key = place.key()?;
        match grants.put(&key, &text, Expected::Absent, expires).await? {
            Put::Done(_) => {}
            Put::Conflict => return Err(Reason::Internal(format!("{key} is taken")).into()),
        }
        let opened = Event::new(Kind::Done, "session_opened", Some(key.to_string()), now);
        let opened = opened.about(&request.tenant, &client.client_id);
        self.host().events().emit(opened);
        let issuer = self.identifier_in(&request.tenant, &tenant.id, &request.realm);
        answered(&back, &issuer, ("code", &code))
    }

    /// Answers that there will be no code, and where to send the browser with that.
    pub(crate) async fn deny_authorization(
        &self,
        handle: &str,
        error: Option<&str>,
        within: Option<&TenantName>,
        now: UnixTime,
    ) -> Done {
        let request = self.open(handle, within, now).await?;
        let (tenant, _) = self.asking(&request, now).await?;
        let error = error.unwrap_or("access_denied");
        if !DENIALS.contains(&error) {
            let why = [
                "an authorization is denied with one of ",
                &DENIALS.join(", "),
            ];
            return Err(invalid(&why.concat()));
        }
        let back = Redirection {
            uri: request.redirect_uri.as_str(),
            state: request.state.as_deref(),
        };
        let issuer = self.identifier_in(&request.tenant, &tenant.id, &request.realm);
        answered(&back, &issuer, ("error", error))
    }

    async fn open(
        &self,
        handle: &str,
        within: Option<&TenantName>,
        now: UnixTime,
    ) -> Done<AuthorizationRequest> {
        let refused = || AdministrationError::Handle;
        let sealed = Sealed::parse(handle).ok_or_else(refused)?;
        let text = self
            .masters()
            .open(Seal::Handle, &sealed, CONTEXT, self.host().signer())
            .await
            .map_err(|_| refused())?;
        let text = std::str::from_utf8(&text).map_err(|_| refused())?;
        let request: AuthorizationRequest = json::read(text).map_err(|_| refused())?;
        let in_time = now < request.expires;
        let at_home = within.is_none_or(|tenant| *tenant == request.tenant);
        if in_time && at_home {
            Ok(request)
        } else {
            Err(refused())
        }
    }

    /// The application that asked, if it may still have an answer there.
    async fn asking(
        &self,
        request: &AuthorizationRequest,
        now: UnixTime,
    ) -> Done<(Rc<Tenant>, Rc<Application>)> {
        let (store, directory) = (self.host().store(), self.directory());
        let tenant = directory.tenant(store, &request.tenant, now).await?;
        let client = directory
            .application(store, &request.tenant, &request.client_id, now)
            .await?;
        let gone = || AdministrationError::NotFound(format!("application `{}`", request.client_id));
        let (tenant, client) = tenant.zip(client).ok_or_else(gone)?;
        let admitted = client
            .redirect_uris
            .iter()
            .any(|known| known.admits(&request.redirect_uri));
        if client.disabled
            || !admitted
            || !client.grant_types.contains(&GrantType::AuthorizationCode)
        {
            return Err(gone());
        }
        Ok((tenant, client))
    }
}

/// Where to send the browser with the answer.
fn answered(back: &Redirection<'_>, issuer: &str, answer: (&str, &str)) -> Done {
    let redirect_to = back.to(&[answer], issuer);
    Ok(json::write(&Answered { redirect_to })?)
}

/// The name of a user, as the login page gives it.
pub(crate) fn check_subject(subject: &str) -> Done<()> {
    if (1..=256).contains(&subject.len()) && !has_control(subject) {
        return Ok(());
    }
    Err(invalid(
        "a subject is 1 to 256 bytes of text without control characters",
    ))
}

/// The part of what was asked for that the user agreed to; all of it, if the page does not say.
fn consented(asked: Vec<GrantedScopes>, agreed: Option<Vec<String>>) -> Done<Vec<GrantedScopes>> {
    let Some(agreed) = agreed else {
        return Ok(asked);
    };
    let parse = |agreed: &String| {
        let scope = Scope::parse(agreed).ok()?;
        let (api, name) = split(scope.only()?, None)?;
        Some((api, RoleName::new(name)?))
    };
    let agreed: Vec<_> = agreed.iter().map(parse).collect();
    let mut unasked = agreed.clone();
    let mut granted: Vec<GrantedScopes> = Vec::new();
    for GrantedScopes { api, mut scopes } in asked {
        scopes.retain(|scope| {
            let is_it = |agreed: &Option<(ApiUri, RoleName)>| {
                agreed
                    .as_ref()
                    .is_some_and(|(of, name)| *of == api && name == scope)
            };
            unasked.retain(|agreed| !is_it(agreed));
            agreed.iter().any(is_it)
        });
        if !scopes.is_empty() {
            granted.push(GrantedScopes { api, scopes });
        }
    }
    if granted.is_empty() {
        return Err(invalid(
            "no scope was consented to; deny the authorization instead",
        ));
    }
    if !unasked.is_empty() {
        return Err(invalid("scopes were consented to that were not asked for"));
    }
    Ok(granted)
}
