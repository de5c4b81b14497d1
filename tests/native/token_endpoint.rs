//! The token endpoint: requirements 1 to 17 (RFC 6749, OAuth 2.1 draft).

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use edgemint::store::{Key, Partition};
use serde_json::{Value, json};

use crate::support::{Answer, Call, Client, World, key};

const READ: &str = "api://orders/Orders.Read.All";
const WRITE: &str = "api://orders/Orders.Write.All";
const DEFAULT: &str = "api://orders/.default";

/// A world with one application that holds one role.
fn world_and_client() -> (World, Client) {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All"]);
    (world, client)
}

#[test]
fn r01_only_post_is_taken_and_allow_says_so() {
    let (world, client) = world_and_client();
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "post"] {
        let answer = world.send(&client.asks(DEFAULT).method(method));
        assert_eq!(answer.status(), 405, "{method}");
        assert_eq!(answer.header("allow"), Some("POST"), "{method}");
    }
    world
        .send(&client.asks(DEFAULT).method("PUT"))
        .refused(405, "invalid_request");
}

#[test]
fn r01_a_document_is_read_and_never_written() {
    let world = World::demo();
    for target in [
        "/demo/.well-known/jwks.json",
        "/demo/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server/demo",
        "/healthz",
    ] {
        let answer = world.send(&Call::get(target).method("POST"));
        answer.refused(405, "invalid_request");
        assert_eq!(answer.header("allow"), Some("GET, HEAD"), "{target}");
        // RFC 9110 section 9.3.2: HEAD is GET without the body.
        let head = world.send(&Call::get(target).method("HEAD"));
        let get = world.get(target);
        assert_eq!(head.0.headers, get.0.headers, "{target}");
        assert_eq!((head.status(), head.0.body.as_str()), (200, ""), "{target}");
    }
}

#[test]
fn r02_a_utf_8_form_is_taken_in_any_letter_case() {
    let (world, client) = world_and_client();
    for content_type in [
        "application/x-www-form-urlencoded",
        "Application/X-WWW-Form-URLEncoded",
        "application/x-www-form-urlencoded; charset=UTF-8",
        "application/x-www-form-urlencoded;charset=\"utf-8\"",
    ] {
        let call = client.asks(DEFAULT).content_type(Some(content_type));
        assert_eq!(world.send(&call).status(), 200, "{content_type}");
    }
}

#[test]
fn r02_anything_but_a_utf_8_form_is_invalid_request() {
    let (world, client) = world_and_client();
    for content_type in [
        None,
        Some(""),
        Some("application/json"),
        Some("text/plain"),
        Some("multipart/form-data; boundary=x"),
        Some("application/x-www-form-urlencoded; charset=iso-8859-1"),
        Some("application/x-www-form-urlencoded, application/json"),
    ] {
        let call = client.asks(DEFAULT).content_type(content_type);
        world.send(&call).refused(400, "invalid_request");
    }
}

#[test]
fn r02_a_body_that_is_no_form_is_invalid_request() {
    let (world, client) = world_and_client();
    for body in [
        b"grant_type=%zz".as_slice(),
        b"grant_type=client_credentials&x=%",
        b"grant_type=client_credentials&x=%4",
        b"grant_type=client_credentials&x=%00",
        b"grant_type=client_credentials&x=%ff",
        b"grant_type=client_credentials&x=\xc3\x28",
    ] {
        let call = client.asks(DEFAULT).body(body);
        world.send(&call).refused(400, "invalid_request");
    }
    let broken_off = client.asks(DEFAULT).body_unreadable();
    world.send(&broken_off).refused(400, "invalid_request");
}

#[test]
fn r03_unknown_parameters_are_ignored() {
    let (world, client) = world_and_client();
    let call = client
        .asks(DEFAULT)
        .with("audience", "x")
        .with("f\u{f6}o", "b\u{e4}r");
    assert_eq!(world.send(&call).status(), 200);
    let call = client
        .asks(DEFAULT)
        .target("/demo/oauth2/token?api-version=1");
    assert_eq!(world.send(&call).status(), 200, "also in the URL");
}

#[test]
fn r03_an_empty_parameter_counts_as_omitted() {
    let (world, client) = world_and_client();
    let call = client
        .asks(DEFAULT)
        .with("client_id", "")
        .with("client_secret", "")
        .with("client_assertion", "")
        .with("resource", "");
    assert_eq!(world.send(&call).status(), 200);
    let call = client.asks("");
    assert_eq!(world.send(&call).accepted()["scope"], READ, "the only API");
    let call = client
        .asks(DEFAULT)
        .without("grant_type")
        .with("grant_type", "");
    world.send(&call).refused(400, "invalid_request");
}

#[test]
fn r04_a_repeated_parameter_is_invalid_request() {
    let (world, client) = world_and_client();
    for name in ["grant_type", "scope", "client_id", "unknown"] {
        let call = client
            .asks(DEFAULT)
            .without(name)
            .with(name, "x")
            .with(name, "x");
        world.send(&call).refused(400, "invalid_request");
    }
}

#[test]
fn r04_resource_may_be_repeated() {
    let (world, client) = world_and_client();
    let call = client
        .asks("")
        .with("resource", "api://orders")
        .with("resource", "api://orders");
    assert_eq!(world.send(&call).status(), 200);
}

#[test]
fn r05_credentials_in_the_url_are_refused_even_when_correct() {
    let (world, client) = world_and_client();
    let query = format!("client_id={}&client_secret={}", client.id, client.secret);
    let target = format!("/demo/oauth2/token?{query}");
    let bare = Call::token().with("scope", DEFAULT).target(&target);
    world.send(&bare).refused(400, "invalid_request");
    // Beside valid ones in the header, too: what is in a URL ends up in logs.
    let both = client.asks(DEFAULT).target(&target);
    let answer = world.send(&both);
    answer.refused(400, "invalid_request");
    assert!(!answer.mentions(&client.secret));
    let events = format!("{:?}", world.events());
    assert!(!events.contains(&client.secret), "{events}");
}

#[test]
fn r05_no_parameter_of_a_token_request_is_read_from_the_url() {
    let (world, client) = world_and_client();
    for name in [
        "grant_type",
        "scope",
        "resource",
        "client_assertion",
        "client_secret",
    ] {
        let call = client
            .asks(DEFAULT)
            .target(&format!("/demo/oauth2/token?{name}=x"));
        world.send(&call).refused(400, "invalid_request");
        let call = client
            .asks(DEFAULT)
            .target(&format!("/demo/oauth2/token?{name}="));
        world.send(&call).refused(400, "invalid_request");
    }
}

#[test]
fn r06_the_basic_scheme_is_case_insensitive() {
    let (world, client) = world_and_client();
    let pair = Base64::encode_string(format!("{}:{}", client.id, client.secret).as_bytes());
    for scheme in ["Basic", "basic", "BASIC", "bAsIc"] {
        let call = client
            .asks(DEFAULT)
            .authorization(&format!("{scheme} {pair}"));
        assert_eq!(world.send(&call).status(), 200, "{scheme}");
    }
}

#[test]
fn r06_id_and_secret_may_hold_any_character_in_header_and_body() {
    let world = World::demo();
    let id = "caller: 100% a+b & \u{a3}\u{20ac}";
    let secret = "+ % : & space \u{a3} \u{20ac} =?/\\\" %41 0123456789";
    world.administer(json!({"createApplication": {"tenant": "demo", "clientId": id}}));
    world.assign(id, "api://orders", &["Orders.Read.All"]);
    let client = world.add_secret(id, json!({ "secret": secret }));
    assert_eq!(world.send(&client.asks(DEFAULT)).status(), 200, "header");
    let body = Call::token().post(id, secret).with("scope", DEFAULT);
    assert_eq!(world.send(&body).status(), 200, "body");
    // What a client that forgets to form-encode sends is another secret: RFC 6749 section 2.3.1.
    let raw = Base64::encode_string(format!("x:{secret}").as_bytes());
    let unencoded = client.asks(DEFAULT).authorization(&format!("Basic {raw}"));
    world.send(&unencoded).refused(401, "invalid_client");
}

#[test]
fn r06_credentials_in_the_body_work() {
    let (world, client) = world_and_client();
    let call = Call::token()
        .post(&client.id, &client.secret)
        .with("scope", DEFAULT);
    assert_eq!(world.send(&call).status(), 200);
}

#[test]
fn r06_a_client_id_beside_the_header_must_be_the_same() {
    let (world, client) = world_and_client();
    let same = client.asks(DEFAULT).with("client_id", &client.id);
    assert_eq!(world.send(&same).status(), 200);
    let other = client.asks(DEFAULT).with("client_id", "another");
    world.send(&other).refused(400, "invalid_request");
}

#[test]
fn r07_two_authentication_mechanisms_are_invalid_request() {
    let (world, client) = world_and_client();
    let header_and_body = client.asks(DEFAULT).with("client_secret", &client.secret);
    let header_and_assertion = client.asks(DEFAULT).with("client_assertion", "e30.e30.");
    let body_and_assertion = Call::token()
        .post(&client.id, &client.secret)
        .with("client_assertion", "e30.e30.");
    let bearer_and_body = Call::token()
        .post(&client.id, &client.secret)
        .authorization("Bearer x");
    for call in [
        header_and_body,
        header_and_assertion,
        body_and_assertion,
        bearer_and_body,
    ] {
        world.send(&call).refused(400, "invalid_request");
    }
}

#[test]
fn r08_every_failed_authentication_gets_the_same_answer() {
    let (world, client) = world_and_client();
    let other = world.client(&["Orders.Read.All"]);
    let disabled = world.client(&["Orders.Read.All"]);
    world.administer(json!({"updateApplication": {
        "tenant": "demo", "clientId": disabled.id, "disabled": true,
    }}));
    let now = world.around.clock.now();
    let expired = world.add_secret(&client.id, json!({"ends": now.plus(60)}));
    let early = world.add_secret(&client.id, json!({"starts": now.plus(120)}));
    world.around.clock.pass(60);
    let id = client.id.as_str();
    let long_id = "x".repeat(257);
    let mistyped = format!("{}x", &client.secret[..client.secret.len() - 1]);
    let calls = [
        (
            "unknown_client",
            Call::token().basic("nobody", &client.secret),
        ),
        ("wrong_secret", Call::token().basic(id, &other.secret)),
        (
            "wrong_secret",
            Call::token().basic(id, "a secret from somewhere else, long enough"),
        ),
        ("secret_lapsed", Call::token().basic(id, &expired.secret)),
        ("secret_lapsed", Call::token().basic(id, &early.secret)),
        ("secret_missing", Call::token().basic(id, "")),
        ("secret_missing", Call::token().with("client_id", id)),
        ("no_credentials", Call::token()),
        (
            "client_disabled",
            Call::token().basic(&disabled.id, &disabled.secret),
        ),
        ("secret_malformed", Call::token().basic(id, &mistyped)),
        (
            "client_id_malformed",
            Call::token().basic(&long_id, &client.secret),
        ),
        (
            "authorization_scheme",
            Call::token().authorization("Bearer x"),
        ),
        (
            "authorization_syntax",
            Call::token().authorization("Basic ?"),
        ),
        (
            "assertion_unsupported",
            Call::token().with("client_assertion", "e30.e30."),
        ),
    ];
    let expected = world.send(&Call::token());
    expected.refused(401, "invalid_client");
    world.events();
    for (reason, call) in calls {
        let answer = world.send(&call.with("scope", DEFAULT));
        assert_eq!(answer, expected, "{reason}");
        // Only the operator hears which it was.
        let reasons: Vec<&str> = world.events().iter().map(|event| event.reason).collect();
        assert_eq!(reasons, [reason]);
    }
}

#[test]
fn r08_a_secret_works_from_its_start_until_its_end() {
    let (world, client) = world_and_client();
    let now = world.around.clock.now();
    let validity = json!({"starts": now.plus(100), "ends": now.plus(200)});
    let client = world.add_secret(&client.id, validity);
    for (at, status) in [(99, 401), (100, 200), (199, 200), (200, 401)] {
        world.around.clock.set(now.plus(at));
        let answer = world.send(&client.asks(DEFAULT));
        assert_eq!(answer.status(), status, "after {at} s");
    }
}

#[test]
fn r08_a_secret_opens_no_other_application_and_no_other_tenant() {
    let (world, client) = world_and_client();
    let other = world.client(&["Orders.Read.All"]);
    let call = Call::token()
        .basic(&other.id, &client.secret)
        .with("scope", DEFAULT);
    world.send(&call).refused(401, "invalid_client");
    world.administer(json!({"createTenant": {"tenant": "rival"}}));
    let application = json!({"tenant": "rival", "clientId": client.id});
    world.administer(json!({ "createApplication": application }));
    let call = client.asks(DEFAULT).target("/rival/oauth2/token");
    world.send(&call).refused(401, "invalid_client");
    // Nor does its hash, copied by somebody who can write to the store.
    let record = world
        .around
        .store
        .text(&key(&format!("application/{}", client.id)));
    let other_tenant = Partition::new("directory/rival").unwrap();
    let other_tenant = Key::new(other_tenant, format!("application/{}", client.id)).unwrap();
    let other_id = key(&format!("application/{}", other.id));
    for stolen in [other_tenant, other_id] {
        world.around.store.overwrite(&stolen, &record);
    }
    let elsewhere = world.elsewhere();
    let call = client.asks(DEFAULT).target("/rival/oauth2/token");
    elsewhere.send(&call).refused(401, "invalid_client");
    let call = Call::token()
        .basic(&other.id, &client.secret)
        .with("scope", DEFAULT);
    elsewhere.send(&call).refused(401, "invalid_client");
}

#[test]
fn r09_failed_basic_authentication_is_401_with_a_basic_challenge() {
    let (world, client) = world_and_client();
    for header in [
        "Basic ?",
        "Basic",
        "",
        "Basic Og==",
        "Basic eDp5",
        "Digest x",
        "Basic eA==",
    ] {
        let answer = world.send(&client.asks(DEFAULT).authorization(header));
        answer.refused(401, "invalid_client");
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(
            challenge.starts_with("Basic realm="),
            "{header:?}: {challenge}"
        );
    }
}

#[test]
fn r09_failed_authentication_in_the_body_is_401_with_a_basic_challenge_too() {
    let (world, client) = world_and_client();
    let answer = world.send(&Call::token().post(&client.id, "wrong"));
    answer.refused(401, "invalid_client");
    assert!(
        answer
            .header("www-authenticate")
            .unwrap()
            .starts_with("Basic ")
    );
}

#[test]
fn r09_only_a_401_carries_a_challenge() {
    let (world, client) = world_and_client();
    let answers = [
        world.send(&client.asks(DEFAULT)),
        world.send(&client.asks("api://nowhere/.default")),
        world.get("/nowhere"),
    ];
    for answer in answers {
        assert_eq!(answer.header("www-authenticate"), None, "{answer:?}");
    }
}

#[test]
fn r10_a_missing_grant_type_is_invalid_request() {
    let (world, client) = world_and_client();
    let call = client.asks(DEFAULT).without("grant_type");
    world.send(&call).refused(400, "invalid_request");
}

#[test]
fn r10_an_unknown_grant_type_is_unsupported() {
    let (world, client) = world_and_client();
    for grant_type in [
        "password",
        "Client_Credentials",
        "client_credentials ",
        "urn:x:y",
    ] {
        let call = client
            .asks(DEFAULT)
            .without("grant_type")
            .with("grant_type", grant_type);
        world.send(&call).refused(400, "unsupported_grant_type");
    }
    // Whoever has not authenticated learns nothing about grants: the order of checks.
    let stranger = Call::token()
        .without("grant_type")
        .with("grant_type", "password");
    world.send(&stranger).refused(401, "invalid_client");
}

#[test]
fn r10_a_grant_type_that_the_client_may_not_use_is_unauthorized_client() {
    let world = World::demo();
    let application = json!({"tenant": "demo", "clientId": "idle", "grantTypes": []});
    world.administer(json!({ "createApplication": application }));
    world.assign("idle", "api://orders", &["Orders.Read.All"]);
    let client = world.add_secret("idle", json!({}));
    world
        .send(&client.asks(DEFAULT))
        .refused(400, "unauthorized_client");
}

#[test]
fn r11_a_public_client_gets_nothing_by_client_credentials() {
    let (world, client) = world_and_client();
    // Administration gives no secret to a public client, so the record is made public afterwards.
    let record = key(&format!("application/{}", client.id));
    let text = world.around.store.text(&record);
    let public = text.replace("\"kind\":\"confidential\"", "\"kind\":\"public\"");
    assert_ne!(public, text);
    world.around.store.overwrite(&record, &public);
    world
        .send(&client.asks(DEFAULT))
        .refused(400, "unauthorized_client");
    // RFC 6749 section 4.4: knowing the id is no authentication. Not even if the record says that it may.
    for grant_types in [json!(null), json!(["client_credentials", "refresh_token"])] {
        let id = format!("spa {}", grant_types.is_null());
        world.administer(json!({"createApplication": {
            "tenant": "demo", "clientId": id, "kind": "public", "grantTypes": grant_types,
        }}));
        let call = Call::token().with("client_id", &id).with("scope", DEFAULT);
        world.send(&call).refused(400, "unauthorized_client");
        // A public client has no secret that could be right.
        let call = call.with("client_secret", "a-secret-that-nobody-was-ever-given-0001");
        world.send(&call).refused(401, "invalid_client");
    }
}

#[test]
fn r11_client_credentials_never_answers_with_a_refresh_token() {
    let (world, client) = world_and_client();
    let answer = world.send(&client.asks(DEFAULT)).accepted();
    let members: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(
        members,
        ["access_token", "expires_in", "scope", "token_type"]
    );
}

#[test]
fn r12_scope_is_case_sensitive() {
    let (world, client) = world_and_client();
    for scope in [
        "api://orders/orders.read.all",
        "API://orders/Orders.Read.All",
        "api://Orders/.default",
        "api://orders/.Default",
    ] {
        world
            .send(&client.asks(scope))
            .refused(400, "invalid_scope");
    }
}

#[test]
fn r12_scope_is_order_insensitive_and_a_set() {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All", "Orders.Write.All"]);
    for scope in [
        format!("{READ} {WRITE}"),
        format!("{WRITE} {READ}"),
        format!("{WRITE} {READ} {WRITE}"),
        format!(" {WRITE}  {READ} "),
    ] {
        let answer = world.send(&client.asks(&scope));
        assert_eq!(
            answer.accepted()["scope"],
            format!("{READ} {WRITE}"),
            "{scope}"
        );
    }
}

#[test]
fn r12_a_bad_character_in_scope_is_invalid_scope() {
    let (world, client) = world_and_client();
    for bad in ["\"", "\\", "\t", "\n", "\u{7f}", "\u{e9}", "\u{a0}"] {
        let scope = format!("api://orders/.default{bad}");
        world
            .send(&client.asks(&scope))
            .refused(400, "invalid_scope");
    }
}

#[test]
fn r12_a_scope_that_names_no_single_api_is_invalid_scope() {
    let (world, client) = world_and_client();
    for scope in [
        "Orders.Read.All",
        "api://orders/",
        "api://nowhere/.default",
        "api://orders/.default api://billing/.default",
        "api://orders/.default api://orders/Orders.Read.All",
    ] {
        world
            .send(&client.asks(scope))
            .refused(400, "invalid_scope");
    }
}

#[test]
fn r12_nothing_asked_means_the_only_api_and_never_a_guess() {
    let (world, client) = world_and_client();
    let silent = Call::token().basic(&client.id, &client.secret);
    assert_eq!(world.send(&silent).accepted()["scope"], READ);
    world.assign(&client.id, "api://billing", &["Billing.Read"]);
    world.send(&silent).refused(400, "invalid_scope");
    let none = world.client(&[]);
    world.administer(json!({"removeRoles": {
        "tenant": "demo", "clientId": none.id, "api": "api://orders", "roles": [],
    }}));
    let silent = Call::token().basic(&none.id, &none.secret);
    world.send(&silent).refused(400, "invalid_scope");
}

#[test]
fn r13_the_answer_names_the_scope_that_was_granted() {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All", "Orders.Write.All"]);
    let both = format!("{READ} {WRITE}");
    for (asked, granted) in [
        (DEFAULT, both.as_str()),
        ("", &both),
        (READ, READ),
        (WRITE, WRITE),
    ] {
        let answer = world.send(&client.asks(asked));
        assert_eq!(answer.accepted()["scope"], granted, "{asked:?}");
        let token = world.token(&answer);
        assert_eq!(token.claims["scope"], granted, "the token says the same");
    }
}

#[test]
fn r14_success_is_what_section_5_1_says() {
    let (world, client) = world_and_client();
    let answer = world.send(&client.asks(DEFAULT));
    let body = answer.accepted();
    assert_eq!(body["token_type"], "Bearer");
    assert!(body["access_token"].is_string());
    assert!(body["expires_in"].is_u64(), "a number, not a text");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("pragma"), Some("no-cache"));
}

#[test]
fn r14_expires_in_is_exp_minus_iat_whoever_says_how_long() {
    let world = World::empty();
    world.administer(json!({"createTenant": {"tenant": "demo", "accessTokenLifetime": 900}}));
    for (api, lifetime) in [("api://orders", Value::Null), ("api://short", json!(60))] {
        let api = json!({"tenant": "demo", "identifier": api, "accessTokenLifetime": lifetime});
        world.administer(json!({ "createApi": api }));
    }
    let client = world.client(&[]);
    for (api, lifetime) in [("api://orders", 900), ("api://short", 60)] {
        let answer = world.send(&client.asks(&format!("{api}/.default")));
        let token = world.token(&answer);
        assert_eq!(answer.accepted()["expires_in"], lifetime);
        assert_eq!(token.seconds("exp") - token.seconds("iat"), lifetime);
        assert_eq!(token.seconds("iat"), world.around.clock.now().secs());
    }
}

#[test]
fn r14_errors_are_not_cached_either() {
    let (world, client) = world_and_client();
    let answers = [
        world.get("/demo/oauth2/token"),
        world.get("/nowhere"),
        world.get("/nobody/.well-known/jwks.json"),
        world.send(&Call::token()),
        world.send(&client.asks("api://nowhere/.default")),
    ];
    for answer in answers {
        assert!(answer.status() >= 400);
        assert_eq!(
            answer.header("cache-control"),
            Some("no-store"),
            "{answer:?}"
        );
        assert_eq!(answer.header("pragma"), Some("no-cache"), "{answer:?}");
    }
}

#[test]
fn r15_an_error_echoes_nothing_of_the_request() {
    let (world, client) = world_and_client();
    let wrong = "a wrong secret of some length, 0123456789";
    let echoes = |answer: &Answer| {
        ["wrong", "canary", &client.secret, &client.id]
            .into_iter()
            .find(|text| answer.mentions(text))
            .map(str::to_owned)
    };
    for call in [
        Call::token().basic(&client.id, wrong),
        Call::token().post("canary", wrong),
        client.asks("api://canary/.default"),
        client.asks("").with("resource", "api://canary"),
        client.asks(DEFAULT).with("canary", "1").with("canary", "2"),
        client
            .asks(DEFAULT)
            .without("grant_type")
            .with("grant_type", "canary"),
        client.asks(DEFAULT).target("/canary/oauth2/token"),
        client.asks(DEFAULT).target("/demo/canary"),
        client
            .asks(DEFAULT)
            .target("/demo/oauth2/token?client_secret=canary"),
        client.asks(DEFAULT).content_type(Some("text/canary")),
    ] {
        let answer = world.send(&call);
        assert!(answer.status() >= 400, "{call:?}");
        assert_eq!(echoes(&answer), None, "{answer:?}");
    }
}

#[test]
fn r15_no_event_tells_a_secret() {
    let (world, client) = world_and_client();
    let now = world.around.clock.now();
    let lapsed = world.add_secret(&client.id, json!({"ends": now.plus(1)}));
    world.around.clock.pass(1);
    world.send(&lapsed.asks(DEFAULT));
    world.send(&Call::token().basic("nobody", &client.secret));
    world.send(&client.asks(DEFAULT).with("client_secret", &client.secret));
    world.send(&client.asks("api://nowhere/.default"));
    let events = world.events();
    assert_eq!(events.len(), 4);
    let text = serde_json::to_string(&events).unwrap();
    assert!(!text.contains(&client.secret), "{text}");
    assert!(!text.contains(&lapsed.secret), "{text}");
    assert!(
        events
            .iter()
            .all(|event| event.tenant.as_deref() == Some("demo"))
    );
    assert!(
        events
            .iter()
            .all(|event| event.time == world.around.clock.now())
    );
}

#[test]
fn r16_a_secret_made_here_is_32_bytes_of_entropy() {
    let (world, client) = world_and_client();
    let body = client.secret.strip_prefix("ems_").unwrap();
    let random = Base64UrlUnpadded::decode_vec(&body[..43]).unwrap();
    assert_eq!(random.len() * 8, 256);
    assert!(
        world.around.entropy.drawn().contains(&random),
        "nothing else goes into it"
    );
}

#[test]
fn r16_an_imported_secret_cannot_be_short() {
    let (world, client) = world_and_client();
    for (length, accepted) in [
        (1, false),
        (31, false),
        (32, true),
        (1_024, true),
        (1_025, false),
    ] {
        let secret = json!({"tenant": "demo", "clientId": client.id, "secret": "s".repeat(length)});
        let outcome = world.try_administer(json!({ "addSecret": secret }));
        assert_eq!(outcome.is_ok(), accepted, "{length} bytes: {outcome:?}");
    }
}

#[test]
fn r17_what_is_too_long_is_refused_before_any_look_up() {
    let (world, client) = world_and_client();
    let elsewhere = world.elsewhere();
    let form = client.asks(DEFAULT).encoded().to_vec();
    let padded = |length: usize| {
        let mut body = [form.as_slice(), b"&pad="].concat();
        body.resize(length, b'x');
        client.asks(DEFAULT).body(&body)
    };
    let refused = [
        (413, "invalid_request", padded(16 * 1_024 + 1)),
        (
            413,
            "invalid_request",
            client.asks(DEFAULT).body_too_large(),
        ),
        (
            401,
            "invalid_client",
            Call::token().basic(&"x".repeat(257), &client.secret),
        ),
        (
            401,
            "invalid_client",
            Call::token().post(&"x".repeat(257), &client.secret),
        ),
        (
            401,
            "invalid_client",
            Call::token().basic(&client.id, &"x".repeat(1_025)),
        ),
        (
            401,
            "invalid_client",
            Call::token().post(&client.id, &"x".repeat(1_025)),
        ),
        // Junk that only looks like a secret of ours.
        (
            401,
            "invalid_client",
            Call::token().basic(&client.id, "ems_junk"),
        ),
        // A client assertion of 16 KiB does not fit into a body of 16 KiB.
        (
            413,
            "invalid_request",
            Call::token().with("client_assertion", &"x".repeat(16_384)),
        ),
    ];
    for (status, error, call) in refused {
        let reads = elsewhere.reads_during(|| elsewhere.send(&call).refused(status, error));
        assert_eq!(reads, 0, "{call:?}");
    }
    assert_eq!(
        elsewhere.send(&padded(16 * 1_024)).status(),
        200,
        "16 KiB is not too long"
    );
}

#[test]
fn r17_more_than_a_hundred_parameters_are_refused() {
    let (world, client) = world_and_client();
    let call = (0..98).fold(client.asks(DEFAULT), |call, n| {
        call.with(&format!("p{n}"), "x")
    });
    assert_eq!(world.send(&call).status(), 200, "a hundred");
    world
        .send(&call.with("p98", "x"))
        .refused(400, "invalid_request");
}

#[test]
fn r17_the_longest_id_and_the_longest_secret_work() {
    let world = World::demo();
    let (id, secret) = ("i".repeat(256), "s".repeat(1_024));
    world.administer(json!({"createApplication": {"tenant": "demo", "clientId": id}}));
    world.assign(&id, "api://orders", &[]);
    let client = world.add_secret(&id, json!({ "secret": secret }));
    assert_eq!(world.send(&client.asks(DEFAULT)).status(), 200);
}

#[test]
fn r17_every_byte_of_a_long_secret_counts() {
    let (world, client) = world_and_client();
    let secret = "s".repeat(1_024);
    let client = world.add_secret(&client.id, json!({ "secret": secret }));
    assert_eq!(world.send(&client.asks(DEFAULT)).status(), 200);
    for at in 0..secret.len() {
        let mut other = secret.clone();
        other.replace_range(at..=at, "t");
        let call = Call::token()
            .basic(&client.id, &other)
            .with("scope", DEFAULT);
        assert_eq!(world.send(&call).status(), 401, "byte {at}");
        // As many guesses as anybody likes, in their time.
        world.around.clock.pass(60);
    }
    let shorter = Call::token()
        .basic(&client.id, &secret[1..])
        .with("scope", DEFAULT);
    assert_eq!(world.send(&shorter).status(), 401);
}

#[test]
fn a_path_that_is_no_endpoint_and_a_tenant_that_is_not_there_are_404() {
    let (world, client) = world_and_client();
    for target in [
        "/",
        "/demo",
        "/demo/oauth2/token/",
        "/Demo/oauth2/token",
        "*",
        "",
    ] {
        world
            .send(&client.asks(DEFAULT).target(target))
            .refused(404, "invalid_request");
    }
    let call = client.asks(DEFAULT).target("/nobody/oauth2/token");
    world.send(&call).refused(404, "invalid_request");
}

#[test]
fn r48_id_and_secret_swapped_put_no_secret_into_the_event() {
    let world = World::demo();
    let client = world.client(&[]);
    world
        .send(&Call::token().basic(&client.secret, &client.id))
        .refused(401, "invalid_client");
    let text = serde_json::to_string(&world.events()).unwrap();
    assert!(
        text.contains("secret_malformed") || text.contains("unknown_client"),
        "{text}"
    );
    assert!(!text.contains(&client.secret), "{text}");
}

#[test]
fn r10_a_grant_type_that_is_not_allowed_is_told_before_a_bad_scope() {
    let world = World::demo();
    let made = json!({"createApplication": {"tenant": "demo", "clientId": "c", "grantTypes": []}});
    world.administer(made);
    let client = world.add_secret("c", json!({}));
    for scope in ["\"", "api://a/R api://b/R", "api://orders/.default"] {
        world
            .send(&client.asks(scope))
            .refused(400, "unauthorized_client");
    }
}

#[test]
fn r12_thousands_of_scopes_are_one_refusal() {
    let world = World::demo();
    let client = world.client(&[]);
    let many: Vec<String> = (0..2_000).map(|n| format!("api://orders/R{n}")).collect();
    let scope = many.join(" ");
    // Within 16 KiB only without the prefix.
    let short = scope.replace("api://orders/", "");
    world
        .send(&client.asks(&short).with("resource", "api://orders"))
        .refused(400, "invalid_scope");
}
