//! Metadata and keys: requirements 37 and 38 (RFC 8414, RFC 7517, RFC 7638).

use edgemint::UnixTime;
use serde_json::{Value, json};

use crate::support::{App, BOTH, Call, ORIGIN, World, thumbprint};

const JWKS: &str = "/demo/.well-known/jwks.json";
const DOCUMENTS: [&str; 2] = [
    "/.well-known/oauth-authorization-server/demo",
    "/demo/.well-known/openid-configuration",
];
const DEFAULT: &str = "api://orders/.default";
/// The longest life of any access token, in seconds.
const LONGEST_LIFE: u64 = 86_400;

/// The target of a URL that the metadata names.
fn target(url: &Value) -> &str {
    url.as_str().unwrap().strip_prefix(ORIGIN).expect("here")
}

#[test]
fn r37_issuer_is_identical_to_the_one_asked_for_and_to_iss() {
    let world = World::demo();
    let client = world.client(&[]);
    let token = world.token(&world.send(&client.asks(DEFAULT)));
    for document in DOCUMENTS {
        let metadata = world.get(document).accepted();
        assert_eq!(metadata["issuer"], "https://auth.example.com/demo");
        assert_eq!(metadata["issuer"], token.claims["iss"]);
    }
}

#[test]
fn r37_both_well_known_places_say_the_same() {
    let world = World::demo();
    assert_eq!(world.get(DOCUMENTS[0]), world.get(DOCUMENTS[1]));
}

#[test]
fn r37_the_issuer_follows_from_the_configuration_and_not_from_the_request() {
    let world = World::demo();
    for target in [
        "/demo/.well-known/openid-configuration?issuer=https://evil.example",
        "//evil.example/demo/.well-known/openid-configuration",
        "https://evil.example/demo/.well-known/openid-configuration",
    ] {
        assert!(!world.get(target).mentions("evil"), "{target}");
    }
}

#[test]
fn r37_every_endpoint_named_works() {
    let world = World::demo();
    let client = world.client(&[]);
    let metadata = world.get(DOCUMENTS[0]).accepted();
    let endpoints: Vec<&String> = metadata
        .as_object()
        .unwrap()
        .keys()
        .filter(|name| name.ends_with("_endpoint") || name.ends_with("_uri"))
        .collect();
    let expected = [
        "authorization_endpoint",
        "introspection_endpoint",
        "jwks_uri",
        "revocation_endpoint",
        "token_endpoint",
    ];
    assert_eq!(endpoints, expected);
    let endpoint = |name: &str| target(&metadata[name]);
    let call = client.asks(DEFAULT).target(endpoint("token_endpoint"));
    assert_eq!(world.send(&call).status(), 200);
    let jwks = world.get(endpoint("jwks_uri")).accepted();
    assert_eq!(jwks["keys"].as_array().unwrap().len(), 1);
    // A session by the endpoints that are named, and by nothing else.
    let app = world.web();
    let call = app.asks(BOTH).call();
    let (_, query) = call.request().target.split_once('?').unwrap();
    let login = world.get(&format!("{}?{query}", endpoint("authorization_endpoint")));
    let back = world.complete(login.destination().get("handle"), json!({"subject": "ada"}));
    let at = |name: &str, call: Call| world.send(&call.target(endpoint(name)));
    let body = at("token_endpoint", app.redeems(back.get("code"))).accepted();
    let token = body["refresh_token"].as_str().unwrap();
    let is_active = || {
        let seen = at("introspection_endpoint", app.introspects(token)).accepted();
        seen["active"] == true
    };
    assert!(is_active());
    assert_eq!(at("revocation_endpoint", app.revokes(token)).status(), 200);
    assert!(!is_active());
}

#[test]
fn r37_every_grant_type_named_is_accepted_and_none_other() {
    let world = World::demo();
    let app = world.web();
    world.assign(&app.id, "api://orders", &["Orders.Read.All"]);
    let metadata = world.get(DOCUMENTS[0]).accepted();
    let named = metadata["grant_types_supported"].as_array().unwrap();
    assert_eq!(named.len(), 3);
    for grant_type in [
        "authorization_code",
        "client_credentials",
        "implicit",
        "password",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:ietf:params:oauth:grant-type:token-exchange",
    ] {
        // Each has what any of them needs.
        let (code, tokens) = (world.code(&app), world.session(&app));
        let call = app
            .redeems(&code)
            .without("grant_type")
            .with("grant_type", grant_type)
            .with("refresh_token", &tokens.refresh)
            .with("resource", "api://orders");
        let answer = world.send(&call);
        if named.contains(&json!(grant_type)) {
            assert_eq!(answer.status(), 200, "{grant_type}");
        } else {
            answer.refused(400, "unsupported_grant_type");
        }
    }
}

#[test]
fn r37_every_authentication_method_named_is_accepted_and_none_other() {
    let world = World::demo();
    let (web, spa) = (world.web(), world.spa());
    let metadata = world.get(DOCUMENTS[0]).accepted();
    // What each endpoint takes beside the credentials, for an application that proves nothing too.
    let form = |endpoint: &str, app: &App| {
        let token = world.session(app).refresh;
        let call = Call::form(&format!("/demo/oauth2/{endpoint}"));
        match endpoint {
            "token" => call
                .with("grant_type", "refresh_token")
                .with("refresh_token", &token),
            _ => call.with("token", &token),
        }
    };
    for (endpoint, list) in [
        ("token", "token_endpoint_auth_methods_supported"),
        ("revoke", "revocation_endpoint_auth_methods_supported"),
        (
            "introspect",
            "introspection_endpoint_auth_methods_supported",
        ),
    ] {
        let secret = web.secret.as_deref().unwrap();
        let methods = [
            (
                "client_secret_basic",
                form(endpoint, &web).basic(&web.id, secret),
            ),
            (
                "client_secret_post",
                form(endpoint, &web).post(&web.id, secret),
            ),
            (
                "private_key_jwt",
                form(endpoint, &web)
                    .with("client_assertion", "e30.e30.e30")
                    .with(
                        "client_assertion_type",
                        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                    ),
            ),
            ("none", form(endpoint, &spa).with("client_id", &spa.id)),
        ];
        let accepted: Vec<&str> = methods
            .into_iter()
            .filter(|(_, call)| world.send(call).status() == 200)
            .map(|(method, _)| method)
            .collect();
        assert_eq!(metadata[list], json!(accepted), "{list}");
        // "none" is for those only that have no secret.
        let bare = form(endpoint, &web).with("client_id", &web.id);
        world.send(&bare).refused(401, "invalid_client");
    }
}

#[test]
fn r37_every_response_type_mode_and_challenge_method_named_is_accepted_and_none_other() {
    let world = World::demo();
    let app = world.web();
    let metadata = world.get(DOCUMENTS[0]).accepted();
    for (list, parameter, values) in [
        (
            "response_types_supported",
            "response_type",
            &["code", "token", "id_token", "none"][..],
        ),
        (
            "response_modes_supported",
            "response_mode",
            &["query", "fragment", "form_post"],
        ),
        (
            "code_challenge_methods_supported",
            "code_challenge_method",
            &["S256", "plain"],
        ),
    ] {
        let accepted: Vec<&&str> = values
            .iter()
            .filter(|value| {
                let to = world.follow(&app.asks(BOTH).but(parameter, value));
                to.query.get("handle").is_some()
            })
            .collect();
        assert_eq!(metadata[list], json!(accepted), "{list}");
    }
    assert_eq!(
        metadata["authorization_response_iss_parameter_supported"],
        true
    );
}

#[test]
fn r37_a_tenant_that_is_not_there_has_no_metadata() {
    let world = World::demo();
    for target in [
        "/.well-known/oauth-authorization-server/nobody",
        "/nobody/.well-known/openid-configuration",
        "/nobody/.well-known/jwks.json",
        "/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/",
    ] {
        world.get(target).refused(404, "invalid_request");
    }
}

#[test]
fn r37_metadata_may_be_cached_and_read_by_any_page() {
    let world = World::demo();
    for target in [DOCUMENTS[0], DOCUMENTS[1], JWKS] {
        let answer = world.get(target);
        let cache = answer.header("cache-control").unwrap();
        assert!(cache.starts_with("public, max-age="), "{target}: {cache}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
}

#[test]
fn r38_a_key_has_public_parts_only_and_kid_use_and_alg() {
    let world = World::demo();
    for algorithm in ["EdDSA", "ES256"] {
        world.administer(
            json!({"rotateKey": {"tenant": "demo", "algorithm": algorithm, "starts": 0}}),
        );
    }
    let jwks = world.get(JWKS).accepted();
    assert_eq!(jwks.as_object().unwrap().len(), 1);
    let keys = jwks["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 3);
    for key in keys {
        let members: Vec<&String> = key.as_object().unwrap().keys().collect();
        match key["alg"].as_str().unwrap() {
            "ES256" => assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x", "y"]),
            "EdDSA" => assert_eq!(members, ["alg", "crv", "kid", "kty", "use", "x"]),
            other => panic!("{other}"),
        }
        assert_eq!(key["use"], "sig");
        assert_eq!(key["kid"], thumbprint(key), "RFC 7638");
    }
}

#[test]
fn r38_an_announced_key_is_published_before_its_first_token() {
    let world = World::demo();
    let client = world.client(&[]);
    let before = world.token(&world.send(&client.asks(DEFAULT)));
    let starts = world.around.clock.now().plus(1_000);
    let announced = world
        .administer(json!({"rotateKey": {
            "tenant": "demo", "algorithm": "ES256", "starts": starts,
        }}))
        .key_id
        .unwrap();
    assert_eq!(world.published(), [before.kid(), announced.as_str()]);
    for (at, kid) in [(999, before.kid()), (1_000, announced.as_str())] {
        world.around.clock.set(starts);
        assert!(world.published().contains(&announced));
        world
            .around
            .clock
            .set(UnixTime::from_secs(starts.secs() - 1_000 + at));
        let token = world.token(&world.send(&client.asks(DEFAULT)));
        assert_eq!(token.kid(), kid, "after {at} s");
    }
}

#[test]
fn r38_every_location_takes_the_step_at_the_same_moment() {
    let world = World::demo();
    let client = world.client(&[]);
    let elsewhere = world.elsewhere();
    let old = world.token(&world.send(&client.asks(DEFAULT)));
    elsewhere.send(&client.asks(DEFAULT)).accepted();
    let starts = world.around.clock.now().plus(40);
    world.administer(json!({"rotateKey": {
        "tenant": "demo", "algorithm": "ES256", "starts": starts,
    }}));
    // The other location was told nothing; its cached ring is read again within the TTL.
    world.around.clock.pass(39);
    for location in [&world, &elsewhere] {
        let token = location.token(&location.send(&client.asks(DEFAULT)));
        assert_eq!(token.kid(), old.kid());
    }
    world.around.clock.pass(1);
    for location in [&world, &elsewhere] {
        let token = location.token(&location.send(&client.asks(DEFAULT)));
        assert_ne!(token.kid(), old.kid());
    }
}

#[test]
fn r38_a_retired_key_is_published_until_its_last_token_has_expired() {
    let world = World::demo();
    world.administer(json!({"createApi": {
        "tenant": "demo", "identifier": "api://slow", "accessTokenLifetime": LONGEST_LIFE,
    }}));
    let client = world.client(&[]);
    let slow = client.asks("api://slow/.default");
    let elsewhere = world.elsewhere();
    elsewhere.send(&slow).accepted();
    let retired = world.published();
    world.around.clock.pass(10);
    world.administer(json!({"rotateKey": {"tenant": "demo", "algorithm": "ES256", "starts": 0}}));
    // The other location still has the ring of before, and signs with the key that is retired.
    world.around.clock.pass(19);
    let last = elsewhere.token(&elsewhere.send(&slow));
    assert_eq!([last.kid()], retired.as_slice());
    for left in [LONGEST_LIFE, LONGEST_LIFE / 2, 60, 10, 1] {
        let moment = UnixTime::from_secs(last.seconds("exp") - left);
        world.around.clock.set(moment);
        assert!(world.verify(&last.compact).is_some(), "{left} s are left");
    }
    world.around.clock.pass(LONGEST_LIFE);
    assert!(world.verify(&last.compact).is_none(), "and then it is gone");
    assert_eq!(world.published().len(), 1);
}

#[test]
fn r38_keys_that_are_gone_leave_the_ring_with_the_next_rotation() {
    let world = World::demo();
    let client = world.client(&[]);
    for _ in 0..5 {
        world.around.clock.pass(2 * LONGEST_LIFE);
        world.administer(
            json!({"rotateKey": {"tenant": "demo", "algorithm": "ES256", "starts": 0}}),
        );
        world.token(&world.send(&client.asks(DEFAULT)));
    }
    let ring = world.around.store.text(&crate::support::key("keys"));
    let ring: Value = serde_json::from_str(&ring).unwrap();
    assert!(ring["keys"].as_array().unwrap().len() <= 2, "{ring}");
}

#[test]
fn r38_a_rotation_of_one_algorithm_leaves_the_others_alone() {
    let world = World::demo();
    let client = world.client(&[]);
    let before = world.token(&world.send(&client.asks(DEFAULT)));
    world.administer(json!({"rotateKey": {"tenant": "demo", "algorithm": "EdDSA", "starts": 0}}));
    world.around.clock.pass(2 * LONGEST_LIFE);
    let after = world.token(&world.send(&client.asks(DEFAULT)));
    assert_eq!(after.kid(), before.kid());
}

/// Another algorithm for the tokens of `demo`, as an administrator sets it.
fn prefer(world: &World, algorithm: &str) {
    let tenant = crate::support::key("tenant");
    let mut record: Value = serde_json::from_str(&world.around.store.text(&tenant)).unwrap();
    record["algorithm"] = json!(algorithm);
    world.around.store.overwrite(&tenant, &record.to_string());
}

#[test]
fn r38_a_change_of_algorithm_takes_effect_when_its_first_key_starts() {
    let world = World::demo();
    let client = world.client(&[]);
    let before = world.token(&world.send(&client.asks(DEFAULT)));
    let starts = world.around.clock.now().plus(7_200);
    world.administer(json!({"rotateKey": {
        "tenant": "demo", "algorithm": "EdDSA", "starts": starts,
    }}));
    prefer(&world, "EdDSA");
    let elsewhere = world.elsewhere();
    let announced = elsewhere.token(&elsewhere.send(&client.asks(DEFAULT)));
    assert_eq!(announced.kid(), before.kid());
    let reads = elsewhere.reads_during(|| {
        elsewhere.send(&client.asks(DEFAULT)).accepted();
    });
    assert_eq!(reads, 0, "it is known that the key is to come");
    world.around.clock.set(starts);
    let after = elsewhere.token(&elsewhere.send(&client.asks(DEFAULT)));
    assert_ne!(after.kid(), before.kid());
    assert_eq!(after.header["alg"], "EdDSA");
}

#[test]
fn r38_without_any_key_of_the_algorithm_the_newest_of_another_signs() {
    let world = World::demo();
    let client = world.client(&[]);
    world.administer(json!({"rotateKey": {"tenant": "demo", "algorithm": "ES256", "starts": 0}}));
    world.around.clock.pass(100);
    world.administer(json!({"rotateKey": {"tenant": "demo", "algorithm": "EdDSA", "starts": 0}}));
    prefer(&world, "RS256");
    for _ in 0..2 {
        let elsewhere = world.elsewhere();
        let token = elsewhere.token(&elsewhere.send(&client.asks(DEFAULT)));
        assert_eq!(token.header["alg"], "EdDSA");
    }
}

#[test]
fn r38_a_rotation_loses_no_request_and_no_token() {
    let world = World::demo();
    let client = world.client(&[]);
    let mut kids = Vec::new();
    for step in 0..10 {
        if step == 3 {
            let starts = world.around.clock.now().plus(100);
            world.administer(json!({"rotateKey": {
                "tenant": "demo", "algorithm": "ES256", "starts": starts,
            }}));
        }
        let token = world.token(&world.send(&client.asks(DEFAULT)));
        kids.push(token.kid().to_owned());
        world.around.clock.pass(25);
    }
    kids.dedup();
    assert_eq!(kids.len(), 2, "one step from the old key to the new one");
}

#[test]
fn health_tells_what_the_store_promises() {
    let world = World::empty();
    let health = world.get("/healthz");
    assert_eq!(health.header("cache-control"), Some("no-store"));
    let promises = json!({"atomic": true, "readYourWrites": true, "transactions": true});
    let expected = json!({"status": "ok", "store": promises, "grants": promises});
    assert_eq!(health.accepted(), expected);
    world.around.has_grants.set(false);
    let without = json!({"status": "ok", "store": promises});
    assert_eq!(world.get("/healthz").accepted(), without);
}

#[test]
fn r38_a_rotation_without_a_start_signs_nothing_that_a_location_cannot_verify() {
    let here = World::demo();
    let client = here.client(&[]);
    let there = here.elsewhere();
    there.published();
    here.administer(json!({"rotateKey": {"tenant": "demo", "algorithm": "ES256"}}));
    let answer = here.send(&client.asks(DEFAULT)).accepted();
    assert!(
        there
            .verify(answer["access_token"].as_str().unwrap())
            .is_some()
    );
    assert_eq!(here.published().len(), 2, "announced at once");
}

#[test]
fn r38_a_cache_ttl_that_key_rotation_cannot_rely_on_is_refused() {
    assert!(crate::support::config().cache_ttl(3_600).is_ok());
    assert!(crate::support::config().cache_ttl(3_601).is_err());
}
