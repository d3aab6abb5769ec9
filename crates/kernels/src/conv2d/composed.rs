//! Convolution from candle's own operations, with the right gradient for any configuration.

use super::geometry::Geometry;
use crate::relay::with_gradient;
use crate::window::{extend, pad, unfold};
use candle_core::{Result, Tensor};

pub(super) fn conv2d(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    g: &Geometry,
) -> Result<Tensor> {
    let same_both_ways = g.stride.0 == g.stride.1 && g.dilation.0 == g.dilation.1;
    let y = match () {
        _ if g.groups == 1 && windows_are_apart(g) => of_patches(x, weight, g)?,
        // Candle has no convolution with different strides or dilations along the two axes, and does groups one by one.
        _ if g.groups == 1 && same_both_ways => sliding(x, weight, g)?,
        _ => unfolded(x, weight, g)?,
    };
    match bias {
        Some(bias) => y.broadcast_add(&bias.reshape((1, g.c_out, 1, 1))?),
        None => Ok(y),
    }
}

fn windows_are_apart(g: &Geometry) -> bool {
    (g.kh, g.kw) == g.stride && g.padded() == (g.h, g.w) && g.dilation == (1, 1)
}

/// One product, of all windows with all filters.
fn of_patches(x: &Tensor, weight: &Tensor, g: &Geometry) -> Result<Tensor> {
    let taps = g.c_in * g.kh * g.kw;
    let patches = x
        .narrow(2, 0, g.oh * g.kh)?
        .narrow(3, 0, g.ow * g.kw)?
        .reshape(&[g.n, g.c_in, g.oh, g.kh, g.ow, g.kw])?
        .permute([0, 2, 4, 1, 3, 5])?
        .reshape((g.n * g.oh * g.ow, taps))?;
    patches
        .matmul(&weight.reshape((g.c_out, taps))?.t()?)?
        .reshape((g.n, g.oh, g.ow, g.c_out))?
        .permute([0, 3, 1, 2])?
        .contiguous()
}

/// Candle's convolution, forward and for both gradients. Its own input gradient is a transposed convolution, which
/// computes each pixel by itself.
fn sliding(x: &Tensor, weight: &Tensor, g: &Geometry) -> Result<Tensor> {
    let g = *g;
    let (padding, stride, dilation) = (g.padding.0, g.stride.0, g.dilation.0);
    if g.padding.0 != g.padding.1 || g.padding_end != g.padding {
        let x = pad(x, g.padding, g.padding_end, 0.)?;
        let ((h, w), none) = (g.padded(), (0, 0));
        return sliding(&x, weight, &Geometry { h, w, padding: none, padding_end: none, ..g });
    }
    let y = x.detach().conv2d(&weight.detach(), padding, stride, dilation, 1)?;
    let wanted = (x.track_op(), weight.track_op());
    with_gradient([x, weight], y, move |[x, weight], gradient| {
        Ok([
            wanted.0.then(|| input_gradient(weight, gradient, &g)).transpose()?,
            wanted.1.then(|| weight_gradient(x, gradient, &g)).transpose()?,
        ])
    })
}

/// The gradient, zeros between its pixels where the stride left some out, under the filters turned round.
fn input_gradient(weight: &Tensor, gradient: &Tensor, g: &Geometry) -> Result<Tensor> {
    let (padding, stride, dilation) = (g.padding.0 as isize, g.stride.0, g.dilation.0);
    let mut apart = gradient.clone();
    for (dim, size, kernel, out) in [(2, g.h, g.kh, g.oh), (3, g.w, g.kw, g.ow)] {
        if stride > 1 {
            let mut dims = apart.dims().to_vec();
            dims.insert(dim + 1, 1);
            apart = apart.reshape(dims)?.pad_with_zeros(dim + 1, 0, stride - 1)?;
            apart = apart.flatten(dim, dim + 1)?.narrow(dim, 0, (out - 1) * stride + 1)?;
        }
        let span = (dilation * (kernel - 1)) as isize;
        let reached = ((out - 1) * stride + 1) as isize + span;
        let unreached = size as isize + 2 * padding - reached;
        apart = extend(&apart, dim, span - padding, span - padding + unreached)?;
    }
    let turned = weight.transpose(0, 1)?.contiguous()?.flip(&[2, 3])?;
    apart.conv2d(&turned, 0, 1, dilation, 1)
}

/// The images under the gradient: channels are the batch, and the batch is summed over.
fn weight_gradient(x: &Tensor, gradient: &Tensor, g: &Geometry) -> Result<Tensor> {
    let (x, gradient) = (x.transpose(0, 1)?, gradient.transpose(0, 1)?.contiguous()?);
    x.conv2d(&gradient, g.padding.0, g.dilation.0, g.stride.0, 1)?
        .narrow(2, 0, g.kh)?
        .narrow(3, 0, g.kw)?
        .transpose(0, 1)?
        .contiguous()
}

/// Every window as a column, then one product a group.
fn unfolded(x: &Tensor, weight: &Tensor, g: &Geometry) -> Result<Tensor> {
    let taps = g.kh * g.kw;
    let (c_in, c_out) = (g.c_in / g.groups, g.c_out / g.groups);
    let x = pad(x, g.padding, g.padding_end, 0.)?;
    let columns = unfold(&x, (g.kh, g.kw), g.stride, g.dilation, (g.oh, g.ow))?;
    let columns = columns.reshape((g.n, g.groups, c_in * taps, g.oh * g.ow))?;
    let weight = weight.reshape((1, g.groups, c_out, c_in * taps))?;
    let weight = weight.broadcast_as((g.n, g.groups, c_out, c_in * taps))?.contiguous()?;
    weight.matmul(&columns)?.reshape((g.n, g.c_out, g.oh, g.ow))
}
