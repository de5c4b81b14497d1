//! HTTP in, HTTP out: which path is which endpoint, and what each answers.

mod administration;
mod admission;
mod authorize;
pub mod form;
mod http;
mod introspect;
mod login_page;
mod metadata;
mod revoke;
mod token;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{self, Poll};

use crate::client::ClientId;
use crate::dialect::{Asked, COMMON, Endpoint, Handle, Inquiry, Realm};
use crate::directory::{Name, TenantName};
use crate::entropy;
use crate::error::Reason;
use crate::event::{Event, EventSink};
use crate::issuer::{Host, Issuer};
use crate::json::Writer;
use crate::store::{Guarantees, Store};
use crate::time::UnixTime;

pub use administration::{ROUTES, Route as AdministrationRoute};
pub use http::{Body, MAX_ADMINISTRATION_BODY, MAX_BODY, Request, Response};

/// A future in a function of its own. Left to the compiler, all endpoints are one function, which a runtime
/// compiles whole for the first token: docs/decisions/0015.
pub(crate) struct Apart<'a, T>(Pin<Box<dyn Future<Output = T> + 'a>>);

impl<'a, T> Apart<'a, T> {
    pub(crate) fn new(future: impl Future<Output = T> + 'a) -> Self {
        Self(Box::pin(future))
    }
}

impl<T> Future for Apart<'_, T> {
    type Output = T;

    // Seen from its caller, the compiler would know which future it is, and join the two again.
    #[inline(never)]
    fn poll(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<T> {
        self.0.as_mut().poll(context)
    }
}

/// What a path leads to. Paths are compared byte by byte: no endpoint has a second spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Route {
    Token(TenantName),
    Authorize(TenantName),
    Revoke(TenantName),
    Introspect(TenantName),
    LoginPage(TenantName, (&'static str, &'static str, &'static str)),
    Jwks(TenantName),
    Metadata(TenantName),
    /// An endpoint of Entra or B2C, of a tenant that is still to be found.
    Dialect(Asked),
    Health,
}

impl Route {
    fn parse(path: &str) -> Option<Self> {
        if path == "/healthz" {
            return Some(Self::Health);
        }
        // RFC 8414 section 3.1 puts the well-known part in front of the issuer's path.
        if let Some(tenant) = path.strip_prefix("/.well-known/oauth-authorization-server/") {
            return TenantName::new(tenant).map(Self::Metadata);
        }
        let (tenant, rest) = path.strip_prefix('/')?.split_once('/')?;
        if let Some(name) = rest.strip_prefix("admin/v1/authorizations/") {
            let act = login_page::ACTS
                .into_iter()
                .find(|(known, ..)| *known == name)?;
            return TenantName::new(tenant).map(|tenant| Self::LoginPage(tenant, act));
        }
        let route = match rest {
            "oauth2/token" => Self::Token,
            "oauth2/authorize" => Self::Authorize,
            "oauth2/revoke" => Self::Revoke,
            "oauth2/introspect" => Self::Introspect,
            ".well-known/jwks.json" => Self::Jwks,
            ".well-known/openid-configuration" => Self::Metadata,
            _ => return None,
        };
        TenantName::new(tenant).map(route)
    }

    /// The same for the dialects of Entra and B2C.
    fn in_dialect(target: &str) -> Option<Self> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (tenant, rest) = path.strip_prefix('/')?.split_once('/')?;
        Asked::parse(tenant, rest, query).map(Self::Dialect)
    }

    /// The methods that the endpoint takes, as an `Allow` header: RFC 9110 section 10.2.1.
    fn methods(&self) -> &'static str {
        match self {
            Self::Token(_) | Self::Revoke(_) | Self::Introspect(_) | Self::LoginPage(..) => "POST",
            Self::Authorize(_) => "GET",
            Self::Jwks(_) | Self::Metadata(_) | Self::Health => "GET, HEAD",
            Self::Dialect(asked) => match asked.endpoint {
                Endpoint::Token => "POST",
                Endpoint::Authorize => "GET",
                Endpoint::Metadata | Endpoint::Jwks => "GET, HEAD",
            },
        }
    }
}

/// Who a request is about, as far as it has been understood; for the event if it is refused.
#[derive(Debug, Default)]
struct Context {
    tenant: Option<TenantName>,
    client_id: Option<ClientId>,
    /// What an administrator asks for.
    act: Option<&'static str>,
    /// Whether errors are problem details: RFC 9457.
    is_problem: bool,
    /// Whether a person reads the answer.
    is_person: bool,
    /// Whether an application that runs in a browser may read it: it brings no cookie that could be
    /// abused, and a public client has nothing but its tokens.
    is_shared: bool,
    /// What is told of a request in a dialect if it is refused.
    inquiry: Option<Box<Inquiry>>,
    /// Where it has come in, if not at the standard's endpoints.
    realm: Option<Rc<Realm>>,
}

impl<H: Host> Issuer<H> {
    /// Answers a request. `now` is the moment that every rule in it goes by.
    ///
    /// There is an answer to everything: what is refused is an error response, with an [`Event`] that
    /// tells the operator the reason.
    pub async fn handle(&self, request: &Request<'_>, now: UnixTime) -> Response {
        let mut context = Context::default();
        let answer = self.route(request, now, &mut context).await;
        let is_shared = context.is_shared;
        let mut response = answer.unwrap_or_else(|reason| {
            if H::DIALECTS
                && let Some(inquiry) = context.inquiry.take()
            {
                return self.refuse(&inquiry, &reason, request, now, &mut context);
            }
            self.report(&mut context, Event::of(&reason, now));
            if context.is_problem {
                Response::problem(&reason.into())
            } else if context.is_person {
                Response::page(&reason)
            } else {
                Response::refusal(&reason)
            }
        });
        if is_shared {
            response = response.with("access-control-allow-origin", "*");
        }
        if request.method == "HEAD" {
            response.body.clear();
        }
        response
    }

    /// Answers in the words of the dialect, and tells the operator under which id.
    fn refuse(
        &self,
        inquiry: &Inquiry,
        reason: &Reason,
        request: &Request<'_>,
        now: UnixTime,
        context: &mut Context,
    ) -> Response {
        let entropy = self.host().entropy();
        let trace = entropy::uuid(entropy).unwrap_or_default();
        let mut event = Event::of(reason, now);
        let detail = event.detail.get_or_insert_default();
        detail.push_str(" trace ");
        detail.push_str(&trace);
        self.report(context, event);
        inquiry.refusal(reason, request, entropy, &trace, now)
    }

    /// Tells the operator of it, and whom it concerns: once a request.
    fn report(&self, context: &mut Context, event: Event) {
        self.host().events().emit(Event {
            tenant: context.tenant.take().map(|tenant| tenant.to_string()),
            client_id: context.client_id.take().map(|client| client.to_string()),
            ..event
        });
    }

    async fn route(
        &self,
        request: &Request<'_>,
        now: UnixTime,
        context: &mut Context,
    ) -> Result<Response, Reason> {
        let mut route = Route::parse(request.path());
        // Where the standard has its metadata, Entra has its document of version 1.0.
        if H::DIALECTS && matches!(route, None | Some(Route::Metadata(_))) {
            route = Route::in_dialect(request.target).or(route);
        }
        let mut route = route.ok_or(Reason::UnknownPath)?;
        if H::DIALECTS
            && let Route::Dialect(asked) = &route
        {
            context.inquiry = Some(Box::new(Inquiry {
                asked: asked.clone(),
                ..Inquiry::default()
            }));
        }
        let methods = route.methods();
        if !methods
            .split(',')
            .any(|method| method.trim() == request.method)
        {
            return Err(Reason::Method(methods.into()));
        }
        if H::DIALECTS
            && let Route::Dialect(asked) = route
        {
            route = Apart::new(self.enter(asked, now, context)).await?;
        }
        let answering = match &route {
            Route::Token(tenant) => {
                context.is_shared = true;
                Apart::new(self.token(tenant, request, now, context))
            }
            Route::Authorize(tenant) => {
                context.is_person = true;
                Apart::new(self.authorize(tenant, request, now, context))
            }
            Route::Revoke(tenant) => {
                context.is_shared = true;
                Apart::new(self.revoke(tenant, request, now, context))
            }
            Route::Introspect(tenant) => Apart::new(self.introspect(tenant, request, now, context)),
            Route::LoginPage(tenant, act) => {
                context.is_problem = true;
                Apart::new(self.login_page(tenant, *act, request, now, context))
            }
            Route::Jwks(tenant) => Apart::new(self.jwks(tenant, now, context)),
            Route::Metadata(tenant) => Apart::new(self.metadata(tenant, now, context)),
            Route::Health => return Ok(self.health()),
            Route::Dialect(_) => return Err(Reason::UnknownPath),
        };
        answering.await
    }

    /// Finds the tenant that a URL of Entra or B2C names, in whichever way, and makes sure that it has what is
    /// asked for.
    async fn enter(
        &self,
        asked: Asked,
        now: UnixTime,
        context: &mut Context,
    ) -> Result<Route, Reason> {
        if asked.endpoint == Endpoint::Authorize {
            context.is_person = true;
            context.inquiry = None;
        }
        // The documents are public by themselves.
        context.is_shared = asked.endpoint == Endpoint::Token;
        if COMMON.contains(&asked.tenant.as_str()) {
            return Err(Reason::NoTenantNamed);
        }
        let (store, directory) = (self.host().store(), self.directory());
        // A tenant may still have the form of an id for its name: its standard metadata is nobody else's.
        if let Some(name) = asked.standard()
            && directory.tenant(store, &name, now).await?.is_some()
        {
            context.inquiry = None;
            return Ok(Route::Metadata(name));
        }
        let name = match asked.handle().ok_or(Reason::UnknownTenant)? {
            Handle::Name(name) => Some(name),
            Handle::Alias(alias) => {
                let found = directory.alias(store, Name::Alias(alias), now).await?;
                // While the tenant is being written, the record says until when that may take.
                found.and_then(|found| TenantName::new(found.split(' ').next()?))
            }
        };
        let tenant = match &name {
            Some(name) => directory.tenant(store, name, now).await?,
            None => None,
        };
        let realm = tenant.as_ref().and_then(|tenant| Realm::of(&asked, tenant));
        let (Some(name), Some(tenant), Some(realm)) = (name, tenant, realm) else {
            return Err(Reason::UnknownTenant);
        };
        context.realm = Some(Rc::new(realm));
        if let Some(inquiry) = &mut context.inquiry {
            inquiry.directory.clone_from(&tenant.display_name);
        }
        Ok(match asked.endpoint {
            Endpoint::Token => Route::Token(name),
            Endpoint::Authorize => Route::Authorize(name),
            Endpoint::Metadata => Route::Metadata(name),
            Endpoint::Jwks => Route::Jwks(name),
        })
    }

    /// `GET /healthz`: that the service answers, and what its stores promise.
    fn health(&self) -> Response {
        let of = |out: &mut Writer, name, promised: Guarantees| {
            out.nested(name, |out| {
                out.bool("atomic", promised.atomic);
                out.bool("readYourWrites", promised.read_your_writes);
                out.bool("transactions", promised.transactions);
            });
        };
        let health = Writer::object(192, |out| {
            out.text("status", "ok");
            of(out, "store", self.host().store().guarantees());
            if let Some(grants) = self.host().grants() {
                of(out, "grants", grants.guarantees());
            }
        });
        Response::of_json(200, health).with("cache-control", "no-store")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_an_endpoint_only_in_its_one_spelling() {
        let demo = TenantName::new("demo").unwrap();
        assert_eq!(
            Route::parse("/demo/oauth2/token"),
            Some(Route::Token(demo.clone()))
        );
        assert_eq!(
            Route::parse("/.well-known/oauth-authorization-server/demo"),
            Some(Route::Metadata(demo))
        );
        for path in [
            "",
            "/",
            "//",
            "/demo",
            "/demo/",
            "/demo/oauth2/token/",
            "/Demo/oauth2/token",
            "/demo/oauth2//token",
            "/demo%2Foauth2/token",
            "/d\u{e9}mo/oauth2/token",
            "/../demo/oauth2/token",
            "/.well-known/oauth-authorization-server/",
            "demo/oauth2/token",
            "/.well-known/oauth-authorization-server/demo/",
            "/healthz/",
        ] {
            assert_eq!(Route::parse(path), None, "{path}");
        }
    }
}
