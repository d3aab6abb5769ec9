//! ConvNeXt.

use candle_core::{Result, Tensor, bail};

use super::info::{Family, NetConfig, NetInfo, NetSize, Published, UsualImages};
use super::net::Net;
use crate::builder::ParamBuilder;
use crate::init::Initializer;
use crate::layers::{
    Conv2d, Conv2dConfig, Gelu, GlobalAvgPool2d, GlobalResponseNorm, LayerNorm, LayerNorm2d,
    LayerNormConfig, LayerScale, Linear, LinearConfig, MlpBlock, Residual, Sequential,
};
use crate::weights::KeyMap;

/// The sizes of a ConvNeXt.
#[derive(Clone, Copy)]
struct ConvNeXt {
    /// The blocks of each stage.
    depths: [usize; 4],
    /// The channels of each stage.
    channels: [usize; 4],
    /// Whether a block's dense layers are 1x1 convolutions, as timm's small ones have them.
    convolutions: bool,
    /// Whether it is of the second version: global response normalization in place of layer scale.
    second: bool,
}

/// timm's smallest; the others have other channels.
const ATTO: ConvNeXt = ConvNeXt {
    depths: [2, 2, 6, 2],
    channels: [40, 80, 160, 320],
    convolutions: true,
    second: false,
};

/// ConvNeXts, with timm's names.
///
/// Liu et al., "A ConvNet for the 2020s", 2022; version 2: Woo et al., "ConvNeXt V2: Co-designing and
/// Scaling ConvNets with Masked Autoencoders", 2023; the smaller sizes are timm's. DINOv3's
/// ConvNeXt-tiny is this one.
pub(super) fn nets() -> Vec<NetInfo> {
    let tiny = ConvNeXt {
        depths: [3, 3, 9, 3],
        channels: [96, 192, 384, 768],
        convolutions: false,
        second: false,
    };
    vec![
        NetInfo {
            description: "ConvNeXt-Atto: blocks 2, 2, 6, 2 of 40 to 320 channels",
            size: Some(NetSize { parameters: 3_695_520, multiply_adds: 548_273_600 }),
            published: Published::new("timm/convnext_atto.d2_in1k", 75.7),
            ..convnext("convnext_atto", ATTO)
        },
        NetInfo {
            description: "ConvNeXt-Femto: blocks 2, 2, 6, 2 of 48 to 384 channels",
            size: Some(NetSize { parameters: 5_217_784, multiply_adds: 780_759_168 }),
            published: Published::new("timm/convnext_femto.d1_in1k", 77.5),
            ..convnext("convnext_femto", ConvNeXt { channels: [48, 96, 192, 384], ..ATTO })
        },
        NetInfo {
            description: "ConvNeXt-Pico: blocks 2, 2, 6, 2 of 64 to 512 channels",
            size: Some(NetSize { parameters: 9_045_672, multiply_adds: 1_368_561_152 }),
            published: Published::new("timm/convnext_pico.d1_in1k", 79.5),
            ..convnext("convnext_pico", ConvNeXt { channels: [64, 128, 256, 512], ..ATTO })
        },
        NetInfo {
            description: "ConvNeXt-Tiny: blocks 3, 3, 9, 3 of 96 to 768 channels",
            size: Some(NetSize { parameters: 28_589_128, multiply_adds: 4_458_504_960 }),
            images: Some(UsualImages { crop: Some(0.95), ..UsualImages::IMAGENET }),
            published: Published::new("timm/convnext_tiny.in12k_ft_in1k", 84.2),
            ..convnext("convnext_tiny", tiny)
        },
        NetInfo {
            description: "ConvNeXt-V2-Atto: ConvNeXt-Atto with global response normalization",
            size: Some(NetSize { parameters: 3_708_400, multiply_adds: 548_273_600 }),
            published: Some(Published {
                hub: "timm/convnextv2_atto.fcmae_ft_in1k",
                license: "cc-by-nc-4.0",
                top1: Some(76.6),
            }),
            ..convnext("convnextv2_atto", ConvNeXt { second: true, ..ATTO })
        },
    ]
}

/// What all of them share.
fn convnext(name: &'static str, sizes: ConvNeXt) -> NetInfo {
    NetInfo {
        stem: "stem.0",
        head: "head.fc",
        key_maps: vec![
            ("torchvision", torchvision()),
            ("transformers", transformers()),
            ("facebook", facebook()),
        ],
        stages: sizes.stages(),
        lora: &["stages.*.mlp.fc*"],
        family: Family::Convolutional,
        images: Some(UsualImages::IMAGENET),
        ..NetInfo::new(name, move |config, vb, _| sizes.build(config, vb))
    }
}

/// Those of `ConvNextForImageClassification`, `ConvNextV2ForImageClassification` and, without a head,
/// `DINOv3ConvNextModel`.
fn transformers() -> KeyMap {
    KeyMap::new([
        ("convnext.*", "*"),
        ("convnextv2.*", "*"),
        ("embeddings.patch_embeddings.*", "stem.0.*"),
        ("embeddings.layernorm.*", "stem.1.*"),
        ("encoder.*", "*"),
        ("stages.*.downsampling_layer.*", "stages.*.downsample.*"),
        ("stages.*.layers.*.dwconv.*", "stages.*.blocks.*.conv_dw.*"),
        ("stages.*.layers.*.layernorm.*", "stages.*.blocks.*.norm.*"),
        ("stages.*.layers.*.pwconv*", "stages.*.blocks.*.mlp.fc*"),
        ("stages.*.layers.*.grn.*", "stages.*.blocks.*.mlp.grn.*"),
        ("stages.*.layers.*.layer_scale_parameter", "stages.*.blocks.*.gamma"),
        ("layernorm.*", "head.norm.*"),
        ("classifier.*", "head.fc.*"),
        // DINOv3's.
        ("model.*", "*"),
        ("stages.0.downsample_layers.*", "stem.*"),
        ("stages.*.downsample_layers.*", "stages.*.downsample.*"),
        ("stages.*.layers.*.depthwise_conv.*", "stages.*.blocks.*.conv_dw.*"),
        ("stages.*.layers.*.layer_norm.*", "stages.*.blocks.*.norm.*"),
        ("stages.*.layers.*.pointwise_conv*", "stages.*.blocks.*.mlp.fc*"),
        ("stages.*.layers.*.gamma", "stages.*.blocks.*.gamma"),
        ("layer_norm.*", "head.norm.*"),
    ])
}

fn torchvision() -> KeyMap {
    let blocks = (0..4)
        .map(|stage| (format!("features.{}.*", 2 * stage + 1), format!("stages.{stage}.blocks.*")));
    let downsamples = (1..4)
        .map(|stage| (format!("features.{}.*", 2 * stage), format!("stages.{stage}.downsample.*")));
    let layers = [
        ("features.0.*", "stem.*"),
        ("stages.*.block.0.*", "stages.*.conv_dw.*"),
        ("stages.*.block.2.*", "stages.*.norm.*"),
        ("stages.*.block.3.*", "stages.*.mlp.fc1.*"),
        ("stages.*.block.5.*", "stages.*.mlp.fc2.*"),
        ("stages.*.layer_scale", "stages.*.gamma"),
        ("classifier.0.*", "head.norm.*"),
        ("classifier.2.*", "head.fc.*"),
    ];
    let layers = layers.map(|(theirs, ours)| (theirs.to_string(), ours.to_string()));
    KeyMap::new(blocks.chain(downsamples).chain(layers))
}

/// Those of the authors' own files, of DINOv3's, too.
fn facebook() -> KeyMap {
    KeyMap::new([
        ("downsample_layers.0.*", "stem.*"),
        ("downsample_layers.*.*", "stages.*.downsample.*"),
        ("stages.*.*.dwconv.*", "stages.*.blocks.*.conv_dw.*"),
        ("stages.*.*.norm.*", "stages.*.blocks.*.norm.*"),
        ("stages.*.*.pwconv*", "stages.*.blocks.*.mlp.fc*"),
        ("stages.*.*.grn.gamma", "stages.*.blocks.*.mlp.grn.weight"),
        ("stages.*.*.grn.beta", "stages.*.blocks.*.mlp.grn.bias"),
        ("stages.*.*.gamma", "stages.*.blocks.*.gamma"),
        ("head.*", "head.fc.*"),
        ("norm.*", "head.norm.*"),
    ])
}

/// The first value of layer scale.
const LAYER_SCALE: f64 = 1e-6;

/// timm's epsilon for layer-norms.
const NORM: LayerNormConfig = LayerNormConfig { eps: 1e-6 };

impl ConvNeXt {
    /// The stages that fine-tuning counts: stem, each block, head; what makes images smaller goes with
    /// the block behind it.
    fn stages(&self) -> Vec<Vec<String>> {
        let blocks = self.depths.into_iter().enumerate().flat_map(|(stage, depth)| {
            (0..depth).map(move |index| {
                let block = format!("stages.{stage}.blocks.{index}.*");
                let first =
                    (stage > 0 && index == 0).then(|| format!("stages.{stage}.downsample.*"));
                first.into_iter().chain([block]).collect()
            })
        });
        let ends = |pattern: &str| std::iter::once(vec![pattern.to_string()]);
        ends("stem.*").chain(blocks).chain(ends("head.*")).collect()
    }

    /// A ConvNeXt.
    ///
    /// Patches of 4 pixels and layer-norm; four stages of residual blocks, each but the first behind a
    /// layer-norm and a convolution that halves the image: depthwise 7x7, layer-norm over the channels,
    /// two dense layers with GELU between, layer scale. Global average pool, layer-norm, dense. Weights
    /// start as timm's: truncated normal of deviation 0.02, zero biases, layer scale 1e-6.
    ///
    /// Images have at least 32 pixels each way. Pixels beyond the last whole patch are left out.
    fn build(&self, config: &NetConfig, vb: ParamBuilder<'_>) -> Result<Net> {
        if config.height.min(config.width) < 32 {
            bail!(
                "a ConvNeXt needs images of at least 32x32 pixels, found {}x{} (height x width)",
                config.height,
                config.width
            );
        }
        let mut channels = self.channels[0];
        let stem = Conv2dConfig { stride: (4, 4), ..convolution() };
        let mut body = Sequential::new()
            .add(Conv2d::new(config.channels, channels, (4, 4), stem, vb.pp("stem.0"))?)
            .add(LayerNorm2d::new(channels, NORM, vb.pp("stem.1"))?);
        for (stage, (depth, width)) in self.depths.into_iter().zip(self.channels).enumerate() {
            let vb = vb.pp("stages").pp(stage);
            if stage > 0 {
                let halving = Conv2dConfig { stride: (2, 2), ..convolution() };
                body.push(LayerNorm2d::new(channels, NORM, vb.pp("downsample.0"))?);
                let conv = Conv2d::new(channels, width, (2, 2), halving, vb.pp("downsample.1"))?;
                body.push(conv);
                channels = width;
            }
            for index in 0..depth {
                body.push(Residual::new(self.block(channels, vb.pp("blocks").pp(index))?));
            }
        }
        body.push(GlobalAvgPool2d);
        body.push(LayerNorm::new(channels, NORM, vb.pp("head.norm"))?);
        let head = Linear::new(channels, config.num_classes, dense(), vb.pp("head.fc"))?;
        Ok(Net { body, head: Sequential::new().add(head) })
    }

    /// The main path of a block.
    fn block(&self, channels: usize, vb: ParamBuilder<'_>) -> Result<Sequential> {
        let depthwise = Conv2dConfig { padding: (3, 3), groups: channels, ..convolution() };
        let mut path = Sequential::new().add(Conv2d::new(
            channels,
            channels,
            (7, 7),
            depthwise,
            vb.pp("conv_dw"),
        )?);
        let mlp = vb.pp("mlp");
        if self.convolutions {
            let conv = |inputs, outputs, name| {
                Conv2d::new(inputs, outputs, (1, 1), convolution(), mlp.pp(name))
            };
            path.push(LayerNorm2d::new(channels, NORM, vb.pp("norm"))?);
            path.push(conv(channels, 4 * channels, "fc1")?);
            path.push(Gelu::Exact);
            if self.second {
                path.push(GlobalResponseNorm::new(4 * channels, mlp.pp("grn"))?);
            }
            path.push(conv(4 * channels, channels, "fc2")?);
        } else {
            path.push(|x: &Tensor| x.permute((0, 2, 3, 1))?.contiguous());
            path.push(LayerNorm::new(channels, NORM, vb.pp("norm"))?);
            path.push(MlpBlock::new(channels, 4 * channels, dense(), mlp)?);
            path.push(|x: &Tensor| x.permute((0, 3, 1, 2)));
        }
        if !self.second {
            path.push(LayerScale::over_channels(channels, LAYER_SCALE, vb)?);
        }
        Ok(path)
    }
}

/// timm's first values for a convolution.
fn convolution() -> Conv2dConfig {
    Conv2dConfig {
        weight_init: Initializer::trunc_normal(0.02),
        bias_init: Some(Initializer::Zeros),
        ..Conv2dConfig::default()
    }
}

/// timm's first values for a dense layer.
fn dense() -> LinearConfig {
    LinearConfig {
        weight_init: Initializer::trunc_normal(0.02),
        bias_init: Some(Initializer::Zeros),
        ..LinearConfig::default()
    }
}
