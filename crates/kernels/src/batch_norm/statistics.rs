//! What is normalized, and with what.

use crate::activation::Activation;
use candle_core::Tensor;

/// How [`batch_norm_train`](crate::batch_norm_train) and [`batch_norm_eval`](crate::batch_norm_eval) normalize.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormConfig {
    /// Added to the variance. Default 1e-5.
    pub eps: f64,
    /// What is applied to the result, in the same passes over the memory. Default none.
    pub activation: Option<Activation>,
}

impl Default for BatchNormConfig {
    fn default() -> Self {
        Self { eps: 1e-5, activation: None }
    }
}

/// What [`batch_norm_train`](crate::batch_norm_train) gives.
#[derive(Clone, Debug)]
pub struct BatchNormTrain {
    /// The normalized input, of its shape.
    pub output: Tensor,
    /// The mean of each channel over the batch, (c); detached: no gradient flows through it.
    pub mean: Tensor,
    /// The biased variance (divided by the count) of each channel over the batch, (c); detached.
    pub variance: Tensor,
}

/// (n, c, inner): images, channels and positions.
#[derive(Clone, Copy)]
pub(super) struct Dims {
    pub n: usize,
    pub c: usize,
    pub inner: usize,
}

impl Dims {
    pub(super) fn new(dims: &[usize]) -> Self {
        Self { n: dims[0], c: dims[1], inner: dims[2..].iter().product() }
    }

    /// Numbers of a channel.
    pub(super) fn count(self) -> f64 {
        (self.n * self.inner) as f64
    }
}

/// Mean and variance of each channel, the variance divided by the count.
#[derive(Default)]
pub(super) struct Statistics {
    pub mean: Vec<f64>,
    pub variance: Vec<f64>,
}
