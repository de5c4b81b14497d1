//! The token service's module: every endpoint but the administration's, what a login page does, and the
//! steps of grants.

use std::rc::Rc;

use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use super::host::WasmHost;
use super::{Engine, seconds};
use crate::administration::AdministrationError;
use crate::endpoint::{Request, Response};
use crate::grant::{Command, Step};
use crate::{Issuer, UnixTime};

pub(super) use crate::Act;
pub(super) use crate::endpoint::MAX_BODY;

/// A bootstrap secret is the administration's.
pub(super) fn complete(
    issuer: Issuer<WasmHost>,
    _: Option<String>,
) -> Result<Issuer<WasmHost>, String> {
    Ok(issuer)
}

pub(super) async fn answer(
    issuer: &Issuer<WasmHost>,
    request: &Request<'_>,
    now: UnixTime,
) -> Response {
    issuer.handle(request, now).await
}

pub(super) async fn act(
    issuer: &Issuer<WasmHost>,
    act: Act,
    now: UnixTime,
) -> Result<String, AdministrationError> {
    issuer.act(act, now).await
}

#[wasm_bindgen]
impl Engine {
    /// Starts to read again what is about to go out of date.
    pub fn refresh(&self, call: JsValue, now: f64) {
        let now = seconds(now);
        let call = Rc::new(call);
        let (issuer, host, answered) = self.handles(&call);
        self.spawn(call, now, async move {
            issuer.refresh(now).await;
            host.done(&answered, "{}");
        });
    }

    /// Forgets a record of the directory, which the administration beside this has written.
    pub fn forget(&self, partition: &str, name: &str) {
        self.issuer.forget(partition, name);
    }
}

/// A step of a grant, for a store that takes it where it keeps the grant: the texts of the grant's and
/// the user's records, and the command. Answers with the outcome and, where something is to be stored, a
/// line with the second it expires at and a line with the new text.
///
/// # Errors
/// A text if the command is none.
#[wasm_bindgen]
pub fn step(
    grant: Option<String>,
    user: Option<String>,
    command: String,
    now: f64,
) -> Result<String, String> {
    let command = Zeroizing::new(command);
    let command: Command = crate::json::read(&command).map_err(|error| error.to_string())?;
    let step = Step::take(grant.as_deref(), user.as_deref(), &command, seconds(now));
    let outcome = step.outcome.to_json();
    Ok(match step.write {
        None => outcome,
        Some((value, expires)) => {
            [&*outcome, "\n", &expires.secs().to_string(), "\n", &value].concat()
        }
    })
}
