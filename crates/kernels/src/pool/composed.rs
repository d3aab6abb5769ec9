//! Pooling from candle's own operations: windows gathered by index, then reduced.

use super::Geometry;
use candle_core::{D, DType, Device, Result, Tensor};

/// Adds `padding` rows and columns of `value` on both sides of the last two dimensions.
pub(crate) fn pad(x: &Tensor, padding: (usize, usize), value: f64) -> Result<Tensor> {
    let mut x = x.clone();
    for (dim, amount) in [(2, padding.0), (3, padding.1)] {
        if amount > 0 {
            let mut dims = x.dims().to_vec();
            dims[dim] = amount;
            let side = Tensor::full(value as f32, dims, x.device())?.to_dtype(x.dtype())?;
            x = Tensor::cat(&[&side, &x, &side], dim)?;
        }
    }
    Ok(x)
}

fn taps(kernel: usize, stride: usize, dilation: usize, out: usize, d: &Device) -> Result<Tensor> {
    let indices =
        (0..kernel).flat_map(|k| (0..out).map(move |o| (o * stride + k * dilation) as u32));
    Tensor::from_iter(indices, d)
}

/// All windows of padded images: (n, c, h, w) becomes (n, c, kh * kw, oh, ow).
pub(crate) fn unfold(
    x: &Tensor,
    kernel: (usize, usize),
    stride: (usize, usize),
    dilation: (usize, usize),
    out: (usize, usize),
) -> Result<Tensor> {
    let (n, c, _, _) = x.dims4()?;
    x.contiguous()?
        .index_select(&taps(kernel.0, stride.0, dilation.0, out.0, x.device())?, 2)?
        .index_select(&taps(kernel.1, stride.1, dilation.1, out.1, x.device())?, 3)?
        .reshape(&[n, c, kernel.0, out.0, kernel.1, out.1])?
        .permute([0, 1, 2, 4, 3, 5])?
        .contiguous()?
        .reshape((n, c, kernel.0 * kernel.1, out.0, out.1))
}

fn windows(x: &Tensor, g: &Geometry, value: f64) -> Result<Tensor> {
    let padded = pad(x, g.config.padding, value)?;
    unfold(&padded, g.config.kernel, g.config.stride, (1, 1), (g.oh, g.ow))
}

pub(super) fn max_pool2d(x: &Tensor, g: &Geometry) -> Result<Tensor> {
    let windows = windows(x, g, f64::NEG_INFINITY)?;
    // A NaN wins: as infinity, for the choice alone. The index of the first maximum is the least
    // index among the maxima, which holds on every device (argmax does not promise the first).
    let plain = windows.detach();
    let infinity = Tensor::full(f32::INFINITY, plain.shape(), x.device())?.to_dtype(x.dtype())?;
    let keys = plain.ne(&plain)?.where_cond(&infinity, &plain)?;
    let is_maximum = keys.broadcast_eq(&keys.max_keepdim(2)?)?;
    let taps = g.config.kernel.0 * g.config.kernel.1;
    let index = Tensor::arange(0u32, taps as u32, x.device())?
        .to_dtype(DType::F32)?
        .reshape((1, 1, taps, 1, 1))?
        .broadcast_as(plain.shape())?;
    let none = Tensor::full(taps as f32, plain.shape(), x.device())?;
    let first = is_maximum.where_cond(&index, &none)?.min_keepdim(2)?.to_dtype(DType::U32)?;
    windows.gather(&first.contiguous()?, 2)?.squeeze(2)
}

pub(super) fn avg_pool2d(x: &Tensor, g: &Geometry) -> Result<Tensor> {
    windows(x, g, 0.)?.mean_keepdim(2)?.squeeze(2)
}

pub(super) fn global_avg_pool2d(x: &Tensor) -> Result<Tensor> {
    x.flatten_from(2)?.mean_keepdim(D::Minus1)?.squeeze(2)
}
