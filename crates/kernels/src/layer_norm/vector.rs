//! Layer normalization, a row at a time.

use crate::scratch::{self, Scratch, UninitVec};
use crate::simd::{Isa, Kernel, Simd, sum_lanes};
use rayon::prelude::*;
use std::mem::MaybeUninit;

/// Rows of `k` that one task takes; their gradients of gamma and beta are added up by it, and those
/// of the tasks in order.
pub(super) fn rows(k: usize) -> usize {
    ((1 << 14) / k).clamp(16, 512)
}

pub(super) fn forward(isa: Isa, x: &[f32], gamma: &[f32], beta: &[f32], eps: f64) -> Vec<f32> {
    let k = gamma.len();
    assert!(beta.len() == k && x.len().is_multiple_of(k));
    let mut y = UninitVec::<f32>::new(x.len());
    let size = rows(k) * k;
    y.pieces(size).zip(x.par_chunks(size)).for_each(|(y, x)| {
        isa.run(Forward { x, gamma, beta, eps: eps as f32, y });
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
    y: &'a mut [MaybeUninit<f32>],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let k = self.gamma.len();
        assert_eq!(self.beta.len(), k);
        for (x, y) in self.x.chunks_exact(k).zip(self.y.chunks_exact_mut(k)) {
            let y = y.as_mut_ptr().cast();
            // SAFETY: rows of input and output, of the length of gamma and beta.
            unsafe {
                let (mean, inverse) = statistics::<S>(x, self.eps);
                let (m, scale) = (S::splat(mean), S::splat(inverse));
                let row = Row::<S> { x: x.as_ptr(), mean: m, scale, k };
                let mut j = 0;
                while j + S::LANES <= k {
                    row.forward::<false>(j, self.gamma, self.beta, y);
                    j += S::LANES;
                }
                if j < k {
                    row.forward::<true>(j, self.gamma, self.beta, y);
                }
            }
        }
    }
}

/// A row, and what normalizes it.
struct Row<S: Simd> {
    x: *const f32,
    mean: S::Vector,
    scale: S::Vector,
    k: usize,
}

impl<S: Simd> Row<S> {
    /// The vector from element `i` on, or with `PART` the elements that are left, zeros above them.
    #[inline(always)]
    unsafe fn load<const PART: bool>(&self, from: *const f32, i: usize) -> S::Vector {
        // SAFETY: the caller has a row there.
        unsafe {
            match PART {
                true => S::load_partial(from.add(i), self.k - i),
                false => S::load(from.add(i)),
            }
        }
    }

    #[inline(always)]
    unsafe fn store<const PART: bool>(&self, to: *mut f32, i: usize, v: S::Vector) {
        // SAFETY: as above.
        unsafe {
            match PART {
                true => S::store_partial(to.add(i), v, self.k - i),
                false => S::store(to.add(i), v),
            }
        }
    }

    #[inline(always)]
    unsafe fn normalized<const PART: bool>(&self, i: usize) -> S::Vector {
        // SAFETY: elements of the row.
        unsafe { S::mul(S::sub(self.load::<PART>(self.x, i), self.mean), self.scale) }
    }

    #[inline(always)]
    unsafe fn forward<const PART: bool>(&self, i: usize, gamma: &[f32], beta: &[f32], y: *mut f32) {
        // SAFETY: gamma, beta and `y` have the length of the row.
        unsafe {
            let (gamma, beta) = (gamma.as_ptr(), beta.as_ptr());
            let (gamma, beta) = (self.load::<PART>(gamma, i), self.load::<PART>(beta, i));
            self.store::<PART>(y, i, S::fma(self.normalized::<PART>(i), gamma, beta));
        }
    }

    /// With `WEIGHTS` adds to the gradients of gamma and beta; gives back `sums` with the terms of
    /// the two sums added that the gradient of `x` needs.
    #[inline(always)]
    unsafe fn add<const PART: bool, const WEIGHTS: bool>(
        &self,
        i: usize,
        (grad, gamma): (*const f32, *const f32),
        (d_gamma, d_beta): (*mut f32, *mut f32),
        sums: [S::Vector; 2],
    ) -> [S::Vector; 2] {
        // SAFETY: all have the length of the row.
        unsafe {
            let (g, normalized) = (self.load::<PART>(grad, i), self.normalized::<PART>(i));
            let scaled = S::mul(g, self.load::<PART>(gamma, i));
            if WEIGHTS {
                let d = S::fma(g, normalized, self.load::<PART>(d_gamma, i));
                self.store::<PART>(d_gamma, i, d);
                self.store::<PART>(d_beta, i, S::add(g, self.load::<PART>(d_beta, i)));
            }
            [S::add(sums[0], scaled), S::fma(scaled, normalized, sums[1])]
        }
    }

    /// The gradient of `x`, from the means of the two sums.
    #[inline(always)]
    unsafe fn backward<const PART: bool>(
        &self,
        i: usize,
        (grad, gamma): (*const f32, *const f32),
        [sum, product]: [S::Vector; 2],
        dx: *mut f32,
    ) {
        // SAFETY: all have the length of the row.
        unsafe {
            let scaled = S::mul(self.load::<PART>(grad, i), self.load::<PART>(gamma, i));
            let bend = S::mul(self.normalized::<PART>(i), product);
            let centered = S::sub(S::sub(scaled, sum), bend);
            self.store::<PART>(dx, i, S::mul(self.scale, centered));
        }
    }
}

/// Mean and 1 / standard deviation of a row.
#[inline(always)]
unsafe fn statistics<S: Simd>(x: &[f32], eps: f32) -> (f32, f32) {
    let count = x.len() as f32;
    // SAFETY: arithmetic on registers; the caller has the features of `S`.
    unsafe {
        let mean = sum::<S, false>(x, S::splat(0.)) / count;
        let squares = sum::<S, true>(x, S::splat(mean));
        (mean, (squares / count + eps).sqrt().recip())
    }
}

/// The sum of the elements' distances from the center, or with `SQUARED` of their squares.
///
/// # Safety
///
/// The CPU has the features of `S`.
#[inline(always)]
unsafe fn sum<S: Simd, const SQUARED: bool>(x: &[f32], center: S::Vector) -> f32 {
    let (whole, from) = (x.len() / S::LANES * S::LANES, x.as_ptr());
    // SAFETY: whole vectors within the slice, and the elements that are left.
    unsafe {
        // In turn, to hide the latency of the additions.
        let mut sums = [S::splat(0.); 4];
        let add = |sum, distance| match SQUARED {
            true => S::fma(distance, distance, sum),
            false => S::add(sum, distance),
        };
        for i in (0..whole).step_by(S::LANES) {
            let distance = S::sub(S::load(from.add(i)), center);
            sums = [add(sums[3], distance), sums[0], sums[1], sums[2]];
        }
        let rest = x.len() - whole;
        if rest > 0 {
            // The center of nothing is zero.
            let center = S::mul(center, S::load_partial([1f32; 16].as_ptr(), rest));
            sums[3] = add(sums[3], S::sub(S::load_partial(from.add(whole), rest), center));
        }
        sum_lanes::<S>(S::add(S::add(sums[0], sums[1]), S::add(sums[2], sums[3])))
    }
}

/// The gradients of x, gamma and beta that are wanted.
pub(super) fn backward(
    isa: Isa,
    [x, gamma, grad]: [&[f32]; 3],
    eps: f64,
    [want_x, want_gamma, want_beta]: [bool; 3],
) -> [Option<Vec<f32>>; 3] {
    let k = gamma.len();
    assert!(grad.len() == x.len() && x.len().is_multiple_of(k));
    let want_weights = want_gamma || want_beta;
    let mut dx = want_x.then(|| UninitVec::<f32>::new(x.len()));
    let to = dx.as_mut().map(UninitVec::send_ptr);
    let size = rows(k) * k;
    let tasks = x.par_chunks(size).zip(grad.par_chunks(size)).enumerate();
    let partials: Vec<Option<Scratch>> = tasks
        .map(|(task, (x, grad))| {
            let mut partial = want_weights.then(|| scratch::buffer(2 * k));
            let sums = partial.as_deref_mut().unwrap_or_default();
            sums.fill(0.);
            let dx = to.map(|to| to.offset(task * size).pointer());
            isa.run(Backward { x, gamma, grad, eps: eps as f32, dx, sums });
            partial
        })
        .collect();
    let mut sums = vec![0f64; if want_weights { 2 * k } else { 0 }];
    for partial in partials.iter().flatten() {
        for (sum, &v) in sums.iter_mut().zip(partial.iter()) {
            *sum += f64::from(v);
        }
    }
    let cast = |sums: &[f64]| sums.iter().map(|&s| s as f32).collect();
    [
        // SAFETY: every element of every row is written.
        dx.map(|dx| unsafe { dx.finish() }),
        want_gamma.then(|| cast(&sums[..k])),
        want_beta.then(|| cast(&sums[k..])),
    ]
}

struct Backward<'a> {
    x: &'a [f32],
    gamma: &'a [f32],
    grad: &'a [f32],
    eps: f32,
    /// As many elements as `x`, to be written, if wanted.
    dx: Option<*mut f32>,
    /// The gradients of gamma, then of beta, to be added to; empty if they are not wanted.
    sums: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the features are there by `run`'s promise.
        unsafe {
            match self.sums.is_empty() {
                true => self.rows::<S, false>(),
                false => self.rows::<S, true>(),
            }
        }
    }
}

impl Backward<'_> {
    #[inline(always)]
    unsafe fn rows<S: Simd, const WEIGHTS: bool>(self) {
        let k = self.gamma.len();
        assert!(!WEIGHTS || self.sums.len() == 2 * k);
        let (d_gamma, d_beta) = self.sums.split_at_mut(if WEIGHTS { k } else { 0 });
        for (i, (x, grad)) in self.x.chunks_exact(k).zip(self.grad.chunks_exact(k)).enumerate() {
            // SAFETY: all slices have the length of a row, and `dx` that of `x`.
            unsafe {
                let (mean, inverse) = statistics::<S>(x, self.eps);
                let (m, scale) = (S::splat(mean), S::splat(inverse));
                let row = Row::<S> { x: x.as_ptr(), mean: m, scale, k };
                let inputs = (grad.as_ptr(), self.gamma.as_ptr());
                let gradients = (d_gamma.as_mut_ptr(), d_beta.as_mut_ptr());
                let whole = k / S::LANES * S::LANES;
                let mut sums = [S::splat(0.); 2];
                for j in (0..whole).step_by(S::LANES) {
                    sums = row.add::<false, WEIGHTS>(j, inputs, gradients, sums);
                }
                if whole < k {
                    sums = row.add::<true, WEIGHTS>(whole, inputs, gradients, sums);
                }
                let Some(dx) = self.dx else { continue };
                let count = k as f32;
                let means = [
                    S::splat(sum_lanes::<S>(sums[0]) / count),
                    S::splat(sum_lanes::<S>(sums[1]) / count),
                ];
                let dx = dx.add(i * k);
                for j in (0..whole).step_by(S::LANES) {
                    row.backward::<false>(j, inputs, means, dx);
                }
                if whole < k {
                    row.backward::<true>(whole, inputs, means, dx);
                }
            }
        }
    }
}
