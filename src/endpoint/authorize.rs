//! `GET /{t}/oauth2/authorize`: the authorization endpoint of RFC 6749 section 3.1, for codes only
//! (OAuth 2.1), with PKCE by S256 (RFC 7636).
//!
//! Until client and redirection URI are known to be good, nobody is redirected: the user gets a page.
//! From then on, errors go to the application (section 4.1.2.1).

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use super::Context;
use super::form::Form;
use super::http::{Request, Response};
use crate::api::{ApiUri, Scope, Target};
use crate::client::{Application, ClientId, GrantType, RedirectUri};
use crate::dialect::{Realm, in_lower_case, is_uuid};
use crate::directory::{Name, Tenant, TenantName};
use crate::error::Reason;
use crate::event::Event;
use crate::grant::{AuthorizationRequest, GrantedScopes, HANDLE_LIFETIME, Redirection, with_query};
use crate::issuer::{Host, Issuer};
use crate::time::UnixTime;

/// Bytes of the longest query: what comes of it has to fit into a URL again.
const MAX_QUERY: usize = 4_096;

/// Where answers to a request may go.
struct Door {
    tenant: Rc<Tenant>,
    client: Rc<Application>,
    redirect_uri: RedirectUri,
    redirect_named: bool,
}

impl<H: Host> Issuer<H> {
    pub(super) async fn authorize(
        &self,
        tenant_name: &TenantName,
        request: &Request<'_>,
        now: UnixTime,
        context: &mut Context,
    ) -> Result<Response, Reason> {
        context.tenant = Some(tenant_name.clone());
        self.grants()?;
        if request.query().len() > MAX_QUERY {
            return Err(Reason::QueryTooLong);
        }
        let form = Form::parse(request.query().as_bytes())?;
        let door = self.door(tenant_name, &form, now, context).await?;
        let realm = if H::DIALECTS {
            context.realm.clone()
        } else {
            None
        };
        let realm = realm.as_deref();
        match self.hand_over(tenant_name, realm, &form, &door, now).await {
            Ok(login) => Ok(Response::redirect(login)),
            Err(reason) => {
                let wire = reason.wire();
                self.report(context, Event::of(&reason, now));
                let back = Redirection {
                    uri: door.redirect_uri.as_str(),
                    state: form.get("state"),
                };
                let error = [
                    ("error", wire.error),
                    ("error_description", wire.description),
                ];
                let name = realm.map_or("", |realm| &realm.name);
                let issuer = self.identifier_in(tenant_name, &door.tenant.id, name);
                Ok(Response::redirect(back.to(&error, &issuer)))
            }
        }
    }

    /// Section 3.1.2.4: who asks, and where the answer may go.
    async fn door(
        &self,
        tenant_name: &TenantName,
        form: &Form<'_>,
        now: UnixTime,
        context: &mut Context,
    ) -> Result<Door, Reason> {
        let client_id = form.get("client_id");
        let client_id = client_id.ok_or(Reason::ParameterMissing("client_id"))?;
        let mut client_id = ClientId::new(client_id).ok_or(Reason::UnknownApplication)?;
        if H::DIALECTS && context.realm.is_some() {
            client_id = in_lower_case(client_id);
        }
        let (store, directory) = (self.host().store(), self.directory());
        let tenant = directory.tenant(store, tenant_name, now).await?;
        let tenant = tenant.ok_or(Reason::UnknownTenant)?;
        let client = directory.application(store, tenant_name, &client_id, now);
        let client = client.await?.filter(|client| !client.disabled);
        let client = client.ok_or(Reason::UnknownApplication)?;
        context.client_id = Some(client.client_id.clone());
        let asked = form.get("redirect_uri");
        let redirect_uri = match (asked, client.redirect_uris.as_slice()) {
            (Some(asked), registered) => RedirectUri::new(asked)
                .filter(|asked| registered.iter().any(|known| known.admits(asked))),
            (None, [only]) => Some(only.clone()),
            (None, _) => None,
        };
        Ok(Door {
            redirect_uri: redirect_uri.ok_or(Reason::RedirectUnregistered)?,
            redirect_named: asked.is_some(),
            tenant,
            client,
        })
    }

    /// The login page's URL with the request sealed into it.
    async fn hand_over(
        &self,
        tenant_name: &TenantName,
        realm: Option<&Realm>,
        form: &Form<'_>,
        door: &Door,
        now: UnixTime,
    ) -> Result<String, Reason> {
        let missing = |name| move || Reason::ParameterMissing(name);
        match form.get("response_type") {
            Some("code") => {}
            Some(_) => return Err(Reason::ResponseType),
            None => return Err(Reason::ParameterMissing("response_type")),
        }
        if form
            .get("response_mode")
            .is_some_and(|mode| mode != "query")
        {
            return Err(Reason::ResponseMode);
        }
        let grant_type = GrantType::AuthorizationCode;
        if !door.client.grant_types.contains(&grant_type) {
            return Err(Reason::GrantTypeNotAllowed(grant_type));
        }
        let challenge = form.get("code_challenge");
        let challenge = challenge.ok_or_else(missing("code_challenge"))?;
        // The method is "plain" where it is not given: RFC 7636 section 4.3.
        if form.get("code_challenge_method") != Some("S256") || !is_challenge(challenge) {
            return Err(Reason::Challenge);
        }
        let request = AuthorizationRequest {
            tenant: tenant_name.clone(),
            client_id: door.client.client_id.clone(),
            redirect_uri: door.redirect_uri.clone(),
            redirect_named: door.redirect_named,
            scopes: self.asked(tenant_name, realm, form, now).await?,
            state: form.get("state").map(str::to_owned),
            challenge: challenge.to_owned(),
            login_hint: form.get("login_hint").map(str::to_owned),
            prompt: form.get("prompt").map(str::to_owned),
            realm: realm.map_or_else(String::new, |realm| realm.name.clone()),
            expires: now.plus(HANDLE_LIFETIME),
        };
        let login = door.tenant.login_url.as_ref().ok_or(Reason::NoLoginPage)?;
        let handle = self.handle_of(&request).await?;
        let parameters = [("handle", handle.as_str())].into_iter();
        Ok(with_query(login.as_str(), parameters))
    }

    /// The scopes asked for, each declared by its API.
    async fn asked(
        &self,
        tenant_name: &TenantName,
        realm: Option<&Realm>,
        form: &Form<'_>,
        now: UnixTime,
    ) -> Result<Vec<GrantedScopes>, Reason> {
        let resources = form
            .resources()
            .map(|uri| ApiUri::new(uri).ok_or(Reason::ResourceSyntax));
        let resources = resources.collect::<Result<Vec<_>, _>>()?;
        let scope = form.get("scope").unwrap_or_default();
        let spelled;
        let scope = Scope::parse(match realm {
            Some(_) if H::DIALECTS => {
                // In a place of its own, which a program without dialects does not have.
                let spelling: Pin<Box<dyn Future<Output = _> + '_>> =
                    Box::pin(self.by_identifier(tenant_name, scope, now));
                spelled = spelling.await?;
                &spelled
            }
            _ => scope,
        })?;
        let mut asked = Vec::new();
        for target in Target::all_of(&scope, &resources, realm.is_some())? {
            let Some(uri) = &target.api else { continue };
            let store = self.host().store();
            let api = self.directory().api(store, tenant_name, uri, now).await?;
            let api = api.ok_or_else(|| {
                if resources.contains(uri) {
                    Reason::UnknownResource(uri.to_string())
                } else {
                    Reason::UnknownApi(uri.to_string())
                }
            })?;
            asked.push(GrantedScopes {
                api: uri.clone(),
                scopes: target.scopes(&api)?,
            });
        }
        Ok(asked)
    }
}

impl<H: Host> Issuer<H> {
    /// Scopes with each API by its identifier, also those that name it by its client id. That alone stands for
    /// all that the API has.
    async fn by_identifier(
        &self,
        tenant_name: &TenantName,
        scope: &str,
        now: UnixTime,
    ) -> Result<String, Reason> {
        let mut spelled = String::new();
        for token in scope.split(' ') {
            let (named, rest) = token.split_once('/').unwrap_or((token, ".default"));
            let app_id = named.to_ascii_lowercase();
            if is_uuid(&app_id) {
                let name = Name::AppId(tenant_name.clone(), app_id);
                let found = self.directory().alias(self.host().store(), name, now);
                let found = found.await?;
                let found = found.ok_or_else(|| Reason::UnknownApi(named.to_owned()))?;
                spelled.push_str(&[&found, "/", rest].concat());
            } else {
                spelled.push_str(token);
            }
            spelled.push(' ');
        }
        Ok(spelled)
    }
}

/// RFC 7636 section 4.2: SHA-256 in base64url.
fn is_challenge(text: &str) -> bool {
    text.len() == 43
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}
