//! Normalization to mean 0 and variance 1, over a batch or over the features.

mod composed;
mod naive;
mod vector;

use crate::path::{Path, resolve};
use candle_core::{Result, Tensor, bail};

/// What [`batch_norm_train`] gives.
#[derive(Clone, Debug)]
pub struct BatchNormTrain {
    /// The normalized input, of its shape.
    pub output: Tensor,
    /// The mean of each channel over the batch, (c); detached: no gradient flows through it.
    pub mean: Tensor,
    /// The biased variance (divided by the count) of each channel over the batch, (c); detached.
    pub variance: Tensor,
}

fn check_channels(op: &str, x: &Tensor, vectors: &[(&str, &Tensor)]) -> Result<()> {
    if !(2..=4).contains(&x.rank()) {
        bail!("{op}: expected an input (n, c, ...) of rank 2 to 4, found {:?}", x.dims())
    }
    check_vectors(op, x.dims()[1], vectors)
}

fn check_vectors(op: &str, len: usize, vectors: &[(&str, &Tensor)]) -> Result<()> {
    for (name, vector) in vectors {
        if vector.dims() != [len] {
            bail!("{op}: expected a {name} of shape [{len}], found {:?}", vector.dims())
        }
    }
    Ok(())
}

/// Normalizes each channel over the batch and all positions, with the batch's own statistics.
///
/// `y = (x - mean) / sqrt(variance + eps) * gamma + beta`, the variance divided by the count, as
/// PyTorch does here (for its running variance it divides by the count less one).
/// S. Ioffe, C. Szegedy, "Batch normalization", 2015, <https://arxiv.org/abs/1502.03167>.
///
/// # Shapes
///
/// `x` (n, c), (n, c, l) or (n, c, h, w); `gamma`, `beta` (c).
///
/// # Errors
///
/// If a shape is wrong, or a channel has no elements.
pub fn batch_norm_train(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    eps: f64,
) -> Result<BatchNormTrain> {
    check_channels("batch_norm_train", x, &[("gamma", gamma), ("beta", beta)])?;
    if x.elem_count() == 0 {
        bail!("batch_norm_train: expected elements to normalize, found shape {:?}", x.dims())
    }
    match resolve(x) {
        Path::Composed => composed::batch_norm_train(x, gamma, beta, eps),
        path => naive::batch_norm_train(x, gamma, beta, eps, path.vectors()),
    }
}

/// Normalizes each channel with the given statistics.
///
/// `y = (x - mean) / sqrt(variance + eps) * gamma + beta`, differentiable in `x`, `gamma` and
/// `beta`; the statistics are constants.
///
/// # Shapes
///
/// `x` (n, c), (n, c, l) or (n, c, h, w); the others (c).
///
/// # Errors
///
/// If a shape is wrong.
pub fn batch_norm_eval(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    mean: &Tensor,
    variance: &Tensor,
    eps: f64,
) -> Result<Tensor> {
    let vectors = [("gamma", gamma), ("beta", beta), ("mean", mean), ("variance", variance)];
    check_channels("batch_norm_eval", x, &vectors)?;
    match resolve(x) {
        Path::Composed => composed::batch_norm_eval(x, gamma, beta, mean, variance, eps),
        path => naive::batch_norm_eval(x, gamma, beta, (mean, variance), eps, path.vectors()),
    }
}

/// Normalizes the last dimension of `x`.
///
/// `y = (x - mean) / sqrt(variance + eps) * gamma + beta`, with the statistics of each row, the
/// variance divided by the count. J. L. Ba, J. R. Kiros, G. E. Hinton, "Layer normalization",
/// 2016, <https://arxiv.org/abs/1607.06450>.
///
/// # Shapes
///
/// `x` (..., k); `gamma`, `beta` (k).
///
/// # Errors
///
/// If a shape is wrong, or the rows have no elements.
pub fn layer_norm(x: &Tensor, gamma: &Tensor, beta: &Tensor, eps: f64) -> Result<Tensor> {
    let Some(&last) = x.dims().last().filter(|&&last| last > 0) else {
        bail!("layer_norm: expected rows of at least one element, found {:?}", x.dims())
    };
    check_vectors("layer_norm", last, &[("gamma", gamma), ("beta", beta)])?;
    match resolve(x) {
        Path::Composed => composed::layer_norm(x, gamma, beta, eps),
        path => naive::layer_norm(x, gamma, beta, eps, path.vectors()),
    }
}

#[cfg(test)]
mod tests;
