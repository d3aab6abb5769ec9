//! ResNets for images of some hundred pixels.

use candle_core::{Result, bail};

use super::info::{Family, NetConfig, NetInfo, NetSize, Published, UsualImages};
use super::net::Net;
use crate::builder::ParamBuilder;
use crate::init::Initializer;
use crate::layers::{
    Activation, BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, ConvNorm, GlobalAvgPool2d,
    Linear, LinearConfig, MaxPool2d, Relu, Residual, Sequential,
};
use crate::weights::KeyMap;

/// The main path of a residual block.
#[derive(Clone, Copy)]
enum Block {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1 to a quarter of the channels, 3x3, 1x1; the 3x3 one takes the stride, as in torchvision,
    /// timm and transformers ("v1.5").
    Bottleneck,
}

pub(super) fn nets() -> Vec<NetInfo> {
    vec![
        NetInfo {
            description: "ResNet-18: basic blocks 2, 2, 2, 2",
            size: Some(NetSize { parameters: 11_689_512, multiply_adds: 1_816_557_056 }),
            published: Published::new("timm/resnet18.a1_in1k", 71.5),
            ..resnet("resnet18", Block::Basic, [2, 2, 2, 2])
        },
        NetInfo {
            description: "ResNet-34: basic blocks 3, 4, 6, 3",
            size: Some(NetSize { parameters: 21_797_672, multiply_adds: 3_667_499_520 }),
            published: Published::new("timm/resnet34.a1_in1k", 76.4),
            ..resnet("resnet34", Block::Basic, [3, 4, 6, 3])
        },
        NetInfo {
            description: "ResNet-50: bottlenecks 3, 4, 6, 3",
            size: Some(NetSize { parameters: 25_557_032, multiply_adds: 4_100_298_240 }),
            published: Published::new("timm/resnet50.a1_in1k", 80.4),
            ..resnet("resnet50", Block::Bottleneck, [3, 4, 6, 3])
        },
        NetInfo {
            description: "ResNet-101: bottlenecks 3, 4, 23, 3",
            size: Some(NetSize { parameters: 44_549_160, multiply_adds: 7_817_637_376 }),
            published: Published::new("timm/resnet101.a1h_in1k", 82.0),
            ..resnet("resnet101", Block::Bottleneck, [3, 4, 23, 3])
        },
    ]
}

/// What all of them share; `depths` are the blocks of each of the four stages.
fn resnet(name: &'static str, block: Block, depths: [usize; 4]) -> NetInfo {
    NetInfo {
        stem: "conv1",
        head: "fc",
        key_maps: vec![("transformers", transformers())],
        stages: stages(&depths, "fc.*"),
        lora: &["layer*.conv*"],
        family: Family::Convolutional,
        // torchvision's: 224 out of 256.
        images: Some(UsualImages { bicubic: false, ..UsualImages::IMAGENET }),
        ..NetInfo::new(name, move |config, vb, _| build(block, depths, config, vb))
    }
}

/// The stages of a ResNet with `depths` blocks: stem, blocks, head.
pub(super) fn stages(depths: &[usize], head: &str) -> Vec<Vec<String>> {
    let stem = vec!["conv1.*".to_string(), "bn1.*".to_string()];
    let blocks = (1..).zip(depths).flat_map(|(stage, &depth)| {
        (0..depth).map(move |block| vec![format!("layer{stage}.{block}.*")])
    });
    std::iter::once(stem).chain(blocks).chain([vec![head.to_string()]]).collect()
}

/// timm's and torchvision's names are ours; those of `ResNetForImageClassification`, and of
/// `ResNetModel` without a head, are not.
fn transformers() -> KeyMap {
    KeyMap::new([
        ("resnet.*", "*"),
        ("embedder.embedder.*", "stem.*"),
        ("encoder.stages.0.layers.*", "layer1.*"),
        ("encoder.stages.1.layers.*", "layer2.*"),
        ("encoder.stages.2.layers.*", "layer3.*"),
        ("encoder.stages.3.layers.*", "layer4.*"),
        ("stem.convolution.*", "conv1.*"),
        ("stem.normalization.*", "bn1.*"),
        ("*.shortcut.convolution.*", "*.downsample.0.*"),
        ("*.shortcut.normalization.*", "*.downsample.1.*"),
        ("*.layer.0.convolution.*", "*.conv1.*"),
        ("*.layer.0.normalization.*", "*.bn1.*"),
        ("*.layer.1.convolution.*", "*.conv2.*"),
        ("*.layer.1.normalization.*", "*.bn2.*"),
        ("*.layer.2.convolution.*", "*.conv3.*"),
        ("*.layer.2.normalization.*", "*.bn3.*"),
        ("classifier.1.*", "fc.*"),
    ])
}

/// A ResNet with the names of torchvision and timm.
///
/// Conv 7x7x64 of stride 2, batch-norm, ReLU, max-pool 3x3 of stride 2; four stages of residual
/// blocks with 64, 128, 256 and 512 channels (times 4 for bottlenecks), each but the first halving
/// the image; global average pool; dense. Weights start as torchvision's: He's normal by fan-out
/// for convolutions, no bias there.
///
/// Parameters: `conv1`, `bn1`, `layer1.0.conv1`, `layer1.0.bn1`, …, `layer2.0.downsample.0` (the
/// projection), `layer2.0.downsample.1` (its norm), …, `fc`.
///
/// Images have at least 1 pixel each way. The last stage's plane
/// is 1/32 of the image each way, rounded up. In training, a batch needs more than one value there.
///
/// He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", 2015.
fn build(
    block: Block,
    depths: [usize; 4],
    config: &NetConfig,
    vb: ParamBuilder<'_>,
) -> Result<Net> {
    check_size(config)?;
    let stem = Conv2dConfig { stride: (2, 2), padding: (3, 3), ..convolution() };
    let pool = MaxPool2d { stride: (2, 2), padding: (1, 1), ..MaxPool2d::new(3) };
    let relu = BatchNormConfig { activation: Some(Activation::Relu), ..BatchNormConfig::default() };
    let mut body = Sequential::new()
        .add(ConvNorm {
            conv: Conv2d::new(config.channels, 64, (7, 7), stem, vb.pp("conv1"))?,
            norm: BatchNorm::new(64, relu, vb.pp("bn1"))?,
        })
        .add(pool);
    let mut channels = 64;
    for (stage, blocks) in depths.into_iter().enumerate() {
        let width = 64 << stage;
        let vb = vb.pp(format!("layer{}", stage + 1));
        for index in 0..blocks {
            let stride = if stage > 0 && index == 0 { 2 } else { 1 };
            let shape = BlockShape { block, channels, width, stride };
            body.push(shape.build(vb.pp(index))?);
            body.push(Relu);
            channels = shape.out_channels();
        }
    }
    body.push(GlobalAvgPool2d);
    let head = Linear::new(channels, config.num_classes, LinearConfig::default(), vb.pp("fc"))?;
    Ok(Net { body, head: Sequential::new().add(head) })
}

pub(super) fn check_size(config: &NetConfig) -> Result<()> {
    if config.height == 0 || config.width == 0 {
        bail!(
            "a ResNet needs images of at least one pixel, found {}x{} (height x width)",
            config.height,
            config.width
        );
    }
    Ok(())
}

/// A ResNet's convolution: no bias, and torchvision's first values.
fn convolution() -> Conv2dConfig {
    Conv2dConfig {
        bias: false,
        weight_init: Initializer::KAIMING_NORMAL_FAN_OUT,
        ..Conv2dConfig::default()
    }
}

/// One residual block: from `channels` to `width` times the expansion.
struct BlockShape {
    block: Block,
    channels: usize,
    width: usize,
    stride: usize,
}

impl BlockShape {
    fn out_channels(&self) -> usize {
        match self.block {
            Block::Basic => self.width,
            Block::Bottleneck => 4 * self.width,
        }
    }

    /// The block without the ReLU after the sum.
    fn build(&self, vb: ParamBuilder<'_>) -> Result<Residual> {
        let (channels, width, out) = (self.channels, self.width, self.out_channels());
        let conv = |input, output, kernel: usize, stride, activation, names: [&str; 2]| {
            let padding = (kernel / 2, kernel / 2);
            let config = Conv2dConfig { stride: (stride, stride), padding, ..convolution() };
            let conv = Conv2d::new(input, output, (kernel, kernel), config, vb.pp(names[0]))?;
            let config = BatchNormConfig { activation, ..BatchNormConfig::default() };
            Result::Ok(ConvNorm { conv, norm: BatchNorm::new(output, config, vb.pp(names[1]))? })
        };
        let relu = Some(Activation::Relu);
        let main = match self.block {
            Block::Basic => Sequential::new()
                .add(conv(channels, width, 3, self.stride, relu, ["conv1", "bn1"])?)
                .add(conv(width, width, 3, 1, None, ["conv2", "bn2"])?),
            Block::Bottleneck => Sequential::new()
                .add(conv(channels, width, 1, 1, relu, ["conv1", "bn1"])?)
                .add(conv(width, width, 3, self.stride, relu, ["conv2", "bn2"])?)
                .add(conv(width, out, 1, 1, None, ["conv3", "bn3"])?),
        };
        if self.stride == 1 && channels == out {
            return Ok(Residual::new(main));
        }
        let names = ["downsample.0", "downsample.1"];
        let projection = conv(channels, out, 1, self.stride, None, names)?;
        Ok(Residual::with_shortcut(main, projection))
    }
}
