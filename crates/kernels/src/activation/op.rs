//! Activations as operations.

use super::{Activation, composed, naive, vector};
use crate::element::{Element, as_f32, from_f32};
use crate::implementation::{Implementation, resolve};
use crate::operation::{self, Operation, Output};
use crate::simd::Isa;
use candle_core::{Result, Tensor};

/// `max(x, 0)`. The gradient at 0 is 0, as in PyTorch; candle's own is 1 there.
///
/// # Errors
///
/// If the element type is not a floating-point one.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    Activation::Relu.apply(x)
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
    Activation::Gelu.apply(x)
}

/// `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))`, the approximation of [`gelu`] that
/// some checkpoints were trained with (PyTorch's `approximate="tanh"`).
///
/// # Errors
///
/// If the element type is not a floating-point one.
pub fn gelu_tanh(x: &Tensor) -> Result<Tensor> {
    Activation::GeluTanh.apply(x)
}

/// `min(max(x, 0), 6)`. The gradient at 0 and at 6 is 0, as in PyTorch.
///
/// # Errors
///
/// If the element type is not a floating-point one.
pub fn relu6(x: &Tensor) -> Result<Tensor> {
    Activation::Relu6.apply(x)
}

/// The logistic function, `1 / (1 + exp(-x))`.
///
/// # Errors
///
/// If the element type is not a floating-point one.
pub fn sigmoid(x: &Tensor) -> Result<Tensor> {
    Activation::Sigmoid.apply(x)
}

/// `x` times its [`sigmoid`], also called swish.
///
/// S. Elfwing, E. Uchibe, K. Doya, "Sigmoid-weighted linear units for neural network function
/// approximation in reinforcement learning", 2017, <https://arxiv.org/abs/1702.03118>.
///
/// # Errors
///
/// If the element type is not a floating-point one.
pub fn silu(x: &Tensor) -> Result<Tensor> {
    Activation::Silu.apply(x)
}

/// `min(max(x + 3, 0), 6) / 6`, PyTorch's `hardsigmoid`. The gradient at -3 and at 3 is 0.
///
/// # Errors
///
/// If the element type is not a floating-point one.
pub fn hard_sigmoid(x: &Tensor) -> Result<Tensor> {
    Activation::HardSigmoid.apply(x)
}

/// `x` times its [`hard_sigmoid`]. The gradient at -3 is 0 and at 3 is 1.
///
/// A. Howard and others, "Searching for MobileNetV3", 2019, <https://arxiv.org/abs/1905.02244>.
///
/// # Errors
///
/// If the element type is not a floating-point one.
pub fn hard_swish(x: &Tensor) -> Result<Tensor> {
    Activation::HardSwish.apply(x)
}

impl Activation {
    /// The function of each element.
    ///
    /// # Errors
    ///
    /// If the element type is not a floating-point one.
    pub fn apply(self, x: &Tensor) -> Result<Tensor> {
        match resolve(x) {
            Implementation::Composed => composed::apply(self, x),
            chosen => {
                let op = Apply { function: self, isa: chosen.simd_isa() };
                operation::apply(op, [x], x.shape())
            }
        }
    }

    /// The function of each of some numbers.
    pub(crate) fn values<T: Element>(self, isa: Option<Isa>, x: &[T]) -> Result<Vec<T>> {
        match (isa, as_f32(x)) {
            (Some(isa), Some(x)) => from_f32(vector::apply(isa, self, x, None)),
            _ => Ok(naive::values(self, x)),
        }
    }

    /// The gradient of these numbers from that of the function's values.
    pub(crate) fn gradient<T: Element>(
        self,
        isa: Option<Isa>,
        x: &[T],
        grad: &[T],
    ) -> Result<Vec<T>> {
        match (isa, as_f32(x), as_f32(grad)) {
            (Some(isa), Some(x), grad @ Some(_)) => from_f32(vector::apply(isa, self, x, grad)),
            _ => Ok(naive::gradient(self, x, grad)),
        }
    }
}

struct Apply {
    function: Activation,
    isa: Option<Isa>,
}

impl Operation<1> for Apply {
    type Saved = ();

    fn forward<T: Element>(&self, [x]: [&[T]; 1]) -> Result<(Vec<T>, ())> {
        Ok((self.function.values(self.isa, x)?, ()))
    }

    fn backward<T: Element>(
        &self,
        [x]: [&[T]; 1],
        output: Output<T, ()>,
        _: [bool; 1],
    ) -> Result<[Option<Vec<T>>; 1]> {
        Ok([Some(self.function.gradient(self.isa, x, output.grad)?)])
    }
}
