//! Metadata and answers as the clients of these dialects read them. They are written as text: what goes in
//! are names that have been looked up, tokens and numbers, none of which needs escaping.

use super::{Dialect, Member, Realm, id_from};
use crate::api::Api;
use crate::client::GrantType;
use crate::grant::Issued;
use crate::time::UnixTime;

/// In the order of a document of the service; it names what is there, and nothing else. MSAL demands both
/// endpoints, and validators go by `id_token_signing_alg_values_supported`.
const METADATA: &str = concat!(
    r#"{"token_endpoint":"{b}oauth2/v2.0/token","#,
    r#""token_endpoint_auth_methods_supported":["client_secret_post","client_secret_basic"],"#,
    r#""jwks_uri":"{b}discovery/{k}","response_modes_supported":["query"],"#,
    r#""subject_types_supported":["pairwise"],"id_token_signing_alg_values_supported":["RS256"],"#,
    r#""response_types_supported":["code"],"#,
    r#""scopes_supported":["openid","profile","email","offline_access"],"issuer":"{i}","#,
    r#""request_uri_parameter_supported":false,"#,
    r#""authorization_endpoint":"{b}oauth2/v2.0/authorize","#,
    r#""code_challenge_methods_supported":["S256"]}"#,
);

/// Puts values into the places of a text: `{x}`, of one letter each. A brace that is none is left alone.
pub(super) fn fill<'a>(template: &str, value: &dyn Fn(u8) -> Option<&'a str>) -> String {
    let mut filled = String::new();
    let mut pieces = template.split('{');
    filled.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let letter = piece.as_bytes().first().copied().unwrap_or_default();
        match (value(letter), piece.get(2..)) {
            (Some(value), Some(rest)) if piece.as_bytes().get(1) == Some(&b'}') => {
                filled.push_str(value);
                filled.push_str(rest);
            }
            _ => {
                filled.push('{');
                filled.push_str(piece);
            }
        }
    }
    filled
}

impl Realm {
    /// Its metadata. Entra's URLs name the tenant's id, whatever the request said; B2C's stay as they were
    /// asked for.
    pub(crate) fn metadata(&self, base_url: &str) -> String {
        let is_v1 = self.dialect == Dialect::EntraV1;
        let issuer = self.issuer(base_url, is_v1);
        let base = match &self.policy {
            None => [base_url, "/", &self.tenant_id, "/"].concat(),
            Some(_) => [base_url, "/", &self.segment, "/", &self.name, "/"].concat(),
        };
        fill(METADATA, &|letter| match letter {
            b'b' => Some(&base),
            b'k' => Some(if is_v1 { "keys" } else { "v2.0/keys" }),
            b'i' => Some(&issuer),
            _ => None,
        })
    }

    /// The answer that carries an access token, as the dialect's table says.
    pub(crate) fn answer(&self, issued: &Issued, grant_type: GrantType, now: UnixTime) -> String {
        let mut answer = String::new();
        for (name, member) in self.members() {
            let number = match member {
                Member::ExpiresIn => Some(u64::from(issued.expires_in)),
                Member::NotBefore => Some(now.secs()),
                Member::ExpiresOn => Some(now.plus(u64::from(issued.expires_in)).secs()),
                Member::RefreshIn => issued.refresh_token_expires_in,
                _ => None,
            };
            let text = match (member, &number) {
                (_, Some(number)) => Some(number.to_string()),
                (Member::AccessToken, _) => Some(issued.access_token.clone()),
                (Member::Type, _) => Some("Bearer".to_owned()),
                (Member::Resource, _) => Some(self.app_id(&issued.api)),
                (Member::Scope, _) if grant_type != GrantType::ClientCredentials => {
                    Some(issued.scope.clone())
                }
                (Member::Refresh, _) => issued.refresh_token.clone(),
                _ => None,
            };
            let Some(text) = text else { continue };
            let quote = if number.is_some() { "" } else { "\"" };
            let start = if answer.is_empty() { "{\"" } else { ",\"" };
            for piece in [start, name, "\":", quote, &text, quote] {
                answer.push_str(piece);
            }
        }
        answer.push('}');
        answer
    }

    /// The client id of an API: the `aud` of most of its tokens.
    pub(crate) fn app_id(&self, api: &Api) -> String {
        app_id(&self.tenant_id, api)
    }
}

/// The client id of an API of a tenant. One that was given none has one that follows from its names, of a
/// version that none is given in.
pub(crate) fn app_id(tenant_id: &str, api: &Api) -> String {
    match &api.app_id {
        Some(given) => given.clone(),
        None => id_from("app id", tenant_id, api.identifier.as_str()),
    }
}
