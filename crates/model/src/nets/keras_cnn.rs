//! The Keras MNIST example.

use candle_core::{Module, ModuleT, Result, Tensor, bail};
use candle_nn::VarBuilder;

use super::info::one_by_one;
use super::{Family, Net, NetConfig, NetInfo, NetSize};
use crate::layers::{Conv2d, Conv2dConfig, Dropout, Flatten, Linear, LinearConfig, MaxPool2d};
use crate::rng::RngKey;
use crate::weights::{self, NamedKeyMap};

/// `keras-cnn`, see [`KerasCnn`].
pub const KERAS_CNN: NetInfo = NetInfo {
    name: "keras-cnn",
    description: "the Keras MNIST example: two 3x3 convolutions, a max-pool, two dense layers",
    default_input: (1, 28, 28),
    num_classes: 10,
    stem: "conv1",
    head: "fc2",
    key_maps: &[NamedKeyMap::renames(
        "keras",
        &[
            // Keras counts its layers by kind, from an unnumbered first one.
            ("conv2d.*", "conv1.*"),
            ("conv2d_1.*", "conv2.*"),
            ("dense.*", "fc1.*"),
            ("dense_1.*", "fc2.*"),
        ],
    )],
    export: None,
    flatten: |config| {
        let (height, width) = flattened(config)?;
        Some(("fc1.weight", weights::Flatten { height, width, channels: 64 }))
    },
    patches: None,
    blocks: || one_by_one(&["conv1.*", "conv2.*", "fc1.*", "fc2.*"]),
    lora: &["*"],
    prepared: None,
    family: Family::Small,
    size: Some(NetSize { parameters: 1_199_882, multiply_adds: 11_992_448 }),
    hub: None,
    build: |config, vb, key| {
        let KerasCnn { body, head } = KerasCnn::new(config, vb, key)?;
        Ok(Net::with_head(body, head))
    },
};

/// The net of the Keras MNIST example (`mnist_cnn.py`), with the names of PyTorch's.
///
/// Conv 3x3x32, ReLU, conv 3x3x64, ReLU, max-pool 2, dropout 0.25, flatten, dense 128, ReLU,
/// dropout 0.5, dense. The example ends in a softmax; this net gives logits, and the softmax is the
/// loss's. Weights start Glorot-uniform, biases at zero.
///
/// Parameters: `conv1`, `conv2`, `fc1`, `fc2`, each with `weight` and `bias`; 1,199,882 elements
/// for (1, 28, 28) and 10 classes.
///
/// # Shapes
///
/// (n, channels, height, width), at least 6 pixels each way, to (n, classes).
#[derive(Clone, Debug)]
pub struct KerasCnn {
    /// From images to features (n, 128).
    pub body: KerasCnnBody,
    /// From features to logits.
    pub head: KerasCnnHead,
}

/// The part of a [`KerasCnn`] up to the first dense layer and its ReLU.
#[derive(Clone, Debug)]
pub struct KerasCnnBody {
    conv1: Conv2d,
    conv2: Conv2d,
    dropout: Dropout,
    fc1: Linear,
}

/// The last dropout and dense layer of a [`KerasCnn`].
#[derive(Clone, Debug)]
pub struct KerasCnnHead {
    dropout: Dropout,
    fc2: Linear,
}

impl KerasCnn {
    /// Builds it.
    ///
    /// # Errors
    ///
    /// Images below 6 pixels; those of `vb`.
    pub fn new(config: &NetConfig, vb: VarBuilder<'_>, key: &RngKey) -> Result<Self> {
        let Some((height, width)) = flattened(config) else {
            bail!(
                "keras-cnn needs images of at least 6x6 pixels, found {}x{} (height x width)",
                config.height,
                config.width
            );
        };
        let conv = |input, output, name| {
            Conv2d::new(input, output, (3, 3), Conv2dConfig::keras(), vb.pp(name))
        };
        let dense =
            |input, output, name| Linear::new(input, output, LinearConfig::keras(), vb.pp(name));
        let body = KerasCnnBody {
            conv1: conv(config.channels, 32, "conv1")?,
            conv2: conv(32, 64, "conv2")?,
            dropout: Dropout::new(0.25, key, vb.pp("dropout1"))?,
            fc1: dense(64 * height * width, 128, "fc1")?,
        };
        let head = KerasCnnHead {
            dropout: Dropout::new(0.5, key, vb.pp("dropout2"))?,
            fc2: dense(128, config.num_classes, "fc2")?,
        };
        Ok(Self { body, head })
    }
}

impl ModuleT for KerasCnnBody {
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let x = self.conv1.forward_relu(images, None)?;
        let x = self.conv2.forward_relu(&x, Some(&MaxPool2d::new(2)))?;
        let x = self.dropout.forward_t(&x, train)?;
        self.fc1.forward_relu(&Flatten.forward(&x)?)
    }
}

impl ModuleT for KerasCnnHead {
    fn forward_t(&self, features: &Tensor, train: bool) -> Result<Tensor> {
        self.fc2.forward(&self.dropout.forward_t(features, train)?)
    }
}

impl ModuleT for KerasCnn {
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        self.head.forward_t(&self.body.forward_t(images, train)?, train)
    }
}

/// Height and width of the last plane; `None` for images that are too small.
fn flattened(config: &NetConfig) -> Option<(usize, usize)> {
    let side = |size: usize| size.checked_sub(4).map(|size| size / 2).filter(|&size| size > 0);
    side(config.height).zip(side(config.width))
}
