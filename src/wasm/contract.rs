//! The store contract suite, for stores written in JavaScript.

use std::rc::Rc;

use wasm_bindgen::prelude::*;

use super::exchange::Answer;
use super::{Engine, seconds};
use crate::store::contract::{self, Surroundings};
use crate::{Host, UnixTime};

#[wasm_bindgen]
extern "C" {
    /// The clock that the store under test goes by.
    #[derive(Clone)]
    pub type JsSurroundings;

    /// Seconds since 1970.
    #[wasm_bindgen(method)]
    fn now(this: &JsSurroundings) -> f64;

    /// Waits, then resumes the operation.
    #[wasm_bindgen(method)]
    fn pass(this: &JsSurroundings, call: &JsValue, id: u32, seconds: f64);
}

#[wasm_bindgen]
impl Engine {
    /// Goes on with a check that waited for time to pass.
    #[wasm_bindgen(js_name = resumePassed)]
    pub fn resume_passed(&self, id: u32) -> bool {
        self.settle(id, Answer::Passed)
    }

    /// Runs the contract suite against the engine's store; the names of the checks that passed go to
    /// `call`, or the breach.
    #[wasm_bindgen(js_name = runContract)]
    pub fn run_contract(&self, call: JsValue, run: String, surroundings: JsSurroundings) {
        let started = seconds(surroundings.now());
        let call = Rc::new(call);
        let (issuer, host, answered) = self.handles(&call);
        let around = Around {
            js: surroundings,
            exchange: Rc::clone(&self.exchange),
        };
        self.spawn(call, started, async move {
            match contract::run(issuer.host().store(), &around, &run).await {
                Ok(passed) => host.done(&answered, &super::json(&passed)),
                Err(breach) => host.refused(&answered, "breach", &breach.to_string()),
            }
        });
    }
}

struct Around {
    js: JsSurroundings,
    exchange: Rc<super::Exchange>,
}

impl Surroundings for Around {
    fn now(&self) -> UnixTime {
        seconds(self.js.now())
    }

    async fn pass(&self, seconds: u64) {
        #[expect(clippy::cast_precision_loss, reason = "a few seconds")]
        let begin = |call: &JsValue, id| self.js.pass(call, id, seconds as f64);
        self.exchange.perform(begin).await;
    }
}
