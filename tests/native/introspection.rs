//! Introspection: requirements 35 and 36 (RFC 7662).

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};

use crate::support::{App, BOTH, CALLBACK, Call, Token, World, key};

fn world_and_app() -> (World, App) {
    let world = World::demo();
    let app = world.web();
    (world, app)
}

/// The application's own access token.
fn own_token(world: &World, app: &App) -> String {
    let call = app
        .call("token")
        .with("grant_type", "client_credentials")
        .with("scope", "api://orders/.default");
    let body = world.send(&call).accepted();
    body["access_token"].as_str().unwrap().to_owned()
}

/// The token with its header and claims changed, and its signature kept.
fn tamper(compact: &str, change: impl FnOnce(&mut Value, &mut Value)) -> String {
    let Token {
        mut header,
        mut claims,
        ..
    } = Token::read(compact);
    change(&mut header, &mut claims);
    let encode = |json: &Value| Base64UrlUnpadded::encode_string(json.to_string().as_bytes());
    let (_, signature) = compact.rsplit_once('.').unwrap();
    format!("{}.{}.{signature}", encode(&header), encode(&claims))
}

#[test]
fn r36_an_access_token_of_a_user_says_what_it_is() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    let answer = world.send(&app.introspects(&tokens.access));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let claims = Token::read(&tokens.access).claims;
    let expected = json!({
        "active": true,
        "token_type": "Bearer",
        "iss": "https://auth.example.com/demo",
        "sub": "ada",
        "aud": "api://orders",
        "client_id": app.id,
        "scope": BOTH,
        "iat": claims["iat"],
        "nbf": claims["nbf"],
        "exp": claims["exp"],
        "jti": claims["jti"],
        "sid": claims["sid"],
        "tid": claims["tid"],
    });
    assert_eq!(answer.accepted(), expected);
}

#[test]
fn r36_an_applications_own_token_says_its_roles() {
    let (world, app) = world_and_app();
    world.assign(&app.id, "api://orders", &["Orders.Read.All"]);
    let token = own_token(&world, &app);
    let seen = world.send(&app.introspects(&token)).accepted();
    assert_eq!(seen["active"], true);
    assert_eq!(seen["roles"], json!(["Orders.Read.All"]));
    assert_eq!(seen["sub"], app.id.as_str());
    assert_eq!(seen.get("sid"), None);
}

#[test]
fn r36_a_refresh_token_says_what_was_granted_and_until_when() {
    let (world, app) = world_and_app();
    let scope = format!("{BOTH} api://billing/Bills.Read");
    let started = world.around.clock.now().secs();
    let tokens = world.session_for(&app, &scope, "ada");
    world.around.clock.pass(100);
    let tokens = world.refreshed(&app, &tokens);
    world.around.clock.pass(50);
    let expected = json!({
        "active": true,
        "iss": "https://auth.example.com/demo",
        "sub": "ada",
        "client_id": app.id,
        "scope": scope,
        "iat": started,
        "exp": started + 100 + 30 * 86_400,
        "tid": Token::read(&tokens.access).claims["tid"],
    });
    assert_eq!(
        world.send(&app.introspects(&tokens.refresh)).accepted(),
        expected
    );
    let asks = || assert!(world.is_active(&app, &tokens.refresh));
    assert_eq!(world.writes_during(asks), 0, "asking is no use");
}

#[test]
fn r36_whoever_asks_must_authenticate() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    let call = Call::form("/demo/oauth2/introspect").with("token", &tokens.access);
    let public = world.spa();
    let own = world.session(&public);
    for call in [
        call.clone(),
        call.clone().with("client_id", &app.id),
        call.clone()
            .basic(&app.id, "a-wrong-secret-that-is-long-enough-0001"),
        call.clone()
            .basic("nobody", "a-wrong-secret-that-is-long-enough-0001"),
        call.authorization(&format!("Bearer {}", tokens.access)),
        // A public client proves nothing, not even for its own tokens.
        public.introspects(&own.access),
        public.introspects(&own.refresh),
        public.introspects("junk"),
    ] {
        let answer = world.send(&call);
        answer.refused(401, "invalid_client");
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(challenge.starts_with("Basic "), "{challenge}");
    }
}

#[test]
fn r36_a_token_must_be_named() {
    let (world, app) = world_and_app();
    world
        .send(&app.call("introspect"))
        .refused(400, "invalid_request");
    let answer = world.send(&app.introspects("x").method("GET"));
    assert_eq!(
        (answer.status(), answer.header("allow")),
        (405, Some("POST"))
    );
}

#[test]
fn r36_what_is_unknown_is_inactive_and_says_nothing_else() {
    let (world, app) = world_and_app();
    let code = world.code(&app);
    for token in [
        "junk",
        "emr_junk",
        "a.b.c",
        "e30.e30.e30",
        "..",
        ".",
        "\u{fc}",
        &code,
    ] {
        let answer = world.send(&app.introspects(token));
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.0.body, r#"{"active":false}"#);
    }
    world.tokens(&app.redeems(&code));
}

#[test]
fn r36_another_clients_token_is_inactive_unless_its_api_may_ask() {
    let (world, app) = world_and_app();
    let tokens = world.session_for(&app, &format!("{BOTH} api://billing/Bills.Read"), "ada");
    let call = app
        .refreshes(&tokens.refresh)
        .with("resource", "api://billing");
    let billing = world.tokens(&call);
    let stranger = world.web();
    let orders = world.app(json!({"introspects": ["api://orders"]}));
    assert!(!world.is_active(&stranger, &billing.access));
    assert!(world.is_active(&orders, &tokens.access));
    assert!(!world.is_active(&orders, &billing.access), "another API's");
    for asker in [&stranger, &orders] {
        // A refresh token is its own client's only.
        assert!(!world.is_active(asker, &billing.refresh));
    }
    world.send(&app.revokes(&billing.refresh));
    assert!(!world.is_active(&orders, &tokens.access));
    let error = world
        .try_administer(json!({"createApplication": {
            "tenant": "demo", "kind": "public", "introspects": ["api://orders"],
        }}))
        .unwrap_err();
    assert_eq!(error.code(), "invalid");
}

#[test]
fn r36_time_is_checked() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    let own = own_token(&world, &app);
    world.around.clock.pass(3_599);
    assert!(world.is_active(&app, &tokens.access));
    assert!(world.is_active(&app, &own));
    world.around.clock.pass(1);
    assert!(!world.is_active(&app, &tokens.access));
    assert!(!world.is_active(&app, &own));
    assert!(world.is_active(&app, &tokens.refresh));
}

#[test]
fn r36_the_signature_is_checked() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    let stays = tamper(&tokens.access, |_, _| {});
    assert_eq!(
        world.is_active(&app, &stays),
        stays == tokens.access,
        "the helper may order members otherwise"
    );
    for forged in [
        tamper(&tokens.access, |_, claims| claims["sub"] = json!("eve")),
        tamper(&tokens.access, |_, claims| {
            claims["exp"] = json!(9_000_000_000_u64);
        }),
        tamper(&tokens.access, |header, _| header["alg"] = json!("none")),
        tamper(&tokens.access, |header, _| header["alg"] = json!("HS256")),
        tamper(&tokens.access, |header, _| header["typ"] = json!("JWT")),
        tamper(&tokens.access, |header, _| header["kid"] = json!("another")),
        format!("{}.", tokens.access.rsplit_once('.').unwrap().0),
        format!("{}A", tokens.access),
        format!("x{}", tokens.access),
        tokens.access.replace('.', ".."),
    ] {
        assert!(!world.is_active(&app, &forged), "{forged}");
    }
    assert!(world.is_active(&app, &tokens.access));
}

#[test]
fn r36_a_token_of_another_tenant_is_inactive() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    world.administer(json!({"createTenant": {"tenant": "other"}}));
    world.administer(json!({"createApplication": {
        "tenant": "other", "clientId": app.id, "redirectUris": [CALLBACK],
    }}));
    let secret = "a-secret-of-the-other-tenant-that-is-long";
    world.administer(json!({"addSecret": {
        "tenant": "other", "clientId": app.id, "secret": secret,
    }}));
    for token in [&tokens.access, &tokens.refresh] {
        let call = Call::form("/other/oauth2/introspect")
            .basic(&app.id, secret)
            .with("token", token);
        assert_eq!(world.send(&call).accepted(), json!({"active": false}));
    }
}

#[test]
fn r36_tokens_of_a_disabled_application_are_inactive() {
    let (world, app) = world_and_app();
    let (tokens, own) = (world.session(&app), own_token(&world, &app));
    let orders = world.app(json!({"introspects": ["api://orders"]}));
    assert!(world.is_active(&orders, &tokens.access));
    assert!(world.is_active(&orders, &own));
    world.administer(json!({"updateApplication": {
        "tenant": "demo", "clientId": app.id, "disabled": true,
    }}));
    assert!(!world.is_active(&orders, &tokens.access));
    assert!(!world.is_active(&orders, &own));
}

#[test]
fn r36_a_key_that_was_retired_and_is_gone_vouches_for_nothing() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    world.administer(json!({"rotateKey": {"tenant": "demo", "algorithm": "ES256", "starts": 0}}));
    assert!(
        world.is_active(&app, &tokens.access),
        "retired, still published"
    );
    let renewed = world.refreshed(&app, &tokens);
    assert!(world.is_active(&app, &renewed.access));
    // The ring without its old key, as after the next rotation.
    let ring = key("keys");
    let mut stored: Value = serde_json::from_str(&world.around.store.text(&ring)).unwrap();
    let kid = Token::read(&tokens.access).kid().to_owned();
    stored["keys"]
        .as_array_mut()
        .unwrap()
        .retain(|key| !key.to_string().contains(&kid));
    world.around.store.overwrite(&ring, &stored.to_string());
    let elsewhere = world.elsewhere();
    assert!(!elsewhere.is_active(&app, &tokens.access));
    assert!(elsewhere.is_active(&app, &renewed.access));
}

#[test]
fn r28_introspection_says_that_it_does_not_know_rather_than_inactive() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    for token in [&tokens.access, &tokens.refresh] {
        for number in 0.. {
            let elsewhere = world.elsewhere();
            world.around.store.fail_read(number);
            let answer = elsewhere.send(&app.introspects(token));
            if world.around.store.cancel_failing_read() {
                assert!(number >= 5, "tenant, application, keys, grant, user");
                break;
            }
            // Keys that could not be read at first may have been read again.
            if answer.status() == 200 {
                assert_eq!(answer.json()["active"], true);
            } else {
                answer.is_unavailable();
            }
            assert!(elsewhere.is_active(&app, token));
        }
    }
    world.around.signer.set_broken(true);
    world
        .send(&app.introspects(&tokens.access))
        .refused(500, "server_error");
}
