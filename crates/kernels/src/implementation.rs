//! Which implementation of an operation runs.

use crate::simd::Isa;
use candle_core::{DType, Tensor};
use std::cell::Cell;
use std::sync::OnceLock;

/// The implementation that an operation takes.
///
/// The choice is made when an operation is applied, and its backward pass follows it. It is read
/// from [`with_implementation`] if one is active on the thread, else from the environment variable
/// `TAPER_KERNELS` (`auto`, `avx512`, `avx2`, `portable`, `naive`, `composed`; read once; an unknown
/// value means `auto`).
///
/// Tensors that no CPU kernel can take (another device, another element type than `f32` and
/// `f64`) always take the composed one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Implementation {
    /// The best kernels for the tensor and the machine. The default.
    #[default]
    Auto,
    /// Kernels for AVX-512; where the machine has none, those of `Avx2`.
    Avx512,
    /// Kernels for AVX2 with FMA; where the machine has none, those of `Portable`.
    Avx2,
    /// The same kernels without the machine's own instructions.
    Portable,
    /// Plain loops that say what the operation means; the others are tested against them.
    Naive,
    /// Candle's own operations, arranged so that the gradient is right; what a GPU runs.
    Composed,
}

thread_local! {
    static FORCED: Cell<Option<Implementation>> = const { Cell::new(None) };
}

/// Runs `f` with `implementation` forced for the operations that it applies on this thread.
///
/// Calls nest; the implementation from before comes back when `f` returns or panics.
///
/// ```
/// use taper_kernels::{Implementation, relu, with_implementation};
/// # use candle_core::{Device, Tensor};
/// let x = Tensor::new(&[-1f32, 2.], &Device::Cpu)?;
/// let y = with_implementation(Implementation::Composed, || relu(&x))?;
/// assert_eq!(y.to_vec1::<f32>()?, [0., 2.]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn with_implementation<T>(implementation: Implementation, f: impl FnOnce() -> T) -> T {
    struct Restore(Option<Implementation>);
    impl Drop for Restore {
        fn drop(&mut self) {
            FORCED.set(self.0);
        }
    }
    let _restore = Restore(FORCED.replace(Some(implementation)));
    f()
}

fn from_environment() -> Implementation {
    static CHOSEN: OnceLock<Implementation> = OnceLock::new();
    *CHOSEN.get_or_init(|| match std::env::var("TAPER_KERNELS").as_deref() {
        Ok("avx512") => Implementation::Avx512,
        Ok("avx2") => Implementation::Avx2,
        Ok("portable") => Implementation::Portable,
        Ok("naive") => Implementation::Naive,
        Ok("composed") => Implementation::Composed,
        _ => Implementation::Auto,
    })
}

/// The implementation for an operation on `x`: what was asked for, or composed where no kernel can run.
pub(crate) fn resolve(x: &Tensor) -> Implementation {
    let asked = FORCED.get().unwrap_or_else(from_environment);
    if x.device().is_cpu() && matches!(x.dtype(), DType::F32 | DType::F64) {
        asked
    } else {
        Implementation::Composed
    }
}

impl Implementation {
    /// The instruction set for an implementation that is neither naive nor composed.
    pub(crate) fn isa(self) -> Isa {
        match self {
            Implementation::Auto | Implementation::Avx512 => Isa::best(),
            Implementation::Avx2 => Isa::avx2().unwrap_or(Isa::PORTABLE),
            Implementation::Portable | Implementation::Naive | Implementation::Composed => {
                Isa::PORTABLE
            }
        }
    }

    /// The instruction set for kernels in vectors; none for the naive implementation.
    pub(crate) fn simd_isa(self) -> Option<Isa> {
        (self != Implementation::Naive).then(|| self.isa())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn a_forced_implementation_holds_inside_and_ends_outside_even_after_a_panic() {
        let x = Tensor::zeros(1, DType::F32, &Device::Cpu).unwrap();
        let outside = resolve(&x);
        with_implementation(Implementation::Naive, || {
            assert_eq!(resolve(&x), Implementation::Naive);
            with_implementation(Implementation::Composed, || {
                assert_eq!(resolve(&x), Implementation::Composed)
            });
            assert_eq!(resolve(&x), Implementation::Naive);
            let caught = std::panic::catch_unwind(|| {
                with_implementation(Implementation::Composed, || panic!("inner"))
            });
            assert!(caught.is_err());
            assert_eq!(resolve(&x), Implementation::Naive);
        });
        assert_eq!(resolve(&x), outside);
    }

    #[test]
    fn an_element_type_without_a_kernel_takes_the_composed_implementation() {
        let x = Tensor::zeros(1, DType::F16, &Device::Cpu).unwrap();
        assert_eq!(
            with_implementation(Implementation::Naive, || resolve(&x)),
            Implementation::Composed
        );
    }
}
