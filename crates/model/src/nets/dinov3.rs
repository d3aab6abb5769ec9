//! DINOv3.

use super::info::{NetInfo, NetSize, Published, UsualImages};
use super::vit::{Pool, TINY, VitConfig, qkv, vit};
use crate::weights::KeyMap;

/// `vit_small_patch16_dinov3`: a vision transformer of four registers and rotary positions, for images of
/// any size, pretrained without labels.
///
/// The head sees the mean of the image's tokens, as timm's net of this name. The published weights are behind
/// a form (`facebook/dinov3-vits16-pretrain-lvd1689m`); their biases of queries and values, which are zero,
/// are left, and their periods are in half precision, here as in timm in full. Its ConvNeXt-tiny is
/// `convnext_tiny`.
///
/// Siméoni et al., "DINOv3", 2025.
pub(super) fn nets() -> Vec<NetInfo> {
    let sizes = VitConfig {
        features: 384,
        heads: 6,
        layer_scale: Some(1e-5),
        scales: ["gamma_1", "gamma_2"],
        pool: Pool::Mean,
        registers: 4,
        rotary: true,
        eps: 1e-5,
        ..TINY
    };
    vec![NetInfo {
        description: "DINOv3 ViT-S/16: 12 blocks of 384 features, 6 heads, 4 registers, rotary positions",
        default_input: (3, 256, 256),
        key_maps: vec![("transformers", transformers())],
        size: Some(NetSize { parameters: 21_971_944, multiply_adds: 6_248_176_512 }),
        images: Some(UsualImages { crop: Some(1.0), ..UsualImages::IMAGENET }),
        published: Some(Published {
            hub: "timm/vit_small_patch16_dinov3.lvd1689m",
            license: "dinov3-license",
            top1: None,
        }),
        ..vit("vit_small_patch16_dinov3", sizes)
    }]
}

/// From `DINOv3ViTModel`, which has no head.
fn transformers() -> KeyMap {
    KeyMap {
        joins: vec![qkv()],
        skip: ["mask_token", "blocks.*.attn.query.bias", "blocks.*.attn.value.bias"]
            .map(String::from)
            .to_vec(),
        ..KeyMap::new([
            ("embeddings.patch_embeddings.*", "patch_embed.proj.*"),
            ("embeddings.register_tokens", "reg_token"),
            ("embeddings.*", "*"),
            ("model.*", "*"),
            ("layer.*", "blocks.*"),
            ("blocks.*.attention.q_proj.*", "blocks.*.attn.query.*"),
            ("blocks.*.attention.k_proj.*", "blocks.*.attn.key.*"),
            ("blocks.*.attention.v_proj.*", "blocks.*.attn.value.*"),
            ("blocks.*.attention.o_proj.*", "blocks.*.attn.proj.*"),
            ("blocks.*.layer_scale1.lambda1", "blocks.*.gamma_1"),
            ("blocks.*.layer_scale2.lambda1", "blocks.*.gamma_2"),
            ("blocks.*.mlp.up_proj.*", "blocks.*.mlp.fc1.*"),
            ("blocks.*.mlp.down_proj.*", "blocks.*.mlp.fc2.*"),
        ])
    }
}
