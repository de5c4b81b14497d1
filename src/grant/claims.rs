//! What access tokens say beyond edgemint's own claims: what the login page has said of the user, and what
//! the host's hook adds before each is signed. The same rules hold for both.

use super::issue::Party;
use crate::api::ApiUri;
use crate::client::GrantType;
use crate::dialect::Dialect;
use crate::error::Reason;
use crate::issuer::{Host, Issuer};
use crate::json::{self, JsonError, Object};
use crate::time::UnixTime;

/// Bytes of JSON that may be added to an access token.
const MAX_CLAIMS: usize = 4_096;
/// Levels of nesting in them: they are read again inside of other objects.
const MAX_DEPTH: usize = 16;

/// Claims that say what edgemint says, or that change what a token is good for.
const RESERVED: [&str; 18] = [
    "authorization_details",
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "client_id",
    "azp",
    "roles",
    "scope",
    "tid",
    "sid",
    "cnf",
    "act",
    "may_act",
    "scp",
];

/// Whether these may be in an access token; if not, why. That names a claim, never its value.
pub(crate) fn check(claims: &Object) -> Result<(), String> {
    if let Some(name) = claims.names().find(|name| RESERVED.contains(name)) {
        return Err(["the claim `", name, "` is edgemint's own"].concat());
    }
    if claims.depth() > MAX_DEPTH {
        return Err("the claims are nested more than 16 deep".to_owned());
    }
    let text = json::write(claims).map_err(JsonError::into_text)?;
    if text.len() > MAX_CLAIMS {
        return Err("the claims are larger than 4096 bytes of JSON".to_owned());
    }
    Ok(())
}

/// What the hook is told of an access token beside whose it is: nothing secret.
pub(crate) struct Asked<'a> {
    pub(crate) api: &'a ApiUri,
    pub(crate) grant_type: GrantType,
    /// What is granted.
    pub(crate) scope: &'a str,
    /// With a user: the subject, and what the login page said of it.
    pub(crate) user: Option<(&'a str, &'a Object)>,
}

/// What the hook adds to an access token, and when it answered. There must be one.
pub(crate) async fn ask<H: Host>(
    issuer: &Issuer<H>,
    party: Party<'_>,
    asked: &Asked<'_>,
) -> Result<(UnixTime, Object), Reason> {
    let claims = issuer.host().claims(&context::<H>(party, asked)?).await;
    let claims = claims.and_then(|(now, text)| {
        let claims: Object = json::read(&text).map_err(JsonError::into_text)?;
        check(&claims)?;
        Ok((now, claims))
    });
    claims.map_err(Reason::ClaimsHook)
}

/// The lines of [`Host::claims`]: none of them can have a line break.
fn context<H: Host>(party: Party<'_>, asked: &Asked<'_>) -> Result<String, JsonError> {
    let realm = if H::DIALECTS { party.realm } else { None };
    let dialect = match realm {
        None => "standard",
        Some(realm) if realm.dialect == Dialect::B2c => "b2c",
        Some(_) => "entra",
    };
    let policy = realm.and_then(|realm| realm.policy.as_deref());
    let (subject, claims) = match asked.user {
        None => ("", String::new()),
        Some((subject, claims)) => (subject, json::write(claims)?),
    };
    let lines = [
        party.tenant_name.as_str(),
        party.client.client_id.as_str(),
        asked.api.as_str(),
        asked.grant_type.name(),
        dialect,
        policy.unwrap_or_default(),
        asked.scope,
        subject,
        &claims,
    ];
    Ok(lines.join("\n"))
}
