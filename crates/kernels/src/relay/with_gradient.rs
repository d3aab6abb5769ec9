//! Results that are there already, with a gradient of their own, on any device.

use super::apply::takes_part;
use super::node::join;
use super::recording::has_gradient;
use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp2, Layout, MetalStorage, Result, Shape, Storage,
    Tensor, bail,
};
use std::sync::{Mutex, PoisonError};

/// `output`, which was made of one or two `inputs` detached, with a gradient.
///
/// `backward` gets the inputs and the output's gradient, detached too, and gives the inputs' gradients, those that are
/// wanted at least. The output is copied: candle's custom operations give storage of their own.
///
/// ```
/// use candle_core::{Device, Var};
/// use taper_kernels::relay;
///
/// let x = Var::new(&[3f32, 5.], &Device::Cpu)?;
/// // The gradient goes straight through the rounding.
/// let rounded = (x.as_detached_tensor() / 2.)?.round()?;
/// let y = relay::with_gradient([&x], rounded, |_, gradient| Ok([Some((gradient / 2.)?)]))?;
/// let gradients = y.backward()?;
/// assert_eq!(gradients.get(&x).unwrap().to_vec1::<f32>()?, [0.5, 0.5]);
/// # Ok::<(), candle_core::Error>(())
/// ```
///
/// # Errors
///
/// If there are more inputs, or the output is on another device than they are.
pub fn with_gradient<const N: usize>(
    inputs: [&Tensor; N],
    output: Tensor,
    backward: impl Fn([&Tensor; N], &Tensor) -> Result<[Option<Tensor>; N]> + Send + Sync + 'static,
) -> Result<Tensor> {
    if !has_gradient(inputs) {
        return Ok(output);
    }
    let output = output.force_contiguous()?;
    let detached = move |inputs: [&Tensor; N], gradient: &Tensor| {
        let inputs = inputs.map(Tensor::detach);
        backward(inputs.each_ref(), &gradient.detach())
    };
    if takes_part(inputs) {
        let output = copied(&output, |storage, layout| match storage {
            Storage::Cpu(storage) => storage.try_clone(layout),
            _ => bail!("{ELSEWHERE}"),
        })?;
        return join(
            output,
            inputs,
            Box::new(move |inputs, _, gradient| detached(inputs, gradient)),
        );
    }
    let op = Precomputed { output: Mutex::new(Some(output)), backward: Box::new(detached) };
    match inputs[..] {
        [x] => x.apply_op1(op),
        [a, b] => a.apply_op2(b, op),
        _ => bail!("expected a result of one or two inputs, found {N}"),
    }
}

const ELSEWHERE: &str = "the output is on another device than the inputs";

fn copied<T>(
    output: &Tensor,
    copy: impl FnOnce(&Storage, &Layout) -> Result<T>,
) -> Result<(T, Shape)> {
    let (storage, layout) = output.storage_and_layout();
    Ok((copy(&storage, layout)?, output.shape().clone()))
}

/// The gradients of the inputs from that of the output.
type Backward<const N: usize> =
    Box<dyn Fn([&Tensor; N], &Tensor) -> Result<[Option<Tensor>; N]> + Send + Sync>;

struct Precomputed<const N: usize> {
    output: Mutex<Option<Tensor>>,
    backward: Backward<N>,
}

impl<const N: usize> Precomputed<N> {
    fn take<T>(&self, copy: impl FnOnce(&Storage, &Layout) -> Result<T>) -> Result<(T, Shape)> {
        match self.output.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(output) => copied(&output, copy),
            None => bail!("an output is taken once"),
        }
    }

    fn gradients<'a>(
        &self,
        input: impl Fn(usize) -> &'a Tensor,
        gradient: &Tensor,
    ) -> Result<std::array::IntoIter<Option<Tensor>, N>> {
        Ok((self.backward)(std::array::from_fn(input), gradient)?.into_iter())
    }

    fn cpu(&self) -> Result<(CpuStorage, Shape)> {
        self.take(|storage, layout| match storage {
            Storage::Cpu(storage) => storage.try_clone(layout),
            _ => bail!("{ELSEWHERE}"),
        })
    }

    fn cuda(&self) -> Result<(CudaStorage, Shape)> {
        self.take(|storage, layout| match storage {
            Storage::Cuda(storage) => storage.try_clone(layout),
            _ => bail!("{ELSEWHERE}"),
        })
    }

    fn metal(&self) -> Result<(MetalStorage, Shape)> {
        self.take(|storage, layout| match storage {
            Storage::Metal(storage) => storage.try_clone(layout),
            _ => bail!("{ELSEWHERE}"),
        })
    }
}

impl<const N: usize> CustomOp1 for Precomputed<N> {
    fn name(&self) -> &'static str {
        "precomputed"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.cpu()
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        self.cuda()
    }

    fn metal_fwd(&self, _: &MetalStorage, _: &Layout) -> Result<(MetalStorage, Shape)> {
        self.metal()
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        Ok(self.gradients(|_| x, gradient)?.next().flatten())
    }
}

impl<const N: usize> CustomOp2 for Precomputed<N> {
    fn name(&self) -> &'static str {
        "precomputed"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        self.cpu()
    }

    fn cuda_fwd(
        &self,
        _: &CudaStorage,
        _: &Layout,
        _: &CudaStorage,
        _: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.cuda()
    }

    fn metal_fwd(
        &self,
        _: &MetalStorage,
        _: &Layout,
        _: &MetalStorage,
        _: &Layout,
    ) -> Result<(MetalStorage, Shape)> {
        self.metal()
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let mut gradients = self.gradients(|i| if i == 0 { a } else { b }, gradient)?;
        Ok((gradients.next().flatten(), gradients.next().flatten()))
    }
}
