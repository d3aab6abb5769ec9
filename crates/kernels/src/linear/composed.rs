//! The product from candle's own operations, good enough to serve as the naive implementation too.

use crate::activation::relu;
use candle_core::{Result, Tensor};

pub(super) fn linear(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    with_relu: bool,
) -> Result<Tensor> {
    let y = x.matmul(&weight.contiguous()?.t()?)?;
    let y = match bias {
        Some(bias) => y.broadcast_add(bias)?,
        None => y,
    };
    if with_relu { relu(&y) } else { Ok(y) }
}
