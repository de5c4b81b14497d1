//! Pages of listings.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::ROLES;
use crate::support::World;

/// Every item of a listing, page by page.
fn walk(world: &World, token: &str, path: &str, limit: usize) -> Vec<Value> {
    let mut items = Vec::new();
    let mut cursor = String::new();
    for _ in 0..1_000 {
        let page = world.read(token, &format!("{path}?limit={limit}{cursor}"));
        let here = page["items"].as_array().unwrap();
        assert!(here.len() <= limit);
        items.extend(here.iter().cloned());
        match page.get("next") {
            None => return items,
            Some(next) => {
                assert_eq!(here.len(), limit, "a page is full unless it is the last");
                let next = crate::support::percent_encode_all(next.as_str().unwrap());
                cursor = format!("&cursor={next}");
            }
        }
    }
    panic!("the listing does not end");
}

#[test]
fn a_walk_over_the_pages_meets_everything_once() {
    let world = World::demo();
    let (own, token) = world.administrator(&ROLES);
    let mut ids: BTreeSet<String> = (0..249).map(|number| format!("app-{number}")).collect();
    let applications: Vec<_> = ids.iter().map(|id| json!({"clientId": id})).collect();
    world.administer(
        json!({"importApplications": {"tenant": "demo", "applications": applications}}),
    );
    ids.insert(own.id);
    for limit in [1, 7, 50, 125, 249, 250, 251, 1_000] {
        let items = walk(&world, &token, "applications", limit);
        let seen: Vec<_> = items
            .iter()
            .map(|item| item["clientId"].as_str().unwrap())
            .collect();
        assert_eq!(seen.len(), 250);
        assert!(seen.iter().copied().eq(ids.iter().map(String::as_str)));
    }
    let first = world.read(&token, "applications");
    assert_eq!(
        first["items"].as_array().unwrap().len(),
        100,
        "unless it is said"
    );
}

#[test]
fn a_cursor_that_was_made_up_leads_to_nothing_else() {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All"]);
    let (_, token) = world.administrator(&ROLES);
    let cursors = [
        "keys",
        "event/",
        "api/",
        "api/zzz",
        "tenant",
        "application",
        "application/",
        "z",
        "a",
        "0",
        "idempotency/",
        "../other",
        "%7F",
        "directory%2Fother%3Atenant",
        "%F0%9F%98%80",
        "",
    ];
    for (path, member) in [
        ("applications", "clientId"),
        ("apis", "identifier"),
        ("events", "reason"),
    ] {
        let all = walk(&world, &token, path, 1_000);
        for cursor in cursors {
            let answer = world.admin(
                &token,
                "GET",
                &format!("{path}?cursor={cursor}"),
                Value::Null,
            );
            if answer.status() == 400 {
                continue;
            }
            let page = answer.accepted();
            for item in page["items"].as_array().unwrap() {
                assert!(item[member].is_string(), "{path} {cursor}: {item}");
                assert!(all.contains(item), "{path} {cursor}: {item}");
            }
            assert!(!answer.mentions("sealed"), "{path} {cursor}");
        }
    }
    assert!(
        world
            .read(&token, "applications")
            .to_string()
            .contains(&client.id)
    );
}

#[test]
fn a_listing_shows_nothing_of_another_tenant() {
    let world = World::demo();
    world.administer(json!({"createTenant": {"tenant": "demo2"}}));
    world.administer(json!({"createApplication": {"tenant": "demo2", "clientId": "theirs"}}));
    world.administer(json!({"createApi": {"tenant": "demo2", "identifier": "api://theirs"}}));
    let (_, token) = world.administrator(&ROLES);
    for path in ["applications", "apis", "events", "keys", "tenant"] {
        let page = world.read(&token, path).to_string();
        assert!(
            !page.contains("theirs") && !page.contains("demo2"),
            "{path}"
        );
    }
    let tenants = world.document(&json!({"listTenants": {"tenant": "demo"}}));
    assert_eq!(tenants["items"], json!(["demo", "demo2"]));
}

#[test]
fn what_is_deleted_between_two_pages_ends_no_walk() {
    let world = World::demo();
    let (_, token) = world.administrator(&ROLES);
    for id in ["0-a", "0-b", "0-c", "0-d"] {
        world.administer(json!({"createApplication": {"tenant": "demo", "clientId": id}}));
    }
    let first = world.read(&token, "applications?limit=2");
    let next = crate::support::percent_encode_all(first["next"].as_str().unwrap());
    for id in ["0-b", "0-c"] {
        world.administer(json!({"deleteApplication": {"tenant": "demo", "clientId": id}}));
    }
    let second = world.read(&token, &format!("applications?limit=1&cursor={next}"));
    assert_eq!(second["items"][0]["clientId"], "0-d");
}

#[test]
fn a_document_that_no_store_could_hold_is_refused() {
    let world = World::demo();
    let (_, token) = world.administrator(&ROLES);
    let value = |number: usize| json!({"value": format!("{number:0>120}")});
    let roles = |number| (0..number).map(value).collect::<Value>();
    let api = json!({"identifier": "api://huge", "roles": roles(5_000)});
    let answer = world.unchanged(|| world.admin(&token, "POST", "apis", api));
    let why = answer.problem(400, "invalid");
    assert!(why.contains("1.5 MB"), "{why}");
    let api = json!({"identifier": "api://huge", "roles": roles(4_000)});
    world.admin(&token, "POST", "apis", api).made();
    let change = json!({"roles": roles(5_000)});
    let answer = world.unchanged(|| world.admin(&token, "PATCH", "apis/api%3A%2F%2Fhuge", change));
    answer.problem(400, "invalid");
}
