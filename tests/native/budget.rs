//! Guessing at clients: requirement 18.

use serde_json::json;

use crate::support::{Answer, Call, Client, World};

const DEFAULT: &str = "api://orders/.default";
/// Two addresses of RFC 5737.
const THERE: &str = "192.0.2.1";
const HERE: &str = "198.51.100.7";

fn world_and_client() -> (World, Client) {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All"]);
    (world, client)
}

/// A token request of this client with a secret that is not its own.
fn guess(client_id: &str) -> Call {
    Call::token()
        .basic(client_id, "not-the-secret-but-as-long-as-one")
        .with("scope", DEFAULT)
}

/// Spends a budget.
#[track_caller]
fn fail_ten_times(world: &World, call: &Call) {
    for _ in 0..10 {
        world.send(call).refused(401, "invalid_client");
    }
}

/// Checks that this is a refusal for a while. Returns the seconds.
#[track_caller]
fn put_off(answer: &Answer) -> u64 {
    answer.refused(429, "temporarily_unavailable");
    assert_eq!(answer.header("www-authenticate"), None);
    answer.header("retry-after").unwrap().parse().unwrap()
}

#[test]
fn r18_the_eleventh_failure_within_a_minute_from_one_address_is_429_with_retry_after() {
    let (world, client) = world_and_client();
    let call = guess(&client.id).from(THERE);
    fail_ten_times(&world, &call);
    assert_eq!(put_off(&world.send(&call)), 60);
    world.around.clock.pass(59);
    assert_eq!(put_off(&world.send(&call)), 1);
    world.around.clock.pass(1);
    fail_ten_times(&world, &call);
    assert_eq!(put_off(&world.send(&call)), 60);
}

#[test]
fn r18_from_the_address_of_the_guesses_not_even_the_right_secret_is_looked_at() {
    let (world, client) = world_and_client();
    fail_ten_times(&world, &guess(&client.id).from(THERE));
    put_off(&world.send(&client.asks(DEFAULT).from(THERE)));
    world.around.clock.pass(60);
    world.send(&client.asks(DEFAULT).from(THERE)).accepted();
}

#[test]
fn r18_the_holder_of_the_secret_is_not_locked_out_from_elsewhere() {
    let (world, client) = world_and_client();
    fail_ten_times(&world, &guess(&client.id).from(THERE));
    put_off(&world.send(&guess(&client.id).from(THERE)));
    world.send(&client.asks(DEFAULT).from(HERE)).accepted();
    world.send(&client.asks(DEFAULT)).accepted();
    // Nor is another client at the address of the guesses, nor the same id elsewhere.
    let other = world.client(&["Orders.Read.All"]);
    world.send(&other.asks(DEFAULT).from(THERE)).accepted();
    world.administer(json!({"createTenant": {"tenant": "other"}}));
    let elsewhere = guess(&client.id).from(THERE).target("/other/oauth2/token");
    world.send(&elsewhere).refused(401, "invalid_client");
}

#[test]
fn r18_where_no_address_is_known_the_right_secret_always_works() {
    let (world, client) = world_and_client();
    for _ in 0..3 {
        fail_ten_times(&world, &guess(&client.id));
        for _ in 0..5 {
            put_off(&world.send(&guess(&client.id)));
            world.send(&client.asks(DEFAULT)).accepted();
        }
        world.around.clock.pass(60);
    }
}

#[test]
fn r18_an_unknown_client_is_told_the_same_as_a_known_one() {
    let (world, client) = world_and_client();
    for address in [Some(THERE), None] {
        let at = |call: Call| match address {
            Some(address) => call.from(address),
            None => call,
        };
        let (known, unknown) = (at(guess(&client.id)), at(guess("nobody")));
        for _ in 0..12 {
            assert_eq!(world.send(&known), world.send(&unknown));
        }
        assert_eq!(put_off(&world.send(&unknown)), 60);
    }
    world.events();
    world.send(&guess("nobody").from(THERE));
    world.send(&guess(&client.id).from(THERE));
    let events = world.events();
    assert!(
        events
            .iter()
            .all(|event| event.reason == "too_many_failures")
    );
    // Who has authenticated nowhere is named only if it is registered.
    let named: Vec<_> = events.into_iter().map(|event| event.client_id).collect();
    assert_eq!(named, [None, Some(client.id)]);
}

#[test]
fn r18_a_lapsed_secret_and_a_disabled_client_count_as_a_wrong_secret_does() {
    let (world, client) = world_and_client();
    let lapsed = world.add_secret(
        &client.id,
        json!({"starts": 1_700_000_000, "ends": 1_750_000_000}),
    );
    let disabled = world.client(&[]);
    world.administer(json!({"updateApplication": {
        "tenant": "demo", "clientId": disabled.id, "disabled": true,
    }}));
    for client in [lapsed, disabled] {
        let call = client.asks(DEFAULT).from(THERE);
        fail_ten_times(&world, &call);
        put_off(&world.send(&call));
    }
}

#[test]
fn r18_what_is_malformed_or_proves_nothing_is_not_counted() {
    let (world, client) = world_and_client();
    let spa = world.spa();
    let asks = || Call::token().with("scope", DEFAULT).from(THERE);
    for _ in 0..30 {
        // Without a secret; no such scheme; a checksum that is wrong; two methods; too large.
        let id = &client.id;
        for (call, status) in [
            (asks().with("client_id", id), 401),
            (asks().authorization("Bearer x"), 401),
            (asks().post(id, &format!("{}x", client.secret)), 401),
            (asks().basic(id, "x").post(id, "x"), 400),
            (guess(id).from(THERE).body_too_large(), 413),
            (spa.refreshes("emr_junk").from(THERE), 400),
        ] {
            assert_eq!(world.send(&call).status(), status, "{call:?}");
        }
    }
    world.send(&client.asks(DEFAULT).from(THERE)).accepted();
}

#[test]
fn r18_a_success_gives_no_guesses_back() {
    let (world, client) = world_and_client();
    let call = guess(&client.id).from(THERE);
    for _ in 0..10 {
        world.send(&call).refused(401, "invalid_client");
        world.send(&client.asks(DEFAULT).from(HERE)).accepted();
    }
    put_off(&world.send(&call));
}

#[test]
fn r18_revocation_and_introspection_spend_the_same_budget() {
    let (world, client) = world_and_client();
    let calls = ["token", "revoke", "introspect"].map(|endpoint| {
        let call = Call::form(&format!("/demo/oauth2/{endpoint}"));
        let call = call.basic(&client.id, "not-the-secret-but-as-long-as-one");
        call.with("token", "x").from(THERE)
    });
    for at in 0..10 {
        let answer = world.send(&calls[at % 3]);
        answer.refused(401, "invalid_client");
    }
    for call in &calls {
        put_off(&world.send(call));
    }
}

#[test]
fn r18_ipv6_neighbours_of_one_network_share_a_budget() {
    let (world, client) = world_and_client();
    for last in 0..10 {
        let call = guess(&client.id).from(&format!("2001:db8:0:1:{last}::1"));
        world.send(&call).refused(401, "invalid_client");
    }
    put_off(&world.send(&guess(&client.id).from("2001:db8:0:1::ffff")));
    let next_door = guess(&client.id).from("2001:db8:0:2::ffff");
    world.send(&next_door).refused(401, "invalid_client");
}

#[test]
fn r18_a_limiter_for_all_locations_is_asked_after_a_failure_only_and_is_told_nothing() {
    let (world, client) = world_and_client();
    world.around.limiter.set_limit(4);
    let elsewhere = world.elsewhere();
    world.send(&client.asks(DEFAULT).from(THERE)).accepted();
    assert!(world.around.limiter.asked().is_empty());
    let call = guess(&client.id).from(THERE);
    for location in [&world, &elsewhere, &world, &elsewhere] {
        location.send(&call).refused(401, "invalid_client");
    }
    assert_eq!(put_off(&world.send(&call)), 60);
    let asked = world.around.limiter.asked();
    assert_eq!(asked.len(), 5);
    // From now on this location refuses by itself.
    put_off(&world.send(&call));
    put_off(&world.send(&client.asks(DEFAULT).from(THERE)));
    assert_eq!(world.around.limiter.asked().len(), 5);
    for told in asked {
        assert!(
            !told.contains(&client.id) && !told.contains(THERE),
            "{told}"
        );
        assert_eq!(told.len(), 43);
    }
    world.send(&client.asks(DEFAULT).from(HERE)).accepted();
}

#[test]
fn r18_without_its_limiter_a_location_counts_alone() {
    let (world, client) = world_and_client();
    world.around.limiter.set_down(true);
    let call = guess(&client.id).from(THERE);
    world.events();
    fail_ten_times(&world, &call);
    let events = world.events();
    let failed = events.iter().filter(|event| event.reason == "rate_limiter");
    assert_eq!(failed.count(), 10);
    put_off(&world.send(&call));
    world.send(&client.asks(DEFAULT).from(HERE)).accepted();
}
