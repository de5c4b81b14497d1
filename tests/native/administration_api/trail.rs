//! Who changed what: requirement 48.

use edgemint::endpoint::ROUTES;
use edgemint::event::{Event, Kind};
use serde_json::{Value, json};

use super::{BROUGHT, Everything, ROLES};
use crate::support::World;

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
    for (number, (method, template, act, ..)) in ROUTES.into_iter().enumerate() {
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
            "createTenant" => 2,
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
    let id = sessions["sessions"][0]["id"].as_str().unwrap().to_owned();
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
