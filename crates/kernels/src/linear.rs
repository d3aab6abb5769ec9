//! The fully connected layer's product.

use candle_core::{Result, Tensor, bail};

/// Multiplies the last dimension of `x` by a matrix: `y = x wᵀ + b`.
///
/// # Shapes
///
/// `x` (..., in), `weight` (out, in), `bias` (out): the result is (..., out). The layout of the
/// weight is PyTorch's.
///
/// # Errors
///
/// If a rank is wrong or the sizes do not fit together.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let &[out, inner] = weight.dims() else {
        bail!("linear: expected a weight of rank 2 (out, in), found {:?}", weight.dims())
    };
    let Some((&last, leading)) = x.dims().split_last() else {
        bail!("linear: expected an input of rank 1 or more, found a scalar")
    };
    if last != inner {
        bail!("linear: the weight expects {inner} features, the input's last dimension has {last}")
    }
    if let Some(bias) = bias
        && bias.dims() != [out]
    {
        bail!("linear: expected a bias of shape [{out}], found {:?}", bias.dims())
    }
    let rows: usize = leading.iter().product();
    let y = x.reshape((rows, inner))?.matmul(&weight.t()?)?;
    let y = match bias {
        Some(bias) => y.broadcast_add(bias)?,
        None => y,
    };
    y.reshape([leading, &[out]].concat())
}
