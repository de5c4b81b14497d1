//! Access tokens: requirements 39 to 42 (RFC 9068).

use std::collections::HashSet;

use base64ct::{Base64UrlUnpadded, Encoding};
use edgemint::key::PublicKey;
use serde_json::{Value, json};

use crate::support::{ORIGIN, RSA_JWK, Token, World, rsa_stand_in};

const DEFAULT: &str = "api://orders/.default";

#[test]
fn r39_a_token_has_every_claim_of_rfc_9068_and_no_null() {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All"]);
    let token = world.token(&world.send(&client.asks(DEFAULT)));
    let now = world.around.clock.now().secs();
    let claims = &token.claims;
    assert_eq!(claims["iss"], format!("{ORIGIN}/demo"));
    assert_eq!(claims["sub"], client.id);
    assert_eq!(claims["client_id"], client.id);
    assert_eq!(claims["azp"], client.id);
    assert_eq!(claims["aud"], "api://orders");
    assert_eq!(claims["iat"], now);
    assert_eq!(claims["nbf"], now);
    assert_eq!(claims["exp"], now + 3_600);
    assert_eq!(claims["scope"], "api://orders/Orders.Read.All");
    assert!(claims["jti"].is_string());
    assert!(claims["tid"].is_string());
    for (name, value) in claims.as_object().unwrap() {
        assert!(!value.is_null(), "{name}");
    }
    assert_eq!(
        claims.as_object().unwrap().len(),
        12,
        "and nothing else: {claims}"
    );
}

#[test]
fn r39_the_header_names_type_algorithm_and_key() {
    let world = World::demo();
    let client = world.client(&[]);
    let token = world.token(&world.send(&client.asks(DEFAULT)));
    assert_eq!(token.header["typ"], "at+jwt");
    assert_eq!(token.header["alg"], "ES256");
    assert_eq!(vec![token.kid().to_owned()], world.published());
    assert_eq!(
        token.header.as_object().unwrap().len(),
        3,
        "{}",
        token.header
    );
}

#[test]
fn r39_an_altered_token_does_not_verify() {
    let world = World::demo();
    let client = world.client(&[]);
    let token = world.token(&world.send(&client.asks(DEFAULT)));
    let mut parts: Vec<&str> = token.compact.split('.').collect();
    let mut claims = token.claims.clone();
    claims["roles"] = json!(["Orders.Write.All"]);
    let claims = Base64UrlUnpadded::encode_string(claims.to_string().as_bytes());
    parts[1] = &claims;
    assert!(world.verify(&parts.join(".")).is_none());
    assert!(world.verify(&token.compact).is_some());
}

#[test]
fn r39_tokens_are_signed_as_the_tenant_says_or_as_the_api_says() {
    let world = World::empty();
    world.administer(json!({"createTenant": {"tenant": "demo", "algorithm": "EdDSA"}}));
    for (api, algorithm) in [("api://orders", Value::Null), ("api://old", json!("ES256"))] {
        let api = json!({"tenant": "demo", "identifier": api, "algorithm": algorithm});
        world.administer(json!({ "createApi": api }));
    }
    let client = world.client(&[]);
    for (api, algorithm) in [("api://orders", "EdDSA"), ("api://old", "ES256")] {
        let token = world.token(&world.send(&client.asks(&format!("{api}/.default"))));
        assert_eq!(token.header["alg"], algorithm);
    }
}

#[test]
fn r39_no_algorithm_called_none_can_be_configured() {
    for algorithm in ["none", "None", "HS256", "es256", ""] {
        let command = json!({"createTenant": {"tenant": "demo", "algorithm": algorithm}});
        let command = edgemint::administration::Command::parse(&command.to_string());
        assert!(command.is_err(), "{algorithm}");
    }
}

#[test]
fn r39_jti_never_repeats() {
    let world = World::demo();
    let client = world.client(&[]);
    let mut seen = HashSet::new();
    for _ in 0..200 {
        let answer = world.send(&client.asks(DEFAULT)).accepted();
        let token = Token::read(answer["access_token"].as_str().unwrap());
        let jti = token.claims["jti"].as_str().unwrap().to_owned();
        let random = Base64UrlUnpadded::decode_vec(&jti).unwrap();
        assert_eq!(random.len() * 8, 128);
        assert!(seen.insert(jti));
    }
}

#[test]
fn r40_the_audience_is_the_api_asked_for() {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All"]);
    world.assign(&client.id, "api://billing", &["Billing.Read"]);
    for api in ["api://orders", "api://billing"] {
        let by_scope = client.asks(&format!("{api}/.default"));
        let by_resource = client.asks("").with("resource", api);
        for call in [by_scope, by_resource] {
            let token = world.token(&world.send(&call));
            assert_eq!(token.claims["aud"], api);
        }
    }
}

#[test]
fn r40_an_audience_that_is_not_registered_is_refused() {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All"]);
    for api in [
        "api://nowhere",
        "https://auth.example.com/demo",
        "api://orders/",
    ] {
        let answer = world.send(&client.asks(&format!("{api}/.default")));
        answer.refused(400, "invalid_scope");
        let answer = world.send(&client.asks("").with("resource", api));
        answer.refused(400, "invalid_target");
    }
    // An API of one tenant is not one of another.
    world.administer(json!({"createTenant": {"tenant": "rival"}}));
    world.administer(json!({"createApi": {"tenant": "rival", "identifier": "api://rival"}}));
    world
        .send(&client.asks("api://rival/.default"))
        .refused(400, "invalid_scope");
}

#[test]
fn r40_an_identifier_that_ends_in_a_slash_is_another_api() {
    let world = World::demo();
    for api in ["https://api.example.com/v1", "https://api.example.com/v1/"] {
        world.administer(json!({"createApi": {"tenant": "demo", "identifier": api}}));
    }
    let client = world.client(&[]);
    for (scope, audience) in [
        (
            "https://api.example.com/v1/.default",
            "https://api.example.com/v1",
        ),
        (
            "https://api.example.com/v1//.default",
            "https://api.example.com/v1/",
        ),
    ] {
        let token = world.token(&world.send(&client.asks(scope)));
        assert_eq!(token.claims["aud"], audience);
    }
}

#[test]
fn r41_roles_are_exactly_those_assigned_as_texts() {
    let world = World::demo();
    for assigned in [
        vec![],
        vec!["Orders.Read.All"],
        vec!["Orders.Write.All", "Orders.Read.All"],
    ] {
        let client = world.client(&assigned);
        let token = world.token(&world.send(&client.asks(DEFAULT)));
        let mut expected = assigned;
        expected.sort_unstable();
        assert_eq!(token.claims["roles"], json!(expected));
    }
}

#[test]
fn r41_a_subset_that_was_asked_for_is_what_the_token_carries() {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All", "Orders.Write.All"]);
    let token = world.token(&world.send(&client.asks("api://orders/Orders.Write.All")));
    assert_eq!(token.claims["roles"], json!(["Orders.Write.All"]));
}

#[test]
fn r41_a_role_that_is_not_assigned_is_refused_and_never_left_out_silently() {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All"]);
    for scope in [
        "api://orders/Orders.Write.All",
        "api://orders/Orders.Read.All api://orders/Orders.Write.All",
        "api://orders/Orders.Delete.All",
    ] {
        world
            .send(&client.asks(scope))
            .refused(400, "invalid_scope");
    }
}

#[test]
fn r41_roles_of_one_api_are_not_roles_on_another() {
    let world = World::demo();
    world.administer(json!({"createApi": {
        "tenant": "demo", "identifier": "api://twin", "roles": [{"value": "Orders.Read.All"}],
    }}));
    let client = world.client(&["Orders.Read.All"]);
    let token = world.token(&world.send(&client.asks("api://twin/.default")));
    assert_eq!(token.claims["roles"], json!([]));
    world
        .send(&client.asks("api://twin/Orders.Read.All"))
        .refused(400, "invalid_scope");
}

#[test]
fn r41_an_api_that_requires_an_assignment_gives_no_token_without_one() {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All"]);
    let billing = client.asks("api://billing/.default");
    world.send(&billing).refused(400, "invalid_scope");
    world.assign(&client.id, "api://billing", &["Billing.Read"]);
    assert_eq!(
        world.token(&world.send(&billing)).claims["roles"],
        json!(["Billing.Read"])
    );
    world.administer(json!({"removeRoles": {
        "tenant": "demo", "clientId": client.id,
        "api": "api://billing", "roles": ["Billing.Read"],
    }}));
    world.send(&billing).refused(400, "invalid_scope");
}

/// The signature itself is the host's: here a stand-in for SubtleCrypto takes the place of RSA.
#[test]
fn r42_rs256_tokens_carry_what_a_host_that_knows_rsa_signed() {
    let world = World::empty();
    world.around.signer.learn_rsa();
    world.administer(json!({"createTenant": {"tenant": "demo", "algorithm": "RS256"}}));
    world.administer(json!({"createApi": {"tenant": "demo", "identifier": "api://orders"}}));
    let client = world.client(&[]);
    let answer = world.send(&client.asks(DEFAULT)).accepted();
    let token = Token::read(answer["access_token"].as_str().unwrap());
    let expected = PublicKey::from_jwk(RSA_JWK).unwrap().thumbprint();
    assert_eq!(token.header["alg"], "RS256");
    assert_eq!(token.kid(), expected);
    let (input, signature) = token.compact.rsplit_once('.').unwrap();
    let signed = rsa_stand_in(input.as_bytes());
    assert_eq!(signature, Base64UrlUnpadded::encode_string(&signed));
    let jwks = world.get("/demo/.well-known/jwks.json").accepted();
    let mut published: Value = serde_json::from_str(RSA_JWK).unwrap();
    published["alg"] = json!("RS256");
    published["use"] = json!("sig");
    published["kid"] = json!(expected);
    assert_eq!(jwks["keys"], json!([published]));
}

#[test]
fn r42_an_rs256_api_lives_in_an_es256_tenant() {
    let world = World::demo();
    world.around.signer.learn_rsa();
    world.administer(json!({"createApi": {
        "tenant": "demo", "identifier": "api://old", "algorithm": "RS256",
    }}));
    let client = world.client(&[]);
    let answer = world.send(&client.asks("api://old/.default")).accepted();
    let token = Token::read(answer["access_token"].as_str().unwrap());
    assert_eq!(token.header["alg"], "RS256");
    let token = world.token(&world.send(&client.asks(DEFAULT)));
    assert_eq!(token.header["alg"], "ES256");
}

#[test]
fn a_failing_signer_or_entropy_source_is_a_server_error_and_an_event() {
    let world = World::demo();
    let client = world.client(&[]);
    world.around.signer.set_broken(true);
    world
        .send(&client.asks(DEFAULT))
        .refused(500, "server_error");
    world.around.signer.set_broken(false);
    world.around.entropy.set_exhausted(true);
    world
        .send(&client.asks(DEFAULT))
        .refused(500, "server_error");
    world.around.entropy.set_exhausted(false);
    let reasons: Vec<&str> = world.events().iter().map(|event| event.reason).collect();
    assert_eq!(reasons, ["signing", "entropy"]);
    assert_eq!(
        world.send(&client.asks(DEFAULT)).status(),
        200,
        "it can be repeated"
    );
}
