//! Signing keys as an administrator sees them: requirements 38 and 47.

use serde_json::{Value, json};

use super::{DEFAULT, ORDERS_PATH, ROLES};
use crate::support::{Client, Token, World, key};

const DAY: u64 = 86_400;

fn maintain(world: &World) -> Vec<String> {
    let done = world.document(&json!({"maintain": {"tenant": "demo"}}));
    let announced = done["announced"].as_array().unwrap().iter();
    announced
        .map(|kid| kid.as_str().unwrap().to_owned())
        .collect()
}

fn world() -> (World, Client) {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All"]);
    (world, client)
}

fn kid(key: &Value) -> String {
    key["kid"].as_str().unwrap().to_owned()
}

fn rotate(world: &World, algorithm: &str, starts: Option<u64>) -> String {
    kid(&world.document(&json!({"rotateKey": {
        "tenant": "demo", "algorithm": algorithm, "starts": starts,
    }})))
}

fn remove(world: &World, kid: &str) {
    world.document(&json!({"removeKey": {"tenant": "demo", "kid": kid}}));
}

/// Checks that a key cannot be removed, since nothing else signs with its algorithm.
#[track_caller]
fn stays(world: &World, kid: &str, algorithm: &str) {
    let remove = json!({"removeKey": {"tenant": "demo", "kid": kid}});
    let error = world.unchanged(|| world.try_document(&remove)).unwrap_err();
    let why = error.to_string();
    assert_eq!(error.code(), "conflict", "{why}");
    assert!(why.contains(algorithm), "{why}");
    assert!(why.contains("add one that starts now first"), "{why}");
}

fn token(world: &World, client: &Client) -> Token {
    world.token(&world.elsewhere().send(&client.asks(DEFAULT)))
}

#[test]
fn r38_a_key_is_announced_14_days_before_its_90_are_over_and_once() {
    let (world, client) = world();
    // Its secret lives 180 days.
    let first = token(&world, &client).kid().to_owned();
    world.around.clock.pass(76 * DAY);
    assert!(world.unchanged(|| maintain(&world)).is_empty());
    world.around.clock.pass(1);
    let [next] = &maintain(&world)[..] else {
        panic!("one key");
    };
    for _ in 0..3 {
        assert!(world.unchanged(|| maintain(&world)).is_empty());
        world.around.clock.pass(DAY);
    }
    world.around.clock.pass(11 * DAY - 1);
    let elsewhere = world.elsewhere();
    assert_eq!(
        elsewhere.published(),
        [first.clone(), next.clone()],
        "from the start"
    );
    assert_eq!(token(&world, &client).kid(), first);
    world.around.clock.pass(1);
    assert_eq!(token(&world, &client).kid(), next);
    assert!(world.unchanged(|| maintain(&world)).is_empty());
    // And so on.
    world.around.clock.pass(76 * DAY + 1);
    assert_eq!(maintain(&world).len(), 1);
}

#[test]
fn r38_a_key_that_starts_in_the_far_future_does_not_stop_the_scheduled_rotation() {
    let (world, client) = world();
    let (_, admin) = world.administrator(&ROLES);
    let now = world.around.clock.now();
    let add = |starts| world.admin(&admin, "POST", "keys", json!({"starts": starts}));
    for too_late in [now.plus(365 * DAY + 1).secs(), 99_999_999_999] {
        let detail = world.unchanged(|| add(too_late)).problem(400, "invalid");
        assert!(detail.contains("a year from now at the latest"), "{detail}");
    }
    let far = kid(&add(now.plus(365 * DAY).secs()).made());
    let first = token(&world, &client).kid().to_owned();
    world.around.clock.pass(76 * DAY);
    assert!(world.unchanged(|| maintain(&world)).is_empty());
    world.around.clock.pass(1);
    let [next] = &maintain(&world)[..] else {
        panic!("one key");
    };
    assert!(world.unchanged(|| maintain(&world)).is_empty());
    world.around.clock.pass(14 * DAY);
    assert_eq!(token(&world, &client).kid(), next);
    // A key that somebody has announced in time is as good.
    world.around.clock.pass(70 * DAY);
    let starts = world.around.clock.now().plus(20 * DAY).secs();
    rotate(&world, "ES256", Some(starts));
    for _ in 0..20 {
        world.around.clock.pass(DAY);
        assert!(world.unchanged(|| maintain(&world)).is_empty());
    }
    let published = world.elsewhere().published();
    assert!(published.contains(&far) && !published.contains(&first));
}

#[test]
fn r38_a_key_that_is_announced_too_late_does_not_stop_the_scheduled_rotation() {
    let (world, _) = world();
    let late = world.around.clock.now().plus(91 * DAY + 2).secs();
    rotate(&world, "ES256", Some(late));
    world.around.clock.pass(76 * DAY + 1);
    assert_eq!(maintain(&world).len(), 1);
    assert!(world.unchanged(|| maintain(&world)).is_empty());
}

#[test]
fn r47_maintenance_adds_the_key_that_the_tenants_algorithm_lacks() {
    let (world, client) = world();
    world.administer(json!({"updateTenant": {"tenant": "demo", "algorithm": "EdDSA"}}));
    // As versions before this one have left it.
    let mut ring: Value = serde_json::from_str(&world.around.store.text(&key("keys"))).unwrap();
    ring["keys"].as_array_mut().unwrap().pop();
    world
        .around
        .store
        .overwrite(&key("keys"), &ring.to_string());
    let [added] = &maintain(&world)[..] else {
        panic!("one key");
    };
    assert!(world.unchanged(|| maintain(&world)).is_empty());
    world.around.clock.pass(7_199);
    assert_eq!(token(&world, &client).header["alg"], "ES256");
    world.around.clock.pass(1);
    assert_eq!(token(&world, &client).kid(), added);
}

#[test]
fn r38_maintenance_serves_every_algorithm_and_may_be_cut_short() {
    let (world, _) = world();
    world.administer(json!({"rotateKey": {"tenant": "demo", "algorithm": "EdDSA", "starts": 0}}));
    world.around.clock.pass(76 * DAY + 1);
    for fault in [
        crate::support::PutFault::BeforeWriting,
        crate::support::PutFault::AfterWriting,
    ] {
        world.around.store.fail_put(0, fault);
        let error = world.try_document(&json!({"maintain": {"tenant": "demo"}}));
        assert_eq!(error.unwrap_err().code(), "store_unavailable");
    }
    assert!(maintain(&world).is_empty(), "it was written all the same");
    assert_eq!(world.elsewhere().published().len(), 4);
}

#[test]
fn r38_a_new_key_is_announced_for_two_hours_unless_it_is_said_otherwise() {
    let (world, client) = world();
    let (_, admin) = world.administrator(&ROLES);
    let now = world.around.clock.now();
    let first = token(&world, &client).kid().to_owned();
    let made = world.admin(&admin, "POST", "keys", Value::Null);
    let key = made.made();
    let kid = key["kid"].as_str().unwrap();
    let nothing_to_get = made.header("location");
    assert_eq!(nothing_to_get, None, "{kid}");
    assert_eq!(key["algorithm"], "ES256");
    assert_eq!(
        (&key["state"], &key["starts"]),
        (&json!("announced"), &json!(now.plus(7_200)))
    );
    let state = || {
        let listed = world.document(&json!({"listKeys": {"tenant": "demo"}}));
        let items = listed["items"].as_array().unwrap().iter();
        items
            .map(|key| key["state"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(state(), ["active", "announced"]);
    world.around.clock.pass(7_199);
    assert_eq!(token(&world, &client).kid(), first);
    world.around.clock.pass(1);
    assert_eq!(token(&world, &client).kid(), kid);
    assert_eq!(state(), ["retired", "active"]);
    // In an emergency it starts now.
    world.around.clock.pass(1);
    let admin = world.administrator(&ROLES).1;
    let key = world
        .admin(&admin, "POST", "keys", json!({"starts": 0}))
        .made();
    assert_eq!(
        (&key["state"], &key["starts"]),
        (&json!("active"), &json!(world.around.clock.now()))
    );
}

#[test]
fn r38_the_last_key_that_signs_cannot_be_removed() {
    let (world, client) = world();
    let first = token(&world, &client);
    let (_, admin) = world.administrator(&ROLES);
    let remove = |kid: &str| world.admin(&admin, "DELETE", &format!("keys/{kid}"), Value::Null);
    world
        .unchanged(|| remove(first.kid()))
        .problem(409, "conflict");
    // One that is announced does not sign yet.
    world.admin(&admin, "POST", "keys", Value::Null).made();
    world
        .unchanged(|| remove(first.kid()))
        .problem(409, "conflict");
    let now = json!({"starts": 0});
    world.admin(&admin, "POST", "keys", now).made();
    // The key that signed the administrator's own token goes, too: it needs another one.
    assert_eq!(remove(first.kid()).status(), 204);
    assert!(
        !world
            .elsewhere()
            .published()
            .contains(&first.kid().to_owned())
    );
    world
        .admin(&admin, "GET", "keys", Value::Null)
        .problem(401, "invalid_token");
    let last = token(&world, &client);
    assert_ne!(last.kid(), first.kid());
}

#[test]
fn r38_the_last_key_of_an_algorithm_in_use_cannot_be_removed() {
    for of_tenant in [true, false] {
        let (world, client) = world();
        let choose = |algorithm: &str| {
            world.administer(if of_tenant {
                json!({"updateTenant": {"tenant": "demo", "algorithm": algorithm}})
            } else {
                json!({"updateApi": {
                    "tenant": "demo", "identifier": "api://orders", "algorithm": algorithm,
                }})
            });
        };
        choose("EdDSA");
        let listed = world.document(&json!({"listKeys": {"tenant": "demo"}}));
        let (es256, first) = (kid(&listed["items"][0]), kid(&listed["items"][1]));
        // Nothing else is announced, and then nothing else signs.
        stays(&world, &first, "EdDSA");
        world.around.clock.pass(7_200);
        assert_eq!(token(&world, &client).kid(), first);
        stays(&world, &first, "EdDSA");
        let announced = rotate(&world, "EdDSA", None);
        stays(&world, &first, "EdDSA");
        remove(&world, &announced);
        // It leaked: another one signs from now on, and it can go.
        let next = rotate(&world, "EdDSA", Some(0));
        remove(&world, &first);
        assert_eq!(token(&world, &client).kid(), next);
        stays(&world, &next, "EdDSA");
        // What nobody uses can go.
        if of_tenant {
            remove(&world, &es256);
        } else {
            stays(&world, &es256, "ES256");
            choose("ES256");
            remove(&world, &next);
            assert_eq!(token(&world, &client).kid(), es256);
        }
    }
}

#[test]
fn r38_the_algorithm_of_one_api_in_a_thousand_keeps_its_last_key() {
    let world = World::demo();
    for number in 0..1_000 {
        world.administer(json!({"createApi": {
            "tenant": "demo", "identifier": format!("api://a{number}"),
        }}));
    }
    let last = "api://z";
    world.administer(json!({"createApi": {
        "tenant": "demo", "identifier": last, "algorithm": "EdDSA",
    }}));
    let listed = world.document(&json!({"listKeys": {"tenant": "demo"}}));
    let key = kid(&listed["items"][1]);
    stays(&world, &key, "EdDSA");
    world.administer(json!({"deleteApi": {"tenant": "demo", "identifier": last}}));
    remove(&world, &key);
}

#[test]
fn r38_of_two_who_remove_the_last_two_keys_of_an_algorithm_at_once_one_is_refused() {
    let (world, client) = world();
    let first = token(&world, &client).kid().to_owned();
    let second = rotate(&world, "ES256", Some(0));
    let elsewhere = world.elsewhere();
    world
        .around
        .store
        .let_happen_first(move || remove(&elsewhere, &second));
    let lost = world.try_document(&json!({"removeKey": {"tenant": "demo", "kid": first}}));
    assert_eq!(lost.unwrap_err().code(), "conflict");
    assert_eq!(world.elsewhere().published(), [first]);
}

#[test]
fn r47_a_change_of_algorithm_fails_no_request_and_takes_effect_when_it_was_announced() {
    for of_tenant in [true, false] {
        let (world, client) = world();
        let first = token(&world, &client);
        let (_, admin) = world.administrator(&ROLES);
        let path = if of_tenant {
            "tenant".to_owned()
        } else {
            format!("apis/{ORDERS_PATH}")
        };
        let changed = world.admin(&admin, "PATCH", &path, json!({"algorithm": "EdDSA"}));
        assert_eq!(changed.accepted()["algorithm"], "EdDSA");
        // Verifiers know the keys of the moment before.
        for _ in 0..24 {
            assert_eq!(token(&world, &client).kid(), first.kid());
            world.token(&world.send(&client.asks(DEFAULT)));
            world.around.clock.pass(300);
        }
        let after = token(&world, &client);
        assert_eq!(after.header["alg"], "EdDSA");
        // What was signed before is still good.
        assert!(
            world
                .elsewhere()
                .published()
                .contains(&first.kid().to_owned())
        );
        // Back again, at once: that key is there.
        let (_, admin) = world.administrator(&ROLES);
        let back = if of_tenant {
            json!({"algorithm": "ES256"})
        } else {
            json!({"algorithm": null})
        };
        world.admin(&admin, "PATCH", &path, back).accepted();
        assert_eq!(token(&world, &client).kid(), first.kid());
    }
}

#[test]
fn r47_a_new_api_with_an_algorithm_of_its_own_changes_no_other_tokens() {
    let (world, client) = world();
    let first = token(&world, &client);
    let new = |identifier: &str, algorithm: &str| {
        world.administer(json!({"createApi": {
            "tenant": "demo", "identifier": identifier, "algorithm": algorithm,
        }}));
        let client = world.client(&[]);
        let asked = world
            .elsewhere()
            .send(&client.asks(&format!("{identifier}/.default")));
        Token::read(asked.accepted()["access_token"].as_str().unwrap())
    };
    // Nobody knows its tokens yet: it has the algorithm from the first one on.
    assert_eq!(new("api://signed", "EdDSA").header["alg"], "EdDSA");
    assert_eq!(token(&world, &client).kid(), first.kid());
}

#[test]
fn r47_an_api_that_comes_while_an_algorithm_is_announced_waits_with_the_others() {
    let (world, client) = world();
    world.around.signer.learn_rsa();
    let first = token(&world, &client);
    world.administer(json!({"updateTenant": {"tenant": "demo", "algorithm": "EdDSA"}}));
    world.administer(json!({"createApi": {
        "tenant": "demo", "identifier": "api://new", "algorithm": "RS256",
    }}));
    assert_eq!(token(&world, &client).kid(), first.kid());
    let new = world.client(&[]);
    let asked = world.elsewhere().send(&new.asks("api://new/.default"));
    assert_eq!(world.token(&asked).kid(), first.kid());
    world.around.clock.pass(7_200);
    assert_eq!(token(&world, &client).header["alg"], "EdDSA");
    let asked = world.elsewhere().send(&new.asks("api://new/.default"));
    let asked = Token::read(asked.accepted()["access_token"].as_str().unwrap());
    assert_eq!(asked.header["alg"], "RS256");
}

#[test]
fn a_change_that_is_refused_announces_no_key() {
    let world = World::demo();
    for command in [
        json!({"updateTenant": {"tenant": "demo", "algorithm": "EdDSA", "accessTokenLifetime": 1}}),
        json!({"updateTenant": {"tenant": "nobody", "algorithm": "EdDSA"}}),
        json!({"updateTenant": {"tenant": "demo", "algorithm": "EdDSA", "ifMatch": "\"x\""}}),
        json!({"updateTenant": {"tenant": "demo", "algorithm": "RS256"}}),
        json!({"updateApi": {
            "tenant": "demo", "identifier": "api://orders", "algorithm": "EdDSA", "displayName": "",
        }}),
        json!({"updateApi": {"tenant": "demo", "identifier": "api://x", "algorithm": "EdDSA"}}),
        json!({"updateApi": {
            "tenant": "demo", "identifier": "api://orders", "algorithm": "EdDSA", "ifMatch": "\"x\"",
        }}),
    ] {
        world
            .unchanged(|| world.try_document(&command))
            .unwrap_err();
    }
}

#[test]
fn r47_resealing_twice_is_resealing_once() {
    let (world, client) = world();
    let rotated = world.elsewhere_with(crate::support::masters(2, Some(1)));
    let (_, admin) = rotated.administrator(&ROLES);
    let reseal = || {
        rotated
            .admin(&admin, "POST", "keys/reseal", Value::Null)
            .accepted()
    };
    assert_eq!(reseal(), json!({"resealed": true}));
    assert_eq!(rotated.unchanged(reseal), json!({"resealed": false}));
    let keys = rotated.read(&admin, "keys");
    assert_eq!(keys["sealedUnder"], json!([keys["master"]]));
    let alone = world.elsewhere_with(crate::support::masters(2, None));
    alone.token(&alone.send(&client.asks(DEFAULT)));
}

#[test]
fn r47_while_an_algorithm_is_announced_tokens_are_signed_as_before_whatever_others_are_there() {
    for of_tenant in [true, false] {
        let (world, client) = world();
        world.around.signer.learn_rsa();
        let first = token(&world, &client);
        world.around.clock.pass(10);
        world.administer(json!({"createApi": {
            "tenant": "demo", "identifier": "api://signed", "algorithm": "EdDSA",
        }}));
        assert_eq!(token(&world, &client).kid(), first.kid());
        if of_tenant {
            world.administer(json!({"updateTenant": {"tenant": "demo", "algorithm": "RS256"}}));
        } else {
            world.administer(json!({"updateApi": {"tenant": "demo", "identifier": "api://orders", "algorithm": "RS256"}}));
        }
        let after = token(&world, &client);
        assert_eq!(after.kid(), first.kid());
    }
}

#[test]
fn r47_two_changes_of_algorithm_within_the_announcement_sign_as_before_the_first() {
    let (world, client) = world();
    world.around.signer.learn_rsa();
    let first = token(&world, &client);
    let change = |act: &str, algorithm: Value| {
        world.administer(json!({act: {
            "tenant": "demo", "identifier": "api://orders", "algorithm": algorithm,
        }}))
    };
    let of_tenant = |algorithm: &str| {
        world.administer(json!({"updateTenant": {"tenant": "demo", "algorithm": algorithm}}))
    };
    of_tenant("RS256");
    change("updateApi", json!("EdDSA"));
    assert_eq!(token(&world, &client).kid(), first.kid());
    world.around.clock.pass(60);
    change("updateApi", Value::Null);
    assert_eq!(token(&world, &client).kid(), first.kid());
    change("updateApi", json!("EdDSA"));
    // Both have started: each token has the algorithm that is asked for.
    world.around.clock.pass(7_200);
    assert_eq!(token(&world, &client).header["alg"], "EdDSA");
    change("updateApi", Value::Null);
    let asked = world.elsewhere().send(&client.asks(DEFAULT));
    let asked = Token::read(asked.accepted()["access_token"].as_str().unwrap());
    assert_eq!(asked.header["alg"], "RS256");
    of_tenant("ES256");
    assert_eq!(token(&world, &client).kid(), first.kid());
}
