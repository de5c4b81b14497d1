//! Rotation of the master key: old and new work in the overlap, and a wrong one opens nothing.

use edgemint::key::MasterKey;
use serde_json::json;

use crate::support::{Client, World, masters};

const DEFAULT: &str = "api://orders/.default";

/// Everything was written under master key 1.
fn world_and_client() -> (World, Client) {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All"]);
    (world, client)
}

#[test]
fn the_previous_master_key_still_verifies_secrets_and_unseals_keys() {
    let (world, client) = world_and_client();
    let before = world.token(&world.send(&client.asks(DEFAULT)));
    let rotated = world.elsewhere_with(masters(2, Some(1)));
    let after = rotated.token(&rotated.send(&client.asks(DEFAULT)));
    assert_eq!(after.kid(), before.kid());
    let wrong = format!("{}x", client.secret);
    let call = crate::support::Call::token().basic(&client.id, &wrong);
    rotated.send(&call).refused(401, "invalid_client");
}

#[test]
fn new_records_are_written_under_the_current_master_key() {
    let (world, old) = world_and_client();
    let rotated = world.elsewhere_with(masters(2, Some(1)));
    let new = rotated.add_secret(&old.id, json!({}));
    rotated.administer(json!({"rotateKey": {"tenant": "demo", "algorithm": "ES256", "starts": 0}}));
    for client in [&old, &new] {
        rotated.token(&rotated.send(&client.asks(DEFAULT)));
    }
    // So once every record was renewed, the previous one can go.
    let finished = world.elsewhere_with(masters(2, None));
    finished.token(&finished.send(&new.asks(DEFAULT)));
    finished
        .send(&old.asks(DEFAULT))
        .refused(401, "invalid_client");
}

#[test]
fn locations_with_the_old_and_the_new_configuration_serve_side_by_side() {
    let (world, old) = world_and_client();
    // First every location learns of the next key, then it becomes the current one.
    let told = world.elsewhere_with(masters(1, Some(2)));
    let switched = world.elsewhere_with(masters(2, Some(1)));
    let new = switched.add_secret(&old.id, json!({}));
    switched
        .administer(json!({"rotateKey": {"tenant": "demo", "algorithm": "ES256", "starts": 0}}));
    for location in [&told, &switched] {
        for client in [&old, &new] {
            location.token(&location.send(&client.asks(DEFAULT)));
        }
    }
}

#[test]
fn under_a_wrong_master_key_no_secret_is_accepted_and_the_operator_hears_why() {
    let (world, client) = world_and_client();
    let wrong = world.elsewhere_with(masters(3, None));
    // It is not the client's fault, but telling it so would tell that the client exists.
    wrong
        .send(&client.asks(DEFAULT))
        .refused(401, "invalid_client");
    let reasons: Vec<_> = world.events().iter().map(|event| event.reason).collect();
    assert_eq!(reasons, ["secrets_unreadable"]);
}

#[test]
fn a_signing_key_sealed_under_an_unknown_master_key_is_a_server_error_and_an_event() {
    let (world, client) = world_and_client();
    let wrong = world.elsewhere_with(masters(3, None));
    let new = wrong.add_secret(&client.id, json!({}));
    world.events();
    wrong.send(&new.asks(DEFAULT)).refused(500, "server_error");
    let reasons: Vec<&str> = world.events().iter().map(|event| event.reason).collect();
    assert_eq!(reasons, ["unknown_master_key"]);
    // The keys are public all the same, and a new one signs.
    assert_eq!(wrong.published(), world.published());
    wrong.administer(json!({"rotateKey": {"tenant": "demo", "algorithm": "ES256", "starts": 0}}));
    wrong.token(&wrong.send(&new.asks(DEFAULT)));
}

#[test]
fn a_sealed_key_opens_in_no_other_tenant() {
    let (world, _) = world_and_client();
    world.administer(json!({"createTenant": {"tenant": "rival"}}));
    let rival = edgemint::store::Key::new(
        edgemint::store::Partition::new("directory/rival").unwrap(),
        "keys",
    )
    .unwrap();
    let stolen = world.around.store.text(&rival);
    world
        .around
        .store
        .overwrite(&crate::support::key("keys"), &stolen);
    let elsewhere = world.elsewhere();
    let client = elsewhere.client(&[]);
    world.events();
    elsewhere
        .send(&client.asks(DEFAULT))
        .refused(500, "server_error");
    let reasons: Vec<&str> = world.events().iter().map(|event| event.reason).collect();
    assert_eq!(reasons, ["broken_seal"]);
}

#[test]
fn only_32_bytes_in_base64url_are_a_master_key() {
    let good = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    assert!(MasterKey::parse(good).is_ok());
    assert!(MasterKey::parse(&format!("\n {good} \n")).is_ok());
    for bad in [
        "",
        "changeme",
        &good[1..],
        &format!("{good}AA"),
        &format!("{good}="),
        &good.replace('A', "+"),
        &good.replace('A', " "),
    ] {
        let error = MasterKey::parse(bad).expect_err(bad);
        assert!(!error.to_string().contains("AAEC"), "{error}");
    }
}

#[test]
fn two_master_keys_have_different_ids_and_show_nothing_else() {
    let keys = masters(1, Some(2));
    let other = masters(2, None);
    assert_ne!(keys.current().id(), other.current().id());
    let text = format!("{keys:?}");
    assert!(text.contains(keys.current().id()), "{text}");
    assert!(
        !text.contains("pepper") && !text.contains("sealing"),
        "{text}"
    );
}
