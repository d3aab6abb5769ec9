//! Small convolutional nets for digits.

use candle_core::{Result, bail};
use candle_nn::func_t;

use super::info::{NetConfig, NetInfo, NetSize};
use super::net::Net;
use crate::builder::ParamBuilder;
use crate::layers::{
    BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, Flatten, Linear, LinearConfig, MaxPool2d,
    Sequential,
};
use crate::weights;

/// The channels of the last plane.
const CHANNELS: usize = 128;

/// The channels of each convolution; a max-pool ends each plane size.
type Widths = [&'static [usize]; 3];

pub(super) fn nets() -> Vec<NetInfo> {
    vec![
        NetInfo {
            description: "three 3x3 convolutions with max-pools and batch-norms, one dense layer",
            size: Some(NetSize { parameters: 95_242, multiply_adds: 5_550_848 }),
            ..digit_cnn("digit-cnn", [&[16], &[64], &[CHANNELS]])
        },
        NetInfo {
            description: "five 3x3 convolutions with max-pools and batch-norms, one dense layer",
            size: Some(NetSize { parameters: 289_546, multiply_adds: 21_942_720 }),
            ..digit_cnn("digit-cnn-large", [&[32], &[64, 64], &[128, CHANNELS]])
        },
    ]
}

/// What both of them share.
fn digit_cnn(name: &'static str, widths: Widths) -> NetInfo {
    let mut numbers = 1..;
    let stages = widths.iter().map(|widths| {
        let numbers = numbers.by_ref().take(widths.len());
        numbers.flat_map(|number| [format!("conv{number}.*"), format!("bn{number}.*")]).collect()
    });
    NetInfo {
        default_input: (1, 28, 28),
        num_classes: 10,
        stem: "conv1",
        head: "fc",
        flatten: |config| {
            let (height, width) = flattened(config)?;
            Some(("fc.weight", weights::Flatten { height, width, channels: CHANNELS }))
        },
        stages: stages.chain([vec!["fc.*".to_string()]]).collect(),
        ..NetInfo::new(name, move |config, vb, _| build(widths, config, vb))
    }
}

/// A net that learns digits fast: most of its work is done on small planes.
///
/// Three stages of convolutions 3x3 with padding 1, each followed by ReLU and batch-norm, with a
/// max-pool 2 after the ReLU of a stage's last one; flatten, dense. `digit-cnn` has a convolution a
/// stage, to 16, 64 and 128 channels; `digit-cnn-large` one to 32 channels, two to 64 and two to 128.
/// Convolution, ReLU and pooling are one operation, and the batch-norm after them sees a quarter of
/// the pixels that it would see before. Weights start as PyTorch's defaults.
///
/// Parameters: `conv1` to `conv3` (`conv5`) and `fc`, each with `weight` and `bias`, `bn1` to `bn3`
/// (`bn5`) as `BatchNorm`; 95,242 (289,546) elements for (1, 28, 28) and 10 classes.
///
/// Images have at least 8 pixels each way.
fn build(widths: Widths, config: &NetConfig, vb: ParamBuilder<'_>) -> Result<Net> {
    let Some((height, width)) = flattened(config) else {
        bail!(
            "digit-cnn needs images of at least 8x8 pixels, found {}x{} (height x width)",
            config.height,
            config.width
        );
    };
    let same = Conv2dConfig { padding: (1, 1), ..Conv2dConfig::default() };
    let mut body = Sequential::new();
    let mut input = config.channels;
    let mut number = 0;
    for widths in widths {
        for (index, &output) in widths.iter().enumerate() {
            number += 1;
            let vb = |name: &str| vb.pp(format!("{name}{number}"));
            let conv = Conv2d::new(input, output, (3, 3), same, vb("conv"))?;
            let pool = (index + 1 == widths.len()).then(|| MaxPool2d::new(2));
            body.push(func_t(move |x, train| conv.forward_relu(x, pool.as_ref(), train)));
            body.push(BatchNorm::new(output, BatchNormConfig::default(), vb("bn"))?);
            input = output;
        }
    }
    body.push(Flatten);
    let features = input * height * width;
    let head = Linear::new(features, config.num_classes, LinearConfig::default(), vb.pp("fc"))?;
    Ok(Net { body, head: Sequential::new().add(head) })
}

/// Height and width of the last plane; `None` for images that are too small.
fn flattened(config: &NetConfig) -> Option<(usize, usize)> {
    let side = |size: usize| Some(size / 8).filter(|&size| size > 0);
    side(config.height).zip(side(config.width))
}
