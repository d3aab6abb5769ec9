//! LeNet-5.

use candle_core::{Result, bail};

use super::info::{NetConfig, NetInfo, NetSize, one_by_one};
use super::net::Net;
use crate::builder::ParamBuilder;
use crate::layers::{
    Conv2d, Conv2dConfig, Flatten, Linear, LinearConfig, MaxPool2d, Relu, Sequential,
};
use crate::weights::{self, KeyMap};

pub(super) fn nets() -> Vec<NetInfo> {
    vec![NetInfo {
        description: "LeNet-5 in its modern form: two 5x5 convolutions with max-pools, three dense layers",
        default_input: (1, 28, 28),
        num_classes: 10,
        stem: "conv1",
        head: "fc3",
        key_maps: vec![(
            "keras",
            KeyMap::new([
                ("conv2d.*", "conv1.*"),
                ("conv2d_1.*", "conv2.*"),
                ("dense.*", "fc1.*"),
                ("dense_1.*", "fc2.*"),
                ("dense_2.*", "fc3.*"),
            ]),
        )],
        flatten: |config| {
            let (height, width) = flattened(config)?;
            Some(("fc1.weight", weights::Flatten { height, width, channels: 16 }))
        },
        stages: one_by_one(&["conv1.*", "conv2.*", "fc1.*", "fc2.*", "fc3.*"]),
        size: Some(NetSize { parameters: 61_706, multiply_adds: 416_520 }),
        ..NetInfo::new("lenet5", |config, vb, _| build(config, vb))
    }]
}

/// LeNet-5 in its common modern form: ReLU and max-pools.
///
/// Conv 5x5x6 with padding 2 (so that 28x28 stays 28x28, as the original's 32x32 did), ReLU,
/// max-pool 2, conv 5x5x16, ReLU, max-pool 2, flatten, dense 120, ReLU, dense 84, ReLU, dense.
/// Weights start as PyTorch's defaults.
///
/// The original (LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document
/// Recognition", 1998) has scaled tanh activations, trainable subsampling, a second convolution
/// that sees only some of the six planes, and radial basis functions at the end.
///
/// Parameters: `conv1`, `conv2`, `fc1`, `fc2`, `fc3`, each with `weight` and `bias`; 61,706
/// elements for (1, 28, 28) and 10 classes.
///
/// Images have at least 12 pixels each way.
fn build(config: &NetConfig, vb: ParamBuilder<'_>) -> Result<Net> {
    let Some((height, width)) = flattened(config) else {
        bail!(
            "lenet5 needs images of at least 12x12 pixels, found {}x{} (height x width)",
            config.height,
            config.width
        );
    };
    let padded = Conv2dConfig { padding: (2, 2), ..Conv2dConfig::default() };
    let dense =
        |input, output, name| Linear::new(input, output, LinearConfig::default(), vb.pp(name));
    let body = Sequential::new()
        .add(Conv2d::new(config.channels, 6, (5, 5), padded, vb.pp("conv1"))?)
        .add(Relu)
        .add(MaxPool2d::new(2))
        .add(Conv2d::new(6, 16, (5, 5), Conv2dConfig::default(), vb.pp("conv2"))?)
        .add(Relu)
        .add(MaxPool2d::new(2))
        .add(Flatten)
        .add(dense(16 * height * width, 120, "fc1")?)
        .add(Relu)
        .add(dense(120, 84, "fc2")?)
        .add(Relu);
    let head = Sequential::new().add(dense(84, config.num_classes, "fc3")?);
    Ok(Net { body, head })
}

/// Height and width of the last plane; `None` for images that are too small.
fn flattened(config: &NetConfig) -> Option<(usize, usize)> {
    let side =
        |size: usize| (size / 2).checked_sub(4).map(|size| size / 2).filter(|&size| size > 0);
    side(config.height).zip(side(config.width))
}
