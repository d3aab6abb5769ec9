//! Dropout as a product with a mask made on the CPU: a byte an element goes to the device.

use super::mask::Mask;
use crate::element::CHUNK;
use candle_core::{Device, Result, Tensor};
use rayon::prelude::*;

pub(super) fn dropout(x: &Tensor, mask: &Mask) -> Result<Tensor> {
    let mut kept = vec![0u8; x.elem_count()];
    kept.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, kept)| {
        for (block, kept) in ((chunk * CHUNK / 4) as u64..).zip(kept.chunks_mut(4)) {
            for (kept, word) in kept.iter_mut().zip(mask.counter.block(block)) {
                *kept = u8::from(!mask.drops(word));
            }
        }
    });
    let kept = Tensor::from_vec(kept, x.shape(), &Device::Cpu)?.to_device(x.device())?;
    x * kept.to_dtype(x.dtype())?.affine(mask.scale, 0.)?
}
