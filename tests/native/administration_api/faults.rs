//! A store that fails in the middle of an act: requirement 49.

use edgemint::endpoint::{AdministrationRoute as Route, ROUTES};
use serde_json::{Value, json};

use super::{Everything, ROLES};
use crate::support::{Answer, PutFault, STORE_DETAIL, World};

#[track_caller]
fn assert_unavailable(answer: &Answer) {
    answer.problem(503, "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(!answer.mentions(STORE_DETAIL));
}

/// Everything that is served afterwards works: nobody is locked out by half an act.
fn assert_whole(it: &Everything) {
    let elsewhere = it.world.elsewhere();
    elsewhere.get("/demo/.well-known/jwks.json").accepted();
    let made = elsewhere.administer(json!({"createApplication": {"tenant": "demo"}}));
    let id = made.client_id.unwrap();
    elsewhere.assign(&id, "api://billing", &["Billing.Read"]);
    let probe = elsewhere.add_secret(&id, json!({}));
    elsewhere.token(&elsewhere.send(&probe.asks("api://billing/.default")));
}

#[test]
fn r49_any_read_that_fails_changes_nothing_and_the_act_can_be_repeated() {
    for (number, route) in ROUTES.into_iter().enumerate() {
        let Route {
            method,
            path: template,
            act,
            status,
            ..
        } = route;
        if ["bootstrap", "endSession"].contains(&act) {
            continue;
        }
        let it = Everything::new();
        let (_, token) = it.world.administrator(&ROLES);
        let (path, body) = it.request(act, template, number);
        for read in 0.. {
            let elsewhere = it.world.elsewhere();
            let store = &it.world.around.store;
            let before = store.memory.dump();
            store.fail_read(read);
            let answer = elsewhere.admin(&token, method, &path, body.clone());
            if store.cancel_failing_read() {
                assert_eq!(answer.status(), status, "{act}: {answer:?}");
                assert!(read >= 2, "{act}");
                break;
            }
            assert_unavailable(&answer);
            // What was announced before it is a key too many, and no more.
            if ["updateApi", "updateTenant"].contains(&act) {
                continue;
            }
            // Ending is several writes; each is good on its own.
            if ["endUserSessions"].contains(&act) {
                continue;
            }
            // A name in the registry does no harm.
            if act != "createTenant" {
                assert_eq!(store.memory.dump(), before, "{act}, read {read}");
            }
        }
    }
}

#[test]
fn r49_any_write_that_fails_is_told_and_repeating_the_act_makes_it_whole() {
    for has_transactions in [true, false] {
        for (number, route) in ROUTES.into_iter().enumerate() {
            let Route {
                method,
                path: template,
                act,
                status,
                ..
            } = route;
            if ["bootstrap", "endSession"].contains(&act) {
                continue;
            }
            for fault in [PutFault::BeforeWriting, PutFault::AfterWriting] {
                for write in 0..20 {
                    let it = Everything::new();
                    let (_, token) = it.world.administrator(&ROLES);
                    let (path, body) = it.request(act, template, number);
                    let store = &it.world.around.store;
                    if !has_transactions {
                        store.lose_transactions();
                    }
                    store.fail_put(write, fault);
                    let send = || it.world.admin(&token, method, &path, body.clone());
                    let answer = send();
                    if store.cancel_failing_put() {
                        assert_eq!(answer.status(), status, "{act}: {answer:?}");
                        break;
                    }
                    assert_unavailable(&answer);
                    let again = send();
                    // It is done now, or it was done then.
                    let is_done = again.status() == status
                        || method == "DELETE" && again.status() == 404
                        || act.starts_with("create") && again.status() == 409;
                    assert!(is_done, "{act}, write {write}, {fault:?}: {again:?}");
                    assert_whole(&it);
                    assert!(write < 19, "{act}: it ends");
                }
            }
        }
    }
}

#[test]
fn r49_a_tenant_is_there_with_its_key_and_its_administrator_or_not_at_all() {
    for has_transactions in [true, false] {
        for fault in [PutFault::BeforeWriting, PutFault::AfterWriting] {
            for write in 0..20 {
                let world = World::demo();
                let (_, token) = world.administrator(&ROLES);
                let store = &world.around.store;
                if !has_transactions {
                    store.lose_transactions();
                }
                store.fail_put(write, fault);
                let create = || world.admin(&token, "POST", "tenants", json!({"tenant": "new"}));
                let first = create();
                let is_over = store.cancel_failing_put();
                let there = world
                    .elsewhere()
                    .get("/new/.well-known/openid-configuration");
                match there.status() {
                    200 => {
                        let jwks = world.get("/new/.well-known/jwks.json").accepted();
                        assert_eq!(jwks["keys"].as_array().unwrap().len(), 1);
                    }
                    status => {
                        assert_eq!(status, 404);
                        let made = create().made();
                        assert!(made["administrator"]["secret"].is_string());
                    }
                }
                if is_over {
                    first.made();
                    break;
                }
                create().problem(409, "exists");
                let listed = world.document(&json!({"listApplications": {"tenant": "new"}}));
                let held = listed["items"].as_array().unwrap();
                assert!(!held.is_empty(), "write {write}, {fault:?}");
                assert!(write < 19, "it ends");
            }
        }
    }
}

#[test]
fn a_store_without_transactions_administers_all_the_same() {
    for (number, route) in ROUTES.into_iter().enumerate() {
        let Route {
            method,
            path: template,
            act,
            status,
            ..
        } = route;
        if ["bootstrap", "endSession"].contains(&act) {
            continue;
        }
        let it = Everything::new();
        it.world.around.store.lose_transactions();
        let (_, token) = it.world.administrator(&ROLES);
        let (path, body) = it.request(act, template, number);
        let answer = it.world.admin(&token, method, &path, body);
        assert_eq!(answer.status(), status, "{act}: {answer:?}");
    }
    // What it promises of single records is the host's to say; the administration asks for nothing.
    let world = World::empty();
    world.around.has_grants.set(false);
    world.around.store.promise_nothing();
    world.around.store.lose_transactions();
    world.administer(json!({"createTenant": {"tenant": "demo"}}));
    let (_, token) = world.administrator(&ROLES);
    assert_eq!(
        world.admin(&token, "GET", "tenant", Value::Null).status(),
        200
    );
}

#[test]
fn without_transactions_the_record_comes_first_and_what_tells_of_it_after() {
    let world = World::demo();
    let (_, token) = world.administrator(&ROLES);
    world.around.store.lose_transactions();
    let names = || {
        let dump = world.around.store.memory.dump();
        dump.into_iter()
            .map(|(key, _)| key.name().to_owned())
            .collect::<Vec<_>>()
    };
    let body = json!({"clientId": "shop"});
    let call = super::request(&token, "POST", "applications", &body).idempotency_key("k");
    let has = |prefix: &str| {
        names()
            .iter()
            .filter(|name| name.starts_with(prefix))
            .count()
    };
    let events = has("event/");
    // The second write is the event, the third the answer to a repetition.
    world.around.store.fail_put(1, PutFault::BeforeWriting);
    assert_unavailable(&world.send(&call));
    assert_eq!(
        (has("application/shop"), has("event/"), has("idempotency/")),
        (1, events, 0)
    );
    world.send(&call).problem(409, "exists");
}
