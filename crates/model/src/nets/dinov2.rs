//! DINOv2.

use super::vit::{LORA, QKV, blocks};
use super::{Family, NetInfo, NetSize, Patches, Prepared, Vit, VitConfig, VitPool};
use crate::weights::NamedKeyMap;

/// `vit_small_patch14_dinov2`: a [`Vit`] with patches of 14 pixels and layer scale, pretrained
/// without labels.
///
/// The head sees the class token and the mean of the image's tokens, as in transformers'
/// `Dinov2ForImageClassification` (timm's net of this name gives the class token alone). Of the
/// Hub's files, `facebook/dinov2-small` has no head, which must then be allowed to be missing
/// (`head.*`); `facebook/dinov2-small-imagenet1k-1-layer` has one for 1000 classes.
///
/// The Hub's files have positions for 518x518 pixels; they are resampled to the size that the net is
/// built for, once and in loading, as transformers does in each pass.
///
/// Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision", 2023.
pub const DINOV2_SMALL: NetInfo = NetInfo {
    description: "DINOv2 ViT-S/14: 12 blocks of 384 features, 6 heads, layer scale",
    stem: "patch_embed.proj",
    head: "head",
    key_maps: KEY_MAPS,
    export: Some(EXPORT),
    patches: Some(Patches { size: 14, antialias: false }),
    blocks,
    lora: LORA,
    prepared: Some(Prepared { bicubic: true, ..Prepared::torchvision() }),
    family: Family::Transformer,
    size: Some(NetSize { parameters: 22_397_800, multiply_adds: 6_126_797_184 }),
    hub: Some("facebook/dinov2-small-imagenet1k-1-layer"),
    ..NetInfo::new("vit_small_patch14_dinov2", |config, vb, _| {
        Vit::build(VitConfig::dinov2_small(), config, vb)
    })
};

impl VitConfig {
    /// DINOv2's ViT-S/14.
    pub const fn dinov2_small() -> Self {
        Self { patch: 14, layer_scale: Some(1.0), pool: VitPool::TokenAndMean, ..Self::small() }
    }
}

/// To `Dinov2ForImageClassification`: timm's net of this name has a head for the class token alone.
const EXPORT: NamedKeyMap = NamedKeyMap {
    name: "to transformers",
    rules: &[
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
    ],
    joins: QKV,
    skip: &[],
};

/// From `Dinov2ForImageClassification`, or `Dinov2Model` without a head.
const KEY_MAPS: &[NamedKeyMap] = &[NamedKeyMap {
    name: "transformers",
    rules: &[
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
    ],
    joins: QKV,
    // Stands for a patch that is hidden in pretraining.
    skip: &["mask_token"],
}];
