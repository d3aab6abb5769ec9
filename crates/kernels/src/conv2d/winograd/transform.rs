//! The one-dimensional transforms of F(4, 3) at the points 0, 1, -1, 2, -2 and infinity.
//!
//! Source: A. Lavin, S. Gray, "Fast algorithms for convolutional neural networks", 2015,
//! <https://arxiv.org/abs/1509.09308>. In its terms `y = Aᵀ [(G w Gᵀ) ⊙ (Bᵀ d B)] A`; the two
//! gradients use the transposes of the same matrices.

use crate::simd::Simd;

/// `Bᵀ d`: six pixels to six points.
#[inline(always)]
pub(super) unsafe fn input<S: Simd>(d: [S::Vector; 6]) -> [S::Vector; 6] {
    // SAFETY: arithmetic on registers; the caller has the features of `S`.
    unsafe {
        let (two, four) = (S::splat(2.), S::splat(4.));
        let (minus_four, minus_five) = (S::splat(-4.), S::splat(-5.));
        let even = S::fma(minus_four, d[2], d[4]);
        let odd = S::fma(minus_four, d[1], d[3]);
        let even2 = S::sub(d[4], d[2]);
        let odd2 = S::mul(two, S::sub(d[3], d[1]));
        [
            S::fma(four, d[0], S::fma(minus_five, d[2], d[4])),
            S::add(even, odd),
            S::sub(even, odd),
            S::add(even2, odd2),
            S::sub(even2, odd2),
            S::fma(four, d[1], S::fma(minus_five, d[3], d[5])),
        ]
    }
}

/// `Aᵀ m`: six points to four pixels.
#[inline(always)]
pub(super) unsafe fn output<S: Simd>(m: [S::Vector; 6]) -> [S::Vector; 4] {
    // SAFETY: arithmetic on registers; the caller has the features of `S`.
    unsafe {
        let (sum, difference) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
        let (sum2, difference2) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
        [
            S::add(m[0], S::add(sum, sum2)),
            S::fma(S::splat(2.), difference2, difference),
            S::fma(S::splat(4.), sum2, sum),
            S::fma(S::splat(8.), difference2, S::add(difference, m[5])),
        ]
    }
}

/// `A g`: the gradient of four pixels to that of six points.
#[inline(always)]
pub(super) unsafe fn output_transposed<S: Simd>(g: [S::Vector; 4]) -> [S::Vector; 6] {
    // SAFETY: arithmetic on registers; the caller has the features of `S`.
    unsafe {
        let four = S::splat(4.);
        let (even, odd) = (S::add(g[0], g[2]), S::add(g[1], g[3]));
        let even2 = S::fma(four, g[2], g[0]);
        let odd2 = S::mul(S::splat(2.), S::fma(four, g[3], g[1]));
        [g[0], S::add(even, odd), S::sub(even, odd), S::add(even2, odd2), S::sub(even2, odd2), g[3]]
    }
}

/// `B v`: the gradient of six points to that of six pixels.
#[inline(always)]
pub(super) unsafe fn input_transposed<S: Simd>(v: [S::Vector; 6]) -> [S::Vector; 6] {
    // SAFETY: arithmetic on registers; the caller has the features of `S`.
    unsafe {
        let (two, four, minus_five) = (S::splat(2.), S::splat(4.), S::splat(-5.));
        let (sum, difference) = (S::add(v[1], v[2]), S::sub(v[1], v[2]));
        let sum2 = S::add(v[3], v[4]);
        let difference2 = S::mul(two, S::sub(v[3], v[4]));
        [
            S::mul(four, v[0]),
            S::sub(S::mul(four, S::sub(v[5], difference)), difference2),
            S::sub(S::fma(minus_five, v[0], S::mul(S::splat(-4.), sum)), sum2),
            S::fma(minus_five, v[5], S::add(difference, difference2)),
            S::add(v[0], S::add(sum, sum2)),
            v[5],
        ]
    }
}

/// `G w`: three taps to six points.
#[inline(always)]
pub(super) unsafe fn filter<S: Simd>(w: [S::Vector; 3]) -> [S::Vector; 6] {
    // SAFETY: arithmetic on registers; the caller has the features of `S`.
    unsafe {
        let sixth = S::splat(1. / 6.);
        let even = S::mul(S::splat(-1. / 6.), S::add(w[0], w[2]));
        let odd = S::mul(sixth, w[1]);
        let even2 = S::fma(S::splat(1. / 24.), w[0], S::mul(sixth, w[2]));
        let odd2 = S::mul(S::splat(1. / 12.), w[1]);
        [
            S::mul(S::splat(0.25), w[0]),
            S::sub(even, odd),
            S::add(even, odd),
            S::add(even2, odd2),
            S::sub(even2, odd2),
            w[2],
        ]
    }
}

/// `Gᵀ u`: the gradient of six points to that of three taps.
#[inline(always)]
pub(super) unsafe fn filter_transposed<S: Simd>(u: [S::Vector; 6]) -> [S::Vector; 3] {
    // SAFETY: arithmetic on registers; the caller has the features of `S`.
    unsafe {
        let minus_sixth = S::splat(-1. / 6.);
        let (sum, difference) = (S::add(u[1], u[2]), S::sub(u[2], u[1]));
        let (sum2, difference2) = (S::add(u[3], u[4]), S::sub(u[3], u[4]));
        let sum = S::mul(minus_sixth, sum);
        [
            S::fma(S::splat(0.25), u[0], S::fma(S::splat(1. / 24.), sum2, sum)),
            S::fma(S::splat(1. / 6.), difference, S::mul(S::splat(1. / 12.), difference2)),
            S::add(u[5], S::fma(S::splat(1. / 6.), sum2, sum)),
        ]
    }
}
