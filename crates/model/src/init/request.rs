//! The typed request: how a layer's [`Initializer`] reaches the backend behind a `VarBuilder`.

use std::cell::Cell;

use candle_core::{Result, Shape, Tensor};
use candle_nn::VarBuilder;

use super::Initializer;

thread_local! {
    // candle calls the backend on the caller's thread, inside `get_with_hints`; so a slot a thread
    // is enough.
    static PENDING: Cell<Option<Initializer>> = const { Cell::new(None) };
}

/// Empties the slot also when the call returned early, so that no later request sees this
/// initializer.
struct Pending;

impl Drop for Pending {
    fn drop(&mut self) {
        PENDING.set(None);
    }
}

/// Asks `vb` for the tensor `name`; where it has to be initialized, `initializer` says how.
///
/// With [`Weights`](crate::weights::Weights) behind `vb` the values are seeded. Any other backend
/// (candle's `VarMap`, a plain safetensors file) gets the nearest of candle's own hints: the same
/// distribution, except that the truncated normal is not cut, and unseeded on a CPU.
///
/// ```
/// use candle_core::{DType, Device};
/// use taper_model::init::{self, Initializer};
/// use taper_model::weights::{Weights, WeightsConfig};
///
/// let weights = Weights::new(WeightsConfig { seed: 7, ..WeightsConfig::default() })?;
/// let vb = weights.var_builder(DType::F32, &Device::Cpu);
/// let weight = init::get(&vb.pp("fc"), (10, 128), "weight", &Initializer::GlorotUniform)?;
/// let bound = (6.0f32 / 138.0).sqrt();
/// assert!(weight.abs()?.max_all()?.to_scalar::<f32>()? <= bound);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Those of the backend; [`Weights`](crate::weights::Weights) gathers its own until it is finished.
pub fn get<S: Into<Shape>>(
    vb: &VarBuilder<'_>,
    shape: S,
    name: &str,
    initializer: &Initializer,
) -> Result<Tensor> {
    let shape = shape.into();
    let hint = initializer.hint(&shape);
    PENDING.set(Some(*initializer));
    let _pending = Pending;
    vb.get_with_hints(shape, name, hint)
}

/// The initializer that the request now being answered carries, if it came through [`get`].
pub(crate) fn take_pending() -> Option<Initializer> {
    PENDING.take()
}
