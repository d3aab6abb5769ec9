//! Functions applied to each element.

mod composed;
mod naive;
mod vector;

use crate::path::{Path, resolve};
use candle_core::{Result, Tensor};

/// `max(x, 0)`. The gradient at 0 is 0, as in PyTorch; candle's own is 1 there.
///
/// # Errors
///
/// If the element type is not a floating-point one.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    match resolve(x) {
        Path::Composed => composed::relu(x),
        path => naive::apply(x, naive::Activation::Relu, path),
    }
}

/// `x / 2 * (1 + erf(x / sqrt(2)))`, the exact Gaussian error linear unit.
///
/// D. Hendrycks, K. Gimpel, "Gaussian error linear units", 2016,
/// <https://arxiv.org/abs/1606.08415>. The default of PyTorch's `gelu`.
///
/// # Errors
///
/// If the element type is not a floating-point one.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    match resolve(x) {
        Path::Composed => composed::gelu(x),
        path => naive::apply(x, naive::Activation::Gelu, path),
    }
}

/// `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))`, the approximation of [`gelu`] that
/// some checkpoints were trained with (PyTorch's `approximate="tanh"`).
///
/// # Errors
///
/// If the element type is not a floating-point one.
pub fn gelu_tanh(x: &Tensor) -> Result<Tensor> {
    match resolve(x) {
        Path::Composed => composed::gelu_tanh(x),
        path => naive::apply(x, naive::Activation::GeluTanh, path),
    }
}

#[cfg(test)]
mod tests;
