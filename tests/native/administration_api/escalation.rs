//! Nobody becomes more than an administrator made them.

use serde_json::{Value, json};

use super::{ADMIN, ADMIN_PATH, BROUGHT, DEFAULT, ORDERS_PATH, ROLES};
use crate::support::{Call, Client, World};

const APPLICATION: &str = "Application.ReadWrite.All";
const ASSIGNMENT: &str = "RoleAssignment.ReadWrite.All";
const HARMLESS: &str = "3f2b8f6f-0a9c-4d1b-8f7e-9a532b8f6f0a";
const GREEDY: &str = "7c2f4e1a-0d1b-4f7e-9a53-2b8f6f0a9c11";
const MANAGEMENT: &str = "RoleManagement.ReadWrite.All";

/// What lets somebody act through an application, or keeps its owner from it.
fn seizures(victim: &Client) -> Vec<(&'static str, String, Value)> {
    let path = format!("applications/{}", victim.id);
    vec![
        ("POST", format!("{path}/secrets"), Value::Null),
        (
            "POST",
            format!("{path}/secrets"),
            json!({"secret": BROUGHT}),
        ),
        ("PATCH", path.clone(), json!({"disabled": false})),
        ("PATCH", path.clone(), json!({"disabled": true})),
        (
            "PATCH",
            path.clone(),
            json!({"redirectUris": ["https://evil.example/"]}),
        ),
        ("PATCH", path.clone(), json!({"introspects": [ADMIN]})),
        ("PATCH", path.clone(), json!({})),
        (
            "DELETE",
            format!("{path}/secrets/{}", victim.key_id),
            Value::Null,
        ),
        ("DELETE", path, Value::Null),
    ]
}

#[test]
fn nobody_acts_through_an_application_that_holds_more_than_they_do() {
    let world = World::demo();
    let (victim, _) = world.administrator(&[APPLICATION, "Key.ReadWrite.All"]);
    let most: Vec<_> = ROLES
        .into_iter()
        .filter(|role| !["Key.ReadWrite.All", MANAGEMENT].contains(role))
        .collect();
    let (_, thief) = world.administrator(&most);
    for disabled in [false, true] {
        world.administer(json!({"updateApplication": {
            "tenant": "demo", "clientId": victim.id, "disabled": disabled,
        }}));
        for (method, path, body) in seizures(&victim) {
            let answer = world.unchanged(|| world.admin(&thief, method, &path, body));
            let why = answer.problem(403, "forbidden");
            assert!(why.contains("Key.ReadWrite.All"), "{why}");
        }
    }
}

#[test]
fn who_holds_the_same_roles_or_manages_roles_may_change_an_administrator() {
    for roles in [
        &[APPLICATION, "Key.ReadWrite.All"],
        &[APPLICATION, MANAGEMENT],
    ] {
        let world = World::demo();
        let (other, _) = world.administrator(&[APPLICATION, "Key.ReadWrite.All"]);
        let (_, peer) = world.administrator(roles);
        for (method, path, body) in seizures(&other) {
            let answer = world.admin(&peer, method, &path, body);
            assert!(answer.status() < 300, "{method} {path}: {answer:?}");
        }
    }
}

#[test]
fn an_administrator_changes_its_own_secret() {
    let world = World::demo();
    let (own, token) = world.administrator(&[APPLICATION, "Event.Read.All"]);
    let secrets = format!("applications/{}/secrets", own.id);
    let made = world.admin(&token, "POST", &secrets, Value::Null).made();
    let new = Client {
        id: own.id.clone(),
        secret: made["secret"].as_str().unwrap().to_owned(),
        key_id: made["keyId"].as_str().unwrap().to_owned(),
    };
    let old = format!("{secrets}/{}", own.key_id);
    let removed = world.admin(&token, "DELETE", &old, Value::Null);
    assert_eq!((removed.status(), removed.0.body.as_str()), (204, ""));
    let asks = format!("{ADMIN}/.default");
    world.send(&own.asks(&asks)).refused(401, "invalid_client");
    world.send(&new.asks(&asks)).accepted();
}

#[test]
fn an_import_grants_only_what_its_caller_may_grant() {
    let world = World::demo();
    let import = |api: &str, roles: &[&str]| {
        json!({"applications": [
            {"clientId": HARMLESS},
            {"clientId": GREEDY, "assignments": [{"api": api, "roles": roles}]},
        ]})
    };
    let orders = import("api://orders", &["Orders.Read.All"]);
    let admin = import(ADMIN, &[MANAGEMENT]);
    let (nothing, empty) = (import("api://orders", &[]), import(ADMIN, &[]));
    for (extra, orders_too, admin_too) in [
        (None, false, false),
        (Some(ASSIGNMENT), true, false),
        (Some(MANAGEMENT), false, true),
    ] {
        let roles: Vec<_> = [APPLICATION].into_iter().chain(extra).collect();
        let (_, token) = world.administrator(&roles);
        for (body, may) in [
            (&orders, orders_too),
            (&nothing, orders_too),
            (&admin, admin_too),
            (&empty, admin_too),
        ] {
            let send = || world.admin(&token, "POST", "applications/import", body.clone());
            if !may {
                world.unchanged(send).problem(403, "forbidden");
                continue;
            }
            send().made();
            for id in [HARMLESS, GREEDY] {
                world.administer(json!({"deleteApplication": {"tenant": "demo", "clientId": id}}));
            }
        }
    }
}

#[test]
fn who_grants_roles_of_the_tenant_grants_none_of_the_administration() {
    let world = World::demo();
    let (own, token) = world.administrator(&[ASSIGNMENT, APPLICATION]);
    let (other, _) = world.administrator(&[MANAGEMENT]);
    for id in [&own.id, &other.id] {
        let path = format!("applications/{id}/assignments/{ADMIN_PATH}");
        for (method, roles) in [
            ("POST", json!({"roles": [MANAGEMENT]})),
            ("POST", json!({"roles": []})),
            ("PUT", json!({"roles": [ASSIGNMENT]})),
            ("PUT", json!({"roles": []})),
            ("DELETE", Value::Null),
        ] {
            let answer = world.unchanged(|| world.admin(&token, method, &path, roles));
            answer.problem(403, "forbidden");
        }
    }
    let path = format!("applications/{}/assignments/{ORDERS_PATH}", own.id);
    let answer = world.admin(&token, "PUT", &path, json!({"roles": ["Orders.Read.All"]}));
    answer.accepted();
}

#[test]
fn who_manages_roles_of_the_administration_grants_none_of_the_tenant() {
    let world = World::demo();
    let client = world.client(&[]);
    let (_, token) = world.administrator(&[MANAGEMENT]);
    let path = |api: &str| format!("applications/{}/assignments/{api}", client.id);
    let answer = world.admin(&token, "PUT", &path(ORDERS_PATH), json!({"roles": []}));
    answer.problem(403, "forbidden");
    let given = json!({"roles": [APPLICATION]});
    world
        .admin(&token, "PUT", &path(ADMIN_PATH), given)
        .accepted();
    let new = world.admin_token("demo", &client);
    world
        .admin(&new, "POST", "applications", Value::Null)
        .made();
    // Without the roles, the token is worth nothing, long before it expires.
    let taken = world.admin(&token, "DELETE", &path(ADMIN_PATH), Value::Null);
    assert_eq!(taken.status(), 204);
    let answer = world.admin(&new, "POST", "applications", Value::Null);
    answer.problem(403, "insufficient_scope");
}

#[test]
fn a_role_that_was_granted_since_takes_a_new_token() {
    let world = World::demo();
    let (client, old) = world.administrator(&["Event.Read.All"]);
    world.assign(&client.id, ADMIN, &[APPLICATION]);
    let answer = world.admin(&old, "POST", "applications", Value::Null);
    answer.problem(403, "insufficient_scope");
    let new = world.admin_token("demo", &client);
    world
        .admin(&new, "POST", "applications", Value::Null)
        .made();
}

#[test]
fn nobody_registers_or_changes_the_administration() {
    let world = World::demo();
    let (_, token) = world.administrator(&ROLES);
    let roles = json!({"identifier": ADMIN, "roles": [{"value": "All"}]});
    let made = world.unchanged(|| world.admin(&token, "POST", "apis", roles));
    made.problem(409, "exists");
    let path = format!("apis/{ADMIN_PATH}");
    for (method, body) in [
        ("GET", Value::Null),
        ("PATCH", json!({"assignmentRequired": false})),
        ("DELETE", Value::Null),
    ] {
        let answer = world.unchanged(|| world.admin(&token, method, &path, body));
        answer.problem(404, "not_found");
    }
    // Another spelling is another API.
    let other = json!({"identifier": "URN:edgemint:admin", "roles": [{"value": APPLICATION}]});
    world.admin(&token, "POST", "apis", other).made();
    let client = world.client(&[]);
    world.assign(&client.id, "URN:edgemint:admin", &[APPLICATION]);
    let asked = world
        .send(&client.asks("URN:edgemint:admin/.default"))
        .accepted();
    let mimic = asked["access_token"].as_str().unwrap();
    let answer = world.admin(mimic, "POST", "applications", Value::Null);
    answer.problem(401, "invalid_token");
}

#[test]
fn an_application_without_a_role_gets_no_token_for_the_administration() {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All"]);
    let answer = world.send(&client.asks(&format!("{ADMIN}/.default")));
    assert_eq!(answer.status(), 400, "{answer:?}");
    for role in ROLES {
        let answer = world.send(&client.asks(&format!("{ADMIN}/{role}")));
        assert_eq!(answer.status(), 400, "{answer:?}");
    }
}

#[test]
fn who_makes_a_tenant_gets_nothing_in_it_and_its_administrator_everything() {
    let world = World::demo();
    let (creator, token) = world.administrator(&ROLES);
    let given = json!({"tenant": "new", "administrator": {"displayName": "Root"}});
    let answer = world.admin(&token, "POST", "tenants", given);
    assert_eq!(answer.header("location"), Some("/new/admin/v1/tenant"));
    let made = answer.made();
    assert_eq!(made["tenant"], "new");
    let made = &made["administrator"];
    let root = Client {
        id: made["clientId"].as_str().unwrap().to_owned(),
        secret: made["secret"].as_str().unwrap().to_owned(),
        key_id: made["keyId"].as_str().unwrap().to_owned(),
    };
    let at_new = |token: &str, path: &str| {
        world.send(&Call::get(&format!("/new/admin/v1/{path}")).bearer(token))
    };
    at_new(&token, "tenant").problem(401, "invalid_token");
    let call = creator.asks(&format!("{ADMIN}/.default"));
    let call = call.target("/new/oauth2/token");
    world.send(&call).refused(401, "invalid_client");

    let root_token = world.admin_token("new", &root);
    for path in [
        "tenant",
        "applications",
        "apis",
        "keys",
        "events",
        "users/ada/sessions",
    ] {
        at_new(&root_token, path).accepted();
    }
    let own = at_new(&root_token, &format!("applications/{}", root.id)).accepted();
    assert_eq!(own["displayName"], "Root");
    assert_eq!(own["assignments"][0]["roles"], json!(ROLES));
    world
        .admin(&root_token, "GET", "tenant", Value::Null)
        .problem(401, "invalid_token");
    // Even of the same name: what is imported there is another application.
    let call = Call::get("/new/admin/v1/applications").method("POST");
    let twin = call
        .json(&json!({"clientId": creator.id}))
        .bearer(&root_token);
    world.send(&twin).made();
    at_new(&token, "tenant").problem(401, "invalid_token");
}

#[test]
fn a_token_of_a_deleted_application_does_not_serve_the_next_of_its_name() {
    let world = World::demo();
    let (client, token) = world.administrator(&[APPLICATION]);
    let own = json!({"tenant": "demo", "clientId": client.id});
    world.administer(json!({"deleteApplication": own}));
    world
        .admin(&token, "GET", "applications", Value::Null)
        .problem(401, "invalid_token");
    world.around.clock.pass(1);
    world.administer(json!({"createApplication": own}));
    let answer = world.admin(&token, "POST", "applications", Value::Null);
    assert!(answer.status() >= 401, "{answer:?}");
    world.assign(&client.id, ADMIN, &[APPLICATION]);
    let answer = world.admin(&token, "POST", "applications", Value::Null);
    answer.problem(401, "invalid_token");
    world
        .send(&client.asks(DEFAULT))
        .refused(401, "invalid_client");
}

#[test]
fn nobody_registers_an_application_by_the_name_of_a_user() {
    let world = World::demo();
    let name = json!({"clientId": "ada"});
    let import = json!({"applications": [name]});
    let (_, registers) = world.administrator(&[APPLICATION, ASSIGNMENT]);
    let (_, manages) = world.administrator(&[APPLICATION, MANAGEMENT]);
    for (path, body) in [("applications", &name), ("applications/import", &import)] {
        for id in ["ada", "ADA", "6F9619FF-8B86-4011-B42D-00CF4FC964FF"] {
            let text = body.to_string().replace("ada", id);
            let body: Value = serde_json::from_str(&text).unwrap();
            let answer = world.unchanged(|| world.admin(&registers, "POST", path, body));
            let why = answer.problem(403, "forbidden");
            assert!(why.contains("no UUID") && why.contains(MANAGEMENT), "{why}");
        }
        // A UUID is anybody's, and who makes administrators may choose.
        let text = body.to_string().replace("ada", HARMLESS);
        let uuid: Value = serde_json::from_str(&text).unwrap();
        world.admin(&registers, "POST", path, uuid).made();
        world.admin(&manages, "POST", path, body.clone()).made();
        for id in ["ada", HARMLESS] {
            world.administer(json!({"deleteApplication": {"tenant": "demo", "clientId": id}}));
        }
    }
}
