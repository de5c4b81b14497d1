//! Acts of administration: what each refuses, that a refused one changes nothing, and that one that
//! was cut short can be repeated.

use edgemint::administration::Command;
use serde_json::{Value, json};

use crate::support::{Client, PutFault, STORE_DETAIL, World, key};

const DEFAULT: &str = "api://orders/.default";

/// Checks that a command is refused with this code, and that the store is as it was.
#[track_caller]
fn assert_refused(world: &World, command: Value, code: &str) -> String {
    let before = world.around.store.memory.dump();
    let error = world
        .try_administer(command.clone())
        .expect_err("a refusal");
    assert_eq!(error.code(), code, "{command}: {error}");
    assert_eq!(world.around.store.memory.dump(), before, "{command}");
    error.to_string()
}

fn world_and_client() -> (World, Client) {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All"]);
    (world, client)
}

/// Every command that names an application, for this one.
fn application_commands(client_id: &str, key_id: &str) -> Vec<Value> {
    let mut commands = vec![
        json!({"updateApplication": {"disabled": true}}),
        json!({"addSecret": {}}),
        json!({"removeSecret": {"keyId": key_id}}),
        json!({"assignRoles": {"api": "api://orders", "roles": ["Orders.Write.All"]}}),
        json!({"removeRoles": {"api": "api://orders", "roles": ["Orders.Read.All"]}}),
    ];
    for command in &mut commands {
        for members in command.as_object_mut().unwrap().values_mut() {
            members["tenant"] = json!("demo");
            members["clientId"] = json!(client_id);
        }
    }
    commands
}

#[test]
fn what_exists_is_not_created_again() {
    let (world, client) = world_and_client();
    for (command, named) in [
        (json!({"createTenant": {"tenant": "demo"}}), "demo"),
        (
            json!({"createApi": {"tenant": "demo", "identifier": "api://orders"}}),
            "api://orders",
        ),
        (
            json!({"createApplication": {"tenant": "demo", "clientId": client.id}}),
            client.id.as_str(),
        ),
    ] {
        let text = assert_refused(&world, command, "exists");
        assert!(text.contains(named), "{text}");
    }
}

#[test]
fn what_is_not_there_is_named() {
    let (world, client) = world_and_client();
    let id = client.id.as_str();
    let mut commands = vec![
        (
            json!({"createApi": {"tenant": "nobody", "identifier": "api://x"}}),
            "nobody",
        ),
        (json!({"createApplication": {"tenant": "nobody"}}), "nobody"),
        (
            json!({"rotateKey": {"tenant": "nobody", "algorithm": "ES256"}}),
            "nobody",
        ),
        (
            json!({"assignRoles": {
                "tenant": "demo", "clientId": id, "api": "api://x", "roles": [],
            }}),
            "api://x",
        ),
        (
            json!({"assignRoles": {
                "tenant": "demo", "clientId": id,
                "api": "api://orders", "roles": ["Orders.Read.All", "Orders.Eat"],
            }}),
            "Orders.Eat",
        ),
        (
            json!({"removeRoles": {
                "tenant": "demo", "clientId": id, "api": "api://billing", "roles": [],
            }}),
            "api://billing",
        ),
        (
            json!({"removeSecret": {"tenant": "demo", "clientId": id, "keyId": "k1"}}),
            "k1",
        ),
    ];
    let ghost = application_commands("ghost", "k1");
    commands.extend(ghost.into_iter().map(|command| (command, "ghost")));
    for (command, named) in commands {
        let text = assert_refused(&world, command, "not_found");
        assert!(text.contains(named), "{text}");
    }
}

#[test]
fn what_makes_no_sense_is_invalid() {
    let (world, client) = world_and_client();
    let now = world.around.clock.now();
    let secret = |mut members: Value| {
        members["tenant"] = json!("demo");
        members["clientId"] = json!(client.id);
        json!({ "addSecret": members })
    };
    let policy = |refresh: Value| {
        json!({"updateApplication": {
            "tenant": "demo", "clientId": client.id, "refresh": refresh,
        }})
    };
    for command in [
        json!({"createTenant": {"tenant": "t", "accessTokenLifetime": 59}}),
        json!({"createTenant": {"tenant": "t", "accessTokenLifetime": 86_401}}),
        json!({"createTenant": {"tenant": "t", "id": "not-a-uuid"}}),
        json!({"createTenant": {"tenant": "t", "id": "6F9619FF-8B86-4011-B42D-00CF4FC964FF"}}),
        json!({"createApi": {"tenant": "demo", "identifier": "a:b", "accessTokenLifetime": 0}}),
        json!({"createApi": {
            "tenant": "demo", "identifier": "a:b", "roles": [{"value": "R"}, {"value": "R"}],
        }}),
        json!({"createApi": {
            "tenant": "demo", "identifier": "a:b", "scopes": [{"value": "S"}, {"value": "S"}],
        }}),
        policy(json!({"grace": 301})),
        policy(json!({"idle": 59})),
        policy(json!({"idle": 61, "absolute": 60})),
        policy(json!({"absolute": 2_591_999})),
        policy(json!({"absolute": 157_680_001})),
        secret(json!({"secret": "too short"})),
        secret(json!({"secret": "x".repeat(1_025)})),
        secret(json!({"secret": format!("ems_{}", "x".repeat(49))})),
        secret(json!({"starts": now, "ends": now})),
        secret(json!({"starts": now.plus(2), "ends": now.plus(1)})),
    ] {
        assert_refused(&world, command, "invalid");
    }
}

#[test]
fn the_limits_themselves_are_valid() {
    let world = World::empty();
    for (tenant, lifetime) in [("a", 60), ("b", 86_400)] {
        let command = json!({"tenant": tenant, "accessTokenLifetime": lifetime});
        world.administer(json!({ "createTenant": command }));
    }
    let id = "6f9619ff-8b86-4011-b42d-00cf4fc964ff";
    world.administer(json!({"createTenant": {"tenant": "c", "id": id}}));
    for policy in [
        json!({"grace": 300, "idle": 60, "absolute": 60}),
        json!({"grace": 0, "idle": 157_680_000, "absolute": 157_680_000}),
    ] {
        world.administer(json!({"createApplication": {"tenant": "a", "refresh": policy}}));
    }
}

#[test]
fn a_command_that_is_not_well_formed_is_none() {
    for command in [
        json!({"createTenant": {"tenant": "Demo"}}),
        json!({"createTenant": {"tenant": ""}}),
        json!({"createTenant": {"tenant": "-a"}}),
        json!({"createTenant": {"tenant": "x".repeat(64)}}),
        json!({"createTenant": {"tenant": "demo", "unknown": 1}}),
        json!({"createTenant": {"tenant": "demo", "loginUrl": "http://login.example.com/"}}),
        json!({"createTenant": {"tenant": "demo", "loginUrl": "https://login.example.com/#f"}}),
        json!({"createTenant": {"tenant": "demo", "loginUrl": "com.example.app:/login"}}),
        json!({"createTenant": {"tenant": "demo", "loginUrl": "http.example.app:/login"}}),
        json!({"createApplication": {"tenant": "demo", "redirectUris": ["javascript:alert(1)"]}}),
        json!({"createApplication": {"tenant": "demo", "refresh": {"mode": "never"}}}),
        json!({"createApplication": {"tenant": "demo", "refresh": {"grace": -1}}}),
        json!({"createApplication": {"tenant": "demo", "refresh": {"unknown": 1}}}),
        json!({"createApi": {"tenant": "demo", "identifier": "orders"}}),
        json!({"createApi": {"tenant": "demo", "identifier": "a:b", "roles": [{"value": "a/b"}]}}),
        json!({"createApplication": {"tenant": "demo", "clientId": ""}}),
        json!({"createApplication": {"tenant": "demo", "clientId": "x".repeat(257)}}),
        json!({"createApplication": {"tenant": "demo", "clientId": "a\nb"}}),
        json!({"createApplication": {"tenant": "demo", "grantTypes": ["password"]}}),
        json!({"dropTenant": {"tenant": "demo"}}),
        json!({}),
        json!("createTenant"),
    ] {
        let parsed = Command::parse(&command.to_string());
        assert!(parsed.is_err(), "{command}");
    }
}

#[test]
fn a_public_application_gets_no_secret() {
    let world = World::demo();
    let application = json!({"tenant": "demo", "clientId": "spa", "kind": "public"});
    world.administer(json!({ "createApplication": application }));
    let secret = json!({"addSecret": {"tenant": "demo", "clientId": "spa"}});
    assert_refused(&world, secret, "invalid");
}

#[test]
fn an_application_has_twenty_secrets_at_most() {
    let (world, client) = world_and_client();
    for _ in 1..20 {
        world.add_secret(&client.id, json!({}));
    }
    let another = json!({"addSecret": {"tenant": "demo", "clientId": client.id}});
    assert_refused(&world, another, "invalid");
    world.send(&client.asks(DEFAULT)).accepted();
}

#[test]
fn no_refusal_repeats_a_secret() {
    let (world, client) = world_and_client();
    for secret in ["canary", "ems_canary", &"canary".repeat(200)] {
        let command = json!({"tenant": "demo", "clientId": client.id, "secret": secret});
        let text = assert_refused(&world, json!({ "addSecret": command }), "invalid");
        assert!(!text.contains("canary"), "{text}");
    }
}

#[test]
fn a_secret_is_shown_once_and_an_imported_one_never() {
    let (world, client) = world_and_client();
    let command = json!({"addSecret": {"tenant": "demo", "clientId": client.id}});
    let made = world.administer(command.clone());
    let secret = made.secret.unwrap();
    assert_eq!(made.hint.as_deref(), Some(&secret[4..7]));
    assert!(made.key_id.is_some());
    let after_180_days = world.around.clock.now().plus(180 * 86_400);
    assert_eq!(made.ends, Some(after_180_days.secs()));
    let mut command = command;
    command["addSecret"]["secret"] = json!("brought along, 0123456789 0123456789");
    let imported = world.administer(command);
    assert_eq!(imported.secret, None);
    assert_eq!(imported.hint.as_deref(), Some("bro"));
}

#[test]
fn old_and_new_secret_both_work_in_the_overlap() {
    let (world, old) = world_and_client();
    let new = world.add_secret(&old.id, json!({}));
    for client in [&old, &new] {
        world.send(&client.asks(DEFAULT)).accepted();
    }
    world.administer(json!({"removeSecret": {
        "tenant": "demo", "clientId": old.id, "keyId": old.key_id,
    }}));
    world
        .send(&old.asks(DEFAULT))
        .refused(401, "invalid_client");
    world.send(&new.asks(DEFAULT)).accepted();
}

#[test]
fn a_disabled_application_works_again_once_enabled() {
    let (world, client) = world_and_client();
    for (disabled, status) in [(true, 401), (false, 200)] {
        world.administer(json!({"updateApplication": {
            "tenant": "demo", "clientId": client.id, "disabled": disabled,
        }}));
        assert_eq!(world.send(&client.asks(DEFAULT)).status(), status);
    }
}

#[test]
fn two_administrators_do_not_overwrite_each_other() {
    let (world, client) = world_and_client();
    let mut commands = application_commands(&client.id, &client.key_id);
    commands.push(json!({"rotateKey": {"tenant": "demo", "algorithm": "ES256"}}));
    for command in commands {
        let before = world.around.store.memory.dump();
        let writes = world.around.store.writes();
        world.around.store.let_a_rival_write_first();
        // It is made again, of what the other has written.
        world.administer(command.clone());
        assert_eq!(world.around.store.writes(), writes + 2, "{command}");
        assert_ne!(world.around.store.memory.dump(), before, "{command}");
    }
}

#[test]
fn of_two_creators_one_is_told_that_it_exists() {
    let world = World::demo();
    for command in [
        json!({"createApi": {"tenant": "demo", "identifier": "api://new"}}),
        json!({"createApplication": {"tenant": "demo", "clientId": "new"}}),
    ] {
        world.around.store.let_a_rival_write_first();
        let error = world.try_administer(command).expect_err("a refusal");
        assert_eq!(error.code(), "exists");
    }
}

#[test]
fn creating_a_tenant_can_be_repeated_after_a_crash_between_its_two_writes() {
    for fault in [PutFault::BeforeWriting, PutFault::AfterWriting] {
        // Its id, its place among all tenants, itself.
        for cut_at in 0..3 {
            let world = World::empty();
            let command = json!({"createTenant": {"tenant": "demo"}});
            world.around.store.fail_put(cut_at, fault);
            let error = world
                .try_administer(command.clone())
                .expect_err("cut short");
            assert_eq!(error.code(), "store_unavailable");
            let created = (cut_at, fault) == (2, PutFault::AfterWriting);
            let metadata = world.get("/demo/.well-known/openid-configuration");
            assert_eq!(metadata.status(), if created { 200 } else { 404 });
            match world.try_administer(command) {
                Ok(_) => assert!(!created),
                Err(error) => assert!(created && error.code() == "exists", "{error}"),
            }
            assert_eq!(
                world.published().len(),
                1,
                "the key of the first attempt is kept"
            );
            world
                .administer(json!({"createApi": {"tenant": "demo", "identifier": "api://orders"}}));
            let client = world.client(&[]);
            world.token(&world.send(&client.asks(DEFAULT)));
        }
    }
}

#[test]
fn a_store_that_is_down_is_reported_and_nothing_is_written() {
    let (world, client) = world_and_client();
    let mut commands = application_commands(&client.id, &client.key_id);
    commands.extend([
        json!({"createTenant": {"tenant": "new"}}),
        json!({"createApi": {"tenant": "demo", "identifier": "api://new"}}),
        json!({"createApplication": {"tenant": "demo"}}),
        json!({"rotateKey": {"tenant": "demo", "algorithm": "ES256"}}),
    ]);
    for command in commands {
        world.around.store.set_down(true);
        let text = assert_refused(&world, command.clone(), "store_unavailable");
        assert!(text.contains(STORE_DETAIL), "for the operator: {text}");
        world.around.store.set_down(false);
        world.around.store.fail_put(0, PutFault::BeforeWriting);
        assert_refused(&world, command, "store_unavailable");
    }
}

#[test]
fn without_entropy_nothing_is_made() {
    let (world, client) = world_and_client();
    world.around.entropy.set_exhausted(true);
    for command in [
        json!({"createTenant": {"tenant": "new"}}),
        json!({"createApplication": {"tenant": "demo"}}),
        json!({"createApi": {"tenant": "demo", "identifier": "a:b", "roles": [{"value": "R"}]}}),
        json!({"addSecret": {"tenant": "demo", "clientId": client.id}}),
        json!({"rotateKey": {"tenant": "demo", "algorithm": "ES256"}}),
        json!({"rotateKey": {"tenant": "demo", "algorithm": "EdDSA"}}),
    ] {
        assert_refused(&world, command, "failed");
    }
}

#[test]
fn an_algorithm_that_the_host_lacks_is_refused_before_anything_is_written() {
    let world = World::demo();
    for command in [
        json!({"createTenant": {"tenant": "new", "algorithm": "RS256"}}),
        json!({"createApi": {"tenant": "demo", "identifier": "a:b", "algorithm": "RS256"}}),
        json!({"rotateKey": {"tenant": "demo", "algorithm": "RS256"}}),
    ] {
        let text = assert_refused(&world, command, "invalid");
        assert!(text.contains("does not know the algorithm"), "{text}");
    }
}

#[test]
fn a_tenant_keeps_the_id_that_it_is_given() {
    let world = World::empty();
    let id = "6f9619ff-8b86-4011-b42d-00cf4fc964ff";
    world.administer(json!({"createTenant": {"tenant": "demo", "id": id}}));
    world.administer(json!({"createApi": {"tenant": "demo", "identifier": "api://orders"}}));
    let client = world.client(&[]);
    assert_eq!(
        world.token(&world.send(&client.asks(DEFAULT))).claims["tid"],
        id
    );
}

#[test]
fn ids_made_here_are_lower_case_uuids() {
    let (world, client) = world_and_client();
    let tenant: Value = serde_json::from_str(&world.around.store.text(&key("tenant"))).unwrap();
    for id in [
        client.id.as_str(),
        &client.key_id,
        tenant["id"].as_str().unwrap(),
    ] {
        let groups: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(groups, [8, 4, 4, 4, 12], "{id}");
        assert_eq!(id, id.to_lowercase());
        // RFC 9562 section 5.4: version 4.
        assert_eq!(&id[14..15], "4", "{id}");
    }
}

#[test]
fn assigning_a_role_twice_is_assigning_it_once() {
    let (world, client) = world_and_client();
    world.assign(&client.id, "api://orders", &["Orders.Read.All"]);
    let token = world.token(&world.send(&client.asks(DEFAULT)));
    assert_eq!(token.claims["roles"], json!(["Orders.Read.All"]));
}

#[test]
fn taking_roles_away_on_one_api_leaves_the_other_apis_alone() {
    let world = World::demo();
    let client = world.client(&[]);
    world.assign(&client.id, "api://billing", &["Billing.Read"]);
    world.administer(json!({"removeRoles": {
        "tenant": "demo", "clientId": client.id,
        "api": "api://billing", "roles": ["Billing.Read"],
    }}));
    // It asks for nothing: its only API is meant, the one that it has without a role.
    let silent = crate::support::Call::token().basic(&client.id, &client.secret);
    let token = world.token(&world.send(&silent));
    assert_eq!(token.claims["aud"], "api://orders");
}

#[test]
fn r16_an_imported_secret_has_32_characters_that_a_form_can_carry() {
    let world = World::demo();
    let client = world.client(&[]);
    for secret in ["\u{20ac}".repeat(31), "\0".repeat(40), "tab\t".repeat(10)] {
        let command =
            json!({"addSecret": {"tenant": "demo", "clientId": client.id, "secret": secret}});
        assert_refused(&world, command, "invalid");
    }
    world.add_secret(&client.id, json!({"secret": "\u{20ac}".repeat(32)}));
}
