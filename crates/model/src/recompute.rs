//! Activation checkpointing: less memory for more time.
//!
//! Backward needs what forward computed, and so a training step holds every layer's output. While
//! [`with_recompute`] runs, a [`Sequential`](crate::layers::Sequential) keeps only the inputs of its
//! segments, about the square root of the number of its layers, and computes the rest again when
//! backward reaches the segment: one more forward pass, and memory for one segment at a time.
//!
//! The result is the same to the bit: random layers draw the numbers that they drew before, and
//! running statistics are not touched again. T. Chen, B. Xu, C. Zhang and C. Guestrin, "Training Deep
//! Nets with Sublinear Memory Cost" (2016).

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex, PoisonError};

use candle_core::backend::BackendStorage;
use candle_core::backprop::GradStore;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, Layout, MetalStorage, ModuleT, Result, Shape, Storage,
    Tensor, TensorId, Var, bail,
};
use taper_kernels::relay;

use crate::rng::{self, Draws};

/// Some layers, one after another.
pub(crate) type Segment = Arc<dyn ModuleT + Send + Sync>;

thread_local! {
    static ACTIVE: Cell<bool> = const { Cell::new(false) };
    static REPLAYING: Cell<bool> = const { Cell::new(false) };
    static GRADIENTS: RefCell<Vec<(TensorId, Tensor)>> = const { RefCell::new(Vec::new()) };
}

/// Runs `forward` so that backward computes most of it again; pass what backward gives to
/// [`collect`].
///
/// ```
/// use candle_core::{DType, Device, ModuleT, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use taper_model::layers::{Linear, LinearConfig, Relu, Sequential};
/// use taper_model::recompute;
///
/// let map = VarMap::new();
/// let vb = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
/// let mut net = Sequential::new();
/// for i in 0..9 {
///     net.push(Linear::new(4, 4, LinearConfig::default(), vb.pp(i))?);
///     net.push(Relu);
/// }
/// let x = Tensor::ones((2, 4), DType::F32, &Device::Cpu)?;
/// let plain = net.forward_t(&x, true)?.sum_all()?.backward()?;
/// let loss = recompute::with_recompute(|| net.forward_t(&x, true))?.sum_all()?;
/// let mut gradients = loss.backward()?;
/// recompute::collect(&mut gradients, &map.all_vars())?;
/// for var in map.all_vars() {
///     let (a, b) = (plain.get(&var).unwrap(), gradients.get(&var).unwrap());
///     assert_eq!(a.flatten_all()?.to_vec1::<f32>()?, b.flatten_all()?.to_vec1::<f32>()?);
/// }
/// # Ok::<(), candle_core::Error>(())
/// ```
pub fn with_recompute<T>(forward: impl FnOnce() -> T) -> T {
    let _restore = Restore::set(&ACTIVE, true);
    // What an earlier backward that failed has left is no part of this one.
    GRADIENTS.take();
    forward()
}

/// Adds the gradients of parameters that backward found while it computed segments again.
///
/// # Errors
/// Those of the addition.
pub fn collect<'a>(
    gradients: &mut GradStore,
    vars: impl IntoIterator<Item = &'a Var>,
) -> Result<()> {
    let found = GRADIENTS.take();
    if found.is_empty() {
        return Ok(());
    }
    for var in vars {
        for (_, more) in found.iter().filter(|(id, _)| *id == var.id()) {
            let sum = match gradients.get(var) {
                Some(before) => (before + more)?.detach(),
                None => more.clone(),
            };
            gradients.insert(var, sum);
        }
    }
    Ok(())
}

/// Whether a forward pass is computed again: then nothing but its output may change.
pub(crate) fn replaying() -> bool {
    REPLAYING.get()
}

/// Runs layers in segments that backward computes again, if that is asked for.
pub(crate) fn forward(layers: &[Segment], x: &Tensor) -> Option<Result<Tensor>> {
    if !ACTIVE.get() || layers.len() < 3 {
        return None;
    }
    // Within a segment everything is as usual.
    let _restore = Restore::set(&ACTIVE, false);
    let length = (layers.len() as f64).sqrt().ceil() as usize;
    let mut segments = layers.chunks(length);
    Some(segments.try_fold(x.clone(), |x, layers| segment(layers, &x)))
}

fn segment(layers: &[Segment], x: &Tensor) -> Result<Tensor> {
    let needs_input = x.track_op();
    let (output, draws) = rng::recorded(|| run(layers, &x.detach()));
    let output = output?.detach();
    let op = Recompute {
        layers: layers.to_vec(),
        draws,
        needs_input,
        output: Mutex::new(Some(output.force_contiguous()?)),
    };
    // The parameters' gradients are found on the way to that of the input: there has to be one.
    let input = if needs_input { x.clone() } else { Var::from_tensor(x)?.as_tensor().clone() };
    relay::apply_op1(&input.contiguous()?, op)
}

fn run(layers: &[Segment], x: &Tensor) -> Result<Tensor> {
    layers.iter().try_fold(x.clone(), |x, layer| layer.forward_t(&x, true))
}

const ELSEWHERE: &str = "a segment's output is on another device than its input";

struct Recompute {
    layers: Vec<Segment>,
    draws: Draws,
    needs_input: bool,
    output: Mutex<Option<Tensor>>,
}

impl Recompute {
    fn output<T>(&self, of: impl Fn(&Storage, &Layout) -> Result<T>) -> Result<(T, Shape)> {
        let output = self.output.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(output) = output else { bail!("a segment's output is taken once") };
        let (storage, layout) = output.storage_and_layout();
        Ok((of(&storage, layout)?, output.shape().clone()))
    }
}

impl CustomOp1 for Recompute {
    fn name(&self) -> &'static str {
        "recompute"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        self.output(|storage, layout| match storage {
            Storage::Cpu(storage) => storage.try_clone(layout),
            _ => bail!("{ELSEWHERE}"),
        })
    }

    fn cuda_fwd(&self, _: &CudaStorage, _: &Layout) -> Result<(CudaStorage, Shape)> {
        self.output(|storage, layout| match storage {
            Storage::Cuda(storage) => storage.try_clone(layout),
            _ => bail!("{ELSEWHERE}"),
        })
    }

    fn metal_fwd(&self, _: &MetalStorage, _: &Layout) -> Result<(MetalStorage, Shape)> {
        self.output(|storage, layout| match storage {
            Storage::Metal(storage) => storage.try_clone(layout),
            _ => bail!("{ELSEWHERE}"),
        })
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let x = x.detach();
        let input = if self.needs_input { Some(Var::from_tensor(&x)?) } else { None };
        let again = input.as_ref().map_or(&x, |var| var.as_tensor());
        let output = {
            let _restore = Restore::set(&REPLAYING, true);
            rng::replayed(self.draws.clone(), || run(&self.layers, again))?
        };
        let mut found = relay::backward(&(output * gradient)?.sum_all()?)?;
        let of_input = match &input {
            Some(var) => found.remove(var),
            None => None,
        };
        // Detached: a gradient as candle gives it holds the forward pass that it came from.
        let detached = found.get_ids().filter_map(|&id| Some((id, found.get_id(id)?.detach())));
        GRADIENTS.with_borrow_mut(|gradients| gradients.extend(detached));
        match of_input {
            Some(of_input) => Ok(Some(of_input.detach())),
            None => Ok(Some(x.zeros_like()?)),
        }
    }
}

/// Puts a flag back, also if a panic passes.
struct Restore(&'static std::thread::LocalKey<Cell<bool>>, bool);

impl Restore {
    fn set(flag: &'static std::thread::LocalKey<Cell<bool>>, value: bool) -> Self {
        Self(flag, flag.replace(value))
    }
}

impl Drop for Restore {
    fn drop(&mut self) {
        self.0.set(self.1);
    }
}

#[cfg(test)]
mod tests;
