//! The crate `oauth2` against `edgemint serve`: `rust.js` starts it.

use edgemint_clients::{browse, endpoint, http, known_to_the_api, of_environment};
use oauth2::basic::{
    BasicClient, BasicErrorResponse, BasicErrorResponseType, BasicTokenIntrospectionResponse,
    BasicTokenResponse,
};
use oauth2::{
    AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, HttpClientError, IntrospectionUrl, PkceCodeChallenge, RedirectUrl, RefreshToken,
    RequestTokenError, RevocationUrl, Scope, StandardRevocableToken, TokenIntrospectionResponse,
    TokenResponse, TokenUrl, reqwest,
};

type Client = BasicClient<EndpointSet, EndpointNotSet, EndpointSet, EndpointSet, EndpointSet>;
type Failure<E> = RequestTokenError<HttpClientError<reqwest::Error>, E>;

fn client(name: &str) -> Client {
    let secret = of_environment(&format!("SECRET_{}", name.to_uppercase()));
    BasicClient::new(ClientId::new(name.to_owned()))
        .set_client_secret(ClientSecret::new(secret))
        .set_auth_uri(AuthUrl::new(endpoint("authorize")).unwrap())
        .set_token_uri(TokenUrl::new(endpoint("token")).unwrap())
        .set_revocation_url(RevocationUrl::new(endpoint("revoke")).unwrap())
        .set_introspection_url(IntrospectionUrl::new(endpoint("introspect")).unwrap())
        .set_redirect_uri(RedirectUrl::new(of_environment("REDIRECT_URI")).unwrap())
}

fn default_scope() -> Scope {
    Scope::new("api://orders/.default".to_owned())
}

/// Tokens of a user who has just signed in.
fn sign_in(client: &Client) -> BasicTokenResponse {
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (start, state) = client
        .authorize_url(CsrfToken::new_random)
        .add_scope(Scope::new("api://orders/Orders.Read".to_owned()))
        .add_scope(Scope::new("api://orders/Orders.Write".to_owned()))
        .set_pkce_challenge(challenge)
        .url();
    let arrived = browse(start.as_str());
    assert_eq!(&arrived.state, state.secret());
    assert_eq!(arrived.iss, of_environment("ISSUER"));
    let code = AuthorizationCode::new(arrived.code);
    let asked = client.exchange_code(code).set_pkce_verifier(verifier);
    asked.request(&http()).unwrap()
}

fn refreshed(
    client: &Client,
    token: &RefreshToken,
) -> Result<BasicTokenResponse, Failure<BasicErrorResponse>> {
    client.exchange_refresh_token(token).request(&http())
}

fn refused_with(failure: Failure<BasicErrorResponse>) -> BasicErrorResponseType {
    match failure {
        RequestTokenError::ServerResponse(response) => response.error().clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn client_credentials_are_good_in_the_header_and_in_the_body() {
    for place in [AuthType::BasicAuth, AuthType::RequestBody] {
        let client = client("job").set_auth_type(place);
        let asked = client
            .exchange_client_credentials()
            .add_scope(default_scope());
        let tokens = asked.request(&http()).unwrap();
        let granted: Vec<&str> = tokens
            .scopes()
            .unwrap()
            .iter()
            .map(|scope| scope.as_str())
            .collect();
        assert_eq!(granted, ["api://orders/Orders.Read.All"]);
        assert!(tokens.refresh_token().is_none());
        assert_eq!(known_to_the_api(tokens.access_token().secret()), "job");
    }
}

#[test]
fn a_wrong_secret_is_invalid_client_in_the_header_and_in_the_body() {
    for place in [AuthType::BasicAuth, AuthType::RequestBody] {
        let wrong = ClientSecret::new("wrong".repeat(10));
        let client = client("job").set_client_secret(wrong).set_auth_type(place);
        let asked = client
            .exchange_client_credentials()
            .add_scope(default_scope());
        let failure = asked.request(&http()).unwrap_err();
        assert_eq!(refused_with(failure), BasicErrorResponseType::InvalidClient);
    }
}

#[test]
fn a_user_signs_in_and_each_refresh_replaces_the_token() {
    let client = client("web");
    let tokens = sign_in(&client);
    let user = of_environment("USER_ID");
    assert_eq!(known_to_the_api(tokens.access_token().secret()), user);
    let first = tokens.refresh_token().unwrap();
    let next = refreshed(&client, first).unwrap();
    assert_ne!(next.refresh_token().unwrap().secret(), first.secret());
    let failure = refreshed(&client, first).unwrap_err();
    assert_eq!(refused_with(failure), BasicErrorResponseType::InvalidGrant);
}

#[test]
fn what_is_revoked_is_inactive_at_introspection_and_invalid_grant_at_refresh() {
    let (client, orders) = (client("web"), client("orders"));
    let tokens = sign_in(&client);
    let introspected = || -> BasicTokenIntrospectionResponse {
        orders
            .introspect(tokens.access_token())
            .request(&http())
            .unwrap()
    };
    let before = introspected();
    assert!(before.active());
    assert_eq!(before.sub(), Some(of_environment("USER_ID").as_str()));
    let refresh = tokens.refresh_token().unwrap();
    let revoked = StandardRevocableToken::from(refresh.clone());
    client
        .revoke_token(revoked)
        .unwrap()
        .request(&http())
        .unwrap();
    assert!(!introspected().active());
    let failure = refreshed(&client, refresh).unwrap_err();
    assert_eq!(refused_with(failure), BasicErrorResponseType::InvalidGrant);
}
