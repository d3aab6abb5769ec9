//! Dropout word by word of the counter-based generator.

use super::mask::Mask;
use crate::element::{CHUNK, Element};
use crate::scratch::UninitVec;
use crate::simd::{Isa, Kernel, Simd};
use rayon::prelude::*;
use std::mem::MaybeUninit;

pub(super) fn masked<T: Element>(isa: Isa, mask: &Mask, x: &[T]) -> Vec<T> {
    let mut y = UninitVec::new(x.len());
    let chunks = y.pieces(CHUNK).zip(x.par_chunks(CHUNK)).enumerate();
    chunks.for_each(|(chunk, (y, x))| {
        isa.run(Chunk { mask, first: (chunk * CHUNK / 4) as u64, x, y });
    });
    // SAFETY: the chunks of `x` and of the output are the same.
    unsafe { y.finish() }
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
            let words = unsafe { S::philox8(&self.mask.counter, block) };
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
