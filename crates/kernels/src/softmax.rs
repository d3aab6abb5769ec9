//! Softmax over the last dimension, and the losses built on it.

mod composed;
mod naive;
mod vector;

use crate::path::{Path, resolve};
use candle_core::{Result, Tensor, bail};

fn check_rows(op: &str, x: &Tensor) -> Result<()> {
    match x.dims().last() {
        Some(&last) if last > 0 => Ok(()),
        _ => bail!("{op}: expected rows of at least one element, found {:?}", x.dims()),
    }
}

/// Probabilities from scores: `p_k = exp(x_k) / sum_j exp(x_j)` over the last dimension.
///
/// The largest score of a row is subtracted first, so that nothing overflows.
///
/// # Errors
///
/// If the rows have no elements.
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    check_rows("softmax", x)?;
    match resolve(x) {
        Path::Composed => composed::softmax(x),
        path => naive::softmax(x, path),
    }
}

/// The logarithm of [`softmax`], without its loss of precision for small probabilities.
///
/// # Errors
///
/// If the rows have no elements.
pub fn log_softmax(x: &Tensor) -> Result<Tensor> {
    check_rows("log_softmax", x)?;
    match resolve(x) {
        Path::Composed => composed::log_softmax(x),
        path => naive::log_softmax(x, path),
    }
}

/// The cross-entropy of each row: `-sum_k t_k log p_k` with `p` the [`softmax`] of the logits.
///
/// Targets are weights of any non-negative size: one-hot rows, smoothed or mixed labels, rows
/// scaled by a class weight. The gradient of the logits is `p sum(t) - t`.
///
/// # Shapes
///
/// `logits` and `targets` (n, k): the result is (n). Take its mean for the usual loss.
///
/// # Errors
///
/// If the ranks are not 2, the shapes differ, or there are no classes.
pub fn softmax_cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    if logits.rank() != 2 || logits.dims() != targets.dims() {
        bail!(
            "softmax_cross_entropy: expected logits and targets of one shape (n, k), found {:?} \
             and {:?}",
            logits.dims(),
            targets.dims()
        )
    }
    check_rows("softmax_cross_entropy", logits)?;
    match resolve(logits) {
        Path::Composed => composed::softmax_cross_entropy(logits, targets),
        _ => naive::softmax_cross_entropy(logits, targets),
    }
}

#[cfg(test)]
mod tests;
