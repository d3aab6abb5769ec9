//! Activations from candle's own operations. Candle's fused GELU has gradient constants of six
//! digits, so it is put together from the error function and the hyperbolic tangent.

use candle_core::{Result, Tensor};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI};

pub(super) fn relu(x: &Tensor) -> Result<Tensor> {
    let plain = x.detach();
    let zeros = plain.zeros_like()?;
    // A NaN is neither above zero nor below: as in PyTorch it goes through.
    plain.le(&zeros)?.where_cond(&zeros, x)
}

pub(super) fn gelu(x: &Tensor) -> Result<Tensor> {
    let cdf = ((x * FRAC_1_SQRT_2)?.erf()? + 1.)?;
    x * (cdf * 0.5)?
}

pub(super) fn gelu_tanh(x: &Tensor) -> Result<Tensor> {
    let cube = (x.sqr()? * x)?;
    let inner = ((x + (cube * 0.044715)?)? * FRAC_2_PI.sqrt())?;
    x * ((inner.tanh()? + 1.)? * 0.5)?
}
