//! The backward pass that keeps the gradients of variables off the tape too.

use crate::add::sum;
use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, TensorId};
use std::cell::RefCell;
use std::collections::HashMap;

type Gradients = HashMap<TensorId, Tensor>;

thread_local! {
    /// What operations gave to variables so far, in the backward pass that runs on this thread.
    static FOUND: RefCell<Option<Gradients>> = const { RefCell::new(None) };
}

/// `loss.backward()` without the tape's two passes over each variable's gradient.
///
/// The gradients are those of candle's method. They hold nothing of the forward pass.
///
/// # Errors
///
/// Those of the operations' backward passes.
pub fn backward(loss: &Tensor) -> Result<GradStore> {
    let set = Set::to(Some(Gradients::new()));
    let mut store = loss.backward()?;
    let found = FOUND.take().unwrap_or_default();
    drop(set);
    for (id, gradient) in found {
        let gradient = match store.get_id(id) {
            Some(more) => sum(&gradient, more)?,
            None => gradient,
        };
        store.insert_id(id, gradient.detach());
    }
    Ok(store)
}

/// Takes the gradient of a variable, if [`backward`] runs; else gives it back.
pub(super) fn collect(variable: &Tensor, gradient: Tensor) -> Result<Option<Tensor>> {
    FOUND.with_borrow_mut(|found| {
        let Some(found) = found else { return Ok(Some(gradient)) };
        let gradient = match found.remove(&variable.id()) {
            Some(before) => sum(&before, &gradient)?,
            None => gradient,
        };
        found.insert(variable.id(), gradient);
        Ok(None)
    })
}

/// Runs an operation's own backward pass, in which another may run by itself.
pub(super) fn within<R>(f: impl FnOnce() -> R) -> R {
    let _set = Set::to(None);
    f()
}

/// Puts back what was found before, also after a panic.
struct Set(Option<Gradients>);

impl Set {
    fn to(found: Option<Gradients>) -> Self {
        Self(FOUND.replace(found))
    }
}

impl Drop for Set {
    fn drop(&mut self) {
        FOUND.set(self.0.take());
    }
}
