//! Activations in vectors.

use super::function::Activation;
use crate::element::CHUNK;
use crate::scratch::UninitVec;
use crate::simd::math::{gelu_slope, logistic, normal_cdf};
use crate::simd::{Isa, Kernel, Simd};
use rayon::prelude::*;
use std::f32::consts::FRAC_2_PI;

/// The function of each element, or with `grad` its derivative times the gradient.
pub(super) fn apply(isa: Isa, function: Activation, x: &[f32], grad: Option<&[f32]>) -> Vec<f32> {
    assert!(grad.is_none_or(|grad| grad.len() == x.len()));
    let mut y = UninitVec::<f32>::new(x.len());
    y.pieces(CHUNK).zip(x.par_chunks(CHUNK)).enumerate().for_each(|(i, (y, x))| {
        let grad = grad.map(|grad| grad[i * CHUNK..][..x.len()].as_ptr());
        let y = y.as_mut_ptr().cast();
        // SAFETY: the chunks of `x`, of the gradient and of the output are of one length.
        isa.run(unsafe { Chunk::new(function, x.as_ptr(), grad, y, x.len()) });
    });
    // SAFETY: the chunks of `x` and of the output are the same.
    unsafe { y.finish() }
}

/// An activation of some numbers, or with their gradient its derivative times that.
pub(crate) struct Chunk {
    function: Activation,
    x: *const f32,
    grad: Option<*const f32>,
    y: *mut f32,
    len: usize,
}

impl Chunk {
    /// `y` may be `x` or the gradient: the function is applied in place then.
    ///
    /// # Safety
    ///
    /// When it runs, `len` numbers are readable behind `x` and the gradient, writable behind `y`, and nobody else's.
    pub(crate) unsafe fn new(
        function: Activation,
        x: *const f32,
        grad: Option<*const f32>,
        y: *mut f32,
        len: usize,
    ) -> Self {
        Self { function, x, grad, y, len }
    }
}

impl Kernel for Chunk {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // One loop for each activation. SAFETY: the features are there by `run`'s promise.
        unsafe {
            match self.function {
                Activation::Relu => self.each::<S>(Activation::Relu),
                Activation::Gelu => self.each::<S>(Activation::Gelu),
                Activation::GeluTanh => self.each::<S>(Activation::GeluTanh),
                Activation::Relu6 => self.each::<S>(Activation::Relu6),
                Activation::Sigmoid => self.each::<S>(Activation::Sigmoid),
                Activation::Silu => self.each::<S>(Activation::Silu),
                Activation::HardSigmoid => self.each::<S>(Activation::HardSigmoid),
                Activation::HardSwish => self.each::<S>(Activation::HardSwish),
            }
        }
    }
}

impl Chunk {
    #[inline(always)]
    unsafe fn each<S: Simd>(self, function: Activation) {
        let Self { x, y, len, .. } = self;
        let whole = len / S::LANES * S::LANES;
        // SAFETY: whole vectors of the numbers, then the last of them, by the promise of `new`.
        unsafe {
            match self.grad {
                None => {
                    for i in (0..whole).step_by(S::LANES) {
                        S::store(y.add(i), value::<S>(function, S::load(x.add(i))));
                    }
                }
                Some(grad) => {
                    for i in (0..whole).step_by(S::LANES) {
                        let derivative = derivative::<S>(function, S::load(x.add(i)));
                        S::store(y.add(i), S::mul(derivative, S::load(grad.add(i))));
                    }
                }
            }
            if whole < len {
                let rest = len - whole;
                let x = S::load_partial(x.add(whole), rest);
                let v = match self.grad {
                    None => value::<S>(function, x),
                    Some(grad) => {
                        let grad = S::load_partial(grad.add(whole), rest);
                        S::mul(derivative::<S>(function, x), grad)
                    }
                };
                S::store_partial(y.add(whole), v, rest);
            }
        }
    }
}

/// The function of each lane.
///
/// # Safety
///
/// The CPU has the features of `S`.
#[inline(always)]
pub(crate) unsafe fn value<S: Simd>(function: Activation, x: S::Vector) -> S::Vector {
    // SAFETY: arithmetic on registers; the caller has the features of `S`.
    unsafe {
        match function {
            Activation::Relu => S::relu(x),
            Activation::Gelu => S::mul(x, normal_cdf::<S>(x)),
            // (1 + tanh(u)) / 2 is the logistic function of 2 u.
            Activation::GeluTanh => S::mul(x, logistic::<S>(twice_inner::<S>(x)).0),
            Activation::Relu6 => S::clamp_max(S::relu(x), 6.),
            Activation::Sigmoid => logistic::<S>(x).0,
            Activation::Silu => S::mul(x, logistic::<S>(x).0),
            Activation::HardSigmoid => hard_sigmoid::<S>(x),
            Activation::HardSwish => S::mul(x, hard_sigmoid::<S>(x)),
        }
    }
}

#[inline(always)]
unsafe fn derivative<S: Simd>(function: Activation, x: S::Vector) -> S::Vector {
    // SAFETY: as above.
    unsafe {
        let one = S::splat(1.);
        match function {
            Activation::Relu => S::where_positive(x, one),
            Activation::Gelu => gelu_slope::<S>(x),
            Activation::GeluTanh => {
                let (s, bend) = logistic::<S>(twice_inner::<S>(x));
                let square = S::fma(S::splat(3. * 0.044_715), S::mul(x, x), one);
                let inner_slope = S::mul(S::splat(2. * FRAC_2_PI.sqrt()), square);
                S::fma(S::mul(x, bend), inner_slope, s)
            }
            Activation::Relu6 => {
                S::where_positive(x, S::where_positive(S::sub(S::splat(6.), x), one))
            }
            Activation::Sigmoid => logistic::<S>(x).1,
            Activation::Silu => {
                let (s, bend) = logistic::<S>(x);
                S::fma(x, bend, s)
            }
            Activation::HardSigmoid => S::mul(within_three::<S>(x), S::splat(1. / 6.)),
            Activation::HardSwish => {
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
