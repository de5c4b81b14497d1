//! A store that fails, a store that is damaged, a store that is stolen: requirements 28 (reads) and
//! 30.

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use edgemint::event::Kind;
use serde_json::{Value, json};

use crate::support::{Answer, Call, Client, STORE_DETAIL, TTL, World, key};

const DEFAULT: &str = "api://orders/.default";

#[track_caller]
fn assert_unavailable(answer: &Answer) {
    answer.refused(503, "temporarily_unavailable");
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(seconds > 0);
    assert!(!answer.mentions(STORE_DETAIL), "{answer:?}");
}

#[test]
fn r28_any_single_failing_read_is_503_and_the_repeated_request_succeeds() {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All"]);
    let store = &world.around.store;
    let mut failed = 0;
    loop {
        // A location that has cached nothing, and whose n-th read fails.
        let elsewhere = world.elsewhere();
        store.fail_read(failed);
        let answer = elsewhere.send(&client.asks(DEFAULT));
        if store.cancel_failing_read() {
            assert_eq!(answer.status(), 200, "no read failed: {answer:?}");
            break;
        }
        assert_unavailable(&answer);
        assert_eq!(
            elsewhere.send(&client.asks(DEFAULT)).status(),
            200,
            "read {failed}"
        );
        failed += 1;
    }
    assert_eq!(failed, 4, "tenant, application, API, key ring");
}

#[test]
fn r28_a_store_that_is_down_makes_nobody_an_invalid_client() {
    let world = World::demo();
    let client = world.client(&[]);
    let elsewhere = world.elsewhere();
    world.around.store.set_down(true);
    for call in [
        client.asks(DEFAULT),
        client.asks("api://nowhere/.default"),
        Call::token().basic(&client.id, "wrong"),
        Call::token().basic("nobody", "wrong"),
        Call::get("/demo/.well-known/jwks.json"),
        Call::get("/demo/.well-known/openid-configuration"),
    ] {
        assert_unavailable(&elsewhere.send(&call));
    }
    world.around.store.set_down(false);
    assert_eq!(elsewhere.send(&client.asks(DEFAULT)).status(), 200);
    elsewhere
        .send(&Call::token().basic("nobody", "wrong"))
        .refused(401, "invalid_client");
}

#[test]
fn r28_the_operator_hears_why_the_store_failed() {
    let world = World::demo();
    let client = world.client(&[]);
    world.around.store.set_down(true);
    world.elsewhere().send(&client.asks(DEFAULT));
    let [event] = &world.events()[..] else {
        panic!("one event");
    };
    assert_eq!((event.kind, event.reason), (Kind::Failed, "storage"));
    assert_eq!(event.detail.as_deref(), Some(STORE_DETAIL));
    assert_eq!(event.tenant.as_deref(), Some("demo"));
    // Whether such a client is registered is just what the store did not say.
    assert_eq!(event.client_id, None);
}

#[test]
fn r28_what_is_cached_outlives_a_short_failure_of_the_store() {
    let world = World::demo();
    let client = world.client(&[]);
    world.send(&client.asks(DEFAULT)).accepted();
    world.around.store.set_down(true);
    for _ in 0..TTL {
        assert_eq!(world.send(&client.asks(DEFAULT)).status(), 200);
        world.refresh();
        world.around.clock.pass(1);
    }
    // But never beyond the TTL: the client may have been disabled by now.
    assert_unavailable(&world.send(&client.asks(DEFAULT)));
    world.around.store.set_down(false);
    assert_eq!(world.send(&client.asks(DEFAULT)).status(), 200);
}

#[test]
fn r28_a_corrupt_record_is_a_server_error_that_names_the_key_to_the_operator_only() {
    for (name, corrupt) in every_corruption() {
        let world = World::demo();
        let client = world.client(&["Orders.Read.All"]);
        let name = name.replace("{id}", &client.id);
        let record = key(&name);
        let intact = world.around.store.text(&record);
        world.around.store.overwrite(&record, &corrupt);
        world.events();
        let elsewhere = world.elsewhere();
        let answer = elsewhere.send(&client.asks(DEFAULT));
        answer.refused(500, "server_error");
        for leak in ["canary", "directory/demo", "line 1", &client.id] {
            assert!(!answer.mentions(leak), "{answer:?}");
        }
        let [event] = &world.events()[..] else {
            panic!("one event");
        };
        assert_eq!((event.kind, event.reason), (Kind::Failed, "corrupt_record"));
        let detail = event.detail.as_deref().unwrap();
        assert!(detail.starts_with(&record.to_string()), "{detail}");
        assert!(!detail.contains("canary"), "the record's content: {detail}");
        // It is left as it is, for the operator to look at, and works once it is mended.
        assert_eq!(world.around.store.text(&record), corrupt);
        world.around.store.overwrite(&record, &intact);
        assert_eq!(
            elsewhere.send(&client.asks(DEFAULT)).status(),
            200,
            "{name}"
        );
    }
}

/// Damaged texts for each kind of record.
fn every_corruption() -> Vec<(&'static str, String)> {
    let texts = [
        "",
        "null",
        "{}",
        "[]",
        "\"canary\"",
        "{\"canary\":",
        "canary canary canary",
        "{\"clientId\":\"canary\u{0}\",\"keys\":\"canary\",\"id\":7,\"identifier\":\"canary\"}",
    ];
    let records = ["tenant", "application/{id}", "api/api://orders", "keys"];
    let pairs = records
        .into_iter()
        .flat_map(|record| texts.into_iter().map(move |text| (record, text.to_owned())));
    pairs.collect()
}

#[test]
fn r28_administration_overwrites_no_corrupt_record() {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All"]);
    let commands = [
        ("tenant", json!({"createTenant": {"tenant": "demo"}})),
        (
            "keys",
            json!({"rotateKey": {"tenant": "demo", "algorithm": "ES256"}}),
        ),
        (
            "api/api://orders",
            json!({"createApi": {"tenant": "demo", "identifier": "api://orders"}}),
        ),
        (
            "api/api://orders",
            json!({"assignRoles": {
                "tenant": "demo", "clientId": client.id, "api": "api://orders", "roles": [],
            }}),
        ),
        (
            "application",
            json!({"createApplication": {"tenant": "demo", "clientId": client.id}}),
        ),
        (
            "application",
            json!({"addSecret": {"tenant": "demo", "clientId": client.id}}),
        ),
        (
            "application",
            json!({"removeSecret": {
                "tenant": "demo", "clientId": client.id, "keyId": client.key_id,
            }}),
        ),
        (
            "application",
            json!({"updateApplication": {
                "tenant": "demo", "clientId": client.id, "disabled": true,
            }}),
        ),
    ];
    for (name, command) in commands {
        let name = match name {
            "application" => format!("application/{}", client.id),
            other => other.to_owned(),
        };
        let intact = world.around.store.text(&key(&name));
        world.around.store.overwrite(&key(&name), "{\"canary\":1}");
        let before = world.around.store.memory.dump();
        let error = world.try_administer(command.clone()).expect_err("refused");
        assert!(!error.to_string().contains("canary"), "{error}");
        assert_eq!(world.around.store.memory.dump(), before, "{command}");
        world.around.store.overwrite(&key(&name), &intact);
    }
    assert_eq!(world.elsewhere().send(&client.asks(DEFAULT)).status(), 200);
}

#[test]
fn r28_a_broken_seal_is_a_server_error() {
    let world = World::demo();
    let client = world.client(&[]);
    let ring: Value = serde_json::from_str(&world.around.store.text(&key("keys"))).unwrap();
    for (member, text) in [
        ("ciphertext", "AAAA"),
        ("ciphertext", "not base64url"),
        ("nonce", "AAAA"),
        ("nonce", "AAAAAAAAAAAAAAAA"),
    ] {
        let mut broken = ring.clone();
        broken["keys"][0]["private"][member] = json!(text);
        world
            .around
            .store
            .overwrite(&key("keys"), &broken.to_string());
        world.events();
        world
            .elsewhere()
            .send(&client.asks(DEFAULT))
            .refused(500, "server_error");
        let reasons: Vec<&str> = world.events().iter().map(|event| event.reason).collect();
        assert_eq!(reasons, ["broken_seal"], "{member}: {text}");
    }
}

/// A store as a thief finds it, after everything that makes secrets, keys and tokens was used.
fn stolen() -> (World, Vec<Client>, Vec<String>) {
    let world = World::demo();
    world.around.signer.learn_rsa();
    for algorithm in ["ES256", "EdDSA", "RS256"] {
        world.administer(json!({"rotateKey": {"tenant": "demo", "algorithm": algorithm}}));
    }
    let made = world.client(&["Orders.Read.All"]);
    let secret = "brought from another directory, 0123456789";
    let imported = world.add_secret(&made.id, json!({ "secret": secret }));
    let tokens = [&made, &imported].map(|client| {
        let answer = world.send(&client.asks(DEFAULT)).accepted();
        answer["access_token"].as_str().unwrap().to_owned()
    });
    (world, vec![made, imported], tokens.into())
}

/// The dump as one text.
fn dump(world: &World) -> String {
    let entries = world.around.store.memory.dump();
    assert!(entries.len() >= 5, "tenant, keys, two APIs, an application");
    entries
        .iter()
        .map(|(key, value)| format!("{key} {value}\n"))
        .collect()
}

/// The usual spellings of bytes.
fn spellings(bytes: &[u8]) -> Vec<String> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    vec![
        hex.to_uppercase(),
        hex,
        Base64::encode_string(bytes)
            .trim_end_matches('=')
            .to_owned(),
        Base64UrlUnpadded::encode_string(bytes),
        String::from_utf8_lossy(bytes).into_owned(),
        serde_json::to_string(bytes).unwrap(),
    ]
}

#[test]
fn r30_a_dump_of_the_store_holds_no_secret() {
    let (world, clients, _) = stolen();
    let dump = dump(&world);
    for client in &clients {
        assert!(!dump.contains(&client.secret));
        let body = client.secret.trim_start_matches("ems_");
        assert!(!dump.contains(&body[..16]), "nor a good part of one");
    }
    // 32 bytes are drawn for secrets and for signing keys: none of them is there in any spelling.
    let drawn = world.around.entropy.drawn();
    let secrets: Vec<_> = drawn.iter().filter(|bytes| bytes.len() == 32).collect();
    assert!(secrets.len() >= 3, "two signing keys and a secret");
    for bytes in secrets {
        for spelling in spellings(bytes) {
            assert!(!dump.contains(&spelling), "{spelling}");
        }
    }
}

#[test]
fn r30_a_dump_of_the_store_holds_no_private_key() {
    let (world, _, _) = stolen();
    let dump = dump(&world);
    let keys = world.around.signer.private_keys();
    assert!(keys.len() >= 3);
    for key in keys {
        for spelling in spellings(&key) {
            assert!(!dump.contains(&spelling), "{spelling}");
        }
    }
}

#[test]
fn r30_a_dump_of_the_store_holds_no_token() {
    let (world, _, tokens) = stolen();
    let dump = dump(&world);
    for token in &tokens {
        for part in token.split('.') {
            assert!(!dump.contains(part), "{part}");
        }
    }
}

#[test]
fn r30_nothing_in_a_dump_can_be_presented_as_a_secret() {
    let (world, clients, _) = stolen();
    let mut texts = Vec::new();
    for (_, value) in world.around.store.memory.dump() {
        collect_texts(&serde_json::from_str(&value).unwrap(), &mut texts);
    }
    assert!(texts.len() > 20, "{texts:?}");
    for text in texts.iter().filter(|text| !text.is_empty()) {
        let call = Call::token()
            .basic(&clients[0].id, text)
            .with("scope", DEFAULT);
        world.send(&call).refused(401, "invalid_client");
        // As many guesses as anybody likes, in their time.
        world.around.clock.pass(60);
    }
}

fn collect_texts(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| collect_texts(value, texts)),
        Value::Object(members) => members
            .values()
            .for_each(|value| collect_texts(value, texts)),
        _ => {}
    }
}
