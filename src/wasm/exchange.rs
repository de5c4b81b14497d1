//! Where operations wait for their results.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use wasm_bindgen::JsValue;

/// What became of an operation.
pub(super) enum Answer {
    /// A stored value and its version, if there is one.
    Found(Option<(String, String)>),
    /// The version written, unless something else was stored.
    Written(Option<String>),
    /// The versions written, or the index of the write that met something else.
    Committed(Result<Vec<String>, u32>),
    /// Names, and the cursor to the next ones.
    Listed(Vec<String>, Option<String>),
    /// A private key (PKCS #8) and its public JWK.
    Generated(Vec<u8>, String),
    /// An imported private key.
    Imported(JsValue),
    /// A signature, or what was encrypted or decrypted.
    Bytes(Vec<u8>),
    /// What came of a step, or claims: JSON.
    Stepped(String),
    /// Whether a signature is good.
    Verified(bool),
    /// Time that has passed.
    #[cfg(feature = "contract")]
    Passed,
    /// The reason, for the operator.
    Failed(String),
}

/// The operations in flight, and the task that is being polled.
#[derive(Default)]
pub(super) struct Exchange {
    last_id: Cell<u32>,
    task: Cell<u32>,
    call: RefCell<Rc<JsValue>>,
    operations: RefCell<Vec<(u32, State)>>,
}

enum State {
    /// The task that waits.
    Waiting(u32),
    Settled(Answer),
}

impl Exchange {
    /// An id that no task or operation in flight has.
    pub(super) fn next_id(&self) -> u32 {
        let id = self.last_id.get().wrapping_add(1);
        self.last_id.set(id);
        id
    }

    /// From now on, operations belong to this task.
    pub(super) fn enter(&self, task: u32, call: Rc<JsValue>) {
        self.task.set(task);
        self.call.replace(call);
    }

    /// The call that is being worked on.
    pub(super) fn call(&self) -> Rc<JsValue> {
        Rc::clone(&self.call.borrow())
    }

    /// Takes the result of an operation, and says which task waits for it. `None` if none does.
    pub(super) fn settle(&self, operation: u32, outcome: Answer) -> Option<u32> {
        let mut operations = self.operations.borrow_mut();
        let (_, state) = operations.iter_mut().find(|(id, _)| *id == operation)?;
        let State::Waiting(task) = *state else {
            return None;
        };
        *state = State::Settled(outcome);
        Some(task)
    }

    fn take_settled(&self, operation: u32) -> Option<Answer> {
        let mut operations = self.operations.borrow_mut();
        let settled =
            |(id, state): &(u32, State)| *id == operation && matches!(state, State::Settled(_));
        let at = operations.iter().position(settled)?;
        match operations.swap_remove(at) {
            (_, State::Settled(outcome)) => Some(outcome),
            (_, State::Waiting(_)) => None,
        }
    }

    /// An operation: `begin` hands it to JavaScript, with the call that it is for and its id.
    pub(super) fn perform<B: FnOnce(&JsValue, u32)>(&self, begin: B) -> Operation<'_, B> {
        Operation {
            exchange: self,
            begin: Some(begin),
            id: 0,
        }
    }
}

/// Begins when it is first polled, and is ready once it has been settled.
pub(super) struct Operation<'a, B> {
    exchange: &'a Exchange,
    begin: Option<B>,
    id: u32,
}

impl<B: FnOnce(&JsValue, u32) + Unpin> Future for Operation<'_, B> {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Answer> {
        let exchange = self.exchange;
        if let Some(begin) = self.begin.take() {
            self.id = exchange.next_id();
            let waiting = State::Waiting(exchange.task.get());
            exchange.operations.borrow_mut().push((self.id, waiting));
            begin(&exchange.call.borrow(), self.id);
            return Poll::Pending;
        }
        match exchange.take_settled(self.id) {
            Some(outcome) => Poll::Ready(outcome),
            None => Poll::Pending,
        }
    }
}

impl<B> Drop for Operation<'_, B> {
    fn drop(&mut self) {
        if self.begin.is_none() {
            self.exchange
                .operations
                .borrow_mut()
                .retain(|(id, _)| *id != self.id);
        }
    }
}
