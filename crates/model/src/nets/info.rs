//! What there is to know of a net, as data.

use candle_core::{ModuleT, Result, Tensor};
use candle_nn::VarBuilder;

use crate::rng::RngKey;
use crate::weights::{Flatten, NamedKeyMap};

/// A net of any architecture, ready to run: images (n, c, h, w) to logits (n, classes).
pub struct Net(Box<dyn ModuleT + Send + Sync>);

impl Net {
    /// Hides which architecture it is.
    pub fn new(net: impl ModuleT + Send + Sync + 'static) -> Self {
        Self(Box::new(net))
    }
}

impl ModuleT for Net {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        self.0.forward_t(x, train)
    }
}

/// What a net is built for: the size of its images, and how many classes it tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NetConfig {
    /// The number of classes.
    pub num_classes: usize,
    /// The images' channels.
    pub channels: usize,
    /// The images' height in pixels.
    pub height: usize,
    /// The images' width in pixels.
    pub width: usize,
}

/// An architecture: how to build it and what loading a checkpoint needs to know.
#[derive(Clone, Copy, Debug)]
pub struct NetInfo {
    /// Its name, by which recipes choose it.
    pub name: &'static str,
    /// One line that says what it is.
    pub description: &'static str,
    /// The (channels, height, width) that it is usually built for.
    pub default_input: (usize, usize, usize),
    /// The number of classes that it is usually built for.
    pub num_classes: usize,
    /// The prefix of the layer that takes the image: it changes with the images' channels.
    pub stem: &'static str,
    /// The prefix of the layer that gives the logits: it changes with the number of classes.
    pub head: &'static str,
    /// The names that its parameters have in other programs' checkpoints.
    pub key_maps: &'static [NamedKeyMap],
    /// The weight of the dense layer behind the flatten, and what is flattened, as
    /// [`WeightsConfig::flatten`](crate::weights::WeightsConfig::flatten) takes them; `None` if
    /// there is none.
    ///
    /// Keras flattens row, column, channel, PyTorch and this crate channel, row, column: with
    /// [`Layout::Keras`](crate::weights::Layout::Keras), the rows of that kernel are permuted.
    pub flatten: fn(&NetConfig) -> Option<(&'static str, Flatten)>,
    /// Builds it.
    ///
    /// # Errors
    ///
    /// Images too small for it; those of the `VarBuilder`.
    pub build: fn(&NetConfig, VarBuilder<'_>, &RngKey) -> Result<Net>,
}

impl NetInfo {
    /// What it is usually built for.
    pub fn config(&self) -> NetConfig {
        let (channels, height, width) = self.default_input;
        NetConfig { num_classes: self.num_classes, channels, height, width }
    }
}
