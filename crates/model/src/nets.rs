//! Nets: architectures by name, each with what loading and fine-tuning need to know of it.
//!
//! | nets | what they are | paper |
//! | --- | --- | --- |
//! | `keras-cnn`, `mlp` | the Keras MNIST examples | |
//! | `digit-cnn`, `digit-cnn-large` | small convolutional nets that learn digits fast | |
//! | `lenet5` | LeNet-5 with ReLU and max-pools | LeCun et al., 1998 |
//! | `cifar_resnet20` to `cifar_resnet56` | ResNets for 32x32 images, shortcuts without parameters | He et al., 2015, section 4.2 |
//! | `resnet18` to `resnet101` | ResNets with the names of torchvision and timm | He et al., 2015 |
//! | `vit_tiny_patch16_224` to `vit_base_patch16_224` | vision transformers with timm's names | Dosovitskiy et al., 2020 |
//! | `vit_small_patch14_dinov2` | DINOv2, its head on class token and mean | Oquab et al., 2023 |
//!
//! Each is a function from a configuration, a builder and a key to a [`Net`], in a file of its own
//! that says what its layers, first values and parameters' names are. [`all`] lists their
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

mod cifar_resnet;
mod digit_cnn;
mod dinov2;
mod info;
mod keras_cnn;
mod lenet5;
mod mlp;
mod net;
mod resnet;
mod vit;

use std::sync::LazyLock;

pub use info::{BuildNet, Family, NetConfig, NetInfo, NetSize, Patches};
pub use net::Net;

/// The files of nets; each is one family.
static FAMILIES: [fn() -> Vec<NetInfo>; 8] = [
    keras_cnn::nets,
    digit_cnn::nets,
    lenet5::nets,
    mlp::nets,
    cifar_resnet::nets,
    resnet::nets,
    vit::nets,
    dinov2::nets,
];

/// The nets that this crate knows.
pub fn all() -> &'static [NetInfo] {
    static ALL: LazyLock<Vec<NetInfo>> =
        LazyLock::new(|| FAMILIES.iter().flat_map(|nets| nets()).collect());
    &ALL
}

/// The net called `name`.
pub fn find(name: &str) -> Option<&'static NetInfo> {
    all().iter().find(|info| info.name == name)
}

#[cfg(test)]
mod tests;
