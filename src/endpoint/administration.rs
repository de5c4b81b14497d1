//! `/{t}/admin/v1/...`: the administration API.
//!
//! A route is a line of [`ROUTES`]: method, path, the act behind it, and the app roles that may take it.
//! Path, query, headers and body of a request are the members of the act (`administration::command`),
//! so what can be done over HTTP and in process is one thing. Guarded by access tokens of the
//! administration API (RFC 6750); errors are problem details (RFC 9457).

use super::Context;
use super::admission::{bearer, is_of_type, whole};
use super::form::{self, Form};
use super::http::{Body, MAX_ADMINISTRATION_BODY, Request, Response};
use crate::administration::{AdministrationError, Caller, Command, Preconditions, Reply, invalid};
use crate::api::{
    ADMIN_API, API, APPLICATION, DIRECTORY, EVENT, KEY, ROLE_ASSIGNMENT, ROLE_MANAGEMENT, RoleName,
    SESSION, SESSION_READ, TENANT, TENANT_CREATE,
};
use crate::directory::TenantName;
use crate::error::Reason;
use crate::event::{Event, Kind};
use crate::issuer::{Host, Issuer};
use crate::json::{self, Members, Value};
use crate::time::UnixTime;

/// Who may read applications and APIs, beside those who may change them.
const READERS: [&str; 5] = [
    DIRECTORY,
    APPLICATION,
    API,
    ROLE_ASSIGNMENT,
    ROLE_MANAGEMENT,
];
/// Who may grant app roles; which of the two it takes follows from the API.
const GRANTORS: [&str; 2] = [ROLE_ASSIGNMENT, ROLE_MANAGEMENT];

/// A route of the administration API.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// The method.
    pub method: &'static str,
    /// The path below `/{t}/admin/v1/`, with its parameters in braces.
    pub path: &'static str,
    /// The act behind it: its name in process.
    pub act: &'static str,
    /// App roles of which it takes one.
    pub roles: &'static [&'static str],
    /// The status of success.
    pub status: u16,
}

/// A line of the table. What is made is 201, what is gone 204, all else 200.
const fn route(
    method: &'static str,
    path: &'static str,
    act: &'static str,
    roles: &'static [&'static str],
) -> Route {
    Route {
        method,
        path,
        act,
        roles,
        status: match method.as_bytes() {
            b"POST" => 201,
            b"DELETE" => 204,
            _ => 200,
        },
    }
}

impl Route {
    /// A `POST` that makes nothing.
    const fn with(self, status: u16) -> Self {
        Self { status, ..self }
    }
}

/// The one path that is guarded by something else than an access token.
const BOOTSTRAP: &str = "bootstrap";

/// Every route, a line each: a test holds the OpenAPI document and the table of
/// `docs/administration.md` to it.
#[rustfmt::skip]
pub const ROUTES: [Route; 31] = [
    route("GET", "tenant", "getTenant", &[DIRECTORY, TENANT]),
    route("PATCH", "tenant", "updateTenant", &[TENANT]),
    route("POST", "tenants", "createTenant", &[TENANT_CREATE]),
    route("GET", "applications", "listApplications", &READERS),
    route("POST", "applications", "createApplication", &[APPLICATION]),
    route("POST", "applications/import", "importApplications", &[APPLICATION]),
    route("GET", "applications/{clientId}", "getApplication", &READERS),
    route("PATCH", "applications/{clientId}", "updateApplication", &[APPLICATION]),
    route("DELETE", "applications/{clientId}", "deleteApplication", &[APPLICATION]),
    route("POST", "applications/{clientId}/secrets", "addSecret", &[APPLICATION]),
    route("DELETE", "applications/{clientId}/secrets/{keyId}", "removeSecret", &[APPLICATION]),
    route("POST", "applications/{clientId}/assignments/{api}", "assignRoles", &GRANTORS).with(200),
    route("PUT", "applications/{clientId}/assignments/{api}", "setRoles", &GRANTORS),
    route("DELETE", "applications/{clientId}/assignments/{api}", "removeRoles", &GRANTORS),
    route("DELETE", "applications/{clientId}/assignments/{api}/{role}", "removeRole", &GRANTORS),
    route("DELETE", "applications/{clientId}/sessions", "endApplicationSessions", &[SESSION]),
    route("GET", "apis", "listApis", &READERS),
    route("POST", "apis", "createApi", &[API]),
    route("GET", "apis/{identifier}", "getApi", &READERS),
    route("PATCH", "apis/{identifier}", "updateApi", &[API]),
    route("DELETE", "apis/{identifier}", "deleteApi", &[API]),
    route("GET", "keys", "listKeys", &[DIRECTORY, KEY]),
    route("POST", "keys", "rotateKey", &[KEY]),
    route("DELETE", "keys/{kid}", "removeKey", &[KEY]),
    route("POST", "keys/reseal", "resealKeys", &[KEY]).with(200),
    route("GET", "users/{subject}/sessions", "listSessions", &[SESSION_READ, SESSION]),
    route("DELETE", "users/{subject}/sessions", "endUserSessions", &[SESSION]),
    route("DELETE", "users/{subject}/sessions/{id}", "endSession", &[SESSION]),
    route("DELETE", "sessions", "endTenantSessions", &[SESSION]),
    route("GET", "events", "listEvents", &[EVENT]),
    route("POST", BOOTSTRAP, BOOTSTRAP, &[]),
];

/// Where a path leads: its line and its parameters, or the methods that the path takes.
enum Match {
    Route(&'static Route, Vec<(&'static str, String)>),
    Methods(String),
}

impl<H: Host> Issuer<H> {
    /// Answers a request to the administration API. `now` is the moment that every rule in it goes by.
    pub async fn administer_request(&self, request: &Request<'_>, now: UnixTime) -> Response {
        let mut context = Context::default();
        let answer = self.administration(request, now, &mut context).await;
        let mut response = answer.unwrap_or_else(|error| {
            let event = event(&error, context.act, now);
            self.report(&mut context, event);
            Response::problem(&error)
        });
        if request.method == "HEAD" {
            response.body.clear();
        }
        response
    }

    async fn administration(
        &self,
        request: &Request<'_>,
        now: UnixTime,
        context: &mut Context,
    ) -> Result<Response, AdministrationError> {
        let unknown = Reason::UnknownPath;
        let (tenant, path) = split(request.path()).ok_or(unknown)?;
        let (route, parameters) = match find(request.method, path)? {
            Match::Route(route, parameters) => (route, parameters),
            Match::Methods(methods) => return Err(Reason::Method(methods.into()).into()),
        };
        context.tenant = Some(tenant.clone());
        let Route {
            path: template,
            act,
            roles,
            status,
            ..
        } = route;
        context.act = Some(act);
        let token = request.authorization.and_then(bearer);
        let token = token.ok_or(Reason::NoToken)?;
        if *template == BOOTSTRAP {
            let reply = self.first_administrator(&tenant, token, request, now);
            return respond(&tenant, template, *status, reply.await?);
        }
        let caller = self.caller(&tenant, token, now, context).await?;
        if !roles.iter().any(|role| caller.holds(role)) {
            return Err(Reason::RoleMissing.into());
        }
        // What a proxy may drop must not say what goes.
        if request.method == "DELETE" && !bytes(request).is_empty() {
            return Err(invalid("a `DELETE` takes no body"));
        }
        let mut members = body(request)?;
        if members.has("ifMatch") || members.has("idempotencyKey") {
            return Err(invalid("`If-Match` and `Idempotency-Key` are headers"));
        }
        let mut put = |name, value| {
            // What the path or a header says cannot be said again.
            members
                .insert(name, value)
                .map_err(|error| invalid(&error.to_string()))
        };
        // The only act that is not about the tenant that is addressed: it names a new one.
        if *act != "createTenant" {
            put("tenant".into(), Value::Text(tenant.as_str().into()))?;
        }
        for (name, value) in parameters {
            put(name.into(), Value::Text(value.into()))?;
        }
        for (name, value) in Form::parse(request.query().as_bytes())?.iter() {
            // What is in a URL ends up in logs: it holds where a page starts and ends, and no secret.
            if name != "cursor" && name != "limit" {
                return Err(Reason::ParameterInUrl(name.to_owned()).into());
            }
            let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
            let value = match value.parse() {
                Ok(number) if name == "limit" && is_number => Value::Whole(number),
                _ => Value::Text(value.to_owned().into()),
            };
            put(name.to_owned().into(), value)?;
        }
        let source = [request.target.as_bytes(), b"\0", bytes(request)].concat();
        let preconditions = Preconditions {
            if_match: request.if_match.map(str::to_owned),
            idempotency_key: request.idempotency_key.map(str::to_owned),
        };
        let command = Command::read(act, members, preconditions, &source);
        let command = command.map_err(|error| invalid(&error.to_string()))?;
        let reply = self.administer_as(&caller, command, now).await?;
        respond(&tenant, template, *status, reply)
    }

    /// Who asks, with the app roles that the token has and that are still assigned: who was disabled or
    /// lost a role since the token was made may do nothing with it any more.
    async fn caller(
        &self,
        tenant: &TenantName,
        token: &str,
        now: UnixTime,
        context: &mut Context,
    ) -> Result<Caller, AdministrationError> {
        let claims = self.verify(tenant, token, now).await?;
        context.client_id = Some(claims.client_id.clone());
        if claims.aud.as_str() != ADMIN_API {
            return Err(Reason::InvalidToken("for another API").into());
        }
        let (store, directory) = (self.host().store(), self.directory());
        let client = directory.application(store, tenant, &claims.client_id, now);
        let client = client.await?.filter(|client| client.owns(&claims));
        let Some(client) = client else {
            return Err(Reason::InvalidToken("of an application that is gone or disabled").into());
        };
        let assigned = client.administrative_roles();
        let holds = |role: &RoleName| assigned.contains(role);
        let roles = claims.roles.into_iter().filter(holds).collect();
        Ok(Caller::application(claims.client_id, roles))
    }

    async fn first_administrator(
        &self,
        tenant: &TenantName,
        presented: &str,
        request: &Request<'_>,
        now: UnixTime,
    ) -> Result<Reply, AdministrationError> {
        let secret = self
            .bootstrap_secret()
            .filter(|secret| secret.is(presented));
        let wrong = Reason::InvalidToken("not the bootstrap secret");
        let secret = secret.ok_or(wrong)?;
        let mut members = body(request)?;
        let display_name = members.take("displayName").and_then(|name| {
            members.finish()?;
            Ok(name)
        });
        let display_name = display_name.map_err(|error| invalid(&error.to_string()))?;
        self.bootstrap(secret, tenant, display_name, now).await
    }
}

/// The act and the kind of error: what the caller is told quotes the request, which may hold a secret
/// where nobody expects one.
fn event(error: &AdministrationError, act: Option<&str>, now: UnixTime) -> Event {
    match error {
        AdministrationError::Failed(reason) => Event::of(reason, now),
        error => Event::new(Kind::Refused, error.code(), act.map(str::to_owned), now),
    }
}

/// The tenant, and what follows `/{t}/admin/v1/`.
fn split(path: &str) -> Option<(TenantName, &str)> {
    let (tenant, rest) = path.strip_prefix('/')?.split_once('/')?;
    Some((TenantName::new(tenant)?, rest.strip_prefix("admin/v1/")?))
}

fn find(method: &str, path: &str) -> Result<Match, AdministrationError> {
    // RFC 9110 section 9.3.2: HEAD is GET without the body.
    let method = if method == "HEAD" { "GET" } else { method };
    let mut methods = String::new();
    // A literal path is not what a parameter stands for: an application that is called `import` is
    // `%69mport`.
    let is_literal = ROUTES.iter().any(|route| route.path == path);
    for route in ROUTES
        .iter()
        .filter(|route| !is_literal || route.path == path)
    {
        let Some(parameters) = parameters(route.path, path)? else {
            continue;
        };
        if route.method == method {
            return Ok(Match::Route(route, parameters));
        }
        if !methods.is_empty() {
            methods.push_str(", ");
        }
        methods.push_str(route.method);
        if route.method == "GET" {
            methods.push_str(", HEAD");
        }
    }
    if methods.is_empty() {
        return Err(Reason::UnknownPath.into());
    }
    Ok(Match::Methods(methods))
}

/// What a path has in the places of a template's parameters, decoded.
fn parameters(
    template: &'static str,
    path: &str,
) -> Result<Option<Vec<(&'static str, String)>>, AdministrationError> {
    let mut found = Vec::new();
    let mut segments = path.split('/');
    for expected in template.split('/') {
        let Some(segment) = segments.next().filter(|segment| !segment.is_empty()) else {
            return Ok(None);
        };
        let name = expected
            .strip_prefix('{')
            .and_then(|name| name.strip_suffix('}'));
        match name {
            Some(name) => found.push((name, segment)),
            None if expected == segment => {}
            None => return Ok(None),
        }
    }
    if segments.next().is_some() {
        return Ok(None);
    }
    // A plus sign is itself in a path: RFC 3986 section 3.3.
    let decode = |(name, segment): (&'static str, &str)| {
        let segment = segment.replace('+', "%2B");
        let decoded = form::decode(segment.as_bytes());
        decoded.map(|decoded| (name, decoded.into_owned()))
    };
    let decoded = found.into_iter().map(decode).collect::<Result<_, _>>();
    Ok(Some(decoded?))
}

fn bytes<'a>(request: &Request<'a>) -> &'a [u8] {
    match request.body {
        Body::Whole(body) => body,
        _ => &[],
    }
}

/// The members of the body: none if there is none.
fn body<'a>(request: &Request<'a>) -> Result<Members<'a>, AdministrationError> {
    let bytes = whole(request, MAX_ADMINISTRATION_BODY)?;
    if bytes.is_empty() {
        return Ok(Members::none());
    }
    let is_json = |text| is_of_type(text, "application/json");
    if !request.content_type.is_some_and(is_json) {
        return Err(Reason::NotJson.into());
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Reason::FormSyntax)?;
    let members = json::parse(text).and_then(Members::of);
    members.map_err(|error| invalid(&error.to_string()))
}

fn respond(
    tenant: &TenantName,
    template: &str,
    status: u16,
    reply: Reply,
) -> Result<Response, AdministrationError> {
    let mut response = match reply.body {
        Some(body) if status != 204 => Response::of_json(status, body),
        _ => Response {
            status: 204,
            headers: Vec::new(),
            body: String::new(),
        },
    };
    if let Some(version) = reply.version {
        response = response.with("etag", ["\"", &version, "\""].concat());
    }
    if let (Some(id), 201) = (&reply.created, status) {
        let collection = match template {
            "tenants" => ["/", id, "/admin/v1/tenant"].concat(),
            // There is nothing to get of a single key.
            "keys" => return Ok(response.uncached()),
            BOOTSTRAP => ["/", tenant.as_str(), "/admin/v1/applications/", id].concat(),
            template => {
                let mut path = ["/", tenant.as_str(), "/admin/v1/", template, "/"].concat();
                form::encode(id, &mut path);
                path
            }
        };
        response = response.with("location", collection);
    }
    Ok(response.uncached())
}
