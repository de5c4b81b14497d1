//! The administration API: who may call which route, what it answers, and that nobody becomes more than
//! an administrator made them.

mod bootstrap;
mod escalation;
mod faults;
mod import;
mod keys;
mod lifecycle;
mod listing;
mod protocol;
mod repetition;
mod trail;
mod versions;

use edgemint::endpoint::{AdministrationRoute as Route, ROUTES};
use serde_json::{Value, json};

use crate::support::{Answer, Call, Client, World};

/// Every app role of the administration.
pub(crate) const ROLES: [&str; 12] = [
    "Api.ReadWrite.All",
    "Application.ReadWrite.All",
    "Authorization.ReadWrite.All",
    "Directory.Read.All",
    "Event.Read.All",
    "Key.ReadWrite.All",
    "RoleAssignment.ReadWrite.All",
    "RoleManagement.ReadWrite.All",
    "Session.Read.All",
    "Session.ReadWrite.All",
    "Tenant.Create.All",
    "Tenant.ReadWrite.All",
];
const ADMIN: &str = "urn:edgemint:admin";
/// The same in a path, and the API of the demo.
const ADMIN_PATH: &str = "urn%3Aedgemint%3Aadmin";
const ORDERS_PATH: &str = "api%3A%2F%2Forders";
const DEFAULT: &str = "api://orders/.default";
/// A secret that comes from elsewhere.
const BROUGHT: &str = "brought-along-0123456789-0123456789";

impl World {
    /// An application of the tenant with these roles on the administration, and an access token of it.
    fn administrator_of(&self, tenant: &str, roles: &[&str]) -> (Client, String) {
        let made = self.administer(json!({"createApplication": {"tenant": tenant}}));
        let id = made.client_id.unwrap();
        if !roles.is_empty() {
            self.administer(json!({"assignRoles": {
                "tenant": tenant, "clientId": id, "api": ADMIN, "roles": roles,
            }}));
        }
        let secret = self.administer(json!({"addSecret": {"tenant": tenant, "clientId": id}}));
        let client = Client {
            id,
            secret: secret.secret.unwrap(),
            key_id: secret.key_id.unwrap(),
        };
        let token = if roles.is_empty() {
            String::new()
        } else {
            self.admin_token(tenant, &client)
        };
        (client, token)
    }

    fn administrator(&self, roles: &[&str]) -> (Client, String) {
        self.administrator_of("demo", roles)
    }

    fn admin_token(&self, tenant: &str, client: &Client) -> String {
        let call = client.asks("urn:edgemint:admin/.default");
        let answer = self.send(&call.target(&format!("/{tenant}/oauth2/token")));
        let answer = answer.accepted();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    fn admin(&self, token: &str, method: &str, path: &str, body: Value) -> Answer {
        self.send(&request(token, method, path, &body))
    }

    /// Reads a document of the administration.
    #[track_caller]
    fn read(&self, token: &str, path: &str) -> Value {
        self.admin(token, "GET", path, Value::Null).accepted()
    }

    /// Checks that `act` leaves everything that is stored as it is.
    #[track_caller]
    fn unchanged<T>(&self, act: impl FnOnce() -> T) -> T {
        let before = self.around.store.memory.dump();
        let done = act();
        assert_eq!(self.around.store.memory.dump(), before);
        done
    }
}

/// A request to the administration of `demo`.
fn request(token: &str, method: &str, path: &str, body: &Value) -> Call {
    let call = Call::get(&format!("/demo/admin/v1/{path}")).method(method);
    let call = if body.is_null() {
        call
    } else {
        call.json(body)
    };
    call.bearer(token)
}

impl Answer {
    /// The document of an answer to what was made.
    #[track_caller]
    fn made(&self) -> Value {
        assert_eq!(self.status(), 201, "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"));
        self.json()
    }

    #[track_caller]
    fn etag(&self) -> String {
        self.header("etag").expect("an ETag").to_owned()
    }
}

/// A world with everything that a route may name, so that each of them can succeed.
struct Everything {
    world: World,
    target: Client,
    kid: String,
}

impl Everything {
    fn new() -> Self {
        let world = World::demo();
        let target = world.client(&["Orders.Read.All"]);
        let kid = world.administer(json!({"rotateKey": {"tenant": "demo"}}));
        Self {
            world,
            target,
            kid: kid.key_id.unwrap(),
        }
    }

    /// The path of a route, and a body that it takes.
    fn request(&self, act: &str, template: &str, number: usize) -> (String, Value) {
        let path = template
            .replace("{clientId}", &self.target.id)
            .replace("{keyId}", &self.target.key_id)
            .replace("{api}", "api%3A%2F%2Forders")
            .replace("{identifier}", "api%3A%2F%2Forders")
            .replace("{kid}", &self.kid)
            .replace("{role}", "Orders.Read.All")
            .replace("{subject}", "ada")
            .replace("{id}", "AAAAAAAAAAAAAAAAAAAAAA");
        let body = match act {
            "createTenant" => json!({"tenant": format!("new-{number}")}),
            "importApplications" => json!({"applications": [{}]}),
            "assignRoles" | "setRoles" => json!({"roles": ["Orders.Read.All"]}),
            "createApi" => json!({"identifier": format!("api://new-{number}")}),
            "updateTenant" | "updateApplication" | "updateApi" => json!({"displayName": "x"}),
            _ => Value::Null,
        };
        (path, body)
    }
}

/// The table of who may do what: every route by every role, by none, and with tokens that are not for it.
#[test]
fn every_route_is_open_to_its_roles_and_to_nobody_else() {
    for (number, route) in ROUTES.into_iter().enumerate() {
        let Route {
            method,
            path: template,
            act,
            roles: allowed,
            status,
        } = route;
        if act == "bootstrap" {
            continue;
        }
        for role in ROLES {
            let it = Everything::new();
            let (path, body) = it.request(act, template, number);
            let (_, token) = it.world.administrator(&[role]);
            let before = it.world.around.store.memory.dump();
            let answer = it.world.admin(&token, method, &path, body);
            // Which of the two roles it takes to assign follows from the API.
            let grants = template.contains("assignments");
            let may = allowed.contains(&role) && !(grants && role.starts_with("RoleManagement"));
            if may {
                let expected = if act == "endSession" { 404 } else { status };
                assert_eq!(
                    answer.status(),
                    expected,
                    "{act} by {role}: {}",
                    answer.0.body
                );
                continue;
            }
            let code = if allowed.contains(&role) {
                "forbidden"
            } else {
                "insufficient_scope"
            };
            answer.problem(403, code);
            let after = it.world.around.store.memory.dump();
            assert_eq!(before, after, "{act} by {role}");
        }
    }
}

#[test]
fn a_token_that_is_not_for_the_administration_of_this_tenant_opens_no_route() {
    let it = Everything::new();
    let world = &it.world;
    world.administer(json!({"createTenant": {"tenant": "other"}}));
    let (_, stranger) = world.administrator_of("other", &ROLES);
    let roles = ROLES.map(|value| json!({"value": value}));
    world.administer(json!({"createApi": {
        "tenant": "demo", "identifier": "api://mimic", "roles": roles,
    }}));
    world.assign(&it.target.id, "api://mimic", &ROLES);
    let mimic = world.send(&it.target.asks("api://mimic/.default"));
    let mimic = mimic.accepted()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let (disabled, of_disabled) = world.administrator(&ROLES);
    world.administer(json!({"updateApplication": {
        "tenant": "demo", "clientId": disabled.id, "disabled": true,
    }}));
    let (gone, of_gone) = world.administrator(&ROLES);
    world.administer(json!({"deleteApplication": {"tenant": "demo", "clientId": gone.id}}));
    let (demoted, of_demoted) = world.administrator(&ROLES);
    world.administer(json!({"removeRoles": {
        "tenant": "demo", "clientId": demoted.id, "api": ADMIN,
    }}));
    let forged = {
        let (head, _) = stranger.rsplit_once('.').unwrap();
        format!("{head}.AAAA")
    };
    let before = world.around.store.memory.dump();
    for (number, route) in ROUTES.into_iter().enumerate() {
        let Route {
            method,
            path: template,
            act,
            ..
        } = route;
        let (path, body) = it.request(act, template, number);
        for token in [&*stranger, &mimic, &of_disabled, &of_gone, &forged, "x"] {
            let answer = world.admin(token, method, &path, body.clone());
            answer.problem(401, "invalid_token");
            let challenge = r#"Bearer error="invalid_token""#;
            assert_eq!(answer.header("www-authenticate"), Some(challenge));
        }
        if act != "bootstrap" {
            let answer = world.admin(&of_demoted, method, &path, body.clone());
            answer.problem(403, "insufficient_scope");
        }
        let call = Call::get(&format!("/demo/admin/v1/{path}")).method(method);
        let answer = world.send(&call.json(&body));
        answer.problem(401, "invalid_token");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    }
    assert_eq!(world.around.store.memory.dump(), before);
    // An hour later, the token of an administrator opens nothing either.
    let (_, old) = world.administrator(&ROLES);
    world.around.clock.pass(3_600);
    world
        .admin(&old, "GET", "tenant", Value::Null)
        .problem(401, "invalid_token");
}
