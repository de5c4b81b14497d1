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

use serde::Serialize;

use crate::directory::TenantName;
use crate::error::Reason;
use crate::event::{Event, EventSink};
use crate::issuer::{Host, Issuer};
use crate::store::{Guarantees, Store};
use crate::time::UnixTime;

pub use administration::{ROUTES, Route as AdministrationRoute};
pub use http::{Body, MAX_ADMINISTRATION_BODY, MAX_BODY, Request, Response};

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

    /// The methods that the endpoint takes, as an `Allow` header: RFC 9110 section 10.2.1.
    fn methods(&self) -> &'static str {
        match self {
            Self::Token(_) | Self::Revoke(_) | Self::Introspect(_) | Self::LoginPage(..) => "POST",
            Self::Authorize(_) => "GET",
            Self::Jwks(_) | Self::Metadata(_) | Self::Health => "GET, HEAD",
        }
    }
}

#[derive(Serialize)]
struct Health {
    status: &'static str,
    store: Guarantees,
    #[serde(skip_serializing_if = "Option::is_none")]
    grants: Option<Guarantees>,
}

/// Who a request is about, as far as it has been understood; for the event if it is refused.
#[derive(Debug, Default)]
struct Context {
    tenant: Option<String>,
    client_id: Option<String>,
    /// What an administrator asks for.
    act: Option<&'static str>,
    /// Whether errors are problem details: RFC 9457.
    is_problem: bool,
    /// Whether a person reads the answer.
    is_person: bool,
    /// Whether an application that runs in a browser may read it: it brings no cookie that could be
    /// abused, and a public client has nothing but its tokens.
    is_shared: bool,
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

    /// Tells the operator of it, and whom it concerns: once a request.
    fn report(&self, context: &mut Context, event: Event) {
        self.host().events().emit(Event {
            tenant: context.tenant.take(),
            client_id: context.client_id.take(),
            ..event
        });
    }

    async fn route(
        &self,
        request: &Request<'_>,
        now: UnixTime,
        context: &mut Context,
    ) -> Result<Response, Reason> {
        let route = Route::parse(request.path()).ok_or(Reason::UnknownPath)?;
        let methods = route.methods();
        if !methods
            .split(',')
            .any(|method| method.trim() == request.method)
        {
            return Err(Reason::Method(methods.into()));
        }
        match route {
            Route::Token(tenant) => {
                context.is_shared = true;
                self.token(&tenant, request, now, context).await
            }
            Route::Authorize(tenant) => {
                context.is_person = true;
                self.authorize(&tenant, request, now, context).await
            }
            Route::Revoke(tenant) => {
                context.is_shared = true;
                self.revoke(&tenant, request, now, context).await
            }
            Route::Introspect(tenant) => self.introspect(&tenant, request, now, context).await,
            Route::LoginPage(tenant, act) => {
                context.is_problem = true;
                self.login_page(&tenant, act, request, now, context).await
            }
            Route::Jwks(tenant) => self.jwks(&tenant, now, context).await,
            Route::Metadata(tenant) => self.metadata(&tenant, now, context).await,
            Route::Health => self.health(),
        }
    }

    /// `GET /healthz`: that the service answers, and what its stores promise.
    fn health(&self) -> Result<Response, Reason> {
        let health = Health {
            status: "ok",
            store: self.host().store().guarantees(),
            grants: self.host().grants().map(Store::guarantees),
        };
        Ok(Response::json(200, &health)?.with("cache-control", "no-store"))
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
