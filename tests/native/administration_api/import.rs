//! Applications from elsewhere, with their secrets and roles: all or none.

use serde_json::{Value, json};

use super::{BROUGHT, DEFAULT, ROLES};
use crate::support::{Client, PutFault, World};

fn import(world: &World, admin: &str, applications: &Value) -> crate::support::Answer {
    let body = json!({ "applications": applications });
    world.admin(admin, "POST", "applications/import", body)
}

fn brings(id: &str) -> Value {
    json!({
        "clientId": id,
        "displayName": "from elsewhere",
        "secrets": [{"secret": format!("{BROUGHT}-{id}"), "displayName": "old"}],
        "assignments": [{"api": "api://orders", "roles": ["Orders.Read.All"]}],
    })
}

#[test]
fn imported_applications_authenticate_with_the_secrets_that_they_bring() {
    let world = World::demo();
    let (_, admin) = world.administrator(&ROLES);
    let ids: Vec<_> = (0..500).map(|number| format!("legacy-{number}")).collect();
    let applications: Value = ids.iter().map(|id| brings(id)).collect();
    let answer = import(&world, &admin, &applications);
    let made = answer.made();
    let items: Vec<_> = made["items"].as_array().unwrap().iter().collect();
    assert_eq!(items.len(), 500);
    assert!(!answer.mentions(BROUGHT));
    for id in [&ids[0], &ids[250], &ids[499]] {
        let client = Client {
            id: id.clone(),
            secret: format!("{BROUGHT}-{id}"),
            key_id: String::new(),
        };
        let token = world.token(&world.send(&client.asks(DEFAULT)));
        assert_eq!(token.claims["roles"], json!(["Orders.Read.All"]));
    }
    // The next one's secret is not this one's.
    let wrong = Client {
        id: ids[1].clone(),
        secret: format!("{BROUGHT}-{}", ids[2]),
        key_id: String::new(),
    };
    world
        .send(&wrong.asks(DEFAULT))
        .refused(401, "invalid_client");
}

#[test]
fn an_import_is_refused_as_a_whole() {
    let world = World::demo();
    let taken = world.client(&[]);
    let (_, admin) = world.administrator(&ROLES);
    let with = |name: &str, value: Value| {
        let mut last = brings("last");
        last[name] = value;
        json!([brings("first"), last])
    };
    let many: Value = (0..501).map(|_| json!({})).collect();
    let secrets: Value = (0..21)
        .map(|n| json!({"secret": format!("{BROUGHT}{n}")}))
        .collect();
    for (applications, status, code) in [
        (many, 400, "invalid"),
        (with("clientId", json!(taken.id)), 409, "exists"),
        (with("clientId", json!("first")), 400, "invalid"),
        (with("clientId", json!("")), 400, "invalid"),
        (with("displayName", json!("")), 400, "invalid"),
        (with("secrets", json!([{}])), 400, "invalid"),
        (
            with("secrets", json!([{"secret": "short"}])),
            400,
            "invalid",
        ),
        (
            with("secrets", json!([{"secret": BROUGHT, "ends": 0}])),
            400,
            "invalid",
        ),
        (with("secrets", secrets), 400, "invalid"),
        (with("kind", json!("public")), 400, "invalid"),
        (
            with("assignments", json!([{"api": "api://ghost", "roles": []}])),
            404,
            "not_found",
        ),
        (
            with(
                "assignments",
                json!([{"api": "api://orders", "roles": ["Ghost"]}]),
            ),
            404,
            "not_found",
        ),
        (with("keyId", json!("x")), 400, "invalid"),
        (json!({}), 400, "invalid"),
        (Value::Null, 400, "invalid"),
    ] {
        let answer = world.unchanged(|| import(&world, &admin, &applications));
        answer.problem(status, code);
        assert!(!answer.mentions(BROUGHT));
    }
    let none = import(&world, &admin, &json!([])).made();
    assert_eq!(none["items"], json!([]));
}

#[test]
fn an_import_that_is_cut_short_is_repeated() {
    for (fault, status) in [
        (PutFault::BeforeWriting, 201),
        (PutFault::AfterWriting, 409),
    ] {
        let world = World::demo();
        let (_, admin) = world.administrator(&ROLES);
        let both = json!([brings("a"), brings("b")]);
        world.around.store.fail_put(0, fault);
        import(&world, &admin, &both).problem(503, "temporarily_unavailable");
        assert_eq!(import(&world, &admin, &both).status(), status);
        for id in ["a", "b"] {
            world.read(&admin, &format!("applications/{id}"));
        }
    }
}

#[test]
fn without_transactions_an_import_that_meets_a_name_that_is_taken_names_it() {
    let world = World::demo();
    let (_, admin) = world.administrator(&ROLES);
    world.around.store.lose_transactions();
    world.administer(json!({"createApplication": {"tenant": "demo", "clientId": "b"}}));
    let answer = import(
        &world,
        &admin,
        &json!([brings("a"), brings("b"), brings("c")]),
    );
    let why = answer.problem(409, "exists");
    assert!(why.contains("`b`"), "{why}");
    // Those before it are there, those after it are not: so it is repeated with the rest.
    assert_eq!(
        world
            .admin(&admin, "GET", "applications/a", Value::Null)
            .status(),
        200
    );
    assert_eq!(
        world
            .admin(&admin, "GET", "applications/c", Value::Null)
            .status(),
        404
    );
}

#[test]
fn an_import_brings_5000_secrets_and_assignments_at_most() {
    let world = World::demo();
    let (_, admin) = world.administrator(&ROLES);
    let orders = |_| json!({"api": "api://orders", "roles": ["Orders.Read.All"]});
    let brings = |number: usize| json!({"assignments": (0..number).map(orders).collect::<Value>()});
    let answer = import(&world, &admin, &json!([brings(4_999), brings(2)]));
    let why = answer.problem(400, "invalid");
    assert!(why.contains("5000"), "{why}");
    import(&world, &admin, &json!([brings(4_999), brings(1)])).made();
}
