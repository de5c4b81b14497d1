//! Two administrators at once: versions, and conditions on them (RFC 9110 section 13.1.1).

use serde_json::{Value, json};

use super::{ORDERS_PATH, ROLES, request};
use crate::support::{Answer, World};

fn renamed(name: &str) -> Value {
    json!({ "displayName": name })
}

#[test]
fn of_two_administrators_who_saw_the_same_version_the_second_is_told() {
    let world = World::demo();
    let client = world.client(&[]);
    let (_, token) = world.administrator(&ROLES);
    let path = format!("applications/{}", client.id);
    let seen = world.admin(&token, "GET", &path, Value::Null).etag();
    let first = request(&token, "PATCH", &path, &renamed("first")).if_match(&seen);
    let first = world.send(&first);
    assert_eq!(first.accepted()["displayName"], "first");
    let second = json!({"displayName": "second", "disabled": true});
    let second = request(&token, "PATCH", &path, &second).if_match(&seen);
    let refused = world.unchanged(|| world.send(&second));
    refused.problem(412, "precondition_failed");
    // Having read it again, it may.
    let again = second.if_match(&first.etag());
    assert_eq!(world.send(&again).accepted()["displayName"], "second");
}

#[test]
fn the_version_of_a_document_is_the_same_wherever_it_is_shown() {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All"]);
    let (_, token) = world.administrator(&ROLES);
    for (collection, one) in [
        ("applications", format!("applications/{}", client.id)),
        ("apis", format!("apis/{ORDERS_PATH}")),
        ("", "tenant".to_owned()),
    ] {
        let changed = world.admin(&token, "PATCH", &one, renamed("new"));
        let read = world.admin(&token, "GET", &one, Value::Null);
        assert_eq!(changed, read);
        let tag = read.etag();
        let version = read.json()["version"].as_str().unwrap().to_owned();
        assert_eq!(tag, format!("\"{version}\""));
        if !collection.is_empty() {
            let listed = world.read(&token, collection);
            let items = listed["items"].as_array().unwrap();
            let item = items.iter().find(|item| item["displayName"] == "new");
            assert_eq!(item, Some(&read.json()));
        }
    }
    let keys = world.admin(&token, "GET", "keys", Value::Null).etag();
    world.admin(&token, "POST", "keys", Value::Null).made();
    assert_ne!(world.admin(&token, "GET", "keys", Value::Null).etag(), keys);
}

#[test]
fn what_a_created_thing_answers_is_what_is_read_there() {
    let world = World::demo();
    let (_, token) = world.administrator(&ROLES);
    for (collection, body) in [
        (
            "applications",
            json!({"clientId": "a b/c", "displayName": "x"}),
        ),
        ("applications", json!({})),
        (
            "apis",
            json!({"identifier": "https://api.example.com/v1/?x=y"}),
        ),
    ] {
        let made = world.admin(&token, "POST", collection, body);
        let document = made.made();
        let place = made.header("location").unwrap().to_owned();
        let path = place.strip_prefix("/demo/admin/v1/").unwrap();
        let read = world.admin(&token, "GET", path, Value::Null);
        assert_eq!((read.accepted(), read.etag()), (document, made.etag()));
    }
}

#[test]
fn a_condition_is_any_tag_or_a_list_but_never_a_weak_one() {
    let world = World::demo();
    let client = world.client(&[]);
    let (_, token) = world.administrator(&ROLES);
    let path = format!("applications/{}", client.id);
    let tag = || world.admin(&token, "GET", &path, Value::Null).etag();
    let patch = |condition: &str| {
        let call = request(&token, "PATCH", &path, &json!({"disabled": false}));
        world.send(&call.if_match(condition))
    };
    for good in [
        "*".to_owned(),
        tag(),
        format!("\"other\", {}", tag()),
        format!("{},\"other\"", tag()),
        format!("W/\"x\" , {}", tag()),
    ] {
        patch(&good).accepted();
    }
    for bad in [
        String::new(),
        "\"\"".to_owned(),
        "\"*\"".to_owned(),
        "\"other\"".to_owned(),
        "\"other\", \"another\"".to_owned(),
        format!("W/{}", tag()),
        tag().to_uppercase(),
        ",".to_owned(),
    ] {
        let answer = world.unchanged(|| patch(&bad));
        answer.problem(412, "precondition_failed");
    }
    // Without one, it is changed as it is.
    let call = request(&token, "PATCH", &path, &renamed("unseen"));
    world.send(&call).accepted();
}

/// Every route that changes what is there: the path of what its condition is about, and the request.
fn conditional(
    client: &str,
    key_id: &str,
    kid: &str,
) -> Vec<(String, &'static str, String, Value)> {
    let application = format!("applications/{client}");
    let api = format!("apis/{ORDERS_PATH}");
    let assignment = format!("{application}/assignments/{ORDERS_PATH}");
    let roles = json!({"roles": ["Orders.Read.All"]});
    let of =
        |what: &str, method, path: &str, body| (what.to_owned(), method, path.to_owned(), body);
    vec![
        of("tenant", "PATCH", "tenant", json!({"algorithm": "EdDSA"})),
        of("tenant", "DELETE", "sessions", Value::Null),
        of("keys", "DELETE", &format!("keys/{kid}"), Value::Null),
        of(&application, "PATCH", &application, renamed("x")),
        of(
            &application,
            "POST",
            &format!("{application}/secrets"),
            Value::Null,
        ),
        of(
            &application,
            "DELETE",
            &format!("{application}/secrets/{key_id}"),
            Value::Null,
        ),
        of(&application, "POST", &assignment, roles.clone()),
        of(&application, "PUT", &assignment, roles),
        of(&application, "DELETE", &assignment, Value::Null),
        of(
            &application,
            "DELETE",
            &format!("{application}/sessions"),
            Value::Null,
        ),
        of(&application, "DELETE", &application, Value::Null),
        of(&api, "PATCH", &api, json!({"algorithm": "EdDSA"})),
        of(&api, "DELETE", &api, Value::Null),
    ]
}

#[test]
fn everything_that_is_there_is_changed_only_in_the_version_that_was_seen() {
    let world = World::demo();
    let client = world.client(&[]);
    let (_, token) = world.administrator(&ROLES);
    let kid = world.admin(&token, "POST", "keys", Value::Null).made();
    let kid = kid["kid"].as_str().unwrap();
    for (what, method, path, body) in conditional(&client.id, &client.key_id, kid) {
        let tag = world.admin(&token, "GET", &what, Value::Null).etag();
        let call = request(&token, method, &path, &body);
        let stale = call.clone().if_match("\"AAAAAAAAAAAAAAAA\"");
        let answer = world.unchanged(|| world.send(&stale));
        answer.problem(412, "precondition_failed");
        let answer: Answer = world.send(&call.if_match(&tag));
        assert!(answer.status() < 300, "{method} {path}: {answer:?}");
        if let Some(version) = answer.header("etag") {
            let now = world.admin(&token, "GET", &what, Value::Null).etag();
            assert_eq!(version, now, "{method} {path}");
        }
    }
}

#[test]
fn what_is_deleted_while_others_change_it_is_deleted() {
    let world = World::demo();
    let client = world.client(&[]);
    let (_, token) = world.administrator(&ROLES);
    let application = format!("applications/{}", client.id);
    for path in [application, format!("apis/{ORDERS_PATH}")] {
        let tag = world.admin(&token, "GET", &path, Value::Null).etag();
        for condition in [Some(tag), None] {
            let (elsewhere, by, at) = (world.elsewhere(), token.clone(), path.clone());
            world.around.store.let_happen_first(move || {
                elsewhere
                    .admin(&by, "PATCH", &at, renamed("first"))
                    .accepted();
            });
            let call = request(&token, "DELETE", &path, &Value::Null);
            match condition {
                Some(tag) => {
                    let answer = world.send(&call.if_match(&tag));
                    answer.problem(412, "precondition_failed");
                    assert_eq!(world.read(&token, &path)["displayName"], "first");
                }
                None => assert_eq!(world.send(&call).status(), 204),
            }
        }
        let gone = world.admin(&token, "GET", &path, Value::Null);
        gone.problem(404, "not_found");
    }
}

#[test]
fn roles_that_were_granted_meanwhile_protect_an_application() {
    let world = World::demo();
    let client = world.client(&[]);
    let (_, thief) = world.administrator(&["Application.ReadWrite.All"]);
    for (method, path) in [
        ("POST", format!("applications/{}/secrets", client.id)),
        ("DELETE", format!("applications/{}", client.id)),
    ] {
        let (elsewhere, id) = (world.elsewhere(), client.id.clone());
        world.around.store.let_happen_first(move || {
            elsewhere.assign(&id, super::ADMIN, &["RoleManagement.ReadWrite.All"]);
        });
        let answer = world.admin(&thief, method, &path, Value::Null);
        answer.problem(403, "forbidden");
    }
}

#[test]
fn of_two_creators_of_one_name_one_has_made_it() {
    let world = World::demo();
    let (_, token) = world.administrator(&ROLES);
    for (path, body) in [
        (
            "applications",
            json!({"clientId": "shop", "displayName": "theirs"}),
        ),
        (
            "apis",
            json!({"identifier": "api://new", "displayName": "theirs"}),
        ),
        ("tenants", json!({"tenant": "new", "displayName": "theirs"})),
    ] {
        let (elsewhere, by, mut first) = (world.elsewhere(), token.clone(), body.clone());
        first["displayName"] = json!("ours");
        world.around.store.let_happen_first(move || {
            elsewhere.admin(&by, "POST", path, first).made();
        });
        let second = world.admin(&token, "POST", path, body.clone());
        second.problem(409, "exists");
        world
            .admin(&token, "POST", path, body)
            .problem(409, "exists");
    }
    assert_eq!(
        world.read(&token, "applications/shop")["displayName"],
        "ours"
    );
    assert_eq!(
        world.read(&token, "apis/api%3A%2F%2Fnew")["displayName"],
        "ours"
    );
    let tenant = world.document(&json!({"getTenant": {"tenant": "new"}}));
    assert_eq!(tenant["displayName"], "ours");
}

#[test]
fn r30_no_document_shows_what_a_secret_is_checked_with() {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All"]);
    let (_, token) = world.administrator(&ROLES);
    let stored = world
        .around
        .store
        .text(&crate::support::key(&format!("application/{}", client.id)));
    let stored: Value = serde_json::from_str(&stored).unwrap();
    let hashes: Vec<_> = stored["secrets"][0].as_object().unwrap().iter().collect();
    for path in [
        "applications".to_owned(),
        format!("applications/{}", client.id),
    ] {
        let shown = world.read(&token, &path).to_string();
        assert!(!shown.contains(&client.secret));
        assert!(!shown.contains("epoch"));
        for (name, value) in &hashes {
            let is_shown =
                ["keyId", "displayName", "hint", "starts", "ends"].contains(&name.as_str());
            assert!(is_shown || !shown.contains(&value.to_string()), "{name}");
        }
    }
    let keys = world.read(&token, "keys").to_string();
    let ring = world.around.store.text(&crate::support::key("keys"));
    let ring: Value = serde_json::from_str(&ring).unwrap();
    for sealed in [&ring["secret"], &ring["keys"][0]["private"]] {
        assert!(!keys.contains(&sealed.to_string()));
    }
    assert!(
        !keys.contains("private") && !keys.contains("sealed\":"),
        "{keys}"
    );
}
