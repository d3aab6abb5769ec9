//! Layers one after another.

use std::sync::Arc;

use candle_core::{ModuleT, Result, Tensor};

use crate::recompute::{self, Layer};

/// Layers one after another, each told whether this is training: PyTorch's `nn.Sequential`.
///
/// Takes anything that is a candle `Module` or `ModuleT`: layers of this crate, of candle, your
/// own, closures. Names are given by the builder that each layer was made from; PyTorch
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
    layers: Vec<Layer>,
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

    /// The forward pass in training, most of which the backward pass computes again: less memory
    /// for more time ("activation checkpointing").
    ///
    /// Backward needs what forward computed, and so a training step holds every layer's output.
    /// Here only the inputs of segments are kept, about the square root of the number of layers,
    /// and the rest is computed again when backward reaches the segment: one more forward pass, and
    /// memory for one segment at a time. With fewer than three layers it is the usual pass.
    ///
    /// The result is the same to the bit with layers of this crate: random ones draw the numbers
    /// that they drew before, and running statistics are not touched again. A layer of your own has
    /// to draw by a [`LayerRng`](crate::LayerRng), and to leave its buffers alone while
    /// [`rng::replaying`](crate::rng::replaying); candle's own dropout and batch-norm do neither.
    /// Within a segment a call of this method is a usual forward pass. [`taper_model::backward`](crate::backward) collects
    /// the gradients; a loss's own `backward` is an error.
    ///
    /// ```
    /// use candle_core::{DType, Device, ModuleT, Tensor};
    /// use candle_nn::{VarBuilder, VarMap};
    /// use taper_model::backward;
    /// use taper_model::layers::{Linear, LinearConfig, Relu, Sequential};
    ///
    /// let map = VarMap::new();
    /// let vb = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
    /// let mut net = Sequential::new();
    /// for i in 0..9 {
    ///     net.push(Linear::new(4, 4, LinearConfig::default(), vb.pp(i))?);
    ///     net.push(Relu);
    /// }
    /// let x = Tensor::ones((2, 4), DType::F32, &Device::Cpu)?;
    /// let plain = backward(&net.forward_t(&x, true)?.sum_all()?)?;
    /// let recomputed = backward(&net.forward_recomputed(&x)?.sum_all()?)?;
    /// for var in map.all_vars() {
    ///     let (a, b) = (plain.get(&var).unwrap(), recomputed.get(&var).unwrap());
    ///     assert_eq!(a.flatten_all()?.to_vec1::<f32>()?, b.flatten_all()?.to_vec1::<f32>()?);
    /// }
    /// # Ok::<(), candle_core::Error>(())
    /// ```
    ///
    /// Chen, Xu, Zhang and Guestrin, "Training Deep Nets with Sublinear Memory Cost", 2016.
    ///
    /// # Errors
    ///
    /// Those of the layers.
    pub fn forward_recomputed(&self, x: &Tensor) -> Result<Tensor> {
        recompute::forward(&self.layers, x)
    }
}

impl ModuleT for Sequential {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        self.layers.iter().try_fold(x.clone(), |x, layer| layer.forward_t(&x, train))
    }
}
