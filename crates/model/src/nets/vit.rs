//! Vision transformers.

use candle_core::{Module, ModuleT, Result, Tensor, bail};
use candle_nn::VarBuilder;

use super::{BuildNet, Family, Net, NetConfig, NetInfo, NetSize, Patches, Prepared};
use crate::init::Initializer;
use crate::layers::{
    Attention, LayerNorm, LayerNormConfig, LayerScale, Linear, LinearConfig, MlpBlock, PatchEmbed,
    Residual, Sequential, TokenEmbed,
};
use crate::weights::NamedKeyMap;

/// `vit_tiny_patch16_224`, see [`Vit`].
pub const VIT_TINY: NetInfo = NetInfo {
    description: "ViT-Ti/16: 12 blocks of 192 features, 3 heads",
    size: Some(NetSize { parameters: 5_717_416, multiply_adds: 1_254_628_800 }),
    hub: Some("timm/vit_tiny_patch16_224.augreg_in21k_ft_in1k"),
    ..vit("vit_tiny_patch16_224", |config, vb, _| Vit::build(VitConfig::tiny(), config, vb))
};

/// `vit_small_patch16_224`, see [`Vit`].
pub const VIT_SMALL: NetInfo = NetInfo {
    description: "ViT-S/16: 12 blocks of 384 features, 6 heads",
    size: Some(NetSize { parameters: 22_050_664, multiply_adds: 4_600_773_504 }),
    hub: Some("timm/vit_small_patch16_224.augreg_in21k_ft_in1k"),
    ..vit("vit_small_patch16_224", |config, vb, _| Vit::build(VitConfig::small(), config, vb))
};

/// `vit_base_patch16_224`, see [`Vit`].
pub const VIT_BASE: NetInfo = NetInfo {
    description: "ViT-B/16: 12 blocks of 768 features, 12 heads",
    size: Some(NetSize { parameters: 86_567_656, multiply_adds: 17_567_610_624 }),
    hub: Some("timm/vit_base_patch16_224.augreg2_in21k_ft_in1k"),
    ..vit("vit_base_patch16_224", |config, vb, _| Vit::build(VitConfig::base(), config, vb))
};

/// What all of them share.
const fn vit(name: &'static str, build: BuildNet) -> NetInfo {
    NetInfo {
        stem: "patch_embed.proj",
        head: "head",
        key_maps: KEY_MAPS,
        patches: Some(Patches { size: 16, antialias: true }),
        blocks,
        lora: LORA,
        prepared: Some(Prepared::half()),
        family: Family::Transformer,
        ..NetInfo::new(name, build)
    }
}

/// timm's names are ours; those of `ViTForImageClassification`, and of `ViTModel` without a head,
/// are not.
const KEY_MAPS: &[NamedKeyMap] = &[NamedKeyMap {
    name: "transformers",
    rules: &[
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
    ],
    joins: QKV,
    // `ViTModel`'s own dense layer behind the class token, and the token that stands for a patch
    // that is hidden in pretraining.
    skip: &["pooler.*", "mask_token"],
}];

/// Attention alone, as in the paper on adapters.
pub(super) const LORA: &[&str] = &["*.attn.qkv"];

/// transformers has queries, keys and values apart.
pub(super) const QKV: &[(&[&str], &str)] = &[(
    &["blocks.*.attn.query.*", "blocks.*.attn.key.*", "blocks.*.attn.value.*"],
    "blocks.*.attn.qkv.*",
)];

/// Stem, twelve blocks, head: all of ours are that deep.
pub(super) fn blocks() -> Vec<Vec<String>> {
    let strings = |patterns: &[&str]| patterns.iter().map(|pattern| pattern.to_string()).collect();
    let stem = strings(&["patch_embed.*", "cls_token", "pos_embed"]);
    let blocks = (0..12).map(|block| vec![format!("blocks.{block}.*")]);
    std::iter::once(stem).chain(blocks).chain([strings(&["norm.*", "head.*"])]).collect()
}

/// What the head of a [`Vit`] sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VitPool {
    /// The class token.
    Token,
    /// The class token and, behind it, the mean of the image's tokens: twice the features.
    TokenAndMean,
}

/// The sizes of a [`Vit`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VitConfig {
    /// The side of a patch, in pixels.
    pub patch: usize,
    /// The number of blocks.
    pub depth: usize,
    /// The features of a token.
    pub features: usize,
    /// The heads of attention; divides the features.
    pub heads: usize,
    /// The first value of the [`LayerScale`] that ends each residual path; `None` for none.
    pub layer_scale: Option<f64>,
    /// What the head sees.
    pub pool: VitPool,
}

impl VitConfig {
    /// ViT-Ti/16.
    pub const fn tiny() -> Self {
        let (patch, depth, features, heads) = (16, 12, 192, 3);
        Self { patch, depth, features, heads, layer_scale: None, pool: VitPool::Token }
    }

    /// ViT-S/16.
    pub const fn small() -> Self {
        Self { features: 384, heads: 6, ..Self::tiny() }
    }

    /// ViT-B/16.
    pub const fn base() -> Self {
        Self { features: 768, heads: 12, ..Self::tiny() }
    }
}

/// A vision transformer with timm's names.
///
/// Patches to tokens, a class token, learned positions; `depth` blocks, each
/// `x + attention(norm(x))` and then `x + mlp(norm(x))`, the hidden layer four times as wide;
/// layer-norm (eps 1e-6); a dense layer on what [`VitPool`] says. No dropout. Weights start as
/// timm's: truncated normal of deviation 0.02, zero biases, a head of zeros.
///
/// Parameters: `cls_token`, `pos_embed`, `patch_embed.proj`, `blocks.0.norm1`,
/// `blocks.0.attn.qkv`, `blocks.0.attn.proj`, `blocks.0.ls1` (with layer scale),
/// `blocks.0.norm2`, `blocks.0.mlp.fc1`, `blocks.0.mlp.fc2`, `blocks.0.ls2`, …, `norm`, `head`.
///
/// # Shapes
///
/// (n, channels, height, width) of the size that it was built for, at least one patch each way, to
/// (n, classes). Pixels beyond the last whole patch are left out.
///
/// Dosovitskiy et al., "An Image is Worth 16x16 Words", 2020.
pub struct Vit {
    /// From images to features.
    pub body: VitBody,
    /// From features to logits.
    pub head: Linear,
}

/// The part of a [`Vit`] before its head.
pub struct VitBody {
    layers: Sequential,
    pool: VitPool,
}

impl Vit {
    /// Builds it.
    ///
    /// # Errors
    ///
    /// Images smaller than a patch; those of `vb`.
    pub fn new(sizes: VitConfig, config: &NetConfig, vb: VarBuilder<'_>) -> Result<Self> {
        let VitConfig { patch, depth, features, heads, layer_scale, pool } = sizes;
        let (rows, columns) = (config.height / patch, config.width / patch);
        if rows == 0 || columns == 0 {
            bail!(
                "this vision transformer needs images of at least {patch}x{patch} pixels, a patch, \
                 found {}x{} (height x width)",
                config.height,
                config.width
            );
        }
        let mut layers = Sequential::new()
            .add(PatchEmbed::new(config.channels, patch, features, vb.pp("patch_embed"))?)
            .add(TokenEmbed::new(rows * columns, features, vb.clone())?);
        let norm = |vb| LayerNorm::new(features, LayerNormConfig { eps: 1e-6 }, vb);
        for index in 0..depth {
            let vb = vb.pp("blocks").pp(index);
            let attention = Sequential::new().add(norm(vb.pp("norm1"))?).add(Attention::new(
                features,
                heads,
                dense(),
                vb.pp("attn"),
            )?);
            let mlp = Sequential::new().add(norm(vb.pp("norm2"))?).add(MlpBlock::new(
                features,
                4 * features,
                dense(),
                vb.pp("mlp"),
            )?);
            for (mut path, name) in [(attention, "ls1"), (mlp, "ls2")] {
                if let Some(first) = layer_scale {
                    path.push(LayerScale::new(features, first, vb.pp(name))?);
                }
                layers.push(Residual::new(path));
            }
        }
        layers.push(norm(vb.pp("norm"))?);
        let features = match pool {
            VitPool::Token => features,
            VitPool::TokenAndMean => 2 * features,
        };
        let zero = LinearConfig { weight_init: Initializer::Zeros, ..dense() };
        let head = Linear::new(features, config.num_classes, zero, vb.pp("head"))?;
        Ok(Self { body: VitBody { layers, pool }, head })
    }

    pub(super) fn build(sizes: VitConfig, config: &NetConfig, vb: VarBuilder<'_>) -> Result<Net> {
        let Self { body, head } = Self::new(sizes, config, vb)?;
        Ok(Net::with_head(body, head))
    }
}

impl ModuleT for VitBody {
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        let tokens = self.layers.forward_t(images, train)?;
        let class = tokens.narrow(1, 0, 1)?.squeeze(1)?.contiguous()?;
        match self.pool {
            VitPool::Token => Ok(class),
            VitPool::TokenAndMean => {
                let mean = tokens.narrow(1, 1, tokens.dim(1)? - 1)?.contiguous()?.mean(1)?;
                Tensor::cat(&[class, mean], 1)
            }
        }
    }
}

impl ModuleT for Vit {
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        self.head.forward(&self.body.forward_t(images, train)?)
    }
}

/// timm's first values for a dense layer.
fn dense() -> LinearConfig {
    LinearConfig {
        weight_init: Initializer::TruncatedNormal { mean: 0.0, std: 0.02, low: -2.0, high: 2.0 },
        bias_init: Some(Initializer::Zeros),
        ..LinearConfig::default()
    }
}
