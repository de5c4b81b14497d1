//! Refresh tokens: requirements 19 to 21, 23 to 25, 27 to 29, 31, 45 and 47 (RFC 6749 section 6, RFC 9700
//! section 4.14, OAuth 2.1 draft section 4.3).

use base64ct::{Base64UrlUnpadded, Encoding};
use edgemint::UnixTime;
use serde_json::{Value, json};

use crate::support::{App, BOTH, CALLBACK, Call, PutFault, READ, World, key, masters};

const DAY: u64 = 86_400;
const BILLS: &str = "api://billing/Bills.Read";

fn world_and_app() -> (World, App) {
    let world = World::demo();
    let app = world.web();
    (world, app)
}

/// The token with some of its bytes changed.
fn forge(token: &str, change: impl FnOnce(&mut [u8])) -> String {
    let (prefix, encoded) = token.split_once('_').unwrap();
    let mut bytes = Base64UrlUnpadded::decode_vec(encoded).unwrap();
    change(&mut bytes);
    format!("{prefix}_{}", Base64UrlUnpadded::encode_string(&bytes))
}

/// The token of another generation: its proof is wrong then.
fn of_generation(token: &str, generation: u32) -> String {
    forge(token, |bytes| {
        bytes[33..37].copy_from_slice(&generation.to_be_bytes());
    })
}

fn update(world: &World, app: &App, mut members: Value) {
    members["tenant"] = json!("demo");
    members["clientId"] = json!(app.id);
    world.administer(json!({ "updateApplication": members }));
}

#[test]
fn r19_every_token_that_is_not_honoured_has_the_same_answer() {
    let world = World::demo();
    for (app, other) in [(world.web(), world.web()), (world.spa(), world.spa())] {
        let tokens = world.session(&app);
        let foreign = world.session(&other);
        let refused = |token: &str| world.send(&app.refreshes(token)).is_invalid_grant();
        refused(&foreign.refresh);
        for malformed in [
            "x",
            "emr_",
            "emr_%%%",
            &tokens.refresh[..tokens.refresh.len() - 1],
            &format!("{}A", tokens.refresh),
            &format!("{} ", tokens.refresh),
            &tokens.refresh.to_uppercase(),
            &tokens.refresh.replace("emr_", "emc_"),
            &tokens.access,
            &"x".repeat(5_000),
        ] {
            refused(malformed);
        }
        // Version, route, grant, seal, proof: each byte counts.
        for at in 0..77 {
            refused(&forge(&tokens.refresh, |bytes| bytes[at] ^= 1));
        }
        refused(&of_generation(&tokens.refresh, 1));
        refused(&of_generation(&tokens.refresh, u32::MAX));
        let next = world.refreshed(&app, &tokens);
        assert!(
            world.is_active(&app, &next.access),
            "no forgery is a replay"
        );
        // Revoked, then replayed.
        let revoked = world.session(&app);
        world.send(&app.revokes(&revoked.refresh));
        refused(&revoked.refresh);
        refused(&revoked.refresh);
        // Expired; and unknown, since the store has forgotten it.
        world.around.clock.pass(30 * DAY);
        refused(&next.refresh);
        world.around.clock.pass(365 * DAY);
        if app.secret.is_some() {
            continue; // The secret has expired by then.
        }
        refused(&next.refresh);
        world
            .send(&other.refreshes(&foreign.refresh))
            .is_invalid_grant();
    }
}

#[test]
fn r19_the_client_is_authenticated_before_its_token_is_looked_at() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    let call = Call::form("/demo/oauth2/token")
        .with("grant_type", "refresh_token")
        .with("refresh_token", &tokens.refresh);
    world.send(&call).refused(401, "invalid_client");
    let bare = call.clone().with("client_id", &app.id);
    world.send(&bare).refused(401, "invalid_client");
    let wrong = call.basic(&app.id, "a-wrong-secret-that-is-long-enough-0001");
    world.send(&wrong).refused(401, "invalid_client");
    world.refreshed(&app, &tokens);
}

#[test]
fn r19_a_missing_token_is_an_invalid_request() {
    let (world, app) = world_and_app();
    for call in [
        app.refreshes(""),
        app.refreshes("x").without("refresh_token"),
    ] {
        world.send(&call).refused(400, "invalid_request");
    }
    let twice = app.refreshes("a").with("refresh_token", "b");
    world.send(&twice).refused(400, "invalid_request");
}

#[test]
fn r19_junk_reaches_no_store() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    let read = |token: &str| {
        let act = || world.send(&app.refreshes(token)).is_invalid_grant();
        world.reads_during(act)
    };
    assert_eq!(read("emr_junk"), 0);
    assert_eq!(read(&format!("emr_{}", "A".repeat(130))), 0);
    // Bytes before the generation, and the seal itself.
    for at in [0, 1, 16, 17, 32, 37, 44] {
        assert_eq!(
            read(&forge(&tokens.refresh, |bytes| bytes[at] ^= 1)),
            0,
            "{at}"
        );
    }
    let looked_at = forge(&tokens.refresh, |bytes| bytes[60] ^= 1);
    assert_eq!(read(&looked_at), 2, "the grant and its user");
    for token in [
        "emr_junk",
        "junk",
        &forge(&tokens.refresh, |bytes| bytes[3] ^= 1),
    ] {
        let revokes = || assert_eq!(world.send(&app.revokes(token)).status(), 200);
        assert_eq!(world.reads_during(revokes), 0, "{token}");
        let introspects = || assert!(!world.is_active(&app, token));
        assert_eq!(world.reads_during(introspects), 0, "{token}");
    }
}

#[test]
fn r20_scope_omitted_is_as_granted_and_a_subset_narrows_the_access_token_only() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    let narrowed = world.tokens(&app.refreshes(&tokens.refresh).with("scope", READ));
    assert_eq!(narrowed.body["scope"], READ);
    let whole = world.refreshed(&app, &narrowed);
    assert_eq!(whole.body["scope"], BOTH);
    let reversed = "api://orders/Orders.Write api://orders/Orders.Read";
    let call = app.refreshes(&whole.refresh).with("scope", reversed);
    let whole = world.tokens(&call);
    assert_eq!(whole.body["scope"], BOTH);
    let call = app
        .refreshes(&whole.refresh)
        .with("scope", "api://orders/.default");
    assert_eq!(world.scope_of(&call), BOTH);
}

#[test]
fn r20_more_than_was_granted_is_refused_and_the_token_is_not_spent() {
    let (world, app) = world_and_app();
    let tokens = world.session_for(&app, READ, "ada");
    for scope in [
        BOTH,
        "api://orders/Orders.Write",
        "api://orders/orders.read",
        BILLS,
        "api://nobody/x",
        "openid",
        "api://orders/\"",
        "api://orders/Orders.Read api://billing/Bills.Read",
        "api://orders/.default api://orders/Orders.Read",
    ] {
        let call = app.refreshes(&tokens.refresh).with("scope", scope);
        world.send(&call).refused(400, "invalid_scope");
        world.around.clock.pass(60);
    }
    let next = world.refreshed(&app, &tokens);
    assert_eq!(next.body["scope"], READ);
}

#[test]
fn r20_a_scope_that_the_api_has_withdrawn_is_left_out() {
    let (world, app) = world_and_app();
    let tokens = world.session_for(&app, &format!("{BOTH} {BILLS}"), "ada");
    let record = key("api/api://orders");
    let original = world.around.store.text(&record);
    let mut api: Value = serde_json::from_str(&original).unwrap();
    api["scopes"]
        .as_array_mut()
        .unwrap()
        .retain(|scope| scope["value"] == "Orders.Read");
    world.around.store.overwrite(&record, &api.to_string());
    let elsewhere = world.elsewhere();
    let tokens = elsewhere.refreshed(&app, &tokens);
    assert_eq!(tokens.body["scope"], READ);
    // Nothing is left of it.
    api["scopes"] = json!([]);
    world.around.store.overwrite(&record, &api.to_string());
    let elsewhere = world.elsewhere();
    let call = app.refreshes(&tokens.refresh);
    elsewhere.send(&call).refused(400, "invalid_scope");
    let call = call.with("resource", "api://billing");
    assert_eq!(elsewhere.tokens(&call).body["scope"], BILLS);
}

#[test]
fn r21_rotation_gives_a_new_token_and_the_old_one_works_no_more() {
    let world = World::demo();
    for app in [world.web(), world.spa()] {
        let mut seen = vec![world.session(&app)];
        for _ in 0..5 {
            world.around.clock.pass(60);
            let next = world.refreshed(&app, seen.last().unwrap());
            assert_eq!(next.body["scope"], BOTH);
            assert_ne!(next.access, seen.last().unwrap().access);
            assert!(seen.iter().all(|old| old.refresh != next.refresh));
            seen.push(next);
        }
        let [.., old, current] = seen.as_slice() else {
            panic!("there are several");
        };
        world.around.clock.pass(11);
        if app.secret.is_some() {
            assert!(!world.is_active(&app, &old.refresh));
            let is_active = world.is_active(&app, &current.refresh);
            assert!(is_active, "asking revokes nothing");
        }
        world.send(&app.refreshes(&old.refresh)).is_invalid_grant();
    }
}

#[test]
fn r21_one_refresh_is_one_write() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    let mut next = None;
    let refreshes = || next = Some(world.refreshed(&app, &tokens));
    assert_eq!(world.writes_during(refreshes), 1);
    let retries = || {
        assert_eq!(
            world.refreshed(&app, &tokens).refresh,
            next.unwrap().refresh
        );
    };
    assert_eq!(world.writes_during(retries), 0, "grace needs none");
}

#[test]
fn r23_a_retry_within_grace_gets_the_same_successor_and_it_works() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    let next = world.refreshed(&app, &tokens);
    for _ in 0..=10 {
        let again = world.refreshed(&app, &tokens);
        assert_eq!(again.refresh, next.refresh, "derived, not stored");
        assert_ne!(again.access, next.access);
        assert!(world.verify(&again.access).is_some());
        world.around.clock.pass(1);
    }
    // That was the eleventh second: beyond the window, which includes its last one.
    let after = world.refreshed(&app, &next);
    assert!(world.is_active(&app, &after.refresh));
}

#[test]
fn r23_grace_ends_with_its_last_second() {
    for grace in [1, 10, 300] {
        let world = World::demo();
        let app = world.web_with(json!({"grace": grace}));
        let tokens = world.session(&app);
        let next = world.refreshed(&app, &tokens);
        world.around.clock.pass(grace);
        assert_eq!(world.refreshed(&app, &tokens).refresh, next.refresh);
        world.around.clock.pass(1);
        world
            .send(&app.refreshes(&tokens.refresh))
            .is_invalid_grant();
        world.is_dead(&app, &next);
    }
}

#[test]
fn r23_without_grace_the_second_use_is_a_replay_even_in_the_same_second() {
    for pause in [0, 1, 3_600] {
        let world = World::demo();
        let app = world.web_with(json!({"grace": 0}));
        let tokens = world.session(&app);
        let next = world.refreshed(&app, &tokens);
        let next = world.refreshed(&app, &next);
        world.around.clock.pass(pause);
        world
            .send(&app.refreshes(&tokens.refresh))
            .is_invalid_grant();
        world.is_dead(&app, &next);
        let tokens = world.session(&app);
        let next = world.refreshed(&app, &tokens);
        world
            .send(&app.refreshes(&tokens.refresh))
            .is_invalid_grant();
        world.is_dead(&app, &next);
    }
}

#[test]
fn r23_a_retry_within_grace_may_ask_for_less_but_not_for_more() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    let next = world.refreshed(&app, &tokens);
    let retry = |scope| app.refreshes(&tokens.refresh).with("scope", scope);
    assert_eq!(world.tokens(&retry(READ)).refresh, next.refresh);
    world.send(&retry(BILLS)).refused(400, "invalid_scope");
    assert_eq!(world.refreshed(&app, &tokens).refresh, next.refresh);
    world.refreshed(&app, &next);
}

#[test]
fn r23_an_older_generation_is_never_revived_not_even_within_grace() {
    let world = World::demo();
    let app = world.web_with(json!({"grace": 300}));
    let first = world.session(&app);
    let second = world.refreshed(&app, &first);
    let third = world.refreshed(&app, &second);
    assert!(!world.is_active(&app, &first.refresh));
    world
        .send(&app.refreshes(&first.refresh))
        .is_invalid_grant();
    for tokens in [&second, &third] {
        world.is_dead(&app, tokens);
    }
}

#[test]
fn r23_the_successor_of_a_retry_starts_no_new_window() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    world.refreshed(&app, &tokens);
    for _ in 0..2 {
        world.around.clock.pass(5);
        world.refreshed(&app, &tokens);
    }
    world.around.clock.pass(1);
    world
        .send(&app.refreshes(&tokens.refresh))
        .is_invalid_grant();
}

#[test]
fn r23_grace_lengthens_neither_idle_nor_absolute_life() {
    let world = World::demo();
    let app = world.web_with(json!({"grace": 300, "idle": 60, "absolute": 100}));
    let tokens = world.session(&app);
    let next = world.refreshed(&app, &tokens);
    assert_eq!(next.refresh_expires_in, 60);
    world.around.clock.pass(59);
    assert_eq!(
        world.refreshed(&app, &tokens).refresh_expires_in,
        1,
        "what is left of it"
    );
    world.around.clock.pass(1);
    world
        .send(&app.refreshes(&tokens.refresh))
        .is_invalid_grant();
    world.send(&app.refreshes(&next.refresh)).is_invalid_grant();
    let tokens = world.session(&app);
    world.around.clock.pass(50);
    let next = world.refreshed(&app, &tokens);
    assert_eq!(next.refresh_expires_in, 50);
    world.around.clock.pass(49);
    assert_eq!(world.refreshed(&app, &tokens).refresh_expires_in, 1);
    world.around.clock.pass(1);
    world
        .send(&app.refreshes(&tokens.refresh))
        .is_invalid_grant();
}

#[test]
fn r24_a_replay_outside_grace_kills_the_grant() {
    let world = World::demo();
    for app in [world.web(), world.spa()] {
        for late in 1..4 {
            let mut chain = vec![world.session(&app)];
            for _ in 0..3 {
                chain.push(world.refreshed(&app, chain.last().unwrap()));
            }
            world.around.clock.pass(11);
            let bystander = world.session(&app);
            world.events();
            let replayed = &chain[chain.len() - 1 - late];
            world
                .send(&app.refreshes(&replayed.refresh))
                .is_invalid_grant();
            assert_eq!(world.reasons(), ["grant_replayed"]);
            for tokens in &chain {
                world.is_dead(&app, tokens);
            }
            assert!(
                world.is_active(&app, &bystander.access),
                "another session of the user"
            );
            world.refreshed(&app, &bystander);
        }
    }
}

#[test]
fn r24_a_stranger_cannot_kill_a_grant_with_a_spent_token() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    let next = world.refreshed(&app, &tokens);
    world.around.clock.pass(60);
    world
        .send(&world.web().refreshes(&tokens.refresh))
        .is_invalid_grant();
    world
        .send(&world.spa().refreshes(&tokens.refresh))
        .is_invalid_grant();
    world.refreshed(&app, &next);
}

#[test]
fn r25_two_refreshes_and_a_replay_inside_one_second_are_told_apart() {
    let (world, app) = world_and_app();
    let first = world.session(&app);
    let second = world.refreshed(&app, &first);
    let third = world.refreshed(&app, &second);
    assert_ne!(second.refresh, third.refresh);
    // The one before is a retry, the one before that a replay: by generation, not by time.
    assert_eq!(world.refreshed(&app, &second).refresh, third.refresh);
    world
        .send(&app.refreshes(&first.refresh))
        .is_invalid_grant();
    world.is_dead(&app, &third);
}

#[test]
fn r26_nothing_survives_a_revocation_whichever_comes_first() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    let next = world.refreshed(&app, &tokens);
    // The client gives back the token that it holds, while another tab was just given the next one.
    assert_eq!(world.send(&app.revokes(&tokens.refresh)).status(), 200);
    world.is_dead(&app, &next);
    world
        .send(&app.refreshes(&tokens.refresh))
        .is_invalid_grant();
}

#[test]
fn r26_a_write_in_between_makes_the_step_decide_again() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    world.around.store.let_a_rival_write_first();
    let next = world.refreshed(&app, &tokens);
    world.refreshed(&app, &next);
}

#[test]
fn r27_a_location_with_an_empty_memory_knows_spent_tokens() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    let next = world.elsewhere().refreshed(&app, &tokens);
    let next = world.elsewhere().refreshed(&app, &next);
    world
        .elsewhere()
        .send(&app.refreshes(&tokens.refresh))
        .is_invalid_grant();
    world.elsewhere().is_dead(&app, &next);
}

#[test]
fn r27_a_store_that_went_back_in_time_revives_nothing_and_revokes_nothing() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    let (key, old) = world.grants().remove(0);
    let next = world.refreshed(&app, &tokens);
    let next = world.refreshed(&app, &next);
    let (_, recent) = world.grants().remove(0);
    world.around.store.overwrite(&key, &old.to_string());
    world.events();
    world.send(&app.refreshes(&next.refresh)).is_invalid_grant();
    let events = world.events();
    assert_eq!(events[0].reason, "grant_ahead");
    assert_eq!(events[0].kind, edgemint::event::Kind::Failed, "an alarm");
    assert!(
        events[0]
            .detail
            .as_deref()
            .unwrap()
            .contains(&key.to_string())
    );
    world.around.store.overwrite(&key, &recent.to_string());
    world.refreshed(&app, &next);
}

#[test]
fn r28_a_refresh_survives_every_read_that_fails() {
    let world = World::demo();
    let spa = world.spa();
    // Without grace, too: what may fail is done before the token is spent.
    for app in [world.web(), spa, world.web_with(json!({"grace": 0}))] {
        for resource in [None, Some("api://billing")] {
            for number in 0.. {
                let tokens = world.session_for(&app, &format!("{BOTH} {BILLS}"), "ada");
                let elsewhere = world.elsewhere();
                let call = app.refreshes(&tokens.refresh);
                let call = match resource {
                    Some(resource) => call.with("resource", resource),
                    None => call,
                };
                world.around.store.fail_read(number);
                let answer = elsewhere.send(&call);
                if world.around.store.cancel_failing_read() {
                    assert!(number >= 5, "tenant, application, keys, grant, user, API");
                    answer.accepted();
                    break;
                }
                answer.is_unavailable();
                // However long it lasts: nothing was spent, so nothing is a replay afterwards.
                world.around.clock.pass(12);
                assert!(elsewhere.is_active(&app, &tokens.access), "read {number}");
                let next = elsewhere.tokens(&call);
                elsewhere.refreshed(&app, &next);
            }
        }
    }
}

#[test]
fn r28_a_refresh_survives_a_write_that_fails() {
    let world = World::demo();
    for app in [
        world.web(),
        world.spa(),
        world.web_with(json!({"mode": "reusable"})),
    ] {
        for fault in [PutFault::BeforeWriting, PutFault::AfterWriting] {
            let tokens = world.session(&app);
            world.around.clock.pass(1);
            world.around.store.fail_put(0, fault);
            world.send(&app.refreshes(&tokens.refresh)).is_unavailable();
            assert!(world.is_active(&app, &tokens.access));
            let next = world.refreshed(&app, &tokens);
            world.refreshed(&app, &next);
        }
    }
    let app = world.web_with(json!({"grace": 0}));
    let tokens = world.session(&app);
    world.around.store.fail_put(0, PutFault::BeforeWriting);
    world.send(&app.refreshes(&tokens.refresh)).is_unavailable();
    world.refreshed(&app, &tokens);
}

#[test]
fn r28_a_store_that_is_down_revokes_nothing() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    let next = world.refreshed(&app, &tokens);
    world.around.store.set_down(true);
    for token in [&tokens.refresh, &next.refresh] {
        world.send(&app.refreshes(token)).is_unavailable();
    }
    world.around.clock.pass(20);
    // A replay, but nobody can know.
    world.send(&app.refreshes(&tokens.refresh)).is_unavailable();
    world.around.store.set_down(false);
    world.refreshed(&app, &next);
}

#[test]
fn r28_a_signature_that_fails_loses_no_session() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    world.around.signer.set_broken(true);
    world
        .send(&app.refreshes(&tokens.refresh))
        .refused(500, "server_error");
    world.around.signer.set_broken(false);
    let next = world.refreshed(&app, &tokens);
    world.around.entropy.set_exhausted(true);
    world
        .send(&app.refreshes(&next.refresh))
        .refused(500, "server_error");
    world.around.entropy.set_exhausted(false);
    world.refreshed(&app, &next);
}

#[test]
fn r29_a_session_ends_when_it_is_idle_for_too_long() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    assert_eq!(tokens.refresh_expires_in, 30 * DAY);
    world.around.clock.pass(30 * DAY - 1);
    let tokens = world.refreshed(&app, &tokens);
    assert_eq!(tokens.refresh_expires_in, 30 * DAY, "use starts it anew");
    world.around.clock.pass(30 * DAY);
    assert!(!world.is_active(&app, &tokens.refresh));
    world
        .send(&app.refreshes(&tokens.refresh))
        .is_invalid_grant();
}

#[test]
fn r29_a_session_ends_at_its_absolute_end_however_much_it_is_used() {
    let (world, app) = world_and_app();
    let started = world.around.clock.now().secs();
    let mut tokens = world.session(&app);
    for day in (20..=80).step_by(20) {
        world
            .around
            .clock
            .set(UnixTime::from_secs(started + day * DAY));
        tokens = world.refreshed(&app, &tokens);
        let left = (90 - day) * DAY;
        assert_eq!(tokens.refresh_expires_in, left.min(30 * DAY), "day {day}");
    }
    world
        .around
        .clock
        .set(UnixTime::from_secs(started + 90 * DAY - 60));
    tokens = world.refreshed(&app, &tokens);
    assert_eq!(tokens.refresh_expires_in, 60);
    assert_eq!(
        tokens.body["expires_in"], 60,
        "no access token outlives the session"
    );
    let claims = world.verify(&tokens.access).unwrap();
    assert_eq!(claims.seconds("exp"), started + 90 * DAY);
    world.around.clock.pass(60);
    world
        .send(&app.refreshes(&tokens.refresh))
        .is_invalid_grant();
    assert!(!world.is_active(&app, &tokens.access));
}

#[test]
fn r29_what_a_store_has_forgotten_is_gone_with_the_session() {
    let world = World::demo();
    let app = world.web_with(json!({"idle": 60, "absolute": 60}));
    world.session(&app);
    assert_eq!(world.grants().len(), 1);
    world.around.clock.pass(60);
    assert_eq!(world.grants().len(), 0, "its time to live is the session's");
}

#[test]
fn r29_a_store_that_forgets_late_lengthens_nothing() {
    let world = World::demo();
    world.around.store.forget_late();
    let app = world.web_with(json!({"idle": 60, "absolute": 120}));
    let (tokens, code) = (world.session(&app), world.code(&app));
    world.around.clock.pass(60);
    world.send(&app.redeems(&code)).is_invalid_grant();
    assert_eq!(world.grants().len(), 2, "both are there still");
    world.is_dead(&app, &tokens);
    // What has ended is not revived by a longer policy.
    update(&world, &app, json!({"refresh": {}}));
    world.is_dead(&app, &tokens);
}

#[test]
fn r31_a_reusable_token_serves_until_the_session_ends() {
    let world = World::demo();
    let app = world.web_with(json!({"mode": "reusable", "idle": 3_600, "absolute": 7_200}));
    let tokens = world.session(&app);
    for _ in 0..3 {
        world.around.clock.pass(1_799);
        let again = world.refreshed(&app, &tokens);
        assert_eq!(again.refresh, tokens.refresh);
        assert_ne!(again.access, tokens.access);
    }
    assert_eq!(
        world.refreshed(&app, &tokens).refresh_expires_in,
        7_200 - 3 * 1_799
    );
    let again = || drop(world.refreshed(&app, &tokens));
    assert_eq!(
        world.writes_during(again),
        0,
        "twice in a second is one use"
    );
    world.around.clock.pass(1_803);
    world
        .send(&app.refreshes(&tokens.refresh))
        .is_invalid_grant();
    let idle = world.session(&app);
    world.around.clock.pass(3_600);
    world.send(&app.refreshes(&idle.refresh)).is_invalid_grant();
}

#[test]
fn r31_public_applications_rotate_always() {
    let world = World::demo();
    let reusable = json!({"mode": "reusable"});
    let error = world
        .try_administer(json!({"createApplication": {
            "tenant": "demo", "kind": "public", "redirectUris": [CALLBACK], "refresh": reusable,
        }}))
        .unwrap_err();
    assert_eq!(error.code(), "invalid");
    let app = world.spa();
    let error = world
        .try_administer(json!({"updateApplication": {
            "tenant": "demo", "clientId": app.id, "refresh": reusable,
        }}))
        .unwrap_err();
    assert_eq!(error.code(), "invalid");
    // And if the record says so all the same, nobody believes it.
    let record = key(&format!("application/{}", app.id));
    let text = world.around.store.text(&record);
    let forced = text.replace("\"mode\":\"rotate\"", "\"mode\":\"reusable\"");
    assert_ne!(forced, text);
    world.around.store.overwrite(&record, &forced);
    let elsewhere = world.elsewhere();
    let tokens = elsewhere.session(&app);
    let next = elsewhere.refreshed(&app, &tokens);
    assert_ne!(next.refresh, tokens.refresh);
    world.around.clock.pass(11);
    elsewhere
        .send(&app.refreshes(&tokens.refresh))
        .is_invalid_grant();
    elsewhere.is_dead(&app, &next);
}

#[test]
fn r29_a_change_of_policy_holds_for_the_sessions_that_there_are() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    world.around.clock.pass(3_600);
    // Shorter: at once.
    update(&world, &app, json!({"refresh": {"idle": 3_600}}));
    assert!(!world.is_active(&app, &tokens.access));
    world
        .send(&app.refreshes(&tokens.refresh))
        .is_invalid_grant();
    // Nothing was revoked: longer again, and it is there.
    update(
        &world,
        &app,
        json!({"refresh": {"idle": 3_601, "absolute": 7_200}}),
    );
    let tokens = world.refreshed(&app, &tokens);
    assert_eq!(tokens.refresh_expires_in, 3_600, "until its absolute end");
    update(&world, &app, json!({"refresh": {"idle": 60}}));
    let tokens = world.refreshed(&app, &tokens);
    assert_eq!(tokens.refresh_expires_in, 60);
    // Longer: from its next use on.
    update(&world, &app, json!({"refresh": {}}));
    let tokens = world.refreshed(&app, &tokens);
    assert_eq!(tokens.refresh_expires_in, 30 * DAY);
}

#[test]
fn r31_a_change_of_mode_holds_for_the_sessions_that_there_are() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    let tokens = world.refreshed(&app, &tokens);
    update(&world, &app, json!({"refresh": {"mode": "reusable"}}));
    for _ in 0..3 {
        world.around.clock.pass(60);
        assert_eq!(world.refreshed(&app, &tokens).refresh, tokens.refresh);
    }
    update(
        &world,
        &app,
        json!({"refresh": {"mode": "rotate", "grace": 0}}),
    );
    let next = world.refreshed(&app, &tokens);
    assert_ne!(next.refresh, tokens.refresh);
    world
        .send(&app.refreshes(&tokens.refresh))
        .is_invalid_grant();
    world.is_dead(&app, &next);
}

#[test]
fn r31_an_application_that_lost_refresh_tokens_refreshes_no_more() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    update(&world, &app, json!({"grantTypes": ["authorization_code"]}));
    world
        .send(&app.refreshes(&tokens.refresh))
        .refused(400, "unauthorized_client");
    assert!(!world.is_active(&app, &tokens.refresh));
    assert!(world.is_active(&app, &tokens.access));
    world.around.clock.pass(11);
    update(
        &world,
        &app,
        json!({"grantTypes": ["authorization_code", "refresh_token"]}),
    );
    world.refreshed(&app, &tokens);
}

#[test]
fn r31_a_disabled_application_refreshes_nothing_until_it_is_enabled() {
    let world = World::demo();
    for app in [world.web(), world.spa()] {
        let tokens = world.session(&app);
        let switch = |disabled| {
            world.administer(json!({"updateApplication": {
                "tenant": "demo", "clientId": app.id, "disabled": disabled,
            }}));
        };
        switch(true);
        for call in [
            app.refreshes(&tokens.refresh),
            app.revokes(&tokens.refresh),
            app.introspects(&tokens.refresh),
        ] {
            world.send(&call).refused(401, "invalid_client");
        }
        switch(false);
        world.refreshed(&app, &tokens);
    }
}

#[test]
fn r45_a_refresh_stays_within_the_apis_of_its_grant() {
    let (world, app) = world_and_app();
    let tokens = world.session_for(&app, &format!("{BOTH} {BILLS}"), "ada");
    assert_eq!(tokens.body["scope"], BOTH);
    let resource = |uri| app.refreshes(&tokens.refresh).with("resource", uri);
    world.administer(json!({"createApi": {
        "tenant": "demo", "identifier": "api://later", "scopes": [{"value": "Later.Read"}],
    }}));
    for uri in [
        "api://later",
        "api://nobody",
        "urn:edgemint:admin",
        "orders",
        "/orders",
        "api://orders#",
        "api://orders#fragment",
        "api://or ders",
    ] {
        world.send(&resource(uri)).refused(400, "invalid_target");
        world.around.clock.pass(60);
    }
    let both = resource("api://orders").with("resource", "api://billing");
    world.send(&both).refused(400, "invalid_target");
    let outside = resource("api://billing").with("scope", READ);
    world.send(&outside).refused(400, "invalid_scope");
    // None of them spent it.
    let next = world.tokens(&resource("api://billing"));
    assert_eq!(next.body["scope"], BILLS);
    assert_eq!(
        world.verify(&next.access).unwrap().claims["aud"],
        "api://billing"
    );
    let bare = app
        .refreshes(&next.refresh)
        .with("resource", "api://orders");
    let next = world.tokens(&bare.with("scope", "Orders.Read"));
    assert_eq!(next.body["scope"], READ);
    assert_eq!(
        world.refreshed(&app, &next).body["scope"],
        BOTH,
        "the first API again"
    );
}

#[test]
fn r47_sessions_outlive_a_rotation_of_the_master_key() {
    let world = World::demo();
    let apps = [world.web(), world.spa()];
    let sessions = apps.each_ref().map(|app| world.session(app));
    let rotated = world.elsewhere_with(masters(2, Some(1)));
    // Refreshed before the rotation is finished, and again after it: grace crosses it, too.
    let next = [0, 1].map(|at| rotated.refreshed(&apps[at], &sessions[at]));
    rotated.administer(json!({"resealKeys": {"tenant": "demo"}}));
    let finished = world.elsewhere_with(masters(2, None));
    let after = [0, 1].map(|at| {
        assert!(finished.is_active(&apps[at], &sessions[at].access));
        let retried = finished.refreshed(&apps[at], &sessions[at]);
        assert_eq!(retried.refresh, next[at].refresh);
        finished.refreshed(&apps[at], &next[at])
    });
    // A replay of a token from before is one, still.
    world.around.clock.pass(60);
    for ((app, tokens), after) in apps.iter().zip(&sessions).zip(&after) {
        finished
            .send(&app.refreshes(&tokens.refresh))
            .is_invalid_grant();
        finished.is_dead(app, after);
    }
}

#[test]
fn r16_no_two_sessions_share_a_token() {
    let (world, app) = world_and_app();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..20 {
        let tokens = world.session(&app);
        assert!(seen.insert(tokens.refresh.clone()));
        assert!(seen.insert(world.refreshed(&app, &tokens).refresh));
    }
}
