//! The HTTP of the administration API: every refusal is a problem document (RFC 9457).

use edgemint::endpoint::{AdministrationRoute as Route, MAX_ADMINISTRATION_BODY, ROUTES};
use serde_json::{Value, json};

use super::{ORDERS_PATH, ROLES, request};
use crate::support::{Call, World};

fn world() -> (World, String, String) {
    let world = World::demo();
    let client = world.client(&["Orders.Read.All"]);
    let (_, token) = world.administrator(&ROLES);
    (world, client.id, token)
}

#[test]
fn a_path_that_leads_nowhere_is_404() {
    let (world, id, token) = world();
    for path in [
        "",
        "tenant/",
        "tenant/x",
        "applications//secrets",
        "applications/a/b/c",
        "Tenant",
        "applications%2Fimport/x",
        &format!("applications/{id}/"),
        &format!("apis/{}", "api://orders"),
    ] {
        let answer = world.admin(&token, "GET", path, Value::Null);
        assert_eq!(answer.status(), 404, "{path}: {answer:?}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
    }
    let call = Call::get("/nobody/admin/v1/tenant").bearer(&token);
    assert!([401, 404].contains(&world.send(&call).status()));
}

#[test]
fn a_method_that_a_path_does_not_take_is_405_and_tells_those_that_it_takes() {
    let (world, _, token) = world();
    for (path, method, allow) in [
        ("tenant", "DELETE", "GET, HEAD, PATCH"),
        ("tenant", "OPTIONS", "GET, HEAD, PATCH"),
        ("tenants", "GET", "POST"),
        ("tenants", "HEAD", "POST"),
        ("applications", "PUT", "GET, HEAD, POST"),
        ("keys/reseal", "GET", "POST"),
        ("sessions", "GET", "DELETE"),
        ("bootstrap", "GET", "POST"),
        ("events", "get", "GET, HEAD"),
    ] {
        let answer = world.unchanged(|| world.admin(&token, method, path, Value::Null));
        assert_eq!(answer.status(), 405, "{method} {path}");
        assert_eq!(answer.header("allow"), Some(allow), "{path}");
        // Also to who has no token: there is nothing to protect.
        let anonymous = Call::get(&format!("/demo/admin/v1/{path}")).method(method);
        assert_eq!(world.send(&anonymous).status(), 405);
    }
}

#[test]
fn head_answers_as_get_does_without_the_body() {
    let (world, id, token) = world();
    let one = format!("applications/{id}");
    for path in [
        "tenant",
        "applications",
        &one,
        "keys",
        "events",
        "applications/nobody",
    ] {
        let get = world.admin(&token, "GET", path, Value::Null);
        let head = world.admin(&token, "HEAD", path, Value::Null);
        assert_eq!(
            (head.status(), &head.0.headers),
            (get.status(), &get.0.headers)
        );
        assert!(head.0.body.is_empty() && !get.0.body.is_empty());
    }
}

#[test]
fn a_body_is_json_of_at_most_one_mebibyte() {
    let (world, _, token) = world();
    let post = |call: Call| world.unchanged(|| world.send(&call.bearer(&token)));
    let call = || Call::get("/demo/admin/v1/applications").method("POST");
    for content_type in [
        None,
        Some("text/plain"),
        Some("application/json; charset=latin1"),
    ] {
        let sent = call().body(b"{}").content_type(content_type);
        assert_eq!(post(sent).status(), 415, "{content_type:?}");
    }
    let json = |bytes: &[u8]| call().content_type(Some("application/json")).body(bytes);
    for bad in [
        &b"{"[..],
        b"[]",
        b"null",
        b"\"x\"",
        b"{} {}",
        b"{\"displayName\":}",
        b"{\"displayName\":\"\\ud800\"}",
        b"{\"displayName\":\"\xff\"}",
        b"\xef\xbb\xbf{}",
    ] {
        let answer = post(json(bad));
        assert_eq!(answer.status(), 400, "{}", String::from_utf8_lossy(bad));
    }
    let deep = ["[".repeat(100_000), "]".repeat(100_000)].concat();
    assert_eq!(post(json(deep.as_bytes())).status(), 400);
    let mut large = b"{}".to_vec();
    large.resize(MAX_ADMINISTRATION_BODY + 1, b' ');
    assert_eq!(post(json(&large)).status(), 413);
    assert_eq!(post(call().body_too_large()).status(), 413);
    assert_eq!(post(call().body_unreadable()).status(), 400);
    large.pop();
    world.send(&json(&large).bearer(&token)).made();
}

#[test]
fn a_member_that_is_unknown_wrong_or_said_elsewhere_is_refused() {
    let (world, id, token) = world();
    let application = format!("applications/{id}");
    let secrets = format!("{application}/secrets");
    let orders = format!("apis/{ORDERS_PATH}");
    for (method, path, body) in [
        ("PATCH", &*application, json!({"unknown": 1})),
        ("PATCH", &application, json!({"tenant": "other"})),
        ("PATCH", &application, json!({"clientId": "other"})),
        ("PATCH", &application, json!({"kind": "public"})),
        ("PATCH", &application, json!({"secrets": []})),
        ("PATCH", &application, json!({"assignments": []})),
        ("PATCH", &application, json!({"epoch": 0})),
        ("PATCH", &application, json!({"disabled": "true"})),
        ("PATCH", &application, json!({"displayName": ""})),
        ("PATCH", &application, json!({"displayName": "a\u{0}b"})),
        (
            "PATCH",
            &application,
            json!({"displayName": "x".repeat(257)}),
        ),
        (
            "PATCH",
            &application,
            json!({"redirectUris": ["javascript:alert(1)"]}),
        ),
        ("PATCH", &application, json!({"refresh": {"grace": -1}})),
        ("POST", &secrets, json!({"tenant": "demo"})),
        ("POST", &secrets, json!({"clientId": id})),
        ("POST", &secrets, json!({"keyId": "x"})),
        ("POST", &secrets, json!({"ends": 1.5})),
        ("POST", "applications", json!({"tenant": "demo"})),
        (
            "POST",
            "applications",
            json!({"assignments": [{"api": "api://orders", "roles": []}]}),
        ),
        ("POST", "applications", json!({"secrets": []})),
        ("PATCH", &orders, json!({"identifier": "api://other"})),
        ("PATCH", &orders, json!({"createdAt": 0})),
        (
            "PATCH",
            "tenant",
            json!({"id": "6f9619ff-8b86-4011-b42d-00cf4fc964ff"}),
        ),
        ("PATCH", "tenant", json!({"tenant": "demo"})),
        (
            "PATCH",
            "tenant",
            json!({"loginUrl": "http://evil.example/"}),
        ),
        ("POST", "tenants", json!({})),
        ("POST", "keys", json!({"algorithm": "none"})),
        ("POST", "keys", json!({"private": "x"})),
    ] {
        let answer = world.unchanged(|| world.admin(&token, method, path, body.clone()));
        let why = answer.problem(400, "invalid");
        assert!(!why.is_empty(), "{body}");
    }
}

#[test]
fn a_query_holds_where_a_page_starts_and_nothing_else() {
    let (world, id, token) = world();
    for path in [
        "applications?limit=1",
        "applications?limit=1000&cursor=x",
        "events?limit=007",
    ] {
        world.read(&token, path);
    }
    for path in [
        "applications?limit=0",
        "applications?limit=1001",
        "applications?limit=x",
        "applications?limit=-1",
        "applications?limit=99999999999999999999",
        "applications?limit=",
        "applications?limit=1&limit=1",
        "applications?unknown=1",
        "applications?tenant=other",
        "applications?cursor=%zz",
        "applications?cursor=%00",
        "tenant?limit=1",
        "tenant?x",
    ] {
        let answer = world.admin(&token, "GET", path, Value::Null);
        assert_eq!(answer.status(), 400, "{path}: {answer:?}");
    }
    // What belongs into the body, and a secret above all, is not taken from a URL.
    for (path, body) in [
        (
            format!("applications/{id}/secrets?secret={}", super::BROUGHT),
            Value::Null,
        ),
        ("applications?displayName=x".to_owned(), json!({})),
        ("applications?idempotencyKey=k".to_owned(), json!({})),
        (format!("applications/{id}/secrets?ifMatch=*"), Value::Null),
    ] {
        let answer = world.unchanged(|| world.admin(&token, "POST", &path, body));
        assert_eq!(answer.status(), 400, "{path}: {answer:?}");
        assert!(!answer.mentions(super::BROUGHT));
    }
}

#[test]
fn a_path_that_is_not_well_encoded_is_refused() {
    let (world, _, token) = world();
    for segment in ["%", "%4", "%zz", "%00", "a%00b", "%ff", "%c0%af"] {
        for (method, path) in [
            ("GET", format!("applications/{segment}")),
            ("DELETE", format!("applications/{segment}")),
            ("DELETE", format!("keys/{segment}")),
            ("GET", format!("apis/{segment}")),
            ("GET", format!("users/{segment}/sessions")),
        ] {
            let answer = world.unchanged(|| world.admin(&token, method, &path, Value::Null));
            assert_eq!(answer.status(), 400, "{path}: {answer:?}");
            assert_eq!(
                answer.header("content-type"),
                Some("application/problem+json")
            );
        }
    }
    // What no application can be called is not one that is missing in some other place.
    for segment in ["..%2F..%2Fkeys", "%0a", "x".repeat(400).as_str(), "%c3%a9"] {
        for path in [format!("applications/{segment}"), format!("apis/{segment}")] {
            let answer = world.admin(&token, "GET", &path, Value::Null);
            assert!([400, 404].contains(&answer.status()), "{path}: {answer:?}");
        }
    }
    // A plus sign is itself.
    world.administer(json!({"createApplication": {"tenant": "demo", "clientId": "a+b"}}));
    for path in [
        "applications/a+b",
        "applications/a%2Bb",
        "applications/%61%2bb",
    ] {
        assert_eq!(world.read(&token, path)["clientId"], "a+b");
    }
    world
        .admin(&token, "GET", "applications/a%20b", Value::Null)
        .problem(404, "not_found");
}

#[test]
fn an_authorization_header_is_one_bearer_token() {
    let (world, _, token) = world();
    for header in [
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Basic {token}"),
        token.clone(),
        format!("Bearer {token} {token}"),
        format!("Bearer {token}, Bearer {token}"),
    ] {
        let call = Call::get("/demo/admin/v1/tenant").authorization(&header);
        let answer = world.send(&call);
        answer.problem(401, "invalid_token");
        assert!(
            answer
                .header("www-authenticate")
                .unwrap()
                .starts_with("Bearer")
        );
    }
    // And not in the URL or the body.
    let call = Call::get(&format!("/demo/admin/v1/tenant?access_token={token}"));
    world.send(&call).problem(401, "invalid_token");
    let call = Call::get("/demo/admin/v1/tenant").authorization(&format!("bearer {token}"));
    world.send(&call).accepted();
}

#[test]
fn what_is_not_there_is_404_and_named() {
    let (world, id, token) = world();
    for (method, path, body) in [
        ("GET", "applications/ghost".to_owned(), Value::Null),
        ("PATCH", "applications/ghost".to_owned(), json!({})),
        ("DELETE", "applications/ghost".to_owned(), Value::Null),
        ("POST", "applications/ghost/secrets".to_owned(), Value::Null),
        (
            "DELETE",
            format!("applications/{id}/secrets/ghost"),
            Value::Null,
        ),
        (
            "DELETE",
            "applications/ghost/sessions".to_owned(),
            Value::Null,
        ),
        (
            "POST",
            format!("applications/{id}/assignments/ghost%3Ax"),
            json!({"roles": []}),
        ),
        (
            "PUT",
            format!("applications/{id}/assignments/{ORDERS_PATH}"),
            json!({"roles": ["ghost"]}),
        ),
        (
            "DELETE",
            format!("applications/{id}/assignments/ghost%3Ax"),
            Value::Null,
        ),
        ("GET", "apis/ghost%3Ax".to_owned(), Value::Null),
        (
            "PATCH",
            "apis/ghost%3Ax".to_owned(),
            json!({"algorithm": "EdDSA"}),
        ),
        ("DELETE", "apis/ghost%3Ax".to_owned(), Value::Null),
        ("DELETE", "keys/ghost".to_owned(), Value::Null),
    ] {
        let answer = world.unchanged(|| world.admin(&token, method, &path, body));
        let why = answer.problem(404, "not_found");
        assert!(why.contains("ghost"), "{method} {path}: {why}");
    }
    // In the version that was seen, too.
    let call = request(&token, "DELETE", "applications/ghost", &Value::Null).if_match("*");
    world.send(&call).problem(404, "not_found");
}

#[test]
fn a_failure_of_the_store_is_503_on_every_route() {
    let (world, _, token) = world();
    for Route {
        method,
        path: template,
        act,
        ..
    } in ROUTES
    {
        if act == "bootstrap" {
            continue;
        }
        world.around.store.set_down(true);
        let path = template.replace(['{', '}'], "");
        let answer = world.elsewhere().admin(&token, method, &path, Value::Null);
        world.around.store.set_down(false);
        answer.problem(503, "temporarily_unavailable");
        assert!(!answer.mentions(crate::support::STORE_DETAIL));
    }
}

#[test]
fn one_role_is_taken_by_its_path_and_a_body_never_says_what_goes() {
    let (world, id, token) = world();
    let roles = || {
        let shown = world.read(&token, &format!("applications/{id}"));
        let assignments = shown["assignments"].as_array().unwrap().clone();
        let orders = assignments
            .into_iter()
            .find(|assignment| assignment["api"] == "api://orders");
        orders.map(|assignment| assignment["roles"].clone())
    };
    world.assign(
        &id,
        "api://orders",
        &["Orders.Read.All", "Orders.Write.All"],
    );
    let path = format!("applications/{id}/assignments/{ORDERS_PATH}");
    let one = format!("{path}/Orders.Read.All");
    let delete = |path: &str, body: Value| world.admin(&token, "DELETE", path, body);
    for path in [&*path, &one, &format!("applications/{id}")] {
        for body in [json!({"roles": ["Orders.Read.All"]}), json!({})] {
            world
                .unchanged(|| delete(path, body))
                .problem(400, "invalid");
        }
    }
    let stale = request(&token, "DELETE", &one, &Value::Null).if_match("\"x\"");
    world
        .unchanged(|| world.send(&stale))
        .problem(412, "precondition_failed");
    assert_eq!(delete(&one, Value::Null).status(), 204);
    assert_eq!(roles(), Some(json!(["Orders.Write.All"])));
    let gone = world.unchanged(|| delete(&one, Value::Null));
    let why = gone.problem(404, "not_found");
    assert!(why.contains("Orders.Read.All"), "{why}");
    assert_eq!(delete(&path, Value::Null).status(), 204);
    assert_eq!(roles(), None);
}
