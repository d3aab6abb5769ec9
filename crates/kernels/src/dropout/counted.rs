//! Dropout word by word of the counter-based generator, the mask made anew in the backward pass.

use super::Mask;
use crate::element::{CHUNK, Element, dispatch, read, slice, tensor};
use crate::relay;
use crate::scratch::Output;
use crate::simd::{Isa, Kernel, Simd};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, WithDType};
use rayon::prelude::*;
use std::mem::MaybeUninit;

pub(super) fn dropout(x: &Tensor, mask: Mask, isa: Isa) -> Result<Tensor> {
    relay::apply_op1(&x.contiguous()?, Dropout { mask, isa })
}

struct Dropout {
    mask: Mask,
    isa: Isa,
}

impl Dropout {
    fn masked<T: Element>(&self, x: &[T]) -> Vec<T> {
        let mut y = Output::new(x.len());
        let chunks = y.pieces(CHUNK).zip(x.par_chunks(CHUNK)).enumerate();
        chunks.for_each(|(chunk, (y, x))| {
            self.isa.run(Chunk { mask: &self.mask, first: (chunk * CHUNK / 4) as u64, x, y });
        });
        // SAFETY: the chunks of `x` and of the output are the same.
        unsafe { y.finish() }
    }
}

/// Some elements, from the first word of block `first` on.
struct Chunk<'a, T> {
    mask: &'a Mask,
    first: u64,
    x: &'a [T],
    y: &'a mut [MaybeUninit<T>],
}

impl<T: Element> Kernel for Chunk<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let scale = T::from_f64(self.mask.scale);
        let keep = |word: u32, x: T| if self.mask.drops(word) { T::ZERO } else { x * scale };
        let mut block = self.first;
        let (x, x_rest) = self.x.as_chunks::<32>();
        let (y, y_rest) = self.y.as_chunks_mut::<32>();
        for (x, y) in x.iter().zip(y) {
            // SAFETY: the features are there by `run`'s promise.
            let words = unsafe { S::eight_blocks(&self.mask.counter, block) };
            for ((y, &x), word) in y.iter_mut().zip(x).zip(words) {
                y.write(keep(word, x));
            }
            block += 8;
        }
        for (x, y) in x_rest.chunks(4).zip(y_rest.chunks_mut(4)) {
            let words = self.mask.counter.block(block);
            for ((y, &x), word) in y.iter_mut().zip(x).zip(words) {
                y.write(keep(word, x));
            }
            block += 1;
        }
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
