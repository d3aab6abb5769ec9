//! GELU in vectors.

use super::naive::Activation;
use crate::element::CHUNK;
use crate::scratch::Output;
use crate::simd::math::{logistic, normal_cdf};
use crate::simd::{Isa, Kernel, Simd};
use rayon::prelude::*;
use std::f32::consts::FRAC_2_PI;

/// The activation of each element, or with `grad` its derivative times the gradient.
pub(super) fn apply(isa: Isa, activation: Activation, x: &[f32], grad: Option<&[f32]>) -> Vec<f32> {
    assert!(grad.is_none_or(|grad| grad.len() == x.len()));
    let mut y = Output::<f32>::new(x.len());
    y.pieces(CHUNK).zip(x.par_chunks(CHUNK)).enumerate().for_each(|(i, (y, x))| {
        let grad = grad.map(|grad| &grad[i * CHUNK..][..x.len()]);
        isa.run(Chunk { activation, x, grad, y: y.as_mut_ptr().cast() });
    });
    // SAFETY: the chunks of `x` and of the output are the same.
    unsafe { y.finish() }
}

struct Chunk<'a> {
    activation: Activation,
    x: &'a [f32],
    grad: Option<&'a [f32]>,
    /// As many elements as `x`, to be written.
    y: *mut f32,
}

impl Kernel for Chunk<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for i in (0..self.x.len()).step_by(S::LANES) {
            let rest = self.x.len() - i;
            // SAFETY: `apply` gave slices of one length; the last elements are taken in part.
            unsafe {
                let load = |from: *const f32| match rest < S::LANES {
                    true => S::load_first(from.add(i), rest),
                    false => S::load(from.add(i)),
                };
                let x = load(self.x.as_ptr());
                let y = match self.grad {
                    None => value::<S>(self.activation, x),
                    Some(grad) => S::mul(slope::<S>(self.activation, x), load(grad.as_ptr())),
                };
                match rest < S::LANES {
                    true => S::store_first(self.y.add(i), y, rest),
                    false => S::store(self.y.add(i), y),
                }
            }
        }
    }
}

#[inline(always)]
unsafe fn value<S: Simd>(activation: Activation, x: S::Vector) -> S::Vector {
    // SAFETY: arithmetic on registers; the caller has the features of `S`.
    unsafe {
        match activation {
            Activation::Relu => S::relu(x),
            Activation::Gelu => S::mul(x, normal_cdf::<S>(x).0),
            // (1 + tanh(u)) / 2 is the logistic function of 2 u.
            Activation::GeluTanh => S::mul(x, logistic::<S>(twice_inner::<S>(x)).0),
        }
    }
}

#[inline(always)]
unsafe fn slope<S: Simd>(activation: Activation, x: S::Vector) -> S::Vector {
    // SAFETY: as above.
    unsafe {
        let one = S::splat(1.);
        match activation {
            Activation::Relu => S::where_positive(x, one),
            Activation::Gelu => {
                let (cdf, bell) = normal_cdf::<S>(x);
                S::fma(S::mul(x, S::splat(0.398_942_3)), bell, cdf)
            }
            Activation::GeluTanh => {
                let (s, bend) = logistic::<S>(twice_inner::<S>(x));
                let square = S::fma(S::splat(3. * 0.044_715), S::mul(x, x), one);
                let inner_slope = S::mul(S::splat(2. * FRAC_2_PI.sqrt()), square);
                S::fma(S::mul(x, bend), inner_slope, s)
            }
        }
    }
}

/// Twice what the tanh approximation of GELU takes the hyperbolic tangent of.
#[inline(always)]
unsafe fn twice_inner<S: Simd>(x: S::Vector) -> S::Vector {
    // SAFETY: as above.
    unsafe {
        let cubic = S::fma(S::splat(0.044_715), S::mul(x, x), S::splat(1.));
        S::mul(S::mul(S::splat(2. * FRAC_2_PI.sqrt()), x), cubic)
    }
}
