//! The backward pass that keeps the gradients of variables off the tape too.

use crate::element::sum;
use candle_core::backprop::GradStore;
use candle_core::{DType, Result, Tensor, TensorId};
use std::cell::RefCell;
use std::collections::HashMap;

type Gradients = HashMap<TensorId, Tensor>;

thread_local! {
    /// What operations gave to variables so far in the backward passes that run on this thread, the innermost last;
    /// `None` while an operation's own backward pass runs, in which candle's method may be called.
    static FOUND: RefCell<Vec<Option<Gradients>>> = const { RefCell::new(Vec::new()) };
}

/// `loss.backward()` without the tape's two passes over each variable's gradient.
///
/// The gradients are those of candle's method. They hold nothing of the forward pass.
///
/// # Errors
///
/// Those of the operations' backward passes.
pub fn backward(loss: &Tensor) -> Result<GradStore> {
    let pass = Pass::begin(Some(Gradients::new()));
    let mut store = loss.backward()?;
    for (id, gradient) in pass.end().into_iter().flatten().flatten() {
        let gradient = match store.get_id(id) {
            Some(more) => total(&gradient, more)?,
            None => gradient,
        };
        store.insert_id(id, gradient.detach());
    }
    Ok(store)
}

/// For an operation whose own backward pass finds gradients of variables that are not its inputs: adds one to those
/// of the [`backward`] that called it. False if none did.
///
/// # Errors
///
/// Those of the addition.
pub fn collect_gradient(variable: TensorId, gradient: Tensor) -> Result<bool> {
    FOUND.with_borrow_mut(|passes| match passes.iter_mut().rev().flatten().next() {
        Some(found) => add(found, variable, gradient).map(|()| true),
        None => Ok(false),
    })
}

/// Takes the gradient of a variable, if [`backward`] runs; else gives it back.
pub(super) fn collect(variable: &Tensor, gradient: Tensor) -> Result<Option<Tensor>> {
    FOUND.with_borrow_mut(|passes| match passes.last_mut() {
        Some(Some(found)) => add(found, variable.id(), gradient).map(|()| None),
        _ => Ok(Some(gradient)),
    })
}

fn add(found: &mut Gradients, id: TensorId, gradient: Tensor) -> Result<()> {
    let gradient = match found.remove(&id) {
        Some(before) => total(&before, &gradient)?,
        None => gradient,
    };
    found.insert(id, gradient);
    Ok(())
}

/// The sum of two gradients of a variable, by candle where this crate has no kernel.
fn total(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    match a.device().is_cpu() && matches!(a.dtype(), DType::F32 | DType::F64) {
        true => sum(a, b),
        false => Ok((a + b)?.detach()),
    }
}

/// Runs an operation's own backward pass, in which another may run by itself.
pub(super) fn within<R>(f: impl FnOnce() -> R) -> R {
    let _pass = Pass::begin(None);
    f()
}

/// A pass that runs; it ends when this is dropped, also by a panic.
struct Pass {
    depth: usize,
}

impl Pass {
    fn begin(found: Option<Gradients>) -> Self {
        FOUND.with_borrow_mut(|passes| {
            passes.push(found);
            Self { depth: passes.len() - 1 }
        })
    }

    fn end(self) -> Vec<Option<Gradients>> {
        FOUND.with_borrow_mut(|passes| passes.split_off(self.depth))
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let rest = FOUND.with_borrow_mut(|passes| passes.split_off(self.depth.min(passes.len())));
        // Only now that the list is free again: with gradients results may go.
        drop(rest);
    }
}
