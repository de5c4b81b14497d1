//! `pkg/openapi.json` says of the administration API what the code does, no more and no less. That the
//! answers are as it says is for `cargo xtask test openapi` to find out.

use std::collections::BTreeSet;

use edgemint::administration::AdministrationError;
use edgemint::endpoint::ROUTES;
use edgemint::error::Reason;
use serde_json::Value;

/// The routes of a login page, which the token service answers itself: `src/endpoint/login_page.rs`.
const LOGIN: [(&str, &str); 3] = [
    ("inspect", "inspectAuthorization"),
    ("complete", "completeAuthorization"),
    ("deny", "denyAuthorization"),
];

fn document() -> Value {
    serde_json::from_str(include_str!("../../pkg/openapi.json")).unwrap()
}

/// Every operation: method, path, act, app roles in ascending order, statuses of success.
type Operation = (String, String, String, Vec<String>, Vec<String>);

fn documented(document: &Value) -> BTreeSet<Operation> {
    let mut operations = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let roles = operation["x-app-roles"].as_array().unwrap();
            let mut roles: Vec<_> = roles.iter().map(text).collect();
            roles.sort();
            let statuses = operation["responses"].as_object().unwrap().keys();
            operations.insert((
                method.to_uppercase(),
                path.clone(),
                text(&operation["operationId"]),
                roles,
                statuses
                    .filter(|status| status.starts_with('2'))
                    .cloned()
                    .collect(),
            ));
        }
    }
    operations
}

#[test]
fn the_openapi_document_has_every_route_and_no_other() {
    let mut expected = BTreeSet::new();
    for route in ROUTES {
        let mut roles: Vec<_> = route.roles.iter().map(|role| (*role).to_owned()).collect();
        roles.sort();
        let path = format!("/{}", route.path);
        let status = vec![route.status.to_string()];
        expected.insert((
            route.method.to_owned(),
            path,
            route.act.to_owned(),
            roles,
            status,
        ));
    }
    for (name, act) in LOGIN {
        expected.insert((
            "POST".to_owned(),
            format!("/authorizations/{name}"),
            act.to_owned(),
            vec!["Authorization.ReadWrite.All".to_owned()],
            vec!["200".to_owned()],
        ));
    }
    assert_eq!(documented(&document()), expected);
}

#[test]
fn the_openapi_document_names_every_app_role_that_a_route_takes() {
    let document = document();
    let flow = &document["components"]["securitySchemes"]["administration"]["flows"];
    let scopes = flow["clientCredentials"]["scopes"].as_object().unwrap();
    let roles = scopes
        .keys()
        .map(|scope| scope.strip_prefix("urn:edgemint:admin/").unwrap());
    let taken = documented(&document);
    let taken = taken.iter().flat_map(|(_, _, _, roles, _)| roles);
    assert_eq!(
        roles.collect::<BTreeSet<_>>(),
        taken.map(String::as_str).collect()
    );
}

/// A parameter of a path is declared where the path has it.
#[test]
fn the_openapi_document_declares_the_parameters_of_each_path() {
    let document = document();
    let parameters = &document["components"]["parameters"];
    for (path, methods) in document["paths"].as_object().unwrap() {
        let mut expected: Vec<_> = path
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
            .collect();
        expected.sort_unstable();
        for operation in methods.as_object().unwrap().values() {
            let declared = operation["parameters"].as_array().into_iter().flatten();
            let mut declared: Vec<_> = declared
                .map(|parameter| {
                    let name = parameter["$ref"].as_str().unwrap().rsplit('/').next();
                    &parameters[name.unwrap()]
                })
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            declared.sort_unstable();
            assert_eq!(declared, expected, "{path}");
        }
    }
}

/// Every reason that a request to the administration may fail for, beside those of its acts.
fn reasons() -> Vec<Reason> {
    let why = String::new;
    vec![
        Reason::UnknownPath,
        Reason::UnknownTenant,
        Reason::Method("GET".into()),
        Reason::BodyTooLarge,
        Reason::BodyUnreadable,
        Reason::FormSyntax,
        Reason::RepeatedParameter(why()),
        Reason::NotJson,
        Reason::NoToken,
        Reason::InvalidToken("expired"),
        Reason::RoleMissing,
        Reason::NoGrants,
        Reason::Storage(why()),
        Reason::CorruptRecord {
            key: why(),
            why: why(),
        },
        Reason::UnknownMasterKey,
        Reason::BrokenSeal,
        Reason::Signing(why()),
        Reason::Entropy,
        Reason::StoreNotAtomic,
        Reason::Internal(why()),
    ]
}

#[test]
fn the_openapi_document_names_every_code_of_a_problem_and_no_other() {
    let document = document();
    let named = &document["components"]["schemas"]["ErrorCode"]["enum"];
    let named = named.as_array().unwrap().iter();
    let named: BTreeSet<_> = named.map(|code| code.as_str().unwrap()).collect();
    let why = String::new;
    let mut codes: BTreeSet<_> = reasons().iter().map(|reason| reason.wire().error).collect();
    for error in [
        AdministrationError::Invalid(why()),
        AdministrationError::NotFound(why()),
        AdministrationError::Exists(why()),
        AdministrationError::Conflict(why()),
        AdministrationError::Precondition,
        AdministrationError::Forbidden(why()),
        AdministrationError::Repetition,
        AdministrationError::Handle,
    ] {
        codes.insert(error.code());
    }
    assert_eq!(named, codes);
}

#[test]
fn every_reference_of_the_openapi_document_leads_somewhere() {
    let document = document();
    let mut open = vec![&document];
    let mut seen = 0;
    while let Some(value) = open.pop() {
        match value {
            Value::Array(values) => open.extend(values),
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    let found = document.pointer(reference.trim_start_matches('#'));
                    assert!(found.is_some(), "{reference}");
                    seen += 1;
                }
                open.extend(members.values());
            }
            _ => {}
        }
    }
    assert!(seen > 300, "{seen}");
}
