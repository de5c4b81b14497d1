//! What is deleted and registered anew, and what is unset.

use serde_json::{Value, json};

use super::{DEFAULT, ORDERS_PATH, ROLES};
use crate::support::{App, CALLBACK, World};

#[test]
fn an_api_that_is_registered_anew_inherits_no_consent_to_the_old_one() {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All"]);
    let app = world.web();
    let tokens = world.session(&app);
    let (_, admin) = world.administrator(&ROLES);
    let path = format!("apis/{ORDERS_PATH}");
    assert_eq!(
        world.admin(&admin, "DELETE", &path, Value::Null).status(),
        204
    );
    let asks = || world.elsewhere().send(&client.asks(DEFAULT));
    asks().refused(400, "invalid_scope");
    assert_ne!(
        world
            .elsewhere()
            .send(&app.refreshes(&tokens.refresh))
            .status(),
        200
    );

    world.around.clock.pass(1);
    let again = json!({
        "identifier": "api://orders",
        "roles": [{"value": "Orders.Read.All"}, {"value": "Orders.Write.All"}],
        "scopes": [{"value": "Orders.Read"}, {"value": "Orders.Write"}],
    });
    world.admin(&admin, "POST", "apis", again).made();
    let token = world.token(&asks());
    assert_eq!(
        token.claims["roles"],
        json!([]),
        "what was granted was on the old one"
    );
    world.assign(&client.id, "api://orders", &["Orders.Write.All"]);
    let token = world.token(&asks());
    assert_eq!(
        token.claims["roles"],
        json!(["Orders.Write.All"]),
        "only what is granted now"
    );
    // Nor does what users have consented to.
    let other = World::elsewhere(&world);
    let answer = other.send(&app.refreshes(&tokens.refresh));
    assert_ne!(answer.status(), 200, "{answer:?}");
    let new = other.session(&app);
    other.refreshed(&app, &new);
}

#[test]
fn a_role_or_scope_that_is_declared_anew_inherits_no_consent_to_the_old_one() {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All", "Orders.Write.All"]);
    let app = world.web();
    let tokens = world.session(&app);
    let (_, admin) = world.administrator(&ROLES);
    let api = format!("apis/{ORDERS_PATH}");
    let declare = |roles: Value, scopes: Value| {
        world.around.clock.pass(1);
        let body = json!({"roles": roles, "scopes": scopes});
        world.admin(&admin, "PATCH", &api, body).accepted();
    };
    let roles = |scope: &str| {
        let answer = world.elsewhere().send(&client.asks(scope));
        world.token(&answer).claims["roles"].clone()
    };
    let (read, write) = (
        json!({"value": "Orders.Read.All"}),
        json!({"value": "Orders.Write.All"}),
    );
    let scope = json!({"value": "Orders.Write"});
    declare(json!([read]), json!([scope]));
    assert_eq!(roles(DEFAULT), json!(["Orders.Read.All"]));
    let both = json!([scope, {"value": "Orders.Read"}]);
    declare(json!([read, write]), both);
    assert_eq!(
        roles(DEFAULT),
        json!(["Orders.Read.All"]),
        "of the new one it has nothing"
    );
    let one = client.asks("api://orders/Orders.Write.All");
    world.elsewhere().send(&one).refused(400, "invalid_scope");

    // Another grant is not consent to it, and a grant of it is.
    let assignments = format!("applications/{}/assignments/{ORDERS_PATH}", client.id);
    let assign = |role: &str| {
        world.around.clock.pass(1);
        let body = json!({"roles": [role]});
        world.admin(&admin, "POST", &assignments, body).accepted()
    };
    let shown = assign("Orders.Read.All");
    assert_eq!(
        shown["assignments"][0]["roles"],
        json!(["Orders.Read.All"]),
        "{shown}"
    );
    assert_eq!(roles(DEFAULT), json!(["Orders.Read.All"]));
    assign("Orders.Write.All");
    assert_eq!(
        roles(DEFAULT),
        json!(["Orders.Read.All", "Orders.Write.All"])
    );

    let refreshed = world.elsewhere().send(&app.refreshes(&tokens.refresh));
    let scope = world.token(&refreshed).claims["scope"].clone();
    assert_eq!(
        scope, "api://orders/Orders.Write",
        "the user granted another Orders.Read"
    );
}

#[test]
fn an_application_that_is_registered_anew_inherits_no_session_of_the_old_one() {
    let world = World::demo();
    let members = || json!({"clientId": "shop", "redirectUris": [CALLBACK]});
    let app = world.app(members());
    let tokens = world.session(&app);
    let own = world.token(
        &world.send(
            &app.call("token")
                .with("grant_type", "client_credentials")
                .with("scope", DEFAULT),
        ),
    );
    let watcher = world.app(json!({"introspects": ["api://orders"]}));
    let active = |token: &str| {
        let seen = world
            .elsewhere()
            .send(&watcher.introspects(token))
            .accepted();
        seen["active"] == true
    };
    assert!(active(&tokens.access));
    drop(own);
    let (_, admin) = world.administrator(&ROLES);
    let deleted = world.admin(&admin, "DELETE", "applications/shop", Value::Null);
    assert_eq!(deleted.status(), 204);
    assert!(!active(&tokens.access));
    world
        .elsewhere()
        .send(&app.refreshes(&tokens.refresh))
        .refused(401, "invalid_client");

    world.around.clock.pass(1);
    let next: App = world.app(members());
    assert_ne!(app.secret, next.secret);
    let elsewhere = world.elsewhere();
    elsewhere
        .send(&app.refreshes(&tokens.refresh))
        .refused(401, "invalid_client");
    assert!(!active(&tokens.access));
    elsewhere
        .send(&next.refreshes(&tokens.refresh))
        .is_invalid_grant();
    let session = elsewhere.session(&next);
    elsewhere.refreshed(&next, &session);
}

#[test]
fn introspection_calls_a_token_of_a_deleted_application_inactive_also_when_its_name_is_taken_again()
{
    let world = World::demo();
    let client = world.client(&["Orders.Read.All"]);
    let asked = world.send(&client.asks(DEFAULT)).accepted();
    let token = asked["access_token"].as_str().unwrap();
    let watcher = world.app(json!({"introspects": ["api://orders"]}));
    let seen = || {
        world
            .elsewhere()
            .send(&watcher.introspects(token))
            .accepted()
    };
    assert_eq!(seen()["active"], true);
    let own = json!({"tenant": "demo", "clientId": client.id});
    world.administer(json!({"deleteApplication": own}));
    assert_eq!(seen(), json!({"active": false}));
    world.around.clock.pass(1);
    world.administer(json!({"createApplication": own}));
    assert_eq!(seen(), json!({"active": false}));
}

#[test]
fn null_unsets_what_need_not_be_there_and_nothing_else_changes() {
    let world = World::demo();
    let (_, admin) = world.administrator(&ROLES);
    let orders = format!("apis/{ORDERS_PATH}");
    world
        .admin(
            &admin,
            "PATCH",
            &orders,
            json!({"algorithm": "EdDSA", "accessTokenLifetime": 60}),
        )
        .accepted();
    for (path, member) in [
        ("tenant", "loginUrl"),
        (orders.as_str(), "algorithm"),
        (&orders, "accessTokenLifetime"),
    ] {
        let before = world.read(&admin, path);
        assert!(!before[member].is_null(), "{member}");
        let kept = world.admin(&admin, "PATCH", path, json!({})).accepted();
        assert_eq!(kept, before);
        let unset = world
            .admin(&admin, "PATCH", path, json!({ member: null }))
            .accepted();
        assert!(unset.get(member).is_none(), "{unset}");
        for (name, value) in before.as_object().unwrap() {
            if name != member && name != "version" {
                assert_eq!(&unset[name], value, "{name}");
            }
        }
    }
    // What must be there stays.
    let all = json!({"displayName": null, "algorithm": null, "accessTokenLifetime": null});
    let before = world.read(&admin, "tenant");
    assert_eq!(
        world.admin(&admin, "PATCH", "tenant", all).accepted(),
        before
    );
}

#[test]
fn roles_and_scopes_of_an_api_are_given_whole_and_those_that_stay_keep_their_ids() {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All", "Orders.Write.All"]);
    let (_, admin) = world.administrator(&ROLES);
    let orders = format!("apis/{ORDERS_PATH}");
    let before = world.read(&admin, &orders);
    let change = json!({"roles": [{"value": "Orders.New"}, {"value": "Orders.Read.All"}]});
    let after = world.admin(&admin, "PATCH", &orders, change).accepted();
    let id = |document: &Value, value: &str| {
        let roles = document["roles"].as_array().unwrap();
        let role = roles.iter().find(|role| role["value"] == value);
        role.map(|role| role["id"].clone())
    };
    assert_eq!(
        id(&after, "Orders.Read.All"),
        id(&before, "Orders.Read.All")
    );
    assert_eq!(id(&after, "Orders.Write.All"), None);
    assert_eq!(after["scopes"], before["scopes"]);
    // What is declared no more is in no new token, though it was granted.
    let token = world.token(&world.elsewhere().send(&client.asks(DEFAULT)));
    assert_eq!(token.claims["roles"], json!(["Orders.Read.All"]));
}

#[test]
fn set_roles_is_exactly_these_and_assign_is_these_too() {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All"]);
    let (_, admin) = world.administrator(&ROLES);
    let path = format!("applications/{}/assignments/{ORDERS_PATH}", client.id);
    let roles = |method: &str, roles: Value| {
        let answer = world
            .admin(&admin, method, &path, json!({ "roles": roles }))
            .accepted();
        answer["assignments"][0]["roles"].clone()
    };
    let both = json!(["Orders.Read.All", "Orders.Write.All"]);
    assert_eq!(roles("POST", json!(["Orders.Write.All"])), both);
    assert_eq!(
        roles("PUT", json!(["Orders.Write.All"])),
        json!(["Orders.Write.All"])
    );
    assert_eq!(
        roles("PUT", json!(["Orders.Write.All", "Orders.Read.All"])),
        both
    );
    assert_eq!(roles("PUT", json!([])), json!([]));
}
