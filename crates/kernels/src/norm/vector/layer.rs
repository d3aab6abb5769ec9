//! Layer normalization, a row at a time.

use super::sums;
use crate::scratch::{Output, Scratch, take};
use crate::simd::{Isa, Kernel, Simd};
use rayon::prelude::*;

/// Rows that one task takes; their gradients of gamma and beta are added up by it, and those of
/// the tasks in order.
const ROWS: usize = 64;

pub(in crate::norm) fn forward(
    isa: Isa,
    x: &[f32],
    gamma: &[f32],
    beta: &[f32],
    eps: f64,
) -> Vec<f32> {
    let k = gamma.len();
    assert!(beta.len() == k && x.len().is_multiple_of(k));
    let mut y = Output::<f32>::new(x.len());
    y.pieces(ROWS * k).zip(x.par_chunks(ROWS * k)).for_each(|(y, x)| {
        isa.run(Forward { x, gamma, beta, eps: eps as f32, y: y.as_mut_ptr().cast() });
    });
    // SAFETY: every element of every row is written.
    unsafe { y.finish() }
}

struct Forward<'a> {
    x: &'a [f32],
    gamma: &'a [f32],
    beta: &'a [f32],
    eps: f32,
    /// As many elements as `x`, to be written.
    y: *mut f32,
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let k = self.gamma.len();
        for (row, x) in self.x.chunks_exact(k).enumerate() {
            // SAFETY: the output has the length of `x`; gamma and beta that of a row.
            unsafe {
                let (mean, inverse) = statistics::<S>(x, self.eps);
                let y = self.y.add(row * k);
                let (m, scale) = (S::splat(mean), S::splat(inverse));
                for i in (0..k).step_by(S::LANES) {
                    let (gamma, beta) = (at::<S>(self.gamma, i), at::<S>(self.beta, i));
                    let normalized = S::mul(S::sub(at::<S>(x, i), m), scale);
                    put::<S>(y.add(i), k - i, S::fma(normalized, gamma, beta));
                }
            }
        }
    }
}

/// The vector from element `i` on, zeros beyond the end.
#[inline(always)]
unsafe fn at<S: Simd>(x: &[f32], i: usize) -> S::Vector {
    // SAFETY: elements of the slice.
    unsafe {
        match x.len() - i {
            rest if rest < S::LANES => S::load_first(x.as_ptr().add(i), rest),
            _ => S::load(x.as_ptr().add(i)),
        }
    }
}

/// Stores a vector, or its first `rest` elements.
#[inline(always)]
unsafe fn put<S: Simd>(to: *mut f32, rest: usize, v: S::Vector) {
    // SAFETY: the caller has that many elements.
    unsafe {
        match rest < S::LANES {
            true => S::store_first(to, v, rest),
            false => S::store(to, v),
        }
    }
}

/// Mean and 1 / standard deviation of a row.
#[inline(always)]
unsafe fn statistics<S: Simd>(x: &[f32], eps: f32) -> (f32, f32) {
    let count = x.len() as f32;
    // SAFETY: arithmetic on registers; the caller has the features of `S`.
    unsafe {
        let [sum] = sums::<S, 1>(x, x, |x, _| [x], |x, _| [x]);
        let mean = sum / count;
        let m = S::splat(mean);
        let square = |x| {
            let centered = S::sub(x, m);
            [S::mul(centered, centered)]
        };
        let [squares] = sums::<S, 1>(x, x, |x, _| square(x), |x, _| [(x - mean) * (x - mean)]);
        (mean, (squares / count + eps).sqrt().recip())
    }
}

/// The gradients of x, gamma and beta.
pub(in crate::norm) fn backward(
    isa: Isa,
    x: &[f32],
    gamma: &[f32],
    grad: &[f32],
    eps: f64,
) -> [Vec<f32>; 3] {
    let k = gamma.len();
    assert!(grad.len() == x.len() && x.len().is_multiple_of(k));
    let mut dx = Output::<f32>::new(x.len());
    let inputs = x.par_chunks(ROWS * k).zip(grad.par_chunks(ROWS * k));
    let partials: Vec<Scratch> = dx
        .pieces(ROWS * k)
        .zip(inputs)
        .map(|(dx, (x, grad))| {
            let mut sums = take(2 * k);
            sums.fill(0.);
            let dx = dx.as_mut_ptr().cast();
            isa.run(Backward { x, gamma, grad, eps: eps as f32, dx, sums: &mut sums });
            sums
        })
        .collect();
    let mut sums = vec![0f64; 2 * k];
    for partial in &partials {
        for (sum, &v) in sums.iter_mut().zip(partial.iter()) {
            *sum += f64::from(v);
        }
    }
    let cast = |sums: &[f64]| sums.iter().map(|&s| s as f32).collect();
    // SAFETY: every element of every row is written.
    let dx = unsafe { dx.finish() };
    [dx, cast(&sums[..k]), cast(&sums[k..])]
}

struct Backward<'a> {
    x: &'a [f32],
    gamma: &'a [f32],
    grad: &'a [f32],
    eps: f32,
    /// As many elements as `x`, to be written.
    dx: *mut f32,
    /// The gradients of gamma, then of beta, to be added to.
    sums: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let k = self.gamma.len();
        let (d_gamma, d_beta) = self.sums.split_at_mut(k);
        for (row, (x, grad)) in self.x.chunks_exact(k).zip(self.grad.chunks_exact(k)).enumerate() {
            // SAFETY: all slices have the length of a row, and `dx` that of `x`.
            unsafe {
                let (mean, inverse) = statistics::<S>(x, self.eps);
                let (m, scale) = (S::splat(mean), S::splat(inverse));
                let (mut sum, mut product) = (S::splat(0.), S::splat(0.));
                for i in (0..k).step_by(S::LANES) {
                    let g = at::<S>(grad, i);
                    let normalized = S::mul(S::sub(at::<S>(x, i), m), scale);
                    let scaled = S::mul(g, at::<S>(self.gamma, i));
                    sum = S::add(sum, scaled);
                    product = S::fma(scaled, normalized, product);
                    let (gamma, beta) = (at::<S>(d_gamma, i), at::<S>(d_beta, i));
                    put::<S>(d_gamma.as_mut_ptr().add(i), k - i, S::fma(g, normalized, gamma));
                    put::<S>(d_beta.as_mut_ptr().add(i), k - i, S::add(g, beta));
                }
                let count = k as f32;
                let sum = S::splat(crate::simd::sum_lanes::<S>(sum) / count);
                let product = S::splat(crate::simd::sum_lanes::<S>(product) / count);
                let dx = self.dx.add(row * k);
                for i in (0..k).step_by(S::LANES) {
                    let normalized = S::mul(S::sub(at::<S>(x, i), m), scale);
                    let scaled = S::mul(at::<S>(grad, i), at::<S>(self.gamma, i));
                    let bend = S::mul(normalized, product);
                    put::<S>(dx.add(i), k - i, S::mul(scale, S::sub(S::sub(scaled, sum), bend)));
                }
            }
        }
    }
}
