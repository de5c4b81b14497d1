//! The authorization code: requirements 28, 30, 32, 33 and 45 (RFC 6749 section 4.1, RFC 7636, RFC 9207).

use std::rc::Rc;

use base64ct::{Base64UrlUnpadded, Encoding};
use edgemint::{ConfigError, Issuer};
use serde_json::json;

use crate::support::{
    Answer, App, BOTH, CALLBACK, CHALLENGE, Call, LOGIN, PutFault, READ, STATE, Surroundings,
    TestHost, VERIFIER, World, config, key, masters,
};

const ISSUER: &str = "https://auth.example.com/demo";
const BILLS: &str = "api://billing/Bills.Read";

fn world_and_app() -> (World, App) {
    let world = World::demo();
    let app = world.web();
    (world, app)
}

/// Checks that a person sees why, and that the browser is sent nowhere.
#[track_caller]
fn is_page(answer: &Answer, status: u16) {
    assert_eq!(answer.status(), status, "{answer:?}");
    assert_eq!(answer.header("location"), None, "{answer:?}");
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(answer.0.body.starts_with("<!doctype html>"), "{answer:?}");
    assert!(!answer.mentions("evil"), "{answer:?}");
}

#[test]
fn r32_a_user_signs_in_and_the_application_gets_tokens() {
    let world = World::demo();
    for app in [world.web(), world.spa()] {
        let code = world.code(&app);
        assert!(code.starts_with("emc_"), "scanners know it: {code}");
        let answer = world.send(&app.redeems(&code));
        let body = answer.accepted();
        let members: Vec<&String> = body.as_object().unwrap().keys().collect();
        let expected = [
            "access_token",
            "expires_in",
            "refresh_token",
            "refresh_token_expires_in",
            "scope",
            "token_type",
        ];
        assert_eq!(members, expected);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("pragma"), Some("no-cache"));
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["scope"], BOTH);
        assert_eq!(body["refresh_token_expires_in"], 30 * 86_400);
        assert!(body["refresh_token"].as_str().unwrap().starts_with("emr_"));
        let token = world.token(&answer);
        assert_eq!(token.header["typ"], "at+jwt");
        assert_eq!(
            body["expires_in"],
            token.seconds("exp") - token.seconds("iat")
        );
        for (claim, value) in [
            ("iss", ISSUER),
            ("sub", "ada"),
            ("aud", "api://orders"),
            ("client_id", &app.id),
            ("azp", &app.id),
            ("scope", BOTH),
        ] {
            assert_eq!(token.claims[claim], value, "{claim}");
        }
        assert!(token.claims["sid"].is_string());
        assert_eq!(
            token.claims.get("roles"),
            None,
            "roles are an application's own"
        );
    }
}

#[test]
fn r32_an_application_without_refresh_tokens_gets_none() {
    let world = World::demo();
    let app = world.app(json!({
        "redirectUris": [CALLBACK], "grantTypes": ["authorization_code"],
    }));
    let code = world.code(&app);
    let body = world.send(&app.redeems(&code)).accepted();
    let members: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(
        members,
        ["access_token", "expires_in", "scope", "token_type"]
    );
    let access = body["access_token"].as_str().unwrap();
    assert!(
        world.is_active(&app, access),
        "its session is there all the same"
    );
    world
        .send(&app.refreshes("emr_x"))
        .refused(400, "unauthorized_client");
}

#[test]
fn r33_iss_and_state_are_in_every_answer() {
    let (world, app) = world_and_app();
    let back = world.complete(&world.handle(&app.asks(BOTH)), json!({"subject": "ada"}));
    assert_eq!(back.uri, CALLBACK);
    assert_eq!((back.get("iss"), back.get("state")), (ISSUER, STATE));
    let back = world.follow(&app.asks("api://nobody/x"));
    assert_eq!(back.uri, CALLBACK);
    assert_eq!((back.get("iss"), back.get("state")), (ISSUER, STATE));
    let handle = world.handle(&app.asks(BOTH).without("state"));
    let back = world.complete(&handle, json!({"subject": "ada"}));
    assert_eq!(back.query.get("state"), None, "none was given");
    assert_eq!(back.get("iss"), ISSUER);
}

#[test]
fn r32_pkce_is_required_and_by_s256_only() {
    let (world, app) = world_and_app();
    let ask = app.asks(BOTH);
    for bad in [
        ask.clone().without("code_challenge"),
        ask.clone()
            .without("code_challenge")
            .without("code_challenge_method"),
        // It is "plain" where it is not given: RFC 7636 section 4.3.
        ask.clone().without("code_challenge_method"),
        ask.clone().but("code_challenge_method", "plain"),
        ask.clone().but("code_challenge_method", "s256"),
        ask.clone().but("code_challenge", &CHALLENGE[1..]),
        ask.clone().but("code_challenge", &format!("{CHALLENGE}A")),
        ask.but("code_challenge", &CHALLENGE.replace('-', "+")),
    ] {
        let back = world.follow(&bad);
        assert_eq!(back.uri, CALLBACK);
        assert_eq!(back.get("error"), "invalid_request");
        assert_eq!(back.query.get("code"), None);
    }
    let code = world.code(&app);
    let call = app.redeems(&code).without("code_verifier");
    world.send(&call).refused(400, "invalid_request");
    world.tokens(&app.redeems(&code));
}

#[test]
fn r32_a_wrong_verifier_client_or_redirect_uri_is_refused_and_burns_nothing() {
    let (world, app) = world_and_app();
    let (other, public) = (world.web(), world.spa());
    let code = world.code(&app);
    let call = app.redeems(&code);
    let other_verifier = VERIFIER.replace('d', "e");
    for bad in [
        call.clone()
            .without("code_verifier")
            .with("code_verifier", &other_verifier),
        call.clone()
            .without("code_verifier")
            .with("code_verifier", "too-short"),
        call.clone()
            .without("code_verifier")
            .with("code_verifier", CHALLENGE),
        call.clone()
            .without("redirect_uri")
            .with("redirect_uri", "https://app.example.com/"),
        call.clone()
            .without("redirect_uri")
            .with("redirect_uri", &format!("{CALLBACK}/")),
        call.clone().without("redirect_uri"),
        other.redeems(&code),
        public.redeems(&code),
    ] {
        world.send(&bad).is_invalid_grant();
    }
    world.tokens(&call);
}

#[test]
fn r32_a_redirect_uri_that_was_not_named_is_not_named_at_the_token_endpoint_either() {
    let (world, app) = world_and_app();
    let code = world.code_for(&app.asks(BOTH).without("redirect_uri"), "ada");
    world.send(&app.redeems(&code)).is_invalid_grant();
    world.tokens(&app.redeems(&code).without("redirect_uri"));
}

#[test]
fn r32_a_code_lives_sixty_seconds() {
    let (world, app) = world_and_app();
    let (first, second) = (world.code(&app), world.code(&app));
    world.around.clock.pass(59);
    world.tokens(&app.redeems(&first));
    world.around.clock.pass(1);
    world.send(&app.redeems(&second)).is_invalid_grant();
}

#[test]
fn r32_a_code_serves_once_and_its_second_use_revokes_the_grant() {
    let (world, app) = world_and_app();
    for pause in [0, 1, 3_600] {
        let code = world.code(&app);
        let tokens = world.tokens(&app.redeems(&code));
        let tokens = world.refreshed(&app, &tokens);
        world.around.clock.pass(pause);
        world.events();
        world.send(&app.redeems(&code)).is_invalid_grant();
        assert_eq!(
            world.reasons(),
            ["grant_code_replayed"],
            "the operator hears of it"
        );
        world.is_dead(&app, &tokens);
    }
}

#[test]
fn r32_a_thief_of_the_code_alone_can_neither_use_it_nor_end_the_session() {
    let (world, app) = world_and_app();
    let code = world.code(&app);
    let tokens = world.tokens(&app.redeems(&code));
    let other_verifier = VERIFIER.replace('d', "e");
    let thief = app
        .redeems(&code)
        .without("code_verifier")
        .with("code_verifier", &other_verifier);
    world.send(&thief).is_invalid_grant();
    world.send(&world.web().redeems(&code)).is_invalid_grant();
    assert!(world.is_active(&app, &tokens.access));
    world.refreshed(&app, &tokens);
}

#[test]
fn r32_a_code_is_no_refresh_token_and_the_other_way_round() {
    let (world, app) = world_and_app();
    let code = world.code(&app);
    world.send(&app.refreshes(&code)).is_invalid_grant();
    let disguised = code.replace("emc_", "emr_");
    world.send(&app.refreshes(&disguised)).is_invalid_grant();
    let tokens = world.tokens(&app.redeems(&code));
    world.send(&app.redeems(&tokens.refresh)).is_invalid_grant();
    let disguised = tokens.refresh.replace("emr_", "emc_");
    world.send(&app.redeems(&disguised)).is_invalid_grant();
    world.refreshed(&app, &tokens);
}

#[test]
fn r32_the_redirect_uri_is_compared_exactly() {
    let (world, app) = world_and_app();
    for bad in [
        "https://app.example.com/callback/",
        "https://app.example.com/callback?x=1",
        "https://app.example.com/CALLBACK",
        "https://App.example.com/callback",
        "https://app.example.com:443/callback",
        "https://app.example.com/callback#f",
        "https://app.example.com/%63allback",
        "https://app.example.com/x/../callback",
        "https://app.example.com.evil.example/callback",
        "https://app.example.com@evil.example/callback",
        "https://evil.example/callback",
        "http://app.example.com/callback",
        "//app.example.com/callback",
        "javascript:alert(1)//evil",
        "callback",
        " https://app.example.com/callback",
    ] {
        is_page(
            &world.send(&app.asks(BOTH).but("redirect_uri", bad).call()),
            400,
        );
    }
}

#[test]
fn r32_only_the_port_of_a_loopback_redirect_uri_may_differ() {
    let world = World::demo();
    let app = world.app(json!({"kind": "public", "redirectUris": [
        "http://127.0.0.1/cb", "http://[::1]/cb", "http://localhost:3000/cb", "com.example.app:/cb",
    ]}));
    for good in [
        "http://127.0.0.1/cb",
        "http://127.0.0.1:51004/cb",
        "http://[::1]:51004/cb",
        "http://localhost:3000/cb",
        "com.example.app:/cb",
    ] {
        let ask = app.asks(BOTH).but("redirect_uri", good);
        let back = world.complete(&world.handle(&ask), json!({"subject": "ada"}));
        assert_eq!(back.uri, good);
        // The one that was asked for, and not the one that is registered.
        let call = app.redeems(back.get("code")).without("redirect_uri");
        world.tokens(&call.with("redirect_uri", good));
    }
    for bad in [
        "http://127.0.0.1:51004/other",
        "http://127.0.0.2:51004/cb",
        "http://127.0.0.1:51004@evil.example/cb",
        "http://127.0.0.1:x/cb",
        "https://127.0.0.1:51004/cb",
        "http://localhost:51004/cb",
        "com.example.app:/cb2",
    ] {
        is_page(
            &world.send(&app.asks(BOTH).but("redirect_uri", bad).call()),
            400,
        );
    }
}

#[test]
fn r32_an_error_before_the_redirect_uri_is_trusted_is_a_page_and_sends_nobody_anywhere() {
    let (world, app) = world_and_app();
    let ask = app.asks(BOTH);
    let several = world.app(json!({"redirectUris": [CALLBACK, "https://app.example.com/2"]}));
    let none = world.app(json!({}));
    let disabled = world.web();
    world.administer(json!({"updateApplication": {
        "tenant": "demo", "clientId": disabled.id, "disabled": true,
    }}));
    for (bad, status) in [
        (ask.clone().without("client_id"), 400),
        (ask.clone().but("client_id", "nobody"), 400),
        (ask.clone().but("client_id", "evil\n"), 400),
        (ask.clone().with("state", "twice"), 400),
        (ask.clone().with("client_id", &app.id), 400),
        (ask.clone().but("state", &"x".repeat(4_096)), 414),
        (several.asks(BOTH).without("redirect_uri"), 400),
        (none.asks(BOTH), 400),
        (none.asks(BOTH).without("redirect_uri"), 400),
        (disabled.asks(BOTH), 400),
    ] {
        is_page(&world.send(&bad.call()), status);
    }
    for (target, status) in [
        ("/nobody/oauth2/authorize?client_id=x", 404),
        ("/demo/oauth2/authorize", 400),
        ("/demo/oauth2/authorize?client_id=%zz", 400),
        ("/demo/oauth2/authorize?client_id=%ff", 400),
    ] {
        is_page(&world.get(target), status);
    }
    let elsewhere = world.elsewhere();
    world.around.store.set_down(true);
    let answer = elsewhere.send(&ask.call());
    is_page(&answer, 503);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(!answer.mentions(crate::support::STORE_DETAIL));
}

#[test]
fn r32_an_error_after_the_redirect_uri_is_trusted_goes_to_the_application() {
    let (world, app) = world_and_app();
    let ask = app.asks(BOTH);
    let not_for_users = world.app(json!({
        "redirectUris": [CALLBACK], "grantTypes": ["client_credentials"],
    }));
    let resource = |uri| ask.clone().without("scope").with("resource", uri);
    for (bad, error) in [
        (ask.clone().without("response_type"), "invalid_request"),
        (
            ask.clone().but("response_type", "token"),
            "unsupported_response_type",
        ),
        (
            ask.clone().but("response_type", "code id_token"),
            "unsupported_response_type",
        ),
        (
            ask.clone().with("response_mode", "fragment"),
            "invalid_request",
        ),
        (
            ask.clone().with("response_mode", "form_post"),
            "invalid_request",
        ),
        (ask.clone().without("scope"), "invalid_scope"),
        (ask.clone().but("scope", "openid"), "invalid_scope"),
        (ask.clone().but("scope", "api://nobody/x"), "invalid_scope"),
        (
            ask.clone().but("scope", "api://orders/Orders.Delete"),
            "invalid_scope",
        ),
        // What an application may do for itself is not what it may do for a user.
        (
            ask.clone().but("scope", "api://orders/Orders.Read.All"),
            "invalid_scope",
        ),
        (ask.clone().but("scope", "api://orders/\""), "invalid_scope"),
        (
            ask.clone().but("scope", "urn:edgemint:admin/.default"),
            "invalid_scope",
        ),
        (resource("api://nobody"), "invalid_target"),
        (resource("orders"), "invalid_target"),
        (resource("api://orders#f"), "invalid_target"),
        (
            ask.clone().with("resource", "api://billing"),
            "invalid_scope",
        ),
        (not_for_users.asks(BOTH), "unauthorized_client"),
    ] {
        let back = world.follow(&bad);
        assert_eq!(back.uri, CALLBACK);
        assert_eq!(back.get("error"), error, "{back:?}");
        assert_eq!((back.get("iss"), back.get("state")), (ISSUER, STATE));
        assert!(crate::support::is_description(
            back.get("error_description")
        ));
        assert_eq!(back.query.get("code"), None);
        assert_eq!(world.events().len(), 1, "the operator hears of it");
    }
    world.tokens(&app.redeems(&world.code_for(&ask.with("response_mode", "query"), "ada")));
}

#[test]
fn r28_a_store_that_fails_once_the_redirect_uri_is_trusted_is_told_to_the_application() {
    let (world, app) = world_and_app();
    let elsewhere = world.elsewhere();
    // Tenant and application are read first, then the API.
    world.around.store.fail_read(2);
    let back = elsewhere.follow(&app.asks(BOTH));
    assert_eq!(back.get("error"), "temporarily_unavailable");
    assert!(!format!("{back:?}").contains(crate::support::STORE_DETAIL));
    elsewhere.handle(&app.asks(BOTH));
}

#[test]
fn r32_a_tenant_without_a_login_page_says_so_to_the_application() {
    let world = World::empty();
    world.administer(json!({"createTenant": {"tenant": "demo"}}));
    world.administer(json!({"createApi": {
        "tenant": "demo", "identifier": "api://orders",
        "scopes": [{"value": "Orders.Read"}],
    }}));
    let app = world.web();
    assert_eq!(world.follow(&app.asks(READ)).get("error"), "server_error");
    world.administer(json!({"updateTenant": {
        "tenant": "demo", "loginUrl": format!("{LOGIN}?theme=dark"),
    }}));
    let login = world.follow(&app.asks(READ));
    assert_eq!((login.uri.as_str(), login.get("theme")), (LOGIN, "dark"));
    assert!(login.get("handle").len() > 100);
}

#[test]
fn r32_a_redirect_uri_keeps_its_own_query() {
    let world = World::demo();
    let uri = format!("{CALLBACK}?tenant=a%26b");
    let app = world.app(json!({"redirectUris": [uri]}));
    let back = world.follow(&app.asks("openid").but("redirect_uri", &uri));
    assert_eq!((back.uri.as_str(), back.get("tenant")), (CALLBACK, "a&b"));
    assert_eq!(back.get("error"), "invalid_scope");
    let ask = app.asks(BOTH).but("redirect_uri", &uri);
    let back = world.complete(&world.handle(&ask), json!({"subject": "ada"}));
    assert_eq!(back.get("tenant"), "a&b");
    let call = app.redeems(back.get("code")).without("redirect_uri");
    world.tokens(&call.with("redirect_uri", &uri));
}

#[test]
fn r32_the_endpoint_takes_get_only() {
    let (world, app) = world_and_app();
    for method in ["POST", "HEAD", "PUT", "OPTIONS"] {
        let answer = world.send(&app.asks(BOTH).call().method(method));
        assert_eq!(answer.status(), 405, "{method}");
        assert_eq!(answer.header("allow"), Some("GET"));
    }
}

#[test]
fn r32_nothing_is_stored_before_the_user_has_signed_in() {
    let (world, app) = world_and_app();
    assert_eq!(
        world.writes_during(|| drop(world.handle(&app.asks(BOTH)))),
        0
    );
    let handle = world.handle(&app.asks(BOTH));
    let act = json!({"denyAuthorization": {"handle": handle}});
    assert_eq!(world.writes_during(|| drop(world.act(act))), 0);
    let completes = || drop(world.complete(&handle, json!({"subject": "ada"})));
    assert_eq!(world.writes_during(completes), 1);
}

#[test]
fn r45_a_grant_may_be_for_several_apis_and_a_token_is_for_one_of_them() {
    let (world, app) = world_and_app();
    let scope = format!("{BILLS} {BOTH}");
    let ask = app.asks(&scope);
    let code = || world.code_for(&ask, "ada");
    assert_eq!(
        world.scope_of(&app.redeems(&code())),
        BILLS,
        "the first one named"
    );
    let call = app.redeems(&code()).with("resource", "api://orders");
    assert_eq!(world.scope_of(&call), BOTH);
    let code = code();
    for (resource, error) in [
        ("api://nobody", "invalid_target"),
        ("orders", "invalid_target"),
        ("api://orders#fragment", "invalid_target"),
    ] {
        let call = app.redeems(&code).with("resource", resource);
        world.send(&call).refused(400, error);
    }
    let call = app.redeems(&code).with("resource", "api://orders");
    let call = call.with("resource", "api://billing");
    world.send(&call).refused(400, "invalid_target");
    world.tokens(&app.redeems(&code));
}

#[test]
fn r45_resource_at_the_authorization_endpoint_asks_for_every_scope_of_its_api() {
    let (world, app) = world_and_app();
    let ask = app.asks(BOTH).without("scope");
    let ask = ask
        .with("resource", "api://billing")
        .with("resource", "api://orders");
    let tokens = world.tokens(&app.redeems(&world.code_for(&ask, "ada")));
    assert_eq!(tokens.body["scope"], BILLS);
    let call = app
        .refreshes(&tokens.refresh)
        .with("resource", "api://orders");
    assert_eq!(world.scope_of(&call), BOTH);
    // Beside a resource, a bare name is one of that API's.
    let ask = app.asks("Orders.Read").with("resource", "api://orders");
    let tokens = world.tokens(&app.redeems(&world.code_for(&ask, "ada")));
    assert_eq!(tokens.body["scope"], READ);
    // And without a resource, `.default` is everything on the API.
    let code = world.code_for(&app.asks("api://orders/.default"), "ada");
    assert_eq!(world.tokens(&app.redeems(&code)).body["scope"], BOTH);
}

#[test]
fn r32_a_code_may_be_exchanged_for_less_than_was_granted() {
    let (world, app) = world_and_app();
    let code = world.code(&app);
    let more = app
        .redeems(&code)
        .with("scope", "api://orders/Orders.Delete");
    world.send(&more).refused(400, "invalid_scope");
    let tokens = world.tokens(&app.redeems(&code).with("scope", READ));
    assert_eq!(tokens.body["scope"], READ);
    assert_eq!(
        world.refreshed(&app, &tokens).body["scope"],
        BOTH,
        "as granted"
    );
}

#[test]
fn r30_a_dump_of_the_store_holds_no_code_no_token_and_no_secret() {
    let world = World::demo();
    let mut issued = Vec::new();
    for app in [world.web(), world.spa()] {
        let code = world.code(&app);
        let mut tokens = world.tokens(&app.redeems(&code));
        issued.extend([code, world.code(&app)]);
        issued.extend(app.secret.clone());
        for _ in 0..3 {
            issued.extend([tokens.access.clone(), tokens.refresh.clone()]);
            tokens = world.refreshed(&app, &tokens);
        }
        issued.extend([tokens.access, tokens.refresh]);
    }
    let dump = world.around.store.memory.dump();
    let dump: String = dump
        .iter()
        .map(|(key, text)| format!("{key} {text}\n"))
        .collect();
    assert!(dump.contains("challenge"), "grants are there");
    assert!(!dump.contains(VERIFIER));
    for text in issued {
        assert!(!dump.contains(&text), "{text}");
        // Nor the proof alone: the last 32 bytes of a code or a refresh token.
        let bytes = text
            .strip_prefix("emc_")
            .or_else(|| text.strip_prefix("emr_"));
        let Some(Ok(bytes)) = bytes.map(Base64UrlUnpadded::decode_vec) else {
            continue;
        };
        let proof = Base64UrlUnpadded::encode_string(&bytes[bytes.len() - 32..]);
        assert!(!dump.contains(&proof), "the proof of {text}");
        let seal = Base64UrlUnpadded::encode_string(&bytes[bytes.len() - 40..bytes.len() - 32]);
        assert!(!dump.contains(&seal), "the seal of {text}");
    }
}

#[test]
fn r28_a_code_survives_every_read_that_fails() {
    let world = World::demo();
    for app in [world.web(), world.spa()] {
        // Every read of a location whose cache is empty, in turn.
        for number in 0.. {
            let code = world.code(&app);
            let elsewhere = world.elsewhere();
            world.around.store.fail_read(number);
            let answer = elsewhere.send(&app.redeems(&code));
            if world.around.store.cancel_failing_read() {
                assert!(number >= 5, "tenant, application, keys, grant, user, API");
                answer.accepted();
                break;
            }
            answer.is_unavailable();
            let tokens = elsewhere.tokens(&app.redeems(&code));
            assert!(elsewhere.is_active(&app, &tokens.access), "read {number}");
            elsewhere.refreshed(&app, &tokens);
        }
    }
}

#[test]
fn r28_a_code_survives_a_write_that_fails() {
    let (world, app) = world_and_app();
    let code = world.code(&app);
    world.around.store.fail_put(0, PutFault::BeforeWriting);
    world.send(&app.redeems(&code)).is_unavailable();
    let tokens = world.tokens(&app.redeems(&code));
    world.refreshed(&app, &tokens);
}

#[test]
fn r28_a_code_whose_use_was_written_without_an_answer_gives_no_second_session() {
    // The limit of requirement 28: a code serves once (RFC 6749 section 4.1.2), so what cannot be told
    // from its second use ends the session that nobody has tokens of. The user signs in again.
    let (world, app) = world_and_app();
    let code = world.code(&app);
    world.around.store.fail_put(0, PutFault::AfterWriting);
    world.send(&app.redeems(&code)).is_unavailable();
    world.send(&app.redeems(&code)).is_invalid_grant();
    world.session(&app);
}

#[test]
fn r28_a_sign_in_that_failed_can_be_repeated() {
    let (world, app) = world_and_app();
    let handle = world.handle(&app.asks(BOTH));
    for fault in [PutFault::BeforeWriting, PutFault::AfterWriting] {
        world.around.store.fail_put(0, fault);
        let act = json!({"completeAuthorization": {"handle": handle, "subject": "ada"}});
        let error = world.try_act(&act).unwrap_err();
        assert_eq!(error.code(), "store_unavailable");
        let back = world.complete(&handle, json!({"subject": "ada"}));
        world.tokens(&app.redeems(back.get("code")));
    }
}

#[test]
fn r32_a_disabled_application_gets_nothing_for_its_code() {
    let (world, app) = world_and_app();
    let code = world.code(&app);
    let switch = |disabled| {
        world.administer(json!({"updateApplication": {
            "tenant": "demo", "clientId": app.id, "disabled": disabled,
        }}));
    };
    switch(true);
    world
        .send(&app.redeems(&code))
        .refused(401, "invalid_client");
    switch(false);
    world.tokens(&app.redeems(&code));
}

#[test]
fn r32_a_code_of_another_tenant_is_junk() {
    let (world, app) = world_and_app();
    world.administer(json!({"createTenant": {"tenant": "other"}}));
    world.administer(json!({"createApplication": {
        "tenant": "other", "clientId": app.id, "kind": "public", "redirectUris": [CALLBACK],
    }}));
    let code = world.code(&app);
    let call = Call::form("/other/oauth2/token")
        .with("grant_type", "authorization_code")
        .with("client_id", &app.id)
        .with("code", &code)
        .with("redirect_uri", CALLBACK)
        .with("code_verifier", VERIFIER);
    world.send(&call).is_invalid_grant();
    world.tokens(&app.redeems(&code));
}

#[test]
fn r47_a_code_outlives_a_rotation_of_the_master_key() {
    let (world, app) = world_and_app();
    let (first, second) = (world.code(&app), world.code(&app));
    let rotated = world.elsewhere_with(masters(2, Some(1)));
    let tokens = rotated.tokens(&app.redeems(&first));
    rotated.administer(json!({"resealKeys": {"tenant": "demo"}}));
    let finished = world.elsewhere_with(masters(2, None));
    finished.refreshed(&app, &tokens);
    finished.tokens(&app.redeems(&second));
}

#[test]
fn r28_a_grant_that_cannot_be_read_is_a_fault_of_ours() {
    let (world, app) = world_and_app();
    let code = world.code(&app);
    let (key, _) = world.grants().remove(0);
    world.around.store.overwrite(&key, "{}");
    world.send(&app.redeems(&code)).refused(500, "server_error");
    let events = world.events();
    assert!(
        events[0]
            .detail
            .as_deref()
            .unwrap()
            .contains(&key.to_string())
    );
}

#[test]
fn grants_need_a_store_that_is_atomic() {
    let around: Rc<Surroundings> = Rc::default();
    around.store.promise_nothing();
    let issuer = || Issuer::new(TestHost(Rc::clone(&around)), config(), masters(1, None));
    let error = issuer().err().unwrap();
    assert_eq!(error, ConfigError::GrantStore);
    assert_eq!(error.code(), "store_not_atomic");
    assert!(error.to_string().contains("spent twice"), "{error}");
    around.has_grants.set(false);
    assert!(issuer().is_ok(), "client credentials need no such store");
}

#[test]
fn a_service_without_grants_knows_client_credentials_only() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    world.assign(&app.id, "api://orders", &["Orders.Read.All"]);
    world.around.has_grants.set(false);
    let own = app
        .call("token")
        .with("grant_type", "client_credentials")
        .with("scope", "api://orders/.default");
    let own = world.send(&own).accepted();
    assert!(world.is_active(&app, own["access_token"].as_str().unwrap()));
    for call in [
        app.redeems("emc_x"),
        app.refreshes(&tokens.refresh),
        app.refreshes(""),
    ] {
        world.send(&call).refused(400, "unsupported_grant_type");
    }
    let metadata = world
        .get("/demo/.well-known/openid-configuration")
        .accepted();
    assert_eq!(
        metadata["grant_types_supported"],
        json!(["client_credentials"])
    );
    assert_eq!(metadata.get("authorization_endpoint"), None);
    assert_eq!(metadata["response_types_supported"], json!([]));
    assert_eq!(
        metadata["authorization_response_iss_parameter_supported"],
        false
    );
    // What is not named is not there: requirement 37.
    is_page(&world.send(&app.asks(BOTH).call()), 404);
    assert!(!metadata.to_string().contains("none"), "{metadata}");
    assert_eq!(world.send(&app.revokes("junk")).status(), 200);
    for token in [&tokens.access, &tokens.refresh] {
        assert!(
            !world.is_active(&app, token),
            "nobody can know whether it lives"
        );
    }
}

#[test]
fn r32_the_directory_knows_no_sign_in() {
    let (world, app) = world_and_app();
    let dump = |world: &World| {
        world
            .around
            .store
            .text(&key(&format!("application/{}", app.id)))
    };
    let before = dump(&world);
    world.session(&app);
    assert_eq!(dump(&world), before);
}

#[test]
fn r32_an_authorization_is_for_ten_apis_at_most() {
    // A stranger asks: what is asked for must not cost more than that.
    let world = World::demo();
    let app = world.web();
    let scope = |apis: usize| {
        let names = (0..apis).map(|number| format!("a:{number}/x"));
        names.collect::<Vec<_>>().join(" ")
    };
    for (apis, reason) in [(10, "unknown_api"), (11, "several_apis")] {
        let back = world.follow(&app.asks(&scope(apis)));
        assert_eq!(back.get("error"), "invalid_scope");
        assert_eq!(world.events().last().unwrap().reason, reason);
    }
}
