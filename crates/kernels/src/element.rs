//! The element types that have CPU kernels, and the way from tensors to slices and back.

use crate::scratch::UninitVec;
use candle_core::{
    CpuStorage, CpuStorageRef, DType, Layout, Result, Storage, Tensor, WithDType, bail,
};
use rayon::prelude::*;

/// `f32` or `f64`.
pub(crate) trait Element: WithDType + std::ops::Neg<Output = Self> + std::iter::Sum {
    const ZERO: Self;
    const ONE: Self;
    fn exp(self) -> Self;
    fn is_nan(self) -> bool;
    fn tanh(self) -> Self;
    fn erf(self) -> Self;
}

macro_rules! element {
    ($t:ident, $erf:ident) => {
        impl Element for $t {
            const ZERO: Self = 0.;
            const ONE: Self = 1.;
            fn exp(self) -> Self {
                $t::exp(self)
            }
            fn is_nan(self) -> bool {
                $t::is_nan(self)
            }
            fn tanh(self) -> Self {
                $t::tanh(self)
            }
            fn erf(self) -> Self {
                candle_core::cpu::erf::$erf(self)
            }
        }
    };
}
element!(f32, erf_f32);
element!(f64, erf_f64);

/// Runs a body with `$t` the element type that a CPU data type names.
macro_rules! dispatch {
    ($dtype:expr, $t:ident => $body:expr) => {
        match $dtype {
            candle_core::DType::F32 => {
                type $t = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $t = f64;
                $body
            }
            other => candle_core::bail!("no CPU kernel for {other:?}"),
        }
    };
}
pub(crate) use dispatch;

/// The elements of a contiguous storage, from the layout's offset on.
pub(crate) fn slice<'a, T: Element>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&T::cpu_storage_as_slice(storage)?[start..end]),
        None => bail!("kernel called on a tensor that is not contiguous: {layout:?}"),
    }
}

/// Calls `f` with the elements of some CPU tensors, in row-major order.
pub(crate) fn read_all<T: Element, R, const N: usize>(
    tensors: [&Tensor; N],
    f: impl FnOnce([&[T]; N]) -> Result<R>,
) -> Result<R> {
    let tensors = tensors.into_iter().map(Tensor::contiguous).collect::<Result<Vec<_>>>()?;
    let storages: Vec<_> = tensors.iter().map(Tensor::storage_and_layout).collect();
    let mut slices: [&[T]; N] = [&[]; N];
    for (elements, (storage, layout)) in slices.iter_mut().zip(&storages) {
        *elements = match &**storage {
            Storage::Cpu(storage) => slice(storage, layout)?,
            _ => bail!("kernel called on a tensor that is not on the CPU"),
        };
    }
    f(slices)
}

/// A tensor of `like`'s shape and device that owns `data`.
pub(crate) fn tensor<T: Element>(data: Vec<T>, like: &Tensor) -> Result<Tensor> {
    Tensor::from_vec(data, like.shape(), like.device())
}

/// Elements that one task takes where the work is the same for each. A multiple of four.
pub(crate) const CHUNK: usize = 1 << 14;

/// `f` of each element.
pub(crate) fn map<T: Element>(x: &[T], f: impl Fn(T) -> T + Sync) -> Vec<T> {
    let mut out = UninitVec::new(x.len());
    out.pieces(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(out, x)| {
        for (out, &x) in out.iter_mut().zip(x) {
            out.write(f(x));
        }
    });
    // SAFETY: the chunks of the input and of the output are the same.
    unsafe { out.finish() }
}

/// `f` of each pair of elements.
pub(crate) fn map2<T: Element>(a: &[T], b: &[T], f: impl Fn(T, T) -> T + Sync) -> Vec<T> {
    assert_eq!(a.len(), b.len());
    let mut out = UninitVec::new(a.len());
    let inputs = a.par_chunks(CHUNK).zip(b.par_chunks(CHUNK));
    out.pieces(CHUNK).zip(inputs).for_each(|(out, (a, b))| {
        for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
            out.write(f(a, b));
        }
    });
    // SAFETY: the chunks of the inputs and of the output are the same.
    unsafe { out.finish() }
}

/// The gradient of what a ReLU was applied to, from its output and the output's gradient.
pub(crate) fn relu_gradient<T: Element>(y: &[T], grad: &[T]) -> Vec<T> {
    map2(y, grad, |y, grad| if y <= T::ZERO { T::ZERO } else { grad })
}

/// The sum of two tensors without a place on the tape, by candle where this crate has no kernel.
pub(crate) fn sum(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if !a.device().is_cpu() || !matches!(a.dtype(), DType::F32 | DType::F64) {
        return Ok((a + b)?.detach());
    }
    dispatch!(a.dtype(), T => {
        read_all::<T, _, 2>([a, b], |[x, y]| tensor(map2(x, y, |x, y| x + y), a))
    })
}

/// A slice as the `f32` that it is, if it is.
pub(crate) fn as_f32<T: Element>(x: &[T]) -> Option<&[f32]> {
    match T::cpu_storage_ref(x) {
        CpuStorageRef::F32(x) => Some(x),
        _ => None,
    }
}

/// [`as_f32`] where no other type is possible.
pub(crate) fn expect_f32<T: Element>(x: &[T]) -> Result<&[f32]> {
    match as_f32(x) {
        Some(x) => Ok(x),
        None => bail!("a kernel for f32 was called with {:?}", T::DTYPE),
    }
}

/// `f32` as the element type that it is.
pub(crate) fn from_f32<T: Element>(x: Vec<f32>) -> Result<Vec<T>> {
    T::cpu_storage_data(CpuStorage::F32(x))
}

/// An error unless each of these is a vector of `len` numbers.
pub(crate) fn check_vectors(op: &str, len: usize, vectors: &[(&str, &Tensor)]) -> Result<()> {
    for (name, vector) in vectors {
        if vector.dims() != [len] {
            bail!("{op}: expected a {name} of shape [{len}], found {:?}", vector.dims())
        }
    }
    Ok(())
}
