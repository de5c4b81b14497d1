//! The directory's cache: a request in the steady state does no I/O, and a change is in force within
//! the TTL in every location (design, section 4).

use serde_json::json;

use crate::support::{Client, TTL, World, config, masters};

const DEFAULT: &str = "api://orders/.default";

/// Two locations that have both served the client.
fn two_locations() -> (World, World, Client) {
    let here = World::demo();
    let there = here.elsewhere();
    let client = here.client(&["Orders.Read.All"]);
    for location in [&here, &there] {
        location.send(&client.asks(DEFAULT)).accepted();
    }
    (here, there, client)
}

fn disable(client: &Client) -> serde_json::Value {
    json!({"updateApplication": {
        "tenant": "demo", "clientId": client.id, "disabled": true,
    }})
}

fn remove_secret(client: &Client) -> serde_json::Value {
    json!({"removeSecret": {
        "tenant": "demo", "clientId": client.id, "keyId": client.key_id,
    }})
}

#[test]
fn a_cached_request_reads_nothing_and_imports_no_key_again() {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All"]);
    world.send(&client.asks(DEFAULT)).accepted();
    let imports = world.around.signer.imports();
    let reads = world.reads_during(|| {
        for _ in 0..10 {
            world.send(&client.asks(DEFAULT)).accepted();
            world.get("/demo/.well-known/jwks.json").accepted();
            world
                .get("/demo/.well-known/openid-configuration")
                .accepted();
        }
    });
    assert_eq!(reads, 0);
    assert_eq!(world.around.signer.imports(), imports);
}

#[test]
fn a_first_request_reads_each_record_once() {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All"]);
    let elsewhere = world.elsewhere();
    let reads = elsewhere.reads_during(|| {
        elsewhere.send(&client.asks(DEFAULT)).accepted();
    });
    assert_eq!(reads, 4, "tenant, application, API, key ring");
}

#[test]
fn what_was_changed_here_is_in_force_here_at_once() {
    let (here, _, client) = two_locations();
    here.administer(remove_secret(&client));
    here.send(&client.asks(DEFAULT))
        .refused(401, "invalid_client");
    let replacement = here.add_secret(&client.id, json!({}));
    here.send(&replacement.asks(DEFAULT)).accepted();
    here.administer(disable(&client));
    here.send(&replacement.asks(DEFAULT))
        .refused(401, "invalid_client");
}

#[test]
fn a_removed_secret_stops_working_everywhere_within_the_ttl() {
    let (here, there, client) = two_locations();
    here.administer(remove_secret(&client));
    there.around.clock.pass(TTL);
    there
        .send(&client.asks(DEFAULT))
        .refused(401, "invalid_client");
}

#[test]
fn a_disabled_application_stops_working_everywhere_within_the_ttl() {
    let (here, there, client) = two_locations();
    here.administer(disable(&client));
    there.around.clock.pass(TTL);
    there
        .send(&client.asks(DEFAULT))
        .refused(401, "invalid_client");
}

#[test]
fn a_busy_location_is_no_slower_to_learn_of_a_change() {
    let (here, there, client) = two_locations();
    here.administer(disable(&client));
    // It serves without a pause and never refreshes: use does not lengthen the life of a record.
    for _ in 1..TTL {
        there.around.clock.pass(1);
        there.send(&client.asks(DEFAULT));
    }
    there.around.clock.pass(1);
    there
        .send(&client.asks(DEFAULT))
        .refused(401, "invalid_client");
}

#[test]
fn a_role_taken_away_is_gone_everywhere_within_the_ttl() {
    let (here, there, client) = two_locations();
    here.administer(json!({"removeRoles": {
        "tenant": "demo", "clientId": client.id,
        "api": "api://orders", "roles": ["Orders.Read.All"],
    }}));
    there.around.clock.pass(TTL);
    let token = there.token(&there.send(&client.asks(DEFAULT)));
    assert_eq!(token.claims["roles"], json!([]));
}

#[test]
fn a_lower_ttl_is_kept_to() {
    let here = World::demo();
    let client = here.client(&[]);
    let there = World::around(
        &here.around,
        masters(1, None),
        config().cache_ttl(5).unwrap(),
    );
    there.send(&client.asks(DEFAULT)).accepted();
    here.administer(disable(&client));
    there.around.clock.pass(5);
    there
        .send(&client.asks(DEFAULT))
        .refused(401, "invalid_client");
}

#[test]
fn a_ttl_of_zero_reads_on_every_request() {
    let here = World::demo();
    let client = here.client(&[]);
    let there = World::around(
        &here.around,
        masters(1, None),
        config().cache_ttl(0).unwrap(),
    );
    there.send(&client.asks(DEFAULT)).accepted();
    here.administer(disable(&client));
    there
        .send(&client.asks(DEFAULT))
        .refused(401, "invalid_client");
}

#[test]
fn a_stale_record_serves_once_more_and_is_read_again_after_the_answer() {
    let (here, there, client) = two_locations();
    assert!(!there.issuer.is_refresh_due(), "everything is fresh");
    there.around.clock.pass(TTL / 2);
    here.administer(disable(&client));
    let reads = there.reads_during(|| {
        there.send(&client.asks(DEFAULT)).accepted();
    });
    assert_eq!(reads, 0, "nobody waits for the store");
    assert!(there.issuer.is_refresh_due());
    assert_eq!(there.reads_during(|| there.refresh()), 4);
    assert!(!there.issuer.is_refresh_due());
    there
        .send(&client.asks(DEFAULT))
        .refused(401, "invalid_client");
}

#[test]
fn a_location_that_refreshes_makes_no_request_wait_for_the_store() {
    let (_, there, client) = two_locations();
    for _ in 0..10 * TTL {
        there.around.clock.pass(1);
        let reads = there.reads_during(|| {
            there.send(&client.asks(DEFAULT)).accepted();
        });
        assert_eq!(reads, 0);
        if there.issuer.is_refresh_due() {
            there.refresh();
        }
    }
}

#[test]
fn one_of_many_requests_refreshes() {
    let (_, there, client) = two_locations();
    there.around.clock.pass(TTL / 2);
    for _ in 0..20 {
        there.send(&client.asks(DEFAULT)).accepted();
    }
    assert_eq!(there.reads_during(|| there.refresh()), 4);
}

#[test]
fn a_refresh_that_fails_is_an_event_and_is_tried_again() {
    let (here, there, client) = two_locations();
    there.around.clock.pass(TTL / 2);
    there.send(&client.asks(DEFAULT)).accepted();
    there.around.store.set_down(true);
    there.events();
    there.refresh();
    let reasons: Vec<&str> = there.events().iter().map(|event| event.reason).collect();
    assert_eq!(reasons, ["storage"; 4]);
    there.around.store.set_down(false);
    here.administer(disable(&client));
    // Still within the TTL: it serves, asks for another refresh, and learns of the change.
    there.around.clock.pass(5);
    there.send(&client.asks(DEFAULT)).accepted();
    assert!(there.issuer.is_refresh_due());
    there.refresh();
    there
        .send(&client.asks(DEFAULT))
        .refused(401, "invalid_client");
}

#[test]
fn what_was_registered_elsewhere_works_at_once() {
    let here = World::empty();
    let there = here.elsewhere();
    let metadata = "/demo/.well-known/openid-configuration";
    there.get(metadata).refused(404, "invalid_request");
    here.administer(json!({"createTenant": {"tenant": "demo"}}));
    there.get(metadata).accepted();
    let unknown = crate::support::Call::token()
        .basic("new", "secret")
        .with("scope", DEFAULT);
    there.send(&unknown).refused(401, "invalid_client");
    here.administer(json!({"createApi": {"tenant": "demo", "identifier": "api://orders"}}));
    here.administer(json!({"createApplication": {"tenant": "demo", "clientId": "new"}}));
    let client = here.add_secret("new", json!({}));
    there.send(&client.asks(DEFAULT)).accepted();
}

#[test]
fn a_small_cache_is_slower_and_never_wrong() {
    let here = World::demo();
    let clients: Vec<Client> = (0..20).map(|_| here.client(&["Orders.Read.All"])).collect();
    let there = World::around(&here.around, masters(1, None), config().cache_capacity(4));
    for client in clients.iter().chain(clients.iter().rev()) {
        let token = there.token(&there.send(&client.asks(DEFAULT)));
        assert_eq!(token.claims["sub"], client.id);
    }
}

#[test]
fn an_api_with_a_new_algorithm_works_at_once_where_the_ring_is_cached() {
    let here = World::demo();
    let client = here.client(&[]);
    let there = here.elsewhere();
    there.send(&client.asks("api://orders/.default")).accepted();
    here.administer(json!({"createApi": {
        "tenant": "demo", "identifier": "api://new", "algorithm": "EdDSA",
    }}));
    let token = there.token(&there.send(&client.asks("api://new/.default")));
    assert_eq!(token.header["alg"], "EdDSA");
}
