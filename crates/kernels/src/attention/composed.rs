//! Attention from candle's own products and the softmax of this crate.

use crate::softmax::softmax;
use candle_core::{Result, Tensor};

pub(super) fn attention(q: &Tensor, k: &Tensor, v: &Tensor) -> Result<Tensor> {
    let scale = 1. / (q.dim(3)? as f64).sqrt();
    // The scale goes to the queries, which are fewer than the scores.
    let scores = (q * scale)?.contiguous()?.matmul(&k.transpose(2, 3)?.contiguous()?)?;
    softmax(&scores)?.matmul(&v.contiguous()?)
}

pub(super) fn packed(qkv: &Tensor, heads: usize, width: usize) -> Result<Tensor> {
    let (batch, tokens, _) = qkv.dims3()?;
    let qkv = qkv.reshape((batch, tokens, 3, heads, width))?;
    let part = |index| qkv.narrow(2, index, 1)?.squeeze(2)?.transpose(1, 2)?.contiguous();
    let y = attention(&part(0)?, &part(1)?, &part(2)?)?;
    y.transpose(1, 2)?.reshape((batch, tokens, heads * width))
}
