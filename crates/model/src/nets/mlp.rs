//! A multilayer perceptron.

use candle_core::{ModuleT, Result, Tensor, bail};
use candle_nn::VarBuilder;

use super::info::one_by_one;
use super::{Family, Net, NetConfig, NetInfo, NetSize};
use crate::layers::{Dropout, Flatten, Linear, LinearConfig, Relu, Sequential};
use crate::rng::RngKey;
use crate::weights::{self, NamedKeyMap};

/// `mlp`, see [`Mlp`].
pub const MLP: NetInfo = NetInfo {
    name: "mlp",
    description: "the Keras MNIST perceptron: two hidden layers of 512 with dropout 0.2",
    default_input: (1, 28, 28),
    num_classes: 10,
    stem: "fc1",
    head: "fc3",
    key_maps: &[NamedKeyMap::renames(
        "keras",
        &[("dense.*", "fc1.*"), ("dense_1.*", "fc2.*"), ("dense_2.*", "fc3.*")],
    )],
    export: None,
    flatten: |config| {
        let NetConfig { channels, height, width, .. } = *config;
        Some(("fc1.weight", weights::Flatten { height, width, channels }))
    },
    patches: None,
    blocks: || one_by_one(&["fc1.*", "fc2.*", "fc3.*"]),
    lora: &["*"],
    prepared: None,
    family: Family::Small,
    size: Some(NetSize { parameters: 669_706, multiply_adds: 668_672 }),
    hub: None,
    build: |config, vb, key| {
        let Mlp { body, head } = Mlp::new(config, vb, key)?;
        Ok(Net::with_head(body, head))
    },
};

/// A multilayer perceptron, that of the Keras MNIST example `mnist_mlp.py`.
///
/// Flatten, dense 512, ReLU, dropout 0.2, dense 512, ReLU, dropout 0.2, dense. The example ends in
/// a softmax; this net gives logits. Weights start Glorot-uniform, biases at zero.
///
/// Parameters: `fc1`, `fc2`, `fc3`, each with `weight` and `bias`; 669,706 elements for (1, 28, 28)
/// and 10 classes.
///
/// # Shapes
///
/// (n, channels, height, width) to (n, classes).
pub struct Mlp {
    /// From images to features (n, 512).
    pub body: Sequential,
    /// The last dropout and dense layer: from features to logits.
    pub head: Sequential,
}

impl Mlp {
    /// Builds it.
    ///
    /// # Errors
    ///
    /// Images without pixels; those of `vb`.
    pub fn new(config: &NetConfig, vb: VarBuilder<'_>, key: &RngKey) -> Result<Self> {
        let features = config.channels * config.height * config.width;
        if features == 0 {
            bail!(
                "mlp needs images of at least one pixel, found {}x{}x{} (channels x height x width)",
                config.channels,
                config.height,
                config.width
            );
        }
        let dense =
            |input, output, name| Linear::new(input, output, LinearConfig::keras(), vb.pp(name));
        let body = Sequential::new()
            .add(Flatten)
            .add(dense(features, 512, "fc1")?)
            .add(Relu)
            .add(Dropout::new(0.2, key, vb.pp("dropout1"))?)
            .add(dense(512, 512, "fc2")?)
            .add(Relu);
        let head = Sequential::new().add(Dropout::new(0.2, key, vb.pp("dropout2"))?).add(dense(
            512,
            config.num_classes,
            "fc3",
        )?);
        Ok(Self { body, head })
    }
}

impl ModuleT for Mlp {
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        self.head.forward_t(&self.body.forward_t(images, train)?, train)
    }
}
