//! Activations in vectors.

use super::function::Function;
use crate::element::CHUNK;
use crate::scratch::UninitVec;
use crate::simd::math::{gelu_slope, logistic, normal_cdf};
use crate::simd::{Isa, Kernel, Simd};
use rayon::prelude::*;
use std::f32::consts::FRAC_2_PI;
use std::mem::MaybeUninit;

/// The function of each element, or with `grad` its derivative times the gradient.
pub(super) fn apply(isa: Isa, function: Function, x: &[f32], grad: Option<&[f32]>) -> Vec<f32> {
    assert!(grad.is_none_or(|grad| grad.len() == x.len()));
    let mut y = UninitVec::<f32>::new(x.len());
    y.pieces(CHUNK).zip(x.par_chunks(CHUNK)).enumerate().for_each(|(i, (y, x))| {
        let grad = grad.map(|grad| &grad[i * CHUNK..][..x.len()]);
        isa.run(Chunk { function, x, grad, y });
    });
    // SAFETY: the chunks of `x` and of the output are the same.
    unsafe { y.finish() }
}

struct Chunk<'a> {
    function: Function,
    x: &'a [f32],
    grad: Option<&'a [f32]>,
    /// As many elements as `x`, to be written.
    y: &'a mut [MaybeUninit<f32>],
}

impl Kernel for Chunk<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // One loop for each activation. SAFETY: the features are there by `run`'s promise.
        unsafe {
            match self.function {
                Function::Relu => self.each::<S>(Function::Relu),
                Function::Gelu => self.each::<S>(Function::Gelu),
                Function::GeluTanh => self.each::<S>(Function::GeluTanh),
                Function::Relu6 => self.each::<S>(Function::Relu6),
                Function::Sigmoid => self.each::<S>(Function::Sigmoid),
                Function::Silu => self.each::<S>(Function::Silu),
                Function::HardSigmoid => self.each::<S>(Function::HardSigmoid),
                Function::HardSwish => self.each::<S>(Function::HardSwish),
            }
        }
    }
}

impl Chunk<'_> {
    #[inline(always)]
    unsafe fn each<S: Simd>(self, function: Function) {
        let len = self.x.len();
        assert!(self.y.len() == len && self.grad.is_none_or(|grad| grad.len() == len));
        let whole = len / S::LANES * S::LANES;
        // SAFETY: whole vectors of the slices, which are of one length, then their last elements.
        unsafe {
            let (x, y) = (self.x.as_ptr(), self.y.as_mut_ptr().cast::<f32>());
            match self.grad {
                None => {
                    for i in (0..whole).step_by(S::LANES) {
                        S::store(y.add(i), value::<S>(function, S::load(x.add(i))));
                    }
                }
                Some(grad) => {
                    for i in (0..whole).step_by(S::LANES) {
                        let derivative = derivative::<S>(function, S::load(x.add(i)));
                        S::store(y.add(i), S::mul(derivative, S::load(grad.as_ptr().add(i))));
                    }
                }
            }
            if whole < len {
                let rest = len - whole;
                let x = S::load_partial(x.add(whole), rest);
                let v = match self.grad {
                    None => value::<S>(function, x),
                    Some(grad) => {
                        let grad = S::load_partial(grad.as_ptr().add(whole), rest);
                        S::mul(derivative::<S>(function, x), grad)
                    }
                };
                S::store_partial(y.add(whole), v, rest);
            }
        }
    }
}

#[inline(always)]
unsafe fn value<S: Simd>(function: Function, x: S::Vector) -> S::Vector {
    // SAFETY: arithmetic on registers; the caller has the features of `S`.
    unsafe {
        match function {
            Function::Relu => S::relu(x),
            Function::Gelu => S::mul(x, normal_cdf::<S>(x)),
            // (1 + tanh(u)) / 2 is the logistic function of 2 u.
            Function::GeluTanh => S::mul(x, logistic::<S>(twice_inner::<S>(x)).0),
            Function::Relu6 => S::clamp_max(S::relu(x), 6.),
            Function::Sigmoid => logistic::<S>(x).0,
            Function::Silu => S::mul(x, logistic::<S>(x).0),
            Function::HardSigmoid => hard_sigmoid::<S>(x),
            Function::HardSwish => S::mul(x, hard_sigmoid::<S>(x)),
        }
    }
}

#[inline(always)]
unsafe fn derivative<S: Simd>(function: Function, x: S::Vector) -> S::Vector {
    // SAFETY: as above.
    unsafe {
        let one = S::splat(1.);
        match function {
            Function::Relu => S::where_positive(x, one),
            Function::Gelu => gelu_slope::<S>(x),
            Function::GeluTanh => {
                let (s, bend) = logistic::<S>(twice_inner::<S>(x));
                let square = S::fma(S::splat(3. * 0.044_715), S::mul(x, x), one);
                let inner_slope = S::mul(S::splat(2. * FRAC_2_PI.sqrt()), square);
                S::fma(S::mul(x, bend), inner_slope, s)
            }
            Function::Relu6 => {
                S::where_positive(x, S::where_positive(S::sub(S::splat(6.), x), one))
            }
            Function::Sigmoid => logistic::<S>(x).1,
            Function::Silu => {
                let (s, bend) = logistic::<S>(x);
                S::fma(x, bend, s)
            }
            Function::HardSigmoid => S::mul(within_three::<S>(x), S::splat(1. / 6.)),
            Function::HardSwish => {
                let slope = S::mul(within_three::<S>(x), S::splat(1. / 6.));
                S::fma(x, slope, hard_sigmoid::<S>(x))
            }
        }
    }
}

#[inline(always)]
unsafe fn hard_sigmoid<S: Simd>(x: S::Vector) -> S::Vector {
    // SAFETY: as above.
    unsafe {
        let clamped = S::clamp_max(S::relu(S::add(x, S::splat(3.))), 6.);
        S::mul(clamped, S::splat(1. / 6.))
    }
}

/// One where `-3 < x < 3`, else zero.
#[inline(always)]
unsafe fn within_three<S: Simd>(x: S::Vector) -> S::Vector {
    // SAFETY: as above.
    unsafe { S::where_positive(S::sub(S::splat(3.), S::abs(x)), S::splat(1.)) }
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
