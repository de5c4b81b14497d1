//! The vectors of `tests/vectors` against the native core: the same files as in workerd and Chromium.

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use edgemint::endpoint::{Body, Request, Response};
use futures_executor::block_on;
use serde_json::{Map, Value};

use crate::support::{ORIGIN, World};

/// What a token carries beside the members that a vector names.
const CHANGING: [&str; 4] = ["iat", "nbf", "exp", "jti"];

#[test]
fn the_token_endpoint_answers_as_the_vectors_say() {
    run(include_str!("../vectors/token-endpoint.json"));
}

#[test]
fn metadata_and_keys_are_as_the_vectors_say() {
    run(include_str!("../vectors/metadata.json"));
}

#[test]
fn grants_are_as_the_vectors_say() {
    run(include_str!("../vectors/grants.json"));
}

fn run(vectors: &str) {
    let directory: Value = serde_json::from_str(include_str!("../vectors/directory.json")).unwrap();
    assert_eq!(directory["baseUrl"], ORIGIN);
    let world = World::empty();
    for command in directory["commands"].as_array().unwrap() {
        world.administer(command.clone());
    }
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    let cases = vectors["cases"].as_array().unwrap();
    let failures: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let failure = check(&world, &case["request"], &case["response"]).err()?;
            Some(format!("{}: {failure}", case["name"]))
        })
        .collect();
    assert!(
        failures.is_empty(),
        "{} of {} failed:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
}

fn check(world: &World, request: &Value, expected: &Value) -> Result<(), String> {
    let response = send(world, request);
    let name = format!("status, with the body {}", response.body);
    same(&Value::from(response.status), &expected["status"], &name)?;
    for (name, value) in expected["headers"].as_object().unwrap() {
        let seen = response.headers.iter().find(|(known, _)| known == name);
        let seen = seen.map_or(Value::Null, |(_, value)| Value::from(value.as_ref()));
        same(&seen, value, name)?;
    }
    if expected["empty"] == Value::Bool(true) {
        same(
            &Value::from(response.body.as_str()),
            &Value::from(""),
            "body",
        )?;
        return Ok(());
    }
    if expected["page"] == Value::Bool(true) {
        let is_page = response.body.starts_with("<!doctype html>");
        return same(&Value::from(is_page), &Value::from(true), "a page");
    }
    let mut body: Value = serde_json::from_str(&response.body).map_err(|e| e.to_string())?;
    if let Some(keys) = expected["jwks"].as_array() {
        return check_keys(&body, keys);
    }
    if let Some(token) = expected["token"].as_object() {
        check_token(&body, token, world.around.clock.now().secs())?;
        body["access_token"] = Value::from("<jwt>");
    }
    same(&body, &expected["json"], "body")
}

fn send(world: &World, request: &Value) -> Response {
    let mut body = request["body"].as_str().unwrap_or_default().to_owned();
    let pad = request["pad"].as_u64().unwrap_or_default() as usize;
    body.extend(std::iter::repeat_n('x', pad.saturating_sub(body.len())));
    let basic = request["basic"].as_str().map(|pair| {
        let scheme = request["scheme"].as_str().unwrap_or("Basic");
        format!("{scheme} {}", Base64::encode_string(pair.as_bytes()))
    });
    let headers = &request["headers"];
    let request = Request {
        method: request["method"].as_str().unwrap(),
        target: request["target"].as_str().unwrap(),
        content_type: headers["content-type"].as_str(),
        authorization: basic.as_deref().or(headers["authorization"].as_str()),
        body: Body::Whole(body.as_bytes()),
        ..Request::default()
    };
    block_on(world.issuer.handle(&request, world.around.clock.now()))
}

fn check_token(body: &Value, expected: &Map<String, Value>, now: u64) -> Result<(), String> {
    let token = body["access_token"].as_str().ok_or("no access token")?;
    let mut parts = token.split('.').map(|part| {
        let bytes = Base64UrlUnpadded::decode_vec(part).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or(Value::Null)
    });
    let mut header = parts.next().unwrap_or_default();
    let mut claims = parts.next().unwrap_or_default();
    let kid = header
        .as_object_mut()
        .and_then(|header| header.remove("kid"));
    same(
        &Value::from(kid.is_some_and(|kid| kid.is_string())),
        &Value::from(true),
        "kid",
    )?;
    same(&header, &expected["header"], "token header")?;
    let claims = claims.as_object_mut().ok_or("no claims")?;
    let [iat, nbf, exp, jti] = CHANGING.map(|name| claims.remove(name).unwrap_or_default());
    same(
        &Value::Object(claims.clone()),
        &expected["claims"],
        "claims",
    )?;
    same(&iat, &Value::from(now), "iat")?;
    same(&nbf, &iat, "nbf")?;
    let lifetime = exp.as_u64().unwrap_or_default().saturating_sub(now);
    same(&Value::from(lifetime), &body["expires_in"], "exp - iat")?;
    same(
        &Value::from(jti.as_str().map(str::len)),
        &Value::from(22),
        "length of jti",
    )
}

fn check_keys(body: &Value, expected: &[Value]) -> Result<(), String> {
    let keys = body["keys"].as_array().ok_or("no keys")?;
    let by_algorithm = |list: &[Value]| {
        let mut list = list.to_vec();
        list.sort_by_key(|key| key["alg"].to_string());
        Value::Array(list)
    };
    let named = keys.iter().map(|key| {
        let mut key = key.as_object().cloned().unwrap_or_default();
        key.retain(|name, _| !["kid", "x", "y", "n", "e"].contains(&name.as_str()));
        Value::Object(key)
    });
    let named: Vec<Value> = named.collect();
    same(
        &by_algorithm(&named),
        &by_algorithm(expected),
        "keys without their ids and numbers",
    )
}

fn same(seen: &Value, expected: &Value, what: &str) -> Result<(), String> {
    if seen == expected {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected}, saw {seen}"))
    }
}
