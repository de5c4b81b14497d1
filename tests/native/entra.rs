//! The dialects of Entra and B2C: what the vectors do not say.

use edgemint::Act;
use edgemint::administration::AdministrationError;
use serde_json::{Value, json};

use crate::support::{CALLBACK, CHALLENGE, Call, Destination, Token, VERIFIER, World, block_on};

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
