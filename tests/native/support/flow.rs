//! The way of a user through an application: the request, the sign-in, the code, the tokens.

use base64ct::{Base64UrlUnpadded, Encoding};
use edgemint::Act;
use edgemint::administration::AdministrationError;
use edgemint::endpoint::form::Form;
use edgemint::key::{Algorithm, Signer};
use edgemint::store::Key;
use serde_json::{Value, json};

use super::{Answer, Call, Token, World, block_on};

/// Where answers to authorization requests go.
pub(crate) const CALLBACK: &str = "https://app.example.com/callback";
/// The login page of the tenant `demo`.
pub(crate) const LOGIN: &str = "https://login.example.com/sign-in";
/// The verifier and its challenge of RFC 7636 appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// What users are asked for unless a test says otherwise: everything on `api://orders`.
pub(crate) const READ: &str = "api://orders/Orders.Read";
pub(crate) const BOTH: &str = "api://orders/Orders.Read api://orders/Orders.Write";
/// The state of every authorization request: its characters need encoding.
pub(crate) const STATE: &str = "a state&with=specials";

/// An application that acts for users.
pub(crate) struct App {
    pub(crate) id: String,
    /// A public one has none.
    pub(crate) secret: Option<String>,
}

impl App {
    /// A request of this application to an endpoint of `demo`.
    pub(crate) fn call(&self, endpoint: &str) -> Call {
        let call = Call::form(&format!("/demo/oauth2/{endpoint}"));
        match &self.secret {
            Some(secret) => call.basic(&self.id, secret),
            None => call.with("client_id", &self.id),
        }
    }

    /// RFC 6749 section 4.1.3.
    pub(crate) fn redeems(&self, code: &str) -> Call {
        self.call("token")
            .with("grant_type", "authorization_code")
            .with("code", code)
            .with("redirect_uri", CALLBACK)
            .with("code_verifier", VERIFIER)
    }

    /// RFC 6749 section 6.
    pub(crate) fn refreshes(&self, token: &str) -> Call {
        self.call("token")
            .with("grant_type", "refresh_token")
            .with("refresh_token", token)
    }

    /// RFC 7009 section 2.1.
    pub(crate) fn revokes(&self, token: &str) -> Call {
        self.call("revoke").with("token", token)
    }

    /// RFC 7662 section 2.1.
    pub(crate) fn introspects(&self, token: &str) -> Call {
        self.call("introspect").with("token", token)
    }

    /// RFC 6749 section 4.1.1.
    pub(crate) fn asks(&self, scope: &str) -> Ask {
        let call = Call::get("/demo/oauth2/authorize")
            .with("response_type", "code")
            .with("client_id", &self.id)
            .with("redirect_uri", CALLBACK)
            .with("scope", scope)
            .with("state", STATE)
            .with("code_challenge", CHALLENGE)
            .with("code_challenge_method", "S256");
        Ask(call)
    }
}

/// An authorization request under construction.
#[derive(Clone)]
pub(crate) struct Ask(Call);

impl Ask {
    /// Adds a parameter, also one that is there already.
    pub(crate) fn with(self, name: &str, value: &str) -> Self {
        Self(self.0.with(name, value))
    }

    /// Removes a parameter.
    pub(crate) fn without(self, name: &str) -> Self {
        Self(self.0.without(name))
    }

    /// Gives a parameter another value.
    pub(crate) fn but(self, name: &str, value: &str) -> Self {
        self.without(name).with(name, value)
    }

    /// The request, with its parameters in the query.
    pub(crate) fn call(&self) -> Call {
        let query = std::str::from_utf8(self.0.encoded()).unwrap();
        Call::get(&format!("/demo/oauth2/authorize?{query}"))
    }
}

/// Where a browser was sent.
#[derive(Debug)]
pub(crate) struct Destination {
    pub(crate) uri: String,
    pub(crate) query: Form<'static>,
}

impl Destination {
    pub(crate) fn of(url: &str) -> Self {
        let (uri, query) = url.split_once('?').unwrap_or((url, ""));
        // A form borrows from its text; a test is over soon.
        let query: &str = query.to_owned().leak();
        Self {
            uri: uri.to_owned(),
            query: Form::parse(query.as_bytes()).expect("a well-formed query"),
        }
    }

    /// A parameter that must be there.
    #[track_caller]
    pub(crate) fn get(&self, name: &str) -> &str {
        let value = self.query.get(name);
        value.unwrap_or_else(|| panic!("{name} in {self:?}"))
    }
}

/// What a token request was answered with.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
    /// Seconds.
    pub(crate) refresh_expires_in: u64,
    pub(crate) body: Value,
}

impl Answer {
    /// Where a browser is sent by an answer that must send it somewhere.
    #[track_caller]
    pub(crate) fn destination(&self) -> Destination {
        assert_eq!(self.status(), 302, "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert_eq!(self.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(self.0.body, "");
        Destination::of(self.header("location").expect("a location"))
    }

    /// Checks that this is the one answer to codes and refresh tokens that are not honoured.
    #[track_caller]
    pub(crate) fn is_invalid_grant(&self) {
        self.refused(400, "invalid_grant");
        let body = concat!(
            r#"{"error":"invalid_grant","#,
            r#""error_description":"the code or the refresh token is not valid"}"#
        );
        assert_eq!(self.0.body, body);
    }

    /// Checks that the service is unavailable for a moment, and tells nothing of why.
    #[track_caller]
    pub(crate) fn is_unavailable(&self) {
        self.refused(503, "temporarily_unavailable");
        assert_eq!(self.header("retry-after"), Some("1"));
        assert!(!self.mentions(super::STORE_DETAIL));
    }
}

impl World {
    /// Registers an application; one that is not public gets a secret.
    pub(crate) fn app(&self, mut members: Value) -> App {
        members["tenant"] = json!("demo");
        let is_public = members["kind"] == "public";
        let outcome = self.administer(json!({ "createApplication": members }));
        let id = outcome.client_id.unwrap();
        let secret = (!is_public).then(|| self.add_secret(&id, json!({})).secret);
        App { id, secret }
    }

    /// A confidential application.
    pub(crate) fn web(&self) -> App {
        self.app(json!({"redirectUris": [CALLBACK], "displayName": "Shop"}))
    }

    /// A confidential application whose refresh tokens have this policy.
    pub(crate) fn web_with(&self, refresh: Value) -> App {
        self.app(json!({"redirectUris": [CALLBACK], "refresh": refresh}))
    }

    /// A public application.
    pub(crate) fn spa(&self) -> App {
        self.app(json!({"redirectUris": [CALLBACK], "kind": "public"}))
    }

    /// Sends a browser that must be sent elsewhere.
    #[track_caller]
    pub(crate) fn follow(&self, ask: &Ask) -> Destination {
        self.send(&ask.call()).destination()
    }

    /// The handle that the login page is called with.
    #[track_caller]
    pub(crate) fn handle(&self, ask: &Ask) -> String {
        let login = self.follow(ask);
        assert_eq!(login.uri, LOGIN, "{login:?}");
        login.get("handle").to_owned()
    }

    /// Carries out an act.
    #[track_caller]
    pub(crate) fn try_act(&self, act: &Value) -> Result<Value, AdministrationError> {
        let text = act.to_string();
        // An act of the login page, or one of administration.
        let Ok(act) = Act::parse(&text) else {
            return self.try_document(act);
        };
        let text = block_on(self.issuer.act(act, self.around.clock.now()))?;
        Ok(serde_json::from_str(&text).expect("JSON"))
    }

    /// Carries out an act that must succeed.
    #[track_caller]
    pub(crate) fn act(&self, act: Value) -> Value {
        let done = self.try_act(&act);
        done.unwrap_or_else(|error| panic!("{act}: {error}"))
    }

    /// Completes an authorization; `members` are those beside the handle.
    #[track_caller]
    pub(crate) fn complete(&self, handle: &str, mut members: Value) -> Destination {
        members["handle"] = json!(handle);
        let done = self.act(json!({ "completeAuthorization": members }));
        Destination::of(done["redirectTo"].as_str().unwrap())
    }

    /// The code for a user who agrees to everything that is asked for.
    #[track_caller]
    pub(crate) fn code_for(&self, ask: &Ask, subject: &str) -> String {
        let back = self.complete(&self.handle(ask), json!({"subject": subject}));
        back.get("code").to_owned()
    }

    /// A code for `ada`, and everything on `api://orders`.
    #[track_caller]
    pub(crate) fn code(&self, app: &App) -> String {
        self.code_for(&app.asks(BOTH), "ada")
    }

    /// The tokens that a request must be answered with.
    #[track_caller]
    pub(crate) fn tokens(&self, call: &Call) -> Tokens {
        let body = self.send(call).accepted();
        let text = |name: &str| body[name].as_str().expect(name).to_owned();
        Tokens {
            access: text("access_token"),
            refresh: text("refresh_token"),
            refresh_expires_in: body["refresh_token_expires_in"].as_u64().unwrap(),
            body,
        }
    }

    /// A session of `ada`, from the authorization request to the first tokens.
    #[track_caller]
    pub(crate) fn session(&self, app: &App) -> Tokens {
        self.session_for(app, BOTH, "ada")
    }

    #[track_caller]
    pub(crate) fn session_for(&self, app: &App, scope: &str, subject: &str) -> Tokens {
        let code = self.code_for(&app.asks(scope), subject);
        self.tokens(&app.redeems(&code))
    }

    /// The tokens after one more refresh.
    #[track_caller]
    pub(crate) fn refreshed(&self, app: &App, tokens: &Tokens) -> Tokens {
        self.tokens(&app.refreshes(&tokens.refresh))
    }

    /// Whether introspection calls a token of this application active. What is not says nothing else.
    #[track_caller]
    pub(crate) fn is_active(&self, app: &App, token: &str) -> bool {
        let call = match app.secret {
            Some(_) => app.introspects(token),
            // A public application may not ask, but the APIs may.
            None => {
                let apis = json!(["api://orders", "api://billing"]);
                self.app(json!({"introspects": apis})).introspects(token)
            }
        };
        let seen = self.send(&call).accepted();
        if seen["active"] == true {
            return true;
        }
        assert_eq!(seen, json!({"active": false}));
        false
    }

    /// Checks that nothing of a session serves any more.
    #[track_caller]
    pub(crate) fn is_dead(&self, app: &App, tokens: &Tokens) {
        assert!(!self.is_active(app, &tokens.access), "the access token");
        if app.secret.is_some() {
            assert!(!self.is_active(app, &tokens.refresh), "the refresh token");
        }
        self.send(&app.refreshes(&tokens.refresh))
            .is_invalid_grant();
    }

    /// The scope of the access token that a request must be answered with.
    #[track_caller]
    pub(crate) fn scope_of(&self, call: &Call) -> String {
        let answer = self.send(call);
        let token: Token = self.token(&answer);
        let scope = token.claims["scope"].as_str().unwrap().to_owned();
        assert_eq!(answer.json()["scope"], scope.as_str());
        scope
    }

    /// Every grant as it is stored.
    pub(crate) fn grants(&self) -> Vec<(Key, Value)> {
        let dump = self.around.store.memory.dump();
        let grants = dump.into_iter();
        grants
            .filter(|(key, _)| key.name().starts_with("grant/"))
            .map(|(key, text)| (key, serde_json::from_str(&text).unwrap()))
            .collect()
    }

    /// A token with other claims, signed by the tenant's first key once more.
    pub(crate) fn sign_again(&self, compact: &str, change: impl FnOnce(&mut Value)) -> String {
        let mut token = Token::read(compact);
        change(&mut token.claims);
        let encode = |json: &Value| Base64UrlUnpadded::encode_string(json.to_string().as_bytes());
        let message = format!("{}.{}", encode(&token.header), encode(&token.claims));
        let signer = &self.around.signer;
        let private = signer.private_keys().remove(0);
        let signature = block_on(async {
            let key = signer.import(Algorithm::Es256, &private).await.unwrap();
            signer.sign(&key, message.as_bytes()).await.unwrap()
        });
        format!("{message}.{}", Base64UrlUnpadded::encode_string(&signature))
    }

    /// The number of writes to the store that `act` causes.
    pub(crate) fn writes_during(&self, act: impl FnOnce()) -> usize {
        let before = self.around.store.writes();
        act();
        self.around.store.writes() - before
    }

    /// The codes of the events since the last call.
    pub(crate) fn reasons(&self) -> Vec<&'static str> {
        self.events().iter().map(|event| event.reason).collect()
    }
}
