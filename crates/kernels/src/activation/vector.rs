//! GELU in vectors.

use super::naive::Activation;
use crate::element::CHUNK;
use crate::scratch::Output;
use crate::simd::math::{gelu_slope, logistic, normal_cdf};
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
        // SAFETY: `apply` gave slices of one length. One loop for each activation.
        unsafe {
            match self.activation {
                Activation::Relu => self.each::<S>(Activation::Relu),
                Activation::Gelu => self.each::<S>(Activation::Gelu),
                Activation::GeluTanh => self.each::<S>(Activation::GeluTanh),
            }
        }
    }
}

impl Chunk<'_> {
    #[inline(always)]
    unsafe fn each<S: Simd>(&self, activation: Activation) {
        let len = self.x.len();
        let whole = len / S::LANES * S::LANES;
        // SAFETY: whole vectors of the slices, then their last elements.
        unsafe {
            let x = self.x.as_ptr();
            match self.grad {
                None => {
                    for i in (0..whole).step_by(S::LANES) {
                        S::store(self.y.add(i), value::<S>(activation, S::load(x.add(i))));
                    }
                }
                Some(grad) => {
                    for i in (0..whole).step_by(S::LANES) {
                        let slope = slope::<S>(activation, S::load(x.add(i)));
                        S::store(self.y.add(i), S::mul(slope, S::load(grad.as_ptr().add(i))));
                    }
                }
            }
            if whole < len {
                let rest = len - whole;
                let x = S::load_first(x.add(whole), rest);
                let y = match self.grad {
                    None => value::<S>(activation, x),
                    Some(grad) => {
                        let grad = S::load_first(grad.as_ptr().add(whole), rest);
                        S::mul(slope::<S>(activation, x), grad)
                    }
                };
                S::store_first(self.y.add(whole), y, rest);
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
            Activation::Gelu => S::mul(x, normal_cdf::<S>(x)),
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
            Activation::Gelu => gelu_slope::<S>(x),
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
