//! Convolution from candle's own operations, with the right gradient for any configuration.

use super::Geometry;
use crate::window::{pad, unfold};
use candle_core::{Result, Tensor};

pub(super) fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    g: &Geometry,
) -> Result<Tensor> {
    let y = if g.stride.0 == g.stride.1 && g.dilation.0 == g.dilation.1 {
        // Candle's gradient takes one output padding for both axes, so rows and columns that no
        // window reaches are cut off first: then it is zero for both.
        let x = pad(x, g.padding, 0.)?;
        let x = x.narrow(2, 0, (g.oh - 1) * g.stride.0 + (g.kh - 1) * g.dilation.0 + 1)?;
        let x = x.narrow(3, 0, (g.ow - 1) * g.stride.1 + (g.kw - 1) * g.dilation.1 + 1)?;
        x.conv2d(weight, 0, g.stride.0, g.dilation.0, g.groups)?
    } else {
        unfolded(x, weight, g)?
    };
    match bias {
        Some(bias) => y.broadcast_add(&bias.reshape((1, g.c_out, 1, 1))?),
        None => Ok(y),
    }
}

/// Every window as a column, then one product a group; candle has no convolution with different
/// strides or dilations along the two axes.
fn unfolded(x: &Tensor, weight: &Tensor, g: &Geometry) -> Result<Tensor> {
    let taps = g.kh * g.kw;
    let (c_in, c_out) = (g.c_in / g.groups, g.c_out / g.groups);
    let x = pad(x, g.padding, 0.)?;
    let columns = unfold(&x, (g.kh, g.kw), g.stride, g.dilation, (g.oh, g.ow))?;
    let columns = columns.reshape((g.n, g.groups, c_in * taps, g.oh * g.ow))?;
    let weight = weight.reshape((1, g.groups, c_out, c_in * taps))?;
    let weight = weight.broadcast_as((g.n, g.groups, c_out, c_in * taps))?.contiguous()?;
    weight.matmul(&columns)?.reshape((g.n, g.c_out, g.oh, g.ow))
}
