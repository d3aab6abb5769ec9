//! DINOv2.

use super::info::{NetInfo, NetSize, Patches, Published, UsualImages};
use super::vit::{Pool, TINY, VitConfig, qkv, vit};
use crate::weights::KeyMap;

/// Vision transformers with patches of 14 pixels and layer scale, pretrained without labels.
///
/// Without registers the head sees the class token and the mean of the image's tokens, as in transformers'
/// `Dinov2ForImageClassification` (timm's net of this name gives the class token alone). Of the
/// Hub's files, `facebook/dinov2-small` has no head and gets a new one; `facebook/dinov2-small-imagenet1k-1-layer` has one for 1000 classes.
///
/// The Hub's files have positions for 518x518 pixels; they are resampled to the size that the net is
/// built for, once and in loading, as transformers does in each pass.
///
/// Those with registers are timm's; transformers adds the class token's position, which timm has in the
/// class token.
///
/// Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision", 2023; Darcet et al.,
/// "Vision Transformers Need Registers", 2023.
pub(super) fn nets() -> Vec<NetInfo> {
    let small = VitConfig {
        patch: 14,
        features: 384,
        heads: 6,
        layer_scale: Some(1.0),
        pool: Pool::TokenAndMean,
        ..TINY
    };
    let base = VitConfig { features: 768, heads: 12, ..small };
    // timm's head sees the class token.
    let registers =
        |sizes| VitConfig { registers: 4, pool: Pool::Token, layer_scale: Some(1e-5), ..sizes };
    vec![
        NetInfo {
            description: "DINOv2 ViT-S/14: 12 blocks of 384 features, 6 heads, layer scale",
            size: Some(NetSize { parameters: 22_397_800, multiply_adds: 6_126_797_184 }),
            published: Published::new("facebook/dinov2-small-imagenet1k-1-layer", 81.1),
            ..dinov2("vit_small_patch14_dinov2", small)
        },
        NetInfo {
            description: "DINOv2 ViT-B/14: 12 blocks of 768 features, 12 heads, layer scale",
            size: Some(NetSize { parameters: 87_261_928, multiply_adds: 23_167_697_664 }),
            published: Published::new("facebook/dinov2-base-imagenet1k-1-layer", 84.5),
            ..dinov2("vit_base_patch14_dinov2", base)
        },
        NetInfo {
            description: "DINOv2 ViT-S/14 with 4 registers, its head on the class token",
            size: Some(NetSize { parameters: 22_014_952, multiply_adds: 6_230_481_792 }),
            published: Some(Published {
                hub: "timm/vit_small_patch14_reg4_dinov2.lvd142m",
                ..HEADLESS
            }),
            ..with_registers("vit_small_patch14_reg4_dinov2", registers(small))
        },
        NetInfo {
            description: "DINOv2 ViT-B/14 with 4 registers, its head on the class token",
            size: Some(NetSize { parameters: 86_496_232, multiply_adds: 23_544_936_192 }),
            published: Some(Published {
                hub: "timm/vit_base_patch14_reg4_dinov2.lvd142m",
                ..HEADLESS
            }),
            ..with_registers("vit_base_patch14_reg4_dinov2", registers(base))
        },
    ]
}

/// Weights without a head.
const HEADLESS: Published = Published { hub: "", license: "apache-2.0", top1: None };

/// What those share whose head is transformers'.
fn dinov2(name: &'static str, sizes: VitConfig) -> NetInfo {
    NetInfo {
        key_maps: vec![("transformers", transformers())],
        export: Some(to_transformers()),
        patches: Some(Patches { size: sizes.patch, prefix: 1, antialias: false }),
        images: Some(UsualImages::IMAGENET),
        ..vit(name, sizes)
    }
}

/// What those share that are as timm has them.
fn with_registers(name: &'static str, sizes: VitConfig) -> NetInfo {
    NetInfo {
        patches: Some(Patches { size: sizes.patch, prefix: 0, antialias: true }),
        // Of timm's 518 pixels.
        images: Some(UsualImages { crop: Some(1.0), ..UsualImages::IMAGENET }),
        ..vit(name, sizes)
    }
}

/// To `Dinov2ForImageClassification`: timm's net of this name has a head for the class token alone.
fn to_transformers() -> KeyMap {
    KeyMap {
        joins: vec![qkv()],
        ..KeyMap::new([
            ("patch_embed.proj.*", "embeddings.patch_embeddings.projection.*"),
            ("pos_embed", "embeddings.position_embeddings"),
            ("cls_token", "embeddings.cls_token"),
            ("blocks.*.attn.proj.*", "blocks.*.attention.output.dense.*"),
            ("blocks.*.attn.*", "blocks.*.attention.attention.*"),
            ("blocks.*.ls1.gamma", "blocks.*.layer_scale1.lambda1"),
            ("blocks.*.ls2.gamma", "blocks.*.layer_scale2.lambda1"),
            ("blocks.*", "encoder.layer.*"),
            ("norm.*", "layernorm.*"),
            ("head.*", "classifier.*"),
            ("e*", "dinov2.e*"),
            ("layernorm.*", "dinov2.layernorm.*"),
        ])
    }
}

/// From `Dinov2ForImageClassification`, or `Dinov2Model` without a head.
fn transformers() -> KeyMap {
    KeyMap {
        joins: vec![qkv()],
        // Stands for a patch that is hidden in pretraining.
        skip: ["mask_token"].map(String::from).to_vec(),
        ..KeyMap::new([
            ("dinov2.*", "*"),
            ("embeddings.patch_embeddings.projection.*", "patch_embed.proj.*"),
            ("embeddings.position_embeddings", "pos_embed"),
            ("embeddings.*", "*"),
            ("encoder.layer.*", "blocks.*"),
            ("blocks.*.attention.attention.*", "blocks.*.attn.*"),
            ("blocks.*.attention.output.dense.*", "blocks.*.attn.proj.*"),
            ("blocks.*.layer_scale1.lambda1", "blocks.*.ls1.gamma"),
            ("blocks.*.layer_scale2.lambda1", "blocks.*.ls2.gamma"),
            ("layernorm.*", "norm.*"),
            ("classifier.*", "head.*"),
        ])
    }
}
