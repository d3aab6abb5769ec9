//! Layers one after another.

use std::sync::Arc;

use candle_core::{ModuleT, Result, Tensor};

use crate::recompute::{self, Segment};

/// Layers one after another, each told whether this is training: PyTorch's `nn.Sequential`.
///
/// Takes anything that is a candle `Module` or `ModuleT`: layers of this crate, of candle, your
/// own, closures. Names are given by the `VarBuilder` that each layer was made from; PyTorch
/// numbers them, `vb.pp(0)`, `vb.pp(1)`, …, layers without parameters included.
///
/// ```
/// use candle_core::{DType, Device, ModuleT, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use taper_model::layers::{Dropout, Linear, LinearConfig, Relu, Sequential};
/// use taper_model::rng::RngKey;
///
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// let head = Sequential::new()
///     .add(Linear::new(8, 16, LinearConfig::default(), vb.pp(0))?)
///     .add(Relu)
///     .add(Dropout::new(0.5, &RngKey::new(0), vb.pp(2))?)
///     .add(|x: &Tensor| x * 2.0)
///     .add(Linear::new(16, 3, LinearConfig::default(), vb.pp(4))?);
/// assert_eq!(head.len(), 5);
/// let x = Tensor::ones((2, 8), DType::F32, &Device::Cpu)?;
/// assert_eq!(head.forward_t(&x, true)?.dims(), [2, 3]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Default)]
pub struct Sequential {
    layers: Vec<Segment>,
}

impl Sequential {
    /// No layers: the identity.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts `layer` behind the others.
    #[allow(clippy::should_implement_trait)] // candle's name for it, and `+` would not read better
    pub fn add(mut self, layer: impl ModuleT + Send + Sync + 'static) -> Self {
        self.push(layer);
        self
    }

    /// Puts `layer` behind the others, for loops.
    pub fn push(&mut self, layer: impl ModuleT + Send + Sync + 'static) {
        self.layers.push(Arc::new(layer));
    }

    /// The number of layers.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether there are no layers.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }
}

impl ModuleT for Sequential {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        if let Some(output) = train.then(|| recompute::forward(&self.layers, x)).flatten() {
            return output;
        }
        self.layers.iter().try_fold(x.clone(), |x, layer| layer.forward_t(&x, train))
    }
}
