//! Operations made of tensors that have a gradient of their own, on any device.

use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp2, Layout, MetalStorage, Result, Shape, Storage, Tensor, bail,
};
use std::sync::{Mutex, PoisonError};

/// The gradients of two inputs from that of the output.
type Backward = Box<dyn Fn(&Tensor, &Tensor, &Tensor) -> Result<[Option<Tensor>; 2]> + Send + Sync>;

/// `output`, which was made of `a` and `b` detached, with a gradient: `backward` gives those of `a` and `b` from
/// `(a, b, gradient)`, where they are wanted.
///
/// The output is copied once: candle's custom operations give storage of their own.
///
/// # Errors
///
/// candle's, where the output is on another device than the inputs.
pub fn with_gradient(
    a: &Tensor,
    b: &Tensor,
    output: Tensor,
    backward: impl Fn(&Tensor, &Tensor, &Tensor) -> Result<[Option<Tensor>; 2]> + Send + Sync + 'static,
) -> Result<Tensor> {
    if !a.track_op() && !b.track_op() {
        return Ok(output);
    }
    let output = Mutex::new(Some(output.force_contiguous()?));
    a.apply_op2(b, Precomputed { output, backward: Box::new(backward) })
}

struct Precomputed {
    output: Mutex<Option<Tensor>>,
    backward: Backward,
}

impl Precomputed {
    fn output<T>(&self, of: impl Fn(&Storage, &Layout) -> Result<T>) -> Result<(T, Shape)> {
        let output = self.output.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(output) = output else { bail!("an output is taken once") };
        let (storage, layout) = output.storage_and_layout();
        Ok((of(&storage, layout)?, output.shape().clone()))
    }
}

impl CustomOp2 for Precomputed {
    fn name(&self) -> &'static str {
        "composed"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.output(|storage, layout| match storage {
            Storage::Cpu(storage) => storage.try_clone(layout),
            _ => bail!("the output is on another device than the inputs"),
        })
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.output(|storage, layout| match storage {
            Storage::Cuda(storage) => storage.try_clone(layout),
            _ => bail!("the output is on another device than the inputs"),
        })
    }

    fn metal_fwd(
        &self,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
    ) -> Result<(MetalStorage, Shape)> {
        self.output(|storage, layout| match storage {
            Storage::Metal(storage) => storage.try_clone(layout),
            _ => bail!("the output is on another device than the inputs"),
        })
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        (self.backward)(&a.detach(), &b.detach(), &gradient.detach()).map(Into::into)
    }
}
