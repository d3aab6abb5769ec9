//! Activations from candle's own operations. Candle's fused GELU has gradient constants of six
//! digits, so it is put together from the error function and the hyperbolic tangent.

use super::function::Activation;
use candle_core::{Result, Tensor};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI};

pub(super) fn apply(function: Activation, x: &Tensor) -> Result<Tensor> {
    match function {
        Activation::Relu => relu(x),
        Activation::Gelu => gelu(x),
        Activation::GeluTanh => gelu_tanh(x),
        Activation::Relu6 => relu6(x),
        Activation::Sigmoid => sigmoid(x),
        Activation::Silu => x * sigmoid(x)?,
        Activation::HardSigmoid => relu6(&(x + 3.)?)? * (1. / 6.),
        Activation::HardSwish => x * (relu6(&(x + 3.)?)? * (1. / 6.))?,
    }
}

/// Built of two rectifiers, so that the slope is 0 at both kinks.
fn relu6(x: &Tensor) -> Result<Tensor> {
    6. - relu(&(6. - relu(x)?)?)?
}

/// By the hyperbolic tangent, which does not overflow.
fn sigmoid(x: &Tensor) -> Result<Tensor> {
    ((x * 0.5)?.tanh()? + 1.)? * 0.5
}

fn relu(x: &Tensor) -> Result<Tensor> {
    let plain = x.detach();
    let zeros = plain.zeros_like()?;
    // A NaN is neither above zero nor below: as in PyTorch it goes through.
    plain.le(&zeros)?.where_cond(&zeros, x)
}

fn gelu(x: &Tensor) -> Result<Tensor> {
    let cdf = ((x * FRAC_1_SQRT_2)?.erf()? + 1.)?;
    x * (cdf * 0.5)?
}

fn gelu_tanh(x: &Tensor) -> Result<Tensor> {
    let cube = (x.sqr()? * x)?;
    let inner = ((x + (cube * 0.044715)?)? * FRAC_2_PI.sqrt())?;
    x * ((inner.tanh()? + 1.)? * 0.5)?
}
