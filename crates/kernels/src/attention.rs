//! Scaled dot-product attention.

mod composed;
mod heads;
mod op;
#[cfg(test)]
mod tests;

use crate::path::{Path, resolve};
use candle_core::{DType, Result, Tensor, bail};
use heads::{Heads, Sizes};

/// Mixes values by how well their keys fit a query: `softmax(q kᵀ / sqrt(width)) v`, head by head.
///
/// PyTorch's `scaled_dot_product_attention` without mask and dropout. The probabilities are never
/// stored as a whole: the backward pass computes them again from the scores' logarithmic sums.
///
/// # Shapes
///
/// `q` (batch, heads, tokens, width), `k` and `v` (batch, heads, others, width): the result has
/// the shape of `q`.
///
/// # Errors
///
/// If a rank is not 4, the shapes do not fit together, or one of the sizes is zero.
pub fn attention(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    let &[batch, heads, tokens, width] = q.dims() else {
        bail!(
            "attention: expected queries of rank 4 (batch, heads, tokens, width), found {:?}",
            q.dims()
        )
    };
    let others = k.dims().get(2).copied().unwrap_or(0);
    for (what, x) in [("keys", k), ("values", v)] {
        if x.dims() != [batch, heads, others, width] {
            bail!(
                "attention: expected {what} of shape [{batch}, {heads}, {others}, {width}], found {:?}",
                x.dims()
            )
        }
    }
    let sizes = Sizes { batch, heads, tokens, others, width };
    sizes.check()?;
    match resolve(q) {
        Path::Naive | Path::Composed => composed::attention(q, k, v),
        _ if q.dtype() != DType::F32 => composed::attention(q, k, v),
        path => op::separate(q, k, v, Heads::separate(sizes, path.isa())),
    }
}

/// [`attention`] of tokens to each other, from one tensor that holds each token's queries, keys
/// and values one after the other, as a single linear layer makes them.
///
/// # Shapes
///
/// `qkv` (batch, tokens, 3 * heads * width): the result is (batch, tokens, heads * width).
///
/// # Errors
///
/// If the rank is not 3, three times the heads do not divide the features, or one of the sizes is
/// zero.
pub fn attention_packed(qkv: &Tensor, heads: usize) -> Result<Tensor> {
    let &[batch, tokens, features] = qkv.dims() else {
        bail!(
            "attention: expected an input of rank 3 (batch, tokens, 3 * heads * width), found {:?}",
            qkv.dims()
        )
    };
    if heads == 0 || !features.is_multiple_of(3 * heads) {
        bail!("attention: {features} features are no queries, keys and values of {heads} heads")
    }
    let width = features / (3 * heads);
    let sizes = Sizes { batch, heads, tokens, others: tokens, width };
    sizes.check()?;
    match resolve(qkv) {
        Path::Naive | Path::Composed => composed::packed(qkv, heads, width),
        _ if qkv.dtype() != DType::F32 => composed::packed(qkv, heads, width),
        path => op::packed(qkv, Heads::packed(sizes, path.isa())),
    }
}
