//! Vision transformers.

use candle_core::{Result, Tensor, bail};

use super::info::{Family, NetConfig, NetInfo, NetSize, Patches, Published, UsualImages};
use super::net::Net;
use crate::builder::ParamBuilder;
use crate::init::Initializer;
use crate::layers::{
    Attention, LayerNorm, LayerNormConfig, LayerScale, Linear, LinearConfig, MlpBlock, PatchEmbed,
    Residual, Rotary, Sequential, TokenEmbed,
};
use crate::weights::{Join, KeyMap};

/// The sizes of a vision transformer.
#[derive(Clone, Copy)]
pub(super) struct VitConfig {
    /// The side of a patch, in pixels.
    pub patch: usize,
    /// The features of a token.
    pub features: usize,
    /// The heads of attention; divides the features.
    pub heads: usize,
    /// The first value of the [`LayerScale`] that ends each residual path; `None` for none.
    pub layer_scale: Option<f64>,
    /// The names of layer scale's parameters in a block.
    pub scales: [&'static str; 2],
    /// What the head sees.
    pub pool: Pool,
    /// Tokens beside the class token that are of no place.
    pub registers: usize,
    /// Whether positions turn queries and keys; else they are learned and added. Rotated nets have no
    /// bias for queries, keys and values.
    pub rotary: bool,
    /// Added to the variance of layer-norms.
    pub eps: f64,
}

/// What the head of a vision transformer sees.
#[derive(Clone, Copy)]
pub(super) enum Pool {
    /// The class token.
    Token,
    /// The class token and, behind it, the mean of the image's tokens: twice the features.
    TokenAndMean,
    /// The mean of the image's tokens.
    Mean,
}

/// ViT-Ti/16; the others have other features and heads.
pub(super) const TINY: VitConfig = VitConfig {
    patch: 16,
    features: 192,
    heads: 3,
    layer_scale: None,
    scales: ["ls1.gamma", "ls2.gamma"],
    pool: Pool::Token,
    registers: 0,
    rotary: false,
    eps: 1e-6,
};

/// The base of a rotated net's periods.
const TEMPERATURE: f64 = 100.0;

/// The number of blocks: all of ours are that deep.
const DEPTH: usize = 12;

pub(super) fn nets() -> Vec<NetInfo> {
    vec![
        NetInfo {
            description: "ViT-Ti/16: 12 blocks of 192 features, 3 heads",
            size: Some(NetSize { parameters: 5_717_416, multiply_adds: 1_254_628_800 }),
            published: Published::new("timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k", 75.5),
            ..augreg("vit_tiny_patch16_224", TINY)
        },
        NetInfo {
            description: "ViT-S/16: 12 blocks of 384 features, 6 heads",
            size: Some(NetSize { parameters: 22_050_664, multiply_adds: 4_600_773_504 }),
            published: Published::new("timm/vit_small_patch16_224.augreg_in21k_ft_in1k", 81.4),
            ..augreg("vit_small_patch16_224", VitConfig { features: 384, heads: 6, ..TINY })
        },
        NetInfo {
            description: "ViT-B/16: 12 blocks of 768 features, 12 heads",
            size: Some(NetSize { parameters: 86_567_656, multiply_adds: 17_567_610_624 }),
            published: Published::new("timm/vit_base_patch16_224.augreg2_in21k_ft_in1k", 85.1),
            ..augreg("vit_base_patch16_224", VitConfig { features: 768, heads: 12, ..TINY })
        },
    ]
}

/// What those share that timm has from Google.
fn augreg(name: &'static str, sizes: VitConfig) -> NetInfo {
    NetInfo {
        key_maps: vec![("transformers", transformers()), ("torchvision", torchvision())],
        // Trained by Google, in timm and in transformers.
        images: Some(UsualImages { crop: Some(0.9), ..UsualImages::HALF }),
        patches: Some(Patches { size: sizes.patch, prefix: 1, antialias: true }),
        ..vit(name, sizes)
    }
}

/// What all vision transformers share.
pub(super) fn vit(name: &'static str, sizes: VitConfig) -> NetInfo {
    let strings = |patterns: &[&str]| -> Vec<String> {
        patterns.iter().map(|pattern| pattern.to_string()).collect()
    };
    let mut stem = strings(&["patch_embed.*", "cls_token"]);
    stem.extend((sizes.registers > 0).then(|| "reg_token".to_string()));
    stem.extend((!sizes.rotary).then(|| "pos_embed".to_string()));
    let blocks = (0..DEPTH).map(|block| vec![format!("blocks.{block}.*")]);
    let stages = std::iter::once(stem).chain(blocks).chain([strings(&["norm.*", "head.*"])]);
    NetInfo {
        stem: "patch_embed.proj",
        head: "head",
        stages: stages.collect(),
        // Attention alone, as in the paper on adapters.
        lora: &["*.attn.qkv"],
        family: Family::Transformer,
        ..NetInfo::new(name, move |config, vb, _| build(sizes, config, vb))
    }
}

/// timm's names are ours; those of `ViTForImageClassification`, and of `ViTModel` without a head,
/// are not.
fn transformers() -> KeyMap {
    KeyMap {
        joins: vec![qkv()],
        // `ViTModel`'s own dense layer behind the class token, and the token that stands for a patch
        // that is hidden in pretraining.
        skip: ["pooler.*", "mask_token"].map(String::from).to_vec(),
        ..KeyMap::new([
            ("vit.*", "*"),
            ("embeddings.patch_embeddings.projection.*", "patch_embed.proj.*"),
            ("embeddings.position_embeddings", "pos_embed"),
            ("embeddings.*", "*"),
            ("encoder.layer.*", "blocks.*"),
            ("blocks.*.layernorm_before.*", "blocks.*.norm1.*"),
            ("blocks.*.attention.attention.*", "blocks.*.attn.*"),
            ("blocks.*.attention.output.dense.*", "blocks.*.attn.proj.*"),
            ("blocks.*.layernorm_after.*", "blocks.*.norm2.*"),
            ("blocks.*.intermediate.dense.*", "blocks.*.mlp.fc1.*"),
            ("blocks.*.output.dense.*", "blocks.*.mlp.fc2.*"),
            ("layernorm.*", "norm.*"),
            ("classifier.*", "head.*"),
        ])
    }
}

/// torchvision's names; it has `vit_b_16`, whose images have the mean and deviation of ImageNet.
fn torchvision() -> KeyMap {
    KeyMap::new([
        ("conv_proj.*", "patch_embed.proj.*"),
        ("class_token", "cls_token"),
        ("encoder.pos_embedding", "pos_embed"),
        ("encoder.layers.encoder_layer_*", "blocks.*"),
        ("blocks.*.ln_1.*", "blocks.*.norm1.*"),
        ("blocks.*.self_attention.in_proj_*", "blocks.*.attn.qkv.*"),
        ("blocks.*.self_attention.out_proj.*", "blocks.*.attn.proj.*"),
        ("blocks.*.ln_2.*", "blocks.*.norm2.*"),
        ("blocks.*.mlp.0.*", "blocks.*.mlp.fc1.*"),
        ("blocks.*.mlp.3.*", "blocks.*.mlp.fc2.*"),
        // As they were called before 0.14.
        ("blocks.*.mlp.linear_1.*", "blocks.*.mlp.fc1.*"),
        ("blocks.*.mlp.linear_2.*", "blocks.*.mlp.fc2.*"),
        ("encoder.ln.*", "norm.*"),
        ("heads.head.*", "head.*"),
    ])
}

/// transformers has queries, keys and values apart.
pub(super) fn qkv() -> Join {
    let parts = ["query", "key", "value"].map(|part| format!("blocks.*.attn.{part}.*"));
    Join::new(parts, "blocks.*.attn.qkv.*")
}

/// A vision transformer with timm's names.
///
/// Patches to tokens, a class token, learned positions; twelve blocks, each
/// `x + attention(norm(x))` and then `x + mlp(norm(x))`, the hidden layer four times as wide;
/// layer-norm (eps 1e-6); a dense layer on what [`Pool`] says. No dropout. Weights start as
/// timm's: truncated normal of deviation 0.02, zero biases, a head of zeros.
///
/// Parameters: `cls_token`, `pos_embed`, `patch_embed.proj`, `blocks.0.norm1`,
/// `blocks.0.attn.qkv`, `blocks.0.attn.proj`, `blocks.0.ls1` (with layer scale),
/// `blocks.0.norm2`, `blocks.0.mlp.fc1`, `blocks.0.mlp.fc2`, `blocks.0.ls2`, …, `norm`, `head`;
/// with registers `reg_token`, and rotated without `pos_embed`.
///
/// Images are of the size that it was built for, at least one patch each way. Pixels beyond the
/// last whole patch are left out.
///
/// Dosovitskiy et al., "An Image is Worth 16x16 Words", 2020.
fn build(sizes: VitConfig, config: &NetConfig, vb: ParamBuilder<'_>) -> Result<Net> {
    let VitConfig { patch, features, heads, layer_scale, scales, pool, registers, rotary, eps } =
        sizes;
    let (rows, columns) = (config.height / patch, config.width / patch);
    if rows == 0 || columns == 0 {
        bail!(
            "this vision transformer needs images of at least {patch}x{patch} pixels, a patch, \
             found {}x{} (height x width)",
            config.height,
            config.width
        );
    }
    let mut body = Sequential::new()
        .add(PatchEmbed::new(config.channels, patch, features, vb.pp("patch_embed"))?)
        .add(match registers {
            0 => TokenEmbed::new(rows * columns, features, vb.clone())?,
            _ => {
                let learned = (!rotary).then_some(rows * columns);
                TokenEmbed::with_registers(learned, registers, features, vb.clone())?
            }
        });
    let norm = |vb| LayerNorm::new(features, LayerNormConfig { eps }, vb);
    let prefix = 1 + registers;
    let rotation = |vb: &ParamBuilder<'_>| {
        let (dtype, device) = (vb.dtype(), vb.device());
        Rotary::new((rows, columns), prefix, features / heads, TEMPERATURE, dtype, device)
    };
    let rotation = rotary.then(|| rotation(&vb)).transpose()?;
    for index in 0..DEPTH {
        let vb = vb.pp("blocks").pp(index);
        let layers = [LinearConfig { bias: !rotary, ..dense() }, dense()];
        let rotation = rotation.clone();
        let attention = Attention::rotated(features, heads, layers, rotation, vb.pp("attn"))?;
        let attention = Sequential::new().add(norm(vb.pp("norm1"))?).add(attention);
        let mlp = MlpBlock::new(features, 4 * features, dense(), vb.pp("mlp"))?;
        let mlp = Sequential::new().add(norm(vb.pp("norm2"))?).add(mlp);
        for (mut path, name) in [attention, mlp].into_iter().zip(scales) {
            if let Some(first) = layer_scale {
                path.push(LayerScale::named(name, features, first, vb.clone())?);
            }
            body.push(Residual::new(path));
        }
    }
    body.push(norm(vb.pp("norm"))?);
    body.push(move |tokens: &Tensor| pool.of(tokens, prefix));
    let features = match pool {
        Pool::Token | Pool::Mean => features,
        Pool::TokenAndMean => 2 * features,
    };
    let zero = LinearConfig { weight_init: Initializer::Zeros, ..dense() };
    let head = Linear::new(features, config.num_classes, zero, vb.pp("head"))?;
    Ok(Net { body, head: Sequential::new().add(head) })
}

impl Pool {
    /// Of tokens of which `prefix` stand before those of the image, the class token first.
    fn of(self, tokens: &Tensor, prefix: usize) -> Result<Tensor> {
        let class = || tokens.narrow(1, 0, 1)?.squeeze(1)?.contiguous();
        let image = || tokens.narrow(1, prefix, tokens.dim(1)? - prefix)?.contiguous();
        match self {
            Self::Token => class(),
            Self::Mean => image()?.mean(1),
            Self::TokenAndMean => Tensor::cat(&[class()?, image()?.mean(1)?], 1),
        }
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
