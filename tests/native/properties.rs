//! Properties of any input at all: an answer, never a panic, and no token without the secret.

use base64ct::{Base64, Encoding};
use edgemint::endpoint::form::Form;
use edgemint::endpoint::{Body, Request};
use futures_executor::block_on;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use crate::support::{Answer, Client, World, is_description, percent_encode_all};

/// Prints the seed of a failure, and keeps it in the target directory to be tried first next time.
pub(crate) fn configuration() -> ProptestConfig {
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/proptest-regressions.txt");
    ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(file))),
        ..ProptestConfig::default()
    }
}

/// Bytes that look like a form more often than chance would have it.
fn form_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"&".to_vec()),
        Just(b"=".to_vec()),
        Just(b"+".to_vec()),
        Just(b"%".to_vec()),
        Just(b"%00".to_vec()),
        Just(b"%C3%A9".to_vec()),
        Just(b"resource=".to_vec()),
        Just(b"scope=api%3A%2F%2Forders%2F.default".to_vec()),
        "[a-c]{1,2}".prop_map(String::into_bytes),
        any::<u8>().prop_map(|byte| vec![byte]),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![form_like(), prop::collection::vec(any::<u8>(), 0..64)]
}

/// What a caller presents to prove who it is.
#[derive(Debug, Clone)]
enum Proof {
    RightInHeader,
    RightInBody,
    WrongInHeader(String, String),
    WrongInBody(String, String),
    RightIdWrongSecret(String),
    Header(String),
    Nothing,
}

fn proof() -> impl Strategy<Value = Proof> {
    prop_oneof![
        Just(Proof::RightInHeader),
        Just(Proof::RightInBody),
        any::<(String, String)>().prop_map(|(id, secret)| Proof::WrongInHeader(id, secret)),
        any::<(String, String)>().prop_map(|(id, secret)| Proof::WrongInBody(id, secret)),
        any::<String>().prop_map(Proof::RightIdWrongSecret),
        any::<String>().prop_map(Proof::Header),
        "(Basic|Bearer|basic) [a-zA-Z0-9+/=]{0,24}".prop_map(Proof::Header),
        Just(Proof::Nothing),
    ]
}

impl Proof {
    fn is_right(&self) -> bool {
        matches!(self, Self::RightInHeader | Self::RightInBody)
    }

    /// The header, and what goes in front of the body.
    fn present(&self, client: &Client) -> (Option<String>, String) {
        let header = |id: &str, secret: &str| {
            let pair = format!("{}:{}", percent_encode_all(id), percent_encode_all(secret));
            let header = format!("Basic {}", Base64::encode_string(pair.as_bytes()));
            (Some(header), String::new())
        };
        let body = |id: &str, secret: &str| {
            let (id, secret) = (percent_encode_all(id), percent_encode_all(secret));
            (None, format!("client_id={id}&client_secret={secret}&"))
        };
        match self {
            Self::RightInHeader => header(&client.id, &client.secret),
            Self::RightInBody => body(&client.id, &client.secret),
            Self::WrongInHeader(id, secret) => header(id, secret),
            Self::WrongInBody(id, secret) => body(id, secret),
            Self::RightIdWrongSecret(secret) => header(&client.id, secret),
            Self::Header(header) => (Some(header.clone()), String::new()),
            Self::Nothing => (None, String::new()),
        }
    }
}

/// A request, mostly near to one that works.
#[derive(Debug, Clone)]
struct Shot {
    method: String,
    target: String,
    content_type: Option<String>,
    proof: Proof,
    body: Vec<u8>,
    failing_read: Option<usize>,
}

fn shot() -> impl Strategy<Value = Shot> {
    let method = prop_oneof![
        8 => Just("POST".to_owned()),
        2 => Just("GET".to_owned()),
        1 => Just("HEAD".to_owned()),
        1 => any::<String>(),
    ];
    let target = prop_oneof![
        8 => Just("/demo/oauth2/token".to_owned()),
        1 => Just("/nobody/oauth2/token".to_owned()),
        1 => Just("/demo/.well-known/jwks.json".to_owned()),
        1 => Just("/.well-known/oauth-authorization-server/demo".to_owned()),
        1 => any::<String>().prop_map(|query| format!("/demo/oauth2/token?{query}")),
        1 => any::<String>().prop_map(|tenant| format!("/{tenant}/oauth2/token")),
        1 => any::<String>(),
    ];
    let content_type = prop_oneof![
        8 => Just(Some("application/x-www-form-urlencoded".to_owned())),
        1 => Just(None),
        1 => any::<String>().prop_map(Some),
        1 => any::<String>()
            .prop_map(|rest| Some(format!("application/x-www-form-urlencoded;{rest}"))),
    ];
    let body = prop_oneof![
        4 => Just(b"grant_type=client_credentials".to_vec()),
        4 => bytes().prop_map(|rest| [b"grant_type=client_credentials&", rest.as_slice()].concat()),
        2 => bytes(),
    ];
    let failing_read = prop_oneof![4 => Just(None), 1 => (0_usize..4).prop_map(Some)];
    (method, target, content_type, proof(), body, failing_read).prop_map(
        |(method, target, content_type, proof, body, failing_read)| Shot {
            method,
            target,
            content_type,
            proof,
            body,
            failing_read,
        },
    )
}

proptest! {
    #![proptest_config(configuration())]

    #[test]
    fn r02_any_bytes_are_a_form_or_are_not(bytes in bytes()) {
        let Ok(form) = Form::parse(&bytes) else {
            return Ok(());
        };
        // What was accepted says the same in the most cautious spelling.
        let pairs = form.iter();
        let pairs = pairs.map(|(name, value)| {
            format!("{}={}", percent_encode_all(name), percent_encode_all(value))
        });
        let spelled = pairs.collect::<Vec<_>>().join("&");
        prop_assert_eq!(Form::parse(spelled.as_bytes()), Ok(form));
    }

    #[test]
    fn r02_every_text_comes_through_a_form_unchanged(
        name in "[^\0]{1,8}",
        value in "[^\0]{0,32}",
    ) {
        let encoded = format!("{}={}", percent_encode_all(&name), percent_encode_all(&value));
        let form = Form::parse(encoded.as_bytes()).unwrap();
        prop_assert_eq!(form.get(&name).unwrap_or_default(), value);
    }

    #[test]
    fn any_request_has_an_answer_and_none_without_the_secret_a_token(shot in shot()) {
        let world = World::demo();
        let client = world.client(&["Orders.Read.All"]);
        let (authorization, credentials) = shot.proof.present(&client);
        let body = [credentials.as_bytes(), &shot.body].concat();
        let request = Request {
            method: &shot.method,
            target: &shot.target,
            content_type: shot.content_type.as_deref(),
            authorization: authorization.as_deref(),
            body: Body::Whole(&body),
            ..Request::default()
        };
        let elsewhere = world.elsewhere();
        if let Some(number) = shot.failing_read {
            world.around.store.fail_read(number);
        }
        let now = world.around.clock.now();
        let answer = Answer(block_on(elsewhere.issuer.handle(&request, now)));
        let store_failed = shot.failing_read.is_some() && !world.around.store.cancel_failing_read();

        let status = answer.status();
        prop_assert!([200, 400, 401, 404, 405, 413, 503].contains(&status), "{:?}", answer);
        prop_assert!(status != 503 || store_failed, "{:?}", answer);
        // What could be read may be enough for a refusal, but never against the right secret.
        prop_assert!(!store_failed || status != 200, "{:?}", answer);
        prop_assert!(status != 401 || !shot.proof.is_right(), "{:?}", answer);
        prop_assert!(!answer.mentions(&client.secret));
        if shot.method == "HEAD" {
            prop_assert!(answer.0.body.is_empty());
            return Ok(());
        }
        let document = answer.json();
        if status == 200 {
            let is_token = document.get("access_token").is_some();
            prop_assert_eq!(is_token, shot.method == "POST");
            prop_assert!(!is_token || shot.proof.is_right(), "{:?}", answer);
        } else {
            prop_assert!(document["error"].is_string());
            prop_assert!(is_description(document["error_description"].as_str().unwrap()));
            prop_assert_eq!(world.events().len(), 1, "the operator hears of every refusal");
        }
    }

    #[test]
    fn the_right_secret_and_a_plain_request_always_get_a_token(
        proof in prop_oneof![Just(Proof::RightInHeader), Just(Proof::RightInBody)],
        state in "[^\0]{0,32}",
    ) {
        let world = World::demo();
        let client = world.client(&["Orders.Read.All"]);
        let (authorization, credentials) = proof.present(&client);
        let state = percent_encode_all(&state);
        let body = format!("{credentials}grant_type=client_credentials&state={state}");
        let request = Request {
            method: "POST",
            target: "/demo/oauth2/token",
            content_type: Some("application/x-www-form-urlencoded"),
            authorization: authorization.as_deref(),
            body: Body::Whole(body.as_bytes()),
            ..Request::default()
        };
        let answer = Answer(block_on(world.issuer.handle(&request, world.around.clock.now())));
        world.token(&answer);
    }
}
