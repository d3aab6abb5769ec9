//! Activations, one element at a time.

use crate::element::{Element, dispatch, map, map2, read, slice, tensor};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI, PI};

#[derive(Clone, Copy, Debug)]
pub(super) enum Activation {
    Relu,
    Gelu,
    GeluTanh,
}

pub(super) fn apply(x: &Tensor, activation: Activation) -> Result<Tensor> {
    x.contiguous()?.apply_op1(activation)
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
        }
    }

    /// The derivative at `x`.
    fn slope<T: Element>(self, x: T) -> T {
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

impl CustomOp1 for Activation {
    fn name(&self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu_tanh",
        }
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        dispatch!(storage.dtype(), self.name(), T => {
            let y = map(slice::<T>(storage, layout)?, |x| self.value(x));
            Ok((candle_core::WithDType::to_cpu_storage_owned(y), layout.shape().clone()))
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        dispatch!(x.dtype(), self.name(), T => {
            let slope = read::<T, _>(x, |x| read(grad, |g| Ok(map2(x, g, |x, g| self.slope(x) * g))))?;
            Ok(Some(tensor(slope, x)?))
        })
    }
}
