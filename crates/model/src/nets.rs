//! Nets: architectures by name, each with what loading and fine-tuning need to know of it.
//!
//! | nets | what they are | parameters (each with `weight` and `bias`, norms with statistics) | smallest image |
//! | --- | --- | --- | --- |
//! | `keras-cnn` | the Keras MNIST example | `conv1`, `conv2`, `fc1`, `fc2` | 6x6 |
//! | `mlp` | the Keras MNIST perceptron | `fc1`, `fc2`, `fc3` | 1x1 |
//! | `digit-cnn`, `digit-cnn-large` | small convolutional nets that learn digits fast | `conv1`, `bn1`, …, `fc` | 8x8 |
//! | `lenet5` | LeNet-5 (LeCun et al., 1998) with ReLU and max-pools | `conv1`, `conv2`, `fc1`, `fc2`, `fc3` | 12x12 |
//! | `cifar_resnet20` to `cifar_resnet56` | ResNets for 32x32 images (He et al., 2015, section 4.2), shortcuts without parameters | `conv1`, `bn1`, `layer1.0.conv1`, …, `linear` | 1x1 |
//! | `resnet18` to `resnet101` | ResNets (He et al., 2015) with the names of torchvision and timm | `conv1`, `bn1`, `layer1.0.conv1`, …, `layer2.0.downsample.0`, …, `fc` | 1x1 |
//! | `vit_tiny_patch16_224` to `vit_base_patch16_224` | vision transformers (Dosovitskiy et al., 2020) with timm's names | `cls_token`, `pos_embed`, `patch_embed.proj`, `blocks.0.norm1`, …, `norm`, `head` | 16x16 |
//! | `vit_small_patch14_dinov2`, `vit_base_patch14_dinov2` | DINOv2 (Oquab et al., 2023), its head on class token and mean | the same and `blocks.0.ls1`, … | 14x14 |
//! | `vit_small_patch14_reg4_dinov2`, `vit_base_patch14_reg4_dinov2` | DINOv2 with registers (Darcet et al., 2023), its head on the class token | the same and `reg_token` | 14x14 |
//! | `vit_small_patch16_dinov3` | DINOv3 (Siméoni et al., 2025), its head on the mean | `cls_token`, `reg_token`, `patch_embed.proj`, `blocks.0.gamma_1`, … | 16x16 |
//! | `tf_efficientnet_lite0`, `efficientnet_b0`, `tf_efficientnet_b0` | EfficientNets (Tan and Le, 2019) with timm's names | `conv_stem`, `bn1`, `blocks.0.0.conv_dw`, …, `conv_head`, `bn2`, `classifier` | 1x1 |
//! | `mobilenetv2_100`, `tf_mobilenetv2_100`, `mobilenetv3_small_100`, `mobilenetv3_large_100`, `mobilenetv4_conv_small` | MobileNets with timm's names | the same | 1x1 |
//! | `convnext_atto` to `convnext_tiny`, `convnextv2_atto` | ConvNeXts (Liu et al., 2022; Woo et al., 2023) with timm's names | `stem.0`, `stem.1`, `stages.0.blocks.0.conv_dw`, …, `head.norm`, `head.fc` | 32x32 |
//! | `regnety_004` | RegNetY (Radosavovic et al., 2020) with timm's names | `stem.conv`, `s1.b1.conv1.conv`, …, `head.fc` | 1x1 |
//! | `hgnetv2_b0` | PP-HGNetV2 with timm's names | `stem.stem1.conv`, `stages.0.blocks.0.layers.0.conv`, …, `head.fc` | 1x1 |
//!
//! Each is a function from a configuration, a builder and a key to a [`Net`], in a file of its
//! own. [`all`] lists their
//! [`NetInfo`]s. A net is built from a [`ParamBuilder`](crate::ParamBuilder), so that a
//! checkpoint, a seed or another net's parameters may stand behind it:
//!
//! ```
//! use candle_core::{DType, Device, ModuleT, Tensor};
//! use taper_model::nets;
//! use taper_model::rng::RngKey;
//! use taper_model::weights::{Weights, WeightsConfig};
//!
//! let info = nets::find("lenet5").expect("it is one of ours");
//! let config = nets::NetConfig { num_classes: 26, ..info.config() };
//! let weights = Weights::new(WeightsConfig::default())?;
//! let vb = weights.var_builder(DType::F32, &Device::Cpu);
//! let net = (info.build)(&config, vb, &RngKey::new(0))?;
//! let (params, report) = weights.finish()?;
//!
//! let images = Tensor::zeros((2, 1, 28, 28), DType::F32, &Device::Cpu)?;
//! assert_eq!(net.forward_t(&images, false)?.dims(), [2, 26]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod block_names;
mod cifar_resnet;
mod conv_shape;
mod convnext;
mod digit_cnn;
mod dinov2;
mod dinov3;
mod efficientnet;
mod hgnet;
mod info;
mod inverted_residual;
mod keras_cnn;
mod lenet5;
mod mlp;
mod mobilenet;
mod net;
mod regnet;
mod resnet;
mod shapes;
mod vit;

use std::sync::LazyLock;

pub use info::{BuildNet, Family, NetConfig, NetInfo, NetSize, Patches, Published, UsualImages};
pub use net::Net;

/// The nets of each file.
const FILES: &[fn() -> Vec<NetInfo>] = &[
    keras_cnn::nets,
    digit_cnn::nets,
    lenet5::nets,
    mlp::nets,
    cifar_resnet::nets,
    resnet::nets,
    efficientnet::nets,
    mobilenet::nets,
    convnext::nets,
    regnet::nets,
    hgnet::nets,
    vit::nets,
    dinov2::nets,
    dinov3::nets,
];

/// The nets that this crate knows.
pub fn all() -> &'static [NetInfo] {
    static ALL: LazyLock<Vec<NetInfo>> =
        LazyLock::new(|| FILES.iter().flat_map(|nets| nets()).collect());
    &ALL
}

/// The net called `name`.
pub fn find(name: &str) -> Option<&'static NetInfo> {
    all().iter().find(|info| info.name == name)
}

#[cfg(test)]
mod tests;
