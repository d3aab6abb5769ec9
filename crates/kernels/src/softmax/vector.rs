//! Softmax in vectors along the rows.

use crate::scratch::UninitVec;
use crate::simd::math::exp;
use crate::simd::{Isa, Kernel, Simd, load_some, store_some, sum_lanes};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Numbers that one task takes, in whole rows.
pub(super) const NUMBERS_PER_TASK: usize = 1 << 13;

/// What becomes of a row.
#[derive(Clone, Copy)]
pub(super) enum Function<'a> {
    Softmax,
    LogSoftmax,
    /// The gradient of softmax, from its result and that of the result.
    SoftmaxGradient(&'a [f32]),
    /// Likewise of its logarithm.
    LogSoftmaxGradient(&'a [f32]),
}

/// Rows of `k` elements of `x` (of the result, for the gradients).
pub(super) fn rows(isa: Isa, k: usize, x: &[f32], function: Function) -> Vec<f32> {
    if let Function::SoftmaxGradient(grad) | Function::LogSoftmaxGradient(grad) = function {
        assert_eq!(grad.len(), x.len());
    }
    let mut y = UninitVec::<f32>::new(x.len());
    let size = (NUMBERS_PER_TASK / k).max(1) * k;
    y.pieces(size).zip(x.par_chunks(size)).enumerate().for_each(|(i, (y, x))| {
        isa.run(Apply { k, x, first: i * size, function, y });
    });
    // SAFETY: every element of every row is written.
    unsafe { y.finish() }
}

struct Apply<'a> {
    k: usize,
    x: &'a [f32],
    /// Index of the first element in the whole tensor.
    first: usize,
    function: Function<'a>,
    /// As many elements as `x`, to be written.
    y: &'a mut [MaybeUninit<f32>],
}

impl Kernel for Apply<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let rows = self.x.chunks_exact(self.k).zip(self.y.chunks_exact_mut(self.k));
        for (i, (x, y)) in rows.enumerate() {
            let y = y.as_mut_ptr().cast();
            // SAFETY: rows of `k` elements of the input, the output and the gradient.
            unsafe {
                match self.function {
                    Function::Softmax => softmax::<S>(x, y, false),
                    Function::LogSoftmax => softmax::<S>(x, y, true),
                    Function::SoftmaxGradient(grad) => {
                        let grad = &grad[self.first + i * self.k..][..self.k];
                        let mean =
                            fold::<S>(x, |sum, p, at| S::fma(p, grad_at::<S>(grad, at), sum));
                        let mean = S::splat(mean);
                        each::<S>((x.as_ptr(), x.len()), y, |p, at| {
                            S::mul(p, S::sub(grad_at::<S>(grad, at), mean))
                        });
                    }
                    Function::LogSoftmaxGradient(grad) => {
                        let grad = &grad[self.first + i * self.k..][..self.k];
                        let sum = S::splat(fold::<S>(grad, |sum, g, _| S::add(sum, g)));
                        each::<S>((x.as_ptr(), x.len()), y, |log, at| {
                            S::sub(grad_at::<S>(grad, at), S::mul(exp::<S>(log), sum))
                        });
                    }
                }
            }
        }
    }
}

/// Elements `at` to the end of the vector or row.
type At = (usize, usize);

#[inline(always)]
unsafe fn grad_at<S: Simd>(x: &[f32], (i, count): At) -> S::Vector {
    // SAFETY: the caller's elements.
    unsafe { load_some::<S>(x.as_ptr().add(i), count) }
}

/// Adds up what `f` makes of each vector; beyond the row's end it sees zeros and has to keep the
/// sum.
#[inline(always)]
unsafe fn fold<S: Simd>(x: &[f32], f: impl Fn(S::Vector, S::Vector, At) -> S::Vector) -> f32 {
    // SAFETY: elements of the row.
    unsafe {
        let mut sum = S::splat(0.);
        for i in (0..x.len()).step_by(S::LANES) {
            let at = (i, (x.len() - i).min(S::LANES));
            sum = f(sum, grad_at::<S>(x, at), at);
        }
        sum_lanes::<S>(sum)
    }
}

#[inline(always)]
unsafe fn each<S: Simd>(
    (x, len): (*const f32, usize),
    y: *mut f32,
    f: impl Fn(S::Vector, At) -> S::Vector,
) {
    // SAFETY: elements of the row, and of the output's row of the same length, which may be the same row.
    unsafe {
        for i in (0..len).step_by(S::LANES) {
            let at = (i, (len - i).min(S::LANES));
            let v = f(load_some::<S>(x.add(i), at.1), at);
            store_some::<S>(y.add(i), v, at.1);
        }
    }
}

#[inline(always)]
unsafe fn softmax<S: Simd>(x: &[f32], y: *mut f32, log: bool) {
    // SAFETY: the caller's promise: `y` is writable for the length of `x`; a vector has at most sixteen lanes.
    unsafe {
        // A NaN is left out of the maximum, but not of the sum.
        let max = x.iter().fold(f32::NEG_INFINITY, |max, &x| if x > max { x } else { max });
        let shift = S::splat(max);
        let whole = x.len() / S::LANES * S::LANES;
        let mut sum = S::splat(0.);
        for i in (0..whole).step_by(S::LANES) {
            let v = exp::<S>(S::sub(S::load(x.as_ptr().add(i)), shift));
            sum = S::add(sum, v);
            S::store(y.add(i), v);
        }
        let mut total = sum_lanes::<S>(sum);
        if whole < x.len() {
            let rest = x.len() - whole;
            let v = exp::<S>(S::sub(S::load_partial(x.as_ptr().add(whole), rest), shift));
            S::store_partial(y.add(whole), v, rest);
            let mut lanes = [0f32; 16];
            S::store(lanes.as_mut_ptr(), v);
            total += lanes[..rest].iter().sum::<f32>();
        }
        if log {
            let shift = S::splat(max + total.ln());
            each::<S>((x.as_ptr(), x.len()), y, |x, _| S::sub(x, shift));
        } else {
            let scale = S::splat(1. / total);
            each::<S>((y.cast_const(), x.len()), y, |e, _| S::mul(e, scale));
        }
    }
}
