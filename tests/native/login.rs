//! The login page's side of an authorization: handles, consent and claims, in process and over HTTP
//! (requirements 32, 33, 46 and 48; RFC 6749 section 4.1.2.1, RFC 6750).

use serde_json::{Value, json};

use crate::administration_api::ROLES;
use crate::support::{
    Answer, App, BOTH, CALLBACK, Call, Destination, LOGIN, PutFault, READ, STATE, Token, World,
    masters,
};

const BILLS: &str = "api://billing/Bills.Read";
const ADMIN: &str = "urn:edgemint:admin";
const ROLE: &str = "Authorization.ReadWrite.All";

fn world_and_app() -> (World, App) {
    let world = World::demo();
    let app = world.web();
    (world, app)
}

/// The error that an act on a handle ends in.
#[track_caller]
fn refused(world: &World, act: &str, mut members: Value, handle: &str) -> &'static str {
    members["handle"] = json!(handle);
    world.try_act(&json!({ act: members })).unwrap_err().code()
}

/// Checks that a handle is good for nothing.
#[track_caller]
fn is_refused(world: &World, handle: &str, code: &str) {
    for (act, members) in [
        ("inspectAuthorization", json!({})),
        ("completeAuthorization", json!({"subject": "ada"})),
        ("denyAuthorization", json!({})),
    ] {
        assert_eq!(refused(world, act, members, handle), code, "{act}");
    }
    assert_eq!(world.grants().len(), 0);
}

#[test]
fn r32_a_login_page_sees_what_is_asked_for() {
    let (world, app) = world_and_app();
    let ask = app
        .asks(&format!("{BILLS} {BOTH}"))
        .with("login_hint", "ada@example.com")
        .with("prompt", "login");
    let handle = world.handle(&ask);
    let expires = world.around.clock.now().secs() + 900;
    let scope = |scope: &str, name: &str, api: &str| json!({"scope": scope, "displayName": name, "api": api, "apiName": api});
    let expected = json!({
        "tenant": "demo",
        "clientId": app.id,
        "clientName": "Shop",
        "redirectUri": CALLBACK,
        "scopes": [
            scope(BILLS, "Bills.Read", "api://billing"),
            scope(READ, "See your orders", "api://orders"),
            scope("api://orders/Orders.Write", "Orders.Write", "api://orders"),
        ],
        "loginHint": "ada@example.com",
        "prompt": "login",
        "dialect": "standard",
        "expires": expires,
    });
    let inspect = || world.act(json!({"inspectAuthorization": {"handle": handle}}));
    assert_eq!(inspect(), expected);
    assert_eq!(inspect(), expected, "as often as the page is loaded");
}

#[test]
fn r32_a_handle_lives_fifteen_minutes() {
    let (world, app) = world_and_app();
    let handle = world.handle(&app.asks(BOTH));
    world.around.clock.pass(899);
    world.act(json!({"inspectAuthorization": {"handle": handle}}));
    world.around.clock.pass(1);
    is_refused(&world, &handle, "invalid_handle");
}

#[test]
fn r32_a_handle_is_sealed() {
    let (world, app) = world_and_app();
    let handle = world.handle(&app.asks(BOTH).with("login_hint", "ada@example.com"));
    for plain in ["ada", "app.example.com", "state", &app.id] {
        assert!(!handle.contains(plain), "{plain}");
    }
    for forged in [
        "",
        "x",
        "a.b.c",
        &format!("{handle}A"),
        &handle[1..],
        &handle[..handle.len() - 4],
    ] {
        is_refused(&world, forged, "invalid_handle");
    }
    for at in (0..handle.len()).step_by(7) {
        let mut forged = handle.clone().into_bytes();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        is_refused(&world, &forged, "invalid_handle");
    }
    // Sealed by the same service for something else.
    let code = world.code(&world.web());
    assert_eq!(
        refused(&world, "inspectAuthorization", json!({}), &code),
        "invalid_handle"
    );
}

#[test]
fn r47_a_handle_outlives_a_rotation_of_the_master_key() {
    let (world, app) = world_and_app();
    let handle = world.handle(&app.asks(BOTH));
    let rotated = world.elsewhere_with(masters(2, Some(1)));
    let back = rotated.complete(&handle, json!({"subject": "ada"}));
    rotated.tokens(&app.redeems(back.get("code")));
    let later = world.elsewhere_with(masters(2, None));
    assert_eq!(
        refused(&later, "inspectAuthorization", json!({}), &handle),
        "invalid_handle"
    );
}

#[test]
fn r32_an_application_that_has_changed_meanwhile_gets_no_answer() {
    for update in [
        json!({"updateApplication": {"redirectUris": ["https://app.example.com/new"]}}),
        json!({"updateApplication": {"redirectUris": []}}),
        json!({"updateApplication": {"grantTypes": ["refresh_token"]}}),
        json!({"updateApplication": {"disabled": true}}),
    ] {
        let (world, app) = world_and_app();
        let handle = world.handle(&app.asks(BOTH));
        let mut update = update;
        let (_, members) = update.as_object_mut().unwrap().iter_mut().next().unwrap();
        members["tenant"] = json!("demo");
        members["clientId"] = json!(app.id);
        world.administer(update);
        is_refused(&world, &handle, "not_found");
    }
}

#[test]
fn r32_a_user_may_consent_to_less() {
    let (world, app) = world_and_app();
    let complete = |scopes: Value| {
        let handle = world.handle(&app.asks(&format!("{BOTH} {BILLS}")));
        let back = world.complete(&handle, json!({"subject": "ada", "scopes": scopes}));
        world.tokens(&app.redeems(back.get("code")))
    };
    let tokens = complete(json!([READ]));
    assert_eq!(
        tokens.body["scope"], READ,
        "the answer says so: requirement 13"
    );
    let tokens = world.refreshed(&app, &tokens);
    assert_eq!(tokens.body["scope"], READ);
    let call = app.refreshes(&tokens.refresh);
    world
        .send(&call.clone().with("scope", BOTH))
        .refused(400, "invalid_scope");
    world
        .send(&call.with("resource", "api://billing"))
        .refused(400, "invalid_target");
    assert_eq!(
        complete(json!([BILLS])).body["scope"],
        BILLS,
        "the first API left"
    );
    assert_eq!(
        complete(json!([READ, READ])).body["scope"],
        READ,
        "twice is once"
    );
    assert_eq!(
        complete(Value::Null).body["scope"],
        BOTH,
        "everything, if it does not say"
    );
}

#[test]
fn r32_nobody_consents_to_more_than_was_asked_for_nor_to_nothing() {
    let (world, app) = world_and_app();
    let handle = world.handle(&app.asks(READ));
    for scopes in [
        json!([]),
        json!([BILLS]),
        json!([READ, BILLS]),
        json!([READ, "api://orders/Orders.Write"]),
        json!(["Orders.Read"]),
        json!(["api://orders/orders.read"]),
        json!(["api://orders/.default"]),
        json!([BOTH]),
        json!([""]),
    ] {
        let members = json!({"subject": "ada", "scopes": scopes});
        let code = refused(&world, "completeAuthorization", members, &handle);
        assert_eq!(code, "invalid", "{scopes}");
    }
    assert_eq!(world.grants().len(), 0);
    world.complete(&handle, json!({"subject": "ada"}));
}

#[test]
fn r32_a_subject_is_a_name() {
    let (world, app) = world_and_app();
    let handle = world.handle(&app.asks(READ));
    for subject in ["", "a\nb", "\u{7f}", &"x".repeat(257)] {
        let members = json!({"subject": subject});
        assert_eq!(
            refused(&world, "completeAuthorization", members, &handle),
            "invalid"
        );
    }
    for subject in [
        "x",
        "auth0|507f1f77bcf86cd799439011",
        "J\u{fc}rgen \u{1f600}",
        &"x".repeat(256),
    ] {
        let tokens = world.session_for(&app, READ, subject);
        assert_eq!(world.verify(&tokens.access).unwrap().claims["sub"], subject);
    }
}

#[test]
fn r48_signing_in_and_every_refused_act_of_a_login_page_are_events() {
    let (world, app) = world_and_app();
    let page = Page::new(&world);
    let handle = world.handle(&app.asks(BOTH));
    world.events();
    let body = json!({"handle": handle, "subject": "ada"});
    assert_eq!(page.send("complete", &body).status(), 200);
    let [event] = world.events().try_into().unwrap();
    assert_eq!(event.reason, "session_opened");
    assert_eq!(event.client_id, Some(app.id));
    assert!(event.detail.unwrap().starts_with("grants/demo/"));
    for (act, body, code) in [
        (
            "complete",
            json!({"handle": "x.y.z", "subject": "ada"}),
            "invalid_handle",
        ),
        (
            "complete",
            json!({"handle": handle, "subject": ""}),
            "invalid",
        ),
        ("deny", json!({"handle": handle, "error": "x"}), "invalid"),
    ] {
        assert_eq!(page.send(act, &body).status(), 400);
        let [event] = world.events().try_into().unwrap();
        assert_eq!(
            (event.reason, event.tenant.as_deref()),
            (code, Some("demo"))
        );
        assert!(event.client_id.is_some(), "the login page's own");
        assert!(!format!("{event:?}").contains(&handle));
    }
}

#[test]
fn r39_claims_are_not_nested_deeper_than_they_can_be_read_again() {
    let (world, app) = world_and_app();
    let nested = |levels| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    let handle = world.handle(&app.asks(READ));
    let with = |levels: usize| json!({"subject": "ada", "claims": {"deep": nested(levels)}});
    let code = refused(&world, "completeAuthorization", with(17), &handle);
    assert_eq!(code, "invalid");
    world.complete(&handle, with(16));
}

#[test]
fn r39_a_user_is_never_taken_for_an_application() {
    let (world, app) = world_and_app();
    let handle = world.handle(&app.asks(READ));
    let members = json!({"subject": app.id});
    let code = refused(&world, "completeAuthorization", members, &handle);
    assert_eq!(code, "invalid", "RFC 9068 section 5");
    assert_eq!(world.grants().len(), 0);
}

#[test]
fn r39_claims_of_the_login_page_are_in_every_access_token() {
    let (world, app) = world_and_app();
    let claims = json!({
        "name": "Ada \"the first\" \u{1f600}", "email_verified": true, "level": -3,
        "groups": ["a", "b"], "address": {"country": "GB"}, "big": u64::MAX, "none": null,
    });
    let handle = world.handle(&app.asks(BOTH));
    let back = world.complete(&handle, json!({"subject": "ada", "claims": claims}));
    let tokens = world.tokens(&app.redeems(back.get("code")));
    for tokens in [world.refreshed(&app, &tokens), tokens] {
        let token = world.verify(&tokens.access).unwrap();
        for (name, value) in claims.as_object().unwrap() {
            assert_eq!(&token.claims[name], value, "{name}");
        }
        assert_eq!(token.claims["sub"], "ada");
        assert!(world.is_active(&app, &tokens.access));
    }
}

#[test]
fn r39_a_claim_cannot_say_what_edgemint_says() {
    let (world, app) = world_and_app();
    let handle = world.handle(&app.asks(BOTH));
    let own = Token::read(&world.session(&app).access).claims;
    let mut names: Vec<&str> = own
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.extend(["roles", "cnf", "act", "may_act", "scp"]);
    for name in names {
        let members = json!({"subject": "ada", "claims": {name: "x"}});
        assert_eq!(
            refused(&world, "completeAuthorization", members, &handle),
            "invalid",
            "{name}"
        );
    }
}

#[test]
fn r39_claims_are_small() {
    let (world, app) = world_and_app();
    let handle = world.handle(&app.asks(BOTH));
    let claims = |length: usize| json!({"subject": "ada", "claims": {"x": "y".repeat(length)}});
    let most = 4_096 - r#"{"x":""}"#.len();
    let code = refused(&world, "completeAuthorization", claims(most + 1), &handle);
    assert_eq!(code, "invalid");
    let back = world.complete(&handle, claims(most));
    let tokens = world.tokens(&app.redeems(back.get("code")));
    assert!(world.is_active(&app, &tokens.access));
}

#[test]
fn r33_a_login_page_may_deny() {
    let (world, app) = world_and_app();
    let handle = world.handle(&app.asks(BOTH));
    let deny = |members: Value| {
        let mut members = members;
        members["handle"] = json!(handle);
        let done = world.act(json!({ "denyAuthorization": members }));
        Destination::of(done["redirectTo"].as_str().unwrap())
    };
    assert_eq!(deny(json!({})).get("error"), "access_denied");
    for error in [
        "access_denied",
        "login_required",
        "consent_required",
        "interaction_required",
        "account_selection_required",
        "server_error",
        "temporarily_unavailable",
    ] {
        let back = deny(json!({ "error": error }));
        assert_eq!((back.uri.as_str(), back.get("error")), (CALLBACK, error));
        assert_eq!(back.get("state"), STATE);
        assert_eq!(back.get("iss"), "https://auth.example.com/demo");
        assert_eq!(back.query.get("code"), None);
    }
    for error in ["", "nope", "access_denied&code=x"] {
        let code = refused(
            &world,
            "denyAuthorization",
            json!({ "error": error }),
            &handle,
        );
        assert_eq!(code, "invalid");
    }
}

#[test]
fn an_act_of_a_login_page_is_read_strictly() {
    for bad in [
        json!({}),
        json!({"nope": {}}),
        json!({"inspectAuthorization": {}}),
        json!({"inspectAuthorization": {"handle": 7}}),
        json!({"inspectAuthorization": {"handle": "x", "more": 1}}),
        json!({"completeAuthorization": {"handle": "x"}}),
        json!({"completeAuthorization": {"handle": "x", "subject": "ada", "scope": []}}),
        json!({"completeAuthorization": {"handle": "x", "subject": "ada", "scopes": "all"}}),
        json!({"completeAuthorization": {"handle": "x", "subject": "ada", "claims": []}}),
        json!({"completeAuthorization": {"handle": "x", "subject": "ada", "claims": {"x": 0.5}}}),
        json!({"denyAuthorization": {"handle": "x", "error": 1}}),
        json!({"endSession": {"tenant": "demo", "subject": "ada", "id": "short"}}),
        json!({"inspectAuthorization": {"handle": "x"}, "denyAuthorization": {"handle": "x"}}),
    ] {
        assert!(edgemint::Act::parse(&bad.to_string()).is_err(), "{bad}");
    }
}

/// A login page that is another program.
struct Page<'a> {
    world: &'a World,
    token: String,
}

impl<'a> Page<'a> {
    fn new(world: &'a World) -> Self {
        let page = world.app(json!({}));
        world.assign(&page.id, ADMIN, &[ROLE]);
        let token = token_for(world, &page, ADMIN);
        Self { world, token }
    }

    fn call(&self, act: &str, body: &Value) -> Call {
        Call::form(&format!("/demo/admin/v1/authorizations/{act}"))
            .content_type(Some("application/json"))
            .authorization(&format!("Bearer {}", self.token))
            .body(body.to_string().as_bytes())
    }

    fn send(&self, act: &str, body: &Value) -> Answer {
        self.world.send(&self.call(act, body))
    }
}

/// An application's own token for everything that it may do on an API.
fn token_for(world: &World, app: &App, api: &str) -> String {
    let call = app
        .call("token")
        .with("grant_type", "client_credentials")
        .with("resource", api);
    let body = world.send(&call).accepted();
    body["access_token"].as_str().unwrap().to_owned()
}

/// Checks that this is an error of RFC 6750 section 3.1 with this challenge.
#[track_caller]
fn is_challenge(answer: &Answer, status: u16, challenge: &str) {
    assert_eq!(answer.status(), status, "{answer:?}");
    assert_eq!(answer.header("www-authenticate"), Some(challenge));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[test]
fn r32_a_login_page_may_be_another_program() {
    let (world, app) = world_and_app();
    let page = Page::new(&world);
    let handle = world.handle(&app.asks(BOTH));
    let seen = page.send("inspect", &json!({"handle": handle}));
    assert_eq!(seen.header("cache-control"), Some("no-store"));
    let in_process = world.act(json!({"inspectAuthorization": {"handle": handle}}));
    assert_eq!(seen.accepted(), in_process);
    let denied = page.send(
        "deny",
        &json!({"handle": handle, "error": "login_required"}),
    );
    let back = Destination::of(denied.accepted()["redirectTo"].as_str().unwrap());
    assert_eq!(back.get("error"), "login_required");
    let body = json!({
        "handle": handle, "subject": "ada", "scopes": [READ], "claims": {"name": "Ada"},
    });
    let done = page.send("complete", &body).accepted();
    let back = Destination::of(done["redirectTo"].as_str().unwrap());
    assert_eq!((back.uri.as_str(), back.get("state")), (CALLBACK, STATE));
    let tokens = world.tokens(&app.redeems(back.get("code")));
    assert_eq!(tokens.body["scope"], READ);
    assert_eq!(world.verify(&tokens.access).unwrap().claims["name"], "Ada");
}

#[test]
fn r46_without_a_token_there_is_a_bare_challenge() {
    let (world, _) = world_and_app();
    let page = Page::new(&world);
    for act in ["inspect", "complete", "deny"] {
        let call = Call::form(&format!("/demo/admin/v1/authorizations/{act}"));
        is_challenge(&world.send(&call), 401, "Bearer");
        let basic = call.clone().basic("a", "b");
        is_challenge(&world.send(&basic), 401, "Bearer");
        // A token anywhere else is none: RFC 6750 sections 2.2 and 2.3 are optional, and in OAuth 2.1 gone.
        is_challenge(
            &world.send(&call.with("access_token", &page.token)),
            401,
            "Bearer",
        );
        let in_url = format!(
            "/demo/admin/v1/authorizations/{act}?access_token={}",
            page.token
        );
        is_challenge(&world.send(&Call::form(&in_url)), 401, "Bearer");
    }
}

#[test]
fn r46_a_bad_token_is_401_and_a_missing_role_403() {
    let (world, app) = world_and_app();
    let page = Page::new(&world);
    let handle = world.handle(&app.asks(BOTH));
    let invalid = r#"Bearer error="invalid_token""#;
    let with = |token: &str| {
        let call = page.call("inspect", &json!({"handle": handle}));
        world.send(&call.authorization(&format!("Bearer {token}")))
    };
    let of_user = world.session(&app);
    let mut forged = page.token.clone().into_bytes();
    let at = forged.len() - 20;
    forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
    for token in [
        "x",
        "",
        &String::from_utf8(forged).unwrap(),
        // For another API; a user's; a refresh token.
        &token_for(&world, &app, "api://orders"),
        &of_user.access,
        &of_user.refresh,
    ] {
        let answer = with(token);
        is_challenge(&answer, 401, invalid);
        answer.problem(401, "invalid_token");
    }
    assert_eq!(with(&page.token).status(), 200);
    let scheme = page.call("inspect", &json!({"handle": handle}));
    let scheme = scheme.authorization(&format!("bEARER {}", page.token));
    assert_eq!(world.send(&scheme).status(), 200);
    world.around.clock.pass(3_600);
    is_challenge(&with(&page.token), 401, invalid);
    assert_eq!(
        world.events().last().unwrap().detail.as_deref(),
        Some("expired")
    );
    // The role is asked for, not the audience alone. Nobody can be given an admin token without one, so
    // the record is changed afterwards.
    let idle = world.app(json!({}));
    world.assign(&idle.id, ADMIN, &[]);
    let call = idle.call("token").with("grant_type", "client_credentials");
    world
        .send(&call.with("resource", ADMIN))
        .refused(400, "invalid_scope");
}

#[test]
fn r46_a_token_of_the_admin_api_without_the_role_is_403() {
    let (world, app) = world_and_app();
    let page = Page::new(&world);
    let handle = world.handle(&app.asks(BOTH));
    let bodies = [
        ("inspect", json!({"handle": handle})),
        ("complete", json!({"handle": handle, "subject": "ada"})),
        ("deny", json!({"handle": handle})),
    ];
    for role in ROLES {
        let other = world.app(json!({}));
        world.assign(&other.id, ADMIN, &[role]);
        let token = token_for(&world, &other, ADMIN);
        for (act, body) in &bodies {
            let call = page.call(act, body);
            let answer = world.send(&call.authorization(&format!("Bearer {token}")));
            if role == ROLE {
                assert_eq!(answer.status(), 200, "{act}");
                continue;
            }
            is_challenge(&answer, 403, r#"Bearer error="insufficient_scope""#);
            answer.problem(403, "insufficient_scope");
        }
    }
    let again = world.sign_again(&page.token, |_| {});
    let call = page.call("inspect", &json!({"handle": handle}));
    assert_eq!(
        world
            .send(&call.authorization(&format!("Bearer {again}")))
            .status(),
        200
    );
    let wrong = r#"Bearer error="invalid_token""#;
    for change in [
        ("iss", json!("https://auth.example.com/other")),
        ("exp", json!(world.around.clock.now().secs())),
        ("nbf", json!(world.around.clock.now().secs() + 61)),
        ("aud", json!("api://orders")),
    ] {
        let token = world.sign_again(&page.token, |claims| claims[change.0] = change.1.clone());
        let call = page.call("inspect", &json!({"handle": handle}));
        let answer = world.send(&call.authorization(&format!("Bearer {token}")));
        is_challenge(&answer, 401, wrong);
    }
}

#[test]
fn r46_a_page_that_lost_its_role_or_was_disabled_signs_nobody_in() {
    let acts: [fn(&str) -> Value; 2] = [
        |id| json!({"removeRoles": {"tenant": "demo", "clientId": id, "api": ADMIN, "roles": [ROLE]}}),
        |id| json!({"updateApplication": {"tenant": "demo", "clientId": id, "disabled": true}}),
    ];
    for act in acts {
        let (world, app) = world_and_app();
        let page = Page::new(&world);
        let body = json!({"handle": world.handle(&app.asks(BOTH))});
        assert_eq!(page.send("inspect", &body).status(), 200);
        let id = world.verify(&page.token).unwrap().claims["client_id"].clone();
        world.administer(act(id.as_str().unwrap()));
        let answer = page.send("inspect", &body);
        answer.problem(403, "insufficient_scope");
    }
}

#[test]
fn r46_a_page_of_one_tenant_serves_no_other() {
    let (world, app) = world_and_app();
    world.administer(json!({"createTenant": {"tenant": "other", "loginUrl": LOGIN}}));
    let page = Page::new(&world);
    // Its token is no token there.
    let handle = world.handle(&app.asks(BOTH));
    let call = page.call("inspect", &json!({"handle": handle}));
    let call = call.target("/other/admin/v1/authorizations/inspect");
    is_challenge(&world.send(&call), 401, r#"Bearer error="invalid_token""#);
    // And a handle of the other tenant is none here.
    world.administer(json!({"createApi": {
        "tenant": "other", "identifier": "api://orders",
        "scopes": [{"value": "Orders.Read"}],
    }}));
    world.administer(json!({"createApplication": {
        "tenant": "other", "clientId": "spa", "kind": "public", "redirectUris": [CALLBACK],
    }}));
    let ask = app.asks(READ).but("client_id", "spa").call();
    let target = ask.request().target.replace("/demo/", "/other/");
    let foreign = world.get(&target).destination();
    let foreign = foreign.get("handle");
    for (act, body) in [
        ("inspect", json!({"handle": foreign})),
        ("complete", json!({"handle": foreign, "subject": "ada"})),
        ("deny", json!({"handle": foreign})),
    ] {
        let answer = page.send(act, &body);
        assert_eq!(answer.status(), 400);
        answer.problem(400, "invalid_handle");
    }
    // In process, whoever calls administers every tenant.
    world.act(json!({"inspectAuthorization": {"handle": foreign}}));
    assert_eq!(world.grants().len(), 0);
}

#[test]
fn r46_what_is_not_json_is_told_apart_from_what_is_refused() {
    let (world, app) = world_and_app();
    let page = Page::new(&world);
    let handle = world.handle(&app.asks(BOTH));
    let good = json!({"handle": handle, "subject": "ada"});
    let call = page.call("complete", &good);
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/json; charset=utf-16"),
    ] {
        world
            .send(&call.clone().content_type(content_type))
            .problem(415, "invalid_request");
    }
    world
        .send(&call.clone().body_too_large())
        .problem(413, "invalid_request");
    world
        .send(&call.clone().body(&[b' '; 16_385]))
        .problem(413, "invalid_request");
    world
        .send(&call.clone().body_unreadable())
        .problem(400, "invalid_request");
    world
        .send(&call.clone().body(b"\xff"))
        .problem(400, "invalid_request");
    for body in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"handle":"x"}"#,
        r#"{"handle":"x","subject":7}"#,
    ] {
        let answer = world.send(&call.clone().body(body.as_bytes()));
        answer.problem(400, "invalid");
    }
    let answer = page.send("complete", &json!({"handle": "x", "subject": "ada"}));
    answer.problem(400, "invalid_handle");
    let answer = page.send("complete", &json!({"handle": handle, "subject": ""}));
    answer.problem(400, "invalid");
    world.administer(json!({"updateApplication": {
        "tenant": "demo", "clientId": app.id, "disabled": true,
    }}));
    let answer = page.send("complete", &good);
    answer.problem(404, "not_found");
    assert_eq!(world.grants().len(), 0);
    world.administer(json!({"updateApplication": {
        "tenant": "demo", "clientId": app.id, "disabled": false,
    }}));
    let charset = call.content_type(Some("Application/JSON; charset=UTF-8"));
    assert_eq!(world.send(&charset).status(), 200);
}

#[test]
fn r46_only_what_is_named_is_there() {
    let world = World::demo();
    let page = Page::new(&world);
    for target in [
        "/demo/admin/v1/authorizations/",
        "/demo/admin/v1/authorizations/inspect/",
        "/demo/admin/v1/authorizations/createTenant",
        "/demo/admin/v1/authorizations/listSessions",
        "/demo/admin/v1/",
        "/demo/admin/v1/tenancies",
        "/demo/admin/authorizations/inspect",
    ] {
        let call = page.call("inspect", &json!({})).target(target);
        assert_eq!(world.send(&call).status(), 404, "{target}");
    }
    let answer = world.send(&page.call("inspect", &json!({})).method("GET"));
    assert_eq!(
        (answer.status(), answer.header("allow")),
        (405, Some("POST"))
    );
    let call = page.call("inspect", &json!({}));
    let call = call.target("/nobody/admin/v1/authorizations/inspect");
    world.send(&call).problem(404, "invalid_request");
}

#[test]
fn r28_a_store_that_fails_under_a_login_page_is_503() {
    let (world, app) = world_and_app();
    let page = Page::new(&world);
    let handle = world.handle(&app.asks(BOTH));
    let body = json!({"handle": handle, "subject": "ada"});
    for fault in [PutFault::BeforeWriting, PutFault::AfterWriting] {
        world.around.store.fail_put(0, fault);
        page.send("complete", &body)
            .problem(503, "temporarily_unavailable");
        assert_eq!(page.send("complete", &body).status(), 200);
    }
    for number in 0.. {
        let elsewhere = world.elsewhere();
        world.around.store.fail_read(number);
        let answer = elsewhere.send(&page.call("complete", &body));
        if world.around.store.cancel_failing_read() {
            assert!(number >= 4, "keys, tenant, application, user");
            break;
        }
        answer.problem(503, "temporarily_unavailable");
        assert_eq!(elsewhere.send(&page.call("complete", &body)).status(), 200);
    }
}

#[test]
fn r48_a_refusal_is_an_event_without_the_credential() {
    let (world, app) = world_and_app();
    let tokens = world.session(&app);
    let next = world.refreshed(&app, &tokens);
    world.around.clock.pass(60);
    world.events();
    let code = world.code(&app);
    let wrong = app.redeems(&code).without("code_verifier");
    let verifier = "another-verifier-that-is-long-enough-for-pkce-0001";
    world
        .send(&wrong.with("code_verifier", verifier))
        .is_invalid_grant();
    world
        .send(&world.web().refreshes(&next.refresh))
        .is_invalid_grant();
    world
        .send(&app.refreshes(&tokens.refresh))
        .is_invalid_grant();
    world.send(&app.refreshes(&next.refresh)).is_invalid_grant();
    world.send(&app.refreshes("emr_x")).is_invalid_grant();
    let events = world.events();
    let reasons: Vec<_> = events.iter().map(|event| event.reason).collect();
    let expected = [
        "session_opened",
        "grant_verifier",
        "grant_foreign",
        "grant_replayed",
        "grant_revoked",
        "grant_token_malformed",
    ];
    assert_eq!(reasons, expected);
    for event in &events {
        assert_eq!(event.tenant.as_deref(), Some("demo"));
        assert!(event.client_id.is_some());
        let text = format!("{event:?}");
        for secret in [
            &code,
            &tokens.refresh,
            &next.refresh,
            &tokens.access,
            verifier,
        ] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}
