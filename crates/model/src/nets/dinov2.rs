//! DINOv2.

use super::info::{NetInfo, NetSize, Patches, Published, UsualImages};
use super::vit::{Pool, VitConfig, qkv, vit};
use crate::weights::KeyMap;

/// `vit_small_patch14_dinov2`: a vision transformer with patches of 14 pixels and layer scale, pretrained
/// without labels.
///
/// The head sees the class token and the mean of the image's tokens, as in transformers'
/// `Dinov2ForImageClassification` (timm's net of this name gives the class token alone). Of the
/// Hub's files, `facebook/dinov2-small` has no head and gets a new one; `facebook/dinov2-small-imagenet1k-1-layer` has one for 1000 classes.
///
/// The Hub's files have positions for 518x518 pixels; they are resampled to the size that the net is
/// built for, once and in loading, as transformers does in each pass.
///
/// Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision", 2023.
pub(super) fn nets() -> Vec<NetInfo> {
    let sizes = VitConfig {
        patch: 14,
        features: 384,
        heads: 6,
        layer_scale: Some(1.0),
        pool: Pool::TokenAndMean,
    };
    vec![NetInfo {
        description: "DINOv2 ViT-S/14: 12 blocks of 384 features, 6 heads, layer scale",
        key_maps: vec![("transformers", transformers())],
        export: Some(to_transformers()),
        patches: Some(Patches { size: sizes.patch, antialias: false }),
        size: Some(NetSize { parameters: 22_397_800, multiply_adds: 6_126_797_184 }),
        images: Some(UsualImages::IMAGENET),
        published: Published::new("facebook/dinov2-small-imagenet1k-1-layer", 81.1),
        ..vit("vit_small_patch14_dinov2", sizes)
    }]
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
