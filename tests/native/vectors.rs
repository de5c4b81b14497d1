//! The vectors of `tests/vectors` against the native core: the same files as in workerd and Chromium.

use std::collections::HashMap;

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

#[test]
fn entra_and_b2c_answer_as_the_vectors_say() {
    run(include_str!("../vectors/entra.json"));
}

fn run(vectors: &str) {
    let directory: Value = serde_json::from_str(include_str!("../vectors/directory.json")).unwrap();
    assert_eq!(directory["baseUrl"], ORIGIN);
    let world = World::empty();
    for command in directory["commands"].as_array().unwrap() {
        world.administer(command.clone());
    }
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    if let Some(more) = vectors["directory"].as_array() {
        // RS256 is the host's: here a stand-in signs.
        world.around.signer.learn_rsa();
        for command in more {
            world.administer(command.clone());
        }
    }
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
    let mut known = Known::new();
    let name = format!("status, with the body {}", response.body);
    same(&Value::from(response.status), &expected["status"], &name)?;
    for (name, value) in expected["headers"].as_object().unwrap() {
        let mut named = response.headers.iter().filter(|(known, _)| known == name);
        let seen = named.next();
        if named.next().is_some() {
            return Err(format!("{name} is sent twice"));
        }
        let seen = seen.map_or(Value::Null, |(_, value)| Value::from(value.as_ref()));
        alike(&seen, value, name, &mut known)?;
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
        check_token(&body, token, world.around.clock.now().secs(), &mut known)?;
        body["access_token"] = Value::from("<jwt>");
    }
    alike(&body, &expected["json"], "body", &mut known)
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
        correlation: headers["client-request-id"].as_str(),
        body: Body::Whole(body.as_bytes()),
        ..Request::default()
    };
    block_on(world.issuer.handle(&request, world.around.clock.now()))
}

fn check_token(
    body: &Value,
    expected: &Map<String, Value>,
    now: u64,
    known: &mut Known,
) -> Result<(), String> {
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
    let kid = kid.as_ref().and_then(Value::as_str).ok_or("no kid")?;
    known.insert("kid", kid.to_owned());
    alike(&header, &expected["header"], "token header", known)?;
    let claims = claims.as_object_mut().ok_or("no claims")?;
    let [iat, nbf, exp, jti] = CHANGING.map(|name| claims.remove(name).unwrap_or_default());
    known.insert("iat", iat.to_string());
    known.insert("exp", exp.to_string());
    if let Some(oid) = claims.get("oid").and_then(Value::as_str) {
        known.insert("oid", oid.to_owned());
    }
    let opaque = expected.get("opaque").and_then(Value::as_array);
    let mut texts = vec![jti];
    if let Some(names) = opaque {
        let mut take = |name: &Value| claims.remove(name.as_str().unwrap_or_default());
        texts = names
            .iter()
            .map(|name| take(name).unwrap_or_default())
            .collect();
    }
    alike(
        &Value::Object(claims.clone()),
        &expected["claims"],
        "claims",
        known,
    )?;
    same(&iat, &Value::from(now), "iat")?;
    same(&nbf, &iat, "nbf")?;
    let lifetime = exp.as_u64().unwrap_or_default().saturating_sub(now);
    same(&Value::from(lifetime), &body["expires_in"], "exp - iat")?;
    for text in texts {
        let length = Value::from(text.as_str().map(str::len));
        same(&length, &Value::from(22), "length of what is opaque")?;
    }
    Ok(())
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

/// What the placeholders of a vector stand for in one answer.
type Known = HashMap<&'static str, String>;

/// The placeholders, and how long what they stand for is if it is not known before.
const PLACEHOLDERS: [(&str, usize); 8] = [
    ("trace", 36),
    ("correlation", 36),
    ("timestamp", 20),
    ("guid", 36),
    ("oid", 0),
    ("kid", 0),
    ("iat", 0),
    ("exp", 0),
];

/// The same, with placeholders in what is expected.
fn alike(seen: &Value, expected: &Value, what: &str, known: &mut Known) -> Result<(), String> {
    if fits(seen, expected, known) {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected}, saw {seen}"))
    }
}

fn fits(seen: &Value, expected: &Value, known: &mut Known) -> bool {
    match (seen, expected) {
        (Value::Object(seen), Value::Object(expected)) => {
            seen.len() == expected.len()
                && expected.iter().all(|(name, value)| {
                    seen.get(name).is_some_and(|seen| fits(seen, value, known))
                })
        }
        (Value::Array(seen), Value::Array(expected)) => {
            seen.len() == expected.len()
                && seen
                    .iter()
                    .zip(expected)
                    .all(|(seen, value)| fits(seen, value, known))
        }
        (Value::String(seen), Value::String(expected)) => text_fits(seen, expected, known),
        (Value::Number(seen), Value::String(expected)) => {
            text_fits(&seen.to_string(), expected, known)
        }
        _ => seen == expected,
    }
}

fn text_fits(seen: &str, expected: &str, known: &mut Known) -> bool {
    let (mut seen, mut expected) = (seen, expected);
    while !expected.is_empty() {
        let placeholder = PLACEHOLDERS.into_iter().find_map(|(name, length)| {
            let rest = expected.strip_prefix('<')?.strip_prefix(name)?;
            Some((name, length, rest.strip_prefix('>')?))
        });
        let Some((name, length, rest)) = placeholder else {
            let next = expected.chars().next().map_or(0, char::len_utf8);
            let (piece, rest) = expected.split_at(next);
            let Some(left) = seen.strip_prefix(piece) else {
                return false;
            };
            (seen, expected) = (left, rest);
            continue;
        };
        let value = match known.get(name) {
            Some(value) if name != "guid" => value.clone(),
            _ => seen.get(..length).unwrap_or_default().to_owned(),
        };
        if value.is_empty() || length == 36 && !is_guid(&value) {
            return false;
        }
        let Some(left) = seen.strip_prefix(value.as_str()) else {
            return false;
        };
        known.insert(name, value);
        (seen, expected) = (left, rest);
    }
    seen.is_empty()
}

fn is_guid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12])
        && text
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn same(seen: &Value, expected: &Value, what: &str) -> Result<(), String> {
    if seen == expected {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected}, saw {seen}"))
    }
}
