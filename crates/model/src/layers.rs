//! Layers: structs of tensors that implement candle's [`Module`](candle_core::Module) or, where
//! training differs from evaluation, [`ModuleT`](candle_core::ModuleT).
//!
//! A layer with parameters is made from a [`ParamBuilder`](crate::ParamBuilder) or a candle
//! `VarBuilder`, whose prefix is the layer's name: tensor names and layouts are PyTorch's, so that
//! PyTorch's checkpoints load as they are. A random layer also takes an
//! [`RngKey`](crate::rng::RngKey). There is no trait of this crate to implement: layers of candle,
//! closures and your own mix freely with these in a [`Sequential`].
//!
//! Dense layers and convolutions are told whether this is training, as their low-rank adapters may
//! have dropout.
//!
//! Initial values are PyTorch's defaults unless the layer's config names another
//! [`Initializer`](crate::init::Initializer).

mod activation;
mod attention;
mod avg_pool2d;
mod batch_norm;
mod conv2d;
mod conv_norm;
mod drop_path;
mod dropout;
mod flatten;
mod global_avg_pool2d;
mod global_response_norm;
mod layer_norm;
mod layer_norm2d;
mod layer_scale;
mod learnable_affine;
mod linear;
mod lora;
mod max_pool2d;
mod mlp_block;
mod patch_embed;
mod residual;
mod rotary;
mod sequential;
mod softmax;
mod squeeze_excite;
mod token_embed;
mod zero_pad_shortcut;

pub use activation::{Activation, Gelu, Relu};
pub use attention::Attention;
pub use avg_pool2d::AvgPool2d;
pub use batch_norm::{BatchNorm, BatchNormConfig};
pub use conv_norm::ConvNorm;
pub use conv2d::{Conv2d, Conv2dConfig};
pub use drop_path::DropPath;
pub use dropout::Dropout;
pub use flatten::Flatten;
pub use global_avg_pool2d::GlobalAvgPool2d;
pub use global_response_norm::GlobalResponseNorm;
pub use layer_norm::{LayerNorm, LayerNormConfig};
pub use layer_norm2d::LayerNorm2d;
pub use layer_scale::LayerScale;
pub use learnable_affine::LearnableAffine;
pub use linear::{Linear, LinearConfig};
pub use lora::Lora;
pub use max_pool2d::MaxPool2d;
pub use mlp_block::MlpBlock;
pub use patch_embed::PatchEmbed;
pub use residual::Residual;
pub use rotary::Rotary;
pub use sequential::Sequential;
pub use softmax::Softmax;
pub use squeeze_excite::SqueezeExcite;
pub use token_embed::TokenEmbed;
pub use zero_pad_shortcut::ZeroPadShortcut;

#[cfg(test)]
mod tests;
