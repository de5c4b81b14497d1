//! What the operator hears of beside refusals: requirement 48.

use edgemint::event::Kind;

use crate::support::{Call, World};

const DEFAULT: &str = "api://orders/.default";

#[test]
fn r48_every_access_token_is_an_event_that_traces_it() {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All"]);
    let app = world.web();
    world.events();
    let own = world.send(&client.asks(DEFAULT));
    let own = world.token(&own);
    let code = world.code(&app);
    let opened = world.events();
    let redeemed = world.send(&app.redeems(&code));
    let refresh = redeemed.json()["refresh_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let redeemed = world.token(&redeemed);
    let refreshed = world.token(&world.send(&app.refreshes(&refresh)));

    let mut events = opened;
    events.extend(world.events());
    let reasons: Vec<_> = events.iter().map(|event| event.reason).collect();
    assert_eq!(
        reasons,
        [
            "token_issued",
            "session_opened",
            "token_issued",
            "token_issued"
        ]
    );
    events.retain(|event| event.reason == "token_issued");
    let issued = [
        (own, &client.id, "client_credentials"),
        (redeemed, &app.id, "authorization_code"),
        (refreshed, &app.id, "refresh_token"),
    ];
    for (event, (token, client_id, grant_type)) in events.iter().zip(issued) {
        assert_eq!(event.kind, Kind::Done);
        assert_eq!(event.time, world.around.clock.now());
        assert_eq!(event.tenant.as_deref(), Some("demo"));
        assert_eq!(event.client_id.as_ref(), Some(client_id));
        let jti = token.claims["jti"].as_str().unwrap();
        let words = format!("api://orders {grant_type} {jti}");
        assert_eq!(event.detail, Some(words));
    }
}

#[test]
fn r48_a_revocation_is_an_event_that_names_the_grant() {
    let world = World::demo();
    let app = world.web();
    let tokens = world.session(&app);
    world.events();
    world.send(&app.revokes(&tokens.access));
    let [event] = world.events().try_into().unwrap();
    assert_eq!((event.kind, event.reason), (Kind::Done, "token_revoked"));
    assert_eq!(event.client_id, Some(app.id.clone()));
    assert!(event.detail.unwrap().starts_with("grants/demo/"));
    // Of what is no token there is nothing to tell.
    world.send(&app.revokes("junk"));
    assert!(world.events().is_empty());
}

#[test]
fn r48_a_sink_may_leave_issuances_out() {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All"]);
    world.events();
    world.around.events.ignore_issuances();
    world.send(&client.asks(DEFAULT)).accepted();
    assert!(world.events().is_empty());
    world.send(&client.asks("api://nobody/.default"));
    assert_eq!(world.events().len(), 1);
}

#[test]
fn r48_no_event_ever_holds_a_secret_or_a_token() {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All"]);
    let app = world.web();
    let wrong = "a-wrong-secret-that-nobody-may-ever-read";
    let mut credentials = vec![client.secret.clone(), wrong.to_owned()];
    credentials.extend(app.secret.clone());

    let answer = world.send(&client.asks(DEFAULT)).accepted();
    credentials.push(answer["access_token"].as_str().unwrap().to_owned());
    let code = world.code(&app);
    let tokens = world.send(&app.redeems(&code)).accepted();
    for name in ["access_token", "refresh_token"] {
        credentials.push(tokens[name].as_str().unwrap().to_owned());
    }
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let again = world.send(&app.refreshes(refresh)).accepted();
    credentials.push(again["refresh_token"].as_str().unwrap().to_owned());
    // Redeemed twice, replayed, revoked, guessed, in the wrong place.
    world.send(&app.redeems(&code));
    world.around.clock.pass(30);
    world.send(&app.refreshes(refresh));
    world.send(&app.revokes(refresh));
    world.send(&app.introspects(refresh));
    for _ in 0..12 {
        let guess = Call::token().basic(&client.id, wrong).from("192.0.2.1");
        world.send(&guess);
    }
    world.send(&Call::token().basic(wrong, wrong));
    world.send(&client.asks(wrong));
    world.send(&Call::get(&format!(
        "/demo/oauth2/token?client_secret={wrong}"
    )));
    credentials.push(code);

    let events = world.events();
    for reason in [
        "token_issued",
        "session_opened",
        "grant_code_replayed",
        "wrong_secret",
        "too_many_failures",
        "unknown_client",
    ] {
        assert!(
            events.iter().any(|event| event.reason == reason),
            "{reason}"
        );
    }
    for event in events {
        let text = serde_json::to_string(&event).unwrap();
        for credential in &credentials {
            assert!(!text.contains(credential), "{text}");
            // Of a token, not even the part that proves it.
            let tail = &credential[credential.len() - 30..];
            assert!(!text.contains(tail), "{text}");
        }
    }
}
