//! Resource indicators: requirement 45 (RFC 8707).

use serde_json::json;

use crate::support::{Client, World};

fn world_and_client() -> (World, Client) {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All", "Orders.Write.All"]);
    (world, client)
}

#[test]
fn r45_a_resource_alone_asks_for_every_assigned_role() {
    let (world, client) = world_and_client();
    let token = world.token(&world.send(&client.asks("").with("resource", "api://orders")));
    assert_eq!(token.claims["aud"], "api://orders");
    assert_eq!(
        token.claims["roles"],
        json!(["Orders.Read.All", "Orders.Write.All"])
    );
}

#[test]
fn r45_a_resource_and_a_scope_of_it_go_together() {
    let (world, client) = world_and_client();
    for scope in [
        "Orders.Read.All",
        "api://orders/Orders.Read.All",
        "Orders.Read.All api://orders/Orders.Read.All",
    ] {
        let call = client.asks(scope).with("resource", "api://orders");
        let token = world.token(&world.send(&call));
        assert_eq!(token.claims["roles"], json!(["Orders.Read.All"]), "{scope}");
    }
}

#[test]
fn r45_a_malformed_resource_is_invalid_target() {
    let (world, client) = world_and_client();
    for resource in [
        "orders",
        "/orders",
        "//orders",
        "api:",
        ":orders",
        "api://orders#part",
        "api://orders#",
        "api://or ders",
        "api://\u{f6}rders",
        &format!("api://{}", "x".repeat(251)),
    ] {
        let answer = world.send(&client.asks("").with("resource", resource));
        answer.refused(400, "invalid_target");
    }
}

#[test]
fn r45_an_unknown_resource_is_invalid_target() {
    let (world, client) = world_and_client();
    for resource in [
        "api://nowhere",
        "api://Orders",
        "api://orders/",
        "API://orders",
    ] {
        let answer = world.send(&client.asks("").with("resource", resource));
        answer.refused(400, "invalid_target");
    }
}

#[test]
fn r45_two_resources_are_invalid_target() {
    let (world, client) = world_and_client();
    let call = client
        .asks("")
        .with("resource", "api://orders")
        .with("resource", "api://billing");
    world.send(&call).refused(400, "invalid_target");
}

#[test]
fn r45_a_scope_of_another_api_than_the_resource_is_invalid_scope() {
    let (world, client) = world_and_client();
    let call = client
        .asks("api://orders/Orders.Read.All")
        .with("resource", "api://billing");
    world.send(&call).refused(400, "invalid_scope");
}
