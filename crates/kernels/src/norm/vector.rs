//! Normalization of `f32` in vectors: sums of a row in `f32` lanes, those of several in `f64`.

pub(super) mod batch;
pub(super) mod layer;

use crate::simd::{Simd, sum_lanes};

/// Adds up the terms of each pair of elements of two slices: `vector` gives them for whole
/// vectors, `single` for the elements that are left.
///
/// # Safety
///
/// The CPU has the features of `S`.
#[inline(always)]
unsafe fn sums<S: Simd, const N: usize>(
    a: &[f32],
    b: &[f32],
    vector: impl Fn(S::Vector, S::Vector) -> [S::Vector; N],
    single: impl Fn(f32, f32) -> [f32; N],
) -> [f32; N] {
    assert_eq!(a.len(), b.len());
    let whole = a.len() / S::LANES * S::LANES;
    // SAFETY: whole vectors within the slices.
    let mut totals = unsafe {
        // In turn, to hide the latency of the additions.
        let mut sums = [[S::splat(0.); N]; 4];
        for i in (0..whole).step_by(S::LANES) {
            let terms = vector(S::load(a.as_ptr().add(i)), S::load(b.as_ptr().add(i)));
            let [first, second, third, mut fourth] = sums;
            for (sum, term) in fourth.iter_mut().zip(terms) {
                *sum = S::add(*sum, term);
            }
            sums = [fourth, first, second, third];
        }
        let mut totals = [0.; N];
        for (n, total) in totals.iter_mut().enumerate() {
            let pairs = [S::add(sums[0][n], sums[1][n]), S::add(sums[2][n], sums[3][n])];
            *total = sum_lanes::<S>(S::add(pairs[0], pairs[1]));
        }
        totals
    };
    for (&a, &b) in a[whole..].iter().zip(&b[whole..]) {
        for (total, term) in totals.iter_mut().zip(single(a, b)) {
            *total += term;
        }
    }
    totals
}
