//! The administration's module: its API, and what an administrator does in process.

use zeroize::Zeroizing;

use super::host::WasmHost;
use super::refusal;
use crate::administration::{AdministrationError, BootstrapSecret};
use crate::endpoint::{Request, Response};
use crate::{Issuer, UnixTime};

pub(super) use crate::administration::Command as Act;
pub(super) use crate::endpoint::MAX_ADMINISTRATION_BODY as MAX_BODY;

/// With the secret of the first administrator, if there is one.
pub(super) fn complete(
    issuer: Issuer<WasmHost>,
    bootstrap_secret: Option<String>,
) -> Result<Issuer<WasmHost>, String> {
    let parse = |text: String| {
        let secret = BootstrapSecret::parse(&Zeroizing::new(text));
        secret.map_err(|error| refusal("invalid_bootstrap_secret", error))
    };
    let secret = bootstrap_secret.map(parse).transpose()?;
    Ok(issuer.with_bootstrap_secret(secret))
}

pub(super) async fn answer(
    issuer: &Issuer<WasmHost>,
    request: &Request<'_>,
    now: UnixTime,
) -> Response {
    issuer.administer_request(request, now).await
}

pub(super) async fn act(
    issuer: &Issuer<WasmHost>,
    act: Act,
    now: UnixTime,
) -> Result<String, AdministrationError> {
    issuer.administer(act, now).await
}
