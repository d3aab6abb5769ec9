//! A multilayer perceptron.

use candle_core::{Result, bail};

use super::info::{NetConfig, NetInfo, NetSize, one_by_one};
use super::net::Net;
use crate::builder::ParamBuilder;
use crate::layers::{Dropout, Flatten, Linear, LinearConfig, Relu, Sequential};
use crate::rng::RngKey;
use crate::weights::{self, KeyMap};

pub(super) fn nets() -> Vec<NetInfo> {
    vec![NetInfo {
        description: "the Keras MNIST perceptron: two hidden layers of 512 with dropout 0.2",
        default_input: (1, 28, 28),
        num_classes: 10,
        stem: "fc1",
        head: "fc3",
        key_maps: vec![(
            "keras",
            KeyMap::new([("dense.*", "fc1.*"), ("dense_1.*", "fc2.*"), ("dense_2.*", "fc3.*")]),
        )],
        flatten: |config| {
            let NetConfig { channels, height, width, .. } = *config;
            Some(("fc1.weight", weights::Flatten { height, width, channels }))
        },
        stages: one_by_one(&["fc1.*", "fc2.*", "fc3.*"]),
        size: Some(NetSize { parameters: 669_706, multiply_adds: 668_672 }),
        ..NetInfo::new("mlp", build)
    }]
}

/// A multilayer perceptron, that of the Keras MNIST example `mnist_mlp.py`.
///
/// Flatten, dense 512, ReLU, dropout 0.2, dense 512, ReLU, dropout 0.2, dense. The example ends in
/// a softmax; this net gives logits. Weights start Glorot-uniform, biases at zero.
///
/// Parameters: `fc1`, `fc2`, `fc3`, each with `weight` and `bias`; 669,706 elements for (1, 28, 28)
/// and 10 classes.
fn build(config: &NetConfig, vb: ParamBuilder<'_>, key: &RngKey) -> Result<Net> {
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
    Ok(Net { body, head })
}
