//! Activations, one element at a time.

use super::vector;
use crate::element::{Element, dispatch, from_single, map, map2, read_all, single, slice, tensor};
use crate::path::Path;
use crate::relay;
use crate::simd::Isa;
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, WithDType};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_PI, PI};

/// An activation as an operation on candle's tape; with an instruction set, in vectors.
#[derive(Clone, Copy, Debug)]
struct Op {
    activation: Activation,
    isa: Option<Isa>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Activation {
    Relu,
    Gelu,
    GeluTanh,
}

pub(super) fn apply(x: &Tensor, activation: Activation, path: Path) -> Result<Tensor> {
    let isa = path.vectors();
    relay::apply_op1(&x.contiguous()?, Op { activation, isa })
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

impl CustomOp1 for Op {
    fn name(&self) -> &'static str {
        match self.activation {
            Activation::Relu => "relu",
            Activation::Gelu => "gelu",
            Activation::GeluTanh => "gelu_tanh",
        }
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        dispatch!(storage.dtype(), self.name(), T => {
            let x = slice::<T>(storage, layout)?;
            let y = match (self.isa, single(x)) {
                (Some(isa), Some(x)) => from_single(vector::apply(isa, self.activation, x, None))?,
                _ => map(x, |x| self.activation.value(x)),
            };
            Ok((T::to_cpu_storage_owned(y), layout.shape().clone()))
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        dispatch!(x.dtype(), self.name(), T => {
            let dx = read_all::<T, _, 2>([x, grad], |[x, g]| {
                match (self.isa, single(x), single(g)) {
                    (Some(isa), Some(x), Some(g)) => {
                        from_single(vector::apply(isa, self.activation, x, Some(g)))
                    }
                    _ => Ok(map2(x, g, |x, g| self.activation.slope(x) * g)),
                }
            })?;
            Ok(Some(tensor(dx, x)?))
        })
    }
}
