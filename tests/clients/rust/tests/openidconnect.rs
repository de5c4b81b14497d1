//! The crate `openidconnect` against `edgemint serve`, which is no OpenID provider: what there is for an
//! application that wants no ID token. `rust.js` starts it.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use edgemint_clients::{browse, endpoint, http, known_to_the_api, of_environment};
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreErrorResponseType, CoreJsonWebKey, CoreJsonWebKeySet,
    CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreTokenResponse,
};
use openidconnect::{
    AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, DiscoveryError, EndpointNotSet,
    EndpointSet, IssuerUrl, JsonWebKey, JsonWebKeySetUrl, Nonce, OAuth2TokenResponse,
    PkceCodeChallenge, RedirectUrl, RequestTokenError, Scope, TokenResponse, TokenUrl,
};

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
    EndpointNotSet,
>;

fn issuer() -> IssuerUrl {
    IssuerUrl::new(of_environment("ISSUER")).unwrap()
}

fn keys() -> CoreJsonWebKeySet {
    let url = format!("{}/.well-known/jwks.json", of_environment("ISSUER"));
    CoreJsonWebKeySet::fetch(&JsonWebKeySetUrl::new(url).unwrap(), &http()).unwrap()
}

fn client(name: &str) -> Client {
    let secret = of_environment(&format!("SECRET_{}", name.to_uppercase()));
    CoreClient::new(ClientId::new(name.to_owned()), issuer(), keys())
        .set_client_secret(ClientSecret::new(secret))
        .set_auth_uri(AuthUrl::new(endpoint("authorize")).unwrap())
        .set_token_uri(TokenUrl::new(endpoint("token")).unwrap())
        .set_redirect_uri(RedirectUrl::new(of_environment("REDIRECT_URI")).unwrap())
        .disable_openid_scope()
}

/// Tokens of a user who has just signed in.
fn sign_in(client: &Client) -> CoreTokenResponse {
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let flow = CoreAuthenticationFlow::AuthorizationCode;
    let (start, state, _) = client
        .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
        .add_scope(Scope::new("api://orders/Orders.Read".to_owned()))
        .set_pkce_challenge(challenge)
        .url();
    let arrived = browse(start.as_str());
    assert_eq!(&arrived.state, state.secret());
    let code = AuthorizationCode::new(arrived.code);
    let asked = client.exchange_code(code).set_pkce_verifier(verifier);
    asked.request(&http()).unwrap()
}

/// OpenID Connect Discovery section 3 requires members about ID tokens and subjects, which a server without
/// ID tokens has no true values for. RFC 8414 is what the document follows.
#[test]
fn discovery_as_an_openid_provider_fails_for_want_of_what_id_tokens_need() {
    match CoreProviderMetadata::discover(&issuer(), &http()) {
        Err(DiscoveryError::Parse(error)) => {
            let missing = error.inner().to_string();
            assert!(
                missing.contains("missing field `subject_types_supported`"),
                "{missing}"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn client_credentials_come_without_an_id_token_and_verify_by_the_published_keys() {
    let client = client("job");
    let scope = Scope::new("api://orders/.default".to_owned());
    let asked = client.exchange_client_credentials().add_scope(scope);
    let tokens: CoreTokenResponse = asked.request(&http()).unwrap();
    assert!(tokens.id_token().is_none());
    let token = tokens.access_token().secret();
    assert_eq!(known_to_the_api(token), "job");

    // One of the published keys has signed it.
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let algorithm = CoreJwsSigningAlgorithm::EcdsaP256Sha256;
    let signed_by = |key: &CoreJsonWebKey, text: &str| {
        let verified = key.verify_signature(&algorithm, text.as_bytes(), &signature);
        verified.is_ok()
    };
    let keys = keys();
    assert!(keys.keys().iter().any(|key| signed_by(key, signed)));
    assert!(!keys.keys().iter().any(|key| signed_by(key, "another")));
}

#[test]
fn a_wrong_secret_is_invalid_client() {
    let client = client("job").set_client_secret(ClientSecret::new("wrong".repeat(10)));
    match client.exchange_client_credentials().request(&http()) {
        Err(RequestTokenError::ServerResponse(response)) => {
            assert_eq!(response.error(), &CoreErrorResponseType::InvalidClient);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_user_signs_in_and_each_refresh_replaces_the_token() {
    let client = client("web");
    let tokens = sign_in(&client);
    assert!(tokens.id_token().is_none());
    let user = of_environment("USER_ID");
    assert_eq!(known_to_the_api(tokens.access_token().secret()), user);
    let first = tokens.refresh_token().unwrap();
    let next = client
        .exchange_refresh_token(first)
        .request(&http())
        .unwrap();
    assert_ne!(next.refresh_token().unwrap().secret(), first.secret());
    match client.exchange_refresh_token(first).request(&http()) {
        Err(RequestTokenError::ServerResponse(response)) => {
            assert_eq!(response.error(), &CoreErrorResponseType::InvalidGrant);
        }
        other => panic!("{other:?}"),
    }
}
