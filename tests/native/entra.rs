//! The dialects of Entra and B2C: what the vectors do not say.

use base64ct::{Base64UrlUnpadded, Encoding};
use edgemint::Act;
use edgemint::administration::AdministrationError;
use edgemint::event::Kind;
use edgemint::store::{Expected, Key, Partition, Store};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{
    CALLBACK, CHALLENGE, Call, Destination, PutFault, Token, VERIFIER, World, block_on,
};

const TENANT: &str = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490";
const CLIENT: &str = "535fb089-9ff3-47b6-9bfb-4f1264799865";
const SECRET: &str = "sampleCredentials-of-at-least-32-characters";
const GRAPH: &str = "https://graph.microsoft.com";
const ENTRA: &str = "/contoso/oauth2/v2.0";
const B2C: &str = "/contoso.onmicrosoft.com/b2c_1_sign_in/oauth2/v2.0";
const OTHER_POLICY: &str = "/contoso.onmicrosoft.com/B2C_1A_SUSI/oauth2/v2.0";
const STANDARD: &str = "/contoso/oauth2";

/// The tenant of the vectors.
fn contoso() -> World {
    let world = World::demo();
    world.around.signer.learn_rsa();
    let vectors = include_str!("../vectors/entra.json");
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    for command in vectors["directory"].as_array().unwrap() {
        world.administer(command.clone());
    }
    world.administer(json!({"updateApplication": {
        "tenant": "contoso", "clientId": CLIENT, "redirectUris": [CALLBACK],
        "grantTypes": ["authorization_code", "client_credentials", "refresh_token"],
    }}));
    world
}

/// A request of the application for itself.
fn asks(at: &str, scope: &str) -> Call {
    Call::form(&format!("{at}/token"))
        .with("grant_type", "client_credentials")
        .with("scope", scope)
        .post(CLIENT, SECRET)
}

/// The code of a user, asked for at these endpoints.
fn code(world: &World, at: &str, subject: &str) -> String {
    let call = Call::form("")
        .with("response_type", "code")
        .with("client_id", CLIENT)
        .with("redirect_uri", CALLBACK)
        .with("scope", &format!("{GRAPH}/Mail.Read"))
        .with("code_challenge", CHALLENGE)
        .with("code_challenge_method", "S256");
    let query = std::str::from_utf8(call.encoded()).unwrap().to_owned();
    let query = if at == STANDARD {
        query
    } else {
        query.replace("Mail.Read", "Mail.Read+openid+offline_access")
    };
    let login = world.get(&format!("{at}/authorize?{query}")).destination();
    let act = json!({"completeAuthorization": {
        "handle": login.get("handle"), "subject": subject,
        "claims": {"name": "Ada", "oid": "made up", "ver": "9"},
    }});
    let act = Act::parse(&act.to_string()).unwrap();
    let done = block_on(world.issuer.act(act, world.around.clock.now())).unwrap();
    let done: Value = serde_json::from_str(&done).unwrap();
    let back = Destination::of(done["redirectTo"].as_str().unwrap());
    back.get("code").to_owned()
}

fn redeems(at: &str, code: &str) -> Call {
    Call::form(&format!("{at}/token"))
        .with("grant_type", "authorization_code")
        .with("code", code)
        .with("redirect_uri", CALLBACK)
        .with("code_verifier", VERIFIER)
        .post(CLIENT, SECRET)
}

fn refreshes(at: &str, token: &str) -> Call {
    Call::form(&format!("{at}/token"))
        .with("grant_type", "refresh_token")
        .with("refresh_token", token)
        .with("scope", &format!("{GRAPH}/Mail.Read offline_access"))
        .post(CLIENT, SECRET)
}

/// The document of an answer in a dialect that must be a success.
#[track_caller]
fn accepted(world: &World, call: &Call) -> Value {
    let answer = world.send(call);
    assert_eq!(answer.status(), 200, "{answer:?}");
    serde_json::from_str(&answer.0.body).unwrap()
}

/// Checks that a request is refused with this code. Returns the whole answer.
#[track_caller]
fn refused(world: &World, call: &Call, status: u16, error: &str, code: &str) -> Value {
    let answer = world.send(call);
    assert_eq!(answer.status(), status, "{answer:?}");
    let body: Value = serde_json::from_str(&answer.0.body).unwrap();
    assert_eq!(body["error"], error, "{body}");
    let text = body["error_description"].as_str().unwrap();
    assert!(text.starts_with(&format!("{code}: ")), "{text}");
    assert_eq!(answer.header("www-authenticate"), None);
    body
}

fn refresh_of(body: &Value) -> String {
    body["refresh_token"].as_str().unwrap().to_owned()
}

#[test]
fn a_user_gets_tokens_of_the_dialect_in_either() {
    let world = contoso();
    let body = accepted(&world, &redeems(ENTRA, &code(&world, ENTRA, "ada")));
    let names: Vec<&str> = body
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let expected = [
        "access_token",
        "expires_in",
        "ext_expires_in",
        "refresh_token",
        "refresh_token_expires_in",
        "scope",
        "token_type",
    ];
    assert_eq!(names, expected);
    assert_eq!(body["scope"], format!("{GRAPH}/Mail.Read"));
    let token = Token::read(body["access_token"].as_str().unwrap());
    assert_eq!(token.header["typ"], "JWT");
    let claims = &token.claims;
    assert_eq!(
        claims["iss"],
        format!("https://auth.example.com/{TENANT}/v2.0")
    );
    assert_eq!(claims["aud"], "00000003-0000-0000-c000-000000000000");
    assert_eq!(
        (&claims["sub"], &claims["scp"]),
        (&json!("ada"), &json!("Mail.Read"))
    );
    assert_eq!(
        (&claims["name"], &claims["ver"]),
        (&json!("Ada"), &json!("2.0"))
    );
    assert_eq!(
        (&claims["azp"], &claims["azpacr"]),
        (&json!(CLIENT), &json!("1"))
    );
    // No name of the table is there twice, and a user's object is no application's.
    assert_ne!(claims["oid"], "made up");
    assert_ne!(claims["oid"], claims["sub"]);
    for absent in ["roles", "sid", "jti", "scope", "client_id", "idtyp"] {
        assert!(claims.get(absent).is_none(), "{absent}");
    }
    let body = accepted(&world, &redeems(B2C, &code(&world, B2C, "ada")));
    assert_eq!(body["resource"], "00000003-0000-0000-c000-000000000000");
    assert_eq!(
        body["expires_on"],
        json!(body["not_before"].as_u64().unwrap() + 3_600)
    );
    let claims = Token::read(body["access_token"].as_str().unwrap()).claims;
    assert_eq!(
        (&claims["tfp"], &claims["scp"]),
        (&json!("b2c_1_sign_in"), &json!("Mail.Read"))
    );
    assert!(claims.get("roles").is_none() && claims.get("uti").is_none());
}

#[test]
fn a_refresh_token_of_the_dialect_stays_valid_unless_the_application_says_otherwise() {
    let world = contoso();
    for at in [ENTRA, B2C] {
        let first = refresh_of(&accepted(&world, &redeems(at, &code(&world, at, "ada"))));
        for _ in 0..3 {
            world.around.clock.pass(60);
            assert_eq!(refresh_of(&accepted(&world, &refreshes(at, &first))), first);
        }
    }
    let rotate = json!({"mode": "rotate", "grace": 0});
    world.administer(json!({"updateApplication": {
        "tenant": "contoso", "clientId": CLIENT, "refresh": rotate,
    }}));
    let world = world.elsewhere();
    let first = refresh_of(&accepted(
        &world,
        &redeems(ENTRA, &code(&world, ENTRA, "ada")),
    ));
    let next = refresh_of(&accepted(&world, &refreshes(ENTRA, &first)));
    assert_ne!(first, next);
    refused(
        &world,
        &refreshes(ENTRA, &first),
        400,
        "invalid_grant",
        "AADSTS50173",
    );
}

#[test]
fn the_default_mode_rotates_at_the_standards_endpoints() {
    let world = contoso();
    let body = accepted(&world, &redeems(STANDARD, &code(&world, STANDARD, "ada")));
    let first = refresh_of(&body);
    let call = refreshes(STANDARD, &first).without("scope");
    assert_ne!(refresh_of(&accepted(&world, &call)), first);
}

#[test]
fn the_claims_hook_is_told_the_dialect_and_overrides_none_of_its_claims() {
    let world = contoso();
    let names = ["oid", "ver", "uti", "appid", "azpacr", "idtyp", "tfp"];
    let mut answer = json!({"team": "green"});
    for name in names {
        answer[name] = json!("made up");
    }
    let made_up = answer.to_string();
    world.around.hook.answer(&made_up);
    for (at, dialect, policy) in [
        (ENTRA, "entra", Value::Null),
        (B2C, "b2c", json!("b2c_1_sign_in")),
        (STANDARD, "standard", Value::Null),
    ] {
        let own = asks(at, &format!("{GRAPH}/.default"));
        let session = refresh_of(&accepted(&world, &redeems(at, &code(&world, at, "ada"))));
        world.around.hook.asked();
        for call in [own, refreshes(at, &session).without("scope")] {
            let body = accepted(&world, &call);
            let claims = Token::read(body["access_token"].as_str().unwrap()).claims;
            assert_eq!(claims["team"], "green", "{claims}");
            for name in names {
                let is_made_up = claims.get(name).is_some_and(|value| value == "made up");
                assert_eq!(is_made_up, at == STANDARD, "{name}: {claims}");
            }
        }
        for asked in world.around.hook.asked() {
            assert_eq!(
                (&asked["dialect"], &asked["policy"]),
                (&json!(dialect), &policy)
            );
            assert_eq!(asked["api"], GRAPH);
        }
        world.around.hook.answer("{\"sub\":\"eve\"}");
        let answer = world.send(&refreshes(at, &session).without("scope"));
        assert_eq!(
            (answer.status(), answer.header("retry-after")),
            (503, Some("1"))
        );
        world.around.hook.answer(&made_up);
    }
}

#[test]
fn a_session_stays_in_the_realm_that_it_was_opened_in() {
    let world = contoso();
    let realms = [STANDARD, ENTRA, B2C, OTHER_POLICY];
    for home in realms {
        let token = refresh_of(&accepted(
            &world,
            &redeems(home, &code(&world, home, "ada")),
        ));
        let pending = code(&world, home, "ada");
        for elsewhere in realms.into_iter().filter(|other| *other != home) {
            let code = match elsewhere {
                ENTRA => "AADSTS70000",
                STANDARD => "the code or the refresh token is not valid",
                _ => "AADB2C90088",
            };
            let refresh = refreshes(elsewhere, &token).without("scope");
            for call in [refresh, redeems(elsewhere, &pending)] {
                let answer = world.send(&call);
                assert_eq!(answer.status(), 400);
                assert!(
                    answer.mentions(code) && answer.mentions("invalid_grant"),
                    "{answer:?}"
                );
            }
        }
        // Nothing of it is spent.
        accepted(&world, &refreshes(home, &token).without("scope"));
        accepted(&world, &redeems(home, &pending));
    }
}

#[test]
fn a_token_of_a_dialect_is_good_for_nothing_here() {
    let world = contoso();
    let dialect = accepted(&world, &asks(ENTRA, &format!("{GRAPH}/.default")));
    let dialect = dialect["access_token"].as_str().unwrap();
    let introspects = |token: &str| {
        let call = Call::form("/contoso/oauth2/introspect").with("token", token);
        world.send(&call.post(CLIENT, SECRET)).accepted()["active"] == true
    };
    assert!(!introspects(dialect));
    let call = Call::get("/contoso/admin/v1/tenant").bearer(dialect);
    world.send(&call).problem(401, "invalid_token");
    let standard = world
        .send(&asks(STANDARD, &format!("{GRAPH}/.default")))
        .accepted();
    let standard = standard["access_token"].as_str().unwrap();
    assert!(introspects(standard));
    // And the reverse: the key that signs for the standard is none of the dialect's.
    let (standard, dialect) = (Token::read(standard), Token::read(dialect));
    assert_ne!(standard.claims["iss"], dialect.claims["iss"]);
    assert_ne!(standard.header["typ"], dialect.header["typ"]);
    for keys in [
        format!("/{TENANT}/discovery/v2.0/keys"),
        format!("/{TENANT}/discovery/keys"),
    ] {
        let jwks = accepted(&world, &Call::get(&keys));
        let keys = jwks["keys"].as_array().unwrap();
        assert!(
            keys.iter()
                .all(|key| key["alg"] == "RS256" && key["kid"] != standard.header["kid"])
        );
        assert!(keys.iter().any(|key| key["kid"] == dialect.header["kid"]));
    }
}

#[test]
fn the_administration_is_no_resource_by_any_name() {
    let world = contoso();
    for scope in ["urn:edgemint:admin/.default", "URN:edgemint:admin/.default"] {
        refused(
            &world,
            &asks(ENTRA, scope),
            400,
            "invalid_resource",
            "AADSTS500011",
        );
        refused(
            &world,
            &asks(B2C, scope),
            400,
            "invalid_request",
            "AADB2C90117",
        );
    }
}

#[test]
fn nothing_but_rs256_signs_in_a_dialect() {
    let world = contoso();
    let call = asks(ENTRA, &format!("{GRAPH}/.default"));
    let token = accepted(&world, &call);
    let kid = Token::read(token["access_token"].as_str().unwrap())
        .kid()
        .to_owned();
    world
        .administer(json!({"rotateKey": {"tenant": "contoso", "algorithm": "ES256", "starts": 1}}));
    world.administer(json!({"removeKey": {"tenant": "contoso", "kid": kid}}));
    let world = world.elsewhere();
    refused(&world, &call, 500, "server_error", "AADSTS50000");
    assert_eq!(
        world.send(&call.target("/contoso/oauth2/token")).status(),
        200
    );
}

#[test]
fn an_alias_leads_only_where_the_tenant_has_it() {
    let world = contoso();
    let scope = format!("{GRAPH}/.default");
    let by_domain = asks("/contoso.com/oauth2/v2.0", &scope);
    accepted(&world, &by_domain);
    // The tenant gives it up: the alias that is left leads nowhere.
    world.administer(json!({"updateTenant": {"tenant": "contoso", "domains": []}}));
    let world = world.elsewhere();
    refused(&world, &by_domain, 400, "invalid_request", "AADSTS90002");
    // Another may have it now, and only one at a time.
    world.around.clock.pass(60);
    let other = json!({"tenant": "fabrikam", "entra": true, "domains": ["contoso.com"]});
    world.administer(json!({"createTenant": other}));
    let error = world
        .try_administer(json!({"updateTenant": {"tenant": "contoso", "domains": ["contoso.com"]}}))
        .unwrap_err();
    assert!(matches!(error, AdministrationError::Exists(_)), "{error}");
    let world = world.elsewhere();
    // It is another directory: the application is not known there.
    refused(
        &world,
        &by_domain,
        400,
        "unauthorized_client",
        "AADSTS700016",
    );
    // Nor can an id be another tenant's.
    let twin = json!({"tenant": "twin", "id": TENANT, "entra": true});
    let error = world
        .try_administer(json!({"createTenant": twin}))
        .unwrap_err();
    assert!(matches!(error, AdministrationError::Exists(_)), "{error}");
}

#[test]
fn a_tenant_is_not_called_what_a_path_could_mean_otherwise() {
    let world = World::empty();
    for name in ["common", "organizations", "consumers", TENANT] {
        let error = world
            .try_administer(json!({"createTenant": {"tenant": name}}))
            .unwrap_err();
        assert_eq!(error.code(), "invalid", "{name}");
    }
    world.administer(json!({"createTenant": {"tenant": "demo"}}));
    for domain in [
        "contoso",
        "10.0.0.1",
        "x.onmicrosoft.com",
        "Contoso.com",
        "a..b",
        TENANT,
        ".com",
    ] {
        let change = json!({"updateTenant": {"tenant": "demo", "domains": [domain]}});
        assert_eq!(
            world.try_administer(change).unwrap_err().code(),
            "invalid",
            "{domain}"
        );
    }
    for policy in ["sign_in", "b2c_1/x", "b2c_1_\"", "entra"] {
        let change = json!({"updateTenant": {"tenant": "demo", "policies": [policy]}});
        assert_eq!(
            world.try_administer(change).unwrap_err().code(),
            "invalid",
            "{policy}"
        );
    }
}

#[test]
fn an_app_id_is_one_apis_for_ever() {
    let world = contoso();
    let graph = "00000003-0000-0000-c000-000000000000";
    let create = |identifier: &str, id: &str| {
        world.try_administer(json!({"createApi": {
            "tenant": "contoso", "identifier": identifier, "appId": id,
        }}))
    };
    assert_eq!(create("api://evil", graph).unwrap_err().code(), "exists");
    world.administer(json!({"deleteApi": {"tenant": "contoso", "identifier": GRAPH}}));
    assert_eq!(create("api://evil", graph).unwrap_err().code(), "exists");
    assert_eq!(
        create("api://evil", "not an id").unwrap_err().code(),
        "invalid"
    );
    create(GRAPH, graph).unwrap();
    // Where nobody gives one, there is one all the same.
    world.administer(json!({"createApi": {"tenant": "contoso", "identifier": "api://more"}}));
    let api = world.document(&json!({"getApi": {"tenant": "contoso", "identifier": "api://more"}}));
    let scope = format!("{}/.default", api["appId"].as_str().unwrap());
    let body = accepted(&world, &asks(ENTRA, &scope));
    let claims = Token::read(body["access_token"].as_str().unwrap()).claims;
    assert_eq!(claims["aud"], api["appId"]);
}

#[test]
fn a_tenant_that_turns_entra_on_later_has_ids_for_what_it_had() {
    let world = World::demo();
    world.around.signer.learn_rsa();
    let client = world.client(&["Orders.Read.All"]);
    world.administer(json!({"updateTenant": {"tenant": "demo", "entra": true}}));
    world.around.clock.pass(7_200);
    let call = client
        .asks("api://orders/.default")
        .target("/demo/oauth2/v2.0/token");
    let claims = |world: &World| {
        let body = accepted(world, &call);
        Token::read(body["access_token"].as_str().unwrap()).claims
    };
    let (one, other) = (claims(&world), claims(&world.elsewhere()));
    assert_eq!(one["aud"], other["aud"]);
    assert_eq!(one["oid"], other["oid"]);
    assert_eq!(one["oid"], one["sub"]);
    assert_ne!(one["uti"], other["uti"]);
    assert_eq!(one["aud"].as_str().unwrap().as_bytes()[14], b'8');
}

#[test]
fn a_warm_request_reads_nothing_whatever_names_the_tenant() {
    let world = contoso();
    for at in [TENANT, "contoso.com", "contoso", "contoso.onmicrosoft.com"] {
        let call = asks(&format!("/{at}/oauth2/v2.0"), &format!("{GRAPH}/.default"));
        accepted(&world, &call);
        let reads = world.reads_during(|| drop(accepted(&world, &call)));
        assert_eq!(reads, 0, "{at}");
    }
}

#[test]
fn an_error_names_the_request_as_its_event_does() {
    let world = contoso();
    let id = "AAAA0000-bb11-2222-33cc-444444dddddd";
    let call = asks(ENTRA, "api://nobody/.default").correlation(id);
    world.events();
    let body = refused(&world, &call, 400, "invalid_resource", "AADSTS500011");
    assert_eq!(body["correlation_id"], id);
    let trace = body["trace_id"].as_str().unwrap();
    let events = world.events();
    assert_eq!(events.len(), 1);
    assert_eq!(
        events[0].detail,
        Some(format!("api://nobody trace {trace}"))
    );
    assert_eq!(events[0].tenant.as_deref(), Some("contoso"));
}

#[test]
fn a_client_id_that_nobody_has_is_quoted_only_if_it_has_the_form_of_one() {
    let world = contoso();
    for (id, is_quoted) in [("hunter2-hunter2", false), (TENANT, true)] {
        let call = Call::form("/contoso/oauth2/v2.0/token")
            .with("grant_type", "client_credentials")
            .post(id, "x");
        let body = refused(&world, &call, 400, "unauthorized_client", "AADSTS700016");
        assert_eq!(body.to_string().contains(id), is_quoted);
    }
}

#[test]
fn whoever_guesses_too_often_and_whoever_meets_a_fault_is_told_when_to_come_back() {
    let world = contoso();
    let call = asks(ENTRA, "x")
        .without("client_secret")
        .with("client_secret", "wrong");
    let call = call.from("203.0.113.7");
    let last = (0..20).map(|_| world.send(&call)).last().unwrap();
    assert_eq!(
        (last.status(), last.header("retry-after").is_some()),
        (429, true)
    );
    assert!(last.mentions("AADSTS90055"));
    let elsewhere = world.elsewhere();
    elsewhere.around.store.set_down(true);
    for (at, code) in [(ENTRA, "AADSTS90033"), (B2C, "AADB2C90035")] {
        let call = asks(at, &format!("{GRAPH}/.default"));
        refused(&elsewhere, &call, 503, "temporarily_unavailable", code);
        assert_eq!(elsewhere.send(&call).header("retry-after"), Some("1"));
    }
}

#[test]
fn b2c_says_which_policy_it_does_not_have() {
    let world = contoso();
    let document = "/contoso.onmicrosoft.com/b2c_1_other/v2.0/.well-known/openid-configuration";
    let body = refused(
        &world,
        &Call::get(document),
        404,
        "invalid_request",
        "AADB2C90022",
    );
    assert!(
        body["error_description"]
            .as_str()
            .unwrap()
            .contains("'b2c_1_other'")
    );
    let call = asks(
        "/contoso/b2c_1_other/oauth2/v2.0",
        &format!("{GRAPH}/.default"),
    );
    refused(&world, &call, 400, "invalid_grant", "AADB2C90085");
}

/// What an act is refused with.
#[track_caller]
fn refusal_of(world: &World, command: Value) -> &'static str {
    world.try_administer(command).unwrap_err().code()
}

#[test]
fn an_id_is_its_tenants_whether_or_not_it_speaks_a_dialect() {
    let world = contoso();
    let id = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
    world.administer(json!({"createTenant": {"tenant": "victim", "id": id}}));
    let thief = json!({"createTenant": {"tenant": "thief", "id": id, "entra": true}});
    assert_eq!(refusal_of(&world, thief.clone()), "exists");
    world.around.clock.pass(3_600);
    assert_eq!(refusal_of(&world, thief), "exists");
    world.administer(json!({"updateTenant": {"tenant": "victim", "entra": true}}));
    let document = world.get(&format!("/{id}/v2.0/.well-known/openid-configuration"));
    assert_eq!(document.status(), 200);
}

#[test]
fn maintenance_claims_the_id_of_a_tenant_that_is_older_than_that_rule() {
    let world = contoso();
    let id = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee";
    world.administer(json!({"createTenant": {"tenant": "victim", "id": id}}));
    let alias = Key::new(Partition::new(format!("directory/{id}")).unwrap(), "alias").unwrap();
    let held = block_on(world.around.store.memory.get(&alias))
        .unwrap()
        .unwrap();
    let held = Expected::Version(held.version);
    block_on(world.around.store.memory.delete(&alias, held)).unwrap();
    world.administer(json!({"maintain": {"tenant": "victim"}}));
    let thief = json!({"createTenant": {"tenant": "thief", "id": id, "entra": true}});
    assert_eq!(refusal_of(&world, thief), "exists");
}

#[test]
fn a_tenant_whose_name_has_the_form_of_an_id_keeps_its_standard_metadata() {
    let world = contoso();
    let name = "12345678-1234-4123-8123-123456789012";
    // None can be made any more: it is put there as it was.
    let legacy = Key::new(
        Partition::new(format!("directory/{name}")).unwrap(),
        "tenant",
    )
    .unwrap();
    let record = json!({
        "id": "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee", "displayName": name,
        "algorithm": "ES256", "accessTokenLifetime": 3600, "epoch": 0, "createdAt": 0,
    });
    world.around.store.create(&legacy, &record.to_string());
    let issuer = |world: &World| {
        let path = format!("/{name}/.well-known/openid-configuration");
        world.get(&path).json()["issuer"].clone()
    };
    let expected = format!("https://auth.example.com/{name}");
    assert_eq!(issuer(&world), expected);
    let mallory = json!({"createTenant": {"tenant": "mallory", "id": name, "entra": true}});
    assert_eq!(refusal_of(&world, mallory), "exists");
    // And if one has it all the same.
    let alias = Key::new(
        Partition::new(format!("directory/{name}")).unwrap(),
        "alias",
    )
    .unwrap();
    world.around.store.create(&alias, "\"contoso\"");
    let contoso = Key::new(Partition::new("directory/contoso").unwrap(), "tenant").unwrap();
    let record = world.around.store.text(&contoso).replace(TENANT, name);
    world.around.store.overwrite(&contoso, &record);
    let elsewhere = world.elsewhere();
    let entra = elsewhere.get(&format!("/{name}/v2.0/.well-known/openid-configuration"));
    assert_eq!(entra.status(), 200);
    assert_eq!(issuer(&world.elsewhere()), expected);
}

#[test]
fn a_domain_is_one_tenants_only_whether_or_not_it_speaks_a_dialect() {
    let world = contoso();
    world.administer(json!({"createTenant": {"tenant": "one", "domains": ["one.example"]}}));
    let two = json!({"createTenant": {"tenant": "two", "entra": true, "domains": ["one.example"]}});
    assert_eq!(refusal_of(&world, two.clone()), "exists");
    let change = json!({"updateTenant": {"tenant": "contoso", "domains": ["one.example"]}});
    assert_eq!(refusal_of(&world, change), "exists");
    world.administer(json!({"updateTenant": {"tenant": "one", "entra": true}}));
    world.administer(json!({"updateTenant": {"tenant": "one", "domains": []}}));
    // Who has claimed one may be about to write it, for a minute.
    assert_eq!(refusal_of(&world, two.clone()), "exists");
    world.around.clock.pass(60);
    world.administer(two);
}

#[test]
fn who_is_still_being_made_keeps_a_domain_for_a_while_and_not_for_ever() {
    for (waits, outcome) in [(59, Err("exists")), (60, Ok(()))] {
        let world = contoso();
        // It is cut short after it has claimed its names, before it is there.
        world.around.store.fail_put(2, PutFault::BeforeWriting);
        let first = json!({"createTenant": {"tenant": "first", "domains": ["race.example"]}});
        assert_eq!(refusal_of(&world, first.clone()), "store_unavailable");
        world.around.clock.pass(waits);
        let second = json!({"createTenant": {"tenant": "second", "domains": ["race.example"]}});
        let done = world.try_administer(second);
        assert_eq!(done.map(drop).map_err(|error| error.code()), outcome);
        // Exactly one of the two.
        assert_eq!(world.try_administer(first).is_ok(), outcome.is_err());
    }
}

#[test]
fn a_tenant_that_nobody_can_have_is_unknown_and_no_fault() {
    let world = contoso();
    let long = format!("{}.com", "a".repeat(130));
    for tenant in [
        long.as_str(),
        "a.b:c",
        "a.b%00c",
        "..%2f.x",
        "10.0.0.1",
        "x..y",
    ] {
        let call = asks(
            &format!("/{tenant}/oauth2/v2.0"),
            &format!("{GRAPH}/.default"),
        );
        world.events();
        refused(&world, &call, 400, "invalid_request", "AADSTS90002");
        let events = world.events();
        assert!(
            events.iter().all(|event| event.kind == Kind::Refused),
            "{events:?}"
        );
        for path in [
            "v2.0/.well-known/openid-configuration",
            "discovery/v2.0/keys",
        ] {
            let call = Call::get(&format!("/{tenant}/{path}"));
            refused(&world, &call, 400, "invalid_tenant", "AADSTS90002");
        }
    }
    let stacked = asks("/contoso.com.onmicrosoft.com/oauth2/v2.0", "x");
    refused(&world, &stacked, 400, "invalid_request", "AADSTS90002");
}

#[test]
fn what_signs_in_anybody_is_no_tenant_anywhere() {
    let world = contoso();
    let scope = format!("{GRAPH}/.default");
    for tenant in ["common", "organizations", "consumers", "Common"] {
        let call = asks(&format!("/{tenant}/oauth2/v2.0"), &scope);
        refused(&world, &call, 400, "invalid_request", "AADSTS50059");
        for path in [
            "v2.0/.well-known/openid-configuration",
            "discovery/v2.0/keys",
        ] {
            let call = Call::get(&format!("/{tenant}/{path}"));
            refused(&world, &call, 400, "invalid_request", "AADSTS50059");
            let call = Call::get(&format!("/{tenant}/b2c_1_sign_in/{path}"));
            refused(&world, &call, 404, "invalid_request", "AADB2C90022");
        }
        let page = world.get(&format!(
            "/{tenant}/oauth2/v2.0/authorize?client_id={CLIENT}"
        ));
        assert_eq!((page.status(), page.header("location")), (400, None));
        let call = asks(&format!("/{tenant}/b2c_1_sign_in/oauth2/v2.0"), &scope);
        refused(&world, &call, 400, "invalid_grant", "AADB2C90085");
    }
}

#[test]
fn keys_are_found_however_the_tenant_and_the_policy_are_named() {
    let world = contoso();
    let keys = |path: &str| accepted(&world, &Call::get(path))["keys"].clone();
    let expected = keys(&format!("/{TENANT}/discovery/v2.0/keys"));
    assert_eq!(expected.as_array().unwrap().len(), 1);
    for tenant in [
        "contoso",
        "contoso.com",
        "CONTOSO.COM",
        "contoso.onmicrosoft.com",
    ] {
        assert_eq!(keys(&format!("/{tenant}/discovery/v2.0/keys")), expected);
        let by_path = keys(&format!("/{tenant}/B2C_1_sign_in/discovery/v2.0/keys"));
        for query in [
            "p=b2c_1_sign_in",
            "p=B2C%5F1%5Fsign%5Fin",
            "x=1&p=B2C_1_SIGN_IN",
        ] {
            assert_eq!(
                keys(&format!("/{tenant}/discovery/v2.0/keys?{query}")),
                by_path
            );
        }
        assert!(by_path[0].get("issuer").is_none());
        assert_eq!(by_path[0]["n"], expected[0]["n"]);
    }
}

#[test]
fn the_policy_in_the_query_may_be_encoded() {
    let world = contoso();
    let call = asks("/contoso/oauth2/v2.0", &format!("{GRAPH}/.default"));
    let call = call.target("/contoso/oauth2/v2.0/token?p=B2C%5F1%5Fsign%5Fin");
    let claims = accepted(&world, &call)["access_token"]
        .as_str()
        .map(Token::read);
    assert_eq!(claims.unwrap().claims["tfp"], "b2c_1_sign_in");
}

#[test]
fn a_login_page_is_told_which_policy_it_is_to_apply() {
    let world = contoso();
    for (at, dialect, policy) in [
        (STANDARD, "standard", Value::Null),
        (ENTRA, "entra", Value::Null),
        (B2C, "b2c", json!("b2c_1_sign_in")),
        (OTHER_POLICY, "b2c", json!("B2C_1A_SUSI")),
    ] {
        let target = format!(
            "{at}/authorize?{}",
            asking(CLIENT, CALLBACK, &format!("{GRAPH}/Mail.Read"))
        );
        let login = world.get(&target).destination();
        let seen = inspect(&world, login.get("handle"));
        assert_eq!(
            (&seen["dialect"], &seen["policy"]),
            (&json!(dialect), &policy)
        );
    }
}

/// The query of an authorization request.
fn asking(client: &str, redirect: &str, scope: &str) -> String {
    let call = Call::form("")
        .with("client_id", client)
        .with("response_type", "code")
        .with("redirect_uri", redirect)
        .with("response_mode", "query")
        .with("scope", scope)
        .with("state", "12345")
        .with("code_challenge", CHALLENGE)
        .with("code_challenge_method", "S256");
    std::str::from_utf8(call.encoded()).unwrap().to_owned()
}

fn inspect(world: &World, handle: &str) -> Value {
    let act = json!({"inspectAuthorization": {"handle": handle}}).to_string();
    let act = Act::parse(&act).unwrap();
    let seen = block_on(world.issuer.act(act, world.around.clock.now())).unwrap();
    serde_json::from_str(&seen).unwrap()
}

/// A code for the documented request.
fn documented_code(world: &World, at: &str, query: &str) -> String {
    let login = world.get(&format!("{at}/authorize?{query}")).destination();
    let act = json!({"completeAuthorization": {"handle": login.get("handle"), "subject": "ada"}});
    let act = Act::parse(&act.to_string()).unwrap();
    let done = block_on(world.issuer.act(act, world.around.clock.now())).unwrap();
    let done: Value = serde_json::from_str(&done).unwrap();
    let back = Destination::of(done["redirectTo"].as_str().unwrap());
    assert_eq!(back.get("state"), "12345");
    back.get("code").to_owned()
}

/// Takes the token out of an answer, and what changes with each out of the token.
#[track_caller]
fn taken_apart(world: &World, body: &mut Value, opaque: &[&str]) -> Value {
    let taken = body
        .as_object_mut()
        .unwrap()
        .remove("access_token")
        .unwrap();
    let mut claims = Token::read(taken.as_str().unwrap()).claims;
    let claims_of = claims.as_object_mut().unwrap();
    let now = json!(world.around.clock.now().secs());
    for (name, value) in [("iat", now.clone()), ("nbf", now)] {
        assert_eq!(claims_of.remove(name), Some(value), "{name}");
    }
    let exp = claims_of.remove("exp").unwrap().as_u64().unwrap();
    assert_eq!(
        json!(exp - world.around.clock.now().secs()),
        body["expires_in"]
    );
    for name in opaque {
        let text = claims_of.remove(*name).unwrap();
        assert_eq!(text.as_str().unwrap().len(), 22, "{name}");
    }
    let oid = claims_of.remove("oid").unwrap();
    assert_eq!(oid.as_str().unwrap().len(), 36);
    claims
}

/// entra-docs v2-oauth2-auth-code-flow.md, "Request an authorization code", "Request an access token with a
/// client_secret" and "Refresh the access token". The secret is lengthened; the challenge is of the verifier.
#[test]
fn entra_answers_the_documented_requests_for_a_code_and_its_refresh() {
    let world = contoso();
    let (client, secret) = (
        "11112222-bbbb-3333-cccc-4444dddd5555",
        "sampleCredentia1s-of-at-least-32-characters",
    );
    let redirect = "http://localhost/myapp/";
    let verifier = "ThisIsntRandomButItNeedsToBe43CharactersLong";
    world.administer(json!({"updateApi": {
        "tenant": "contoso", "identifier": GRAPH, "scopes": [{"value": "mail.read"}],
    }}));
    world.administer(json!({"createApplication": {
        "tenant": "contoso", "clientId": client, "redirectUris": [redirect],
    }}));
    world.administer(json!({"addSecret": {
        "tenant": "contoso", "clientId": client, "secret": secret,
    }}));
    let world = world.elsewhere();
    let query = "client_id=11112222-bbbb-3333-cccc-4444dddd5555&response_type=code\
                 &redirect_uri=http%3A%2F%2Flocalhost%2Fmyapp%2F&response_mode=query\
                 &scope=https%3A%2F%2Fgraph.microsoft.com%2Fmail.read&state=12345\
                 &code_challenge=CHALLENGE&code_challenge_method=S256";
    let query = query.replace("CHALLENGE", &challenge_of(verifier));
    let code = documented_code(&world, &format!("/{TENANT}/oauth2/v2.0"), &query);
    let body = format!(
        "client_id={client}&scope=https%3A%2F%2Fgraph.microsoft.com%2Fmail.read&code={code}\
         &redirect_uri=http%3A%2F%2Flocalhost%2Fmyapp%2F&grant_type=authorization_code\
         &code_verifier={verifier}&client_secret={secret}"
    );
    let at = format!("/{TENANT}/oauth2/v2.0/token");
    let mut body = accepted(&world, &Call::form(&at).body(body.as_bytes()));
    let expected_claims = json!({
        "aud": "00000003-0000-0000-c000-000000000000",
        "iss": format!("https://auth.example.com/{TENANT}/v2.0"),
        "azp": client, "azpacr": "1", "scp": "mail.read", "sub": "ada", "tid": TENANT, "ver": "2.0",
    });
    let expected = |refresh: &Value, left: u64| {
        json!({
            "token_type": "Bearer", "scope": "https://graph.microsoft.com/mail.read",
            "expires_in": 3600, "ext_expires_in": 3600,
            "refresh_token": refresh, "refresh_token_expires_in": left,
        })
    };
    let opaque = ["aio", "rh", "uti"];
    assert_eq!(taken_apart(&world, &mut body, &opaque), expected_claims);
    let refresh = body["refresh_token"].clone();
    assert_eq!(body, expected(&refresh, 30 * 86_400));
    world.around.clock.pass(60);
    let again = format!(
        "client_id={client}&scope=https%3A%2F%2Fgraph.microsoft.com%2Fmail.read&refresh_token={}\
         &grant_type=refresh_token&client_secret={secret}",
        refresh.as_str().unwrap()
    );
    let mut body = accepted(&world, &Call::form(&at).body(again.as_bytes()));
    assert_eq!(taken_apart(&world, &mut body, &opaque), expected_claims);
    assert_eq!(body, expected(&refresh, 30 * 86_400));
}

/// azure-docs active-directory-b2c/authorization-code-flow.md, "1. Get an authorization code", "2. Get a
/// token" and "4. Refresh the token": a native application, without a secret, that names itself as the API.
/// The redirection is to https, for the documented `urn:ietf:wg:oauth:2.0:oob` is nobody's; PKCE is added.
#[test]
fn b2c_answers_the_documented_requests_for_a_code_and_its_refresh() {
    let world = contoso();
    let client = "90c0fe63-bcf2-44d5-8fb7-b8bbc0b29dc6";
    world.administer(json!({"createApi": {
        "tenant": "contoso", "identifier": "https://contoso.onmicrosoft.com/tasks",
        "appId": client, "scopes": [{"value": "tasks.read"}, {"value": "tasks.write"}],
    }}));
    world.administer(json!({"createApplication": {
        "tenant": "contoso", "clientId": client, "kind": "public", "redirectUris": [CALLBACK],
    }}));
    let scope = format!("{client} offline_access");
    let at = "/contoso.onmicrosoft.com/b2c_1_sign_in/oauth2/v2.0";
    let code = documented_code(&world, at, &asking(client, CALLBACK, &scope));
    let first = Call::form(&format!("{at}/token"))
        .with("grant_type", "authorization_code")
        .with("client_id", client)
        .with("scope", &scope)
        .with("code", &code)
        .with("redirect_uri", CALLBACK)
        .with("code_verifier", VERIFIER);
    let mut body = accepted(&world, &first);
    let expected_claims = json!({
        "aud": client, "iss": format!("https://auth.example.com/{TENANT}/v2.0/"), "azp": client,
        "scp": "tasks.read tasks.write", "sub": "ada", "tfp": "b2c_1_sign_in", "tid": TENANT,
        "ver": "1.0",
    });
    let expected = |refresh: &Value, now: u64| {
        json!({
            "token_type": "Bearer", "not_before": now, "expires_in": 3600, "expires_on": now + 3600,
            "resource": client,
            "scope": "https://contoso.onmicrosoft.com/tasks/tasks.read \
                      https://contoso.onmicrosoft.com/tasks/tasks.write",
            "refresh_token": refresh, "refresh_token_expires_in": 30 * 86_400,
        })
    };
    assert_eq!(taken_apart(&world, &mut body, &[]), expected_claims);
    let refresh = body["refresh_token"].clone();
    assert_eq!(body, expected(&refresh, world.around.clock.now().secs()));
    world.around.clock.pass(60);
    let again = Call::form(&format!("{at}/token"))
        .with("grant_type", "refresh_token")
        .with("client_id", client)
        .with("scope", &scope)
        .with("refresh_token", refresh.as_str().unwrap())
        .with("redirect_uri", CALLBACK);
    let mut body = accepted(&world, &again);
    assert_eq!(taken_apart(&world, &mut body, &[]), expected_claims);
    let next = body["refresh_token"].clone();
    assert_eq!(body, expected(&next, world.around.clock.now().secs()));
    // What a public application holds is for one use, in every dialect.
    assert_ne!(next, refresh);
    world.around.clock.pass(11);
    refused(&world, &again, 400, "invalid_grant", "AADB2C90129");
}

#[test]
fn a_public_application_says_so_in_its_tokens_of_either_version() {
    let world = contoso();
    let client = "11112222-bbbb-3333-cccc-4444dddd5555";
    world.administer(json!({"updateApi": {
        "tenant": "contoso", "identifier": "api://old", "scopes": [{"value": "Read.All"}],
    }}));
    world.administer(json!({"createApplication": {
        "tenant": "contoso", "clientId": client, "kind": "public", "redirectUris": [CALLBACK],
        "refresh": {"mode": "dialect"},
    }}));
    // As it was given: whoever applies a directory again has nothing to do.
    let get = json!({"getApplication": {"tenant": "contoso", "clientId": client}});
    assert_eq!(world.document(&get)["refresh"]["mode"], "dialect");
    let redeemed = |scope: &str| {
        let code = documented_code(&world, ENTRA, &asking(client, CALLBACK, scope));
        let call = redeems(ENTRA, &code)
            .without("client_secret")
            .without("client_id");
        accepted(&world, &call.with("client_id", client))
    };
    let mut body = redeemed(&format!("{GRAPH}/Mail.Read"));
    let claims = taken_apart(&world, &mut body, &[]);
    assert_eq!(
        (&claims["azpacr"], &claims["ver"]),
        (&json!("0"), &json!("2.0"))
    );
    let mut body = redeemed("api://old/Read.All");
    let claims = taken_apart(&world, &mut body, &["aio", "rh", "uti"]);
    let iss = format!("https://auth.example.com/{TENANT}/");
    assert_eq!(
        claims,
        json!({
            "aud": "api://old", "iss": iss, "idp": iss, "appid": client, "appidacr": "0",
            "scp": "Read.All", "sub": "ada", "tid": TENANT, "ver": "1.0",
        })
    );
    let first = refresh_of(&body);
    let refresh = Call::form(&format!("{ENTRA}/token"))
        .with("grant_type", "refresh_token")
        .with("client_id", client)
        .with("refresh_token", &first);
    assert_ne!(refresh_of(&accepted(&world, &refresh)), first);
}

#[test]
fn a_policy_of_rotation_holds_at_b2c() {
    let world = contoso();
    world.administer(json!({"updateApplication": {
        "tenant": "contoso", "clientId": CLIENT, "refresh": {"mode": "rotate", "grace": 0},
    }}));
    let world = world.elsewhere();
    let first = refresh_of(&accepted(&world, &redeems(B2C, &code(&world, B2C, "ada"))));
    let next = refresh_of(&accepted(&world, &refreshes(B2C, &first)));
    assert_ne!(first, next);
    refused(
        &world,
        &refreshes(B2C, &first),
        400,
        "invalid_grant",
        "AADB2C90129",
    );
}

#[test]
fn a_refresh_token_of_a_dialect_is_revoked_where_the_standards_are() {
    let world = contoso();
    let token = refresh_of(&accepted(
        &world,
        &redeems(ENTRA, &code(&world, ENTRA, "ada")),
    ));
    let revoke = Call::form("/contoso/oauth2/revoke").with("token", &token);
    assert_eq!(world.send(&revoke.post(CLIENT, SECRET)).status(), 200);
    refused(
        &world,
        &refreshes(ENTRA, &token),
        400,
        "invalid_grant",
        "AADSTS50173",
    );
}

#[test]
fn a_client_id_that_is_a_guid_is_known_in_any_letter_case() {
    let world = contoso();
    let scope = format!("{GRAPH}/.default");
    let upper = CLIENT.to_uppercase();
    for at in [ENTRA, B2C] {
        let call = asks(at, &scope).without("client_id");
        accepted(&world, &call.with("client_id", &upper));
        let query = asking(&upper, CALLBACK, &format!("{GRAPH}/Mail.Read"));
        documented_code(&world, at, &query);
    }
    let standard = asks(STANDARD, &scope)
        .without("client_id")
        .with("client_id", &upper);
    world.send(&standard).refused(401, "invalid_client");
}

#[test]
fn an_error_gives_no_secret_and_no_order_away() {
    let world = contoso();
    let secret = world.administer(json!({"addSecret": {"tenant": "contoso", "clientId": CLIENT}}));
    let secret = secret.secret.unwrap();
    for scope in [secret.as_str(), &format!("api://orders/.default {secret}")] {
        for at in [ENTRA, B2C] {
            let answer = world.send(&asks(at, scope));
            assert_eq!(answer.status(), 400);
            assert!(!answer.mentions(&secret), "{answer:?}");
        }
    }
    let long = format!("api://{}/x", "z".repeat(12_000));
    let call = asks(ENTRA, &long);
    assert!(world.send(&call).0.body.len() < 1_500);
    for order in [
        "login_required",
        "x\r\nTrace ID: forged interaction_required",
    ] {
        let call = asks(ENTRA, "x")
            .without("grant_type")
            .with("grant_type", order);
        let body = refused(&world, &call, 400, "unsupported_grant_type", "AADSTS70003");
        let text = body["error_description"].as_str().unwrap();
        assert!(
            !text.contains("required") && !text.contains("forged"),
            "{text}"
        );
        let tenant = asks("/login_required.com/oauth2/v2.0", "x");
        assert!(!world.send(&tenant).mentions("login_required"));
    }
}

#[test]
fn a_document_says_which_verb_it_takes() {
    let world = contoso();
    for (call, verbs) in [
        (
            Call::get(&format!("{ENTRA}/token")),
            "only accepts POST requests. Received a GET request.",
        ),
        (
            Call::form("/contoso/discovery/v2.0/keys"),
            "only accepts GET requests. Received a POST request.",
        ),
    ] {
        let body = refused(&world, &call, 405, "invalid_request", "AADSTS900561");
        assert!(
            body["error_description"].as_str().unwrap().contains(verbs),
            "{body}"
        );
    }
}

#[test]
fn a_refused_api_takes_no_app_id_away() {
    let world = contoso();
    let id = "0a0a0a0a-0000-4000-8000-000000000001";
    let again = json!({"createApi": {"tenant": "contoso", "identifier": GRAPH, "appId": id}});
    assert_eq!(refusal_of(&world, again), "exists");
    let other = json!({"tenant": "contoso", "identifier": "api://open", "appId": id});
    world.administer(json!({ "updateApi": other }));
    let claims = accepted(&world, &asks(ENTRA, &format!("{id}/.default")));
    let claims = Token::read(claims["access_token"].as_str().unwrap()).claims;
    assert_eq!(claims["aud"], id);
    // One that it had before leads nowhere, and to nobody else.
    let old = "77777777-0000-0000-0000-000000000000";
    let call = asks(ENTRA, &format!("{old}/.default"));
    refused(&world, &call, 400, "invalid_resource", "AADSTS500011");
    let taken = json!({"createApi": {"tenant": "contoso", "identifier": "api://z", "appId": old}});
    assert_eq!(refusal_of(&world, taken), "exists");
}

#[test]
fn an_api_that_is_older_than_the_dialects_has_an_app_id_that_names_it() {
    let world = World::demo();
    world.around.signer.learn_rsa();
    let client = world.client(&["Orders.Read.All"]);
    world.administer(json!({"updateTenant": {"tenant": "demo", "entra": true}}));
    let get = json!({"getApi": {"tenant": "demo", "identifier": "api://orders"}});
    let id = world.document(&get)["appId"].clone();
    world.around.clock.pass(7_200);
    let world = world.elsewhere();
    let call = |scope: &str| client.asks(scope).target("/demo/oauth2/v2.0/token");
    for scope in [
        "api://orders/.default",
        &format!("{}/.default", id.as_str().unwrap()),
    ] {
        let body = accepted(&world, &call(scope));
        let claims = Token::read(body["access_token"].as_str().unwrap()).claims;
        assert_eq!(claims["aud"], id);
    }
    // One that has none all the same is given the same by maintenance.
    let record = crate::support::key("api/api://orders");
    let text = world.around.store.text(&record);
    let without = text.replace(&format!(",\"appId\":{id}"), "");
    assert_ne!(text, without);
    world.around.store.overwrite(&record, &without);
    world.administer(json!({"maintain": {"tenant": "demo"}}));
    assert_eq!(world.document(&get)["appId"], id);
    world.administer(json!({"updateApi": {
        "tenant": "demo", "identifier": "api://orders", "appId": id, "displayName": "Orders",
    }}));
}

fn challenge_of(verifier: &str) -> String {
    Base64UrlUnpadded::encode_string(&Sha256::digest(verifier))
}
