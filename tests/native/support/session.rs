//! Users' sessions: a directory with an application that signs users in, and the way to a code.

use base64ct::{Base64UrlUnpadded, Encoding};
use edgemint::store::{Expected, Key, MemoryStore, Partition, Put, Store};
use edgemint::{Act, Host, Issuer, UnixTime};
use futures_executor::block_on;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Answer, Call, Client, World, percent_encode_all};

pub(crate) const REDIRECT: &str = "https://app.example/back";
/// RFC 7636 appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// The two scopes that a user consents to.
pub(crate) const READ: &str = "api://notes/Notes.Read";
pub(crate) const WRITE: &str = "api://notes/Notes.Write";
/// A scope of the same API that nobody consents to.
pub(crate) const ADMIN: &str = "api://notes/Notes.Admin";

/// A directory made once and copied into many stores: making it costs more than most runs.
pub(crate) struct Template {
    records: Vec<(Key, String)>,
    pub(crate) clients: Vec<Client>,
}

impl Template {
    /// A tenant with a login page, an API, and an application for each of these refresh policies. Its
    /// signatures are stand-ins: what they cost is not what is tested.
    pub(crate) fn new(policies: &[Value]) -> Self {
        let world = World::empty();
        world.around.signer.learn_rsa();
        world.administer(json!({"createTenant": {
            "tenant": "demo", "algorithm": "RS256", "loginUrl": "https://login.example/",
        }}));
        let scopes =
            ["Notes.Read", "Notes.Write", "Notes.Admin"].map(|value| json!({"value": value}));
        world.administer(json!({"createApi": {
            "tenant": "demo", "identifier": "api://notes", "scopes": scopes,
        }}));
        let client = |policy: &Value| {
            let outcome = world.administer(json!({"createApplication": {
                "tenant": "demo", "redirectUris": [REDIRECT], "refresh": policy,
            }}));
            let id = outcome.client_id.unwrap();
            world.add_secret(&id, json!({}))
        };
        let clients = policies.iter().map(client).collect();
        let records = world.around.store.memory.dump();
        Self { records, clients }
    }

    /// Copies the directory into an empty store.
    pub(crate) fn fill(&self, store: &MemoryStore) {
        for (key, text) in &self.records {
            let put = block_on(store.put(key, text, Expected::Absent, None)).unwrap();
            assert!(matches!(put, Put::Done(_)), "{key}");
        }
    }
}

/// Signs a user in and consents to [`READ`] and [`WRITE`]: the code.
pub(crate) async fn sign_in<H: Host>(
    issuer: &Issuer<H>,
    client: &Client,
    subject: &str,
    now: UnixTime,
) -> String {
    let challenge = Base64UrlUnpadded::encode_string(&Sha256::digest(VERIFIER));
    let parameters = [
        ("client_id", client.id.as_str()),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("scope", &format!("{READ} {WRITE}")),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let pairs = parameters.map(|(name, value)| format!("{name}={}", percent_encode_all(value)));
    let call = Call::get(&format!("/demo/oauth2/authorize?{}", pairs.join("&")));
    let answer = Answer(issuer.handle(&call.request(), now).await);
    let login = answer.header("location").expect("a way to the login page");
    let (_, handle) = login.split_once("handle=").expect("a handle");
    let act = json!({"completeAuthorization": {"handle": handle, "subject": subject}});
    let act = Act::parse(&act.to_string()).unwrap();
    let done: Value = serde_json::from_str(&issuer.act(act, now).await.unwrap()).unwrap();
    let back = done["redirectTo"].as_str().unwrap();
    let (_, code) = back.split_once("code=").expect("a code");
    code.split('&').next().unwrap().to_owned()
}

/// The request that exchanges a code.
pub(crate) fn redeem(client: &Client, code: &str) -> Call {
    exchange(client, "authorization_code")
        .with("code", code)
        .with("redirect_uri", REDIRECT)
        .with("code_verifier", VERIFIER)
}

/// The request that uses a refresh token.
pub(crate) fn refresh(client: &Client, token: &str) -> Call {
    exchange(client, "refresh_token").with("refresh_token", token)
}

/// A request about a token, to the endpoint that revokes or introspects.
pub(crate) fn about(endpoint: &str, client: &Client, token: &str) -> Call {
    let call = Call::token().without("grant_type");
    call.target(&format!("/demo/oauth2/{endpoint}"))
        .basic(&client.id, &client.secret)
        .with("token", token)
}

fn exchange(client: &Client, grant_type: &str) -> Call {
    Call::token()
        .without("grant_type")
        .with("grant_type", grant_type)
        .basic(&client.id, &client.secret)
}

/// What a code or a refresh token says openly: where its grant is, and of which generation it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handle {
    pub(crate) grant: Key,
    pub(crate) user: Key,
    pub(crate) id: String,
    pub(crate) generation: u32,
}

impl Handle {
    pub(crate) fn read(token: &str) -> Self {
        let (_, encoded) = token.split_once('_').expect("a prefix");
        let bytes = Base64UrlUnpadded::decode_vec(encoded).expect("base64url");
        let text = |range| Base64UrlUnpadded::encode_string(&bytes[range]);
        let (route, id) = (text(1..17), text(17..33));
        let partition = Partition::new(format!("grants/demo/{route}")).unwrap();
        Self {
            grant: Key::new(partition.clone(), format!("grant/{id}")).unwrap(),
            user: Key::new(partition, "user").unwrap(),
            id,
            generation: u32::from_be_bytes(bytes[33..37].try_into().unwrap()),
        }
    }
}
