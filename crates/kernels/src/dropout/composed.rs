//! Dropout as a product with a mask made on the CPU.

use super::Mask;
use candle_core::{Device, Result, Tensor};

pub(super) fn dropout(x: &Tensor, mask: &Mask) -> Result<Tensor> {
    let n = x.elem_count();
    let factors = (0..n.div_ceil(4) as u64).flat_map(|b| mask.counter.block(b)).take(n);
    let factors: Vec<f64> =
        factors.map(|word| if mask.drops(word) { 0. } else { mask.scale }).collect();
    let factors = Tensor::from_vec(factors, x.shape(), &Device::Cpu)?;
    x * factors.to_dtype(x.dtype())?.to_device(x.device())?
}
