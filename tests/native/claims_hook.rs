//! The host's hook for further claims: what it is told, what it may add, and that its failure costs nobody a
//! code or a refresh token (requirement 28).

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};

use crate::support::{App, BOTH, Call, READ, Tokens, World, block_on};

/// Claims that an access token says by itself, or that change what it is good for.
const OWN: [&str; 18] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "client_id",
    "azp",
    "roles",
    "scope",
    "scp",
    "tid",
    "sid",
    "cnf",
    "act",
    "may_act",
    "authorization_details",
];

fn world_and_app() -> (World, App) {
    let world = World::demo();
    let app = world.web();
    (world, app)
}

/// A code for `ada`, of whom the login page says something.
fn code(world: &World, app: &App) -> String {
    let handle = world.handle(&app.asks(BOTH));
    let consent = json!({"subject": "ada", "claims": {"name": "Ada", "level": 1}});
    world.complete(&handle, consent).get("code").to_owned()
}

fn payload(compact: &str) -> String {
    let part = compact.split('.').nth(1).unwrap();
    String::from_utf8(Base64UrlUnpadded::decode_vec(part).unwrap()).unwrap()
}

/// Checks that there is no answer for a moment, and that the operator hears why. Returns the detail.
#[track_caller]
fn fails(world: &World, call: &Call) -> String {
    world.events();
    world.send(call).is_unavailable();
    let events = world.events();
    let [event] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(event.reason, "claims_hook");
    assert_eq!(json!(event)["kind"], "failed");
    assert_eq!(event.tenant.as_deref(), Some("demo"));
    assert!(event.client_id.is_some());
    event.detail.clone().unwrap()
}

#[test]
fn an_applications_token_carries_what_the_hook_adds() {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All", "Orders.Write.All"]);
    let call = client.asks("api://orders/Orders.Read.All");
    let plain = world.token(&world.send(&call)).claims;
    world
        .around
        .hook
        .answer(r#"{"team":"green","quota":{"day":7,"of":["a",null,-1]}}"#);
    let token = world.token(&world.send(&call)).claims;
    assert_eq!(token["team"], "green");
    assert_eq!(token["quota"], json!({"day": 7, "of": ["a", null, -1]}));
    let names = |claims: &Value| claims.as_object().unwrap().len();
    assert_eq!(names(&token), names(&plain) + 2, "{token}");
    let told = json!({
        "tenant": "demo",
        "clientId": client.id,
        "api": "api://orders",
        "grantType": "client_credentials",
        "dialect": "standard",
        "scope": "api://orders/Orders.Read.All",
    });
    assert_eq!(world.around.hook.asked(), [told]);
}

#[test]
fn a_users_token_carries_what_the_hook_adds_over_what_the_login_page_said() {
    let (world, app) = world_and_app();
    world.around.hook.answer(r#"{"level":2,"team":"green"}"#);
    let tokens = world.tokens(&app.redeems(&code(&world, &app)));
    world.around.hook.answer(r#"{"level":3}"#);
    let next = world.tokens(&app.refreshes(&tokens.refresh).with("scope", READ));
    let told = |grant_type, scope| {
        json!({
            "tenant": "demo",
            "clientId": app.id,
            "api": "api://orders",
            "grantType": grant_type,
            "dialect": "standard",
            "subject": "ada",
            "scope": scope,
            "claims": {"name": "Ada", "level": 1},
        })
    };
    let expected = [
        told("authorization_code", BOTH),
        told("refresh_token", READ),
    ];
    assert_eq!(world.around.hook.asked(), expected);
    for (tokens, level, team) in [(&tokens, 2, json!("green")), (&next, 3, Value::Null)] {
        let claims = world.verify(&tokens.access).unwrap().claims;
        assert_eq!(
            (&claims["name"], &claims["level"]),
            (&json!("Ada"), &json!(level))
        );
        assert_eq!(claims["team"], team);
        let said = payload(&tokens.access);
        assert_eq!(said.matches("\"level\"").count(), 1, "{said}");
    }
    let (_, grant) = world.grants().remove(0);
    assert_eq!(
        grant["claims"],
        json!({"name": "Ada", "level": 1}),
        "nothing of it stays"
    );
}

#[test]
fn what_the_hook_adds_never_speaks_for_edgemint() {
    let (world, app) = world_and_app();
    let client = world.client(&["Orders.Read.All"]);
    let calls = [
        client.asks("api://orders/.default"),
        app.redeems(&code(&world, &app)),
    ];
    for name in OWN {
        world
            .around
            .hook
            .answer(&json!({"fine": 1, name: "canary"}).to_string());
        for call in &calls {
            let detail = fails(&world, call);
            assert_eq!(detail, format!("the claim `{name}` is edgemint's own"));
        }
    }
    world.around.hook.answer("{}");
    for call in calls {
        world.send(&call).accepted();
    }
}

#[test]
fn every_claim_of_a_token_is_edgemints_own() {
    let (world, app) = world_and_app();
    let client = world.client(&["Orders.Read.All"]);
    let own = world.token(&world.send(&client.asks("api://orders/.default")));
    let users = world.verify(&world.session(&app).access).unwrap();
    for token in [own, users] {
        for name in token.claims.as_object().unwrap().keys() {
            assert!(OWN.contains(&name.as_str()), "{name}");
        }
    }
}

#[test]
fn an_answer_that_is_no_object_of_claims_is_a_failure_that_quotes_nothing_of_it() {
    let (world, app) = world_and_app();
    let call = app.redeems(&code(&world, &app));
    let nested = |levels| format!("{{\"a\":{}{}}}", "[".repeat(levels), "]".repeat(levels));
    let long = |bytes: usize| json!({"canary": "\u{e9}".repeat((bytes - 13) / 2)}).to_string();
    for answer in [
        "",
        "canary",
        "null",
        "[]",
        "\"canary\"",
        "7",
        "{\"canary\":1.5}",
        "{\"canary\":[1e400]}",
        "{\"a\":\"\\ud800canary\"}",
        "{\"canary\":1",
        "{\"canary\":1}{}",
        &nested(17),
        &nested(500),
        &long(4_099),
        &"canary".repeat(100_000),
    ] {
        world.around.hook.answer(answer);
        let detail = fails(&world, &call);
        assert!(!detail.contains("canary") && detail.len() < 80, "{detail}");
    }
    for answer in [nested(16), long(4_095)] {
        world.around.hook.answer(&answer);
        let tokens = world.session(&app);
        assert_eq!(
            world
                .verify(&tokens.access)
                .unwrap()
                .claims
                .get("a")
                .is_some(),
            answer.len() < 99
        );
    }
    world.send(&call).accepted();
}

#[test]
fn of_two_claims_of_one_name_the_last_counts() {
    let (world, app) = world_and_app();
    world.around.hook.answer(r#"{"a":1,"b":2,"a":3}"#);
    let said = payload(&world.session(&app).access);
    assert!(
        said.contains("\"a\":3") && !said.contains("\"a\":1"),
        "{said}"
    );
}

#[test]
fn r28_a_request_that_the_hook_failed_has_spent_nothing() {
    let world = World::demo();
    for refresh in [json!({}), json!({"grace": 0}), json!({"mode": "reusable"})] {
        let app = world.web_with(refresh);
        let redeem = app.redeems(&code(&world, &app));
        let unspent = |call: &Call| {
            world.around.hook.fail("the database is down");
            let writes = world.writes_during(|| {
                for _ in 0..3 {
                    assert_eq!(fails(&world, call), "the database is down");
                }
            });
            assert_eq!(writes, 0);
            world.around.hook.answer("{\"team\":\"green\"}");
        };
        unspent(&redeem);
        world.around.clock.pass(50);
        let first = world.tokens(&redeem);
        unspent(&app.refreshes(&first.refresh));
        // Long after any grace.
        world.around.clock.pass(3_600);
        let second = world.refreshed(&app, &first);
        world.around.clock.pass(3_600);
        let third = world.refreshed(&app, &second);
        assert_eq!(world.verify(&third.access).unwrap().claims["team"], "green");
        assert!(world.is_active(&app, &third.refresh));
    }
}

#[test]
fn r28_a_store_that_fails_around_the_hook_costs_nothing_either() {
    let (world, app) = world_and_app();
    world.around.hook.answer("{}");
    let redeem = app.redeems(&code(&world, &app));
    let mut failures = 0;
    // Tenant, application, ring and API are cached after the first round.
    for read in 0.. {
        world.around.store.fail_read(read);
        let answer = world.send(&redeem);
        if world.around.store.cancel_failing_read() {
            answer.accepted();
            break;
        }
        answer.is_unavailable();
        failures += 1;
    }
    assert!(failures >= 4, "the grant and its user, twice: {failures}");
}

#[test]
fn the_hook_may_take_its_time() {
    let (world, app) = world_and_app();
    world.around.hook.answer("{\"team\":\"green\"}");
    world.around.hook.delay(100);
    let tokens = world.refreshed(&app, &world.session(&app));
    assert_eq!(
        world.verify(&tokens.access).unwrap().claims["team"],
        "green"
    );
}

/// What else is sent while the hook is asked, from another location.
fn meanwhile(world: &World, call: Call) {
    let elsewhere = world.elsewhere();
    let hook = world.around.clone();
    world.around.hook.let_happen_first(move || {
        hook.clock.pass(2);
        drop(elsewhere.send(&call));
    });
}

#[test]
fn two_refreshes_that_wait_for_the_hook_side_by_side_get_the_same_successor() {
    let (world, app) = world_and_app();
    world.around.hook.answer("{}");
    let first = world.session(&app);
    meanwhile(&world, app.refreshes(&first.refresh));
    let second = world.refreshed(&app, &first);
    assert_eq!(world.around.hook.asked().len(), 3);
    let again = world.refreshed(&app, &first);
    assert_eq!(second.refresh, again.refresh);
    world.refreshed(&app, &second);
}

#[test]
fn r23_the_grace_window_starts_when_the_hook_has_answered() {
    let (world, app) = world_and_app();
    world.around.hook.answer("{}");
    let first = world.session(&app);
    let clock = world.around.clock.clone();
    world.around.hook.let_happen_first(move || clock.pass(8));
    let second = world.refreshed(&app, &first);
    // 10 s of grace: of them, 9 have passed since the token was replaced, and 17 since it was asked for.
    world.around.clock.pass(9);
    let again = world.refreshed(&app, &first);
    assert_eq!(second.refresh, again.refresh);
    world.refreshed(&app, &second);
}

#[test]
fn a_session_that_ends_while_the_hook_is_asked_gets_no_token() {
    let (world, app) = world_and_app();
    world.around.hook.answer("{}");
    let tokens = world.session(&app);
    meanwhile(&world, app.revokes(&tokens.refresh));
    world
        .send(&app.refreshes(&tokens.refresh))
        .is_invalid_grant();
    world.is_dead(&app, &tokens);
}

#[test]
fn a_code_is_used_once_whoever_waits_for_the_hook() {
    let (world, app) = world_and_app();
    world.around.hook.answer("{}");
    let redeem = app.redeems(&code(&world, &app));
    meanwhile(&world, redeem.clone());
    world.send(&redeem).is_invalid_grant();
    assert!(world.reasons().contains(&"grant_code_replayed"));
}

#[test]
fn a_replay_is_answered_without_the_hook_and_ends_the_session() {
    let (world, app) = world_and_app();
    world.around.hook.answer("{}");
    let first = world.session(&app);
    let second = world.refreshed(&app, &first);
    world.around.clock.pass(60);
    world.around.hook.asked();
    world.around.hook.fail("down");
    world
        .send(&app.refreshes(&first.refresh))
        .is_invalid_grant();
    world.is_dead(&app, &second);
    assert_eq!(world.around.hook.asked(), Vec::<Value>::new());
}

#[test]
fn a_store_whose_reads_are_behind_gets_no_token_past_the_hook() {
    let (world, app) = world_and_app();
    let redeem = app.redeems(&code(&world, &app));
    let (key, pending) = world.grants().remove(0);
    let Tokens { refresh, .. } = world.tokens(&redeem);
    let active = world.around.store.text(&key);
    // The rehearsal finds the grant as it was before the code was exchanged, the step as it is.
    world.around.hook.answer("{\"team\":\"green\"}");
    world.around.store.overwrite(&key, &pending.to_string());
    let around = world.around.clone();
    world
        .around
        .store
        .let_happen_after_reads(2, move || around.store.overwrite(&key, &active));
    let tokens = world.tokens(&app.refreshes(&refresh));
    assert_eq!(
        world.verify(&tokens.access).unwrap().claims["team"],
        "green"
    );
    assert_eq!(world.around.hook.asked().len(), 1);
}

#[test]
fn the_hook_is_asked_for_no_token_that_is_refused() {
    let (world, app) = world_and_app();
    let client = world.client(&["Orders.Read.All"]);
    let tokens = world.session(&app);
    let pending = world.code(&app);
    world.around.hook.answer("{}");
    for call in [
        client.asks("api://orders/Orders.Write.All"),
        client.asks("api://nowhere/.default"),
        client.asks("api://billing/.default"),
        Call::token().basic(&client.id, "a-wrong-secret-that-is-long-enough-0001"),
        app.refreshes(&tokens.refresh)
            .with("scope", "api://billing/Bills.Read"),
        app.redeems(&pending)
            .without("code_verifier")
            .with("code_verifier", &"x".repeat(43)),
        app.refreshes("junk"),
    ] {
        let status = world.send(&call).status();
        assert!((400..500).contains(&status), "{status}");
    }
    // What the API has taken back.
    world.administer(json!({"updateApi": {
        "tenant": "demo", "identifier": "api://orders", "scopes": [],
    }}));
    world.around.clock.pass(60);
    world
        .send(&app.refreshes(&tokens.refresh))
        .refused(400, "invalid_scope");
    // Neither for what signs nothing.
    block_on(world.issuer.refresh(world.around.clock.now()));
    world.send(&app.introspects(&tokens.access)).accepted();
    assert_eq!(world.around.hook.asked(), Vec::<Value>::new());
}
