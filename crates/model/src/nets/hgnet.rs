//! PP-HGNetV2.

use candle_core::{ModuleT, Result, Tensor};

use super::conv_shape::ConvShape;
use super::info::{Family, NetConfig, NetInfo, NetSize, Published, UsualImages};
use super::net::Net;
use super::resnet::check_size;
use crate::builder::ParamBuilder;
use crate::init::Initializer;
use crate::layers::{
    Conv2d, Conv2dConfig, Flatten, GlobalAvgPool2d, LearnableAffine, Linear, LinearConfig,
    MaxPool2d, Relu, Residual, Sequential,
};

/// One stage of an HGNet.
#[derive(Clone, Copy)]
struct Stage {
    /// Channels of the convolutions within a block.
    middle: usize,
    /// Channels of a block's output.
    outputs: usize,
    blocks: usize,
    /// Whether a convolution within a block is 1x1 and then depthwise.
    light: bool,
    /// The filter's side of these, in pixels.
    kernel: usize,
}

const B0: [Stage; 4] = [
    Stage { middle: 16, outputs: 64, blocks: 1, light: false, kernel: 3 },
    Stage { middle: 32, outputs: 256, blocks: 1, light: false, kernel: 3 },
    Stage { middle: 64, outputs: 512, blocks: 2, light: true, kernel: 5 },
    Stage { middle: 128, outputs: 1024, blocks: 1, light: true, kernel: 5 },
];

/// Channels of the stem.
const STEM: usize = 16;

/// Convolutions within a block.
const LAYERS: usize = 3;

/// The features that the last layer sees.
const FEATURES: usize = 2048;

/// PP-HGNetV2-B0, with timm's names.
///
/// Of PaddlePaddle's `PP-HGNet`; there is no paper of its own.
pub(super) fn nets() -> Vec<NetInfo> {
    let blocks = B0.into_iter().enumerate().flat_map(|(stage, Stage { blocks, .. })| {
        (0..blocks).map(move |block| {
            let first = (stage > 0 && block == 0).then(|| format!("stages.{stage}.downsample.*"));
            first.into_iter().chain([format!("stages.{stage}.blocks.{block}.*")]).collect()
        })
    });
    let ends = |pattern: &str| std::iter::once(vec![pattern.to_string()]);
    let stages =
        ends("stem.*").chain(blocks).chain(ends("head.last_conv.*")).chain(ends("head.fc.*"));
    vec![NetInfo {
        description: "PP-HGNetV2-B0: blocks that join what all their convolutions gave",
        stem: "stem.stem1.conv",
        head: "head.fc",
        stages: stages.collect(),
        lora: &["stages.*.aggregation.*.conv", "stages.*.layers.*.conv1.conv"],
        family: Family::Convolutional,
        size: Some(NetSize { parameters: 5_996_550, multiply_adds: 323_446_400 }),
        images: Some(UsualImages { crop: Some(0.965), ..UsualImages::IMAGENET }),
        published: Published::new("timm/hgnetv2_b0.ssld_stage2_ft_in1k", 77.4),
        ..NetInfo::new("hgnetv2_b0", |config, vb, _| build(config, vb))
    }]
}

/// A PP-HGNetV2.
///
/// A stem that quarters the image; four stages, each but the first behind a depthwise convolution that halves
/// it; blocks of three convolutions in a row, whose outputs and input are joined and go through two 1x1
/// convolutions, with the block's input added where the shape stays. Every convolution has a batch-norm,
/// ReLU and a scale and shift for all of its output. Global average pool, 1x1 convolution, ReLU, dense. Weights
/// start as He's normal by fan-out.
///
/// Images have at least 1 pixel each way.
fn build(config: &NetConfig, vb: ParamBuilder<'_>) -> Result<Net> {
    check_size(config)?;
    let mut body = stem(config.channels, vb.pp("stem"))?;
    let mut channels = STEM;
    for (index, stage) in B0.into_iter().enumerate() {
        let vb = vb.pp("stages").pp(index);
        if index > 0 {
            let halving = ConvShape {
                stride: 2,
                groups: channels,
                ..ConvShape::new(channels, channels, 3).linear()
            };
            body.push(halving.build(&vb.pp("downsample"))?);
        }
        for block in 0..stage.blocks {
            let path = Block::new(stage, channels, vb.pp("blocks").pp(block))?;
            match block {
                0 => body.push(path),
                _ => body.push(Residual::new(path)),
            }
            channels = stage.outputs;
        }
    }
    body.push(GlobalAvgPool2d);
    body.push(|x: &Tensor| x.reshape(((), x.dim(1)?, 1, 1)));
    let conv = Conv2dConfig {
        bias: false,
        weight_init: Initializer::KAIMING_NORMAL_FAN_OUT,
        ..Conv2dConfig::default()
    };
    body.push(Conv2d::new(channels, FEATURES, (1, 1), conv, vb.pp("head.last_conv.0"))?);
    body.push(Relu);
    body.push(LearnableAffine::new(vb.pp("head.last_conv.2"))?);
    body.push(Flatten);
    let head =
        Linear::new(FEATURES, config.num_classes, LinearConfig::default(), vb.pp("head.fc"))?;
    Ok(Net { body, head: Sequential::new().add(head) })
}

/// With batch-norm, ReLU, scale and shift.
fn activated(conv: ConvShape, vb: ParamBuilder<'_>) -> Result<Sequential> {
    Ok(Sequential::new().add(conv.build(&vb)?).add(LearnableAffine::new(vb.pp("lab"))?))
}

fn stem(channels: usize, vb: ParamBuilder<'_>) -> Result<Sequential> {
    let first = ConvShape { stride: 2, ..ConvShape::new(channels, STEM, 3) };
    let narrow = Sequential::new()
        .add(activated(ConvShape::new(STEM, STEM / 2, 2), vb.pp("stem2a"))?)
        .add(activated(ConvShape::new(STEM / 2, STEM, 2), vb.pp("stem2b"))?);
    let third = ConvShape { stride: 2, ..ConvShape::new(2 * STEM, STEM, 3) };
    Ok(activated(first, vb.pp("stem1"))?
        .add(Beside(narrow))
        .add(activated(third, vb.pp("stem3"))?)
        .add(activated(ConvShape::new(STEM, STEM, 1), vb.pp("stem4"))?))
}

/// Each pixel's maximum with its neighbours to the right and below, and behind these channels those of a
/// path; zeros lie beyond the image.
struct Beside(Sequential);

impl ModuleT for Beside {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let pool = MaxPool2d { kernel: (2, 2), stride: (1, 1), padding: (0, 0) };
        let padded = x.pad_with_zeros(2, 0, 1)?.pad_with_zeros(3, 0, 1)?;
        let largest = candle_core::Module::forward(&pool, &padded)?;
        Tensor::cat(&[largest, self.0.forward_t(x, train)?], 1)
    }
}

/// Convolutions in a row, and what joins their outputs to their input.
struct Block {
    layers: Vec<Sequential>,
    aggregation: Sequential,
}

impl Block {
    fn new(stage: Stage, inputs: usize, vb: ParamBuilder<'_>) -> Result<Self> {
        let Stage { middle, outputs, light, kernel, .. } = stage;
        let layer = |index: usize| {
            let (inputs, vb) =
                (if index == 0 { inputs } else { middle }, vb.pp("layers").pp(index));
            if !light {
                return activated(ConvShape::new(inputs, middle, kernel), vb);
            }
            let depthwise = ConvShape { groups: middle, ..ConvShape::new(middle, middle, kernel) };
            let narrow = ConvShape::new(inputs, middle, 1).linear().build(&vb.pp("conv1"))?;
            Ok(Sequential::new().add(narrow).add(activated(depthwise, vb.pp("conv2"))?))
        };
        let layers = (0..LAYERS).map(layer).collect::<Result<_>>()?;
        let (joined, half) = (inputs + LAYERS * middle, outputs / 2);
        let aggregation = Sequential::new()
            .add(activated(ConvShape::new(joined, half, 1), vb.pp("aggregation.0"))?)
            .add(activated(ConvShape::new(half, outputs, 1), vb.pp("aggregation.1"))?);
        Ok(Self { layers, aggregation })
    }
}

impl ModuleT for Block {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let mut all = vec![x.clone()];
        for layer in &self.layers {
            let next = layer.forward_t(&all[all.len() - 1], train)?;
            all.push(next);
        }
        self.aggregation.forward_t(&Tensor::cat(&all, 1)?, train)
    }
}
