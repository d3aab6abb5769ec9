//! Activations, one element at a time.

use super::function::Function;
use crate::element::{Element, map, map2};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI, PI};

pub(super) fn values<T: Element>(function: Function, x: &[T]) -> Vec<T> {
    map(x, |x| function.value(x))
}

pub(super) fn gradient<T: Element>(function: Function, x: &[T], grad: &[T]) -> Vec<T> {
    map2(x, grad, |x, grad| function.derivative(x) * grad)
}

impl Function {
    fn value<T: Element>(self, x: T) -> T {
        let c = T::from_f64;
        match self {
            // Written so that a NaN goes through.
            Self::Relu if x <= T::ZERO => T::ZERO,
            Self::Relu => x,
            Self::Gelu => c(0.5) * x * (T::ONE + (x * c(FRAC_1_SQRT_2)).erf()),
            Self::GeluTanh => c(0.5) * x * (T::ONE + inner(x).tanh()),
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
        }
    }
}

/// What the tanh approximation of GELU takes the hyperbolic tangent of.
fn inner<T: Element>(x: T) -> T {
    T::from_f64(FRAC_2_PI.sqrt()) * (x + T::from_f64(0.044715) * x * x * x)
}
