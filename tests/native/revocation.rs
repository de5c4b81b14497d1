//! Revocation: requirements 34 and 35 (RFC 7009).

use serde_json::json;

use crate::support::{App, CALLBACK, Call, PutFault, World};

fn world_and_app() -> (World, App) {
    let world = World::demo();
    let app = world.web();
    (world, app)
}

/// Revokes, which must be answered with nothing.
#[track_caller]
fn revoked(world: &World, call: &Call) {
    let answer = world.send(call);
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(answer.0.body, "");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[test]
fn r34_unknown_and_already_revoked_tokens_are_200() {
    let world = World::demo();
    for app in [world.web(), world.spa()] {
        let tokens = world.session(&app);
        for token in [
            "junk",
            "emr_junk",
            "emr_",
            "a.b.c",
            "e30.e30.e30",
            "\u{fc}",
            &"x".repeat(5_000),
        ] {
            revoked(&world, &app.revokes(token));
        }
        for _ in 0..3 {
            revoked(&world, &app.revokes(&tokens.refresh));
        }
        revoked(&world, &app.revokes(&tokens.access));
        world.is_dead(&app, &tokens);
    }
}

#[test]
fn r34_a_wrong_hint_does_not_matter() {
    let (world, app) = world_and_app();
    for hint in ["access_token", "refresh_token", "id_token", "nonsense", ""] {
        let tokens = world.session(&app);
        revoked(
            &world,
            &app.revokes(&tokens.refresh).with("token_type_hint", hint),
        );
        world.is_dead(&app, &tokens);
        let tokens = world.session(&app);
        revoked(
            &world,
            &app.revokes(&tokens.access).with("token_type_hint", hint),
        );
        world.is_dead(&app, &tokens);
    }
}

#[test]
fn r34_another_clients_token_stays_valid() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    for stranger in [world.web(), world.spa()] {
        revoked(&world, &stranger.revokes(&tokens.refresh));
        revoked(&world, &stranger.revokes(&tokens.access));
    }
    assert!(world.is_active(&app, &tokens.access));
    world.refreshed(&app, &tokens);
}

#[test]
fn r34_a_code_is_not_revoked_as_a_token() {
    let (world, app) = world_and_app();
    let code = world.code(&app);
    revoked(&world, &app.revokes(&code));
    world.tokens(&app.redeems(&code));
}

#[test]
fn r34_a_token_of_another_tenant_stays_valid() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    world.administer(json!({"createTenant": {"tenant": "other"}}));
    world.administer(json!({"createApplication": {
        "tenant": "other", "clientId": app.id, "kind": "public", "redirectUris": [CALLBACK],
    }}));
    for token in [&tokens.refresh, &tokens.access] {
        let call = Call::form("/other/oauth2/revoke").with("client_id", &app.id);
        revoked(&world, &call.with("token", token));
    }
    assert!(world.is_active(&app, &tokens.access));
    world.refreshed(&app, &tokens);
}

#[test]
fn r34_the_client_must_authenticate_and_name_a_token() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    let call = Call::form("/demo/oauth2/revoke").with("token", &tokens.refresh);
    world.send(&call).refused(401, "invalid_client");
    let bare = call.clone().with("client_id", &app.id);
    world.send(&bare).refused(401, "invalid_client");
    let wrong = call.basic(&app.id, "a-wrong-secret-that-is-long-enough-0001");
    world.send(&wrong).refused(401, "invalid_client");
    world
        .send(&app.call("revoke"))
        .refused(400, "invalid_request");
    world
        .send(&app.revokes("a").with("token", "b"))
        .refused(400, "invalid_request");
    let in_url = app.revokes("a").target("/demo/oauth2/revoke?token=b");
    world.send(&in_url).refused(400, "invalid_request");
    let answer = world.send(&app.revokes("a").method("GET"));
    assert_eq!(
        (answer.status(), answer.header("allow")),
        (405, Some("POST"))
    );
    world.refreshed(&app, &tokens);
}

#[test]
fn r35_revoking_a_refresh_token_revokes_its_grant() {
    let world = World::demo();
    for app in [world.web(), world.spa()] {
        let first = world.session(&app);
        let second = world.refreshed(&app, &first);
        let bystander = world.session(&app);
        revoked(&world, &app.revokes(&second.refresh));
        for tokens in [&first, &second] {
            world.is_dead(&app, tokens);
        }
        assert!(world.is_active(&app, &bystander.access));
        world.refreshed(&app, &bystander);
    }
}

#[test]
fn r35_a_spent_refresh_token_still_revokes_its_grant() {
    let (world, app) = world_and_app();
    let first = world.session(&app);
    let second = world.refreshed(&app, &first);
    world.around.clock.pass(3_600);
    revoked(&world, &app.revokes(&first.refresh));
    world.is_dead(&app, &second);
}

#[test]
fn r35_revoking_an_access_token_of_a_session_ends_the_session() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    revoked(&world, &app.revokes(&tokens.access));
    world.is_dead(&app, &tokens);
    // One that has expired tells nothing any more.
    let tokens = world.session(&app);
    world.around.clock.pass(3_600);
    revoked(&world, &app.revokes(&tokens.access));
    world.refreshed(&app, &tokens);
}

#[test]
fn r34_a_token_that_comes_from_no_grant_cannot_be_revoked() {
    let (world, app) = world_and_app();
    let own = app
        .call("token")
        .with("grant_type", "client_credentials")
        .with("scope", "api://orders/.default");
    let own = world.send(&own).accepted();
    let own = own["access_token"].as_str().unwrap();
    world
        .send(&app.revokes(own))
        .refused(400, "unsupported_token_type");
    revoked(&world, &world.web().revokes(own));
    assert!(world.is_active(&app, own));
}

#[test]
fn r28_a_revocation_that_failed_can_be_repeated() {
    let (world, app) = world_and_app();
    for fault in [PutFault::BeforeWriting, PutFault::AfterWriting] {
        for kind in 0..2 {
            let tokens = world.session(&app);
            let token = [&tokens.refresh, &tokens.access][kind];
            world.around.store.fail_put(0, fault);
            world.send(&app.revokes(token)).is_unavailable();
            revoked(&world, &app.revokes(token));
            world.is_dead(&app, &tokens);
        }
    }
    for number in 0.. {
        let tokens = world.session(&app);
        let elsewhere = world.elsewhere();
        world.around.store.fail_read(number);
        let answer = elsewhere.send(&app.revokes(&tokens.access));
        if world.around.store.cancel_failing_read() {
            assert!(number >= 5, "tenant, application, keys, grant, user");
            break;
        }
        // Keys that could not be read at first may have been read again.
        if answer.status() != 200 {
            answer.is_unavailable();
            revoked(&elsewhere, &app.revokes(&tokens.access));
        }
        elsewhere.is_dead(&app, &tokens);
    }
}

#[test]
fn r35_a_revocation_is_seen_everywhere_at_once() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    let elsewhere = world.elsewhere();
    assert!(elsewhere.is_active(&app, &tokens.access));
    revoked(&world, &app.revokes(&tokens.refresh));
    elsewhere.is_dead(&app, &tokens);
}
