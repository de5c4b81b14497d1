//! The same request again: `Idempotency-Key`.

use serde_json::{Value, json};

use super::{BROUGHT, ROLES, request};
use crate::support::{Answer, Call, PutFault, STORE_DETAIL, World};

const DAY: u64 = 86_400;

/// Every request that makes something, with a body.
fn creations(client: &str) -> Vec<(String, Value)> {
    vec![
        ("applications".to_owned(), json!({"displayName": "Shop"})),
        (
            "applications/import".to_owned(),
            json!({"applications": [{}, {"secrets": [{"secret": BROUGHT}]}]}),
        ),
        (
            format!("applications/{client}/secrets"),
            json!({"displayName": "ci"}),
        ),
        (
            "apis".to_owned(),
            json!({"identifier": "api://new", "roles": [{"value": "R"}]}),
        ),
        ("keys".to_owned(), json!({"algorithm": "EdDSA"})),
        ("tenants".to_owned(), json!({"tenant": "new"})),
    ]
}

fn world() -> (World, String, String) {
    let world = World::demo();
    let client = world.client(&[]);
    let (_, token) = world.administrator(&ROLES);
    (world, client.id, token)
}

fn keyed(token: &str, path: &str, body: &Value, key: &str) -> Call {
    request(token, "POST", path, body).idempotency_key(key)
}

/// A token is good for an hour.
fn renewed(world: &World) -> (String, impl Fn() -> String + use<'_>) {
    let (client, token) = world.administrator(&ROLES);
    (token, move || world.admin_token("demo", &client))
}

#[test]
fn a_repeated_request_is_answered_the_same_for_24_hours() {
    for number in 0..6 {
        let world = World::demo();
        let client = world.client(&[]);
        let (token, renew) = renewed(&world);
        let (path, body) = &creations(&client.id)[number];
        let first = world.send(&keyed(&token, path, body, "k-1"));
        first.made();
        world.events();
        let again = world.unchanged(|| world.send(&keyed(&token, path, body, "k-1")));
        assert_eq!(again, first);
        assert!(world.events().is_empty(), "it happened once");
        world.around.clock.pass(DAY - 1);
        let again = world.send(&keyed(&renew(), path, body, "k-1"));
        assert_eq!(again, first, "{path}");
        world.around.clock.pass(1);
        let later = world.send(&keyed(&renew(), path, body, "k-1"));
        match path.as_str() {
            "apis" | "tenants" => drop(later.problem(409, "exists")),
            _ => assert_ne!(later.made(), first.json()),
        }
    }
}

#[test]
fn a_lost_answer_is_given_again_and_nothing_is_made_twice() {
    for (path, body) in creations("{id}") {
        for fault in [PutFault::BeforeWriting, PutFault::AfterWriting] {
            // Of a tenant, its place in the registry is a write of its own.
            for number in 0..=usize::from(path == "tenants") {
                let (world, client, token) = world();
                let path = path.replace("{id}", &client);
                let count = || world.around.store.memory.dump().len();
                let before = count();
                world.around.store.fail_put(number, fault);
                let lost = world.send(&keyed(&token, &path, &body, "k"));
                // What was written after all is found at once.
                if lost.status() != 201 {
                    lost.problem(503, "temporarily_unavailable");
                    assert_eq!(lost.header("retry-after"), Some("1"));
                    assert!(!lost.mentions(STORE_DETAIL));
                }
                let made = world.send(&keyed(&token, &path, &body, "k"));
                made.made();
                let after = count();
                assert!(after > before);
                let again = world.unchanged(|| world.send(&keyed(&token, &path, &body, "k")));
                assert_eq!(again, made, "{path} {fault:?}");
            }
        }
    }
}

#[test]
fn the_secret_of_a_lost_answer_works() {
    let (world, client, token) = world();
    let path = format!("applications/{client}/secrets");
    let call = keyed(&token, &path, &Value::Null, "k");
    world.around.store.fail_put(0, PutFault::AfterWriting);
    let first = world.send(&call);
    let made = world.send(&call).made();
    assert!([201, 503].contains(&first.status()), "{first:?}");
    let call = Call::token().basic(&client, made["secret"].as_str().unwrap());
    world.send(&call.with("scope", super::DEFAULT)).accepted();
    let shown = world.read(&token, &format!("applications/{client}"));
    assert_eq!(shown["secrets"].as_array().unwrap().len(), 2);
}

#[test]
fn the_same_key_for_something_else_is_refused() {
    let (world, client, token) = world();
    let other = world.client(&[]);
    let (path, body) = (
        format!("applications/{client}/secrets"),
        json!({"displayName": "a"}),
    );
    world.send(&keyed(&token, &path, &body, "k")).made();
    for (path, body) in [
        (path.clone(), json!({"displayName": "b"})),
        (path.clone(), Value::Null),
        (path.clone(), json!({"secret": BROUGHT})),
        (format!("applications/{}/secrets", other.id), body),
        ("applications".to_owned(), json!({"displayName": "a"})),
        ("apis".to_owned(), json!({"identifier": "api://new"})),
    ] {
        let answer = world.unchanged(|| world.send(&keyed(&token, &path, &body, "k")));
        answer.problem(422, "idempotency_mismatch");
    }
    world
        .send(&keyed(&token, &path, &json!({"displayName": "b"}), "K"))
        .made();
}

#[test]
fn a_refused_request_takes_no_key() {
    let (world, _, token) = world();
    let bad = json!({"displayName": ""});
    let answer = world.unchanged(|| world.send(&keyed(&token, "applications", &bad, "k")));
    answer.problem(400, "invalid");
    world
        .send(&keyed(&token, "applications", &json!({}), "k"))
        .made();
}

#[test]
fn each_caller_has_keys_of_its_own() {
    let (world, client, token) = world();
    let (_, other) = world.administrator(&ROLES);
    let path = format!("applications/{client}/secrets");
    let first = world.send(&keyed(&token, &path, &Value::Null, "k")).made();
    let second = world.send(&keyed(&other, &path, &Value::Null, "k")).made();
    assert_ne!(first["secret"], second["secret"]);
}

/// Of an application of the same id in another tenant, which its administrator may import.
#[test]
fn a_namesake_in_another_tenant_is_answered_nothing_of_it() {
    let (world, _, _) = world();
    let (own, token) = world.administrator(&ROLES);
    world.administer(json!({"createTenant": {"tenant": "evil"}}));
    let create = json!({"tenant": "acme"});
    let first = world.send(&keyed(&token, "tenants", &create, "k")).made();
    world.administer(
        json!({"importApplications": {"tenant": "evil", "applications": [{
            "clientId": own.id,
            "secrets": [{"secret": BROUGHT}],
            "assignments": [{"api": super::ADMIN, "roles": ROLES}],
        }]}}),
    );
    let twin = crate::support::Client {
        secret: BROUGHT.to_owned(),
        ..own
    };
    let evil = world.admin_token("evil", &twin);
    let call = Call::get("/evil/admin/v1/tenants")
        .method("POST")
        .json(&create);
    let answer: Answer = world.send(&call.bearer(&evil).idempotency_key("k"));
    assert!(answer.status() >= 400, "{answer:?}");
    assert!(!answer.mentions(first["administrator"]["secret"].as_str().unwrap()));
}

#[test]
fn r30_what_is_kept_for_a_repetition_is_sealed() {
    for number in 0..6 {
        let (world, client, token) = world();
        let (path, body) = &creations(&client)[number];
        let key = "a-key-that-nobody-else-knows";
        let made = world.send(&keyed(&token, path, body, key)).made();
        let dump = format!("{:?}", world.around.store.memory.dump());
        let secrets = [&made["secret"], &made["administrator"]["secret"]];
        let shown = secrets.into_iter().filter_map(Value::as_str);
        for secret in shown.chain([BROUGHT, key]) {
            assert!(!dump.contains(secret), "{path}");
            assert!(!dump.contains(&secret[4..20]), "{path}");
        }
        assert!(dump.contains("idempotency/"));
    }
}

#[test]
fn a_key_is_1_to_128_visible_ascii_characters() {
    let (world, _, token) = world();
    for good in ["k".to_owned(), "k".repeat(128), "\"quoted\",~!".to_owned()] {
        world
            .send(&keyed(&token, "applications", &json!({}), &good))
            .made();
    }
    for bad in [
        String::new(),
        "k".repeat(129),
        "a b".into(),
        "\u{e9}".into(),
        "a\tb".into(),
    ] {
        let answer =
            world.unchanged(|| world.send(&keyed(&token, "applications", &json!({}), &bad)));
        answer.problem(400, "invalid");
    }
}

#[test]
fn of_two_that_come_at_once_both_are_answered_the_same() {
    for number in 0..6 {
        let (world, client, token) = world();
        let (path, body) = creations(&client).swap_remove(number);
        let call = keyed(&token, &path, &body, "k");
        let (elsewhere, first) = (world.elsewhere(), call.clone());
        let answered = std::rc::Rc::new(std::cell::RefCell::new(None));
        let told = std::rc::Rc::clone(&answered);
        world.around.store.let_happen_first(move || {
            told.replace(Some(elsewhere.send(&first)));
        });
        let second = world.send(&call);
        let first = answered.take().expect("it came first");
        first.made();
        assert_eq!(second, first, "{path}");
    }
}

#[test]
fn without_transactions_a_repetition_that_comes_at_once_adds_no_secret_twice() {
    let (world, client, token) = world();
    world.around.store.lose_transactions();
    let path = format!("applications/{client}/secrets");
    let call = keyed(&token, &path, &Value::Null, "k");
    let (elsewhere, first) = (world.elsewhere(), call.clone());
    world.around.store.let_happen_first(move || {
        elsewhere.send(&first).made();
    });
    world.send(&call).made();
    let shown = world.read(&token, &format!("applications/{client}"));
    let secrets = shown["secrets"].as_array().unwrap();
    assert!(secrets.len() <= 3, "{secrets:?}");
}
