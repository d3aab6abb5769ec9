//! ResNets for images of 32 pixels.

use candle_core::Result;

use super::info::{NetConfig, NetInfo, NetSize, UsualImages};
use super::net::Net;
use super::resnet::{check_size, stages};
use crate::builder::ParamBuilder;
use crate::init::{FanMode, Initializer};
use crate::layers::{
    Activation, BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, ConvNorm, GlobalAvgPool2d,
    Linear, LinearConfig, Relu, Residual, Sequential, ZeroPadShortcut,
};
use crate::weights::KeyMap;

pub(super) fn nets() -> Vec<NetInfo> {
    vec![
        NetInfo {
            description: "ResNet-20 for 32x32 images: 3 basic blocks a stage",
            size: Some(NetSize { parameters: 269_722, multiply_adds: 40_739_456 }),
            ..cifar_resnet("cifar_resnet20", 3)
        },
        NetInfo {
            description: "ResNet-32 for 32x32 images: 5 basic blocks a stage",
            size: Some(NetSize { parameters: 464_154, multiply_adds: 69_165_696 }),
            ..cifar_resnet("cifar_resnet32", 5)
        },
        NetInfo {
            description: "ResNet-44 for 32x32 images: 7 basic blocks a stage",
            size: Some(NetSize { parameters: 658_586, multiply_adds: 97_591_936 }),
            ..cifar_resnet("cifar_resnet44", 7)
        },
        NetInfo {
            description: "ResNet-56 for 32x32 images: 9 basic blocks a stage",
            size: Some(NetSize { parameters: 853_018, multiply_adds: 126_018_176 }),
            ..cifar_resnet("cifar_resnet56", 9)
        },
    ]
}

/// What all of them share; `depth` is the blocks of each of the three stages.
fn cifar_resnet(name: &'static str, depth: usize) -> NetInfo {
    NetInfo {
        default_input: (3, 32, 32),
        num_classes: 10,
        stem: "conv1",
        head: "linear",
        // PyTorch's `DataParallel`, in which these nets are usually trained and saved.
        // As the widely used PyTorch implementation has them for CIFAR-10, too.
        images: Some(UsualImages { bicubic: false, crop: None, ..UsualImages::IMAGENET }),
        key_maps: vec![("data-parallel", KeyMap::new([("module.*", "*")]))],
        stages: stages(&[depth; 3], "linear.*"),
        lora: &["layer*.conv*"],
        ..NetInfo::new(name, move |config, vb, _| build(depth, config, vb))
    }
}

/// A ResNet for 32x32 images, with the names of PyTorch's common implementation for CIFAR-10.
///
/// Conv 3x3x16, batch-norm, ReLU; three stages of `depth` basic blocks with 16, 32 and 64 channels,
/// each but the first halving the image, with shortcuts that have no parameters
/// ([`ZeroPadShortcut`]); global average pool; dense. `6 depth + 2` layers with weights. They start as
/// in the paper, from He's normal distribution (by fan-in).
///
/// Parameters: `conv1`, `bn1`, `layer1.0.conv1`, `layer1.0.bn1`, …, `linear`.
///
/// Images have at least 1 pixel each way.
///
/// He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", 2015, section 4.2.
fn build(depth: usize, config: &NetConfig, vb: ParamBuilder<'_>) -> Result<Net> {
    check_size(config)?;
    let mut body = Sequential::new().add(conv_norm(
        (config.channels, 16),
        1,
        Some(Activation::Relu),
        [vb.pp("conv1"), vb.pp("bn1")],
    )?);
    let mut channels = 16;
    for stage in 0..3 {
        let (width, vb) = (16 << stage, vb.pp(format!("layer{}", stage + 1)));
        for index in 0..depth {
            let stride = if stage > 0 && index == 0 { 2 } else { 1 };
            body.push(block(channels, width, stride, vb.pp(index))?);
            body.push(Relu);
            channels = width;
        }
    }
    body.push(GlobalAvgPool2d);
    let dense = LinearConfig { weight_init: he(), ..LinearConfig::default() };
    let head = Linear::new(channels, config.num_classes, dense, vb.pp("linear"))?;
    Ok(Net { body, head: Sequential::new().add(head) })
}

fn he() -> Initializer {
    Initializer::KaimingNormal { a: 0.0, mode: FanMode::In }
}

/// A 3x3 convolution, batch-norm and activation.
fn conv_norm(
    (input, output): (usize, usize),
    stride: usize,
    activation: Option<Activation>,
    [conv, norm]: [ParamBuilder<'_>; 2],
) -> Result<ConvNorm> {
    let config = Conv2dConfig {
        stride: (stride, stride),
        padding: (1, 1),
        bias: false,
        weight_init: he(),
        ..Conv2dConfig::default()
    };
    let conv = Conv2d::new(input, output, (3, 3), config, conv)?;
    let config = BatchNormConfig { activation, ..BatchNormConfig::default() };
    Ok(ConvNorm { conv, norm: BatchNorm::new(output, config, norm)? })
}

/// A block without the ReLU after the sum.
fn block(channels: usize, width: usize, stride: usize, vb: ParamBuilder<'_>) -> Result<Residual> {
    let (relu, names) = (Some(Activation::Relu), [vb.pp("conv1"), vb.pp("bn1")]);
    let main = Sequential::new()
        .add(conv_norm((channels, width), stride, relu, names)?)
        .add(conv_norm((width, width), 1, None, [vb.pp("conv2"), vb.pp("bn2")])?);
    Ok(match stride == 1 && channels == width {
        true => Residual::new(main),
        false => Residual::with_shortcut(main, ZeroPadShortcut { stride, channels: width }),
    })
}
