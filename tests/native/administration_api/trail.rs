//! Who changed what: requirement 48.

use edgemint::endpoint::{AdministrationRoute as Route, ROUTES};
use edgemint::event::{Event, Kind};
use serde_json::{Value, json};

use super::{ADMIN, ADMIN_PATH, BROUGHT, Everything, ROLES};
use crate::support::{CALLBACK, World};

fn told(world: &World) -> Vec<Event> {
    let mut events = world.events();
    events.retain(|event| event.kind == Kind::Done && event.reason != "token_issued");
    events
}

/// The events that a tenant keeps, the newest first.
fn kept(world: &World, tenant: &str) -> Vec<Value> {
    let list = json!({"listEvents": {"tenant": tenant, "limit": 1_000}});
    world.document(&list)["items"].as_array().unwrap().clone()
}

#[test]
fn r48_every_change_is_told_once_and_kept_and_reading_tells_nothing() {
    for (number, route) in ROUTES.into_iter().enumerate() {
        let Route {
            method,
            path: template,
            act,
            ..
        } = route;
        if ["bootstrap", "endSession"].contains(&act) {
            continue;
        }
        let it = Everything::new();
        let (path, body) = it.request(act, template, number);
        let (client, token) = it.world.administrator(&ROLES);
        it.world.around.clock.pass(1);
        it.world.events();
        let tenant = if act == "createTenant" {
            format!("new-{number}")
        } else {
            "demo".to_owned()
        };
        let before = kept(&it.world, "demo").len();
        let answer = it.world.admin(&token, method, &path, body);
        assert!(answer.status() < 300, "{act}: {answer:?}");
        let told = told(&it.world);
        let after = kept(&it.world, &tenant);
        let news = match act {
            "createTenant" => 3,
            // Everything is sealed under the current master key already.
            "resealKeys" => 0,
            _ if method == "GET" => 0,
            _ => 1,
        };
        assert_eq!(told.len(), news, "{act}: {told:?}");
        let known = if act == "createTenant" { 0 } else { before };
        assert_eq!(after.len(), known + news, "{act}");
        for (event, kept) in told.iter().rev().zip(&after) {
            assert_eq!(event.client_id.as_ref(), Some(&client.id), "{act}");
            assert_eq!(event.tenant.as_ref(), Some(&tenant));
            assert_eq!(event.time, it.world.around.clock.now());
            assert!(
                event
                    .detail
                    .as_ref()
                    .is_some_and(|detail| !detail.is_empty()),
                "{act}"
            );
            let mut kept = kept.clone();
            assert!(kept["id"].is_string());
            kept.as_object_mut().unwrap().remove("id");
            assert_eq!(kept, serde_json::to_value(event).unwrap(), "{act}");
        }
    }
}

#[test]
fn r48_ending_a_session_is_told() {
    let world = World::demo();
    let app = world.web();
    let tokens = world.session(&app);
    let (_, token) = world.administrator(&ROLES);
    let sessions = world.read(&token, "users/ada/sessions");
    let id = sessions["items"][0]["id"].as_str().unwrap().to_owned();
    world.events();
    let answer = world.admin(
        &token,
        "DELETE",
        &format!("users/ada/sessions/{id}"),
        Value::Null,
    );
    assert_eq!(answer.status(), 204);
    let told = told(&world);
    let ended: Vec<_> = told
        .iter()
        .filter(|event| event.reason == "session_ended")
        .collect();
    assert_eq!(ended.len(), 1, "{told:?}");
    assert_eq!(kept(&world, "demo")[0]["reason"], "session_ended");
    world.is_dead(&app, &tokens);
}

#[test]
fn r48_what_is_refused_is_told_as_a_refusal_and_not_kept() {
    let world = World::demo();
    let (_, token) = world.administrator(&["Event.Read.All", "Application.ReadWrite.All"]);
    world.events();
    let before = kept(&world, "demo");
    for (method, path, body) in [
        ("POST", "apis", json!({"identifier": "api://x"})),
        ("GET", "applications/ghost", Value::Null),
        ("POST", "applications", json!({"displayName": ""})),
        ("PATCH", "nowhere", json!({})),
    ] {
        world.admin(&token, method, path, body);
        let [event] = &world.events()[..] else {
            panic!("one event: {method} {path}");
        };
        assert_eq!(event.kind, Kind::Refused);
    }
    assert_eq!(kept(&world, "demo"), before);
}

#[test]
fn r48_events_are_listed_newest_first_also_within_one_second() {
    let world = World::demo();
    let mut expected = Vec::new();
    for second in 0..3 {
        for number in 0..10 {
            let id = format!("app-{second}-{number}");
            world.administer(json!({"createApplication": {"tenant": "demo", "clientId": id}}));
            expected.insert(0, id);
        }
        world.around.clock.pass(1);
    }
    let (_, token) = world.administrator(&["Event.Read.All"]);
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = world.read(&token, &format!("events?limit=7{cursor}"));
        seen.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else {
            break;
        };
        cursor = format!("&cursor={}", crate::support::percent_encode_all(next));
    }
    let created = seen.iter().filter_map(|event| event["detail"].as_str());
    let created: Vec<_> = created
        .filter(|detail| detail.starts_with("app-"))
        .collect();
    assert_eq!(created, expected);
}

#[test]
fn r48_events_are_kept_for_400_days() {
    let world = World::demo();
    let before = kept(&world, "demo").len();
    assert!(before > 0);
    world.around.clock.pass(400 * 86_400 - 1);
    assert_eq!(kept(&world, "demo").len(), before);
    world.around.clock.pass(1);
    assert_eq!(kept(&world, "demo").len(), 0);
}

#[test]
fn r48_no_event_of_administration_holds_a_secret() {
    let world = World::demo();
    let client = world.client(&[]);
    let (own, token) = world.administrator(&ROLES);
    let secrets = format!("applications/{}/secrets", client.id);
    let mut known = vec![client.secret, own.secret, token.clone(), BROUGHT.to_owned()];
    let made = world.admin(&token, "POST", &secrets, Value::Null).made();
    known.push(made["secret"].as_str().unwrap().to_owned());
    world
        .admin(&token, "POST", &secrets, json!({"secret": BROUGHT}))
        .made();
    let import = json!({"applications": [{"secrets": [{"secret": BROUGHT}]}]});
    world
        .admin(&token, "POST", "applications/import", import)
        .made();
    let tenant = world
        .admin(&token, "POST", "tenants", json!({"tenant": "new"}))
        .made();
    known.push(
        tenant["administrator"]["secret"]
            .as_str()
            .unwrap()
            .to_owned(),
    );
    // Refused, in the wrong place, too short.
    for body in [
        json!({"secret": [BROUGHT]}),
        json!({"secret": &BROUGHT[..31]}),
    ] {
        let answer = world.admin(&token, "POST", &secrets, body);
        assert_eq!(answer.status(), 400);
    }
    world.admin(
        &token,
        "POST",
        &format!("{secrets}?secret={BROUGHT}"),
        Value::Null,
    );
    let events = serde_json::to_string(&world.events()).unwrap();
    let kept = format!("{:?} {:?}", kept(&world, "demo"), kept(&world, "new"));
    for secret in known {
        for text in [&events, &kept] {
            assert!(!text.contains(&secret), "{text}");
        }
    }
}

/// What was done to things whose detail starts like this, the newest last.
fn of(world: &World, start: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut events: Vec<_> = kept(world, "demo")
        .iter()
        .map(|event| (text(&event["reason"]), text(&event["detail"])))
        .filter(|(_, detail)| detail.starts_with(start))
        .collect();
    events.reverse();
    events
}

fn pair(reason: &str, detail: &str) -> (String, String) {
    (reason.to_owned(), detail.to_owned())
}

#[test]
fn r48_an_import_tells_of_each_secret_and_each_assignment() {
    let world = World::demo();
    let (_, token) = world.administrator(&ROLES);
    let body = json!({"applications": [{
        "clientId": "legacy",
        "secrets": [{"secret": BROUGHT}, {"secret": format!("{BROUGHT}2")}],
        "assignments": [
            {"api": "api://orders", "roles": ["Orders.Read.All", "Orders.Write.All"]},
            {"api": ADMIN, "roles": ["Event.Read.All"]},
        ],
    }]});
    world
        .admin(&token, "POST", "applications/import", body)
        .made();
    let legacy = world.read(&token, "applications/legacy");
    let secret = |at: usize| {
        format!(
            "legacy: {}",
            legacy["secrets"][at]["keyId"].as_str().unwrap()
        )
    };
    assert_eq!(
        of(&world, "legacy"),
        [
            pair("application_created", "legacy"),
            pair("secret_added", &secret(0)),
            pair("secret_added", &secret(1)),
            pair(
                "roles_assigned",
                "legacy on api://orders: Orders.Read.All Orders.Write.All"
            ),
            pair(
                "roles_assigned",
                &format!("legacy on {ADMIN}: Event.Read.All")
            ),
        ]
    );
}

#[test]
fn r48_setting_roles_tells_of_those_that_come_and_of_those_that_go() {
    let world = World::demo();
    let (_, token) = world.administrator(&ROLES);
    let (victim, _) = world.administrator(&["Key.ReadWrite.All", "Event.Read.All"]);
    let path = format!("applications/{}/assignments/{ADMIN_PATH}", victim.id);
    let on = format!("{} on {ADMIN}:", victim.id);
    let mut seen = of(&world, &on).len();
    let mut after = |method: &str, path: &str, body: Value| {
        let answer = world.admin(&token, method, path, body);
        assert!(answer.status() < 300, "{answer:?}");
        let mut told = of(&world, &on);
        let news = told.split_off(seen);
        seen += news.len();
        news.into_iter()
            .map(|(reason, detail)| (reason, detail[on.len()..].trim().to_owned()))
            .collect::<Vec<_>>()
    };
    let set = |roles: &[&str]| json!({ "roles": roles });
    assert_eq!(
        after("PUT", &path, set(&["Event.Read.All"])),
        [pair("roles_removed", "Key.ReadWrite.All")]
    );
    assert_eq!(
        after("PUT", &path, set(&["Directory.Read.All"])),
        [
            pair("roles_assigned", "Directory.Read.All"),
            pair("roles_removed", "Event.Read.All"),
        ]
    );
    let again = after("PUT", &path, set(&["Directory.Read.All"]));
    assert_eq!(again, [pair("roles_assigned", "Directory.Read.All")]);
    after("POST", &path, set(&["Event.Read.All", "Api.ReadWrite.All"]));
    let one = format!("{path}/Event.Read.All");
    assert_eq!(
        after("DELETE", &one, Value::Null),
        [pair("roles_removed", "Event.Read.All")]
    );
    assert_eq!(
        after("DELETE", &path, Value::Null),
        [pair(
            "roles_removed",
            "Api.ReadWrite.All Directory.Read.All"
        )]
    );
}

#[test]
fn r48_every_signing_key_that_is_added_is_told_by_its_id() {
    let world = World::demo();
    world.around.signer.learn_rsa();
    let (_, token) = world.administrator(&ROLES);
    world.administer(json!({"createTenant": {"tenant": "new"}}));
    let api = json!({"identifier": "api://signed", "algorithm": "EdDSA"});
    world.admin(&token, "POST", "apis", api).made();
    let rsa = json!({"algorithm": "RS256"});
    world.admin(&token, "PATCH", "tenant", rsa).accepted();
    for tenant in ["demo", "new"] {
        let keys = world.document(&json!({"listKeys": {"tenant": tenant}}));
        let mut keys: Vec<_> = keys["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|key| key["kid"].clone())
            .collect();
        let mut told: Vec<_> = kept(&world, tenant)
            .iter()
            .filter(|event| event["reason"] == "key_added")
            .map(|event| event["detail"].clone())
            .collect();
        keys.sort_by_key(ToString::to_string);
        told.sort_by_key(ToString::to_string);
        assert_eq!(told, keys, "{tenant}");
    }
}

#[test]
fn r48_where_users_are_sent_is_told() {
    let world = World::demo();
    let app = world.web();
    let (_, token) = world.administrator(&ROLES);
    let path = format!("applications/{}", app.id);
    let last = |body: Value, path: &str| {
        world.admin(&token, "PATCH", path, body).accepted();
        kept(&world, "demo")[0]["detail"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    // What is new comes first.
    let both = json!({"redirectUris": [CALLBACK, "https://new.example/cb"], "displayName": "x"});
    assert_eq!(
        last(both, &path),
        format!(
            "{}: displayName redirectUris (https://new.example/cb {CALLBACK})",
            app.id
        )
    );
    let none = last(json!({"redirectUris": []}), &path);
    assert_eq!(none, format!("{}: redirectUris (none)", app.id));
    let uri = |number: usize| format!("https://a.example/{number}/{}", "x".repeat(100));
    let many: Vec<_> = (0..100).map(uri).collect();
    let many = last(json!({"redirectUris": many}), &path);
    assert!(many.len() < 2_100 && many.ends_with(" ...)"), "{many}");
    let url = last(json!({"loginUrl": "https://login.example/"}), "tenant");
    assert_eq!(url, "demo: loginUrl (https://login.example/)");
    let url = last(json!({"loginUrl": null}), "tenant");
    assert_eq!(url, "demo: loginUrl (none)");
}
