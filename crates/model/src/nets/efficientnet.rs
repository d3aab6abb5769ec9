//! EfficientNets.

use super::block_names::BlockNames;
use super::info::{NetInfo, NetSize, Published, UsualImages};
use super::inverted_residual::{BlockNet, Blocks, Kind, Neck, Part, Squeeze, block_net};
use crate::layers::Activation;

/// EfficientNet-B0 by timm's two names, which differ in padding and in batch-norm's epsilon, and
/// EfficientNet-Lite0, which has ReLU6 for SiLU and no squeeze-and-excitation.
///
/// Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019;
/// Lite: Liu, "Higher accuracy on vision models with EfficientNet-Lite", 2020.
pub(super) fn nets() -> Vec<NetInfo> {
    let tensorflow = |net| BlockNet { same: true, eps: 1e-3, ..net };
    let lite0 = tensorflow(b0(Activation::Relu6, false));
    let tf_b0 = tensorflow(b0(Activation::Silu, true));
    let b0 = b0(Activation::Silu, true);
    vec![
        NetInfo {
            description: "EfficientNet-Lite0: inverted residuals, ReLU6, no squeeze-and-excitation",
            size: Some(NetSize { parameters: 4_652_008, multiply_adds: 391_925_248 }),
            images: Some(UsualImages::HALF),
            published: Published::new("timm/tf_efficientnet_lite0.in1k", 74.8),
            key_maps: vec![("efficientnet-pytorch", EFFICIENTNET_PYTORCH.key_map(&lite0))],
            ..block_net("tf_efficientnet_lite0", lite0)
        },
        NetInfo {
            description: "EfficientNet-B0: inverted residuals with squeeze-and-excitation",
            size: Some(NetSize { parameters: 5_288_548, multiply_adds: 392_552_448 }),
            published: Published::new("timm/efficientnet_b0.ra_in1k", 77.7),
            key_maps: vec![("torchvision", TORCHVISION.key_map(&b0))],
            ..block_net("efficientnet_b0", b0)
        },
        NetInfo {
            description: "EfficientNet-B0 as TensorFlow pads and normalizes it",
            size: Some(NetSize { parameters: 5_288_548, multiply_adds: 392_552_448 }),
            published: Published::new("timm/tf_efficientnet_b0.ns_jft_in1k", 78.7),
            key_maps: vec![
                ("efficientnet-pytorch", EFFICIENTNET_PYTORCH.key_map(&tf_b0)),
                ("transformers", TRANSFORMERS.key_map(&tf_b0)),
            ],
            ..block_net("tf_efficientnet_b0", tf_b0)
        },
    ]
}

/// Those of the packages efficientnet-pytorch and efficientnet-lite-pytorch, which pad and normalize as
/// TensorFlow does.
const EFFICIENTNET_PYTORCH: BlockNames = BlockNames {
    prefix: "",
    stem: ["_conv_stem", "_bn0"],
    unit: |unit| {
        let names = match unit.part {
            Part::Expand => ["_expand_conv", "_bn0"],
            Part::Squeeze => ["_se_reduce", "_se_expand"],
            Part::Project => ["_project_conv", "_bn2"],
            _ => ["_depthwise_conv", "_bn1"],
        };
        names.map(|name| format!("_blocks.{}.{name}", unit.block))
    },
    neck: &["_conv_head", "_bn1"],
    classifier: "_fc",
};

const TORCHVISION: BlockNames = BlockNames {
    prefix: "",
    stem: ["features.0.0", "features.0.1"],
    unit: |unit| {
        let names = if unit.part == Part::Squeeze { ["fc1", "fc2"] } else { ["0", "1"] };
        let (stage, index, place) = (unit.stage + 1, unit.index, unit.place);
        names.map(|name| format!("features.{stage}.{index}.block.{place}.{name}"))
    },
    neck: &["features.8.0", "features.8.1"],
    classifier: "classifier.1",
};

/// Those of `EfficientNetForImageClassification`, and of `EfficientNetModel` without a head; its padding
/// is TensorFlow's for images of even size.
const TRANSFORMERS: BlockNames = BlockNames {
    prefix: "efficientnet.",
    stem: ["embeddings.convolution", "embeddings.batchnorm"],
    unit: |unit| {
        let names = match unit.part {
            Part::Expand => ["expansion.expand_conv", "expansion.expand_bn"],
            Part::Squeeze => ["squeeze_excite.reduce", "squeeze_excite.expand"],
            Part::Project => ["projection.project_conv", "projection.project_bn"],
            _ => ["depthwise_conv.depthwise_conv", "depthwise_conv.depthwise_norm"],
        };
        names.map(|name| format!("encoder.blocks.{}.{name}", unit.block))
    },
    neck: &["encoder.top_conv", "encoder.top_bn"],
    classifier: "classifier",
};

fn b0(activation: Activation, squeeze: bool) -> BlockNet {
    let stage = |kind, row| vec![Blocks { squeeze, ..Blocks::new(kind, activation, row) }];
    BlockNet {
        stem: 32,
        activation,
        stages: vec![
            stage(Kind::Separable, (1, 3, 1, 1.0, 16)),
            stage(Kind::Inverted, (2, 3, 2, 6.0, 24)),
            stage(Kind::Inverted, (2, 5, 2, 6.0, 40)),
            stage(Kind::Inverted, (3, 3, 2, 6.0, 80)),
            stage(Kind::Inverted, (3, 5, 1, 6.0, 112)),
            stage(Kind::Inverted, (4, 5, 2, 6.0, 192)),
            stage(Kind::Inverted, (1, 3, 1, 6.0, 320)),
        ],
        neck: Neck::Full(1280, "bn2"),
        squeeze: Squeeze { of_input: true, activation, gate: Activation::Sigmoid },
        same: false,
        eps: 1e-5,
    }
}
