//! Dropout in blocks of four elements, the mask made anew in the backward pass.

use super::Mask;
use crate::element::{CHUNK, Element, dispatch, read, slice, tensor};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, WithDType};
use rayon::prelude::*;

pub(super) fn dropout(x: &Tensor, mask: Mask) -> Result<Tensor> {
    x.contiguous()?.apply_op1(Dropout { mask })
}

struct Dropout {
    mask: Mask,
}

impl Dropout {
    fn masked<T: Element>(&self, x: &[T]) -> Vec<T> {
        let mut y = vec![T::ZERO; x.len()];
        let chunks = y.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).enumerate();
        chunks.for_each(|(chunk, (y, x))| {
            let first = chunk * CHUNK / 4;
            for (block, (y, x)) in y.chunks_mut(4).zip(x.chunks(4)).enumerate() {
                let factors = self.mask.block((first + block) as u64);
                for ((y, &x), factor) in y.iter_mut().zip(x).zip(factors) {
                    *y = x * T::from_f64(factor);
                }
            }
        });
        y
    }
}

impl CustomOp1 for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        dispatch!(storage.dtype(), self.name(), T => {
            let y = self.masked(slice::<T>(storage, layout)?);
            Ok((T::to_cpu_storage_owned(y), layout.shape().clone()))
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        dispatch!(x.dtype(), self.name(), T => {
            Ok(Some(tensor(read::<T, _>(grad, |g| Ok(self.masked(g)))?, x)?))
        })
    }
}
