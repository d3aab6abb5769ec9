//! The element types that have CPU kernels, and the way from tensors to slices and back.

use crate::scratch::Output;
use candle_core::{CpuStorage, CpuStorageRef, Layout, Result, Storage, Tensor, WithDType, bail};
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

/// The elements of a contiguous storage, from the layout's offset on.
pub(crate) fn slice<'a, T: Element>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&T::cpu_storage_as_slice(storage)?[start..end]),
        None => bail!("kernel called on a tensor that is not contiguous: {layout:?}"),
    }
}

/// Calls `f` with the elements of a CPU tensor, in row-major order.
pub(crate) fn read<T: Element, R>(x: &Tensor, f: impl FnOnce(&[T]) -> Result<R>) -> Result<R> {
    read_all([x], |[x]| f(x))
}

/// [`read`] for several tensors at once.
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
    let mut out = Output::new(x.len());
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
    let mut out = Output::new(a.len());
    let inputs = a.par_chunks(CHUNK).zip(b.par_chunks(CHUNK));
    out.pieces(CHUNK).zip(inputs).for_each(|(out, (a, b))| {
        for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
            out.write(f(a, b));
        }
    });
    // SAFETY: the chunks of the inputs and of the output are the same.
    unsafe { out.finish() }
}

/// A slice as the `f32` that it is, if it is.
pub(crate) fn single<T: Element>(x: &[T]) -> Option<&[f32]> {
    match T::cpu_storage_ref(x) {
        CpuStorageRef::F32(x) => Some(x),
        _ => None,
    }
}

/// `f32` as the element type that it is.
pub(crate) fn from_single<T: Element>(x: Vec<f32>) -> Result<Vec<T>> {
    T::cpu_storage_data(CpuStorage::F32(x))
}

/// Runs a body with `$t` the element type that a CPU data type names.
macro_rules! dispatch {
    ($dtype:expr, $op:expr, $t:ident => $body:expr) => {
        match $dtype {
            candle_core::DType::F32 => {
                type $t = f32;
                $body
            }
            candle_core::DType::F64 => {
                type $t = f64;
                $body
            }
            other => candle_core::bail!("{}: no CPU kernel for {other:?}", $op),
        }
    };
}
pub(crate) use dispatch;
