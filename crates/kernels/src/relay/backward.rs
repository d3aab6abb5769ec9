//! The backward pass that keeps the gradients of variables off the tape too.

use super::pass::{Pass, collect};
use crate::element::sum;
use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, TensorId};

/// `loss.backward()` without the tape's two passes over each variable's gradient.
///
/// The gradients are those of candle's method. They hold nothing of the forward pass. A pass that fails, this one or
/// candle's, leaves nothing behind.
///
/// # Errors
///
/// Those of the operations' backward passes.
pub fn backward(loss: &Tensor) -> Result<GradStore> {
    let pass = Pass::begin(true);
    let mut store = loss.backward()?;
    for (id, gradient) in pass.take_found() {
        let gradient = match store.get_id(id) {
            Some(more) => sum(&gradient, more)?,
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
    Ok(collect(true, variable, gradient)?.is_none())
}
