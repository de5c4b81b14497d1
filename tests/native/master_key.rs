//! Rotation of the master key: old and new work in the overlap, nothing that was issued is lost, and a
//! wrong one opens nothing.

use base64ct::{Base64UrlUnpadded, Encoding};
use edgemint::key::MasterKey;
use edgemint::store::{Key, Partition};
use serde_json::{Value, json};

use crate::support::{App, Call, Client, PutFault, TTL, Tokens, World, key, masters};

const DEFAULT: &str = "api://orders/.default";

/// Everything was written under master key 1.
fn world_and_client() -> (World, Client) {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All"]);
    (world, client)
}

/// Reseals the ring of `demo`.
fn reseal(world: &World) {
    world.administer(json!({"resealKeys": {"tenant": "demo"}}));
}

fn ring_text(world: &World) -> String {
    world.around.store.text(&key("keys"))
}

/// Everything that a user and a client hold from before still works here.
fn everything_works(world: &World, client: &Client, app: &App, tokens: &Tokens, code: &str) {
    world.token(&world.send(&client.asks(DEFAULT)));
    assert!(world.is_active(app, &tokens.access));
    assert!(world.is_active(app, &tokens.refresh));
    let next = world.refreshed(app, tokens);
    assert_eq!(
        world.refreshed(app, tokens).refresh,
        next.refresh,
        "the same successor in every location"
    );
    world.refreshed(app, &world.tokens(&app.redeems(code)));
    let wrong = format!("{}x", client.secret);
    let call = Call::token().basic(&client.id, &wrong);
    world.send(&call).refused(401, "invalid_client");
}

#[test]
fn r47_in_the_overlap_old_and_new_configurations_serve_side_by_side() {
    let (world, client) = world_and_client();
    let app = world.web();
    let rotated = world.elsewhere_with(masters(2, Some(1)));
    for (issued_by, used_by) in [(&world, &rotated), (&rotated, &world)] {
        let (tokens, code) = (issued_by.session(&app), issued_by.code(&app));
        everything_works(used_by, &client, &app, &tokens, &code);
        let new = issued_by.add_secret(&client.id, json!({}));
        used_by.administer(json!({"updateApplication": {
            "tenant": "demo", "clientId": client.id, "disabled": false,
        }}));
        used_by.token(&used_by.send(&new.asks(DEFAULT)));
    }
}

#[test]
fn r47_after_resealing_the_old_master_key_can_go_and_what_was_issued_before_still_works() {
    let (world, client) = world_and_client();
    let app = world.web();
    let (tokens, code) = (world.session(&app), world.code(&app));
    reseal(&world.elsewhere_with(masters(2, Some(1))));
    let stored = ring_text(&world);
    assert!(
        !stored.contains(masters(1, None).current().id()),
        "{stored}"
    );
    let finished = world.elsewhere_with(masters(2, None));
    everything_works(&finished, &client, &app, &tokens, &code);
    // And the old one opens nothing any more.
    let old = world.elsewhere();
    old.send(&client.asks(DEFAULT)).refused(500, "server_error");
}

#[test]
fn r47_the_master_key_may_be_rotated_again_and_again() {
    let (world, client) = world_and_client();
    let app = world.web();
    let (tokens, code) = (world.session(&app), world.code(&app));
    for next in 2..6 {
        reseal(&world.elsewhere_with(masters(next, Some(next - 1))));
    }
    let finished = world.elsewhere_with(masters(5, None));
    everything_works(&finished, &client, &app, &tokens, &code);
}

#[test]
fn r47_resealing_that_was_interrupted_is_resumed() {
    for fault in [PutFault::BeforeWriting, PutFault::AfterWriting] {
        let (world, client) = world_and_client();
        let app = world.web();
        let (tokens, code) = (world.session(&app), world.code(&app));
        world.administer(json!({"createTenant": {"tenant": "second"}}));
        let rotated = world.elsewhere_with(masters(2, Some(1)));
        // The first tenant is done, the second one fails.
        reseal(&rotated);
        let second = json!({"resealKeys": {"tenant": "second"}});
        world.around.store.fail_put(0, fault);
        assert!(rotated.try_administer(second.clone()).is_err(), "{fault:?}");
        // Both are served meanwhile, by whoever has both keys.
        let between = world.elsewhere_with(masters(2, Some(1)));
        between.token(&between.send(&client.asks(DEFAULT)));
        // Then all of it is done again.
        let resumed = world.elsewhere_with(masters(2, Some(1)));
        reseal(&resumed);
        resumed.administer(second);
        let finished = world.elsewhere_with(masters(2, None));
        everything_works(&finished, &client, &app, &tokens, &code);
        for algorithm in ["ES256", "EdDSA"] {
            finished.administer(json!({"rotateKey": {"tenant": "second", "algorithm": algorithm}}));
        }
    }
}

#[test]
fn r47_maintenance_seals_anew_what_nobody_has_sealed_anew_by_hand() {
    let (world, client) = world_and_client();
    let maintain = json!({"maintain": {"tenant": "demo"}});
    let none: [&str; 0] = [];
    assert_eq!(
        world.document(&maintain),
        json!({"announced": none, "resealed": false})
    );
    // A key is due as well: it is one write all the same.
    let is_due = world.elsewhere_with(masters(2, Some(1)));
    world.around.clock.pass(76 * 86_400 + 1);
    let writes = world.around.store.writes();
    let done = is_due.document(&maintain);
    assert_eq!(done["resealed"], true);
    let added = done["announced"][0].as_str().unwrap();
    assert_eq!(world.around.store.writes() - writes, 1, "a transaction");
    // The newest first.
    let told = world.document(&json!({"listEvents": {"tenant": "demo", "limit": 2}}));
    let told = |at: usize| {
        (
            told["items"][at]["reason"].clone(),
            told["items"][at]["detail"].clone(),
        )
    };
    let master = masters(2, None).current().id().to_owned();
    assert_eq!(told(1), (json!("keys_resealed"), json!(master)));
    assert_eq!(told(0), (json!("key_added"), json!(added)));
    let (before, writes) = (ring_text(&world), world.around.store.writes());
    assert_eq!(
        is_due.document(&maintain),
        json!({"announced": none, "resealed": false})
    );
    assert_eq!(world.around.store.writes(), writes);
    assert_eq!(ring_text(&world), before);
    let finished = world.elsewhere_with(masters(2, None));
    finished.token(&finished.send(&client.asks(DEFAULT)));
}

#[test]
fn r47_maintenance_without_the_old_master_key_fails_and_changes_nothing() {
    let (world, _) = world_and_client();
    let before = ring_text(&world);
    let wrong = world.elsewhere_with(masters(2, None));
    let refused = wrong.try_document(&json!({"maintain": {"tenant": "demo"}}));
    assert_eq!(refused.unwrap_err().to_string(), "unknown_master_key");
    assert_eq!(ring_text(&world), before);
}

#[test]
fn r47_resealing_what_is_resealed_writes_nothing() {
    let (world, _) = world_and_client();
    let rotated = world.elsewhere_with(masters(2, Some(1)));
    reseal(&rotated);
    let (before, writes) = (ring_text(&world), world.around.store.writes());
    reseal(&rotated);
    assert_eq!(world.around.store.writes(), writes);
    assert_eq!(ring_text(&world), before);
}

#[test]
fn r47_resealing_loses_no_key_that_somebody_else_adds() {
    let (world, client) = world_and_client();
    let rotated = world.elsewhere_with(masters(2, Some(1)));
    world.around.store.let_a_rival_write_first();
    let act = json!({"resealKeys": {"tenant": "demo"}});
    rotated.administer(act);
    let finished = world.elsewhere_with(masters(2, None));
    finished.token(&finished.send(&client.asks(DEFAULT)));
}

#[test]
fn r47_resealing_without_the_old_master_key_changes_nothing() {
    let (world, client) = world_and_client();
    let before = ring_text(&world);
    let wrong = world.elsewhere_with(masters(3, Some(2)));
    let refused = wrong.try_administer(json!({"resealKeys": {"tenant": "demo"}}));
    assert_eq!(refused.unwrap_err().to_string(), "unknown_master_key");
    assert_eq!(ring_text(&world), before);
    let elsewhere = world.elsewhere();
    elsewhere.token(&elsewhere.send(&client.asks(DEFAULT)));
}

#[test]
fn new_keys_are_sealed_under_the_current_master_key() {
    let (world, client) = world_and_client();
    let rotated = world.elsewhere_with(masters(2, Some(1)));
    rotated.administer(json!({"rotateKey": {"tenant": "demo", "algorithm": "ES256", "starts": 0}}));
    rotated.token(&rotated.send(&client.asks(DEFAULT)));
    assert!(ring_text(&world).contains(masters(2, None).current().id()));
    // First every location learns of the next key, then it becomes the current one.
    let told = world.elsewhere_with(masters(1, Some(2)));
    told.token(&told.send(&client.asks(DEFAULT)));
}

#[test]
fn under_a_wrong_master_key_every_client_hears_the_same_and_the_operator_hears_why() {
    let (world, client) = world_and_client();
    let public = world.spa();
    let wrong = world.elsewhere_with(masters(3, None));
    let unknown = Client {
        id: "nobody".into(),
        secret: client.secret.clone(),
        key_id: String::new(),
    };
    let mistaken = Client {
        id: client.id.clone(),
        secret: "not the secret, but as long as one".into(),
        key_id: String::new(),
    };
    let calls = [
        client.asks(DEFAULT),
        unknown.asks(DEFAULT),
        mistaken.asks(DEFAULT),
        public.refreshes("emr_junk"),
    ];
    let answers: Vec<_> = calls.iter().map(|call| wrong.send(call)).collect();
    for answer in &answers {
        answer.refused(500, "server_error");
        assert_eq!(answer.0.body, answers[0].0.body);
        assert_eq!(answer.0.headers, answers[0].0.headers);
    }
    let reasons: Vec<_> = world.events().iter().map(|event| event.reason).collect();
    assert_eq!(reasons, ["unknown_master_key"; 4]);
    // The signing keys are public all the same.
    assert_eq!(wrong.published(), world.published());
}

#[test]
fn a_sealed_ring_opens_in_no_other_tenant() {
    let (world, client) = world_and_client();
    world.administer(json!({"createTenant": {"tenant": "rival"}}));
    let rival = Key::new(Partition::new("directory/rival").unwrap(), "keys").unwrap();
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let (own, stolen) = (
        read(&ring_text(&world)),
        read(&world.around.store.text(&rival)),
    );
    for member in ["secret", "keys"] {
        let mut mixed = own.clone();
        mixed[member] = stolen[member].clone();
        world
            .around
            .store
            .overwrite(&key("keys"), &mixed.to_string());
        world.events();
        let elsewhere = world.elsewhere();
        elsewhere
            .send(&client.asks(DEFAULT))
            .refused(500, "server_error");
        let reasons: Vec<&str> = world.events().iter().map(|event| event.reason).collect();
        assert_eq!(reasons, ["broken_seal"], "{member}");
    }
    // Nor under the id of another secret, which what was unsealed before goes by.
    let mut renamed = own;
    renamed["secret"]["id"] = stolen["secret"]["id"].clone();
    world
        .around
        .store
        .overwrite(&key("keys"), &renamed.to_string());
    let elsewhere = world.elsewhere();
    elsewhere
        .send(&client.asks(DEFAULT))
        .refused(500, "server_error");
}

#[test]
fn r30_a_leaked_master_key_forges_nothing_without_the_store() {
    let (world, client) = world_and_client();
    let app = world.web();
    let tokens = world.session(&app);
    // The thief has the master key, and a service of their own with the same names in it.
    let theirs = World::empty();
    edgemint::Entropy::fill(&theirs.around.entropy, &mut [0; 32 * 1_000]).unwrap();
    theirs
        .administer(json!({"createTenant": {"tenant": "demo", "loginUrl": crate::support::LOGIN}}));
    theirs.administer(json!({"createApi": {
        "tenant": "demo",
        "identifier": "api://orders",
        "roles": [{"value": "Orders.Read.All"}],
        "scopes": [{"value": "Orders.Read"}, {"value": "Orders.Write"}],
    }}));
    for id in [&client.id, &app.id] {
        theirs.administer(json!({"createApplication": {
            "tenant": "demo", "clientId": id, "redirectUris": [crate::support::CALLBACK],
            "grantTypes": ["client_credentials", "authorization_code", "refresh_token"],
        }}));
    }
    let forged = theirs.add_secret(&client.id, json!({}));
    world
        .send(&forged.asks(DEFAULT))
        .refused(401, "invalid_client");
    let secret = theirs.add_secret(&app.id, json!({})).secret;
    let accomplice = App {
        id: app.id.clone(),
        secret: Some(secret),
    };
    let made = theirs.session(&accomplice);
    assert!(world.verify(&made.access).is_none(), "another signing key");
    assert!(!world.is_active(&app, &made.access));
    assert!(!world.is_active(&app, &made.refresh));
    let reads = world.reads_during(|| {
        world.send(&app.refreshes(&made.refresh)).is_invalid_grant();
        let code = theirs.code(&accomplice);
        world.send(&app.redeems(&code)).is_invalid_grant();
    });
    assert_eq!(reads, 0, "the seal is the tenant's: it reaches no store");
    world.refreshed(&app, &tokens);
}

#[test]
fn r30_a_leaked_store_holds_nothing_usable_without_the_master_key() {
    let (world, client) = world_and_client();
    let app = world.web();
    let tokens = world.session(&app);
    // The thief runs a service over the whole store, with a master key of their own.
    let theirs = world.elsewhere_with(masters(9, None));
    for call in [client.asks(DEFAULT), app.refreshes(&tokens.refresh)] {
        theirs.send(&call).refused(500, "server_error");
    }
    let refused = theirs.try_administer(json!({"addSecret": {
        "tenant": "demo", "clientId": client.id,
    }}));
    assert_eq!(refused.unwrap_err().to_string(), "unknown_master_key");
    // Nothing that was drawn in secret is in it in the clear; the tenant's secret is among it.
    let dump: String = world
        .around
        .store
        .memory
        .dump()
        .into_iter()
        .map(|(_, value)| value)
        .collect();
    let drawn = world.around.entropy.drawn();
    let secrets: Vec<_> = drawn.iter().filter(|bytes| bytes.len() == 32).collect();
    assert!(
        secrets.len() >= 4,
        "a tenant's, a signing key's, two clients'"
    );
    for secret in secrets {
        assert!(!dump.contains(&Base64UrlUnpadded::encode_string(secret)));
    }
}

#[test]
fn the_secret_of_a_tenant_is_opened_once_however_often_the_ring_is_read() {
    let (world, client) = world_and_client();
    let elsewhere = world.elsewhere();
    let before = world.around.signer.openings();
    elsewhere.token(&elsewhere.send(&client.asks(DEFAULT)));
    let cold = world.around.signer.openings() - before;
    assert_eq!(cold, 2, "the tenant's secret, and the signing key");
    for _ in 0..5 {
        world.around.clock.pass(TTL);
        elsewhere.token(&elsewhere.send(&client.asks(DEFAULT)));
    }
    assert_eq!(world.around.signer.openings() - before, cold);
    // Sealed anew it is the same secret, and needs no opening.
    reseal(&world.elsewhere_with(masters(2, Some(1))));
    let resealed = world.around.signer.openings();
    world.around.clock.pass(TTL);
    elsewhere.token(&elsewhere.send(&client.asks(DEFAULT)));
    assert_eq!(world.around.signer.openings(), resealed);
}

#[test]
fn of_two_who_make_a_tenant_at_once_one_ring_is_kept() {
    let world = World::empty();
    world.around.store.let_a_rival_write_first();
    let made = world.try_administer(json!({"createTenant": {"tenant": "demo"}}));
    assert!(made.is_ok(), "{made:?}");
    let ring: Value = serde_json::from_str(&ring_text(&world)).unwrap();
    assert_eq!(ring["keys"].as_array().unwrap().len(), 1);
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
