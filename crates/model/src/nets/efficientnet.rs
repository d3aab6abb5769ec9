//! EfficientNets.

use super::info::{NetInfo, NetSize};
use super::inverted_residual::{BlockNet, Blocks, Kind, Neck, Squeeze, block_net};
use crate::layers::Activation;

/// EfficientNet-B0 by timm's two names, which differ in padding and in batch-norm's epsilon, and
/// EfficientNet-Lite0, which has ReLU6 for SiLU and no squeeze-and-excitation.
///
/// Tan and Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019;
/// Lite: Liu, "Higher accuracy on vision models with EfficientNet-Lite", 2020.
pub(super) fn nets() -> Vec<NetInfo> {
    let tensorflow = |net| BlockNet { same: true, eps: 1e-3, ..net };
    vec![
        NetInfo {
            description: "EfficientNet-Lite0: inverted residuals, ReLU6, no squeeze-and-excitation",
            size: Some(NetSize { parameters: 4_652_008, multiply_adds: 391_161_952 }),
            hub: Some("timm/tf_efficientnet_lite0.in1k"),
            ..block_net("tf_efficientnet_lite0", tensorflow(b0(Activation::Relu6, false)))
        },
        NetInfo {
            description: "EfficientNet-B0: inverted residuals with squeeze-and-excitation",
            size: Some(NetSize { parameters: 5_288_548, multiply_adds: 392_552_448 }),
            hub: Some("timm/efficientnet_b0.ra_in1k"),
            ..block_net("efficientnet_b0", b0(Activation::Silu, true))
        },
        NetInfo {
            description: "EfficientNet-B0 as TensorFlow pads and normalizes it",
            size: Some(NetSize { parameters: 5_288_548, multiply_adds: 391_789_152 }),
            hub: Some("timm/tf_efficientnet_b0.ns_jft_in1k"),
            ..block_net("tf_efficientnet_b0", tensorflow(b0(Activation::Silu, true)))
        },
    ]
}

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
