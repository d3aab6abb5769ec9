//! Pooling from candle's own operations: windows gathered by index, then reduced.

use super::geometry::Geometry;
use crate::window::{pad, unfold};
use candle_core::{D, DType, Result, Tensor};

fn windows(x: &Tensor, g: &Geometry, value: f64) -> Result<Tensor> {
    let padded = pad(x, g.config.padding, g.config.padding, value)?;
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
