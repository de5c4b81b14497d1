//! The client credentials grant: RFC 6749 section 4.4. It never yields a refresh token.

use super::claims::{Asked, ask};
use super::issue::{Content, Issued, Party, Ring};
use crate::api::{Target, only_api};
use crate::client::GrantType;
use crate::error::Reason;
use crate::issuer::{Host, Issuer};
use crate::time::UnixTime;

/// Decides what the client gets for itself, and signs it. `by_resource` says that `resource` named the
/// API.
pub(crate) async fn issue<H: Host>(
    issuer: &Issuer<H>,
    party: Party<'_>,
    target: &Target,
    by_resource: bool,
    ring: Ring<H>,
    now: UnixTime,
) -> Result<Issued, Reason> {
    let client = party.client;
    let uri = match &target.api {
        Some(uri) => uri,
        None => only_api(&client.assignments)?,
    };
    let api = party.api(issuer, uri, by_resource, now).await?;
    let granted = target.grant(&api, client.assignment_on(&api))?;
    let scope = granted.scope(uri);
    let mut added = None;
    if issuer.host().has_claims() {
        let asked = Asked {
            api: uri,
            grant_type: GrantType::ClientCredentials,
            scope: &scope,
            user: None,
        };
        added = Some(ask(issuer, party, &asked).await?.1);
    }
    let content = Content {
        subject: client.client_id.as_str(),
        roles: Some(&granted.roles),
        scope: &scope,
        names: &granted.roles,
        session: None,
        claims: added.as_ref(),
        grant_type: GrantType::ClientCredentials,
        ends: None,
    };
    let (access_token, expires_in) = party.mint(issuer, ring, &api, &content, now).await?;
    Ok(Issued {
        access_token,
        expires_in,
        scope,
        refresh_token: None,
        refresh_token_expires_in: None,
        api,
    })
}
