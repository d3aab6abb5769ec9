//! Activations, one element at a time.

use super::function::Activation;
use crate::element::{Element, map, map2};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI, PI};

pub(super) fn values<T: Element>(function: Activation, x: &[T]) -> Vec<T> {
    map(x, |x| function.value(x))
}

pub(super) fn gradient<T: Element>(function: Activation, x: &[T], grad: &[T]) -> Vec<T> {
    map2(x, grad, |x, grad| function.derivative(x) * grad)
}

impl Activation {
    fn value<T: Element>(self, x: T) -> T {
        let c = T::from_f64;
        match self {
            // Written so that a NaN goes through.
            Self::Relu if x <= T::ZERO => T::ZERO,
            Self::Relu => x,
            Self::Gelu => c(0.5) * x * (T::ONE + (x * c(FRAC_1_SQRT_2)).erf()),
            Self::GeluTanh => c(0.5) * x * (T::ONE + inner(x).tanh()),
            Self::Relu6 => clamp(x, 6.),
            Self::Sigmoid => sigmoid(x),
            Self::Silu => x * sigmoid(x),
            Self::HardSigmoid => clamp(x + c(3.), 6.) * c(1. / 6.),
            Self::HardSwish => x * clamp(x + c(3.), 6.) * c(1. / 6.),
        }
    }

    /// The derivative at `x`.
    fn derivative<T: Element>(self, x: T) -> T {
        let c = T::from_f64;
        match self {
            Self::Relu if x <= T::ZERO => T::ZERO,
            Self::Relu => T::ONE,
            Self::Gelu => {
                let cdf = c(0.5) * (T::ONE + (x * c(FRAC_1_SQRT_2)).erf());
                cdf + x * (c(-0.5) * x * x).exp() * c((2. * PI).sqrt().recip())
            }
            Self::GeluTanh => {
                let t = inner(x).tanh();
                let inner_slope = c(FRAC_2_PI.sqrt()) * (T::ONE + c(3. * 0.044715) * x * x);
                c(0.5) * (T::ONE + t) + c(0.5) * x * (T::ONE - t * t) * inner_slope
            }
            Self::Relu6 if x <= T::ZERO || x >= c(6.) => T::ZERO,
            Self::Relu6 => T::ONE,
            Self::Sigmoid => sigmoid(x) * (T::ONE - sigmoid(x)),
            Self::Silu => sigmoid(x) * (T::ONE + x * (T::ONE - sigmoid(x))),
            Self::HardSigmoid if x <= c(-3.) || x >= c(3.) => T::ZERO,
            Self::HardSigmoid => c(1. / 6.),
            Self::HardSwish if x <= c(-3.) => T::ZERO,
            Self::HardSwish if x >= c(3.) => T::ONE,
            Self::HardSwish => x * c(1. / 3.) + c(0.5),
        }
    }
}

/// From 0 to `high`; a NaN goes through.
fn clamp<T: Element>(x: T, high: f64) -> T {
    let high = T::from_f64(high);
    if x <= T::ZERO {
        T::ZERO
    } else if x >= high {
        high
    } else {
        x
    }
}

fn sigmoid<T: Element>(x: T) -> T {
    T::ONE / (T::ONE + (-x).exp())
}

/// What the tanh approximation of GELU takes the hyperbolic tangent of.
fn inner<T: Element>(x: T) -> T {
    T::from_f64(FRAC_2_PI.sqrt()) * (x + T::from_f64(0.044715) * x * x * x)
}
