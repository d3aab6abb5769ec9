//! Softmax from candle's own operations.

use candle_core::{D, Result, Tensor};

/// The row less its maximum, which is a constant: its gradient would cancel.
fn shifted(x: &Tensor) -> Result<Tensor> {
    x.broadcast_sub(&x.detach().max_keepdim(D::Minus1)?)
}

pub(super) fn softmax(x: &Tensor) -> Result<Tensor> {
    let exp = shifted(x)?.exp()?;
    exp.broadcast_div(&exp.sum_keepdim(D::Minus1)?)
}

pub(super) fn log_softmax(x: &Tensor) -> Result<Tensor> {
    let shifted = shifted(x)?;
    shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)
}

pub(super) fn softmax_cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    (targets * log_softmax(logits)?)?.sum_keepdim(D::Minus1)?.squeeze(1)?.neg()
}
