//! A net, ready to run.

use candle_core::{ModuleT, Result, Tensor};

use crate::layers::Sequential;
use crate::recompute::FEWEST;
use crate::without_gradients;

/// A net of any architecture, ready to run: images (n, c, h, w) to logits (n, classes).
///
/// ```
/// use candle_core::{DType, Device, ModuleT, Tensor};
/// use candle_nn::{VarBuilder, VarMap};
/// use taper_model::layers::{Flatten, Linear, LinearConfig, Sequential};
/// use taper_model::nets::Net;
///
/// let vb = VarBuilder::from_varmap(&VarMap::new(), DType::F32, &Device::Cpu);
/// let linear = Linear::new(16, 3, LinearConfig::default(), vb.pp("linear"))?;
/// let body = Sequential::new().add(Flatten);
/// let net = Net { body, head: Sequential::new().add(linear) };
/// let images = Tensor::zeros((2, 1, 4, 4), DType::F32, &Device::Cpu)?;
/// assert_eq!(net.forward_t(&images, false)?.dims(), [2, 3]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub struct Net {
    /// From images to the features that the head takes, (n, features); without layers for a net
    /// that is not made of two halves.
    pub body: Sequential,
    /// From features to logits; from images for a net that is not made of two halves.
    pub head: Sequential,
}

impl Net {
    /// A net in one piece, as one layer: it has no features, and recompute has no effect on it.
    pub fn new(net: impl ModuleT + Send + Sync + 'static) -> Self {
        Self { body: Sequential::new(), head: Sequential::new().add(net) }
    }

    /// Whether it is made of two halves.
    pub fn has_body(&self) -> bool {
        !self.body.is_empty()
    }

    /// Whether [`forward_recomputed`](Self::forward_recomputed) computes anything again.
    pub fn recomputes(&self) -> bool {
        self.body.len().max(self.head.len()) >= FEWEST
    }

    /// The logits in evaluation, without gradients: see [`without_gradients`].
    ///
    /// # Errors
    ///
    /// Those of the net's forward pass.
    pub fn evaluate(&self, images: &Tensor) -> Result<Tensor> {
        without_gradients(|| self.forward_t(images, false))
    }

    /// The features of each image that the head takes, (n, features); `None` for a net that was not
    /// made of two halves.
    ///
    /// # Errors
    ///
    /// Those of the net's forward pass.
    pub fn features(&self, images: &Tensor, train: bool) -> Result<Option<Tensor>> {
        self.has_body().then(|| self.body.forward_t(images, train)).transpose()
    }

    /// The logits of features that [`Net::features`] gave; of images, for a net that was not made
    /// of two halves.
    ///
    /// # Errors
    ///
    /// Those of the head's forward pass.
    pub fn logits(&self, features: &Tensor, train: bool) -> Result<Tensor> {
        self.head.forward_t(features, train)
    }

    /// The logits in training, most of the forward pass being computed again in the backward pass:
    /// see [`Sequential::forward_recomputed`], which `body` and `head` run each by themselves. A half
    /// of fewer than three layers, whatever is in them, runs as usual.
    ///
    /// # Errors
    ///
    /// Those of the net's forward pass.
    pub fn forward_recomputed(&self, images: &Tensor) -> Result<Tensor> {
        self.head.forward_recomputed(&self.body.forward_recomputed(images)?)
    }
}

impl ModuleT for Net {
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        self.head.forward_t(&self.body.forward_t(images, train)?, train)
    }
}
