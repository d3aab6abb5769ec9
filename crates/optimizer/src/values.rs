//! Tensors as plain slices, and how work on them is cut.

use candle_core::{CpuStorage, DType, Device, Result, Storage, Tensor, bail};

/// How many elements make a chunk: 64 KiB of `f32`, so that a chunk of the parameter, the gradient
/// and two slots fit a core's second-level cache. Work is cut by this alone, never by the cores.
pub(crate) const CHUNK: usize = 16 * 1024;

/// From this many elements on, work goes to several threads; below, handing it out costs more.
pub(crate) const PARALLEL_FROM: usize = 4 * CHUNK;

/// The dtype in which a parameter is updated: `f64` for `f64`, `f32` for all others.
pub(crate) fn working_dtype(dtype: DType) -> DType {
    if dtype == DType::F64 { DType::F64 } else { DType::F32 }
}

/// The tensor as a contiguous one on the host, of the dtype; the same storage where it is that
/// already.
pub(crate) fn on_host(tensor: &Tensor, dtype: DType) -> Result<Tensor> {
    tensor.detach().to_device(&Device::Cpu)?.to_dtype(dtype)?.contiguous()
}

/// Whether two tensors are views of one allocation (locking it twice would never end).
pub(crate) fn share_storage(a: &Tensor, b: &Tensor) -> bool {
    address(a) == address(b)
}

fn address(tensor: &Tensor) -> usize {
    let (storage, _) = tensor.storage_and_layout();
    std::ptr::from_ref::<Storage>(&storage).addr()
}

/// Elements of one of the two working dtypes.
#[derive(Clone, Copy)]
pub(crate) enum Values<'a> {
    F32(&'a [f32]),
    F64(&'a [f64]),
}

/// Calls `f` on the elements of a contiguous `f32` or `f64` tensor on the host.
pub(crate) fn read<R>(tensor: &Tensor, f: impl FnOnce(Values<'_>) -> Result<R>) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    let Some((start, end)) = layout.contiguous_offsets() else {
        bail!("expected a contiguous tensor, found strides {:?}", layout.stride())
    };
    match &*storage {
        Storage::Cpu(CpuStorage::F32(values)) => f(Values::F32(&values[start..end])),
        Storage::Cpu(CpuStorage::F64(values)) => f(Values::F64(&values[start..end])),
        _ => bail!("expected f32 or f64 on the host, found {:?}", tensor.dtype()),
    }
}

/// All elements one after another, in memory of their own.
pub(crate) fn concatenated(tensors: &[Tensor], dtype: DType) -> Result<Tensor> {
    let flat = |tensor: &Tensor| tensor.flatten_all()?.to_dtype(dtype);
    match tensors {
        [one] => flat(one)?.copy(),
        all => Tensor::cat(&all.iter().map(flat).collect::<Result<Vec<_>>>()?, 0),
    }
}
