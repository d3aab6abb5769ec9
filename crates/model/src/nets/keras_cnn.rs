//! The Keras MNIST example.

use candle_core::{Result, bail};
use candle_nn::func_t;

use super::info::{NetConfig, NetInfo, NetSize, one_by_one};
use super::net::Net;
use crate::builder::ParamBuilder;
use crate::layers::{
    Conv2d, Conv2dConfig, Dropout, Flatten, Linear, LinearConfig, MaxPool2d, Sequential,
};
use crate::rng::RngKey;
use crate::weights::{self, KeyMap};

pub(super) fn nets() -> Vec<NetInfo> {
    vec![NetInfo {
        description: "the Keras MNIST example: two 3x3 convolutions, a max-pool, two dense layers",
        default_input: (1, 28, 28),
        num_classes: 10,
        stem: "conv1",
        head: "fc2",
        key_maps: vec![(
            "keras",
            KeyMap::new([
                // Keras counts its layers by kind, from an unnumbered first one.
                ("conv2d.*", "conv1.*"),
                ("conv2d_1.*", "conv2.*"),
                ("dense.*", "fc1.*"),
                ("dense_1.*", "fc2.*"),
            ]),
        )],
        flatten: |config| {
            let (height, width) = flattened(config)?;
            Some(("fc1.weight", weights::Flatten { height, width, channels: 64 }))
        },
        stages: one_by_one(&["conv1.*", "conv2.*", "fc1.*", "fc2.*"]),
        size: Some(NetSize { parameters: 1_199_882, multiply_adds: 11_992_448 }),
        ..NetInfo::new("keras-cnn", build)
    }]
}

/// The net of the Keras MNIST example (`mnist_cnn.py`), with the names of PyTorch's.
///
/// Conv 3x3x32, ReLU, conv 3x3x64, ReLU, max-pool 2, dropout 0.25, flatten, dense 128, ReLU,
/// dropout 0.5, dense. The example ends in a softmax; this net gives logits, and the softmax is the
/// loss's. Weights start Glorot-uniform, biases at zero.
///
/// Parameters: `conv1`, `conv2`, `fc1`, `fc2`, each with `weight` and `bias`; 1,199,882 elements
/// for (1, 28, 28) and 10 classes.
///
/// Images have at least 6 pixels each way.
fn build(config: &NetConfig, vb: ParamBuilder<'_>, key: &RngKey) -> Result<Net> {
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
    let (conv1, conv2) = (conv(config.channels, 32, "conv1")?, conv(32, 64, "conv2")?);
    let fc1 = dense(64 * height * width, 128, "fc1")?;
    // With the ReLU and the pool behind it, each is one operation.
    let body = Sequential::new()
        .add(func_t(move |x, train| conv1.forward_relu(x, None, train)))
        .add(func_t(move |x, train| conv2.forward_relu(x, Some(&MaxPool2d::new(2)), train)))
        .add(Dropout::new(0.25, key, vb.pp("dropout1"))?)
        .add(Flatten)
        .add(func_t(move |x, train| fc1.forward_relu(x, train)));
    let head = Sequential::new().add(Dropout::new(0.5, key, vb.pp("dropout2"))?).add(dense(
        128,
        config.num_classes,
        "fc2",
    )?);
    Ok(Net { body, head })
}

/// Height and width of the last plane; `None` for images that are too small.
fn flattened(config: &NetConfig) -> Option<(usize, usize)> {
    let side = |size: usize| size.checked_sub(4).map(|size| size / 2).filter(|&size| size > 0);
    side(config.height).zip(side(config.width))
}
