//! MobileNets.

use super::block_names::BlockNames;
use super::info::{NetInfo, NetSize, Published, UsualImages};
use super::inverted_residual::{BlockNet, Blocks, Kind, Neck, Part, Row, Squeeze, block_net};
use crate::layers::Activation::{self, HardSigmoid, HardSwish, Relu, Relu6};
use crate::weights::KeyMap;

/// MobileNets V2 to V4, with timm's names.
///
/// Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018; Howard et al.,
/// "Searching for MobileNetV3", 2019; Qin et al., "MobileNetV4", 2024.
pub(super) fn nets() -> Vec<NetInfo> {
    // As TensorFlow pads and normalizes it, which transformers alone has.
    let tf_v2 = BlockNet { same: true, eps: 1e-3, ..v2() };
    vec![
        NetInfo {
            description: "MobileNetV2: inverted residuals, ReLU6",
            size: Some(NetSize { parameters: 3_504_872, multiply_adds: 307_452_384 }),
            published: Published::new("timm/mobilenetv2_100.ra_in1k", 72.9),
            key_maps: vec![("torchvision", TORCHVISION_V2.key_map(&v2()))],
            ..block_net("mobilenetv2_100", v2())
        },
        NetInfo {
            description: "MobileNetV2 as TensorFlow pads and normalizes it, of transformers",
            size: Some(NetSize { parameters: 3_504_872, multiply_adds: 307_452_384 }),
            key_maps: vec![("transformers", TRANSFORMERS_V2.key_map(&tf_v2))],
            export: Some(TRANSFORMERS_V2.export(&tf_v2)),
            images: Some(UsualImages { bicubic: false, ..UsualImages::HALF }),
            published: Some(Published {
                hub: "google/mobilenet_v2_1.0_224",
                license: "other",
                top1: Some(71.8),
            }),
            ..block_net("tf_mobilenetv2_100", tf_v2)
        },
        NetInfo {
            description: "MobileNetV3-Small: squeeze-and-excitation, hard-swish",
            size: Some(NetSize { parameters: 2_542_856, multiply_adds: 57_923_168 }),
            published: Published::new("timm/mobilenetv3_small_100.lamb_in1k", 67.6),
            key_maps: vec![("torchvision", torchvision_v3(&v3_small()))],
            ..block_net("mobilenetv3_small_100", v3_small())
        },
        NetInfo {
            description: "MobileNetV3-Large: squeeze-and-excitation, hard-swish",
            size: Some(NetSize { parameters: 5_483_032, multiply_adds: 220_989_568 }),
            published: Published::new("timm/mobilenetv3_large_100.ra_in1k", 75.8),
            key_maps: vec![("torchvision", torchvision_v3(&v3_large()))],
            ..block_net("mobilenetv3_large_100", v3_large())
        },
        NetInfo {
            description: "MobileNetV4-Conv-Small: universal inverted bottlenecks, ReLU",
            size: Some(NetSize { parameters: 3_774_024, multiply_adds: 187_969_984 }),
            published: Published::new("timm/mobilenetv4_conv_small.e2400_r224_in1k", 73.8),
            ..block_net("mobilenetv4_conv_small", v4_small())
        },
    ]
}

const TORCHVISION_V2: BlockNames = BlockNames {
    prefix: "",
    stem: ["features.0.0", "features.0.1"],
    unit: |unit| {
        let (block, place) = (unit.block + 1, unit.place);
        // The last convolution has no activation, and so no folder with its batch-norm.
        let names = match unit.part {
            Part::Project => [place.to_string(), (place + 1).to_string()],
            _ => [format!("{place}.0"), format!("{place}.1")],
        };
        names.map(|name| format!("features.{block}.conv.{name}"))
    },
    neck: &["features.18.0", "features.18.1"],
    classifier: "classifier.1",
};

const TORCHVISION_V3: BlockNames = BlockNames {
    prefix: "",
    stem: ["features.0.0", "features.0.1"],
    unit: |unit| {
        let (block, place) = (unit.block + 1, unit.place);
        let names = if unit.part == Part::Squeeze { ["fc1", "fc2"] } else { ["0", "1"] };
        names.map(|name| match unit.part {
            Part::Plain => format!("features.{block}.{name}"),
            _ => format!("features.{block}.block.{place}.{name}"),
        })
    },
    neck: &["classifier.0"],
    classifier: "classifier.3",
};

/// Its batch-norms have an epsilon of 1e-3, those of timm 1e-5.
fn torchvision_v3(net: &BlockNet) -> KeyMap {
    let offsets = vec![("*.running_var".to_string(), 1e-3 - net.eps)];
    KeyMap { offsets, ..TORCHVISION_V3.key_map(net) }
}

/// Those of `MobileNetV2ForImageClassification`, and of `MobileNetV2Model` without a head; a layer's
/// convolution and batch-norm stand under a name of their own.
const TRANSFORMERS_V2: BlockNames = BlockNames {
    prefix: "mobilenet_v2.",
    stem: ["conv_stem.first_conv.convolution", "conv_stem.first_conv.normalization"],
    unit: |unit| {
        let block = match unit.block.checked_sub(1) {
            None => "conv_stem".to_string(),
            Some(layer) => format!("layer.{layer}"),
        };
        let layer = match unit.part {
            Part::Expand => "expand_1x1",
            Part::Project => "reduce_1x1",
            _ => "conv_3x3",
        };
        ["convolution", "normalization"].map(|name| format!("{block}.{layer}.{name}"))
    },
    neck: &["conv_1x1.convolution", "conv_1x1.normalization"],
    classifier: "classifier",
};

/// What MobileNets share.
fn mobilenet(activation: Activation, stages: Vec<Vec<Blocks>>, neck: Neck) -> BlockNet {
    BlockNet {
        stem: 16,
        activation,
        stages,
        neck,
        squeeze: Squeeze { of_input: false, activation: Relu, gate: HardSigmoid },
        same: false,
        eps: 1e-5,
    }
}

fn v2() -> BlockNet {
    let stage = |kind, row| vec![Blocks::new(kind, Relu6, row)];
    let stages = vec![
        stage(Kind::Separable, (1, 3, 1, 1.0, 16)),
        stage(Kind::Inverted, (2, 3, 2, 6.0, 24)),
        stage(Kind::Inverted, (3, 3, 2, 6.0, 32)),
        stage(Kind::Inverted, (4, 3, 2, 6.0, 64)),
        stage(Kind::Inverted, (3, 3, 1, 6.0, 96)),
        stage(Kind::Inverted, (3, 3, 2, 6.0, 160)),
        stage(Kind::Inverted, (1, 3, 1, 6.0, 320)),
    ];
    BlockNet { stem: 32, ..mobilenet(Relu6, stages, Neck::Full(1280, "bn2")) }
}

fn v3(kind: Kind, squeeze: bool, activation: Activation, row: Row) -> Blocks {
    Blocks { squeeze, ..Blocks::new(kind, activation, row) }
}

fn v3_small() -> BlockNet {
    use Kind::{Inverted, Plain, Separable};
    let stages = vec![
        vec![v3(Separable, true, Relu, (1, 3, 2, 1.0, 16))],
        vec![
            v3(Inverted, false, Relu, (1, 3, 2, 4.5, 24)),
            v3(Inverted, false, Relu, (1, 3, 1, 3.67, 24)),
        ],
        vec![
            v3(Inverted, true, HardSwish, (1, 5, 2, 4.0, 40)),
            v3(Inverted, true, HardSwish, (2, 5, 1, 6.0, 40)),
        ],
        vec![v3(Inverted, true, HardSwish, (2, 5, 1, 3.0, 48))],
        vec![v3(Inverted, true, HardSwish, (3, 5, 2, 6.0, 96))],
        vec![v3(Plain, false, HardSwish, (1, 1, 1, 1.0, 576))],
    ];
    mobilenet(HardSwish, stages, Neck::Pooled(1024))
}

fn v3_large() -> BlockNet {
    use Kind::{Inverted, Plain, Separable};
    let stages = vec![
        vec![v3(Separable, false, Relu, (1, 3, 1, 1.0, 16))],
        vec![
            v3(Inverted, false, Relu, (1, 3, 2, 4.0, 24)),
            v3(Inverted, false, Relu, (1, 3, 1, 3.0, 24)),
        ],
        vec![v3(Inverted, true, Relu, (3, 5, 2, 3.0, 40))],
        vec![
            v3(Inverted, false, HardSwish, (1, 3, 2, 6.0, 80)),
            v3(Inverted, false, HardSwish, (1, 3, 1, 2.5, 80)),
            v3(Inverted, false, HardSwish, (2, 3, 1, 2.3, 80)),
        ],
        vec![v3(Inverted, true, HardSwish, (2, 3, 1, 6.0, 112))],
        vec![v3(Inverted, true, HardSwish, (3, 5, 2, 6.0, 160))],
        vec![v3(Plain, false, HardSwish, (1, 1, 1, 1.0, 960))],
    ];
    mobilenet(HardSwish, stages, Neck::Pooled(1280))
}

fn v4_small() -> BlockNet {
    let plain = |kernel, stride, channels| {
        Blocks::new(Kind::Plain, Relu, (1, kernel, stride, 1.0, channels))
    };
    let universal = |start, row| Blocks::new(Kind::Universal { start }, Relu, row);
    let stages = vec![
        vec![plain(3, 2, 32), plain(1, 1, 32)],
        vec![plain(3, 2, 96), plain(1, 1, 64)],
        vec![
            universal(5, (1, 5, 2, 3.0, 96)),
            universal(0, (4, 3, 1, 2.0, 96)),
            universal(3, (1, 0, 1, 4.0, 96)),
        ],
        vec![
            universal(3, (1, 3, 2, 6.0, 128)),
            universal(5, (1, 5, 1, 4.0, 128)),
            universal(0, (1, 5, 1, 4.0, 128)),
            universal(0, (1, 5, 1, 3.0, 128)),
            universal(0, (2, 3, 1, 4.0, 128)),
        ],
        vec![plain(1, 1, 960)],
    ];
    BlockNet { stem: 32, ..mobilenet(Relu, stages, Neck::PooledNorm(1280, "norm_head")) }
}
