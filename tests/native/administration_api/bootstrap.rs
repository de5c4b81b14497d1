//! The first administrator: made once, with the host's one-time secret.

use edgemint::Issuer;
use edgemint::administration::BootstrapSecret;
use edgemint::event::Kind;
use serde_json::{Value, json};

use super::{ADMIN, ROLES};
use crate::support::{Answer, Call, Client, PutFault, TestHost, World, config, masters};

const SECRET: &str = "a-one-time-secret-of-the-host-0123456789";
const OTHER: &str = "another-one-time-secret-of-the-host-9876";

/// A location with this secret, over the same store.
fn with_secret(world: &World, secret: &str) -> World {
    let host = TestHost(std::rc::Rc::clone(&world.around));
    let issuer = Issuer::new(host, config(), masters(1, None)).unwrap();
    let secret = BootstrapSecret::parse(secret).unwrap();
    World {
        issuer: issuer.with_bootstrap_secret(Some(secret)),
        around: std::rc::Rc::clone(&world.around),
    }
}

fn call(tenant: &str, secret: &str) -> Call {
    let call = Call::get(&format!("/{tenant}/admin/v1/bootstrap"));
    call.method("POST").bearer(secret)
}

fn administrator(answer: &Answer) -> Client {
    let made = answer.made();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    Client {
        id: text("clientId"),
        secret: text("secret"),
        key_id: text("keyId"),
    }
}

fn administrators(world: &World, tenant: &str) -> usize {
    let list = json!({"listApplications": {"tenant": tenant}});
    world.document(&list)["items"].as_array().unwrap().len()
}

#[test]
fn the_bootstrap_secret_makes_an_administrator_once() {
    let world = with_secret(&World::empty(), SECRET);
    let answer = world.send(&call("demo", SECRET).json(&json!({"displayName": "Ada"})));
    let first = administrator(&answer);
    assert_eq!(answer.json()["tenant"], "demo");
    let place = format!("/demo/admin/v1/applications/{}", first.id);
    assert_eq!(answer.header("location"), Some(place.as_str()));
    let token = world.admin_token("demo", &first);
    let own = world.read(&token, &format!("applications/{}", first.id));
    assert_eq!(own["displayName"], "Administrator");
    assert_eq!(world.read(&token, "tenant")["displayName"], "Ada");
    assert_eq!(own["assignments"][0]["api"], ADMIN);
    assert_eq!(own["assignments"][0]["roles"], json!(ROLES));
    // It is used, here and everywhere, for this tenant and any other, now and later.
    for location in [&world, &with_secret(&world, SECRET)] {
        for tenant in ["demo", "other"] {
            let answer = world.unchanged(|| location.send(&call(tenant, SECRET)));
            answer.problem(401, "invalid_token");
        }
        world.around.clock.pass(3 * 365 * 86_400);
    }
}

#[test]
fn a_second_secret_makes_a_second_administrator_in_the_tenant_that_is_there() {
    let world = with_secret(&World::demo(), SECRET);
    let first = administrator(&world.send(&call("demo", SECRET)));
    let later = with_secret(&world, OTHER);
    let second = administrator(&later.send(&call("demo", OTHER)));
    assert_ne!(first.id, second.id);
    for client in [&first, &second] {
        let token = later.admin_token("demo", client);
        later.read(&token, "tenant");
    }
    assert_eq!(world.published().len(), 1, "the keys of the tenant stay");
    let shown =
        later.document(&json!({"getApi": {"tenant": "demo", "identifier": "api://orders"}}));
    assert_eq!(shown["identifier"], "api://orders");
}

#[test]
fn what_is_not_the_bootstrap_secret_makes_nothing() {
    let empty = World::empty();
    let world = with_secret(&empty, SECRET);
    let near = &SECRET[..SECRET.len() - 1];
    for wrong in [
        "",
        "x",
        OTHER,
        near,
        &format!("{SECRET}0"),
        &SECRET.to_uppercase(),
    ] {
        let answer = world.unchanged(|| world.send(&call("demo", wrong)));
        answer.problem(401, "invalid_token");
    }
    let basic = call("demo", SECRET).authorization(&format!("Basic {SECRET}"));
    world.send(&basic).problem(401, "invalid_token");
    let missing = Call::get("/demo/admin/v1/bootstrap").method("POST");
    let missing = missing.json(&json!({"secret": SECRET}));
    world
        .unchanged(|| world.send(&missing))
        .problem(401, "invalid_token");
    // And where there is none, none is right.
    for presented in ["", SECRET] {
        let answer = empty.unchanged(|| empty.send(&call("demo", presented)));
        answer.problem(401, "invalid_token");
    }
    // None of this has spent it.
    world.send(&call("demo", SECRET)).made();
}

#[test]
fn a_token_of_an_administrator_is_no_bootstrap_secret() {
    let world = with_secret(&World::demo(), SECRET);
    let (_, token) = world.administrator(&ROLES);
    let answer = world.admin(&token, "POST", "bootstrap", Value::Null);
    answer.problem(401, "invalid_token");
    world
        .admin(SECRET, "GET", "tenant", Value::Null)
        .problem(401, "invalid_token");
}

#[test]
fn a_request_that_is_not_well_formed_spends_no_secret() {
    let world = with_secret(&World::empty(), SECRET);
    for body in [
        json!({"displayName": ""}),
        json!({"displayName": "x".repeat(257)}),
        json!({"displayName": 1}),
        json!({"unknown": 1}),
        json!({"tenant": "demo"}),
        json!([]),
    ] {
        let answer = world.unchanged(|| world.send(&call("demo", SECRET).json(&body)));
        assert_eq!(answer.status(), 400, "{body}: {answer:?}");
    }
    world.send(&call("demo", SECRET)).made();
}

#[test]
fn a_bootstrap_that_is_cut_short_leaves_no_administrator_and_never_two() {
    for has_transactions in [true, false] {
        for fault in [PutFault::BeforeWriting, PutFault::AfterWriting] {
            for number in 0..20 {
                let world = with_secret(&World::empty(), SECRET);
                let store = &world.around.store;
                if !has_transactions {
                    store.lose_transactions();
                }
                store.fail_put(number, fault);
                let answer = world.send(&call("demo", SECRET));
                if store.cancel_failing_put() {
                    answer.made();
                    break;
                }
                answer.problem(503, "temporarily_unavailable");
                let again = world.send(&call("demo", SECRET));
                if (number, fault) == (0, PutFault::BeforeWriting) {
                    administrator(&again);
                    assert_eq!(administrators(&world, "demo"), 1);
                    continue;
                }
                again.problem(401, "invalid_token");
                assert!(administrators(&world, "demo") <= 1);
                // The next secret finds whatever is there, and makes it whole.
                let next = with_secret(&world, OTHER);
                let made = administrator(&next.send(&call("demo", OTHER)));
                let token = next.admin_token("demo", &made);
                next.read(&token, "tenant");
                assert!(number < 19, "it ends");
            }
        }
    }
}

#[test]
fn of_two_who_come_at_once_with_the_secret_one_is_the_administrator() {
    let world = with_secret(&World::empty(), SECRET);
    let first = with_secret(&world, SECRET);
    world.around.store.let_happen_first(move || {
        first.send(&call("demo", SECRET)).made();
    });
    world
        .send(&call("other", SECRET))
        .problem(401, "invalid_token");
    assert_eq!(administrators(&world, "demo"), 1);
    assert_eq!(administrators(&world, "other"), 0);
}

#[test]
fn r30_the_bootstrap_secret_is_in_no_record_and_in_no_event() {
    let world = with_secret(&World::empty(), SECRET);
    world.send(&call("demo", OTHER));
    let made = administrator(&world.send(&call("demo", SECRET)));
    world.send(&call("demo", SECRET));
    let dump = format!("{:?}", world.around.store.memory.dump());
    let heard = world.events();
    let reasons: Vec<_> = heard.iter().map(|event| event.reason).collect();
    assert_eq!(
        reasons,
        [
            "invalid_token",
            "tenant_created",
            "key_added",
            "administrator_created",
            "invalid_token"
        ]
    );
    let told = serde_json::to_string(&heard).unwrap();
    for text in [dump, told] {
        for secret in [SECRET, OTHER, &made.secret] {
            assert!(
                !text.contains(secret) && !text.contains(&secret[4..20]),
                "{text}"
            );
        }
    }
    assert!(!format!("{:?}", BootstrapSecret::parse(SECRET)).contains("one-time"));
}

#[test]
fn a_bootstrap_secret_is_32_to_1024_visible_ascii_characters() {
    for good in ["x".repeat(32), "x".repeat(1_024), format!(" {SECRET}\n")] {
        assert!(BootstrapSecret::parse(&good).is_ok(), "{good}");
    }
    for bad in [
        String::new(),
        "x".repeat(31),
        "x".repeat(1_025),
        format!("{SECRET} x"),
        "\u{e9}".repeat(40),
    ] {
        assert!(BootstrapSecret::parse(&bad).is_err(), "{bad}");
    }
}

#[test]
fn on_a_store_that_is_not_atomic_there_is_no_bootstrap_and_the_operator_is_told_why() {
    let world = with_secret(&World::empty(), SECRET);
    world.around.has_grants.set(false);
    world.around.store.promise_nothing();
    let answer = world.unchanged(|| world.send(&call("demo", SECRET)));
    answer.problem(500, "server_error");
    let heard = world.events();
    let last = heard.last().unwrap();
    assert_eq!((last.kind, last.reason), (Kind::Failed, "store_not_atomic"));
    // Nobody without the secret learns of it.
    let answer = world.send(&call("demo", OTHER));
    answer.problem(401, "invalid_token");
}
