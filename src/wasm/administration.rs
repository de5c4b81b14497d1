//! The administration's module: its API, and what an administrator does in process.

use super::host::WasmHost;
use crate::administration::AdministrationError;
use crate::endpoint::{Request, Response};
use crate::{Issuer, UnixTime};

pub(super) use crate::administration::Command as Act;
pub(super) use crate::endpoint::MAX_ADMINISTRATION_BODY as MAX_BODY;

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
